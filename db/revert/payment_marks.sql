-- Revert aisha:payment_marks from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop function payments_compare, payments_mark, star_transactions_recall, payments_differing;
alter table star_checks drop column settled;
alter table payments drop column compared_at, drop column refund_compared_at;

commit;
