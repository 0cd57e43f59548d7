-- Forgetting a person: whatever names them goes, or the schema says why not.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

-- ---------------------------------------------------------------- nothing is left out

-- A column that can name a person is in a table whose rows go with theirs, or stands here with what
-- becomes of it. Who adds one has to say.
create temp table told (place text primary key, what text not null);
insert into told values
    ('bots.username', 'of the bot itself'),
    ('users.telegram_id', 'the row goes'),
    ('users.first_name', 'the row goes'),
    ('users.last_name', 'the row goes'),
    ('users.username', 'the row goes'),
    ('erasures.user_id', 'a number that leads nowhere'),
    ('erasures.telegram_id', 'person_forget() takes it off'),
    ('turns.user_id', 'person_forget() deletes the rows'),
    ('ledger_accounts.user_id', 'a number that leads nowhere; what is left in it is debited'),
    ('ledger_transfers.user_id', 'a number that leads nowhere'),
    ('payments.user_id', 'the payment is kept for the books, without the person'),
    ('star_transactions.telegram_id', 'person_erase() takes it off'),
    ('payment_differences.telegram_id', 'person_erase() takes it off'),
    ('admin_links.telegram_id', 'person_erase() deletes the rows'),
    ('admin_sessions.telegram_id', 'person_erase() deletes the rows'),
    ('admin_audit.telegram_id', 'of an admin: what admins did is kept');

create temp view tables as
select c.oid, c.relname
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
  and pg_get_userbyid(c.relowner) = 'aisha_owner';

-- With the person, or with something of theirs.
create temp view going as
with recursive going as (
    select k.conrelid as oid
    from pg_constraint k
    where k.contype = 'f' and k.confrelid = 'users'::regclass and k.confdeltype = 'c'
    union
    select k.conrelid
    from pg_constraint k
    join going g on g.oid = k.confrelid
    where k.contype = 'f' and k.confdeltype = 'c'
)
select oid from going;

select is_empty($$
    select c.table_name || '.' || c.column_name
    from information_schema.columns c
    join tables t on t.relname = c.table_name
    where c.table_schema = 'public'
      and c.column_name ~ '(user_?id|telegram_id|chat_id|person|_name$|username|phone|email|^user$)'
      and c.column_name !~ '^(file|object|telegram_file)_'
      and t.oid not in (select oid from going)
      and c.table_name || '.' || c.column_name not in (select place from told)
$$, 'every column that can name a person goes with them, or is said to be dealt with');

select is_empty($$
    select k.conrelid::regclass, k.conname
    from pg_constraint k
    where k.contype = 'f' and k.confrelid = 'users'::regclass and k.confdeltype <> 'c'
      and split_part(k.conrelid::regclass::text, '.', 1) || '.user_id' not in (select place from told)
$$, 'what points at a person goes with them');

select is_empty($$
    select place from told
    where not exists (select from information_schema.columns c
                      where c.table_schema = 'public' and c.table_name || '.' || c.column_name = place)
$$, 'what is told is there');

select is_empty($$
    select c.table_name
    from information_schema.columns c
    join tables t on t.relname = c.table_name
    where c.table_schema = 'public' and c.column_name = 'object_key'
      and not exists (select from pg_trigger g
                      where g.tgrelid = t.oid and g.tgfoid = 'object_delete_queue'::regproc)
$$, 'every row with an object takes it along');

select is_empty($$
    select c.table_name
    from information_schema.columns c
    join tables t on t.relname = c.table_name
    where c.table_schema = 'public' and c.column_name = 'object_key'
      and (select prosrc from pg_proc where proname = 'person_erase') !~ ('from ' || c.table_name || '\M')
$$, 'and an erasure knows of each, to see it through');

-- ---------------------------------------------------------------- a whole person

insert into users (telegram_id, first_name, last_name, username)
values (7770001, 'Canaria', 'Serinus', 'canary7770001'), (7770002, 'Other', null, 'other');
select id as person from users where telegram_id = 7770001 \gset
select id as other from users where telegram_id = 7770002 \gset
insert into user_settings (user_id) values (:person), (:other);
select ledger_credit(:person, 'erase:credit', 500, 'promo', 'welcome') \g /dev/null
select ledger_credit(:other, 'erase:other', 500, 'promo', 'welcome') \g /dev/null

insert into avatars (id, user_id, name, gender, training_type, status, training_started_at)
values ('00000000-0000-4000-8000-0000000000a1', :person, 'canary a', 'female', 'portrait', 'training', now()),
       ('00000000-0000-4000-8000-0000000000a2', :person, 'canary b', null, 'style', 'draft', null);
insert into avatar_photos (id, avatar_id, user_id, upload_order, validation_status, validated_at, bucket,
                           object_key, file_hash, source_kind, source_file_id, chat_id, message_id)
values ('00000000-0000-4000-8000-0000000000f1', '00000000-0000-4000-8000-0000000000a1', :person, 1, 'valid', now(),
        'avatars', 'photos/canary.jpg', repeat('a', 64), 'photo', 'canary-file', 7770001, 1),
       ('00000000-0000-4000-8000-0000000000f2', '00000000-0000-4000-8000-0000000000a2', :person, 1, 'pending', null,
        null, null, null, 'photo', 'canary-file', 7770001, 2);
insert into avatar_trainings (id, avatar_id, user_id, chat_id, language, training_type, source_model, preset,
                              price, photos_count, status, fal_request_id, fal_cancel_url)
values ('00000000-0000-4000-8000-0000000000b1', '00000000-0000-4000-8000-0000000000a1', :person, 7770001, 'en',
        'portrait', 'm', 'fast', 150, 10, 'processing', 'request-training', 'https://fal/training/cancel');
insert into image_generations (id, user_id, generation_type, original_prompt, price, status, chat_id, fal_request_id,
                               fal_cancel_url, fal_response_data, completed_at)
values ('00000000-0000-4000-8000-0000000000c1', :person, 'imagen4', 'canary done', 5, 'completed', 7770001,
        'request-done', 'https://fal/done/cancel', '{"prompt": "canary"}', now()),
       ('00000000-0000-4000-8000-0000000000c2', :person, 'imagen4', 'canary open', 5, 'processing', 7770001,
        'request-open', 'https://fal/open/cancel', null, null),
       ('00000000-0000-4000-8000-0000000000c3', :person, 'imagen4', 'canary stored', 5, 'processing', 7770001,
        'request-stored', 'https://fal/stored/cancel', '{"prompt": "canary"}', null);
insert into images (id, generation_id, user_id, position, bucket, object_key, content_type, size_bytes)
select gen_random_uuid(), '00000000-0000-4000-8000-0000000000c1', :person, 0, 'images', 'generated/canary.png', 'image/png', 1;
select ledger_hold(:person, 'training:00000000-0000-4000-8000-0000000000b1', 150, '00000000-0000-4000-8000-0000000000b1', 'avatar'),
       ledger_hold(:person, 'generation:00000000-0000-4000-8000-0000000000c2', 5, '00000000-0000-4000-8000-0000000000c2', 'image') \g /dev/null
insert into jobs (lane, kind, user_id, payload)
values ('send', 'generation_deliver', :person, '{"chat_id": 7770001}'), ('fal', 'generation_check', :person, '{}');
insert into parked_updates (bot_id, user_id, body_sha256, body, reason)
values (1, :person, sha256('1'), 'canary', 'x'),
       (1, null, sha256('2'), '{"message":{"from":{"id": 7770001},"text":"canary"}}', 'x'),
       (1, null, sha256('3'), '{"message":{"from":{"id":77700012},"text":"of somebody else"}}', 'x');
insert into turns (bot_id, update_id, user_id, outcome) values (1, 1, :person, '{"text":"canary 7770001"}');
insert into admin_links (token_sha256, telegram_id, expires_at) values (sha256('a'), 7770001, now());
insert into admin_sessions (id, telegram_id, csrf, expires_at) values (gen_random_uuid(), 7770001, 'x', now());

insert into payment_orders (id, user_id, coins, stars) values ('00000000-0000-4000-8000-0000000000d1', :person, 250, 180);
insert into payments (id, charge_id, user_id, order_id, currency, stars, coins, payload, state)
values (gen_random_uuid(), 'charge-1', :person, '00000000-0000-4000-8000-0000000000d1', 'XTR', 180, 250, '00000000-0000-4000-8000-0000000000d1', 'credited');
insert into payment_differences (charge_id, kind, stars_there, telegram_id) values ('charge-2', 'not_here', 5, 7770001);
insert into promo_codes (code, type, balance_amount, valid_from, valid_until, max_uses, max_uses_per_user, created_by)
values ('ERASE1', 'balance', 7, now() - interval '1 hour', now() + interval '1 hour', 5, 1, 'operator');
select * from promo_apply(:person, 'erase1', now()) \g /dev/null
select * from promo_apply(:person, 'wrong', now()) \g /dev/null

set local role aisha_bot;
select ok(person_leave(:person, '00000000-0000-4000-8000-0000000000e1', 'en'), 'a person can leave');
select ok(not person_leave(:person, '00000000-0000-4000-8000-0000000000e2', 'en'), 'once');
reset role;

select is_empty('select from users where telegram_id = 7770001', 'the Telegram id is free at once');
select is_empty($$select from jobs where state = 'queued' and user_id is not null$$, 'what waited to be done is called off');
select results_eq($$select kind, user_id from jobs where state = 'queued'$$, $$values ('person_erase', null::bigint)$$,
                  'and the erasure belongs to nobody');

set local role aisha_worker;
update jobs set state = 'running', leased_until = now() + interval '1 minute', finished_at = null where kind = 'generation_check';
select is(person_erase('00000000-0000-4000-8000-0000000000e1', 'images', 'avatars'), 'wait', 'what runs is waited for');
update jobs set state = 'done', leased_until = null, finished_at = now() where kind = 'generation_check';
insert into jobs (lane, kind, key, user_id) values ('send', 'payment_refund', 'refund', :person);
select is(person_erase('00000000-0000-4000-8000-0000000000e1', 'images', 'avatars'), 'wait', 'so is a refund');
update jobs set state = 'done', finished_at = now() where key = 'refund';
reset role;
update image_generations set submitting_at = now(), fal_cancel_url = null where id = '00000000-0000-4000-8000-0000000000c2';
select is(person_erase('00000000-0000-4000-8000-0000000000e1', 'images', 'avatars'), 'wait', 'so is a submission in doubt');
update image_generations set submitting_at = null, fal_cancel_url = 'https://fal/open/cancel'
where id = '00000000-0000-4000-8000-0000000000c2';

set local role aisha_worker;
select is(person_erase('00000000-0000-4000-8000-0000000000e1', 'images', 'avatars'), 'gone', 'then all of it goes');
select is(person_erase('00000000-0000-4000-8000-0000000000e1', 'images', 'avatars'), 'gone', 'also when it went before');
reset role;

-- Money.
select is((select (balance, held)::text from ledger_balance(:person)), '(0,0)', 'no coins are left in the account');
select is_empty('select * from ledger_check()', 'the ledger adds up');
select results_eq(format($$select t.kind, t.reason, e.amount from ledger_transfers t
                           join ledger_entries e on e.transfer_id = t.id
                           join ledger_accounts a on a.id = e.account_id and a.kind = 'user'
                           where t.user_id = %s order by t.id$$, :person),
                  $$values ('credit', 'welcome', 500::bigint), ('hold', 'avatar', -150), ('hold', 'image', -5),
                           ('credit', 'promo', 7), ('release', 'image', 5), ('debit', 'erased', -357)$$,
                  'what FAL was at work on is paid, the rest came back and was written off');
select is((select balance from ledger_balance(:other)), 500::bigint, 'nobody else''s coins are touched');

select results_eq($$select user_id, stars, coins, state::text from payments where charge_id = 'charge-1'$$,
                  $$values (null::bigint, 180::bigint, 250::bigint, 'credited')$$, 'what was paid is kept without who paid');

-- Elsewhere.
select results_eq($$select kind, coalesce(payload->>'url', payload->>'request') from jobs
                    where lane = 'fal' and state = 'queued' order by 1, 2$$,
                  $$values ('erasure_drop', 'https://fal/open/cancel'), ('erasure_drop', 'https://fal/training/cancel'),
                           ('fal_forget', 'request-done'), ('fal_forget', 'request-open'),
                           ('fal_forget', 'request-stored'), ('fal_forget', 'request-training')$$,
                  'FAL is asked to stop what it is at and to forget all it had');
select set_has($$select payload->>'bucket' as bucket, payload->>'object_key' as key from jobs
                 where kind = 'object_delete' and state = 'queued' and subject = '00000000-0000-4000-8000-0000000000e1'$$,
               $$values ('images', 'generated/canary.png'), ('avatars', 'photos/canary.jpg'),
                        ('avatars', 'photos/00000000-0000-4000-8000-0000000000a2/00000000-0000-4000-8000-0000000000f2.jpg'),
                        ('images', 'generated/00000000-0000-4000-8000-0000000000c3/0.png')$$,
               'objects go, and those that a step may have left behind');

-- Who comes back is somebody else.
insert into users (telegram_id, first_name) values (7770001, 'Somebody new');
insert into turns (bot_id, update_id, user_id, outcome)
select 1, 2, id, '{}' from users where telegram_id = 7770001;

set local role aisha_worker;
update jobs set state = 'done', finished_at = now() where subject = '00000000-0000-4000-8000-0000000000e1';
select lives_ok($$select person_forget('00000000-0000-4000-8000-0000000000e1')$$, 'the last step');
select lives_ok($$select person_forget('00000000-0000-4000-8000-0000000000e1')$$, 'can be done twice');
reset role;
select is((select first_name from users where telegram_id = 7770001), 'Somebody new', 'somebody new stays');
select isnt_empty('select from turns where update_id = 2', 'with what they did');
delete from users where telegram_id = 7770001;

-- Every table, all columns as text: nothing of the person is left.
create temp table found (place text, line text);
do $$
declare
    place text;
begin
    for place in select relname from tables loop
        execute format('insert into found select %L, t::text from %I t where t::text ~* %L', place, place,
                       '(canary|canaria|serinus|\m7770001\M|request-(done|open|stored|training))');
    end loop;
end $$;
select is_empty('select * from found where place <> ''jobs'' or line !~ ''object_delete:(images|avatars)/''',
                'no table has a word of theirs');
select isnt_empty('select from parked_updates where body_sha256 = sha256(''3'')', 'an update of somebody else is kept');

select finish();
rollback;
