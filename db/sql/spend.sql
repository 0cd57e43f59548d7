-- What the outside parties cost, and what is free: see deploy/spend.sql.

-- :spend_admit writes
select total, fits from spend_admit($1, $2)

-- :spend_add writes
select spend_add($1, $2, clock_timestamp())

-- :spend_note writes
select spend_note($1, $2, $3, $4)

-- :free_use writes
select free_use($1, $2, $3) as is_counted

-- :free_uses_prune writes
select free_uses_prune()

-- :spend_today
select spent, under_way from spend_today()

-- :spend_kinds
select kind, calls, microdollars
from spend_days
where day = (now() at time zone 'UTC')::date
order by microdollars desc, kind

-- Days without a call have no row.
-- :spend_lately
select to_char(day, 'FMDD Mon') as day, sum(calls)::bigint as calls,
       sum(microdollars)::bigint as microdollars
from spend_days
where day < (now() at time zone 'UTC')::date
group by spend_days.day
order by spend_days.day desc
limit $1
