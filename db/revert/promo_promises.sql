-- Revert aisha:promo_promises from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop function promo_spend, promo_use_to_spend;

commit;
