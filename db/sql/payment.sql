-- Orders and payments in Stars. The functions behind the writing ones move the
-- coins as well; see deploy/payments.sql.

-- A second tap on the same button finds the first one's order; with another
-- promo code it is another one.
-- :payment_order_add writes
insert into payment_orders (id, user_id, coins, stars, promo_usage_id)
select $1, $2, $3, $4, $6
where not exists (select from payment_orders
                  where user_id = $2 and coins = $3 and stars = $4 and paid_at is null
                    and promo_usage_id is not distinct from $6
                    and created_at > now() - $5::bigint * interval '1 second')
returning id

-- What is asked before a payment. No row: somebody who never wrote to us.
-- :payment_checkout
select u.language_code, u.is_blocked, o.id is not null as is_known,
       coalesce(o.coins, 0) as coins, coalesce(o.stars, 0) as stars,
       o.paid_at is not null as is_paid,
       o.promo_usage_id is not null
       and not exists (select from promo_waiting(u.id, to_timestamp($3::bigint / 1000.0)) w
                       where w.usage_id = o.promo_usage_id) as is_promo_over
from users u
left join payment_orders o on o.user_id = u.id and o.id = $2
where u.telegram_id = $1

-- :payment_take writes
select payment_id, state, coins, is_new from payment_take($1, $2, $3, $4, $5, $6, $7)

-- The use of a promo code that the invoice of a payment told of; null without.
-- :payment_promised
select o.promo_usage_id
from payments p
join payment_orders o on o.id = p.order_id
where p.id = $1

-- :payment_add_bonus writes
select payment_add_bonus($1, $2)

-- By its charge, by its id, or by the beginning of that, as users read it. The Telegram id of one who
-- is leaving is 0 already.
-- :payment_find
with wanted as (
    select case when $1::text ~ '^[0-9a-f]{8}[0-9a-f-]{0,28}$'
                then replace($1, '-', '') end as digits
)
select p.id, p.charge_id, coalesce(p.user_id, 0) as user_id, greatest(u.telegram_id, 0) as telegram_id,
       coalesce(u.first_name, '') as first_name, coalesce(u.language_code, '') as language_code,
       p.currency, p.stars, p.coins, p.bonus_coins, p.payload, p.state,
       (extract(epoch from p.created_at) * 1000)::bigint as created_at_ms,
       p.refund_taken, p.refund_error,
       (extract(epoch from p.refunded_at) * 1000)::bigint as refunded_at_ms
from payments p
left join users u on u.id = p.user_id
cross join wanted
where p.charge_id = $1
   or p.id between rpad(digits, 32, '0')::uuid and rpad(digits, 32, 'f')::uuid
order by p.charge_id <> $1
limit 2

-- The latest of one user, or of all when that is 0; each way has its index.
-- :payment_list
with latest as (
    (select id from payments where user_id = $1 order by created_at desc, id desc limit $2)
    union all
    (select id from payments where $1::bigint = 0 order by created_at desc, id desc limit $2)
)
select p.id, p.charge_id, coalesce(p.user_id, 0) as user_id, greatest(u.telegram_id, 0) as telegram_id,
       coalesce(u.first_name, '') as first_name, coalesce(u.language_code, '') as language_code,
       p.currency, p.stars, p.coins, p.bonus_coins, p.payload, p.state,
       (extract(epoch from p.created_at) * 1000)::bigint as created_at_ms,
       p.refund_taken, p.refund_error,
       (extract(epoch from p.refunded_at) * 1000)::bigint as refunded_at_ms
from latest l
join payments p on p.id = l.id
left join users u on u.id = p.user_id
order by p.created_at desc, p.id desc

-- :payment_refund writes
select verdict, payment_id, stars, coins, balance from payment_refund($1, $2)

-- :payment_refund_done writes
select payment_refund_done($1) as is_first

-- :payment_refund_failed writes
select payment_refund_failed($1, $2) as is_first

-- :payment_refund_seen writes
select payment_id, is_new from payment_refund_seen($1)

-- :payment_orders_prune writes
delete from payment_orders where paid_at is null and created_at < now() - interval '30 days'

-- -- the daily comparison --

-- :star_check_due
select coalesce(max(finished_at) < now() - $1::bigint * interval '1 second', true) as is_due
from star_checks

-- One page of Telegram's list. Gifts, withdrawals and the like are not about our invoices.
-- :star_page_put writes
with page as (
    select t, t ? 'receiver' as is_refund, coalesce(t->'source', t->'receiver') as partner
    from jsonb_array_elements($2::jsonb) as t
)
insert into star_transactions (check_id, id, is_refund, stars, telegram_id, made_at)
select $1, t->>'id', is_refund, (t->>'amount')::bigint, (partner->'user'->>'id')::bigint,
       to_timestamp((t->>'date')::bigint)
from page
where partner->>'type' = 'user'
  and coalesce(partner->>'transaction_type', 'invoice_payment') = 'invoice_payment'
on conflict do nothing

-- Where the last comparison has left the list.
-- :star_mark
select coalesce((select settled from star_checks order by id desc limit 1), 0) as settled

-- :payments_compare writes
select payments_compare($1, to_timestamp($2::bigint / 1000.0), $3, $4) as differences

-- :payment_differences
select charge_id, kind, coalesce(stars_here, 0) as stars_here,
       coalesce(stars_there, 0) as stars_there, coalesce(telegram_id, 0) as telegram_id,
       (extract(epoch from found_at) * 1000)::bigint as found_at_ms
from payment_differences
where resolved_at is null
order by found_at desc, id desc
limit $1

-- Today is since 00:00 UTC, what is open of all time, the rest of the last 30 days: an index leads to each.
-- Refunded Stars count nowhere.
-- :status_payments
select count(*) filter (where p.created_at >= date_trunc('day', now(), 'UTC')) as today,
       coalesce(sum(p.stars) filter (where p.created_at >= date_trunc('day', now(), 'UTC')
                                       and p.currency = 'XTR' and p.state <> 'refunded'), 0)::bigint
           as stars_today,
       count(*) filter (where p.state = 'refunded') as refunded,
       count(*) as payments,
       coalesce(sum(p.stars) filter (where p.currency = 'XTR' and p.state <> 'refunded'), 0)::bigint
           as stars,
       (select count(*) from payments where state = 'unmatched') as unmatched,
       (select count(*) from payments where state = 'refunding') as refunding,
       (select count(*) from payment_differences where resolved_at is null) as differences,
       (select (extract(epoch from max(finished_at)) * 1000)::bigint from star_checks) as checked_at_ms
from payments p
where p.created_at >= now() - interval '30 days'
