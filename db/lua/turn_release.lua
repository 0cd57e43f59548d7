-- Gives a mark back after a turn that did not end, so that the next delivery may start at once.
--
-- KEYS  1 done hash      ARGV  1 update id      2 '1' when this attempt counts
local mark = redis.call('HGET', KEYS[1], 'm' .. ARGV[1])
if not mark then return 0 end
local counted = tonumber(string.match(mark, ':(%d+)$')) + tonumber(ARGV[2])
redis.call('HSET', KEYS[1], 'm' .. ARGV[1], '-:' .. counted)
return counted
