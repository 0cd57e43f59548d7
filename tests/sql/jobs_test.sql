-- Jobs: queued once, taken once, and finished only by whoever holds them.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

-- Alone in the queue until the end of this transaction.
delete from jobs;
create function pg_temp.take() returns bigint language sql as $$
    update jobs
    set state = 'running', attempt = attempt + 1, worker = 'w', started_at = now(),
        leased_until = now() + interval '60 seconds'
    where id = (select id from jobs where state = 'queued' and run_at <= now()
                order by run_at, id limit 1 for update skip locked)
    returning id
$$;
create function pg_temp.seen(job bigint) returns text language sql as
    $$select concat_ws(' ', state, attempt, failures, last_error) from jobs where id = job$$;

insert into jobs (lane, kind, key) values ('fal', 'image_submit', 'k1');
select lives_ok($$insert into jobs (lane, kind, key) values ('fal', 'image_submit', 'k1')
                  on conflict (key) do nothing$$, 'the same step again');
select is((select count(*) from jobs where key = 'k1'), 1::bigint, 'is one step');
select throws_ok($$insert into jobs (lane, kind) values ('slow', 'x')$$, '23514', null, 'lanes are known');
select throws_ok($$insert into jobs (lane, kind, state) values ('fal', 'x', 'running')$$, '23514', null,
    'what runs has a lease');
select throws_ok($$insert into jobs (lane, kind, state) values ('fal', 'x', 'done')$$, '23514', null,
    'what ended has its time');

select pg_temp.take() as job \gset
select is(pg_temp.seen(:job), 'running 1 0', 'taken: the first attempt');
select is(pg_temp.take(), null, 'nobody else gets it');
select lives_ok(format($$select job_wait(%s, 1, 0, '429')$$, :job), 'waiting');
select is(pg_temp.seen(:job), 'queued 1 0 429', 'is not failing');
select isnt(pg_temp.take(), null, 'taken again');
select is(job_fail(:job, 2, 0, 'refused'), 1, 'failing counts');
select is(pg_temp.seen(:job), 'queued 2 1 refused', 'and is queued');
select isnt(pg_temp.take(), null, 'taken a third time');
select throws_ok(format('select job_finish(%s, 2)', :job), 'AI002', null, 'the second attempt is too late');
select throws_ok(format($$select job_wait(%s, 2, 0, 'x')$$, :job), 'AI002', null, 'also to wait');
select throws_ok(format($$select job_fail(%s, 2, 0, 'x')$$, :job), 'AI002', null, 'or to fail');
select throws_ok(format($$select job_die(%s, 2, 'x')$$, :job), 'AI002', null, 'or to die');
select lives_ok(format($$select job_wait(%s, 3, 0, '429')$$, :job), 'waiting');
select is(pg_temp.seen(:job), 'queued 3 1 429', 'forgives nothing');
select isnt(pg_temp.take(), null, 'taken a fourth time');
select lives_ok(format('select job_wait(%s, 4, 0, null)', :job), 'a step that went well and comes again');
select is(pg_temp.seen(:job), 'queued 4 0', 'begins to count anew');
select isnt(pg_temp.take(), null, 'taken a fifth time');
select lives_ok(format('select job_finish(%s, 5)', :job), 'the fifth finishes it');
select is(pg_temp.seen(:job), 'done 5 0', 'done');
select throws_ok(format('select job_finish(%s, 5)', :job), 'AI002', null, 'and only once');

insert into jobs (lane, kind) values ('fal', 'x');
select pg_temp.take() as job \gset
select lives_ok(format($$select job_die(%s, 1, 'too often')$$, :job), 'a job can be given up');
select is(pg_temp.seen(:job), 'dead 1 1 too often', 'with the reason');

insert into jobs (lane, kind, run_at) values ('fal', 'later', now() + interval '1 second');
select is(pg_temp.take(), null, 'what is not due is not taken');

insert into jobs (lane, kind, state, finished_at)
values ('fal', 'old', 'done', now() - interval '8 days'), ('fal', 'old', 'dead', now() - interval '8 days'),
       ('fal', 'old', 'cancelled', now() - interval '8 days'), ('fal', 'old', 'done', now() - interval '6 days');
select is(jobs_prune(), 2::bigint, 'old jobs that ended well are pruned');
select is((select count(*) from jobs where kind = 'old'), 2::bigint, 'dead ones wait for an admin');

select finish();
rollback;
