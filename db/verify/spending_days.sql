-- Verify aisha:spending_days on pg

begin;

select user_id, day, coins from spending_days where false;
select ledger_spent(0, now()), (select count(*) from ledger_spending(0, now(), 0));
select 1 / (count(*) = 1)::int
from pg_index x
join pg_class c on c.oid = x.indexrelid
where c.relname = 'ledger_transfers_captures' and x.indisvalid;

rollback;
