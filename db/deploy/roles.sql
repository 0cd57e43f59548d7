-- Deploy aisha:roles to pg
--
-- Roles belong to the whole cluster, so another database may have made them
-- already, and whoever deploys here may then lack the right to change them.
-- They get no passwords: sockets and the operator's pg_hba.conf decide who may
-- be whom. Everything after this change is owned by aisha_owner, whoever runs
-- the deployment.

begin;

set local lock_timeout = '2s';

do $$
declare
    wanted text;
begin
    foreach wanted in array array['aisha_owner', 'aisha_bot', 'aisha_worker', 'aisha_status'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            begin
                execute format('create role %I login', wanted);
            exception when duplicate_object or unique_violation then
                null; -- another database of this cluster was deployed at the same moment
            end;
        end if;
    end loop;
end $$;

-- Limits go with this database, so that an operator's other databases with
-- the same roles keep theirs. A turn that waits longer than two seconds is
-- answered 503 and delivered again; a worker has more patience.
do $$
declare
    here text := current_database();
    limits record;
begin
    for limits in
        select *
        from (values ('aisha_bot', '2s', '1s', '10s'),
                     ('aisha_worker', '10s', '5s', '10s'),
                     ('aisha_status', '5s', '1s', '10s')) as l (role, statement, lock, idle)
    loop
        execute format('alter role %I in database %I set statement_timeout = %L',
                       limits.role, here, limits.statement);
        execute format('alter role %I in database %I set lock_timeout = %L',
                       limits.role, here, limits.lock);
        execute format('alter role %I in database %I set idle_in_transaction_session_timeout = %L',
                       limits.role, here, limits.idle);
    end loop;

    execute format('revoke all on database %I from public', here);
    execute format('grant connect on database %I to aisha_owner, aisha_bot, aisha_worker, aisha_status',
                   here);
end $$;

revoke all on schema public from public;
grant usage, create on schema public to aisha_owner;
grant usage on schema public to aisha_bot, aisha_worker, aisha_status;

-- A function that guards a table is useless when everybody may call it.
alter default privileges for role aisha_owner revoke execute on functions from public;

commit;
