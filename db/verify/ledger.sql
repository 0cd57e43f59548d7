-- Verify aisha:ledger on pg

begin;

select id, kind, user_id, balance from ledger_accounts where false;
select id, idempotency_key, kind, user_id, subject, reason, created_at from ledger_transfers where false;
select transfer_id, account_id, amount from ledger_entries where false;
select problem, transfer_id, account_id, expected, found from ledger_check() where false;
select id, created_at, kind, reason, subject, amount, balance_after, settled
from ledger_statement(0, 1)
where false;

do $$
begin
    assert (select count(*) from ledger_accounts where user_id is null) = 4, 'four accounts of ours';
    assert not has_table_privilege('aisha_bot', 'ledger_entries', 'select, insert, update, delete');
    assert not has_table_privilege('aisha_worker', 'ledger_accounts', 'select, insert, update, delete');
    assert has_function_privilege('aisha_bot', 'ledger_hold(bigint, text, bigint, uuid, text)', 'execute');
    assert not has_function_privilege('aisha_bot',
        'ledger_post(text, text, bigint, uuid, text, bigint[], bigint[])', 'execute');
end $$;

rollback;
