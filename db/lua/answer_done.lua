-- An answer to a tap has been given, or came too late: acknowledged and removed.
--
-- KEYS  1 stream of answers      ARGV  1 group   2 entry id
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
return redis.call('XDEL', KEYS[1], ARGV[2])
