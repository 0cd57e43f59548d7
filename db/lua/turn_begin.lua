-- Starts one update of one user: says what came before it and leaves a mark.
--
-- KEYS  1 session hash   2 done hash   3 flood counter
-- ARGV  1 update id      2 life of the mark, ms      3 most updates a minute, 0: exempt
--       4 state in which none of them counts, empty: there is none
--
-- Answers {'done', answer} | {'running'} | {'flooded', how many above the limit}
--       | {'run', counted attempts, 1 when it was begun before, fields of the session hash…}
--
-- The mark is '<expires ms>:<counted>', or '-:<counted>' once it was given back.
-- A mark that ran out means that its process died, and that counts.
local id = ARGV[1]
local answer = redis.call('HGET', KEYS[2], 'u' .. id)
if answer then return {'done', answer} end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local counted = 0
local mark = redis.call('HGET', KEYS[2], 'm' .. id)
if mark then
    local expires, before = string.match(mark, '^(%-?%d*):(%d+)$')
    counted = tonumber(before)
    if expires ~= '-' then
        if tonumber(expires) > now then return {'running'} end
        counted = counted + 1
    end
end

local limit = tonumber(ARGV[3])
if ARGV[4] ~= '' and redis.call('HGET', KEYS[1], 's') == ARGV[4] then limit = 0 end
if limit > 0 and not mark then
    local seen = redis.call('INCR', KEYS[3])
    if seen == 1 then redis.call('PEXPIRE', KEYS[3], 60000) end
    if seen > limit then return {'flooded', seen - limit} end
end

redis.call('HSET', KEYS[2], 'm' .. id, string.format('%d:%d', now + tonumber(ARGV[2]), counted))
redis.call('EXPIRE', KEYS[2], 90000)
local session = redis.call('HGETALL', KEYS[1])
table.insert(session, 1, 'run')
table.insert(session, 2, counted)
table.insert(session, 3, mark and 1 or 0)
return session
