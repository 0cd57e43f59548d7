-- What was found right is not read again, and whatever is wrong behind the mark is found all the same.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

insert into users (telegram_id) values (-1001), (-1002), (-1003);
select id as asya from users where telegram_id = -1001 \gset
select id as petya from users where telegram_id = -1002 \gset
select id as masha from users where telegram_id = -1003 \gset

create function pg_temp.problems() returns setof text language sql as
    $$select concat_ws(' ', problem, expected, found) from ledger_check_new() order by 1$$;
create function pg_temp.all_problems() returns setof text language sql as
    $$select concat_ws(' ', problem, expected, found) from ledger_check_all() order by 1$$;
create function pg_temp.mark() returns bigint language sql as 'select transfer_id from ledger_marks';
create function pg_temp.newest() returns bigint language sql as 'select max(id) from ledger_transfers';
create function pg_temp.checked_holds() returns text language sql as $$
    select string_agg(t.idempotency_key, ' ' order by t.id)
    from ledger_checked_holds h
    join ledger_transfers t on t.id = h.transfer_id
$$;
-- All this is one transaction, which can note no place: everything that has happened was committed long ago.
create function pg_temp.settle() returns void language sql as
    $$update ledger_marks set next_xid = '3', next_transfer_id = pg_temp.newest()$$;
-- The sums must be those of all entries up to the mark.
create function pg_temp.wrong_sums() returns bigint language sql as $$
    select count(*)
    from (select account_id, sum(amount) as amount from ledger_entries
          where transfer_id <= pg_temp.mark() group by account_id) e
    full join ledger_checked_sums c using (account_id)
    where e.amount is distinct from c.amount
$$;
create function pg_temp.tamper(statement text) returns void language plpgsql as $$
begin
    set local session_replication_role = replica;
    execute statement;
    set local session_replication_role = origin;
end $$;
create function pg_temp.tamper_with(account text, person bigint, coins int) returns void language sql as $$
    select pg_temp.tamper(format('update ledger_accounts set balance = balance + %s where user_id = %s and kind = %L',
                                 coins, person, account))
$$;

select ledger_credit(:asya, 'gift', 100, 'promo', 'welcome'), ledger_credit(:petya, 'bought', 50, 'stars', 'stars');
select ledger_hold(:asya, 'h1', 30, null, 'image'), ledger_hold(:petya, 'h2', 20, null, 'image');
select ledger_capture('h2', 15);

-- The mark goes to the place that was noted, when all that could come below it has ended.
select is(pg_temp.mark(), 0::bigint, 'nothing is checked at first');
select is_empty('select from ledger_check_on()', 'all is well');
select is((select next_transfer_id from ledger_marks), 0::bigint, 'no place is noted by one who has written already');
update ledger_marks set next_transfer_id = pg_temp.newest(), next_xid = pg_current_xact_id();
select ledger_credit(:asya, 'gift 2', 5, 'promo', 'welcome');
update ledger_marks set next_xid = (pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1)::text::xid8;
select is_empty('select from ledger_check_on()', 'all is well again');
select is(pg_temp.mark(), 0::bigint, 'while somebody from before runs it does not move');
update ledger_marks set next_xid = '3';
select is_empty('select from ledger_check_on()', 'then it does');
select is(pg_temp.mark(), pg_temp.newest() - 1, 'to the place that was noted, not beyond');
select is(pg_temp.wrong_sums(), 0::bigint, 'with the sums of all accounts');
select is(pg_temp.checked_holds(), 'h1', 'and the holds that are open');
select is((select sum(balance) from ledger_totals()), 0::numeric, 'the totals sum to zero');
select results_eq('select kind::text, balance from ledger_totals() where balance <> 0',
    $$values ('user', 110::bigint), ('held', 30), ('revenue', 15), ('promo', -105), ('stars', -50)$$,
    'and are what was moved');

select pg_temp.settle();
select ledger_release('h1'), ledger_hold(:petya, 'h3', 3, null, 'image');
select is_empty('select from ledger_check_on()', 'a hold from before the mark may end behind it');
select pg_temp.settle();
select is_empty('select from ledger_check_on()', 'all is well');
select is(pg_temp.mark(), pg_temp.newest(), 'everything is behind the mark');
select is(pg_temp.wrong_sums(), 0::bigint, 'the sums grow with it');
select is(pg_temp.checked_holds(), 'h3', 'and what is settled is forgotten');

-- A restored database has numbers of another cluster.
update ledger_marks set next_xid = '9000000000000', next_transfer_id = transfer_id + 1;
select ledger_credit(:masha, 'gift 3', 7, 'promo', 'welcome');
select ledger_mark_note(pg_temp.newest());
select is((select next_xid from ledger_marks), pg_current_xact_id(), 'one from far off is not waited for');
select is((select next_transfer_id from ledger_marks), pg_temp.newest(), 'another place is noted');
select ledger_mark_note(pg_temp.newest() + 1);
select is((select next_transfer_id from ledger_marks), pg_temp.newest(), 'which stands until the mark is there');

-- What is planted behind the mark is found, and the mark does not go over it.
select pg_temp.settle();
select pg_temp.mark() as before \gset
savepoint planted;
select pg_temp.tamper(format('insert into ledger_entries select max(id), %s, 40 from ledger_transfers',
    (select id from ledger_accounts where user_id = :asya and kind = 'user')));
select results_eq('select pg_temp.problems()', array['entries do not sum to zero 0 40',
    'stored balance differs from its entries 145 105'], 'a line too many');
select isnt_empty('select from ledger_check_on()', 'is told by the check that moves the mark');
select is(pg_temp.mark(), :before::bigint, 'which does not move it');
rollback to planted;
select pg_temp.tamper($$insert into ledger_transfers (idempotency_key, kind, user_id, reason) values ('empty', 'credit', 1, 'x')$$);
select results_eq('select pg_temp.problems()', array['transfer without entries'], 'a transfer of nothing');
rollback to planted;
select pg_temp.tamper_with('user', :masha, 7);
select results_eq('select pg_temp.problems()', array['balances do not sum to zero 0 7',
    'stored balance differs from its entries 7 14'], 'a balance that was doubled');
rollback to planted;

-- Old rows: what shows in a balance is found at once, what shows nowhere by reading everything.
select is_empty('select from ledger_check_on()', 'all is well');
select is(pg_temp.mark(), pg_temp.newest(), 'everything is checked');
savepoint checked;
select pg_temp.tamper_with('user', :asya, 9);
select results_eq('select pg_temp.problems()', array['balances do not sum to zero 0 9'],
    'a balance that nothing happened to since');
select results_eq('select pg_temp.all_problems()', array['stored balance differs from its entries 105 114'],
    'everything tells whose it is');
rollback to checked;
select pg_temp.tamper_with('held', :petya, -3);
select results_eq('select pg_temp.problems()', array['balances do not sum to zero 0 -3',
    'held coins differ from open holds 3 0'], 'held coins that are gone');
rollback to checked;
select pg_temp.tamper($$update ledger_entries set amount = amount + 1
    where transfer_id = (select id from ledger_transfers where idempotency_key = 'gift') and amount > 0$$);
select is_empty('select pg_temp.problems()', 'a line of the past that was changed is not read again');
select results_eq('select pg_temp.all_problems()', array['entries do not sum to zero 0 1',
    'stored balance differs from its entries 106 105'], 'but by reading everything');
select is(pg_temp.mark(), 0::bigint, 'from then on nothing counts as checked');
select isnt_empty('select pg_temp.problems()', 'and every check finds it');
select pg_temp.settle();
select isnt_empty('select from ledger_check_on()', 'also the one that moves the mark');
select is(pg_temp.mark(), 0::bigint, 'which stays');
rollback to checked;
select pg_temp.tamper('update ledger_checked_sums set amount = amount + 1');
select pg_temp.settle();
select is_empty('select from ledger_check_all()', 'sums that are wrong');
select is(pg_temp.mark(), pg_temp.newest(), 'are made anew');
select is(pg_temp.wrong_sums(), 0::bigint, 'from the entries');
select is(pg_temp.checked_holds(), 'h3', 'with the holds');

-- A failure that keeps the coins.
insert into image_generations (id, user_id, generation_type, original_prompt, price, status, failure, completed_at)
values ('00000000-0000-4000-8000-000000000001', :petya, 'imagen4', 'x', 4, 'failed', 'upstream', now());
select ledger_hold(:petya, 'h4', 4, '00000000-0000-4000-8000-000000000001', 'image');
select results_eq('select pg_temp.problems()', array['hold of work that is over 0 4'], 'a hold of work that failed');
select ledger_capture('h4');
select results_eq('select pg_temp.problems()', array['charge for work that failed 0 4'], 'a charge for it');

-- Only the owner writes the mark, and only workers have it moved.
select table_privs_are(name, role, case role when 'aisha_status' then array['SELECT'] else '{}' end, role || ' and ' || name)
from unnest(array['ledger_marks', 'ledger_checked_sums', 'ledger_checked_holds']) as name,
     unnest(array['aisha_bot', 'aisha_worker', 'aisha_status']) as role;
select function_privs_are(name, '{}'::text[], role, case when can then array['EXECUTE'] else '{}' end, role || ' and ' || name)
from (values ('ledger_check_on', 'aisha_bot', false), ('ledger_check_on', 'aisha_worker', true),
             ('ledger_check_on', 'aisha_status', false), ('ledger_check_new', 'aisha_status', true),
             ('ledger_check_all', 'aisha_bot', false), ('ledger_check_all', 'aisha_worker', false),
             ('ledger_check_all', 'aisha_status', false)) as wanted (name, role, can);

select finish();
rollback;
