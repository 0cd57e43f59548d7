-- What is kept of a person, for them: every table, every object, nobody else's.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

select is_empty($$
    select c.relname
    from pg_constraint k
    join pg_class c on c.oid = k.conrelid
    where k.contype = 'f' and k.confrelid = 'users'::regclass and not c.relispartition
      and c.relname not in (select name from person_tables())
$$, 'every table with a person is exported');
select isnt_empty($$select from person_tables() where name = 'users'$$, 'the person too');

insert into users (telegram_id, first_name) values (7770001, 'Canaria'), (7770002, 'Other');
select id as person from users where telegram_id = 7770001 \gset
select id as other from users where telegram_id = 7770002 \gset
select ledger_credit(:person, 'export:credit', 500, 'promo', 'welcome') \g /dev/null
insert into image_generations (id, user_id, generation_type, original_prompt, price)
values ('00000000-0000-4000-8000-0000000000c1', :person, 'imagen4', 'mine', 5),
       ('00000000-0000-4000-8000-0000000000c2', :other, 'imagen4', 'of somebody else', 5);
insert into images (id, generation_id, user_id, position, bucket, object_key, content_type, size_bytes)
values ('00000000-0000-4000-8000-0000000000d1', '00000000-0000-4000-8000-0000000000c1', :person, 0, 'images', 'generated/1.png', 'image/png', 1),
       ('00000000-0000-4000-8000-0000000000d2', '00000000-0000-4000-8000-0000000000c2', :other, 0, 'images', 'generated/2.png', 'image/png', 1);

set local role aisha_bot;
select results_eq(format($$select begun, again_at from export_begin(%s, '00000000-0000-4000-8000-0000000000a1', 7770001, 'en')$$, :person),
                  $$values (true, null::timestamptz)$$, 'an export is begun');
select results_eq(format($$select begun, again_at = now() + interval '1 day' from export_begin(%s, '00000000-0000-4000-8000-0000000000a2', 7770001, 'en')$$, :person),
                  $$values (false, true)$$, 'one a day');
reset role;
select is((select count(*)::int from export_files where source in ('generated/1.png', 'image_generations', 'ledger')), 3, 'tables and objects are listed');
select is_empty($$select from export_files where source = 'generated/2.png'$$, 'and nobody else''s');
select is((select files from exports), (select count(*)::int from export_files), 'and counted');

set local role aisha_worker;
select is((select jsonb_array_length(person_table_json(:person, 'image_generations')::jsonb)), 1, 'a table has the person''s rows');
select is((select person_table_json(:person, 'ledger')::jsonb -> 0 ->> 'amount'), '500', 'and the ledger its lines');
select is((select person_table_json(:person, 'users')::jsonb -> 0 ->> 'first_name'), 'Canaria', 'and the person');
select is(person_table_json(:person, 'avatars')::jsonb, '[]', 'a table without any is empty');
select is(person_table_json(:person, 'ledger_accounts; drop table users'), null, 'what is no such table is none');
select is(person_table_json(:person, 'admin_sessions'), null, 'nor is one that is not of people');
reset role;
select throws_ok(format('set local role aisha_bot; select person_table_json(%s, ''users'')', :person), '42501', null, 'the bot reads no tables that way');
reset role;

-- A day later the next one; one that failed does not count.
update exports set asked_at = now() - interval '23 hours', state = 'failed', finished_at = now();
select ok((select begun from export_begin(:person, '00000000-0000-4000-8000-0000000000a3', 7770001, 'en')), 'after one that failed there is another at once');
update exports set asked_at = now() - interval '25 hours' where state = 'packing';
select ok((select begun from export_begin(:person, '00000000-0000-4000-8000-0000000000a4', 7770001, 'en')), 'one that hangs for a day gives way');
select is((select count(*)::int from exports where state = 'packing'), 1, 'one is open at a time');

insert into export_parts (export_id, number, bucket, object_key, is_last)
values ('00000000-0000-4000-8000-0000000000a4', 1, 'images', 'exports/a4/1.zip', true);
delete from export_parts;
select isnt_empty($$select from jobs where key = 'object_delete:images/exports/a4/1.zip'$$, 'an archive that was sent is deleted');

select finish();
rollback;
