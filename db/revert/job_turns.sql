-- Revert aisha:job_turns from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

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
    return null;
end $$;

drop trigger jobs_turn on jobs;
drop function job_turn();
alter table jobs drop column turn_id;

commit;
