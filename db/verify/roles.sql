-- Verify aisha:roles on pg

begin;

do $$
begin
    assert (select count(*)
            from pg_roles
            where rolname in ('aisha_owner', 'aisha_bot', 'aisha_worker', 'aisha_status')
              and not rolsuper) = 4, 'four roles, none of them a superuser';
    assert has_schema_privilege('aisha_owner', 'public', 'create'), 'the owner may create';
    assert not has_schema_privilege('aisha_bot', 'public', 'create'), 'the bot may not create';
    assert (select count(*)
            from pg_db_role_setting s
            join pg_roles r on r.oid = s.setrole
            where s.setdatabase = (select oid from pg_database where datname = current_database())
              and r.rolname in ('aisha_bot', 'aisha_worker', 'aisha_status')) = 3, 'limits are set';
end $$;

rollback;
