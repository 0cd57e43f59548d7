-- Deploy aisha:money_roles to pg
-- requires: ledger_marks payment_marks promo_promises statistics
--
-- Each program may do with coins what it does. The bot takes orders, codes and
-- payments; the worker ends holds and refunds and compares. Both may end a hold,
-- for FAL's callbacks come to the bot.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

revoke execute on function ledger_hold, ledger_credit, ledger_debit, ledger_statement, ledger_newer,
    promo_apply, promo_waiting, promo_spend, promo_stop,
    payment_take, payment_add_bonus, payment_refund, payment_refund_seen
    from aisha_worker;
revoke execute on function ledger_debit, payment_refund_done, payment_refund_failed from aisha_bot;
revoke select, insert on star_transactions from aisha_bot;

commit;
