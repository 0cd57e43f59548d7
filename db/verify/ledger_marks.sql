-- Verify aisha:ledger_marks on pg

begin;

select is_only, transfer_id, next_transfer_id, next_xid, moved_at from ledger_marks where false;
select account_id, amount from ledger_checked_sums where false;
select transfer_id from ledger_checked_holds where false;
select problem, transfer_id, account_id, expected, found from ledger_check_new() where false;
select kind, accounts, balance from ledger_totals() where false;

do $$
begin
    assert (select count(*) from ledger_marks) = 1, 'there is one mark';
    assert has_function_privilege('aisha_worker', 'ledger_check_on()', 'execute');
    assert has_function_privilege('aisha_status', 'ledger_check_new()', 'execute');
    assert not has_function_privilege('aisha_worker', 'ledger_check_all()', 'execute');
    assert not has_table_privilege('aisha_worker', 'ledger_marks', 'insert, update, delete');
end $$;

rollback;
