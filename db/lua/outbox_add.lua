-- Appends one call for a chat from outside a turn: progress, and the gates of results.
--
-- KEYS  1 session hash of the chat   2 stream of calls      ARGV  fields and values of the entry
redis.call('HINCRBY', KEYS[1], 'q', 1)
redis.call('EXPIRE', KEYS[1], 604800)
return redis.call('XADD', KEYS[2], '*', unpack(ARGV))
