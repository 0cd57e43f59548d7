-- The catalogue of styles, in the user's language ($n = 'en', else Russian). Lists give one page,
-- with the number of all in each row.

-- :styles_load writes
select added, changed, retired, removed, unchanged from styles_load($1::jsonb)

-- :styles_list
select t.id, s.category_id || '/' || s.id as place, t.title_ru, t.title_en, t.popularity,
       (select count(*) from user_favorite_templates f where f.template_id = t.id) as favorites,
       t.retired_at is not null as is_retired
from style_templates t
left join style_subcategories s on s.id = t.subcategory_id
left join style_categories c on c.id = s.category_id
order by t.retired_at is not null, c.position, s.position, t.position, t.id

-- :style_categories
select c.id, c.icon, case $1 when 'en' then c.name_en else c.name_ru end as name
from style_categories c
order by c.position

-- :style_subcategories
select s.id, s.icon, case $2 when 'en' then s.name_en else s.name_ru end as name,
       c.icon as category_icon, case $2 when 'en' then c.name_en else c.name_ru end as category_name
from style_subcategories s
join style_categories c on c.id = s.category_id
where s.category_id = $1
order by s.position

-- :styles_of_subcategory
select t.id, t.icon, case $2 when 'en' then t.title_en else t.title_ru end as title,
       f.user_id is not null as is_favorite, count(*) over () as total, s.icon as place_icon,
       case $2 when 'en' then s.name_en else s.name_ru end as place_name, c.id as category_id,
       c.icon as category_icon, case $2 when 'en' then c.name_en else c.name_ru end as category_name
from style_templates t
join style_subcategories s on s.id = t.subcategory_id
join style_categories c on c.id = s.category_id
left join user_favorite_templates f on f.template_id = t.id and f.user_id = $1
where t.subcategory_id = $3
order by t.position
offset $4 limit $5

-- Twenty-four at most: behind them it is the order of the catalogue.
-- :styles_popular
with popular as (
    select * from style_templates
    where retired_at is null and popularity > 0
    order by popularity desc, id
    limit 24
)
select t.id, t.icon, case $2 when 'en' then t.title_en else t.title_ru end as title,
       f.user_id is not null as is_favorite, count(*) over () as total
from popular t
left join user_favorite_templates f on f.template_id = t.id and f.user_id = $1
order by t.popularity desc, t.id
offset $3 limit $4

-- :styles_favorite
select t.id, t.icon, case $2 when 'en' then t.title_en else t.title_ru end as title,
       true as is_favorite, count(*) over () as total
from user_favorite_templates f
join style_templates t on t.id = f.template_id and t.retired_at is null
where f.user_id = $1
order by f.created_at desc, t.id
offset $3 limit $4

-- :styles_found
with asked as (
    select style_query($2, $5) as query
), found as (
    select t.*, ts_rank(case $2 when 'en' then t.search_en else t.search_ru end, asked.query) as rank
    from style_templates t, asked
    where t.retired_at is null
      and case $2 when 'en' then t.search_en else t.search_ru end @@ asked.query
)
select t.id, t.icon, case $2 when 'en' then t.title_en else t.title_ru end as title,
       f.user_id is not null as is_favorite, count(*) over () as total
from found t
left join user_favorite_templates f on f.template_id = t.id and f.user_id = $1
order by t.rank desc, t.popularity desc, t.id
offset $3 limit $4

-- One style with the avatar that it would be drawn with: of those that it suits the main one, or else
-- the newest.
-- :style_find
select t.id, t.subcategory_id, t.icon, case $3 when 'en' then t.title_en else t.title_ru end as title,
       case $3 when 'en' then t.description_en else t.description_ru end as description, t.prompt,
       array_to_string(t.avatars, ' ') as kinds, t.popularity, t.retired_at is not null as is_retired,
       f.user_id is not null as is_favorite, a.avatar_id, a.avatar_name, coalesce(a.avatars, 0) as avatars
from style_templates t
left join user_favorite_templates f on f.template_id = t.id and f.user_id = $1
left join lateral (
    select b.id as avatar_id, b.name as avatar_name, count(*) over () as avatars
    from avatars b
    where b.user_id = $1 and b.status = 'completed'
      and avatar_kind(b.training_type, b.gender) = any (t.avatars)
    order by b.is_main desc, b.created_at desc, b.id desc
    limit 1) a on true
where t.id = $2

-- :style_mark writes
insert into user_favorite_templates (user_id, template_id)
select $1, id from style_templates where id = $2
on conflict do nothing

-- :style_unmark writes
delete from user_favorite_templates where user_id = $1 and template_id = $2
