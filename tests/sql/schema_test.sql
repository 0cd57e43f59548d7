-- The schema: what stands where, what points where, and who may do what.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

-- Tables, columns and their types.
select columns_are('users', array['id', 'telegram_id', 'first_name', 'last_name', 'username',
    'language_code', 'timezone', 'is_premium', 'is_blocked', 'unreachable_at', 'created_at',
    'updated_at']);
select col_type_is('users', 'id', 'bigint', 'users.id is ours');
select col_type_is('users', 'telegram_id', 'bigint', 'users.telegram_id is a number');
select col_is_unique('users', 'telegram_id', 'one row for a Telegram id');
select col_type_is('image_generations', 'id', 'uuid', 'generations are named in buttons');
select col_type_is('image_generations', 'price', 'bigint', 'money is whole');
select col_type_is('image_generations', 'status', 'generationstatus', 'a status is an enum');
select col_type_is('images', 'id', 'uuid', 'images are named in buttons');
select col_type_is('jobs', 'payload', 'jsonb', 'jobs.payload is JSON');
select col_is_unique('jobs', 'key', 'a step queued twice is one step');
select col_is_unique('images', array['generation_id', 'position'], 'an image has its place');
select col_is_unique('parked_updates', array['bot_id', 'body_sha256'], 'parked once');
select col_is_unique('ledger_transfers', 'idempotency_key', 'a key moves coins once');
select enum_has_labels('generationstatus',
    array['pending', 'processing', 'completed', 'failed', 'cancelled']);
select enum_has_labels('jobstate', array['queued', 'running', 'done', 'dead', 'cancelled']);
select enum_has_labels('ledger_account_kind',
    array['user', 'held', 'revenue', 'promo', 'stars', 'adjustment']);

-- Rules that hold for the whole schema.
select is_empty($$
    select table_name, column_name from information_schema.columns
    where table_schema = 'public' and data_type = 'timestamp without time zone'
      and table_name in (select tablename from pg_tables where tableowner = 'aisha_owner')
$$, 'every time is timestamptz');
select is_empty($$
    select table_name, column_name from information_schema.columns
    where table_schema = 'public' and data_type = 'character varying'
      and table_name in (select tablename from pg_tables where tableowner = 'aisha_owner')
$$, 'no text has a length');
select is_empty($$
    select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relispartition
      and c.relowner = 'aisha_owner'::regrole
      and obj_description(c.oid, 'pg_class') is null
$$, 'every table says what it is for');
select is_empty($$
    select conrelid::regclass, conname from pg_constraint
    where contype = 'f' and confrelid = 'users'::regclass and confdeltype = 'a'
$$, 'every reference to a person says what happens when they go');
select is_empty($$
    select k.conrelid::regclass, k.conname
    from pg_constraint k
    where k.contype = 'f' and k.connamespace = 'public'::regnamespace
      and not exists (select from pg_index i
                      where i.indrelid = k.conrelid and i.indkey[0] = k.conkey[1])
$$, 'every foreign key leads an index');
select is_empty($$
    select p.proname from pg_proc p
    where p.proowner = 'aisha_owner'::regrole
      and not coalesce(p.proconfig::text like '%search_path=public, pg_temp%', false)
$$, 'every function fixes its search path');
select is_empty($$
    select p.proname from pg_proc p
    where p.proowner = 'aisha_owner'::regrole and has_function_privilege('public', p.oid, 'execute')
$$, 'no function is open to everybody');
select is_empty($$
    select tablename from pg_tables
    where schemaname = 'public' and tableowner <> 'aisha_owner'
$$, 'aisha_owner owns every table');

-- Foreign keys.
select fk_ok('user_settings', 'user_id', 'users', 'id');
select fk_ok('image_generations', 'user_id', 'users', 'id');
select fk_ok('images', 'generation_id', 'image_generations', 'id');
select fk_ok('images', 'user_id', 'users', 'id');
select fk_ok('jobs', 'user_id', 'users', 'id');
select fk_ok('parked_updates', 'user_id', 'users', 'id');
select fk_ok('ledger_entries', 'transfer_id', 'ledger_transfers', 'id');
select fk_ok('ledger_entries', 'account_id', 'ledger_accounts', 'id');

-- Indexes.
select has_index('image_generations', 'image_generations_user', array['user_id', 'created_at']);
select has_index('image_generations', 'image_generations_fal_request', array['fal_request_id']);
select has_index('image_generations', 'image_generations_open', 'open generations are found at once');
select has_index('images', 'images_user', array['user_id', 'created_at', 'id']);
select has_index('jobs', 'jobs_waiting', array['lane', 'run_at', 'id']);
select has_index('jobs', 'jobs_leases', array['leased_until']);
select has_index('ledger_entries', 'ledger_entries_account', 'a statement reads an index');

-- What a column refuses.
prepare person(bigint) as insert into users (telegram_id) values ($1);
select lives_ok('execute person(-1)', 'a person needs nothing but an id');
select throws_ok('execute person(-1)', '23505', null, 'and is there once');
select is(timezone || ' ' || language_code, 'UTC+5 ru', 'the defaults of a person')
from users where telegram_id = -1;
select throws_ok($$update users set timezone = 'UTC+15' where telegram_id = -1$$, '23514', null, 'no such zone');
select throws_ok($$update users set timezone = 'Moscow' where telegram_id = -1$$, '23514', null, 'zones are UTC and hours');
select throws_ok($$update users set timezone = 'UTC-12:30' where telegram_id = -1$$, '23514', null, 'nor one further west');
select throws_ok($$update users set timezone = 'UTC+14:15' where telegram_id = -1$$, '23514', null, 'nor further east');
select throws_ok($$update users set timezone = 'UTC+5:20' where telegram_id = -1$$, '23514', null, 'quarters of an hour');
select lives_ok($$update users set timezone = 'UTC-0' where telegram_id = -1$$, 'a zone to the west');
select lives_ok($$update users set timezone = 'UTC-9:30' where telegram_id = -1$$, 'a zone between the hours');
select results_eq($$select zone_minutes(z) from (values ('UTC+0'), ('UTC-0'), ('UTC+14'), ('UTC-12'), ('UTC+5:45'), ('UTC-9:30'), ('UTC-0:30')) as v (z)$$,
    array[0, 0, 840, -720, 345, -570, -30], 'zones in minutes');
select throws_ok($$update users set language_code = 'kz' where telegram_id = -1$$, '23514', null, 'two languages');
select throws_ok($$
    insert into image_generations (id, user_id, generation_type, original_prompt, price, num_images)
    select gen_random_uuid(), id, 'avatar', 'x', 5, 5 from users where telegram_id = -1 $$, '23514', null, 'four images at most');
select throws_ok($$
    insert into image_generations (id, user_id, generation_type, original_prompt, price, status)
    select gen_random_uuid(), id, 'avatar', 'x', 5, 'failed' from users where telegram_id = -1 $$, '23514', null,
    'a final status has its time');

-- Roles: none is more than it needs.
select ok(not rolsuper and not rolcreaterole and not rolcreatedb and not rolbypassrls,
          rolname || ' has no power over the cluster')
from pg_roles
where rolname in ('aisha_owner', 'aisha_bot', 'aisha_worker', 'aisha_status');
select schema_privs_are('public', 'aisha_bot', array['USAGE']);
select schema_privs_are('public', 'aisha_worker', array['USAGE']);
select schema_privs_are('public', 'aisha_status', array['USAGE']);
select table_privs_are('users', 'aisha_bot', array['SELECT', 'INSERT', 'UPDATE']);
select table_privs_are('users', 'aisha_worker', array['SELECT', 'INSERT', 'UPDATE', 'DELETE']);
select table_privs_are('users', 'aisha_status', array['SELECT']);
select table_privs_are('jobs', 'aisha_bot', array['SELECT', 'INSERT']);
select column_privs_are('jobs', 'state', 'aisha_bot', array['SELECT', 'INSERT', 'UPDATE']);
select column_privs_are('jobs', 'payload', 'aisha_bot', array['SELECT', 'INSERT'],
    'the bot does not rewrite a step');
select table_privs_are('jobs', 'aisha_worker', array['SELECT', 'INSERT', 'UPDATE', 'DELETE']);
select table_privs_are('turns', 'aisha_bot', array['SELECT']);
select table_privs_are('turns', 'aisha_worker', array['SELECT', 'DELETE']);
select table_privs_are('admin_audit', 'aisha_bot', array['SELECT', 'INSERT']);
select table_privs_are('admin_sessions', 'aisha_status', array[]::text[], 'no secret on the status page');
select table_privs_are('admin_links', 'aisha_status', array[]::text[], 'nor a link');
select column_privs_are('parked_updates', 'body', 'aisha_status', array[]::text[],
    'nor what people wrote');
select table_privs_are(ledger, role, array[]::text[], role || ' has no hand in ' || ledger)
from unnest(array['ledger_accounts', 'ledger_transfers', 'ledger_entries']) as ledger,
     unnest(array['aisha_bot', 'aisha_worker']) as role;
select table_privs_are(ledger, 'aisha_status', array['SELECT'])
from unnest(array['ledger_accounts', 'ledger_transfers', 'ledger_entries']) as ledger;
select is_empty($$
    select tablename, privilege
    from pg_tables, unnest(array['insert', 'update', 'delete', 'truncate', 'trigger']) as privilege
    where schemaname = 'public' and has_table_privilege('aisha_status', 'public.' || tablename, privilege)
$$, 'aisha_status changes nothing');
select is_empty($$
    select p.proname from pg_proc p
    where p.proowner = 'aisha_owner'::regrole and p.provolatile = 'v'
      and has_function_privilege('aisha_status', p.oid, 'execute')
$$, 'nor by calling a function');
select function_privs_are('ledger_post',
    array['text', 'text', 'bigint', 'uuid', 'text', 'bigint[]', 'bigint[]'], role, array[]::text[],
    role || ' cannot post as it likes')
from unnest(array['aisha_bot', 'aisha_worker', 'aisha_status']) as role;
select function_privs_are('ledger_capture', array['text', 'bigint'], role, array['EXECUTE'])
from unnest(array['aisha_bot', 'aisha_worker']) as role;
select function_privs_are('job_finish', array['bigint', 'integer'], 'aisha_bot', array[]::text[],
    'the bot finishes no job');
select is(setting, array['statement_timeout=' || statement, 'lock_timeout=' || lock,
                         'idle_in_transaction_session_timeout=10s'], role || ' does not wait for ever')
from (values ('aisha_bot', '2s', '1s'), ('aisha_worker', '10s', '5s')) as want (role, statement, lock)
join lateral (select s.setconfig from pg_db_role_setting s
              where s.setrole = want.role::regrole
                and s.setdatabase = (select oid from pg_database where datname = current_database())
             ) as have (setting) on true;

-- A deleted row takes its object with it.
select id as person from users where telegram_id = -1 \gset
insert into image_generations (id, user_id, generation_type, original_prompt, price)
select '00000000-0000-0000-0000-00000000000a', id, 'avatar', 'x', 5 from users where telegram_id = -1;
insert into images (id, generation_id, user_id, position, bucket, object_key, content_type, size_bytes)
select gen_random_uuid(), '00000000-0000-0000-0000-00000000000a', id, 0, 'generated', 'a/b.png',
       'image/png', 1
from users where telegram_id = -1;
insert into jobs (lane, kind, user_id) select 'fal', 'image_submit', id from users where telegram_id = -1;
select lives_ok('delete from users where telegram_id = -1', 'a person can be erased');
select is_empty('select from images where user_id = ' || :person, 'with the images');
select is_empty('select from jobs where user_id = ' || :person, 'and the jobs');
select results_eq($$select payload->>'bucket', payload->>'object_key', user_id
                    from jobs where key = 'object_delete:generated/a/b.png'$$,
                  $$values ('generated', 'a/b.png', null::bigint)$$, 'objects are queued for removal');
select is(count(*), 2::bigint, 'the ledger keeps its accounts')
from ledger_accounts where user_id = :person;

select finish();
rollback;
