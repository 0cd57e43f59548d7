-- Deploy aisha:job_turns to pg
--
-- A job knows the update that it came of, so that the whole story of an update
-- can be told. The turn says who it is once, when it is claimed; a job that is
-- queued later, by a worker or a callback, takes after those about the same
-- thing.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

alter table jobs add column turn_id bigint;

comment on column jobs.turn_id is 'The update that it came of, as Telegram numbers it; null where there is none.';

create function job_turn() returns trigger
language plpgsql
set search_path = public, pg_temp
as $$
begin
    new.turn_id := coalesce(new.turn_id, nullif(current_setting('aisha.turn', true), '')::bigint);
    if new.turn_id is null and new.subject is not null then
        select turn_id into new.turn_id
        from jobs
        where subject = new.subject and turn_id is not null
        order by id
        limit 1;
    end if;
    return new;
end $$;

create trigger jobs_turn before insert on jobs
    for each row execute function job_turn();

create or replace function turn_claim(p_bot_id bigint, p_update_id bigint, p_user_id bigint)
returns jsonb
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    earlier jsonb;
begin
    perform pg_advisory_xact_lock(hashtextextended(p_bot_id || ':' || p_update_id, 0));
    select coalesce(outcome, '{}') into earlier
    from turns
    where bot_id = p_bot_id and update_id = p_update_id;
    if found then
        return earlier;
    end if;

    insert into turns (bot_id, update_id, user_id) values (p_bot_id, p_update_id, p_user_id);
    perform set_config('aisha.turn', p_update_id::text, true);
    return null;
end $$;

commit;

-- Apart from the transaction above, which waits for nobody and makes nobody wait.
set role aisha_owner;
create index concurrently if not exists jobs_turn_id on jobs (turn_id) where turn_id is not null;
reset role;
