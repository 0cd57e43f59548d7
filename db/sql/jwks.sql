-- Keys of those who call us back.

-- :jwks_find
select document, (extract(epoch from now() - fetched_at) * 1000)::bigint as age_ms,
       (extract(epoch from fetched_at) * 1000)::bigint as fetched_at_ms,
       (extract(epoch from requested_at) * 1000)::bigint as requested_at_ms
from jwks
where source = $1

-- :jwks_store writes
insert into jwks (source, document, fetched_at)
values ($1, $2, now())
on conflict (source) do update set document = excluded.document, fetched_at = excluded.fetched_at

-- A row comes back when this call is the one that asks: at most once a minute.
-- :jwks_request writes
insert into jwks (source, requested_at)
values ($1, now())
on conflict (source) do update set requested_at = now()
where jwks.requested_at is null or jwks.requested_at < now() - interval '1 minute'
returning source

-- Never fetched, asked for since the last fetch, or half a day old.
-- :jwks_wanted
select not exists (
    select from jwks
    where source = $1 and fetched_at > now() - interval '12 hours'
      and (requested_at is null or requested_at <= fetched_at)
) as wanted
