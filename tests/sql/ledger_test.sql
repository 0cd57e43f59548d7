-- Coins: every movement happens once, nothing goes below zero, all sums to zero.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

insert into users (telegram_id) values (-1001), (-1002);
select id as asya from users where telegram_id = -1001 \gset
select id as petya from users where telegram_id = -1002 \gset
create function pg_temp.asya() returns bigint language sql as
    'select id from users where telegram_id = -1001';

create function pg_temp.coins(person bigint) returns text language sql as
    $$select balance || '+' || held from ledger_balance(person)$$;

-- Runs a statement as a role and answers its SQLSTATE, 00000 when it went well.
create function pg_temp.state_as(role text, statement text) returns text
language plpgsql as $$
begin
    execute format('set local role %I', role);
    begin
        execute statement;
    exception when others then
        reset role;
        return sqlstate;
    end;
    reset role;
    return '00000';
end $$;

select is(pg_temp.coins(:asya), '0+0', 'a new person has accounts and no coins');

-- Credit.
select ok(ledger_credit(:asya, 'gift', 100, 'promo', 'welcome'), 'coins are credited');
select ok(not ledger_credit(:asya, 'gift', 100, 'promo', 'welcome'), 'once for a key');
select is(pg_temp.coins(:asya), '100+0', 'and not twice');
select throws_ok($$select ledger_credit(pg_temp.asya(), 'gift', 101, 'promo', 'welcome')$$, 'AI003', null,
    'the key with other coins is a mistake');
select throws_ok($$select ledger_credit(pg_temp.asya(), 'gift', 100, 'stars', 'welcome')$$, 'AI003', null,
    'and so it is with another source');
select throws_ok(format($$select ledger_credit(%s, 'gift', 100, 'promo', 'welcome')$$, :petya), 'AI003',
    null, 'and for another person');
select throws_ok($$select ledger_credit(pg_temp.asya(), 'none', 0, 'promo', 'x')$$, '22023', null, 'no zero');
select throws_ok($$select ledger_credit(pg_temp.asya(), 'less', -5, 'promo', 'x')$$, '22023', null,
    'no negative credit');
select throws_ok($$select ledger_credit(pg_temp.asya(), 'odd', 5, 'revenue', 'x')$$, '22023', null,
    'revenue gives nothing away');
select throws_ok($$select ledger_credit(0, 'nobody', 5, 'promo', 'x')$$, 'P0002', null, 'nobody gets nothing');

-- Hold, then capture; both twice, then the other end.
select ok(ledger_hold(:asya, 'h1', 30, '00000000-0000-0000-0000-000000000001', 'image'), 'coins are held');
select ok(not ledger_hold(:asya, 'h1', 30, '00000000-0000-0000-0000-000000000001', 'image'), 'once');
select is(pg_temp.coins(:asya), '70+30', 'held coins cannot be spent');
select throws_ok($$select ledger_hold(pg_temp.asya(), 'h1', 31,
    '00000000-0000-0000-0000-000000000001', 'image')$$, 'AI003', null, 'the same hold at another price');
select ok(ledger_capture('h1'), 'a hold is captured');
select ok(ledger_capture('h1'), 'again: nothing happens');
select ok(not ledger_release('h1'), 'releasing it then says no');
select is(pg_temp.coins(:asya), '70+0', 'captured once');

-- Hold, then release; both twice, then the other end.
select ok(ledger_hold(:asya, 'h2', 70, null, 'avatar'), 'the last coin can be held');
select ok(ledger_release('h2'), 'a hold is released');
select ok(ledger_release('h2'), 'again: nothing happens');
select ok(not ledger_capture('h2'), 'capturing it then says no');
select is(pg_temp.coins(:asya), '70+0', 'released once');

-- Why it went back stands beside it.
select ok(ledger_hold(:asya, 'h2f', 70, null, 'avatar'), 'held once more');
select ok(ledger_release_for('h2f', 'timeout'), 'and released for a reason');
select ok(ledger_release_for('h2f', 'storage'), 'again: nothing happens');
select is((select string_agg(f.failure, ' ') from ledger_failures f
           join ledger_transfers t on t.id = f.transfer_id
           where t.idempotency_key = 'h2f:settled'), 'timeout', 'the first reason stays');
select ok(not ledger_release_for('h1', 'timeout'), 'what is captured is not released');
select is((select count(*) from ledger_failures f join ledger_transfers t on t.id = f.transfer_id
           where t.idempotency_key = 'h1:settled'), 0::bigint, 'and has no reason for it');
select throws_ok($$update ledger_failures set failure = 'x'$$, '42501', null, 'a reason is never changed');
select throws_ok($$delete from ledger_failures$$, '42501', null, 'or taken away');

-- Part of a hold.
select ok(ledger_hold(:asya, 'h3', 40, null, 'transcript'), 'forty are held');
select throws_ok($$select ledger_capture('h3', 41)$$, '22023', null, 'no more than was held');
select throws_ok($$select ledger_capture('h3', 0)$$, '22023', null, 'capturing nothing is releasing');
select ok(ledger_capture('h3', 15), 'fifteen of them are captured');
select ok(ledger_capture('h3', 15), 'again: nothing happens');
select is(pg_temp.coins(:asya), '55+0', 'the rest came back');

-- Not enough, no such hold, a hold of another person.
select throws_ok($$select ledger_hold(pg_temp.asya(), 'h4', 56, null, 'image')$$, 'AI001', null,
    'what is not there cannot be held');
select is(pg_temp.coins(:asya), '55+0', 'and nothing changed');
select ok(ledger_hold(:asya, 'h4', 55, null, 'image'), 'the key of the refused hold is free');
select ok(ledger_release('h4'), 'and is released');
select throws_ok($$select ledger_hold(pg_temp.asya(), 'h5', -1, null, 'image')$$, '22023', null,
    'a negative hold would be a gift');
select throws_ok($$select ledger_capture('unheard of')$$, 'AI004', null, 'no such hold to capture');
select throws_ok($$select ledger_release('gift')$$, 'AI004', null, 'a credit is no hold');
select throws_ok($$select ledger_debit(pg_temp.asya(), 'd0', 56, 'stars', 'refund')$$, 'AI001', null,
    'a debit stops at zero');
select ok(ledger_debit(:asya, 'd1', 5, 'stars', 'refund'), 'coins are taken back');
select ok(not ledger_debit(:asya, 'd1', 5, 'stars', 'refund'), 'once');
select throws_ok(format($$select ledger_post('theft', 'credit', %s, null, 'x',
    array[ledger_account('user', %1$s), ledger_account('user', %s)], array[5, -5])$$, :petya, :asya),
    '22023', null, 'no transfer touches two people');
select throws_ok(format($$select ledger_post('drain', 'debit', %s, null, 'x',
    array[ledger_account('held', %1$s), ledger_account('adjustment')], array[-5, 5])$$, :asya),
    '23514', null, 'held coins never go below zero either');

-- The statement.
select results_eq(format($$select kind, reason, amount, balance_after, settled from ledger_statement(%s, 4)$$, :asya),
    $$values ('debit', 'refund', -5::bigint, 50::bigint, null),
             ('release', 'image', 55, 55, null),
             ('hold', 'image', -55, 0, 'release'),
             ('capture', 'transcript', 25, 55, null)$$, 'newest first, with the balance after each');
select is((select count(*) from ledger_statement(:asya, 100)), 11::bigint, 'a full capture is no line of its own');
select results_eq(
    format($$select amount, balance_after from ledger_statement(%s, 100)$$, :asya),
    format($$with recursive pages as (
            select s.id, s.amount, s.balance_after, 1 as n from ledger_statement(%s, 1) s
            union all
            select s.id, s.amount, s.balance_after, n + 1
            from pages, ledger_statement(%1$s, 1, pages.id) s)
        select amount, balance_after from pages order by n$$, :asya), 'page by page it is the same');
select is_empty(format('select from ledger_statement(%s, 10)', :petya), 'nobody sees another''s lines');

-- Zero in sum, at commit.
select lives_ok('set constraints all immediate', 'every transfer so far is balanced');
select throws_ok($$
    with t as (insert into ledger_transfers (idempotency_key, kind, user_id, reason)
               values ('crooked', 'credit', 1, 'x') returning id)
    insert into ledger_entries select t.id, ledger_account('promo'), 5 from t $$, '23000', null,
    'a transfer that does not sum to zero cannot be');
select throws_ok($$insert into ledger_transfers (idempotency_key, kind, user_id, reason)
                   values ('empty', 'credit', 1, 'x')$$, '23000', null, 'nor one that moves nothing');
select throws_ok(format($$select ledger_post('one-sided', 'credit', %s, null, 'x',
    array[ledger_account('user', %1$s)], array[5])$$, :asya), '23000', null,
    'nobody posts one side of a transfer, the owner neither');
select throws_ok(format($$select ledger_post('nothing', 'credit', %s, null, 'x', '{}', '{}')$$, :asya), '23000',
    null, 'nor none');
select throws_ok(format($$select ledger_post('lopsided', 'credit', %s, null, 'x',
    array[ledger_account('user', %1$s), ledger_account('promo')], array[5])$$, :asya), '22023', null,
    'nor an account without its amount');
set constraints all deferred;
select is((select sum(amount) from ledger_entries), 0::numeric, 'the whole ledger sums to zero');
select is_empty('select * from ledger_check()', 'and the check finds nothing');
select is((select sum(balance) from ledger_totals()), 0::numeric, 'nor do the totals');

-- Nobody changes what happened, the owner neither.
select throws_ok('update ledger_transfers set reason = reason', '42501', null, 'no update of transfers');
select throws_ok('delete from ledger_transfers', '42501', null, 'no delete of transfers');
select throws_ok('update ledger_entries set amount = amount', '42501', null, 'no update of entries');
select throws_ok('delete from ledger_entries', '42501', null, 'no delete of entries');
select throws_ok('truncate ledger_entries', '42501', null, 'no truncate');
select throws_ok('delete from ledger_accounts', '42501', null, 'accounts stay');
select throws_ok('update ledger_accounts set kind = kind', '42501', null, 'and stay what they are');

-- No role but the owner has a hand in it, whichever roles there are.
select is_empty($$
    select r.rolname, t.tablename, privilege
    from pg_roles r, pg_tables t, unnest(array['insert', 'update', 'delete', 'truncate', 'references', 'trigger']) as privilege
    where t.schemaname = 'public' and t.tablename like 'ledger%'
      and not r.rolsuper and r.rolname !~ '^pg_' and r.rolname <> 'aisha_owner'
      and has_table_privilege(r.oid, 'public.' || t.tablename, privilege)
$$, 'nobody else may write into the ledger');
select is_empty($$
    select r.rolname, c.table_name, c.column_name
    from pg_roles r, information_schema.columns c, unnest(array['insert', 'update']) as privilege
    where c.table_schema = 'public' and c.table_name like 'ledger%'
      and not r.rolsuper and r.rolname !~ '^pg_' and r.rolname <> 'aisha_owner'
      and has_column_privilege(r.oid, 'public.' || c.table_name, c.column_name, privilege)
$$, 'nor into a column of it');

-- The programs: through the functions or not at all.
select is(pg_temp.state_as(role, statement), '42501', role || ' may not: ' || statement)
from unnest(array['aisha_bot', 'aisha_worker']) as role,
     unnest(array['select from ledger_accounts',
                  $$insert into ledger_accounts (kind, user_id, balance) values ('user', 7, 1000)$$,
                  'update ledger_accounts set balance = 1000000',
                  'select from ledger_entries',
                  'insert into ledger_entries values (1, 1, 5)',
                  'delete from ledger_transfers',
                  $$select ledger_post('k', 'credit', 1, null, 'x', '{1}', '{1}')$$,
                  $$select ledger_settle('h1', 'release', 0)$$]) as statement;
select is(pg_temp.state_as('aisha_status', $$select ledger_credit(1, 'k', 5, 'promo', 'x')$$), '42501',
    'aisha_status gives nothing away');
select is(pg_temp.state_as('aisha_status', 'select from ledger_check()'), '00000', 'but may look');
select is(pg_temp.state_as('aisha_bot',
    format($$select ledger_hold(%s, 'as bot', 5, null, 'image')$$, :asya)), '00000', 'the bot holds');
select is(pg_temp.state_as('aisha_worker',
    format($$select ledger_hold(%s, 'as worker', 5, null, 'image')$$, :asya)), '42501', 'the worker does not');
select is(pg_temp.state_as(role, format($$select ledger_debit(%s, 'as program', 5, 'adjustment', 'x')$$, :asya)), '42501',
    role || ' takes nothing away')
from unnest(array['aisha_bot', 'aisha_worker']) as role;
select is(pg_temp.state_as('aisha_worker', $$select ledger_capture('as bot')$$), '00000',
    'the worker captures');
select is(pg_temp.coins(:asya), '45+0', 'and the coins are spent');

-- The person goes, the amounts stay.
delete from users where id = :asya;
select is(pg_temp.coins(:asya), '45+0', 'an erased person leaves the amounts behind');
select is_empty('select * from ledger_check()', 'and a ledger without a fault');

-- The check sees what it is for.
alter table ledger_accounts disable trigger all;
update ledger_accounts set balance = balance + 1 where user_id = :petya and kind = 'user';
select results_eq('select problem, expected, found from ledger_check()',
    $$values ('stored balance differs from its entries', 0::bigint, 1::bigint)$$,
    'a balance that was tampered with is found');

select finish();
rollback;
