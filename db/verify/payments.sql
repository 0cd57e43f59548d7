-- Verify aisha:payments on pg

begin;

select id, user_id, coins, stars, created_at, paid_at from payment_orders where false;
select id, charge_id, user_id, order_id, currency, stars, coins, bonus_coins, payload, state,
       created_at, refund_tries, refund_taken, refund_error, refunded_at
from payments
where false;
select check_id, id, is_refund, stars, telegram_id, made_at, read_at from star_transactions where false;
select id, started_at, finished_at, transactions, differences from star_checks where false;
select id, charge_id, kind, stars_here, stars_there, telegram_id, found_at, resolved_at
from payment_differences
where false;

select has_function_privilege('aisha_bot', f, 'execute')
from (values
    ('payment_take(uuid, bigint, text, text, text, bigint, bigint)'),
    ('payment_add_bonus(uuid, bigint)'),
    ('payment_refund(text, boolean)'),
    ('payment_refund_done(uuid)'),
    ('payment_refund_failed(uuid, text)'),
    ('payment_refund_seen(text)')) as wanted (f);

rollback;
