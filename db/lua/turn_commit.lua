-- Ends one update of one user: state, outgoing calls and the done mark, at once or not at all.
--
-- KEYS  1 session hash   2 done hash   3 stream of calls   4 stream of answers to taps
-- ARGV  1 update id      2 version the turn began with     3 '1' when PostgreSQL was written
--       4 state it began in    5 state it ends in    6 life of the session, s
--       7 version that opened the dialog it began in, or moved it on
--       8 '1' when it does so itself
--       9 number of changes, then each as name, '=' .. value or '-'
--       … number of calls, then each as 'inline', 'call' or 'answer', number of strings, strings
--
-- Answers {'done', answer} | {'again'} | {'ok', answer}
--
-- A turn that wrote nothing and met another version is run again. One that wrote keeps its calls,
-- and its changes too when the dialog is the very one that the turn found, in the same state, or
-- was wiped. The cached user is dropped in any case, and kept only where nobody came between: it
-- tells of coins that may have moved. An
-- inline call becomes the answer to Telegram when nothing waits for that chat, else it joins the
-- stream.
local id = ARGV[1]
local done = redis.call('HGET', KEYS[2], 'u' .. id)
if done then return {'done', done} end

local fields = redis.call('HMGET', KEYS[1], 'v', 's', 'q', 'e')
local version = tonumber(fields[1] or '0')
local fits = version == tonumber(ARGV[2])
if not fits then
    if ARGV[3] ~= '1' then
        local mark = redis.call('HGET', KEYS[2], 'm' .. id)
        redis.call('HSET', KEYS[2], 'm' .. id, '-:' .. string.match(mark or ':0', ':(%d+)$'))
        return {'again'}
    end
    fits = not fields[2] or fields[2] == ARGV[4] and (fields[4] or '0') == ARGV[7]
end

local set = {'v', version + 1}
local drop = {}
local at = 10
for _ = 1, tonumber(ARGV[9]) do
    local value = ARGV[at + 1]
    if string.byte(value) == 61 and ARGV[at] == 'u' and version ~= tonumber(ARGV[2]) then
        drop[#drop + 1] = 'u'
    elseif string.byte(value) == 61 then
        set[#set + 1] = ARGV[at]
        set[#set + 1] = string.sub(value, 2)
    elseif fits or ARGV[at] == 'u' then
        drop[#drop + 1] = ARGV[at]
    end
    at = at + 2
end
if #drop > 0 then redis.call('HDEL', KEYS[1], unpack(drop)) end
if fits then
    set[#set + 1] = 's'
    set[#set + 1] = ARGV[5]
    if ARGV[8] == '1' then
        set[#set + 1] = 'e'
        set[#set + 1] = version + 1
    end
else
    set = {'v', version + 1}
end

local queued = tonumber(fields[3] or '0')
local answer = ''
local count = tonumber(ARGV[at])
at = at + 1
for _ = 1, count do
    local kind, strings = ARGV[at], tonumber(ARGV[at + 1])
    if kind == 'inline' and queued == 0 and answer == '' then
        answer = ARGV[at + 3]
    elseif kind == 'answer' then
        redis.call('XADD', KEYS[4], '*', unpack(ARGV, at + 2, at + 1 + strings))
    else
        redis.call('XADD', KEYS[3], '*', unpack(ARGV, at + 2, at + 1 + strings))
        queued = queued + 1
    end
    at = at + 2 + strings
end
if queued ~= tonumber(fields[3] or '0') then
    set[#set + 1] = 'q'
    set[#set + 1] = queued
end
redis.call('HSET', KEYS[1], unpack(set))
redis.call('EXPIRE', KEYS[1], ARGV[6])

-- The last 128 update ids of this user, as a ring.
local slot = 'i' .. (redis.call('HINCRBY', KEYS[2], 'n', 1) % 128)
local oldest = redis.call('HGET', KEYS[2], slot)
if oldest then redis.call('HDEL', KEYS[2], 'u' .. oldest) end
redis.call('HDEL', KEYS[2], 'm' .. id)
redis.call('HSET', KEYS[2], slot, id, 'u' .. id, answer)
redis.call('EXPIRE', KEYS[2], 90000) -- turn_begin said so of a hash that may have been wiped since
return {'ok', answer}
