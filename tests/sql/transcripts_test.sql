-- Transcripts: what may stand beside what, what is found, and what goes with what.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

insert into users (id, telegram_id) overriding system value values (9001, 9001), (9002, 9002);
create function pg_temp.add(p_id text, p_user bigint, p_name text, p_text text, p_status text default 'completed')
returns void language sql as $$
    insert into user_transcripts (id, user_id, chat_id, message_id, language, source, name, status, text, completed_at)
    values (p_id::uuid, p_user, p_user, 1, 'ru', 'voice', p_name, p_status, p_text,
            case when p_status in ('completed', 'failed', 'cancelled') then now() end)
$$;
select pg_temp.add('00000000-0000-4000-8000-000000000001', 9001, 'Планёрка', 'Мы обсуждали бюджеты и сроки.'),
       pg_temp.add('00000000-0000-4000-8000-000000000002', 9001, 'Lecture', 'We were running experiments.'),
       pg_temp.add('00000000-0000-4000-8000-000000000003', 9002, 'Чужая', 'Бюджет другого человека.');

-- Words in any form, of both languages, in text and name.
create function pg_temp.found(p_words text) returns text
language sql as $$
    select coalesce(string_agg(name, ',' order by number), '')
    from user_transcripts
    where user_id = 9001 and search @@ (websearch_to_tsquery('russian', p_words) || websearch_to_tsquery('english', p_words))
$$;
select is(pg_temp.found('бюджет'), 'Планёрка', 'another form of a word');
select is(pg_temp.found('experiment run'), 'Lecture', 'in English as well');
select is(pg_temp.found('планерка'), 'Планёрка', 'ё is е');
select is(pg_temp.found('планёрки'), 'Планёрка', 'by its name');
select is(pg_temp.found('"сроки бюджеты"'), '', 'a phrase in its order');
select is(pg_temp.found('бюджет -сроки'), '', 'a word that is not to be there');
select is(pg_temp.found('''" & | !:*'), '', 'no words at all are no mistake');
select lives_ok($$select pg_temp.add('00000000-0000-4000-8000-000000000009', 9001, 'Long', (select string_agg(md5(n::text), ' ') from generate_series(1, 60000) n))$$,
                'a text of too many words for the index');
select is(pg_temp.found('long'), 'Long', 'is found by its name');

-- What has to fit.
select throws_ok($$select pg_temp.add('00000000-0000-4000-8000-00000000000a', 9001, '', 'x')$$, '23514', null, 'a name is there');
select throws_ok($$select pg_temp.add('00000000-0000-4000-8000-00000000000a', 9001, 'x', null)$$, '23514', null, 'a finished one has a text');
select throws_ok($$update user_transcripts set completed_at = null$$, '23514', null, 'and an end');
select throws_ok($$update user_transcripts set charged = price + 1$$, '23514', null, 'nobody pays more than was told');

-- Money: a hold for speech is known to the check.
select ledger_credit(9001, 'speech:credit', 100, 'promo', 'welcome') \g /dev/null
select pg_temp.add('00000000-0000-4000-8000-00000000000b', 9001, 'Paid', null, 'processing');
insert into jobs (lane, kind, subject, user_id) values ('speech', 'speech_split', '00000000-0000-4000-8000-00000000000b', 9001);
select ledger_hold(9001, 'speech:b', 20, '00000000-0000-4000-8000-00000000000b', 'speech') \g /dev/null
select is_empty('select * from ledger_check()', 'a hold of work under way is in order');
select is((select status::text from paid_work where id = '00000000-0000-4000-8000-00000000000b'), 'processing', 'it is paid work');
update user_transcripts set status = 'failed', completed_at = now() where id = '00000000-0000-4000-8000-00000000000b';
select is((select problem from ledger_check()), 'hold of work that is over', 'one that outlives its work is not');
select ledger_release('speech:b') \g /dev/null

-- Spend: what is ordered and not yet asked for.
select pg_temp.add('00000000-0000-4000-8000-00000000000c', 9001, 'Cost', null, 'processing');
update user_transcripts set cost_microdollars = 600, spent_microdollars = 200 where id = '00000000-0000-4000-8000-00000000000c';
select is((select under_way from spend_today()), 400::bigint, 'the rest of a recording is under way');
update user_transcripts set spent_microdollars = 900 where id = '00000000-0000-4000-8000-00000000000c';
select is((select under_way from spend_today()), 0::bigint, 'never below nothing');

-- Pieces take their objects along.
insert into user_transcript_pieces (transcript_id, user_id, number, start_ms, length_ms, is_silent, begins_in_noise, bucket, object_key)
values ('00000000-0000-4000-8000-00000000000c', 9001, 0, 0, 10, false, false, 'transcripts', 'speech/c/0.flac'),
       ('00000000-0000-4000-8000-00000000000c', 9001, 1, 10, 10, true, false, null, null);
insert into user_transcript_notes (transcript_id, user_id, kind, chat_id, language)
values ('00000000-0000-4000-8000-00000000000c', 9001, 'summary', 9001, 'ru');
delete from users where id = 9001;
select is((select count(*)::int from jobs where kind = 'object_delete' and payload->>'object_key' like 'speech/c/%'), 1, 'an object goes with its piece');
select is((select count(*)::int from user_transcripts) + (select count(*)::int from user_transcript_pieces)
          + (select count(*)::int from user_transcript_notes), 1, 'and all of a person with them');

-- Pieces that no row tells of are looked for when their person leaves, also when nobody waits for them any more.
select pg_temp.add('00000000-0000-4000-8000-000000000010', 9002, 'Called off', null, 'cancelled');
select erasure_strays(gen_random_uuid(), 9002, 'images', 'avatars') \g /dev/null
select is_empty($$select from jobs where payload->>'object_key' like 'speech/%10/%'$$, 'nothing of what was never cut');
update user_transcripts set pieces_bucket = 'transcripts', duration_ms = 65000 where name = 'Called off';
select erasure_strays(gen_random_uuid(), 9002, 'images', 'avatars') \g /dev/null
select is((select count(*)::int from jobs where payload->>'bucket' = 'transcripts' and payload->>'object_key' like 'speech/%10/%'), 4,
          'each piece that may have been stored of what was called off');
delete from user_transcripts where name = 'Called off';

-- Old ones that came to nothing.
select pg_temp.add('00000000-0000-4000-8000-00000000000d', 9002, 'Old', null, 'failed'),
       pg_temp.add('00000000-0000-4000-8000-00000000000e', 9002, 'Asked', null, 'quoted'),
       pg_temp.add('00000000-0000-4000-8000-00000000000f', 9002, 'New', null, 'cancelled');
update user_transcripts set completed_at = now() - interval '31 days' where name = 'Old';
update user_transcripts set created_at = now() - interval '8 days' where name = 'Asked';
select is(transcripts_prune(), 2::bigint, 'two go');
select results_eq('select name from user_transcripts order by number', array['Чужая', 'New'], 'the others stay');

-- Who may do what.
select ok(not has_table_privilege('aisha_status', 'user_transcripts', 'insert,update,delete'), 'the status page only reads');
select ok(not has_table_privilege('aisha_bot', 'user_transcript_pieces', 'insert,update'), 'the bot makes no pieces');

select * from finish();
rollback;
