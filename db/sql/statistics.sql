-- What a person's own rows add up to. The owner comes first in each.

-- :profile_figures
select (extract(epoch from u.created_at) * 1000)::bigint as created_at_ms, l.balance, l.held,
       (select count(*) from avatars a where a.user_id = u.id) as avatars,
       (select count(*) from avatars a where a.user_id = u.id and a.status = 'completed')
           as ready_avatars,
       (select count(*) from images i where i.user_id = u.id) as images
from users u
cross join ledger_balance(u.id) as l
where u.id = $1

-- Each line with what it was about. What was deleted meanwhile leaves its columns empty.
-- :statement_page
select l.id, (extract(epoch from l.created_at) * 1000)::bigint as created_at_ms, l.kind, l.reason,
       l.amount, l.balance_after, l.settled, g.generation_type, coalesce(g.num_images, 0) as num_images,
       t.training_type, coalesce(a.name, b.name) as avatar_name, coalesce(p.stars, 0) as stars, c.code,
       s.name as transcript_name,
       coalesce(g.failure, t.failure) as failure
from ledger_statement($1, $2, nullif($3::bigint, 0)) l
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

-- :statistics_read
with mine as (
    select i.is_favorite, i.created_at, g.generation_type
    from images i
    join image_generations g on g.id = i.generation_id
    where i.user_id = $1
), made as (
    select percentile_cont(0.5) within group (order by generation_seconds) as median_seconds,
           mode() within group (order by aspect_ratio) as usual_ratio
    from image_generations
    where user_id = $1 and status = 'completed'
), spent as (
    select coalesce(sum(coins), 0)::bigint as spent from ledger_spending($1, '-infinity', 0)
), lately as (
    select coalesce(sum(coins), 0)::bigint as spent from ledger_spending($1, now() - interval '30 days', 0)
)
select count(*) as images, count(*) filter (where m.is_favorite) as favorites,
       count(*) filter (where m.generation_type = 'imagen4') as by_words,
       count(*) filter (where m.generation_type = 'avatar') as with_avatar,
       count(*) filter (where m.created_at > now() - interval '7 days') as last_week,
       count(*) filter (where m.created_at > now() - interval '30 days') as last_month,
       (select spent from spent) as spent, (select spent from lately) as spent_last_month,
       coalesce((select median_seconds from made), 0) as median_seconds,
       (select usual_ratio from made) as usual_ratio
from mine m

-- :statistics_avatars
select a.name, count(*) as images
from images i
join image_generations g on g.id = i.generation_id
join avatars a on a.id = g.avatar_id
where i.user_id = $1
group by a.id
order by count(*) desc, a.name
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
