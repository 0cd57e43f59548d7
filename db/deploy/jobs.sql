-- Deploy aisha:jobs to pg
--
-- A job is one step. The functions below are how a worker speaks of a job it
-- holds: each names the attempt it was given, and a worker that lost its lease
-- meanwhile gets AI002 and with it the end of its transaction, so that nothing
-- a sleeper writes can ever be committed.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create type jobstate as enum ('queued', 'running', 'done', 'dead', 'cancelled');

create table jobs (
    id           bigint generated always as identity primary key,
    lane         text not null check (lane in ('send', 'fal', 'speech', 'media')),
    kind         text not null,
    key          text unique,
    user_id      bigint references users on delete cascade,
    subject      uuid,
    payload      jsonb not null default '{}',
    state        jobstate not null default 'queued',
    attempt      int not null default 0,
    failures     int not null default 0,
    run_at       timestamptz not null default now(),
    leased_until timestamptz,
    worker       text,
    last_error   text,
    created_at   timestamptz not null default now(),
    started_at   timestamptz,
    finished_at  timestamptz,
    constraint jobs_lease check ((state = 'running') = (leased_until is not null)),
    constraint jobs_end check ((state in ('done', 'dead', 'cancelled')) = (finished_at is not null))
);

comment on table jobs is
    'Steps of background work, queued by the transaction that pays for them.';
comment on column jobs.key is 'A step queued twice under one key is one step.';
comment on column jobs.user_id is
    'Whose work it is; goes with the person. Work that must outlive the person carries none.';
comment on column jobs.attempt is 'How often it was taken; a result is written for the attempt that holds the lease.';
comment on column jobs.failures is 'Deaths and refusals; waiting does not count.';

create index jobs_waiting on jobs (lane, run_at, id) where state = 'queued';
create index jobs_leases on jobs (leased_until) where state = 'running';
create index jobs_dead on jobs (finished_at) where state = 'dead';
create index jobs_finished on jobs (finished_at) where state in ('done', 'cancelled');
create index jobs_subject on jobs (subject) where subject is not null;
create index jobs_user on jobs (user_id) where user_id is not null;

-- Raises AI002 unless the job runs in this attempt, and holds its row.
create function job_own(p_id bigint, p_attempt int) returns void
language plpgsql
set search_path = public, pg_temp
as $$
begin
    perform from jobs where id = p_id and attempt = p_attempt and state = 'running' for update;
    if not found then
        raise exception 'job % is no longer held by attempt %', p_id, p_attempt
            using errcode = 'AI002';
    end if;
end $$;

create function job_finish(p_id bigint, p_attempt int) returns void
language plpgsql
set search_path = public, pg_temp
as $$
begin
    perform job_own(p_id, p_attempt);
    update jobs
    set state = 'done', leased_until = null, finished_at = now(), last_error = null
    where id = p_id;
end $$;

-- Back to the queue without a failure: the other side asked to come later.
create function job_wait(p_id bigint, p_attempt int, p_delay_ms bigint, p_error text) returns void
language plpgsql
set search_path = public, pg_temp
as $$
begin
    perform job_own(p_id, p_attempt);
    update jobs
    set state = 'queued', leased_until = null, last_error = p_error,
        run_at = now() + p_delay_ms * interval '1 millisecond'
    where id = p_id;
end $$;

-- Back to the queue with a failure; answers how many there are now.
create function job_fail(p_id bigint, p_attempt int, p_delay_ms bigint, p_error text) returns int
language plpgsql
set search_path = public, pg_temp
as $$
declare
    counted int;
begin
    perform job_own(p_id, p_attempt);
    update jobs
    set state = 'queued', leased_until = null, last_error = p_error, failures = failures + 1,
        run_at = now() + p_delay_ms * interval '1 millisecond'
    where id = p_id
    returning failures into counted;
    return counted;
end $$;

-- Given up. The refund and the words to the user belong to the same transaction.
create function job_die(p_id bigint, p_attempt int, p_error text) returns void
language plpgsql
set search_path = public, pg_temp
as $$
begin
    perform job_own(p_id, p_attempt);
    update jobs
    set state = 'dead', leased_until = null, finished_at = now(), last_error = p_error,
        failures = failures + 1
    where id = p_id;
end $$;

-- Dead jobs stay until an admin has dealt with them.
create function jobs_prune() returns bigint
language sql
set search_path = public, pg_temp
as $$
    with pruned as (
        delete from jobs
        where state in ('done', 'cancelled') and finished_at < now() - interval '7 days'
        returning id
    )
    select count(*) from pruned
$$;

-- For tables with the columns bucket and object_key: when a row goes, by itself
-- or with its user, its object follows. The job carries no user, so that it
-- outlives the person it belonged to.
create function object_delete_queue() returns trigger
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    if old.object_key is not null then
        insert into jobs (lane, kind, key, payload)
        values ('media', 'object_delete', 'object_delete:' || old.bucket || '/' || old.object_key,
                jsonb_build_object('bucket', old.bucket, 'object_key', old.object_key))
        on conflict (key) do nothing;
    end if;
    return old;
end $$;

grant select, insert on jobs to aisha_bot;
-- To cancel what is queued and to revive what is dead; never to take a job.
grant update (state, run_at, failures, leased_until, finished_at, last_error) on jobs to aisha_bot;
grant select, insert, update, delete on jobs to aisha_worker;
grant select on jobs to aisha_status;
grant execute on function job_own, job_finish, job_wait, job_fail, job_die, jobs_prune
    to aisha_worker;

commit;
