-- What only the status page and `aisha db report` ask. Days are days in UTC.

-- :status_ping
select 1 as one

-- :status_database
select split_part(current_setting('server_version'), ' ', 1) as version,
       pg_database_size(current_database()) as size_bytes,
       (select count(*) from pg_stat_activity where datname = current_database()) as connections,
       current_setting('max_connections')::int as most_connections

-- Orders of today and what became of them; the seconds are from the order to the last stored image.
-- :status_orders_today
select count(*) as ordered,
       count(*) filter (where status = 'completed') as completed,
       count(*) filter (where status = 'failed') as failed,
       coalesce(percentile_cont(0.5) within group (order by generation_seconds)
           filter (where status = 'completed'), 0) as median_seconds,
       coalesce(percentile_cont(0.95) within group (order by generation_seconds)
           filter (where status = 'completed'), 0) as p95_seconds,
       (select count(*) from images
        where created_at >= date_trunc('day', now(), 'UTC')) as images,
       (select count(*) from image_generations where status in ('pending', 'processing')) as open
from image_generations
where created_at >= date_trunc('day', now(), 'UTC')

-- :status_open_orders
select id, user_id, generation_type, source_model, status, attempt, num_images,
       (extract(epoch from now() - created_at) * 1000)::bigint as age_ms,
       (extract(epoch from now() - coalesce(last_status_check, submitted_at, created_at))
           * 1000)::bigint as silent_ms
from image_generations
where status in ('pending', 'processing')
order by created_at, id
limit $1

-- :status_images_by_hour
with made as (
    select date_trunc('hour', created_at, 'UTC') as hour, count(*) as images
    from images
    where created_at >= date_trunc('hour', now(), 'UTC') - ($1::int - 1) * interval '1 hour'
    group by 1
)
select (extract(epoch from hours.hour) * 1000)::bigint as hour_ms,
       coalesce(made.images, 0) as images
from generate_series(date_trunc('hour', now(), 'UTC') - ($1::int - 1) * interval '1 hour',
                     date_trunc('hour', now(), 'UTC'), interval '1 hour') as hours (hour)
left join made on made.hour = hours.hour
order by hours.hour

-- :status_running_jobs
select id, lane, kind, attempt, failures, worker,
       (extract(epoch from now() - started_at) * 1000)::bigint as running_ms,
       (extract(epoch from leased_until - now()) * 1000)::bigint as lease_ms
from jobs
where state = 'running'
order by started_at, id
limit $1

-- Partitions count with the table that they belong to.
-- :status_tables
select coalesce(parent.relname, c.relname) as name,
       sum(pg_total_relation_size(c.oid))::bigint as size_bytes,
       sum(greatest(c.reltuples, 0))::bigint as about_rows
from pg_class c
left join pg_inherits i on i.inhrelid = c.oid
left join pg_class parent on parent.oid = i.inhparent
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
group by 1
order by 2 desc, 1

-- :status_row_counts
select (select count(*) from users) as users,
       (select count(*) from image_generations) as image_generations,
       (select count(*) from images) as images,
       (select count(*) from ledger_transfers) as ledger_transfers,
       (select count(*) from jobs) as jobs,
       (select count(*) from turns) as turns,
       (select count(*) from parked_updates) as parked_updates

-- :status_oldest_open_order
select id, user_id, status, attempt,
       (extract(epoch from now() - created_at) * 1000)::bigint as age_ms
from image_generations
where status in ('pending', 'processing')
order by created_at, id
limit 1

-- :status_open_counts
select (select count(*) from image_generations where status in ('pending', 'processing')) as generations,
       (select count(*) from avatar_trainings where status in ('pending', 'processing')) as trainings,
       (select count(*) from user_transcripts where status in ('pending', 'processing')) as transcripts

-- Sums over whole tables, made by the worker that sweeps.
-- :summary_ledger writes
insert into summaries (name, value)
select 'ledger', jsonb_agg(to_jsonb(t)) from ledger_totals() t
on conflict (name) do update set value = excluded.value, made_at = excluded.made_at
returning value

-- :summary_users writes
insert into summaries (name, value)
select 'users', jsonb_build_object(
           'everybody', count(*),
           'blocked', count(*) filter (where is_blocked),
           'unreachable', count(*) filter (where unreachable_at is not null))
from users
on conflict (name) do update set value = excluded.value, made_at = excluded.made_at

-- What else is found out and shown later: $1 its name, $2 its words.
-- :summary_put writes
insert into summaries (name, value)
values ($1, $2::jsonb)
on conflict (name) do update set value = excluded.value, made_at = excluded.made_at

-- :summary_drop writes
delete from summaries where name = $1 returning name

-- :summary_totals
select t.kind, t.accounts, t.balance,
       (extract(epoch from clock_timestamp() - s.made_at) * 1000)::bigint as made_ms_ago
from summaries s
cross join jsonb_to_recordset(s.value) as t (kind text, accounts bigint, balance bigint)
where s.name = 'ledger'
order by array_position(array['user', 'held', 'revenue', 'promo', 'stars', 'adjustment'], t.kind)

-- :summary_user_counts
select coalesce((s.value->>'everybody')::bigint, 0) as everybody,
       coalesce((s.value->>'blocked')::bigint, 0) as blocked,
       coalesce((s.value->>'unreachable')::bigint, 0) as unreachable,
       (select count(*) from users where created_at > now() - interval '1 day') as new_today
from (values (1)) as one (row)
left join summaries s on s.name = 'users'

-- :summary_check
select (value->>'problems')::bigint as problems, value->>'first' as first_problem,
       (extract(epoch from clock_timestamp() - made_at) * 1000)::bigint as made_ms_ago
from summaries
where name = 'ledger_check'

-- As Telegram tells it; no row where updates are fetched.
-- :summary_webhook
select value->>'url' as url, coalesce((value->>'pending_update_count')::bigint, 0) as pending,
       coalesce((value->>'max_connections')::bigint, 0) as max_connections,
       value->>'last_error_message' as last_error,
       coalesce((value->>'last_error_date')::bigint, 0) * 1000 as last_error_at_ms,
       value->>'ip_address' as ip_address,
       (extract(epoch from clock_timestamp() - made_at) * 1000)::bigint as made_ms_ago
from summaries
where name = 'webhook'

-- :status_open_trainings
select t.id, t.user_id, t.training_type, t.preset, t.status, t.progress, t.attempt,
       (extract(epoch from now() - t.created_at) * 1000)::bigint as age_ms,
       (extract(epoch from now() - coalesce(t.last_status_check, t.submitted_at, t.created_at))
           * 1000)::bigint as silent_ms
from avatar_trainings t
where t.status in ('pending', 'processing')
order by t.created_at, t.id
limit $1

-- :status_user_orders
select id, generation_type, status, num_images, price, original_prompt, failure,
       (extract(epoch from created_at) * 1000)::bigint as created_at_ms
from image_generations
where user_id = $1
order by created_at desc
limit $2

-- Before $1, which is 0 for the newest.
-- :admin_audit_list
select id, telegram_id, action, subject, details,
       (extract(epoch from created_at) * 1000)::bigint as created_at_ms
from admin_audit
where id < coalesce(nullif($1::bigint, 0), 9223372036854775807)
order by id desc
limit $2

-- A login of Telegram opens one session, as a link does; no row when it did before.
-- :admin_login_use writes
insert into admin_links (token_sha256, telegram_id, expires_at, used_at)
values (decode($1, 'hex'), $2, now() + interval '1 hour', now())
on conflict (token_sha256) do nothing
returning telegram_id

-- :status_user
select id, telegram_id, first_name, last_name, username, language_code, is_blocked,
       unreachable_at is not null as is_unreachable,
       (extract(epoch from created_at) * 1000)::bigint as created_at_ms
from users
where id = $1

-- :status_user_jobs
select id, lane, kind, state, user_id, failures, last_error
from jobs
where user_id = $1 and state in ('queued', 'running', 'dead')
order by id desc
limit $2
