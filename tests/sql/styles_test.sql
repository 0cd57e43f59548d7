-- The catalogue of styles: loading it, searching it, and what people make of it.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

-- Whatever is loaded here already stays out of it.
delete from style_templates;
delete from style_subcategories;
delete from style_categories;

insert into users (telegram_id) values (-1) returning id as asya \gset
insert into users (telegram_id) values (-2) returning id as petya \gset

create function pg_temp.catalogue(p_templates text[], p_subcategory text default 'street') returns jsonb
language sql as $$
    select jsonb_build_object(
        'categories', jsonb_build_array(
            jsonb_build_object('id', 'city', 'position', 1, 'icon', 'C', 'name_ru', 'Город', 'name_en', 'City')),
        'subcategories', jsonb_build_array(
            jsonb_build_object('id', p_subcategory, 'category', 'city', 'position', 1, 'icon', 'S',
                               'name_ru', 'Улица', 'name_en', 'Street')),
        'templates', (select jsonb_agg(jsonb_build_object('id', t, 'subcategory', p_subcategory,
                          'position', n, 'icon', 'T', 'title_ru', 'Кофейня ' || t, 'title_en', 'Coffee ' || t,
                          'description_ru', 'Утро за столиком у окна.', 'description_en', 'A table by the window.',
                          'prompt', 'a photo of {avatar}', 'avatars', array['man', 'woman']))
                      from unnest(p_templates) with ordinality as f (t, n)))
$$;

-- ---------------------------------------------------------------- loading

set local role aisha_bot;
select results_eq($$select * from styles_load(pg_temp.catalogue('{a,b,c}'))$$,
    $$values (3, 0, 0, 0, 0)$$, 'three are new');
select results_eq($$select * from styles_load(pg_temp.catalogue('{a,b,c}'))$$,
    $$values (0, 0, 0, 0, 3)$$, 'the same once more changes nothing');
select results_eq($$select * from styles_load(pg_temp.catalogue('{a,c,b}'))$$,
    $$values (0, 2, 0, 0, 1)$$, 'another order is a change');
select results_eq($$select * from styles_load(pg_temp.catalogue('{a,b,c}', 'square'))$$,
    $$values (0, 3, 0, 0, 0)$$, 'so is another place');
select results_eq($$select id from style_subcategories$$, array['square'], 'an old place goes');
insert into user_favorite_templates (user_id, template_id) values (:asya, 'a'), (:asya, 'c');
reset role;

insert into image_generations (id, user_id, generation_type, original_prompt, price, template_id, status, completed_at)
select gen_random_uuid(), user_id, 'avatar', 'x', 5, template_id, status::generationstatus,
       case when status = 'completed' then now() end
from (values (:asya, 'a', 'completed'), (:asya, 'a', 'completed'), (:asya, 'b', 'completed'),
             (:asya, 'b', 'pending'), (:asya, 'b', 'pending'), (:petya, 'b', 'completed'),
             (:petya, 'b', 'completed')) as orders (user_id, template_id, status);

set local role aisha_bot;
select results_eq($$select * from styles_load(pg_temp.catalogue('{b}', 'square'))$$,
    $$values (0, 1, 1, 1, 0)$$, 'what orders name is retired, what none names goes');
select results_eq($$select id, subcategory_id, retired_at is not null from style_templates order by id$$,
    $$values ('a', null, true), ('b', 'square', false)$$, 'a retired one has no place');
select results_eq($$select template_id from user_favorite_templates$$, array['a'],
    'a favourite stays as long as the style');
select results_eq($$select * from styles_load(pg_temp.catalogue('{b}', 'square'))$$,
    $$values (0, 0, 0, 0, 1)$$, 'a retired one is retired once');
select results_eq($$select * from styles_load(pg_temp.catalogue('{a,b}', 'square'))$$,
    $$values (0, 2, 0, 0, 0)$$, 'and can come back');
select is(retired_at, null, 'whole') from style_templates where id = 'a';
reset role;

select throws_ok($$insert into image_generations (id, user_id, generation_type, original_prompt, price, template_id)
    select gen_random_uuid(), id, 'avatar', 'x', 5, 'nothing' from users where telegram_id = -1$$, '23503', null,
    'an order names a style that there is');
select throws_ok($$delete from style_templates where id = 'a'$$, '23503', null, 'which cannot go meanwhile');
select throws_ok($$update style_templates set avatars = '{cat}' where id = 'a'$$, '23514', null, 'four kinds of avatars');
select throws_ok($$update style_templates set avatars = '{}' where id = 'a'$$, '23514', null, 'at least one of them');

-- ---------------------------------------------------------------- search

create function pg_temp.found(p_language text, p_words text) returns text[]
language sql as $$
    select array_agg(id order by id) from style_templates
    where case p_language when 'en' then search_en else search_ru end @@ style_query(p_language, p_words)
$$;

select is(pg_temp.found('ru', 'столик'), '{a,b}', 'by a word of the description, in any form');
select is(pg_temp.found('ru', 'кофе'), '{a,b}', 'by the beginning of one');
select is(pg_temp.found('en', 'windows'), '{a,b}', 'in English');
select is(pg_temp.found('ru', 'кофейня b'), '{b}', 'all of the words');
select is(pg_temp.found('ru', 'улица'), '{a,b}', 'by where it stands');
select is(pg_temp.found('en', 'столик'), null, 'in the language of the user');
select is(pg_temp.found('ru', 'самовар'), null, 'nothing by other words');
select is(style_query('ru', 'и на'), null, 'nothing by words that are everywhere');
select lives_ok($$select style_query('ru', 'it''s \ ''a'':* & | ! <-> "x" кот://c:\ a_b-c %')$$, 'whatever is typed');

-- ---------------------------------------------------------------- figures

set local role aisha_bot;
select results_eq(format('select * from style_most_used(%s, %L)', :asya, 'ru'),
    $$values ('a', 'Кофейня a', 2::bigint)$$, 'what most orders ended with');
select results_eq(format('select * from style_most_used(%s, %L)', :petya, 'en'),
    $$values ('b', 'Coffee b', 2::bigint)$$, 'each their own');
select is_empty($$select * from style_most_used(0, 'ru')$$, 'or nothing');
reset role;

-- ---------------------------------------------------------------- people

select is(jsonb_array_length(person_table_json(:asya, 'user_favorite_templates')::jsonb), 1, 'favourites are of the person''s data');
delete from users where telegram_id = -1;
select is_empty($$select * from user_favorite_templates$$, 'and go with them');

-- ---------------------------------------------------------------- rights

select table_privs_are('style_templates', 'aisha_bot', array['SELECT']);
select table_privs_are('user_favorite_templates', 'aisha_bot', array['SELECT', 'INSERT', 'DELETE']);
select column_privs_are('style_templates', 'popularity', 'aisha_worker', array['SELECT', 'UPDATE']);
select column_privs_are('style_templates', 'prompt', 'aisha_worker', array['SELECT']);

select results_eq($$select t, g, avatar_kind(t::avatartrainingtype, g::avatargender)
                    from (values ('portrait', 'male'), ('portrait', 'female'), ('style', null), ('object', null)) as v (t, g)$$,
    $$values ('portrait', 'male', 'man'), ('portrait', 'female', 'woman'), ('style', null, 'style'), ('object', null, 'object')$$,
    'kinds of avatars');

select * from finish();
rollback;
