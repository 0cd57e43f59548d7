-- Verify aisha:styles on pg

begin;

select id, position, icon, name_ru, name_en from style_categories where false;
select id, category_id, position, icon, name_ru, name_en from style_subcategories where false;
select id, subcategory_id, position, icon, title_ru, title_en, description_ru, description_en, prompt,
       avatars, search_ru, search_en, popularity, created_at, updated_at, retired_at
from style_templates
where false;
select user_id, template_id, created_at from user_favorite_templates where false;
select kind from avatar_cards where false;
select template_id, title, orders from style_most_used(0, 'ru');
select style_query('en', 'x'), avatar_kind('portrait', 'female');
select has_function_privilege('aisha_bot', 'styles_load(jsonb)', 'execute');
select 1 / (count(*) = 2)::int
from pg_index x
join pg_class c on c.oid = x.indexrelid
where c.relname in ('image_generations_template', 'image_generations_user_template') and x.indisvalid;

rollback;
