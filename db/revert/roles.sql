-- Revert aisha:roles from pg
--
-- The roles themselves stay: other databases of the cluster may use them.

begin;

set local lock_timeout = '2s';

alter default privileges for role aisha_owner grant execute on functions to public;
revoke all on schema public from aisha_owner, aisha_bot, aisha_worker, aisha_status;
grant usage on schema public to public;

do $$
declare
    here text := current_database();
    wanted text;
begin
    foreach wanted in array array['aisha_bot', 'aisha_worker', 'aisha_status'] loop
        execute format('alter role %I in database %I reset all', wanted, here);
    end loop;

    execute format('revoke all on database %I from aisha_bot, aisha_worker, aisha_status', here);
    execute format('grant connect, temporary on database %I to public', here);
end $$;

commit;
