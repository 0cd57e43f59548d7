-- Appends one call for a chat from outside a turn: progress, and the gates of results.
--
-- KEYS  1 session hash of the chat   2 stream of calls   3 where it matters: that it was appended
-- ARGV  1 life of the third key, s    2 … fields and values of the entry
if KEYS[3] and not redis.call('SET', KEYS[3], '1', 'NX', 'EX', ARGV[1]) then return false end
redis.call('HINCRBY', KEYS[1], 'q', 1)
redis.call('EXPIRE', KEYS[1], 604800)
return redis.call('XADD', KEYS[2], '*', unpack(ARGV, 2))
