-- Revert aisha:spending_days from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create or replace function ledger_spending(p_user_id bigint, p_since timestamptz, p_zone_minutes int)
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
drop index if exists ledger_transfers_captures;
drop function ledger_spent;
drop trigger ledger_entries_spending on ledger_entries;
drop function ledger_count_spending;
drop table spending_days;

commit;
