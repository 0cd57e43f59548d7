-- What a person's own rows add up to. The owner comes first in each.

-- :profile_figures
select (extract(epoch from u.created_at) * 1000)::bigint as created_at_ms, l.balance, l.held,
       (select count(*) from avatars a where a.user_id = u.id) as avatars,
       (select count(*) from avatars a where a.user_id = u.id and a.status = 'completed')
           as ready_avatars,
       (select coalesce(sum(f.images), 0) from image_facets f where f.user_id = u.id) as images
from users u
cross join ledger_balance(u.id) as l
where u.id = $1

-- Each line with what it was about. What was deleted meanwhile leaves its columns empty.
-- :statement_page
select l.id, (extract(epoch from l.created_at) * 1000)::bigint as created_at_ms, l.kind, l.reason,
       l.amount, l.balance_after, l.settled, g.generation_type, coalesce(g.num_images, 0) as num_images,
       t.training_type, coalesce(a.name, b.name) as avatar_name, coalesce(p.stars, 0) as stars, c.code,
       s.name as transcript_name,
       coalesce(f.failure, g.failure, t.failure, s.failure,
                case when s.status = 'cancelled' then 'cancelled' end) as failure
from ledger_statement($1, $2, nullif($3::bigint, 0)) l
left join ledger_failures f on f.transfer_id = l.id
left join image_generations g on g.id = l.subject and g.user_id = $1
left join avatars a on a.id = g.avatar_id
left join avatar_trainings t on t.id = l.subject and t.user_id = $1
left join avatars b on b.id = t.avatar_id
left join payments p on p.id = l.subject and p.user_id = $1
left join promo_code_usages u on u.id = l.subject and u.user_id = $1
left join promo_codes c on c.id = u.promo_code_id
left join user_transcripts s on s.id = l.subject and s.user_id = $1
order by l.id desc

-- :statement_newer
select coalesce(ledger_newer($1, $2, $3), 0) as before

-- Numbers of images and coins are kept by facets and days, and the usual time is that of the latest
-- orders: however much a person has made, this reads the same. Weeks and months are of whole days of
-- the person's clock, today among them, as the filter of the gallery has them.
-- :statistics_read
with clock as (
    select (now() at time zone 'UTC' + $2::int * interval '1 minute')::date as today
), begins as (
    select ((today - 6)::timestamp - $2::int * interval '1 minute') at time zone 'UTC' as week,
           ((today - 29)::timestamp - $2::int * interval '1 minute') at time zone 'UTC' as month
    from clock
), mine as materialized (
    select generation_type, aspect_ratio, is_favorite, images
    from image_facets
    where user_id = $1 and images > 0
), latest as (
    select generation_seconds
    from image_generations
    where user_id = $1 and status = 'completed'
    order by created_at desc
    limit 200
)
select (select coalesce(sum(images), 0) from mine) as images,
       (select coalesce(sum(images), 0) from mine where is_favorite) as favorites,
       (select coalesce(sum(images), 0) from mine where generation_type = 'imagen4') as by_words,
       (select coalesce(sum(images), 0) from mine where generation_type = 'avatar') as with_avatar,
       images_since($1, b.week) as this_week, images_since($1, b.month) as this_month,
       ledger_spent($1, '-infinity') as spent, ledger_spent($1, b.month) as spent_this_month,
       coalesce((select percentile_cont(0.5) within group (order by generation_seconds)
                 from latest), 0) as median_seconds,
       (select aspect_ratio from mine group by aspect_ratio order by sum(images) desc, aspect_ratio
        limit 1) as usual_ratio,
       (select title from style_most_used($1, $3)) as usual_style
from begins b

-- :statistics_avatars
select a.name, sum(f.images) as images
from image_facets f
join avatars a on a.id = f.avatar_id
where f.user_id = $1 and f.images > 0
group by a.id
order by sum(f.images) desc, a.name
limit $2

-- Days are those of the person's clock; one without images has its row too.
-- :statistics_days
with today as (
    select (now() at time zone 'UTC' + $2::int * interval '1 minute')::date as day
), days as (
    select (t.day - n)::date as day,
           ((t.day - n)::timestamp - $2::int * interval '1 minute') at time zone 'UTC' as begins_at
    from today t, generate_series(0, $3::int - 1) as n
)
select extract(month from d.day)::int as month, extract(day from d.day)::int as day,
       (select count(*) from images i
        where i.user_id = $1 and i.created_at >= d.begins_at
          and i.created_at < d.begins_at + interval '1 day') as images,
       coalesce(s.coins, 0) as coins
from days d
left join ledger_spending($1, (select min(begins_at) from days), $2) s on s.day = d.day
order by d.day
