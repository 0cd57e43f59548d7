-- Payments: once per charge, coins for whoever paid, refunds that add up, and what
-- does not agree with Telegram.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

insert into users (id, telegram_id) overriding system value values (9001, 19001), (9002, 19002);
insert into payment_orders (id, user_id, coins, stars) values
    ('00000000-0000-4000-8000-00000000a001', 9001, 250, 180);

create function pg_temp.pay(p_user bigint, p_charge text, p_payload text, p_stars bigint,
                            p_package bigint default 0, p_currency text default 'XTR') returns text
language sql as $$
    select format('%s %s %s', state, coins, is_new)
    from payment_take(gen_random_uuid(), p_user, p_charge, p_payload, p_currency, p_stars, p_package)
$$;
create function pg_temp.coins(p_user bigint) returns bigint
language sql as $$ select balance from ledger_balance(p_user) $$;
create function pg_temp.refund(p_charge text, p_force boolean default false) returns text
language sql as $$ select verdict from payment_refund(p_charge, p_force) $$;
create function pg_temp.source(p_kind ledger_account_kind) returns bigint
language sql as $$ select balance::bigint from ledger_totals() where kind = p_kind $$;

-- Paying.
select is(pg_temp.pay(9001, 'c1', '00000000-0000-4000-8000-00000000a001', 180), 'credited 250 t', 'an order is paid');
select is(pg_temp.coins(9001), 250::bigint, 'and credited');
select is(pg_temp.pay(9001, 'c1', '00000000-0000-4000-8000-00000000a001', 180), 'credited 250 f', 'the same charge again');
select is(pg_temp.coins(9001), 250::bigint, 'changes nothing');
select isnt((select paid_at from payment_orders where user_id = 9001), null, 'the order is paid');
select is(pg_temp.pay(9001, 'c2', '00000000-0000-4000-8000-00000000a001', 180), 'credited 250 t',
          'a second charge for one order was paid as well');
select is(pg_temp.pay(9002, 'c3', '00000000-0000-4000-8000-00000000a001', 180), 'unmatched 0 t',
          'another one''s order is not his');
select is(pg_temp.pay(9002, 'c4', 'what is this', 340, 500), 'credited 500 t', 'an unknown order by its price');
select is(pg_temp.pay(9002, 'c5', 'what is this', 7), 'unmatched 0 t', 'a price that nobody asked');
select is(pg_temp.pay(9002, 'c6', 'what is this', 340, 500, 'USD'), 'unmatched 0 t', 'another currency');
select is(pg_temp.coins(9002), 500::bigint, 'one of the four is credited');
select is(pg_temp.source('stars'), -1000::bigint, 'all of it from Stars');
select is((select count(*)::int from ledger_transfers where reason = 'stars' and subject is not null), 3,
          'each line names its payment');

-- Refunds.
select is(pg_temp.refund('none'), 'unknown', 'no such charge');
select is(pg_temp.refund('c2'), 'queued', 'a refund');
select is(pg_temp.coins(9001), 250::bigint, 'the coins are gone at once');
select is((select payload->>'chat_id' from jobs where kind = 'payment_refund'), '19001', 'Telegram will be asked');
select is(pg_temp.refund('c2'), 'refunding', 'not twice');
select ok(payment_refund_failed((select id from payments where charge_id = 'c2'), 'no'), 'Telegram says no');
select is(pg_temp.coins(9001), 500::bigint, 'the coins are back');
select is(pg_temp.refund('c2'), 'queued', 'a second try');
select ok(payment_refund_done((select id from payments where charge_id = 'c2')), 'Telegram says yes');
select ok(not payment_refund_done((select id from payments where charge_id = 'c2')), 'once');
select is((select is_new from payment_refund_seen('c2')), false, 'its own word comes too late');
select is(pg_temp.refund('c2'), 'refunded', 'it is over');
select is(pg_temp.coins(9001), 250::bigint, 'and cost its coins');

select ledger_hold(9001, 'work', 200, null, 'image');
select is(pg_temp.refund('c1'), 'few', 'spent coins cannot be given back');
select is(pg_temp.coins(9001), 50::bigint, 'nothing was taken');
select payment_add_bonus((select id from payments where charge_id = 'c1'), 25);
select ledger_credit(9001, 'bonus', 25, 'promo', 'promo');
select is(pg_temp.refund('c1', true), 'queued', 'an explicit word takes what there is');
select is(pg_temp.coins(9001), 0::bigint, 'to the last coin, and no further');
select is((select refund_taken from payments where charge_id = 'c1'), 75::bigint, 'which is written down');
select is(pg_temp.source('adjustment'), -200::bigint, 'the shop gives the rest');
select is(pg_temp.source('promo'), 0::bigint, 'what a code had added goes back where it came from');
select payment_refund_failed((select id from payments where charge_id = 'c1'), 'no');
select is(pg_temp.coins(9001) || ' ' || pg_temp.source('adjustment') || ' ' || pg_temp.source('promo'),
          '75 0 -25', 'and all of it comes back');

select is((select is_new from payment_refund_seen('c4')), true, 'a refund over our heads');
select is(pg_temp.coins(9002), 0::bigint, 'takes the coins');
select is(pg_temp.refund('c5'), 'queued', 'what nobody knows is given back too');
select is_empty($$select * from ledger_check()$$, 'the ledger adds up');

-- Somebody who leaves: the row is still there, the person is not.
savepoint leaving;
update users set telegram_id = -id where id = 9001;
select throws_ok($$select * from payment_take(gen_random_uuid(), 9001, 'c9', '', 'XTR', 340, 500)$$, '40001', null,
                 'nothing is credited to an account that is about to be emptied');
select is(pg_temp.refund('c1'), 'erased', 'nobody can be asked for the Stars');
rollback to leaving;

-- The comparison.
create function pg_temp.one() returns uuid
language sql as $$ select '00000000-0000-4000-8000-00000000c001'::uuid $$;
create function pg_temp.differs() returns setof text
language sql as $$
    select format('%s %s %s %s', kind, charge_id, stars_here, stars_there)
    from payment_differences where resolved_at is null order by 1
$$;
create function pg_temp.listed(p_id text, p_refund boolean, p_stars bigint, p_age text default '1 hour') returns void
language sql as $$
    insert into star_transactions (check_id, id, is_refund, stars, telegram_id, made_at)
    values (pg_temp.one(), p_id, p_refund, p_stars, 77, now() - p_age::interval)
$$;
create function pg_temp.all_listed() returns void
language sql as $$
    insert into star_transactions (check_id, id, is_refund, stars, made_at)
    select pg_temp.one(), charge_id, false, stars, created_at from payments where currency = 'XTR' union all
    select pg_temp.one(), charge_id, true, stars, refunded_at from payments where state = 'refunded'
$$;
update payments set created_at = now() - interval '1 hour';
update payments set refunded_at = now() - interval '1 hour' where refunded_at is not null;

select pg_temp.all_listed();
select is(payments_compare(pg_temp.one(), now(), 0, true), 0::bigint, 'the same on both sides');
select is_empty('select from star_transactions', 'the list is not kept');
select pg_temp.all_listed();
delete from star_transactions where id in ('c1') or id = 'c2' and is_refund;
update star_transactions set stars = 1 where id = 'c5';
select pg_temp.listed('d1', false, 5), pg_temp.listed('c3', true, 180), pg_temp.listed('d2', false, 5, '1 minute');
select is(payments_compare(pg_temp.one(), now(), 0, true), 5::bigint, 'five differ');
select results_eq('select * from pg_temp.differs()', array['amount c5 7 1', 'not_here d1  5', 'not_there c1 180 ',
    'refund_not_here c3  180', 'refund_not_there c2 180 '], 'in both directions');
select is((select telegram_id from payment_differences where charge_id = 'd1'), 77::bigint,
          'who paid what we do not know is told');
select pg_temp.all_listed(), pg_temp.listed('d1', false, 5);
select is(payments_compare(pg_temp.one(), now(), 0, true), 1::bigint, 'what agrees again is over');
select results_eq('select * from pg_temp.differs()', array['not_here d1  5'], 'the rest stays');
select is((select count(*)::int from payment_differences), 5, 'and nothing is forgotten');

-- What agreed once is not asked for again; what did not is remembered where the list is not read again.
select pg_temp.all_listed(), pg_temp.listed('d1', false, 5);
select payments_compare(pg_temp.one(), now(), 0, true);
select is((select count(*)::int from payments where currency = 'XTR' and compared_at is null), 0, 'all agree');
select is(payments_compare(pg_temp.one(), now(), 12, false), 1::bigint, 'an empty rest of the list is enough');
select results_eq('select * from pg_temp.differs()', array['not_here d1  5'], 'what we do not know is still unknown');
select is((select settled from star_checks order by id desc limit 1), 12::bigint, 'and the list has its place');
select is((select transactions from star_checks order by id desc limit 1), 0::bigint, 'nothing was read');
select pg_temp.pay(9001, 'd1', 'what is this', 6), pg_temp.pay(9001, 'd3', 'what is this', 8);
update payments set created_at = now() - interval '1 hour' where charge_id in ('d1', 'd3');
select is(payments_compare(pg_temp.one(), now(), 12, false), 2::bigint, 'two that are new here');
select results_eq('select * from pg_temp.differs()', array['amount d1 6 5', 'not_there d3 8 '],
    'are compared with what Telegram said long ago, and with what it says now');
update payments set stars = 5 where charge_id = 'd1';
select pg_temp.listed('d3', false, 8);
select is(payments_compare(pg_temp.one(), now(), 13, false), 0::bigint, 'until both have the same');
update payments set state = 'refunded', refunded_at = now() - interval '1 hour' where charge_id = 'd3';
select is(payments_compare(pg_temp.one(), now(), 13, false), 1::bigint, 'a refund of an old payment is new');
select pg_temp.listed('d3', true, 8);
select is(payments_compare(pg_temp.one(), now(), 14, false), 0::bigint, 'and is compared by itself');
update payments set stars = 9 where charge_id = 'd3';
select is(payments_compare(pg_temp.one(), now(), 14, false), 0::bigint, 'what was found to agree is not looked at');
select pg_temp.all_listed();
update star_transactions set stars = 8 where id = 'd3' and not is_refund;
select is(payments_compare(pg_temp.one(), now(), 14, true), 1::bigint, 'but by comparing everything');
select results_eq('select * from pg_temp.differs()', array['amount d3 9 8'], 'the one that was tampered with');

-- Who goes leaves the payment.
delete from users where id = 9002;
select is(pg_temp.refund('c3'), 'erased', 'there is nobody to give it to');
select is((select count(*)::int from payments where user_id is null), 4, 'the payments stay, nameless');
select table_privs_are('payments', role, array['SELECT'], role || ' writes no payment by hand')
from unnest(array['aisha_bot', 'aisha_worker', 'aisha_status']) as role;

select finish();
rollback;
