-- The story of one update, or of one job: what is kept of it. $1 is the number of an update, or of a
-- job where $2 is true. Whoever tells it begins with the jobs, and asks about their subjects.

-- :trace_jobs
with seed as (
    select id, turn_id, subject from jobs where not $2 and turn_id = $1
    union
    select id, turn_id, subject from jobs where $2 and id = $1
), found as (
    select id from seed
    union
    select j.id from seed s join jobs j on j.turn_id = s.turn_id
    union
    select j.id from seed s join jobs j on j.subject = s.subject
)
select j.id, j.lane, j.kind, j.state, j.user_id, j.subject, j.turn_id, j.attempt, j.failures,
       j.worker, j.last_error,
       (extract(epoch from j.created_at) * 1000)::bigint as created_at_ms,
       (extract(epoch from j.started_at) * 1000)::bigint as started_at_ms,
       (extract(epoch from j.finished_at) * 1000)::bigint as finished_at_ms
from found f
join jobs j on j.id = f.id
order by j.id
limit 500

-- Which screens it led from and to, and how many calls of Telegram it left; never their words.
-- :trace_turn
select update_id, user_id, outcome->>'from' as from_state, outcome->>'to' as to_state,
       coalesce(jsonb_array_length(outcome->'calls'), 0) as calls,
       (extract(epoch from created_at) * 1000)::bigint as created_at_ms
from turns
where update_id = $1

-- :trace_parked
select id, reason, attempts, (extract(epoch from created_at) * 1000)::bigint as created_at_ms
from parked_updates
where update_id = $1

-- $1 is a uuid: an order of images, a training or a transcript.
-- :trace_thing
select 'generation' as thing, status::text as status, price, attempt, fal_request_id as request_id,
       coalesce(failure, '') as failure,
       (extract(epoch from created_at) * 1000)::bigint as created_at_ms,
       (extract(epoch from submitted_at) * 1000)::bigint as submitted_at_ms,
       (extract(epoch from completed_at) * 1000)::bigint as completed_at_ms
from image_generations where id = $1
union all
select 'training', status::text, price, attempt, fal_request_id, coalesce(failure, ''),
       (extract(epoch from created_at) * 1000)::bigint,
       (extract(epoch from submitted_at) * 1000)::bigint,
       (extract(epoch from completed_at) * 1000)::bigint
from avatar_trainings where id = $1
union all
select 'transcript', status::text, coalesce(price, 0), 0, null, coalesce(failure, ''),
       (extract(epoch from created_at) * 1000)::bigint, null,
       (extract(epoch from completed_at) * 1000)::bigint
from user_transcripts where id = $1

-- :trace_coins
select t.id, t.kind::text as kind, t.reason, sum(e.amount) filter (where e.amount > 0)::bigint as coins,
       (extract(epoch from t.created_at) * 1000)::bigint as created_at_ms
from ledger_transfers t
join ledger_entries e on e.transfer_id = t.id
where t.subject = $1
   or t.idempotency_key in (select s.idempotency_key || ':settled' from ledger_transfers s where s.subject = $1)
group by t.id
order by t.id
limit 100
