-- What a day costs and what is free in one.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

insert into users (id, telegram_id) overriding system value values (9001, 9001), (9002, 9002);
insert into avatars (id, user_id, name, gender, training_type) values
    ('00000000-0000-4000-8000-00000000a001', 9001, 'Ася', 'female', 'portrait');

create function pg_temp.spent() returns text
language sql as $$ select format('%s + %s', spent, under_way) from spend_today() $$;

-- Days.
select is(pg_temp.spent(), '0 + 0', 'nothing yet');
select spend_add('a', 50, now()), spend_add('a', 70, now()), spend_add('b', 5, now()),
       spend_add('a', 1000, now() - interval '1 day');
select is(pg_temp.spent(), '125 + 0', 'today alone counts');
select results_eq($$select kind, calls, microdollars from spend_days
                    where day = (now() at time zone 'UTC')::date order by kind$$,
    $$values ('a', 2::bigint, 120::bigint), ('b', 1, 5)$$, 'by kind');
select spend_take_back('a', 70, now()), spend_take_back('b', 9, now()), spend_take_back('b', 5, null),
       spend_take_back('a', 1000, now() - interval '1 day'), spend_take_back('none', 1, now());
select is(pg_temp.spent(), '50 + 0', 'what the other side has not got is taken back, from its day');
select is((select sum(calls)::int from spend_days), 1, 'and so are the calls');
select throws_ok($$update spend_days set microdollars = -1$$, '23514', null, 'never below zero');

-- What is under way.
insert into image_generations (id, user_id, generation_type, source_model, original_prompt, price,
                               status, submitting_at, fal_status_url, completed_at, cost_microdollars)
values ('00000000-0000-4000-8000-000000000001', 9001, 'imagen4', 'm', 'x', 5, 'pending', null, null, null, 1),
       ('00000000-0000-4000-8000-000000000002', 9001, 'imagen4', 'm', 'x', 5, 'pending', now(), null, null, 10),
       ('00000000-0000-4000-8000-000000000003', 9001, 'imagen4', 'm', 'x', 5, 'processing', null, 'https://fal', null, 100),
       ('00000000-0000-4000-8000-000000000004', 9001, 'imagen4', 'm', 'x', 5, 'failed', null, null, now(), 1000);
insert into avatar_trainings (id, avatar_id, user_id, chat_id, language, training_type, source_model,
                              preset, price, photos_count, cost_microdollars)
values ('00000000-0000-4000-8000-000000000005', '00000000-0000-4000-8000-00000000a001', 9001, 9001,
        'ru', 'portrait', 'm', 'fast', 150, 10, 7);
select is(pg_temp.spent(), '50 + 8', 'orders that FAL has not been given, and no others');
select results_eq('select * from spend_admit(58, 0)', $$values (58::bigint, true)$$, 'it fits exactly');
select results_eq('select * from spend_admit(57, 0)', $$values (58::bigint, false)$$, 'it does not');
select results_eq('select * from spend_admit(58, 1)', $$values (59::bigint, false)$$, 'nor does one more');
select ok(exists (select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
          'who was admitted holds the line');

-- Notes.
select spend_note(80, 1, 2, '{}');
select spend_note(80, 1, 2, '{77,78}'), spend_note(80, 2, 2, '{77,78}'), spend_note(100, 2, 2, '{77}');
select results_eq($$select payload->>'chat_id', payload->>'percent', payload->>'total' from jobs
                    where kind = 'spend_note' order by id$$,
    $$values ('77', '80', '1'), ('78', '80', '1'), ('77', '100', '2')$$, 'each admin, each share, once');

-- Free things.
select ok(free_use(9001, 'photo', 2), 'one');
select ok(free_use(9001, 'photo', 2), 'two');
select ok(not free_use(9001, 'photo', 2), 'no third');
select is((select uses from free_uses where user_id = 9001 and thing = 'photo'), 2, 'it is not counted');
select ok(free_use(9001, 'preview', 1), 'another thing');
select ok(free_use(9002, 'photo', 2), 'another user');
select ok(not free_use(9002, 'preview', 0), 'none at all');
update free_uses set day = day - 1;
select ok(free_use(9001, 'photo', 2), 'the next day');
update free_uses set day = day - 8 where user_id = 9001 and uses = 2;
select is(free_uses_prune(), 1::bigint, 'old days go');
delete from users where id = 9002;
select ok(not exists (select from free_uses where user_id = 9002), 'they go with the user');

-- Photos of a day.
create function pg_temp.send(p_refused text default null) returns text
language sql as $$
    select photo_receive(9001, '00000000-0000-4000-8000-00000000a001', gen_random_uuid(), 9001, 1,
                         'photo', 'F', 100, p_refused, 20, 2)
$$;
delete from free_uses;
select is(pg_temp.send(), 'received', 'the first photo');
select is(pg_temp.send('too_large'), 'refused', 'what nobody looks at is free');
select is(pg_temp.send(), 'received', 'the second');
select is(pg_temp.send(), 'daily', 'no third today');
select is(pg_temp.send('too_large'), 'refused', 'but words about it');
select is((select count(*)::int from avatar_photos), 4, 'it left no row');
select throws_ok($$select photo_receive_turn(1, 501, '{}', 9001, '00000000-0000-4000-8000-00000000a001',
    gen_random_uuid(), 9001, 1, 'photo', 'F', 100, null, 20, 2)$$, 'AI007', null, 'nor as a turn');
select ok(not exists (select from turns where bot_id = 1 and update_id = 501), 'and no turn behind it');

-- Who may do what.
select ok(not has_table_privilege('aisha_bot', 'spend_days', 'insert,update,delete'), 'the bot adds no spend');
select ok(not has_function_privilege('aisha_bot', 'spend_add(text, bigint, timestamptz)', 'execute'),
          'not by its function either');
select ok(has_table_privilege('aisha_status', 'spend_days', 'select'), 'the status page reads it');

select * from finish();
rollback;
