-- Photos to draw something like: words are kept for a week, the photo never.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

insert into users (id, telegram_id) overriding system value values (9001, 9001), (9002, 9002);
insert into avatars (id, user_id, name, training_type)
values ('00000000-0000-4000-8000-00000000a001', 9001, 'Ann', 'style');
prepare sample as
insert into image_samples (id, user_id, chat_id, avatar_id, is_order, file_id, caption, cost_microdollars)
values ($1, 9001, 9001, '00000000-0000-4000-8000-00000000a001', false, 'FILE', '', 10000);
set local role aisha_bot;
execute sample('00000000-0000-4000-8000-000000000001');
execute sample('00000000-0000-4000-8000-000000000002');
execute sample('00000000-0000-4000-8000-000000000003');
reset role;

-- What waits to be looked at counts for the day.
select is((select under_way from spend_today()), 30000::bigint, 'three are under way');

-- A photo's name at Telegram goes with the end, whichever it is, and an end has what it needs.
select throws_ok($$update image_samples set status = 'failed', ended_at = now()$$, '23514', null,
                 'none ends with the name of its photo');
select throws_ok($$update image_samples set file_id = null$$, '23514', null, 'none waits without');
select throws_ok($$update image_samples set status = 'described', ended_at = now(), file_id = null$$,
                 '23514', null, 'none is described without words');
select throws_ok($$update image_samples set status = 'failed', file_id = null$$, '23514', null,
                 'an end has its time');
set local role aisha_worker;
update image_samples
set status = 'described', ended_at = now(), file_id = null, words = 'w', prompt = 'p', aspect_ratio = '1:1'
where id = '00000000-0000-4000-8000-000000000001';
update image_samples set status = 'failed', failure = 'away', ended_at = now(), file_id = null
where id = '00000000-0000-4000-8000-000000000002';
reset role;
select is((select under_way from spend_today()), 10000::bigint, 'one is left under way');

-- They go after a while, those that wait do not.
select is(samples_prune(), 0::bigint, 'not yet');
update image_samples set ended_at = ended_at - interval '9 days' where status <> 'pending';
set local role aisha_worker;
select is(samples_prune(), 2::bigint, 'words go after a week');
reset role;
select throws_ok('set local role aisha_bot; select samples_prune()', '42501', null, 'by the worker alone');
reset role;

-- With the avatar goes its name, with the person everything.
delete from avatars where id = '00000000-0000-4000-8000-00000000a001';
select is((select avatar_id from image_samples), null::uuid, 'an avatar is let go of');
delete from users where id = 9001;
select is((select count(*)::int from image_samples), 0, 'they go with the user');

select ok(free_use(9002, 'sample', 1), 'one a day');
select ok(not free_use(9002, 'sample', 1), 'and no more');

select * from finish();
rollback;
