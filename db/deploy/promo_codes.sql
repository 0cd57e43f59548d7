-- Deploy aisha:promo_codes to pg
-- requires: ledger admin
--
-- Three kinds: balance gives coins at once; bonus and percent are taken for the
-- next purchase, wait for it, and count against the limits while they wait.
--
-- Order of locks: the accounts of the person, then rows of promo_codes in the
-- order of their ids, then uses of codes that are locked. So two people who
-- change between the same two codes never wait for each other crosswise, and
-- no limit is ever passed.
--
-- The time is told by the caller: what is shown, checked and kept of one entry
-- is of one moment.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create type promo_kind as enum ('balance', 'bonus', 'percent');
create type promo_use_state as enum ('waiting', 'used', 'returned');

create table promo_codes (
    id                bigint generated always as identity primary key,
    code              text not null unique
                      check (code collate "C" ~ '^[A-Z0-9_-]{3,40}$'),
    type              promo_kind not null,
    balance_amount    bigint check (balance_amount between 1 and 1000000),
    bonus_amount      bigint check (bonus_amount between 1 and 1000000),
    discount_percent  int check (discount_percent between 1 and 1000),
    max_uses          bigint check (max_uses > 0),
    max_uses_per_user bigint check (max_uses_per_user > 0),
    current_uses      bigint not null default 0,
    valid_from        timestamptz,
    valid_until       timestamptz,
    is_active         boolean not null default true,
    created_by        text not null,
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now(),
    constraint promo_codes_uses check (current_uses >= 0 and current_uses <= max_uses),
    constraint promo_codes_period check (valid_from < valid_until),
    constraint promo_codes_amount check (
        (balance_amount is not null) = (type = 'balance')
        and (bonus_amount is not null) = (type = 'bonus')
        and (discount_percent is not null) = (type = 'percent'))
);

comment on table promo_codes is 'Codes that give coins. They are stopped, never deleted.';
comment on column promo_codes.code is 'Upper case; also what a link /start promo_CODE can carry.';
comment on column promo_codes.discount_percent is 'Of the coins bought, on top of them; the price stays.';
comment on column promo_codes.current_uses is 'Used and waiting ones. Uses of people who are erased stay counted.';
comment on column promo_codes.max_uses is 'Null: no limit. The same for max_uses_per_user.';

create table promo_code_usages (
    id            uuid primary key default gen_random_uuid(),
    promo_code_id bigint not null references promo_codes,
    user_id       bigint not null references users on delete cascade,
    state         promo_use_state not null,
    amount_added  bigint not null default 0 check (amount_added >= 0),
    bonus_added   bigint not null default 0 check (bonus_added >= 0),
    package_used  bigint,
    payment_id    uuid unique,
    created_at    timestamptz not null,
    expires_at    timestamptz,
    used_at       timestamptz,
    returned_at   timestamptz,
    constraint promo_code_usages_waits check (state <> 'waiting' or expires_at is not null),
    constraint promo_code_usages_used check ((state = 'used') = (used_at is not null)),
    constraint promo_code_usages_returned check ((state = 'returned') = (returned_at is not null))
);

comment on table promo_code_usages is 'Who took which code, and what became of it.';
comment on column promo_code_usages.id is 'Also the subject of its line in the ledger.';
comment on column promo_code_usages.amount_added is 'Coins given at once.';
comment on column promo_code_usages.bonus_added is 'Coins given on top of a purchase of package_used coins.';
comment on column promo_code_usages.expires_at is 'Until then it waits for a purchase.';

create unique index promo_code_usages_waiting on promo_code_usages (user_id) where state = 'waiting';
create index promo_code_usages_user on promo_code_usages (user_id, created_at);
create index promo_code_usages_code on promo_code_usages (promo_code_id, user_id);
create index promo_code_usages_expires on promo_code_usages (expires_at) where state = 'waiting';

create table promo_tries (
    user_id bigint primary key references users on delete cascade,
    since   timestamptz not null,
    wrong   int not null
);

comment on table promo_tries is 'Wrong codes of a person in the hour that began with the first of them.';

-- A person who is erased leaves a place to somebody else.
create function promo_use_gone() returns trigger
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    update promo_codes set current_uses = current_uses - 1 where id = old.promo_code_id;
    return null;
end $$;

create trigger promo_code_usages_gone after delete on promo_code_usages
    for each row when (old.state = 'waiting') execute function promo_use_gone();

-- ---------------------------------------------------------------- helpers

-- What a bonus or a percent adds to a purchase; the programs show the same.
create function promo_extra(p_type promo_kind, p_amount bigint, p_package_coins bigint) returns bigint
language sql immutable
set search_path = public, pg_temp
as $$
    select case p_type
           when 'bonus' then p_amount
           when 'percent' then greatest(p_package_coins * p_amount / 100, 1)
           else 0 end
$$;

create function promo_amount(p_code promo_codes) returns bigint
language sql immutable
set search_path = public, pg_temp
as $$
    select coalesce(p_code.balance_amount, p_code.bonus_amount, p_code.discount_percent)
$$;

-- Its code is locked.
create function promo_give_back(p_usage_id uuid, p_now timestamptz) returns void
language sql
set search_path = public, pg_temp
as $$
    with returned as (
        update promo_code_usages set state = 'returned', returned_at = p_now
        where id = p_usage_id and state = 'waiting'
        returning promo_code_id
    )
    update promo_codes set current_uses = current_uses - 1, updated_at = now()
    from returned
    where id = returned.promo_code_id
$$;

create function promo_count_wrong(p_user_id bigint, p_now timestamptz) returns void
language sql
set search_path = public, pg_temp
as $$
    insert into promo_tries (user_id, since, wrong) values (p_user_id, p_now, 1)
    on conflict (user_id) do update
    set since = case when promo_tries.since > p_now - interval '1 hour'
                     then promo_tries.since else p_now end,
        wrong = case when promo_tries.since > p_now - interval '1 hour'
                     then promo_tries.wrong + 1 else 1 end
$$;

-- Locks the code that is wanted and the one that this person has waiting, and
-- answers the id of the first, null when there is none. A waiting one whose
-- time is over is given back on the way.
create function promo_lock(p_user_id bigint, p_code text, p_now timestamptz) returns bigint
language plpgsql
set search_path = public, pg_temp
as $$
declare
    wanted_id bigint;
begin
    select id into wanted_id from promo_codes where code = upper(btrim(p_code) collate "C");
    perform from promo_codes
    where id = wanted_id
       or id = (select promo_code_id from promo_code_usages
                where user_id = p_user_id and state = 'waiting')
    order by id
    for update;
    perform promo_give_back(id, p_now)
    from promo_code_usages
    where user_id = p_user_id and state = 'waiting' and expires_at <= p_now;
    return wanted_id;
end $$;

-- Takes a use of a code that nothing speaks against; answers until when it waits.
create function promo_take(p_code promo_codes, p_user_id bigint, p_now timestamptz)
returns timestamptz
language plpgsql
set search_path = public, pg_temp
as $$
declare
    longest_wait constant interval := '7 days';
    use_id constant uuid := gen_random_uuid();
    until constant timestamptz := least(p_code.valid_until, p_now + longest_wait);
begin
    update promo_codes set current_uses = current_uses + 1, updated_at = now() where id = p_code.id;
    if p_code.type = 'balance' then
        insert into promo_code_usages (id, promo_code_id, user_id, state, amount_added, created_at,
                                       used_at)
        values (use_id, p_code.id, p_user_id, 'used', p_code.balance_amount, p_now, p_now);
        perform ledger_credit(p_user_id, 'promo:' || use_id, p_code.balance_amount, 'promo', 'promo',
                              use_id);
        return null;
    end if;
    insert into promo_code_usages (id, promo_code_id, user_id, state, created_at, expires_at)
    values (use_id, p_code.id, p_user_id, 'waiting', p_now, until);
    return until;
end $$;

-- ---------------------------------------------------------------- what the programs call

-- verdict: given, the coins are on the balance; waits, it is taken for the next
-- purchase; stands, it had been; too_often, this person has guessed too much;
-- else the reason of promo_refusal(). moment: from when or until when, where
-- the verdict has such a time. replaced: the waiting code that gave way.
create function promo_apply(p_user_id bigint, p_code text, p_now timestamptz,
                            out verdict text, out promo_code text, out promo_type promo_kind,
                            out amount bigint, out moment timestamptz, out replaced text,
                            out balance bigint)
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    most_wrong constant int := 10;
    wanted_id bigint;
    wanted promo_codes;
    waiting record;
begin
    perform ledger_lock(p_user_id);
    select t.since + interval '1 hour' into moment
    from promo_tries t
    where t.user_id = p_user_id and t.since > p_now - interval '1 hour' and t.wrong >= most_wrong;
    if found then
        verdict := 'too_often';
        return;
    end if;

    wanted_id := promo_lock(p_user_id, p_code, p_now);
    select * into wanted from promo_codes c where c.id = wanted_id and c.is_active;
    select u.id, u.expires_at, c.code into waiting
    from promo_code_usages u
    join promo_codes c on c.id = u.promo_code_id
    where u.user_id = p_user_id and u.state = 'waiting';
    promo_code := wanted.code;
    promo_type := wanted.type;
    amount := promo_amount(wanted);

    verdict := promo_refusal(wanted, p_user_id, p_now);
    if verdict = 'stands' then
        moment := waiting.expires_at;
        return;
    elsif verdict is not null then
        moment := case verdict when 'early' then wanted.valid_from
                               when 'late' then wanted.valid_until end;
        perform promo_count_wrong(p_user_id, p_now);
        return;
    end if;

    if wanted.type <> 'balance' and waiting.id is not null then
        perform promo_give_back(waiting.id, p_now);
        replaced := waiting.code;
    end if;
    moment := promo_take(wanted, p_user_id, p_now);
    verdict := case wanted.type when 'balance' then 'given' else 'waits' end;
    balance := (select b.balance from ledger_balance(p_user_id) b);
end $$;

-- What waits for this person's next purchase: one row, or none.
create function promo_waiting(p_user_id bigint, p_now timestamptz)
returns table (usage_id uuid, promo_code text, promo_type promo_kind, amount bigint,
               expires_at timestamptz)
language sql stable
security definer
set search_path = public, pg_temp
as $$
    select u.id, c.code, c.type, promo_amount(c), u.expires_at
    from promo_code_usages u
    join promo_codes c on c.id = u.promo_code_id
    where u.user_id = p_user_id and u.state = 'waiting' and u.expires_at > p_now
$$;

-- No row when there is no such code. What waited is given back: nothing has been paid for it.
create function promo_stop(p_code text) returns table (was_active boolean, given_back bigint)
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    promo promo_codes;
begin
    select * into promo from promo_codes where code = upper(btrim(p_code) collate "C") for update;
    if not found then
        return;
    end if;
    was_active := promo.is_active;
    with returned as (
        update promo_code_usages set state = 'returned', returned_at = now()
        where promo_code_id = promo.id and state = 'waiting'
        returning id
    )
    select count(*) into given_back from returned;
    update promo_codes
    set is_active = false, current_uses = current_uses - given_back, updated_at = now()
    where id = promo.id;
    return next;
end $$;

-- Gives back what has waited too long, a quarter of an hour late: by then a
-- payment that was agreed to in time has come.
create function promo_sweep() returns bigint
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    too_late constant timestamptz := now() - interval '15 minutes';
    given_back bigint;
begin
    perform from promo_codes
    where id in (select promo_code_id from promo_code_usages
                 where state = 'waiting' and expires_at < too_late)
    order by id
    for update;
    select count(*) into given_back
    from promo_code_usages u, lateral promo_give_back(u.id, now())
    where u.state = 'waiting' and u.expires_at < too_late;
    return given_back;
end $$;

grant select, insert on promo_codes to aisha_bot;
grant select on promo_codes to aisha_worker, aisha_status;
grant select on promo_code_usages to aisha_bot, aisha_worker, aisha_status;
grant execute on function promo_apply, promo_waiting, promo_stop
    to aisha_bot, aisha_worker;
grant execute on function promo_sweep to aisha_worker;

commit;
