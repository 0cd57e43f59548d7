-- Deploy aisha:payment_promises to pg
-- requires: payments promo_codes
--
-- An invoice that says "and 70 more" has promised them: it is paid only while
-- the code that adds them still waits, and with that very code.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

alter table payment_orders add column promo_usage_id uuid;

comment on column payment_orders.promo_usage_id is
    'The use of a promo code that the invoice tells of. No foreign key: an order is kept for a month only.';

commit;
