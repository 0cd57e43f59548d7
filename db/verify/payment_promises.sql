-- Verify aisha:payment_promises on pg

begin;

select promo_usage_id from payment_orders where false;

rollback;
