-- Deploy aisha:ledger_marks to pg
-- requires: ledger open_holds transcripts
--
-- The ledger only grows, and nothing in it changes: what was found right once
-- need not be read again. Up to a mark the sums of all accounts and the holds
-- that were open are kept here; the check that runs all day reads what stands
-- behind the mark, the open holds, and the accounts, and then moves the mark on.
-- Reading everything is left to ledger_check_all(), which makes the mark anew.
--
-- Numbers of transfers are given before they are committed, so one may appear
-- below others that were seen. The mark therefore moves in two steps. A place is
-- noted, the newest transfer that is seen, together with a transaction that got
-- its number afterwards: whoever has a transfer below the place has begun before
-- that one, because each takes its own number first, when it locks the accounts.
-- When every transaction before it has ended, the mark goes to the place.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create table ledger_marks (
    is_only          boolean primary key default true check (is_only),
    transfer_id      bigint not null default 0,
    next_transfer_id bigint not null default 0,
    next_xid         xid8 not null default '0',
    moved_at         timestamptz not null default now()
);

comment on table ledger_marks is 'Up to which transfer the ledger was found right; one row.';
comment on column ledger_marks.transfer_id is 'Everything up to this one is in the sums and the holds below.';
comment on column ledger_marks.next_transfer_id is 'Where the mark goes when no transaction before next_xid runs any more.';

insert into ledger_marks default values;

-- No foreign keys in these two: they would have to lock rows that orders wait for.
create table ledger_checked_sums (
    account_id bigint primary key,
    amount     numeric not null
);

comment on table ledger_checked_sums is 'What the entries of an account sum to, up to the mark.';

create table ledger_checked_holds (
    transfer_id bigint primary key
);

comment on table ledger_checked_holds is 'Holds up to the mark that were open when it was made.';

-- The mark is a variable below, so that each plan knows how few rows stand behind it.

create function ledger_new_holds()
returns table (transfer_id bigint, account_id bigint, subject uuid, created_at timestamptz,
               amount bigint)
language plpgsql stable
set search_path = public, pg_temp
as $$
declare
    mark constant bigint := (select m.transfer_id from ledger_marks m);
begin
    return query
    select t.id, e.account_id, t.subject, t.created_at, e.amount
    from (select c.transfer_id as id from ledger_checked_holds c
          union all
          select n.id from ledger_transfers n where n.id > mark and n.kind = 'hold') as h
    join ledger_transfers t on t.id = h.id
    join ledger_entries e on e.transfer_id = t.id and e.amount > 0
    where not exists (select from ledger_transfers s
                      where s.idempotency_key = t.idempotency_key || ':settled');
end $$;

-- One row per kind of account: coins in circulation for the status page. The balances of people are
-- the stored ones, ours are sums.
create or replace function ledger_totals()
returns table (kind ledger_account_kind, accounts bigint, balance bigint)
language plpgsql stable
security definer
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    mark constant bigint := (select m.transfer_id from ledger_marks m);
begin
    return query
    with behind as materialized (
        select e.account_id, sum(e.amount) as amount
        from ledger_entries e
        where e.transfer_id > mark
        group by e.account_id
    )
    select a.kind, count(*),
           sum(coalesce(a.balance, coalesce(c.amount, 0) + coalesce(b.amount, 0)))::bigint
    from ledger_accounts a
    left join ledger_checked_sums c on c.account_id = a.id and a.balance is null
    left join behind b on b.account_id = a.id and a.balance is null
    group by a.kind
    order by a.kind;
end $$;

-- Rows of anything wrong, as ledger_check() has them. Accounts that nothing happened to behind the mark
-- are looked at together: all balances sum to zero.
create function ledger_check_new()
returns table (problem text, transfer_id bigint, account_id bigint, expected bigint, found bigint)
language plpgsql stable
security definer
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    mark constant bigint := (select m.transfer_id from ledger_marks m);
begin
    return query
    with entries as materialized (
        select e.transfer_id, e.account_id, e.amount from ledger_entries e where e.transfer_id > mark
    ), touched as materialized (
        select n.account_id, n.amount + coalesce(c.amount, 0) as amount
        from (select e.account_id, sum(e.amount) as amount from entries e group by e.account_id) n
        left join ledger_checked_sums c on c.account_id = n.account_id
    ), holds as materialized (
        select * from ledger_new_holds()
    )
    select 'entries do not sum to zero', e.transfer_id, null::bigint, 0::bigint, sum(e.amount)::bigint
    from entries e
    group by e.transfer_id
    having sum(e.amount) <> 0
    union all
    select 'transfer without entries', t.id, null, null, null
    from ledger_transfers t
    where t.id > mark and not exists (select from ledger_entries e where e.transfer_id = t.id)
    union all
    select 'stored balance differs from its entries', null, a.id, t.amount::bigint, a.balance
    from touched t
    join ledger_accounts a on a.id = t.account_id
    where a.balance <> t.amount
    union all
    select 'balances do not sum to zero', null, null, 0, total.amount::bigint
    from (select sum(k.balance) as amount from ledger_totals() k) as total
    where total.amount <> 0
    union all
    select 'balance below zero', null, a.id, 0, a.balance
    from ledger_accounts a
    where a.balance < 0
    union all
    select 'held coins differ from open holds', null, a.id, coalesce(o.amount, 0)::bigint, a.balance
    from ledger_accounts a
    left join (select h.account_id, sum(h.amount) as amount
               from holds h
               group by h.account_id) o on o.account_id = a.id
    where a.kind = 'held' and a.balance <> coalesce(o.amount, 0)
    union all
    select 'hold of work that is over', h.transfer_id, h.account_id, 0, h.amount
    from holds h
    join paid_work w on w.id = h.subject
    where w.status in ('completed', 'failed', 'cancelled')
    union all
    select 'hold of work that there is not', h.transfer_id, h.account_id, 0, h.amount
    from holds h
    where h.created_at < now() - interval '15 minutes'
      and not exists (select from paid_work w where w.id = h.subject)
    union all
    select 'hold of work that nobody does', h.transfer_id, h.account_id, 0, h.amount
    from holds h
    join paid_work w on w.id = h.subject and w.status in ('pending', 'processing')
    where h.created_at < now() - interval '15 minutes'
      and not exists (select from jobs j
                      where j.subject = h.subject and j.state in ('queued', 'running'))
    union all
    select 'charge for work that failed', t.id, null, 0, e.amount
    from entries e
    join ledger_transfers t on t.id = e.transfer_id and t.kind = 'capture'
    join ledger_accounts a on a.id = e.account_id and a.kind = 'revenue'
    join paid_work w on w.id = t.subject
    where w.status = 'failed';
end $$;

-- ---------------------------------------------------------------- moving the mark

create function ledger_mark_move(p_to bigint) returns void
language plpgsql
set search_path = public, pg_temp
as $$
declare
    mark constant bigint := (select m.transfer_id from ledger_marks m);
begin
    insert into ledger_checked_sums as c (account_id, amount)
    select e.account_id, sum(e.amount)
    from ledger_entries e
    where e.transfer_id > mark and e.transfer_id <= p_to
    group by e.account_id
    on conflict (account_id) do update set amount = c.amount + excluded.amount;

    with unsettled as materialized (
        select h.transfer_id from ledger_new_holds() h where h.transfer_id <= p_to
    ), ended as (
        delete from ledger_checked_holds c
        where not exists (select from unsettled u where u.transfer_id = c.transfer_id)
    )
    insert into ledger_checked_holds (transfer_id)
    select u.transfer_id from unsettled u
    on conflict do nothing;

    update ledger_marks set transfer_id = p_to, moved_at = now() where transfer_id <> p_to;
end $$;

-- One check at a time; takes no number. Answers the newest transfer, or null where this transaction has
-- its number already, so that no place can be noted with it.
create function ledger_mark_hold() returns bigint
language plpgsql
set search_path = public, pg_temp
as $$
begin
    perform pg_advisory_xact_lock('ledger_marks'::regclass::oid::bigint);
    if pg_current_xact_id_if_assigned() is not null then
        return null;
    end if;
    return (select max(id) from ledger_transfers);
end $$;

-- A noted transaction that has not begun is one of another cluster, from which this database was
-- restored: it is not waited for.
create function ledger_mark_note(p_newest bigint) returns void
language sql
set search_path = public, pg_temp
as $$
    update ledger_marks
    set next_transfer_id = p_newest, next_xid = pg_current_xact_id()
    where p_newest is not null
      and (next_transfer_id <= transfer_id or next_xid > pg_snapshot_xmax(pg_current_snapshot()))
$$;

-- Whether nothing can appear below the noted place any more.
create function ledger_mark_is_final() returns boolean
language sql
set search_path = public, pg_temp
as $$
    select next_xid <= pg_snapshot_xmin(pg_current_snapshot()) from ledger_marks
$$;

-- ---------------------------------------------------------------- what the programs call

-- ledger_check_new(); where nothing is wrong the mark goes on.
create function ledger_check_on()
returns table (problem text, transfer_id bigint, account_id bigint, expected bigint, found bigint)
language plpgsql
security definer
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    newest constant bigint := ledger_mark_hold();
    is_final constant boolean := ledger_mark_is_final();
    next_place constant bigint := (select next_transfer_id from ledger_marks);
    problems bigint;
begin
    return query select * from ledger_check_new();
    get diagnostics problems = row_count;
    if problems > 0 then
        return;
    end if;
    if is_final then
        perform ledger_mark_move(next_place);
    end if;
    perform ledger_mark_note(newest);
end $$;

-- Everything is read, and the mark is made anew: at the place that was noted last where nothing is
-- wrong, else before everything, so that what is wrong is found until it is so no more.
create function ledger_check_all()
returns table (problem text, transfer_id bigint, account_id bigint, expected bigint, found bigint)
language plpgsql
security definer
set search_path = public, pg_temp
as $$
#variable_conflict use_column
declare
    newest constant bigint := ledger_mark_hold();
    is_final constant boolean := ledger_mark_is_final();
    next_place constant bigint := (select next_transfer_id from ledger_marks);
    problems bigint;
begin
    return query select * from ledger_check();
    get diagnostics problems = row_count;

    delete from ledger_checked_sums;
    delete from ledger_checked_holds;
    update ledger_marks set transfer_id = 0, moved_at = now();
    if is_final and problems = 0 then
        perform ledger_mark_move(next_place);
    end if;
    perform ledger_mark_note(newest);
end $$;

revoke execute on function ledger_check from aisha_bot, aisha_worker;
grant execute on function ledger_totals to aisha_worker, aisha_status;
grant execute on function ledger_check_new to aisha_status;
grant execute on function ledger_check_on to aisha_worker;
grant select on ledger_marks, ledger_checked_sums, ledger_checked_holds to aisha_status;

commit;
