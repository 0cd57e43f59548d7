-- The queue. What a worker says about a job it holds goes through functions
-- that raise AI002 when it holds it no longer; see deploy/jobs.sql.

-- :job_add writes
insert into jobs (lane, kind, key, user_id, subject, payload, run_at)
values ($1, $2, $3, nullif($4::bigint, 0), $5, coalesce($6, '{}')::jsonb,
        now() + $7::bigint * interval '1 millisecond')
on conflict (key) do nothing
returning id

-- Rows that another worker is taking are skipped, not waited for.
-- :job_take writes
with due as materialized (
    select id
    from jobs
    where lane = $1 and state = 'queued' and run_at <= now()
    order by run_at, id
    limit $3
    for update skip locked
), taken as (
    update jobs
    set state = 'running', attempt = attempt + 1, worker = $2, started_at = now(),
        leased_until = now() + interval '60 seconds'
    from due
    where jobs.id = due.id
    returning jobs.*
)
select id, lane, kind, key, user_id, subject, turn_id, payload, attempt, failures, last_error,
       (extract(epoch from now() - created_at) * 1000)::bigint as age_ms
from taken
order by run_at, id

-- :job_keep writes
update jobs
set leased_until = now() + interval '60 seconds'
where id = $1 and attempt = $2 and state = 'running'
returning id

-- :job_finish writes
select job_finish($1, $2)

-- :job_wait writes
select job_wait($1, $2, $3, $4)

-- :job_fail writes
select job_fail($1, $2, $3, $4) as failures

-- :job_die writes
select job_die($1, $2, $3)

-- :job_give_key_up writes
update jobs set key = null where id = $1

-- What runs already is not stopped here: its step finds its row cancelled.
-- :job_cancel_by_subject writes
update jobs
set state = 'cancelled', finished_at = now()
where subject = $2 and user_id = $1 and state = 'queued'
returning id

-- A worker that died cannot say so. Who takes the job next sees the failures
-- and decides whether it was once too often.
-- :job_sweep writes
with expired as materialized (
    select id
    from jobs
    where state = 'running' and leased_until < now()
    order by leased_until
    limit 100
    for update skip locked
)
update jobs
set state = 'queued', leased_until = null, failures = failures + 1, run_at = now(),
    last_error = 'the lease ran out'
from expired
where jobs.id = expired.id
returning jobs.id, jobs.lane, jobs.kind, jobs.failures, jobs.worker

-- :job_next_due
select greatest(0, (extract(epoch from min(run_at) - now()) * 1000)::bigint) as wait_ms
from jobs
where lane = $1 and state = 'queued'

-- :job_dead_list
select id, lane, kind, state, key, user_id, subject, attempt, failures, last_error,
       (extract(epoch from finished_at) * 1000)::bigint as finished_at_ms
from jobs
where state = 'dead'
order by finished_at desc, id desc
limit $1

-- What an admin reads of the queue: $1 a state, $2 a lane, either may be empty.
-- :job_list
select id, lane, kind, state, user_id, subject, attempt, failures, last_error,
       (extract(epoch from created_at) * 1000)::bigint as created_at_ms,
       (extract(epoch from run_at) * 1000)::bigint as run_at_ms
from jobs
where case when $1 = '' then state in ('queued', 'running', 'dead') else state::text = $1 end
  and ($2 = '' or lane = $2)
order by id desc
limit $3

-- :job_read
select id, lane, kind, key, state, user_id, subject, payload, attempt, failures, worker, last_error,
       (extract(epoch from created_at) * 1000)::bigint as created_at_ms,
       (extract(epoch from run_at) * 1000)::bigint as run_at_ms,
       (extract(epoch from started_at) * 1000)::bigint as started_at_ms,
       (extract(epoch from leased_until) * 1000)::bigint as leased_until_ms,
       (extract(epoch from finished_at) * 1000)::bigint as finished_at_ms
from jobs
where id = $1

-- :job_retry writes
update jobs
set state = 'queued', run_at = now(), finished_at = null,
    failures = case state when 'dead' then 0 else failures end
where id = $1 and state in ('queued', 'dead')
returning id

-- :job_give_up writes
update jobs
set state = case state when 'dead' then 'cancelled'::jobstate else state end,
    failures = case state when 'dead' then failures else $2 end,
    run_at = now()
where id = $1 and state in ('queued', 'dead')
returning id

-- :job_lanes
-- Each state by its own index: what is done and kept for a week is never read.
with waiting as (
    select lane, count(*) as queued, count(*) filter (where run_at <= now()) as due,
           min(run_at) as oldest
    from jobs where state = 'queued' group by lane
), running as (
    select lane, count(*) as running from jobs where state = 'running' group by lane
), dead as (
    select lane, count(*) as dead from jobs where state = 'dead' group by lane
)
select wanted.lane, coalesce(w.queued, 0) as queued, coalesce(w.due, 0) as due,
       greatest(0, coalesce((extract(epoch from now() - w.oldest) * 1000)::bigint, 0)) as oldest_ms,
       coalesce(r.running, 0) as running, coalesce(d.dead, 0) as dead
from unnest(array['send', 'fal', 'words', 'speech', 'media']) with ordinality as wanted (lane, position)
left join waiting w on w.lane = wanted.lane
left join running r on r.lane = wanted.lane
left join dead d on d.lane = wanted.lane
order by wanted.position

-- :job_kinds
select 'queued' as state, lane, kind, count(*) as jobs from jobs where state = 'queued' group by lane, kind
union all
select 'running', lane, kind, count(*) from jobs where state = 'running' group by lane, kind
union all
select 'dead', lane, kind, count(*) from jobs where state = 'dead' group by lane, kind
order by 2, 3, 1

-- :jobs_prune writes
select jobs_prune() as pruned

-- Whether this is the last open step of its kind for a subject.
-- :job_others_open
select count(*) as jobs
from jobs
where subject = $1 and kind = $2 and id <> $3 and state in ('queued', 'running')

-- A send job at its place in the chat's stream. Only the holder of the stream
-- runs it, so one that still counts as running and was not kept for 20 seconds
-- was left behind by a holder that died, and that is a failure.
-- :job_take_one writes
update jobs
set state = 'running', attempt = attempt + 1, failures = failures + (state = 'running')::int,
    worker = $2, started_at = now(), leased_until = now() + interval '60 seconds'
where id = $1 and lane = 'send'
  and (state = 'queued' and run_at <= now()
       or state = 'running' and leased_until < now() + interval '40 seconds')
returning id, lane, kind, key, user_id, subject, turn_id, payload, attempt, failures, last_error,
          (extract(epoch from now() - created_at) * 1000)::bigint as age_ms

-- No row: the job is over, and so is its place in the stream.
-- :job_gate
select greatest(0, (extract(epoch from run_at - now()) * 1000)::bigint) as wait_ms
from jobs
where id = $1 and state in ('queued', 'running')

-- Results that want a place in their chat's stream, page by page.
-- :job_send_due
select id, (payload->>'chat_id')::bigint as chat_id
from jobs
where lane = 'send' and state = 'queued' and run_at <= now() and id > $1
order by id
limit $2
