-- Who is at work, whom we last spoke to, and rare events by number.

-- :worker_seen writes
insert into workers (name, host, pid, release, lanes)
values ($1, $2, $3, $4, string_to_array($5, ','))
on conflict (name) do update
set host = excluded.host, pid = excluded.pid, release = excluded.release, lanes = excluded.lanes,
    seen_at = now(),
    started_at = case when workers.pid = excluded.pid then workers.started_at else now() end

-- :worker_gone writes
delete from workers where name = $1

-- :worker_list
select name, host, pid, release, array_to_string(lanes, ',') as lanes,
       (extract(epoch from started_at) * 1000)::bigint as started_at_ms,
       (extract(epoch from now() - seen_at) * 1000)::bigint as silent_ms
from workers
order by name

-- :worker_prune writes
delete from workers where seen_at < now() - interval '1 hour'

-- :party_ok writes
insert into parties (name, ok_at)
values ($1, now())
on conflict (name) do update set ok_at = now()

-- :party_failed writes
insert into parties (name, failed_at, error)
values ($1, now(), $2)
on conflict (name) do update set failed_at = now(), error = excluded.error

-- :party_list
select name, coalesce(ok_at >= failed_at or failed_at is null, false) as is_ok,
       (extract(epoch from ok_at) * 1000)::bigint as ok_at_ms,
       (extract(epoch from failed_at) * 1000)::bigint as failed_at_ms, error
from parties
order by name

-- :counter_add writes
insert into counters (name, value)
values ($1, $2)
on conflict (name) do update set value = counters.value + excluded.value, updated_at = now()

-- :counter_list
select name, value, (extract(epoch from updated_at) * 1000)::bigint as updated_at_ms
from counters
order by name
