-- A worker says that it is there and learns how many there are.
--
-- KEYS  1 sorted set of workers by the time they were last heard of, ms
-- ARGV  1 worker   2 silence after which one is gone, ms
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], 10 * ARGV[2])
return redis.call('ZCARD', KEYS[1])
