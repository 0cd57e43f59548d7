-- Gives a result its place in the chat's stream, unless it has one that was seen within the last
-- minute.
--
-- KEYS  1 gate   2 session hash of the chat   3 stream of calls
-- ARGV  1 life of the gate, s                 2 … fields and values of the entry
if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then return 0 end
redis.call('HINCRBY', KEYS[2], 'q', 1)
redis.call('EXPIRE', KEYS[2], 604800)
redis.call('XADD', KEYS[3], '*', unpack(ARGV, 2))
return 1
