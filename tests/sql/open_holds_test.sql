-- A hold ends with the work that it pays for, and the check finds one that did not.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

insert into users (telegram_id) values (-1001);
select id as asya from users where telegram_id = -1001 \gset
select ledger_credit(:asya, 'gift', 1000, 'promo', 'welcome');

-- An order of images and its hold, in one of the states that an order has.
create function pg_temp.order_of(number int, status generationstatus) returns uuid language plpgsql as $$
declare
    made uuid := lpad(number::text, 32, '0')::uuid;
begin
    insert into image_generations (id, user_id, generation_type, original_prompt, price, status, completed_at)
    select made, id, 'imagen4', 'x', 5, order_of.status,
           case when order_of.status in ('completed', 'failed', 'cancelled') then now() end
    from users where telegram_id = -1001;
    perform ledger_hold((select id from users where telegram_id = -1001), 'generation:' || made, 5, made, 'image');
    return made;
end $$;

create function pg_temp.make_old() returns void language plpgsql as $$
begin
    alter table ledger_transfers disable trigger ledger_transfers_forever;
    update ledger_transfers set created_at = created_at - interval '16 minutes';
    alter table ledger_transfers enable trigger ledger_transfers_forever;
end $$;

create function pg_temp.problems() returns setof text language sql as
    $$select problem || ' ' || found from ledger_check()$$;

-- While it is worked on.
select pg_temp.order_of(1, 'pending') as first \gset
select pg_temp.order_of(2, 'processing') as second \gset
insert into jobs (lane, kind, user_id, subject)
values ('fal', 'generation_submit', :asya, :'first'), ('fal', 'generation_check', :asya, :'second');
select is_empty('select pg_temp.problems()', 'open work holds its coins');
set constraints all immediate;
set constraints all deferred;
select pg_temp.make_old();
select is_empty('select pg_temp.problems()', 'for as long as there is a step of it');
update jobs set state = 'dead', finished_at = now() where subject = :'second';
select results_eq('select pg_temp.problems()', $$values ('hold of work that nobody does 5')$$,
    'when its last step is dead, nobody will ever end it');
select ledger_release('generation:' || :'second');
update image_generations set status = 'failed', completed_at = now() where id = :'second';
select is_empty('select pg_temp.problems()', 'a failure that gives the coins back is in order');

-- Each end of the work must end the hold.
select pg_temp.order_of(10, 'completed') as done \gset
select results_eq('select pg_temp.problems()', $$values ('hold of work that is over 5')$$,
    'completed and neither captured nor released');
select ledger_capture('generation:' || :'done', 3);
select is_empty('select pg_temp.problems()', 'captured in part it is in order');
select pg_temp.order_of(11, 'cancelled') as stopped \gset
select results_eq('select pg_temp.problems()', $$values ('hold of work that is over 5')$$, 'cancelled, and still held');
select ledger_release('generation:' || :'stopped');
select pg_temp.order_of(12, 'failed') as failed \gset
select ledger_capture('generation:' || :'failed');
select results_eq('select pg_temp.problems()', $$values ('charge for work that failed 5')$$,
    'a failure that keeps the coins');
delete from image_generations where id = :'failed';

-- The work is gone.
select ledger_hold(:asya, 'generation:x', 7, gen_random_uuid(), 'image');
select is_empty('select pg_temp.problems()', 'a moment without its work is no fault');
set constraints all immediate;
set constraints all deferred;
select pg_temp.make_old();
select results_eq('select pg_temp.problems()', $$values ('hold of work that there is not 7')$$, 'a quarter of an hour is');
select ledger_release('generation:x');
select is_empty('select pg_temp.problems()', 'and then all is well');

-- Every table with a price is known to the check.
select is_empty($$
    select c.table_name
    from information_schema.columns c
    join information_schema.columns s using (table_schema, table_name)
    where c.table_schema = 'public' and c.column_name = 'price' and s.column_name = 'status'
      and not exists (select from pg_depend d
                      join pg_rewrite r on r.oid = d.objid
                      where r.ev_class = 'paid_work'::regclass and d.refobjid = format('public.%I', c.table_name)::regclass)
$$, 'no paid work is missing from paid_work');

select finish();
rollback;
