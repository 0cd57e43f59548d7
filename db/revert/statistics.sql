-- Revert aisha:statistics from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop function ledger_newer, ledger_spending;

commit;
