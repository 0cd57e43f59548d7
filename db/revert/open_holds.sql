-- Revert aisha:open_holds from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

-- Rows of anything wrong; none is how it should be.
create or replace function ledger_check()
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

drop view open_holds;
drop view paid_work;

commit;
