-- Revert aisha:ledger_marks from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

grant execute on function ledger_check to aisha_bot, aisha_worker;
drop function ledger_check_all, ledger_check_on, ledger_mark_is_final, ledger_mark_note,
    ledger_mark_hold, ledger_mark_move, ledger_check_new, ledger_totals, ledger_new_holds;
drop table ledger_checked_holds, ledger_checked_sums, ledger_marks;

commit;
