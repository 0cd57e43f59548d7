-- Verify aisha:open_holds on pg

begin;

select id, status from paid_work where false;
select transfer_id, account_id, user_id, idempotency_key, subject, created_at, amount
from open_holds
where false;

do $$
begin
    assert pg_get_functiondef('ledger_check'::regproc) like '%open_holds%', 'the check reads open holds';
end $$;

rollback;
