-- Deploy aisha:styles to pg
-- requires: generations avatars exports erasures
--
-- Styles: descriptions of images that come with the product. An operator keeps
-- them in a file; what is in here is that file as it was last loaded, and how
-- people use it.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create table style_categories (
    id       text primary key,
    position int not null,
    icon     text not null,
    name_ru  text not null,
    name_en  text not null
);

comment on table style_categories is 'The first level of the catalogue of styles.';

create table style_subcategories (
    id          text primary key,
    category_id text not null references style_categories,
    position    int not null,
    icon        text not null,
    name_ru     text not null,
    name_en     text not null
);

comment on table style_subcategories is 'The second level of the catalogue of styles.';

create index style_subcategories_category on style_subcategories (category_id);

create table style_templates (
    id             text primary key,
    subcategory_id text references style_subcategories,
    position       int not null,
    icon           text not null,
    title_ru       text not null,
    title_en       text not null,
    description_ru text not null,
    description_en text not null,
    prompt         text not null,
    avatars        text[] not null,
    search_ru      tsvector not null,
    search_en      tsvector not null,
    popularity     bigint not null default 0,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    retired_at     timestamptz,
    constraint style_templates_avatars
        check (avatars <> '{}' and avatars <@ '{man,woman,style,object}'),
    constraint style_templates_place check ((subcategory_id is null) = (retired_at is not null))
);

comment on table style_templates is 'Styles: what is asked of the model, and what people read of it.';
comment on column style_templates.prompt is 'In English, with {avatar} where the avatar goes.';
comment on column style_templates.avatars is 'Kinds of avatars that it suits, as avatar_kind() tells them.';
comment on column style_templates.popularity is 'Orders with it that ended in images.';
comment on column style_templates.retired_at is
    'Since when it is not in the file any more. It stays while orders name it, so that they can be repeated.';

create index style_templates_subcategory on style_templates (subcategory_id, position);

create table user_favorite_templates (
    user_id     bigint not null references users on delete cascade,
    template_id text not null references style_templates on delete cascade,
    created_at  timestamptz not null default now(),
    primary key (user_id, template_id)
);

comment on table user_favorite_templates is 'Styles that people keep at hand.';

create index user_favorite_templates_template on user_favorite_templates (template_id);

alter table image_generations
    add constraint image_generations_template_id foreign key (template_id) references style_templates
    not valid;
alter table image_generations validate constraint image_generations_template_id;

comment on column image_generations.template_id is 'The style that it was ordered with.';

create function avatar_kind(p_training_type avatartrainingtype, p_gender avatargender) returns text
language sql immutable parallel safe
set search_path = public, pg_temp
as $$
    select case when p_training_type <> 'portrait' then p_training_type::text
                when p_gender = 'female' then 'woman'
                else 'man' end
$$;

create or replace view avatar_cards as
select a.id, a.user_id, a.name, a.gender, a.training_type, a.status,
       a.status in ('draft', 'photos_uploading', 'ready_for_training') as is_draft,
       avatar_takes_photos(a.status) as takes_photos, a.is_main,
       a.photos_count, a.generations_count, a.training_progress,
       coalesce(a.trigger_phrase, a.trigger_word) as trigger,
       coalesce(f.fal_url, a.diffusers_lora_file_url) as lora_url, a.photo_key, a.preview_key,
       coalesce(i.telegram_file_id, p.telegram_file_id) as picture_file_id, a.created_at,
       (extract(epoch from a.created_at) * 1000000)::bigint as created_at_us,
       avatar_kind(a.training_type, a.gender) as kind
from avatars a
left join avatar_files f on f.avatar_id = a.id and f.kind = 'lora'
left join images i on i.user_id = a.user_id and i.object_key = a.preview_key
left join avatar_photos p on p.avatar_id = a.id and p.object_key = a.photo_key;

-- ---------------------------------------------------------------- search

create function style_config(p_language text) returns regconfig
language sql immutable parallel safe
set search_path = public, pg_temp
as $$
    select case p_language when 'en' then 'pg_catalog.english' else 'pg_catalog.russian' end::regconfig
$$;

create function style_vector(p_language text, p_title text, p_description text, p_places text)
returns tsvector
language sql immutable parallel safe
set search_path = public, pg_temp
as $$
    select setweight(to_tsvector(style_config(p_language), p_title), 'A')
        || setweight(to_tsvector(style_config(p_language), p_places), 'B')
        || setweight(to_tsvector(style_config(p_language), p_description), 'C')
$$;

-- All of the words have to be there, each at least as a beginning. Null when none of them can be
-- searched for.
create function style_query(p_language text, p_words text) returns tsquery
language sql immutable parallel safe
set search_path = public, pg_temp
as $$
    select string_agg('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || ''':*', ' & ')::tsquery
    from unnest(tsvector_to_array(to_tsvector(style_config(p_language), p_words))) as lexeme
$$;

-- ---------------------------------------------------------------- loading

-- Makes the catalogue what the file says, which `aisha styles load` has read and checked. What the
-- file does not have any more goes, but for templates that orders name: those are retired.
create function styles_load(p_catalogue jsonb, out added int, out changed int, out retired int,
                            out removed int, out unchanged int)
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    lock table style_categories in share row exclusive mode;

    insert into style_categories (id, position, icon, name_ru, name_en)
    select c.id, c.position, c.icon, c.name_ru, c.name_en
    from jsonb_to_recordset(p_catalogue -> 'categories')
         as c (id text, position int, icon text, name_ru text, name_en text)
    on conflict (id) do update
    set position = excluded.position, icon = excluded.icon, name_ru = excluded.name_ru,
        name_en = excluded.name_en;

    insert into style_subcategories (id, category_id, position, icon, name_ru, name_en)
    select s.id, s.category, s.position, s.icon, s.name_ru, s.name_en
    from jsonb_to_recordset(p_catalogue -> 'subcategories')
         as s (id text, category text, position int, icon text, name_ru text, name_en text)
    on conflict (id) do update
    set category_id = excluded.category_id, position = excluded.position, icon = excluded.icon,
        name_ru = excluded.name_ru, name_en = excluded.name_en;

    with file as (
        select t.*,
               style_vector('ru', t.title_ru, t.description_ru, c.name_ru || ' ' || s.name_ru) as search_ru,
               style_vector('en', t.title_en, t.description_en, c.name_en || ' ' || s.name_en) as search_en
        from jsonb_to_recordset(p_catalogue -> 'templates')
             as t (id text, subcategory text, position int, icon text, title_ru text, title_en text,
                   description_ru text, description_en text, prompt text, avatars text[])
        join style_subcategories s on s.id = t.subcategory
        join style_categories c on c.id = s.category_id
    ), written as (
        insert into style_templates as old (id, subcategory_id, position, icon, title_ru, title_en,
                                            description_ru, description_en, prompt, avatars,
                                            search_ru, search_en)
        select id, subcategory, position, icon, title_ru, title_en, description_ru, description_en,
               prompt, avatars, search_ru, search_en
        from file
        on conflict (id) do update
        set subcategory_id = excluded.subcategory_id, position = excluded.position,
            icon = excluded.icon, title_ru = excluded.title_ru, title_en = excluded.title_en,
            description_ru = excluded.description_ru, description_en = excluded.description_en,
            prompt = excluded.prompt, avatars = excluded.avatars, search_ru = excluded.search_ru,
            search_en = excluded.search_en, updated_at = now(), retired_at = null
        where (old.subcategory_id, old.position, old.icon, old.title_ru, old.title_en,
               old.description_ru, old.description_en, old.prompt, old.avatars, old.search_ru,
               old.search_en)
              is distinct from
              (excluded.subcategory_id, excluded.position, excluded.icon, excluded.title_ru,
               excluded.title_en, excluded.description_ru, excluded.description_en, excluded.prompt,
               excluded.avatars, excluded.search_ru, excluded.search_en)
        returning xmax = 0 as is_new
    )
    select count(*) filter (where is_new), count(*) filter (where not is_new),
           (select count(*) from file) - count(*)
    into added, changed, unchanged
    from written;

    with gone as (
        delete from style_templates t
        where not exists (select from jsonb_to_recordset(p_catalogue -> 'templates') as f (id text)
                          where f.id = t.id)
          and not exists (select from image_generations g where g.template_id = t.id)
        returning t.id
    )
    select count(*) into removed from gone;

    with gone as (
        update style_templates t
        set retired_at = now(), subcategory_id = null, updated_at = now()
        where t.retired_at is null
          and not exists (select from jsonb_to_recordset(p_catalogue -> 'templates') as f (id text)
                          where f.id = t.id)
        returning t.id
    )
    select count(*) into retired from gone;

    delete from style_subcategories s
    where not exists (select from jsonb_to_recordset(p_catalogue -> 'subcategories') as f (id text)
                      where f.id = s.id);
    delete from style_categories c
    where not exists (select from jsonb_to_recordset(p_catalogue -> 'categories') as f (id text)
                      where f.id = c.id);
end
$$;

-- ---------------------------------------------------------------- figures

-- The style that a person has most images of, also one that is retired by now. No row: none.
create function style_most_used(p_user_id bigint, p_language text)
returns table (template_id text, title text, orders bigint)
language sql stable
set search_path = public, pg_temp
as $$
    select t.id, case p_language when 'en' then t.title_en else t.title_ru end, most.orders
    from (select g.template_id, count(*) as orders
          from image_generations g
          where g.user_id = p_user_id and g.template_id is not null and g.status = 'completed'
          group by g.template_id
          order by count(*) desc, g.template_id
          limit 1) as most
    join style_templates t on t.id = most.template_id
$$;

grant select on style_categories, style_subcategories, style_templates
    to aisha_bot, aisha_worker, aisha_status;
grant update (popularity) on style_templates to aisha_worker;
grant select, insert, delete on user_favorite_templates to aisha_bot;
grant select on user_favorite_templates to aisha_worker, aisha_status;
grant execute on function avatar_kind to aisha_bot, aisha_worker, aisha_status;
grant execute on function style_config, style_query, style_most_used to aisha_bot, aisha_worker;
grant execute on function styles_load to aisha_bot;

commit;

-- Apart from the transaction above, which waits for nobody and makes nobody wait.
set role aisha_owner;
create index concurrently if not exists image_generations_template
    on image_generations (template_id) where template_id is not null;
create index concurrently if not exists image_generations_user_template
    on image_generations (user_id, template_id)
    where template_id is not null and status = 'completed';
reset role;
