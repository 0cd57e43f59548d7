-- Revert aisha:payments from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop function payment_refund_seen, payment_refund_failed, payment_refund_done, payment_refund,
    payment_take_coins, payment_move_back, payment_add_bonus, payment_take;
drop table payment_differences, star_checks, star_transactions, payments, payment_orders;
drop type paymentstate;

commit;
