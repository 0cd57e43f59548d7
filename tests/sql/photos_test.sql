-- Photos: who is let in, and what the row of the avatar says of them.
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

create function pg_temp.send(p_user bigint, p_refused text default null) returns text
language sql as $$
    select photo_receive(p_user, '00000000-0000-4000-8000-00000000a001', gen_random_uuid(), 9001, 1,
                         'photo', 'F', 100, p_refused, 3)
$$;
create function pg_temp.judge(p_order int, p_status text) returns int
language sql as $$
    update avatar_photos
    set validation_status = p_status::photovalidationstatus, validated_at = now(),
        file_hash = case when p_status = 'valid' then repeat(p_order::text, 64) end,
        object_key = case when p_status = 'valid' then 'photos/' || p_order end, bucket = 'avatars'
    where upload_order = p_order;
    select photos_recount('00000000-0000-4000-8000-00000000a001', 2)
$$;
create function pg_temp.says() returns text
language sql as $$ select format('%s %s %s', status, photos_count, photo_key) from avatars
                   where id = '00000000-0000-4000-8000-00000000a001' $$;

select is(pg_temp.send(9002), 'gone', 'another one''s draft is not there');
select is(pg_temp.send(9001), 'received', 'the first photo');
select is((select count(*)::int from jobs where kind = 'photo_take'), 1, 'it will be looked at');
select is(pg_temp.send(9001, 'too_large'), 'refused', 'one that is known to be wrong');
select is((select count(*)::int from jobs where kind = 'photo_tell'), 1, 'its sender will read why');
select is(pg_temp.send(9001), 'received', 'the second photo');
select is(pg_temp.send(9001), 'received', 'the third');
select is(pg_temp.send(9001), 'full', 'pending ones take a place, refused ones do not');
select is((select array_agg(upload_order order by upload_order) from avatar_photos where user_id = 9001),
          array[1, 2, 3, 4], 'each has its place in the order');
select is((select count(*)::int from jobs where kind = 'photos_progress'), 1, 'progress waits once');
update jobs set state = 'done', finished_at = now() where kind = 'photos_progress';
select photos_progress_queue(9001, '00000000-0000-4000-8000-00000000a001', 9001);
select is((select count(*)::int from jobs where kind = 'photos_progress'), 2, 'and again when it was told');

select is(pg_temp.says(), 'draft 0 ', 'nothing is kept yet');
select is(pg_temp.judge(3, 'valid'), 1, 'one is kept');
select is(pg_temp.says(), 'photos_uploading 1 photos/3', 'fewer than a training needs');
select is(pg_temp.judge(1, 'valid'), 2, 'a second');
select is(pg_temp.says(), 'ready_for_training 2 photos/1', 'enough, and the first in order is its picture');
select is(pg_temp.judge(4, 'invalid'), 2, 'a refused one changes nothing');
select is(pg_temp.send(9001), 'received', 'but gives its place back');
select throws_ok($$update avatar_photos set validation_status = 'valid', validated_at = now(),
    file_hash = repeat('1', 64), object_key = 'photos/5', bucket = 'avatars' where upload_order = 5$$,
    '23505', null, 'the same bytes twice');
delete from avatar_photos where upload_order in (1, 3);
select is(photos_recount('00000000-0000-4000-8000-00000000a001', 2), 0, 'all taken out');
select is(pg_temp.says(), 'draft 0 ', 'a draft again');
select is((select count(*)::int from jobs where kind = 'object_delete' and payload->>'object_key' like 'photos/%'), 2,
          'their objects follow');

-- A whole turn in one statement.
create function pg_temp.turn(p_update bigint) returns text
language sql as $$
    select coalesce(verdict, earlier->>'to')
    from photo_receive_turn(1, p_update, '{"to":"here"}', 9001, '00000000-0000-4000-8000-00000000a001',
                            gen_random_uuid(), 9001, 1, 'photo', 'F', 100, null, 3)
$$;
select is(pg_temp.turn(501), 'received', 'a photo and its turn');
select is((select outcome->>'to' from turns where bot_id = 1 and update_id = 501), 'here', 'its outcome is kept');
select is(pg_temp.turn(501), 'here', 'a repeat is given that outcome');
select is(pg_temp.turn(502), 'received', 'the next photo');
select throws_ok('select pg_temp.turn(503)', 'AI005', null, 'no place is left');
select ok(not exists (select from turns where bot_id = 1 and update_id = 503), 'and no turn behind it');

update avatars set status = 'training' where user_id = 9001;
select throws_ok('select pg_temp.turn(504)', 'AI006', null, 'no draft');
select is(pg_temp.send(9001), 'gone', 'no photos during a training');
select photos_recount('00000000-0000-4000-8000-00000000a001', 2);
select is((select status::text from avatars where user_id = 9001), 'training', 'nor does counting touch it');

delete from avatar_photos where user_id = 9001;
update avatars set status = 'error' where user_id = 9001;
select is(pg_temp.send(9001), 'received', 'an avatar that failed takes photos too');
select is(pg_temp.judge(1, 'valid'), 1, 'and keeps them');
select is(pg_temp.says(), 'error 1 photos/1', 'which its row says; that it failed stays');

select * from finish();
rollback;
