-- Revert aisha:payment_promises from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

alter table payment_orders drop column promo_usage_id;

commit;
