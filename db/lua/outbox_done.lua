-- A call of a chat has been made: acknowledged, removed, and no longer counted as waiting.
--
-- KEYS  1 session hash of the chat   2 stream of calls      ARGV  1 group   2 entry id
if redis.call('XACK', KEYS[2], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('XDEL', KEYS[2], ARGV[2])
local queued = tonumber(redis.call('HGET', KEYS[1], 'q') or '0')
if queued > 0 then redis.call('HINCRBY', KEYS[1], 'q', -1) end
return 1
