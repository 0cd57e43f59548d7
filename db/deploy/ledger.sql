-- Deploy aisha:ledger to pg
--
-- Double entry. A transfer has entries that sum to zero; nothing in here is
-- ever changed or taken back, a mistake is mended by another transfer.
--
-- A person has two accounts: what can be spent (user) and what work in flight
-- has set aside (held). Only these two store a balance, because only these are
-- asked for it before coins move; the others are sums. Every function locks
-- both accounts of the person, in id order, before it does anything else. So
-- the transfers of one person follow one another in the order of their ids,
-- and two of them never wait for each other crosswise.
--
-- Conditions: AI001 not enough coins, AI003 a key was used for something else,
-- AI004 no such hold.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create type ledger_account_kind as enum ('user', 'held', 'revenue', 'promo', 'stars', 'adjustment');

create table ledger_accounts (
    id      bigint generated always as identity primary key,
    kind    ledger_account_kind not null,
    user_id bigint,
    balance bigint constraint ledger_accounts_balance_not_negative check (balance >= 0),
    constraint ledger_accounts_one unique nulls not distinct (user_id, kind),
    constraint ledger_accounts_personal check ((kind in ('user', 'held')) = (user_id is not null)),
    constraint ledger_accounts_stored check ((user_id is not null) = (balance is not null))
);

comment on table ledger_accounts is
    'Accounts of the ledger. user_id is no foreign key: the number stays when the person is erased.';

create table ledger_transfers (
    id              bigint generated always as identity primary key,
    idempotency_key text not null unique,
    kind            text not null check (kind in ('hold', 'capture', 'release', 'credit', 'debit')),
    user_id         bigint not null,
    subject         uuid,
    reason          text not null,
    created_at      timestamptz not null default now()
);

comment on table ledger_transfers is 'Every movement of coins, once per key, for ever.';
comment on column ledger_transfers.subject is 'The avatar, generation, transcript or payment it is about.';
comment on column ledger_transfers.reason is 'A machine word; the statement says it in the user''s language. Never a name.';

create index ledger_transfers_subject on ledger_transfers (subject) where subject is not null;
create index ledger_transfers_created_at on ledger_transfers (created_at);

create table ledger_entries (
    transfer_id bigint not null references ledger_transfers,
    account_id  bigint not null references ledger_accounts,
    amount      bigint not null check (amount <> 0),
    primary key (transfer_id, account_id)
);

comment on table ledger_entries is 'What a transfer did to each account; the amounts of a transfer sum to zero.';

create index ledger_entries_account on ledger_entries (account_id, transfer_id) include (amount);

-- ---------------------------------------------------------------- what can never happen

create function forbid_change() returns trigger
language plpgsql
set search_path = public, pg_temp
as $$
begin
    raise exception '% is only ever added to', tg_table_name using errcode = 'insufficient_privilege';
end $$;

create trigger ledger_transfers_forever before update or delete or truncate on ledger_transfers
    for each statement execute function forbid_change();
create trigger ledger_entries_forever before update or delete or truncate on ledger_entries
    for each statement execute function forbid_change();
create trigger ledger_accounts_forever before delete or truncate on ledger_accounts
    for each statement execute function forbid_change();
create trigger ledger_accounts_same before update of id, kind, user_id on ledger_accounts
    for each statement execute function forbid_change();

-- A deferred trigger runs at commit, as the role that commits; the tables are for their owner to read.
create function ledger_entries_sum() returns trigger
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    total bigint;
begin
    select sum(amount) into total from ledger_entries where transfer_id = new.transfer_id;
    if total <> 0 then
        raise exception 'transfer % sums to %', new.transfer_id, total
            using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end $$;

create constraint trigger ledger_entries_balanced after insert on ledger_entries
    deferrable initially deferred
    for each row execute function ledger_entries_sum();

create function ledger_transfers_filled() returns trigger
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    if not exists (select from ledger_entries where transfer_id = new.id) then
        raise exception 'transfer % moves nothing', new.id
            using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end $$;

create constraint trigger ledger_transfers_not_empty after insert on ledger_transfers
    deferrable initially deferred
    for each row execute function ledger_transfers_filled();

-- ---------------------------------------------------------------- accounts

insert into ledger_accounts (kind) values ('revenue'), ('promo'), ('stars'), ('adjustment');

create function ledger_accounts_open() returns trigger
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    insert into ledger_accounts (kind, user_id, balance)
    values ('user', new.id, 0), ('held', new.id, 0);
    return null;
end $$;

create trigger users_have_accounts after insert on users
    for each row execute function ledger_accounts_open();

insert into ledger_accounts (kind, user_id, balance)
select kind, users.id, 0
from users, (values ('user'::ledger_account_kind), ('held')) as personal (kind)
order by users.id, kind;

create function ledger_account(p_kind ledger_account_kind, p_user_id bigint default null)
returns bigint
language plpgsql stable
set search_path = public, pg_temp
as $$
declare
    found_id bigint;
begin
    select id into found_id
    from ledger_accounts
    where kind = p_kind and user_id is not distinct from p_user_id;
    if found_id is null then
        raise exception 'no % account of user %', p_kind, p_user_id using errcode = 'no_data_found';
    end if;
    return found_id;
end $$;

create function ledger_lock(p_user_id bigint) returns void
language sql
set search_path = public, pg_temp
as $$
    select from ledger_accounts where user_id = p_user_id order by id for update
$$;

-- ---------------------------------------------------------------- the only way in

-- True when the transfer was posted now, false when it had been before.
create function ledger_post(p_key text, p_kind text, p_user_id bigint, p_subject uuid,
                            p_reason text, p_accounts bigint[], p_amounts bigint[])
returns boolean
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    posted bigint;
    same boolean;
    touched record;
begin
    if cardinality(p_accounts) <> cardinality(p_amounts) then
        raise exception 'transfer % has % accounts and % amounts', p_key, cardinality(p_accounts),
            cardinality(p_amounts) using errcode = 'invalid_parameter_value';
    end if;

    perform ledger_lock(p_user_id);
    if exists (select from ledger_accounts
               where id = any (p_accounts) and user_id <> p_user_id) then
        raise exception 'transfer % of user % touches another person', p_key, p_user_id
            using errcode = 'invalid_parameter_value';
    end if;

    insert into ledger_transfers (idempotency_key, kind, user_id, subject, reason)
    values (p_key, p_kind, p_user_id, p_subject, p_reason)
    on conflict (idempotency_key) do nothing
    returning id into posted;

    if posted is null then
        select t.kind = p_kind and t.user_id = p_user_id and t.reason = p_reason
               and t.subject is not distinct from p_subject
               and (select array_agg((e.account_id, e.amount) order by e.account_id)
                    from ledger_entries e
                    where e.transfer_id = t.id)
                 = (select array_agg((w.account_id, w.amount) order by w.account_id)
                    from unnest(p_accounts, p_amounts) as w (account_id, amount))
        into same
        from ledger_transfers t
        where t.idempotency_key = p_key;
        if same is not true then
            raise exception 'key % was used for another transfer', p_key using errcode = 'AI003';
        end if;
        return false;
    end if;

    for touched in
        select a.id, a.kind, a.balance, w.amount
        from unnest(p_accounts, p_amounts) as w (account_id, amount)
        join ledger_accounts a on a.id = w.account_id
        where a.balance is not null
        order by a.id
    loop
        if touched.kind = 'user' and touched.balance + touched.amount < 0 then
            raise exception 'user % has % coins, % are wanted', p_user_id, touched.balance,
                -touched.amount using errcode = 'AI001';
        end if;
        update ledger_accounts set balance = balance + touched.amount where id = touched.id;
    end loop;

    insert into ledger_entries (transfer_id, account_id, amount)
    select posted, w.account_id, w.amount
    from unnest(p_accounts, p_amounts) as w (account_id, amount);
    return true;
end $$;

-- ---------------------------------------------------------------- what the programs call

create function ledger_hold(p_user_id bigint, p_key text, p_amount bigint, p_subject uuid,
                            p_reason text)
returns boolean
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    if p_amount is null or p_amount <= 0 then
        raise exception 'a hold of % coins', p_amount using errcode = 'invalid_parameter_value';
    end if;
    return ledger_post(p_key, 'hold', p_user_id, p_subject, p_reason,
                       array[ledger_account('user', p_user_id), ledger_account('held', p_user_id)],
                       array[-p_amount, p_amount]);
end $$;

-- Ends a hold: p_spent of it becomes revenue, the rest goes back. Both ends use
-- one key, so a hold can have only one of them.
create function ledger_settle(p_hold_key text, p_kind text, p_spent bigint) returns boolean
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    hold record;
    spent bigint;
    ended text;
    accounts bigint[];
    amounts bigint[];
begin
    select t.user_id, t.subject, t.reason, e.amount, e.account_id as held_id into hold
    from ledger_transfers t
    join ledger_entries e on e.transfer_id = t.id and e.amount > 0
    where t.idempotency_key = p_hold_key and t.kind = 'hold';
    if not found then
        raise exception 'no hold %', p_hold_key using errcode = 'AI004';
    end if;

    perform ledger_lock(hold.user_id);
    select kind into ended from ledger_transfers where idempotency_key = p_hold_key || ':settled';
    if found then
        return ended = p_kind;
    end if;

    spent := coalesce(p_spent, hold.amount);
    if spent < 0 or spent > hold.amount then
        raise exception '% of % held coins', spent, hold.amount
            using errcode = 'invalid_parameter_value';
    end if;

    accounts := array[hold.held_id];
    amounts := array[-hold.amount];
    if spent > 0 then
        accounts := accounts || ledger_account('revenue');
        amounts := amounts || spent;
    end if;
    if spent < hold.amount then
        accounts := accounts || ledger_account('user', hold.user_id);
        amounts := amounts || (hold.amount - spent);
    end if;
    return ledger_post(p_hold_key || ':settled', p_kind, hold.user_id, hold.subject, hold.reason,
                       accounts, amounts);
end $$;

-- p_spent null takes all of it. False: the hold had been released.
create function ledger_capture(p_hold_key text, p_spent bigint default null) returns boolean
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    if p_spent <= 0 then
        raise exception 'a capture of % coins', p_spent using errcode = 'invalid_parameter_value';
    end if;
    return ledger_settle(p_hold_key, 'capture', p_spent);
end $$;

-- False: the hold had been captured.
create function ledger_release(p_hold_key text) returns boolean
language sql
security definer
set search_path = public, pg_temp
as $$
    select ledger_settle(p_hold_key, 'release', 0)
$$;

create function ledger_credit(p_user_id bigint, p_key text, p_amount bigint,
                              p_source ledger_account_kind, p_reason text,
                              p_subject uuid default null)
returns boolean
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    if p_amount is null or p_amount <= 0 or p_source not in ('promo', 'stars', 'adjustment') then
        raise exception 'a credit of % coins from %', p_amount, p_source
            using errcode = 'invalid_parameter_value';
    end if;
    return ledger_post(p_key, 'credit', p_user_id, p_subject, p_reason,
                       array[ledger_account('user', p_user_id), ledger_account(p_source)],
                       array[p_amount, -p_amount]);
end $$;

-- Takes coins back: a refunded payment, a correction by an admin.
create function ledger_debit(p_user_id bigint, p_key text, p_amount bigint,
                             p_source ledger_account_kind, p_reason text,
                             p_subject uuid default null)
returns boolean
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    if p_amount is null or p_amount <= 0 or p_source not in ('promo', 'stars', 'adjustment') then
        raise exception 'a debit of % coins to %', p_amount, p_source
            using errcode = 'invalid_parameter_value';
    end if;
    return ledger_post(p_key, 'debit', p_user_id, p_subject, p_reason,
                       array[ledger_account('user', p_user_id), ledger_account(p_source)],
                       array[-p_amount, p_amount]);
end $$;

-- ---------------------------------------------------------------- what can be read

create function ledger_balance(p_user_id bigint, out balance bigint, out held bigint)
language sql stable
security definer
set search_path = public, pg_temp
as $$
    select coalesce(sum(a.balance) filter (where a.kind = 'user'), 0)::bigint,
           coalesce(sum(a.balance) filter (where a.kind = 'held'), 0)::bigint
    from ledger_accounts a
    where a.user_id = p_user_id
$$;

-- Lines of the user account, newest first; p_before is the id of the last line
-- of the page before, null for the first page. The balance after a line is the
-- stored one less everything that came later. settled says how a hold ended.
create function ledger_statement(p_user_id bigint, p_limit int, p_before bigint default null)
returns table (id bigint, created_at timestamptz, kind text, reason text, subject uuid,
               amount bigint, balance_after bigint, settled text)
language sql stable
security definer
set search_path = public, pg_temp
as $$
    with account as (
        select a.id,
               a.balance - coalesce((select sum(later.amount)
                                     from ledger_entries later
                                     where later.account_id = a.id
                                       and later.transfer_id >= p_before), 0) as balance
        from ledger_accounts a
        where a.user_id = p_user_id and a.kind = 'user'
    ), page as (
        select e.transfer_id, e.amount, account.balance
        from account
        join ledger_entries e on e.account_id = account.id
        where p_before is null or e.transfer_id < p_before
        order by e.transfer_id desc
        limit p_limit
    )
    select t.id, t.created_at, t.kind, t.reason, t.subject, p.amount,
           (p.balance - coalesce(sum(p.amount) over (order by p.transfer_id desc
                                 rows between unbounded preceding and 1 preceding), 0))::bigint,
           (select s.kind from ledger_transfers s
            where t.kind = 'hold' and s.idempotency_key = t.idempotency_key || ':settled')
    from page p
    join ledger_transfers t on t.id = p.transfer_id
    order by t.id desc
$$;

-- Rows of anything wrong; none is how it should be.
create function ledger_check()
returns table (problem text, transfer_id bigint, account_id bigint, expected bigint, found bigint)
language sql stable
security definer
set search_path = public, pg_temp
as $$
    select 'entries do not sum to zero', e.transfer_id, null::bigint, 0::bigint, sum(e.amount)::bigint
    from ledger_entries e
    group by e.transfer_id
    having sum(e.amount) <> 0
    union all
    select 'transfer without entries', t.id, null, null, null
    from ledger_transfers t
    where not exists (select from ledger_entries e where e.transfer_id = t.id)
    union all
    select 'stored balance differs from its entries', null, a.id,
           coalesce(sum(e.amount), 0)::bigint, a.balance
    from ledger_accounts a
    left join ledger_entries e on e.account_id = a.id
    where a.balance is not null
    group by a.id
    having a.balance <> coalesce(sum(e.amount), 0)
    union all
    select 'balance below zero', null, a.id, 0, a.balance
    from ledger_accounts a
    where a.balance < 0
    union all
    select 'held coins differ from open holds', null, a.id, coalesce(o.amount, 0)::bigint, a.balance
    from ledger_accounts a
    left join (select e.account_id, sum(e.amount) as amount
               from ledger_transfers t
               join ledger_entries e on e.transfer_id = t.id and e.amount > 0
               where t.kind = 'hold'
                 and not exists (select from ledger_transfers s
                                 where s.idempotency_key = t.idempotency_key || ':settled')
               group by e.account_id) o on o.account_id = a.id
    where a.kind = 'held' and a.balance <> coalesce(o.amount, 0)
$$;

grant execute on function ledger_hold, ledger_capture, ledger_release, ledger_credit, ledger_debit
    to aisha_bot, aisha_worker;
grant execute on function ledger_balance, ledger_statement, ledger_check
    to aisha_bot, aisha_worker, aisha_status;
grant select on ledger_accounts, ledger_transfers, ledger_entries to aisha_status;

commit;
