-- The bot's own name: kept by the worker, read by everybody.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

select columns_are('bots', array['id', 'username', 'updated_at']);
select col_is_pk('bots', 'id', 'one row for a bot');
select table_privs_are('bots', 'aisha_worker', array['SELECT', 'INSERT', 'UPDATE'], 'the worker keeps it');
select table_privs_are('bots', 'aisha_bot', array['SELECT'], 'a turn reads it');
select table_privs_are('bots', 'aisha_status', array['SELECT'], 'the status page, too');

set local role aisha_worker;
prepare keep(bigint, text) as
    insert into bots (id, username)
    values ($1, $2)
    on conflict (id) do update set username = excluded.username, updated_at = now()
    where bots.username <> excluded.username
    returning id;
select results_eq('execute keep(-7, ''first_bot'')', 'select -7::bigint', 'a new name is said');
select is_empty('execute keep(-7, ''first_bot'')', 'the same again is not');
select results_eq('execute keep(-7, ''second_bot'')', 'select -7::bigint', 'another one is');
set local role aisha_bot;
select is(username, 'second_bot', 'and replaces it') from bots where id = -7;
select throws_ok('insert into bots (id, username) values (-8, ''x'')', '42501', null, 'a turn writes none');

select finish();
rollback;
