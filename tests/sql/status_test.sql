-- What admins look at costs the same however much has been done before: the statements of the status
-- page, of the metrics and of the queue read what is open, what is of today, and a page of the rest.
-- psql -v rows=1000000 tries them at another size.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
\if :{?rows}
\else
\set rows 120000
\endif
begin;
create extension if not exists pgtap;
select no_plan();

-- ---------------------------------------------------------------- two years of work

-- Rows are put in as a restored backup puts them, without what triggers would do for each.
set local session_replication_role = replica;
set local test.rows = :rows;
create function pg_temp.moment(n bigint) returns timestamptz
language sql as $$
    select now() - interval '730 days' * (1 - n::float8 / current_setting('test.rows')::float8)
$$;

insert into users (id, telegram_id, first_name, last_name, username, created_at) overriding system value
select 9000000 + n, 9000000 + n, 'Anna' || n % 1000, case when n % 3 = 0 then 'Ivanova' || n end,
       case when n % 2 = 0 then 'anna_' || n end, pg_temp.moment(n)
from generate_series(1, :rows) n;
-- One order in a hundred is the same person's.
insert into image_generations (id, user_id, generation_type, source_model, original_prompt, price, status,
                               created_at, completed_at, generation_seconds)
select md5('g' || n)::uuid, case when n % 100 = 0 then 9000001 else 9000000 + n end, 'imagen4', 'm', 'p', 5,
       'completed', pg_temp.moment(n), pg_temp.moment(n), 7
from generate_series(1, :rows) n;
insert into image_facets (id, user_id, generation_type, aspect_ratio, is_favorite, images) overriding system value
select 9000000 + n, 9000000 + n, 'imagen4', '1:1', false, 1 from generate_series(1, :rows) n;
insert into images (id, generation_id, user_id, position, bucket, object_key, content_type, size_bytes,
                    generation_type, aspect_ratio, facet_id, created_at)
select md5('i' || n)::uuid, md5('g' || n)::uuid, case when n % 100 = 0 then 9000001 else 9000000 + n end, 0,
       'images', 'generated/' || n, 'image/png', 10, 'imagen4', '1:1',
       case when n % 100 = 0 then 9000001 else 9000000 + n end, pg_temp.moment(n)
from generate_series(1, :rows) n;
insert into avatar_trainings (id, avatar_id, user_id, chat_id, language, training_type, source_model, preset,
                              price, photos_count, status, created_at, completed_at)
select md5('t' || n)::uuid, md5('a' || n)::uuid, 9000000 + n, 1, 'en', 'portrait', 'm', 'fast', 150, 10,
       'completed', pg_temp.moment(n * 10), pg_temp.moment(n * 10)
from generate_series(1, :rows / 10) n;
insert into user_transcripts (id, user_id, chat_id, message_id, language, source, name, status, created_at,
                              completed_at)
select md5('s' || n)::uuid, 9000000 + n, 1, 1, 'en', 'voice', 'a name', 'cancelled', pg_temp.moment(n * 10),
       pg_temp.moment(n * 10)
from generate_series(1, :rows / 10) n;
insert into image_samples (id, user_id, chat_id, is_order, caption, status, words, prompt, aspect_ratio,
                           cost_microdollars, ended_at)
select md5('p' || n)::uuid, 9000000 + n, 1, false, '', 'described', 'w', 'p', '1:1', 1, now()
from generate_series(1, :rows / 10) n;
-- Thirty of each are open.
update image_generations set status = 'pending', completed_at = null
where id in (select md5('g' || n)::uuid from generate_series(1, 30) n);
update avatar_trainings set status = 'processing', completed_at = null
where id in (select md5('t' || n)::uuid from generate_series(1, 30) n);
update user_transcripts set status = 'processing', completed_at = null
where id in (select md5('s' || n)::uuid from generate_series(1, 30) n);
-- What is done is kept for a week; some jobs wait, a few run or have died.
insert into jobs (lane, kind, user_id, state, finished_at)
select 'send', 'k', case when n % 1000 = 0 then 9000001 else 9000000 + n end, 'done', now()
from generate_series(1, :rows) n;
insert into jobs (lane, kind, run_at, payload)
select lane, 'k', now() - interval '1 minute', '{"chat_id": 7}'
from unnest(array['send', 'fal', 'words', 'speech', 'media']) lane, generate_series(1, 40);
insert into jobs (lane, kind, state, started_at, leased_until)
select 'fal', 'k', 'running', now(), now() + interval '1 minute' from generate_series(1, 30);
insert into jobs (lane, kind, state, finished_at)
select 'fal', 'k', 'dead', now() from generate_series(1, 30);
insert into payments (id, charge_id, user_id, currency, stars, coins, payload, state, created_at)
select md5('y' || n)::uuid, 'c' || n, 9000000 + n, 'XTR', 5, 5, 'p', 'credited', pg_temp.moment(n * 2)
from generate_series(1, :rows / 2) n;
insert into parked_updates (bot_id, update_id, body_sha256, body, reason, attempts)
select 1, n, sha256(n::text::bytea), 'x', 'r', 4 from generate_series(1, 3000) n;
insert into admin_audit (telegram_id, action) select 7, 'a' from generate_series(1, :rows);
insert into promo_codes (code, type, balance_amount, created_by)
select 'CODE-' || n, 'balance', 5, 'operator' from generate_series(1, :rows / 10) n;
insert into admin_sessions (id, telegram_id, csrf, expires_at)
select md5('v' || n)::uuid, 7, 'c', now() + interval '1 hour' from generate_series(1, 3000) n;
set local session_replication_role = origin;
select brin_summarize_new_values('image_generations_created_at') + brin_summarize_new_values('images_created_at') > 0
       as summed \gset
analyze users, image_generations, images, image_facets, avatar_trainings, user_transcripts, image_samples,
        jobs, payments, parked_updates, admin_audit, promo_codes, admin_sessions;

-- ---------------------------------------------------------------- the program's statements

-- Read from where the program takes them.
\set statements `awk -v wanted=" status_open_orders status_orders_today status_images_by_hour status_running_jobs status_oldest_open_order status_open_counts status_open_trainings status_user status_user_orders status_user_jobs status_payments summary_user_counts admin_audit_list admin_session_find job_lanes job_kinds job_dead_list job_list job_read job_next_due job_send_due parked_page promo_list user_find user_newest user_work_counts spend_today " '/^-- :/ { if (on) print ";"; name = substr($2, 2); on = index(wanted, " " name " "); if (on) print "prepare " name " as"; next } /^--/ { next } on { print } END { if (on) print ";" }' db/sql/status.sql db/sql/admin.sql db/sql/job.sql db/sql/parked.sql db/sql/promo.sql db/sql/user.sql db/sql/spend.sql db/sql/payment.sql`
:statements

create temp table growing on commit drop as
select unnest(array['users', 'image_generations', 'images', 'image_facets', 'avatar_trainings', 'user_transcripts',
                    'image_samples', 'jobs', 'payments', 'parked_updates', 'admin_audit', 'promo_codes',
                    'admin_sessions']) as relation;

\ir plans.sql

-- Images and orders of a time are found by ranges of pages, which are read to their ends: a day lies in two at most.
\set ranges 45000

-- ---------------------------------------------------------------- the overview

select is_empty($$
    select relname from pg_class
    where relname in ('image_generations_created_at', 'images_created_at')
      and not coalesce('autosummarize=on' = any (reloptions), false)
$$, 'what was made since the last vacuum is found as well');
select pg_temp.reads('status_orders_today', :rows / 365 + :ranges, 'the orders of today');
select pg_temp.reads('status_images_by_hour(24)', :rows / 365 + :ranges, 'images by the hour');
select pg_temp.reads('status_open_orders(20)', 200, 'open orders');
select pg_temp.reads('status_oldest_open_order', 200, 'the oldest of them');
select pg_temp.reads('status_open_trainings(20)', 200, 'open trainings');
select pg_temp.reads('status_open_counts', 400, 'how much is open');
select pg_temp.reads('spend_today', 400, 'what the day has cost');
select pg_temp.reads('status_running_jobs(20)', 200, 'jobs in flight');
select pg_temp.reads('job_dead_list(20)', 200, 'dead jobs');
select pg_temp.reads('job_lanes', 1000, 'the queues');
select pg_temp.reads('job_kinds', 1000, 'the queues by kind');
select pg_temp.reads('status_payments', :rows / 20, 'payments of a month');
select pg_temp.reads('summary_user_counts', :rows / 365 + 10, 'people who are new');
select pg_temp.reads('parked_page(0, 20)', 30, 'updates given up');
select pg_temp.reads(format('parked_page(%s, 20)', (select max(id) - 1500 from parked_updates)), 30, 'the next of them');
select pg_temp.reads('admin_session_find(md5(''v7'')::uuid)', 2, 'who is there');

-- ---------------------------------------------------------------- people

select pg_temp.reads('user_newest(50)', 100, 'the newest');
select pg_temp.reads('user_find(''Anna7'', 0, 50)', 300, 'a name of many');
select pg_temp.reads('user_find(''anna_77'', 0, 50)', 300, 'a username');
select pg_temp.reads('user_find(''ivanova99'', 0, 50)', 300, 'a last name');
select pg_temp.reads('user_find(''9000077'', 9000077, 50)', 300, 'a number');
select pg_temp.reads('user_find(''a'', 0, 50)', 300, 'one letter');
select pg_temp.reads('user_find(''%'', 0, 50)', 10, 'no pattern');
select pg_temp.reads('status_user(9000001)', 2, 'one of them');
select pg_temp.reads('status_user_orders(9000001, 10)', 20, 'the latest orders');
select pg_temp.reads('status_user_jobs(9000001, 10)', :rows / 1000 + 20, 'the open jobs');
select pg_temp.reads('user_work_counts(9000001)', 2 * :rows / 1000 + 50, 'how much there is');

-- ---------------------------------------------------------------- lists

select pg_temp.reads('admin_audit_list(0, 50)', 60, 'the audit log');
select pg_temp.reads(format('admin_audit_list(%s, 50)', (select max(id) - :rows / 2 from admin_audit)), 60, 'long ago in it');
select pg_temp.reads('promo_list('''', 0, 100)', 110, 'promo codes');
select pg_temp.reads(format('promo_list('''', %s, 100)', (select max(id) - :rows / 20 from promo_codes)), 110, 'older ones');
select pg_temp.reads('job_list('''', '''', 50)', 1000, 'what an operator is shown of the queue');
select pg_temp.reads(format('job_read(%s)', (select max(id) from jobs)), 2, 'one job');

-- ---------------------------------------------------------------- what the workers ask all day

select pg_temp.reads('job_next_due(''fal'')', 50, 'the next job of a lane');
select pg_temp.reads('job_send_due(0, 200)', 300, 'results that want their turn');

-- ---------------------------------------------------------------- who is found

create function pg_temp.found(p_words text) returns text[]
language plpgsql as $$
declare
    one record;
    names text[] := '{}';
begin
    for one in execute format('execute user_find(%L, 0, 50)', p_words) loop
        names := names || (one.first_name || coalesce(' ' || one.last_name, ''));
    end loop;
    return names;
end
$$;
insert into users (telegram_id, first_name, last_name, username, created_at) values
    (1, 'Жанна', 'Д''Арк', 'jeanne_d_arc', now() + interval '1 second'), (2, 'жан', null, null, now()),
    (3, '100%', '\_', null, now());
select is(pg_temp.found('ЖАН'), array['Жанна Д''Арк', 'жан'], 'in any case');
select is(pg_temp.found('жанна д'''), array['Жанна Д''Арк'], 'by the whole name');
select is(pg_temp.found('д''арк'), array['Жанна Д''Арк'], 'by the last name');
select is(pg_temp.found('JEANNE_D'), array['Жанна Д''Арк'], 'by the username');
select is(pg_temp.found('jeanne%'), '{}', 'what is typed is no pattern');
select is(pg_temp.found('100%'), array['100% \_'], 'but may stand in a name');
select is(pg_temp.found('анна'), '{}', 'the middle of a name is no beginning');

select * from finish();
rollback;
