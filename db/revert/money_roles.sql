-- Revert aisha:money_roles from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

grant select, insert on star_transactions to aisha_bot;
grant execute on function ledger_debit, payment_refund_done, payment_refund_failed to aisha_bot;
grant execute on function ledger_hold, ledger_credit, ledger_debit, ledger_statement, ledger_newer,
    promo_apply, promo_waiting, promo_stop,
    payment_take, payment_add_bonus, payment_refund, payment_refund_seen
    to aisha_worker;

commit;
