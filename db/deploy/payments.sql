-- Deploy aisha:payments to pg
-- requires: ledger jobs
--
-- An order is what a user was offered: its id is the payload of the invoice. A
-- payment is what Telegram says was paid, once per charge, for ever. Only the
-- functions below write payments, each together with what it does to the ledger.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create type paymentstate as enum ('credited', 'unmatched', 'refunding', 'refunded');

create table payment_orders (
    id         uuid primary key,
    user_id    bigint not null references users on delete cascade,
    coins      bigint not null check (coins > 0),
    stars      bigint not null check (stars > 0),
    created_at timestamptz not null default now(),
    paid_at    timestamptz
);

comment on table payment_orders is 'Invoices that were sent. One that nobody paid goes after a month.';

create index payment_orders_user on payment_orders (user_id);
create index payment_orders_unpaid on payment_orders (created_at) where paid_at is null;

create table payments (
    id           uuid primary key,
    charge_id    text not null unique,
    user_id      bigint references users on delete set null,
    order_id     uuid,
    currency     text not null,
    stars        bigint not null check (stars >= 0),
    coins        bigint not null default 0 check (coins >= 0),
    bonus_coins  bigint not null default 0 check (bonus_coins >= 0),
    payload      text not null,
    state        paymentstate not null,
    created_at   timestamptz not null default now(),
    refund_tries int not null default 0,
    refund_taken bigint not null default 0 check (refund_taken >= 0),
    refund_error text,
    refunded_at  timestamptz,
    constraint payments_credited check (state <> 'credited' or coins > 0),
    constraint payments_refunded check ((state = 'refunded') = (refunded_at is not null))
);

comment on table payments is 'Payments in Stars, once per charge. The row stays when the person is erased, without them.';
comment on column payments.order_id is 'No foreign key: orders are pruned. Null: no order of ours fitted.';
comment on column payments.coins is 'Of the package; 0 while nobody knows what was bought.';
comment on column payments.bonus_coins is 'What a promo code added.';
comment on column payments.refund_taken is 'Coins that the last refund took from the user; the rest came from adjustment.';
comment on column payments.refund_error is 'Why Telegram refused the last refund.';

create index payments_user on payments (user_id, created_at) where user_id is not null;
create index payments_created_at on payments (created_at, id);
create index payments_open on payments (state) where state in ('unmatched', 'refunding');

-- ---------------------------------------------------------------- what was paid

-- Whoever paid gets coins: those of the order, else those of the package that has
-- this price (p_package_coins, 0 for none). What fits neither is kept as unmatched. Whoever
-- has left meanwhile is somebody new by now: the turn runs again, and pays that one.
create function payment_take(p_payment_id uuid, p_user_id bigint, p_charge_id text, p_payload text,
                             p_currency text, p_stars bigint, p_package_coins bigint,
                             out payment_id uuid, out state paymentstate, out coins bigint,
                             out is_new boolean)
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    wanted uuid := case when p_payload ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                        then p_payload::uuid end;
    bought uuid;
begin
    perform from users where id = p_user_id and telegram_id > 0 for key share;
    if not found then
        raise exception 'user % has left', p_user_id using errcode = 'serialization_failure';
    end if;

    insert into payments (id, charge_id, user_id, currency, stars, payload, state)
    values (p_payment_id, p_charge_id, p_user_id, p_currency, p_stars, p_payload, 'unmatched')
    on conflict (charge_id) do nothing
    returning id into payment_id;
    is_new := payment_id is not null;
    if not is_new then
        select p.id, p.state, p.coins into payment_id, state, coins
        from payments p
        where p.charge_id = p_charge_id;
        return;
    end if;

    state := 'unmatched';
    coins := 0;
    if p_currency <> 'XTR' then
        return;
    end if;
    update payment_orders o
    set paid_at = coalesce(o.paid_at, now())
    where o.id = wanted and o.user_id = p_user_id and o.stars = p_stars
    returning o.id, o.coins into bought, coins;
    coins := coalesce(coins, nullif(p_package_coins, 0), 0);
    if coins = 0 then
        return;
    end if;
    state := 'credited';
    update payments p set state = 'credited', coins = payment_take.coins, order_id = bought
    where p.id = payment_id;
    perform ledger_credit(p_user_id, 'payment:' || p_charge_id, coins, 'stars', 'stars', payment_id);
end $$;

-- What a promo code has added to a payment; the code credits it itself.
create function payment_add_bonus(p_payment_id uuid, p_coins bigint) returns void
language sql
security definer
set search_path = public, pg_temp
as $$
    update payments set bonus_coins = p_coins where id = p_payment_id
$$;

-- ---------------------------------------------------------------- refunds

-- Moves the coins of a payment back (p_sign 1) or, after a refund that was refused,
-- to the user again (-1). The user gives what refund_taken says, the shop the rest.
create function payment_move_back(p_payment payments, p_sign int) returns void
language plpgsql
set search_path = public, pg_temp
as $$
declare
    missing bigint := p_payment.coins + p_payment.bonus_coins - p_payment.refund_taken;
    name text := format('refund:%s:%s', p_payment.charge_id, p_payment.refund_tries);
    accounts bigint[];
    amounts bigint[];
begin
    if p_payment.coins + p_payment.bonus_coins = 0 then
        return;
    end if;
    select array_agg(account order by place), array_agg(amount * p_sign order by place)
    into accounts, amounts
    from (values (1, ledger_account('user', p_payment.user_id), -p_payment.refund_taken),
                 (2, ledger_account('adjustment'), -missing),
                 (3, ledger_account('stars'), p_payment.coins),
                 (4, ledger_account('promo'), p_payment.bonus_coins)) as moved (place, account, amount)
    where amount <> 0;
    perform ledger_post(case when p_sign > 0 then name else name || ':back' end,
                        case when p_sign > 0 then 'debit' else 'credit' end,
                        p_payment.user_id, p_payment.id,
                        case when p_sign > 0 then 'stars_refund' else 'stars_refund_back' end,
                        accounts, amounts);
end $$;

-- Takes the coins of a payment whose row is locked, as many as there are.
create function payment_take_coins(p_payment payments, p_state paymentstate) returns void
language plpgsql
set search_path = public, pg_temp
as $$
declare
    free bigint;
begin
    perform ledger_lock(p_payment.user_id);
    select balance into free from ledger_balance(p_payment.user_id);
    update payments
    set state = p_state, refund_tries = refund_tries + 1, refund_error = null,
        refund_taken = least(free, coins + bonus_coins),
        refunded_at = case when p_state = 'refunded' then now() end
    where id = p_payment.id
    returning * into p_payment;
    perform payment_move_back(p_payment, 1);
end $$;

-- queued: the coins are taken and Telegram will be asked; few: the user has spent
-- them, and p_force was not given; refunding, refunded, unknown, erased: nothing to do.
create function payment_refund(p_charge_id text, p_force boolean,
                               out verdict text, out payment_id uuid, out stars bigint,
                               out coins bigint, out balance bigint)
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    paid payments;
    chat bigint;
begin
    select * into paid from payments p where p.charge_id = p_charge_id for update;
    if not found then
        verdict := 'unknown';
        return;
    end if;
    payment_id := paid.id;
    stars := paid.stars;
    coins := paid.coins + paid.bonus_coins;
    if paid.state in ('refunding', 'refunded') then
        verdict := paid.state;
        return;
    end if;
    select telegram_id into chat from users where id = paid.user_id and telegram_id > 0;
    if not found then
        verdict := 'erased';
        return;
    end if;
    perform ledger_lock(paid.user_id);
    select b.balance into balance from ledger_balance(paid.user_id) b;
    if balance < coins and not p_force then
        verdict := 'few';
        return;
    end if;

    perform payment_take_coins(paid, 'refunding');
    insert into jobs (lane, kind, key, user_id, subject, payload)
    values ('send', 'payment_refund', format('payment_refund:%s:%s', paid.id, paid.refund_tries + 1),
            paid.user_id, paid.id, jsonb_build_object('chat_id', chat));
    select b.balance into balance from ledger_balance(paid.user_id) b;
    verdict := 'queued';
end $$;

-- True when this was the first to know.
create function payment_refund_done(p_payment_id uuid) returns boolean
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    update payments set state = 'refunded', refunded_at = now(), refund_error = null
    where id = p_payment_id and state = 'refunding';
    return found;
end $$;

-- Telegram said no for good: the coins come back.
create function payment_refund_failed(p_payment_id uuid, p_error text) returns boolean
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    paid payments;
begin
    select * into paid from payments where id = p_payment_id and state = 'refunding' for update;
    if not found then
        return false;
    end if;
    if paid.user_id is not null then
        perform payment_move_back(paid, -1);
    end if;
    update payments
    set state = case when coins > 0 then 'credited' else 'unmatched' end::paymentstate,
        refund_taken = 0, refund_error = p_error
    where id = p_payment_id;
    return true;
end $$;

-- Telegram says that a payment was refunded, by us or over our heads. The Stars are
-- gone, so the coins go too, as many as there are. True when this was the first to know.
create function payment_refund_seen(p_charge_id text, out payment_id uuid, out is_new boolean)
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    paid payments;
begin
    is_new := false;
    select * into paid from payments where charge_id = p_charge_id for update;
    if not found or paid.state = 'refunded' then
        return;
    end if;
    payment_id := paid.id;
    is_new := true;
    if paid.state = 'refunding' or paid.user_id is null then
        update payments set state = 'refunded', refunded_at = now() where id = paid.id;
    else
        perform payment_take_coins(paid, 'refunded');
    end if;
end $$;

-- ---------------------------------------------------------------- the daily comparison

create table star_transactions (
    check_id    uuid not null,
    id          text not null,
    is_refund   boolean not null,
    stars       bigint not null,
    telegram_id bigint,
    made_at     timestamptz not null,
    read_at     timestamptz not null default now(),
    primary key (check_id, id, is_refund)
);

comment on table star_transactions is
    'Telegram''s list of transactions while it is compared with ours; empty before and after.';
comment on column star_transactions.check_id is 'The comparison that has read it: two at a time stay apart.';

create table star_checks (
    id           bigint generated always as identity primary key,
    started_at   timestamptz not null,
    finished_at  timestamptz not null default now(),
    transactions bigint not null,
    differences  bigint not null
);

comment on table star_checks is 'Comparisons of Telegram''s transactions with our payments that came to their end.';

create table payment_differences (
    id          bigint generated always as identity primary key,
    charge_id   text not null,
    kind        text not null check (kind in ('not_here', 'not_there', 'amount', 'refund_not_here',
                                              'refund_not_there')),
    stars_here  bigint,
    stars_there bigint,
    telegram_id bigint,
    found_at    timestamptz not null default now(),
    resolved_at timestamptz
);

comment on table payment_differences is
    'Where Telegram''s transactions and our payments do not agree, or once did not.';
comment on column payment_differences.telegram_id is 'Who paid what we know nothing of.';

create unique index payment_differences_open on payment_differences (charge_id, kind)
    where resolved_at is null;

grant select, insert on payment_orders to aisha_bot;
grant select, delete on payment_orders to aisha_worker;
grant select on payments to aisha_bot, aisha_worker;
grant select, insert on star_transactions to aisha_bot, aisha_worker;
grant select on star_checks, payment_differences to aisha_bot, aisha_worker;
grant select on payment_orders, payments, star_checks, payment_differences to aisha_status;
grant execute on function payment_take, payment_add_bonus, payment_refund, payment_refund_done,
    payment_refund_failed, payment_refund_seen to aisha_bot, aisha_worker;

commit;
