-- Updates that were given up.

-- What could not be read may be no text at all: a body comes as hex and is kept as the bytes it
-- was.
-- :parked_put writes
insert into parked_updates (bot_id, update_id, user_id, body_sha256, body, reason, attempts)
values ($1, $2, (select id from users where telegram_id = $3), sha256(decode($4, 'hex')),
        decode($4, 'hex'), $5, $6)
on conflict (bot_id, body_sha256) do update
set attempts = excluded.attempts, reason = excluded.reason
returning id, xmax = 0 as is_new

-- Newest first; $1 is the last id of the page before, 0 for the first page.
-- :parked_page
select id, bot_id, update_id, user_id, encode(body_sha256, 'hex') as body_sha256, reason, attempts,
       (extract(epoch from created_at) * 1000)::bigint as created_at_ms
from parked_updates
where id < coalesce(nullif($1::bigint, 0), 9223372036854775807)
order by id desc
limit $2

-- :parked_count
select count(*) as parked,
       count(*) filter (where created_at > now() - interval '1 day') as parked_today
from parked_updates

-- :parked_prune writes
delete from parked_updates where created_at < now() - interval '30 days'
