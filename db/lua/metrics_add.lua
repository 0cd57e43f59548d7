-- Adds what a process has counted to the sums of all, and says that it lives.
--
-- KEYS  1 hash of sums   2 sorted set of processes by the time they were last heard of, ms
--       3 hash of sums of this minute
-- ARGV  1 "lives" or "ends"   2 process, "bot host:pid"   3 silence after which one is gone, ms
--       4 life of the sums, s   5 life of a minute, s
--       then fours: number of the key, HINCRBY or HSET, field, value
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 6, #ARGV, 4 do
    redis.call(ARGV[i + 1], KEYS[tonumber(ARGV[i])], ARGV[i + 2], ARGV[i + 3])
end
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('EXPIRE', KEYS[3], ARGV[5])
if ARGV[1] == 'lives' then
    redis.call('ZADD', KEYS[2], now, ARGV[2])
else
    redis.call('ZREM', KEYS[2], ARGV[2])
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[3])
redis.call('PEXPIRE', KEYS[2], 10 * ARGV[3])
return redis.call('ZCARD', KEYS[2])
