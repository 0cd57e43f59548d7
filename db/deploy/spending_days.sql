-- Deploy aisha:spending_days to pg
-- requires: statistics
--
-- What a person has spent is kept by days, so that nobody adds up a long life for a screen.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create table spending_days (
    user_id bigint not null references users on delete cascade,
    day     date not null,
    coins   bigint not null,
    primary key (user_id, day)
);

comment on table spending_days is
    'Coins of a person that became revenue on each day of UTC; the ledger says each of them.';

create function ledger_count_spending() returns trigger
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    insert into spending_days as d (user_id, day, coins)
    select t.user_id, (t.created_at at time zone 'UTC')::date, sum(e.amount)
    from added e
    join ledger_accounts revenue on revenue.id = e.account_id and revenue.kind = 'revenue'
    join ledger_transfers t on t.id = e.transfer_id and t.kind = 'capture'
    join users u on u.id = t.user_id
    group by 1, 2
    on conflict (user_id, day) do update set coins = d.coins + excluded.coins;
    return null;
end
$$;

-- Until the end of this transaction the ledger waits, so that nothing is counted twice or not at all.
create trigger ledger_entries_spending after insert on ledger_entries
    referencing new table as added
    for each statement execute function ledger_count_spending();

insert into spending_days (user_id, day, coins)
select t.user_id, (t.created_at at time zone 'UTC')::date, sum(e.amount)
from ledger_transfers t
join ledger_entries e on e.transfer_id = t.id
join ledger_accounts revenue on revenue.id = e.account_id and revenue.kind = 'revenue'
join users u on u.id = t.user_id
where t.kind = 'capture'
group by 1, 2;

-- Coins that became revenue since then: whole days are known, what is left of the first is read.
create function ledger_spent(p_user_id bigint, p_since timestamptz) returns bigint
language sql stable
security definer
set search_path = public, pg_temp
as $$
    select (select coalesce(sum(d.coins), 0)
            from spending_days d
            where d.user_id = p_user_id and d.day > (p_since at time zone 'UTC')::date)::bigint
           + (select coalesce(sum(e.amount), 0)
              from ledger_transfers t
              join ledger_entries e on e.transfer_id = t.id
              join ledger_accounts revenue on revenue.id = e.account_id and revenue.kind = 'revenue'
              where t.user_id = p_user_id and t.kind = 'capture' and t.created_at >= p_since
                and t.created_at
                    < (date_trunc('day', p_since at time zone 'UTC') + interval '1 day') at time zone 'UTC')::bigint
$$;

create or replace function ledger_spending(p_user_id bigint, p_since timestamptz, p_zone_minutes int)
returns table (day date, coins bigint)
language sql stable
security definer
set search_path = public, pg_temp
as $$
    select (t.created_at at time zone 'UTC' + p_zone_minutes * interval '1 minute')::date,
           sum(spent.amount)::bigint
    from ledger_transfers t
    join ledger_entries spent on spent.transfer_id = t.id
    join ledger_accounts revenue on revenue.id = spent.account_id and revenue.kind = 'revenue'
    where t.user_id = p_user_id and t.kind = 'capture' and t.created_at >= p_since
    group by 1
$$;

grant execute on function ledger_spent to aisha_bot, aisha_worker;

commit;

set role aisha_owner;
create index concurrently if not exists ledger_transfers_captures
    on ledger_transfers (user_id, created_at) where kind = 'capture';
reset role;
