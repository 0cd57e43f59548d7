-- Revert aisha:release_failures from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop function ledger_release_for;
drop table ledger_failures;

commit;
