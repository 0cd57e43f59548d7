-- Verify aisha:release_failures on pg

begin;

select transfer_id, failure from ledger_failures where false;

do $$
begin
    assert has_function_privilege('aisha_bot', 'ledger_release_for(text, text)', 'execute');
    assert has_function_privilege('aisha_worker', 'ledger_release_for(text, text)', 'execute');
    assert not has_table_privilege('aisha_bot', 'ledger_failures', 'insert, update, delete');
    assert not has_table_privilege('aisha_worker', 'ledger_failures', 'insert, update, delete');
end $$;

rollback;
