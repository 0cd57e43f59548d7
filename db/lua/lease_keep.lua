-- Prolongs a lease for the one who holds it.
--
-- KEYS  1 lease      ARGV  1 holder   2 life, ms
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
