-- Revert aisha:ledger from pg

begin;

set local lock_timeout = '2s';

drop trigger users_have_accounts on users;
drop function ledger_check();
drop function ledger_statement(bigint, int, bigint);
drop function ledger_balance(bigint);
drop function ledger_debit(bigint, text, bigint, ledger_account_kind, text, uuid);
drop function ledger_credit(bigint, text, bigint, ledger_account_kind, text, uuid);
drop function ledger_release(text);
drop function ledger_capture(text, bigint);
drop function ledger_settle(text, text, bigint);
drop function ledger_hold(bigint, text, bigint, uuid, text);
drop function ledger_post(text, text, bigint, uuid, text, bigint[], bigint[]);
drop function ledger_lock(bigint);
drop function ledger_account(ledger_account_kind, bigint);
drop table ledger_entries;
drop table ledger_transfers;
drop table ledger_accounts;
drop function ledger_accounts_open();
drop function ledger_transfers_filled();
drop function ledger_entries_sum();
drop function forbid_change();
drop type ledger_account_kind;

commit;
