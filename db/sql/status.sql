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
