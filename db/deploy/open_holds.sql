-- Deploy aisha:open_holds to pg
-- requires: ledger
-- requires: generations
-- requires: avatars
--
-- A hold is opened with its work and ends with it, in the same transactions.
-- So a hold that is open although its work is over, is gone or is done by
-- nobody keeps coins from a person for nothing, and the check says so. What
-- nobody does is woken after minutes; a quarter of an hour without is a fault.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create view paid_work as
select id, status from image_generations
union all
select id, status from avatar_trainings;

comment on view paid_work is
    'Everything that a hold may be for, by the subject of the hold. A new kind of paid work belongs here.';

create view open_holds as
select t.id as transfer_id, e.account_id, t.user_id, t.idempotency_key, t.subject, t.created_at, e.amount
from ledger_transfers t
join ledger_entries e on e.transfer_id = t.id and e.amount > 0
where t.kind = 'hold'
  and not exists (select from ledger_transfers s
                  where s.idempotency_key = t.idempotency_key || ':settled');

comment on view open_holds is 'Holds that were neither captured nor released.';

grant select on paid_work, open_holds to aisha_status;

-- Rows of anything wrong; none is how it should be. What is open is looked for once: that is the dear part.
create or replace function ledger_check()
returns table (problem text, transfer_id bigint, account_id bigint, expected bigint, found bigint)
language sql stable
security definer
set search_path = public, pg_temp
as $$
    with holds as materialized (select * from open_holds)
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
    from paid_work w
    join ledger_transfers t on t.subject = w.id and t.kind = 'capture'
    join ledger_entries e on e.transfer_id = t.id
    join ledger_accounts a on a.id = e.account_id and a.kind = 'revenue'
    where w.status = 'failed'
$$;

commit;
