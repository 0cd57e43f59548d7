-- Drops the cached user, and lets no turn that is under way put the old one back: it finds another
-- version and runs again.
--
-- KEYS  1 session hash of the chat
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[1], 'u')
return redis.call('HINCRBY', KEYS[1], 'v', 1)
