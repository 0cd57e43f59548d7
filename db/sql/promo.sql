-- Promo codes; the functions behind these are in deploy/promo_codes.sql. Times
-- travel in milliseconds, 0 where there is none.

-- :promo_apply writes
select verdict, promo_code, promo_type, amount,
       coalesce((extract(epoch from moment) * 1000)::bigint, 0) as moment_ms,
       replaced, balance
from promo_apply($1, $2, to_timestamp($3::bigint / 1000.0))

-- :promo_waiting
select usage_id, promo_code, promo_type, amount,
       (extract(epoch from expires_at) * 1000)::bigint as expires_at_ms
from promo_waiting($1, to_timestamp($2::bigint / 1000.0))

-- :promo_spend writes
select promo_spend($1, $2, $3, $4, to_timestamp($5::bigint / 1000.0)) as extra

-- No row: there is such a code already, stopped or not.
-- :promo_make writes
insert into promo_codes (code, type, balance_amount, bonus_amount, discount_percent, max_uses,
                         max_uses_per_user, valid_from, valid_until, created_by)
select $1, $2::promo_kind,
       case $2::promo_kind when 'balance' then $3::bigint end,
       case $2::promo_kind when 'bonus' then $3::bigint end,
       case $2::promo_kind when 'percent' then $3::bigint end::int,
       nullif($4::bigint, 0), nullif($5::bigint, 0),
       to_timestamp(nullif($6::bigint, 0) / 1000.0), to_timestamp(nullif($7::bigint, 0) / 1000.0), $8
on conflict (code) do nothing
returning id

-- :promo_stop writes
select was_active, given_back from promo_stop($1)

-- Newest first, those before $2, at most $3; 0 leaves either out, an empty code stands for all.
-- :promo_list
select c.id, c.code, c.type, coalesce(c.balance_amount, c.bonus_amount, c.discount_percent) as amount,
       c.current_uses, coalesce(c.max_uses, 0) as max_uses,
       coalesce(c.max_uses_per_user, 0) as max_uses_per_user,
       coalesce((extract(epoch from c.valid_from) * 1000)::bigint, 0) as valid_from_ms,
       coalesce((extract(epoch from c.valid_until) * 1000)::bigint, 0) as valid_until_ms,
       case when not c.is_active then 'stopped'
            when now() < c.valid_from then 'early'
            when now() >= c.valid_until then 'late'
            when c.current_uses >= c.max_uses then 'used_up'
            else 'open' end as state
from promo_codes c
where ($1 = '' or c.code = upper(btrim($1) collate "C"))
  and c.id < coalesce(nullif($2::bigint, 0), 9223372036854775807)
order by c.id desc
limit nullif($3::bigint, 0)

-- :promo_stats
select count(*) filter (where u.state = 'used') as used,
       count(*) filter (where u.state = 'waiting') as waiting,
       count(*) filter (where u.state = 'returned') as returned,
       count(distinct u.user_id) filter (where u.state <> 'returned') as people,
       coalesce(sum(u.amount_added), 0)::bigint as amount_added,
       coalesce(sum(u.bonus_added), 0)::bigint as bonus_added,
       coalesce(sum(u.package_used), 0)::bigint as bought
from promo_codes c
join promo_code_usages u on u.promo_code_id = c.id
where c.code = upper(btrim($1) collate "C")

-- :promo_sweep writes
select promo_sweep() as given_back
