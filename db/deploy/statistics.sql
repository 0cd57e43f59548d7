-- Deploy aisha:statistics to pg
-- requires: ledger
--
-- What a person's screens read of the ledger beside the lines themselves.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

-- Where the page of p_limit lines begins that are newer than p_after: the p_before that
-- ledger_statement takes for it, null when it is the first page.
create function ledger_newer(p_user_id bigint, p_limit int, p_after bigint) returns bigint
language sql stable
security definer
set search_path = public, pg_temp
as $$
    select e.transfer_id
    from ledger_accounts a
    join ledger_entries e on e.account_id = a.id
    where a.user_id = p_user_id and a.kind = 'user' and e.transfer_id > p_after
    order by e.transfer_id
    offset p_limit limit 1
$$;

-- Coins that became revenue on each day of the person's clock, where there were any: what was set
-- aside and came back is not spent.
create function ledger_spending(p_user_id bigint, p_since timestamptz, p_zone_minutes int)
returns table (day date, coins bigint)
language sql stable
security definer
set search_path = public, pg_temp
as $$
    select (t.created_at at time zone 'UTC' + p_zone_minutes * interval '1 minute')::date,
           sum(spent.amount)::bigint
    from ledger_accounts held
    join ledger_entries e on e.account_id = held.id and e.amount < 0
    join ledger_transfers t on t.id = e.transfer_id and t.kind = 'capture'
    join ledger_entries spent on spent.transfer_id = t.id
    join ledger_accounts revenue on revenue.id = spent.account_id and revenue.kind = 'revenue'
    where held.user_id = p_user_id and held.kind = 'held' and t.created_at >= p_since
    group by 1
$$;

grant execute on function ledger_newer, ledger_spending to aisha_bot, aisha_worker;

commit;
