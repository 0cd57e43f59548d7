-- Turns: an update is run once, also across midnight; days come and go.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

select is(turn_claim(-1, 10, null), null, 'a new update is ours');
select throws_ok('set constraints all immediate', '23502', null, 'a turn without outcome cannot be committed');
select lives_ok($$select turn_outcome(-1, 10, '{"to": "menu"}')$$, 'it is told what came of it');
select lives_ok('set constraints all immediate', 'then it can');
set constraints all deferred;
select is(turn_claim(-1, 10, null), '{"to": "menu"}'::jsonb, 'a copy finds what came of it');
select is(turn_claim(-2, 10, null), null, 'another bot counts by itself');
select turn_outcome(-2, 10, '{}') is null as told \gset
select is(turn_claim(-1, 11, 5), null, 'and so does another update');
select lives_ok($$select turn_outcome(-1, 11, '{}', 6)$$, 'a person met in the turn is noted');
select is(user_id, 6::bigint, 'with the turn') from turns where bot_id = -1 and update_id = 11;
select throws_ok($$select turn_outcome(-1, 12, '{}')$$, 'P0002', null, 'what nobody claimed has no outcome');

insert into turns (bot_id, update_id, outcome, created_at)
values (-1, 20, '{"to": "old"}', now() - interval '1 day');
select is(turn_claim(-1, 20, null), '{"to": "old"}'::jsonb, 'a copy after midnight is known');

-- Days.
select has_table('public', 'turns_' || to_char((now() at time zone 'utc')::date + n, 'YYYYMMDD'),
    'there is a partition for today and ' || n)
from generate_series(0, 2) as n;
set local role aisha_owner;
do $$
declare
    old date := (now() at time zone 'utc')::date - 4;
begin
    execute format('create table %I partition of turns for values from (%L) to (%L)',
        'turns_' || to_char(old, 'YYYYMMDD'), old::timestamp at time zone 'utc',
        (old + 1)::timestamp at time zone 'utc');
end $$;
reset role;
insert into turns (bot_id, update_id, outcome, created_at)
values (-1, 30, '{}', (((now() at time zone 'utc')::date - 4) + interval '12 hours') at time zone 'utc'),
       (-1, 31, '{}', now() - interval '30 days');
set constraints all immediate;
select lives_ok('select turns_rotate()', 'days are rotated');
select is_empty('select from turns where bot_id = -1 and update_id in (30, 31)', 'what is older than three days is gone');
select isnt_empty('select from turns where bot_id = -1 and update_id = 20', 'the rest is not');
select is_empty($$select from pg_class where relname = 'turns_'
    || to_char((now() at time zone 'utc')::date - 4, 'YYYYMMDD')$$, 'nor is the old partition there');
select lives_ok('select turns_rotate()', 'twice is fine');
select lives_ok($$insert into turns (bot_id, update_id, outcome, created_at)
    values (-1, 40, '{}', now() + interval '10 days')$$, 'a day without partition is no error');

select finish();
rollback;
