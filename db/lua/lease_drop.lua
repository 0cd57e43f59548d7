-- Gives a lease back, unless it is somebody else's by now.
--
-- KEYS  1 lease      ARGV  1 holder
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
