-- People who are being forgotten; what is done about it is in deploy/erasures.sql.

-- :person_remember writes
select person_remember($1, decode($2, 'hex'), (now() at time zone 'UTC')::date + $3::int)

-- :erased_marks_prune writes
select erased_marks_prune() as pruned

-- :person_leave writes
select person_leave($1, $2, $3) as has_left

-- :person_erase writes
select person_erase($1, $2, $3) as step

-- What is still to be done elsewhere. What FAL does not let us delete, or is away for when the day is
-- nearly over, does not hold up the rest.
-- :erasure_find
select e.id, e.user_id, e.telegram_id, e.language, e.ended_at is not null as has_ended,
       (extract(epoch from now() - e.asked_at) * 1000)::bigint as age_ms,
       exists (select from users u where u.telegram_id = e.telegram_id) as has_returned,
       (select count(*) from jobs j
        where j.subject = e.id
          and (j.kind = 'object_delete' and j.state in ('queued', 'running', 'dead')
               or j.kind in ('erasure_drop', 'fal_forget') and j.state in ('queued', 'running')
                  and e.asked_at > now() - interval '20 hours')) as left_jobs
from erasures e
where e.id = $1

-- :erasure_told writes
update erasures set told_at = coalesce(told_at, now()) where id = $1

-- :person_forget writes
select person_forget($1)

-- One on which nobody is at work any more is taken up again, once an hour: a step of it is dead.
-- :erasures_wake writes
insert into jobs (lane, kind, key, subject)
select 'media', case when e.erased_at is null then 'person_erase' else 'person_forget' end,
       'erasure_wake:' || e.id || ':' || floor(extract(epoch from now()) / 3600)::bigint, e.id
from erasures e
where e.ended_at is null
  and not exists (select from jobs j
                  where j.subject = e.id and j.state in ('queued', 'running')
                    and j.kind in ('person_erase', 'erasure_tell', 'person_forget'))
on conflict (key) do nothing
returning subject
