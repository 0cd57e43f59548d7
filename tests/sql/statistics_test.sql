-- What a person's screens read of the ledger beside its lines.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

insert into users (telegram_id) values (-1) returning id as asya \gset
insert into users (telegram_id) values (-2) returning id as petya \gset
select ledger_credit(:asya, 'stat:' || n, 100, 'adjustment', 'x') from generate_series(1, 5) n \g /dev/null
select ledger_credit(:petya, 'stat:petya', 100, 'adjustment', 'x') \g /dev/null

-- Pages of two lines, from the oldest to the newest: each begins where the one before it ended.
select is(ledger_newer(:asya, 2, (select min(id) from ledger_statement(:asya, 10))),
    (select id from ledger_statement(:asya, 10) order by id offset 3 limit 1), 'the two lines above the oldest');
select results_eq(
    format($$select id from ledger_statement(%1$s, 2, ledger_newer(%1$s, 2, (select min(id) from ledger_statement(%1$s, 10))))$$, :asya),
    format($$select id from ledger_statement(%s, 10) order by id desc offset 2 limit 2$$, :asya), 'are the next page');
select is(ledger_newer(:asya, 4, (select min(id) from ledger_statement(:asya, 10))), null, 'what reaches the newest is the first page');
select is(ledger_newer(:asya, 2, (select max(id) from ledger_statement(:asya, 10))), null, 'nothing is above the newest');
select is(ledger_newer(:petya, 2, 0), null, 'the lines of others do not count');

-- What became revenue was spent; what came back, or waits, was not.
select ledger_hold(:asya, 'stat:a', 10, null, 'image'), ledger_capture('stat:a', 7) \g /dev/null
select ledger_hold(:asya, 'stat:b', 20, null, 'image'), ledger_release('stat:b') \g /dev/null
select ledger_hold(:asya, 'stat:c', 30, null, 'image'), ledger_capture('stat:c') \g /dev/null
select ledger_hold(:asya, 'stat:d', 40, null, 'image') \g /dev/null
select ledger_hold(:petya, 'stat:e', 50, null, 'image'), ledger_capture('stat:e') \g /dev/null
select ledger_debit(:asya, 'stat:f', 1, 'adjustment', 'x') \g /dev/null
select is((select sum(coins) from ledger_spending(:asya, '-infinity', 0)), 37::numeric, 'seven and thirty');
select is((select sum(coins) from ledger_spending(:petya, '-infinity', 0)), 50::numeric, 'to each his own');
select is_empty(format($$select from ledger_spending(%s, now() + interval '1 second', 0)$$, :asya), 'not before the day that is asked for');

-- Half past eleven in the evening of the one is the next day of the other.
set local session_replication_role = replica;
update ledger_transfers set created_at = '2026-11-20 23:30+00' where idempotency_key = 'stat:a:settled';
update ledger_transfers set created_at = '2026-11-20 12:00+00' where idempotency_key = 'stat:c:settled';
set local session_replication_role = origin;
select results_eq(format($$select day, coins from ledger_spending(%s, '-infinity', 0) order by day$$, :asya),
    $$values (date '2026-11-20', 37::bigint)$$, 'in Greenwich');
select results_eq(format($$select day, coins from ledger_spending(%s, '-infinity', 345) order by day$$, :asya),
    $$values (date '2026-11-20', 30::bigint), (date '2026-11-21', 7::bigint)$$, 'in Kathmandu');
select results_eq(format($$select day, coins from ledger_spending(%s, '-infinity', -780) order by day$$, :asya),
    $$values (date '2026-11-19', 30::bigint), (date '2026-11-20', 7::bigint)$$, 'in the far west');

select finish();
rollback;
