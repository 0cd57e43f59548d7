-- Deploy aisha:gallery to pg
-- requires: settings
--
-- What the gallery is filtered by stands with the image itself, so that one index answers any
-- combination and a page costs the same in a long gallery as in a short one.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

alter table images
    add column generation_type text,
    add column aspect_ratio text,
    add column avatar_id uuid constraint images_avatar_id references avatars on delete set null,
    add column words tsvector;

comment on column images.generation_type is 'This and the next three are copied from the order by a trigger.';
comment on column images.words is
    'The words of the prompt, each behind the number of its owner: a search reads one person''s alone.';

create function gallery_lexemes(p_user_id bigint, p_words text) returns text[]
language sql immutable parallel safe
set search_path = public, pg_temp
as $$
    select coalesce(array_agg(p_user_id || ':' || lexeme), '{}')
    from unnest(tsvector_to_array(to_tsvector('pg_catalog.russian', p_words))) as lexeme
$$;

-- All of the words have to be there, each at least as a beginning. Null when none of them can be
-- searched for.
create function gallery_words(p_user_id bigint, p_words text) returns tsquery
language sql immutable parallel safe
set search_path = public, pg_temp
as $$
    select string_agg('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || ''':*', ' & ')::tsquery
    from unnest(gallery_lexemes(p_user_id, p_words)) as lexeme
$$;

create function image_copy_order() returns trigger
language plpgsql
set search_path = public, pg_temp
as $$
begin
    select g.generation_type, g.aspect_ratio, g.avatar_id,
           array_to_tsvector(gallery_lexemes(new.user_id, g.original_prompt))
    into new.generation_type, new.aspect_ratio, new.avatar_id, new.words
    from image_generations g
    where g.id = new.generation_id;
    return new;
end
$$;

create trigger images_order before insert on images
    for each row execute function image_copy_order();

-- The images of a filter, from a place on, towards older ones or newer ones. What is null is not
-- asked for. Each set of filters has a plan of its own: a general one could use no index but one. One
-- avatar is told from several, since an index is in order for one.
create function gallery_walk(p_user_id bigint, p_type text, p_ratio text, p_is_favorite boolean,
                             p_avatars uuid[], p_since timestamptz, p_until timestamptz,
                             p_words tsquery, p_at timestamptz, p_at_id uuid, p_steps int)
returns table (id uuid, moved bigint)
language plpgsql stable
set search_path = public, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    if p_steps > 0 then
        return query
        select i.id, row_number() over (order by i.created_at desc, i.id desc)
        from images i
        where i.user_id = p_user_id and (i.created_at, i.id) < (p_at, p_at_id)
          and (p_type is null or i.generation_type = p_type)
          and (p_ratio is null or i.aspect_ratio = p_ratio)
          and (p_is_favorite is null or i.is_favorite)
          and (p_avatars is null or cardinality(p_avatars) > 1 or i.avatar_id = p_avatars[1])
          and (p_avatars is null or cardinality(p_avatars) = 1 or i.avatar_id = any (p_avatars))
          and (p_since is null or i.created_at >= p_since)
          and (p_until is null or i.created_at < p_until)
          and (p_words is null or i.words @@ p_words)
        order by i.created_at desc, i.id desc
        limit p_steps;
    else
        return query
        select i.id, row_number() over (order by i.created_at, i.id)
        from images i
        where i.user_id = p_user_id and (i.created_at, i.id) > (p_at, p_at_id)
          and (p_type is null or i.generation_type = p_type)
          and (p_ratio is null or i.aspect_ratio = p_ratio)
          and (p_is_favorite is null or i.is_favorite)
          and (p_avatars is null or cardinality(p_avatars) > 1 or i.avatar_id = p_avatars[1])
          and (p_avatars is null or cardinality(p_avatars) = 1 or i.avatar_id = any (p_avatars))
          and (p_since is null or i.created_at >= p_since)
          and (p_until is null or i.created_at < p_until)
          and (p_words is null or i.words @@ p_words)
        order by i.created_at, i.id
        limit -p_steps;
    end if;
end
$$;

-- How many there are above a place: from the very beginning, all of them.
create function gallery_above(p_user_id bigint, p_type text, p_ratio text, p_is_favorite boolean,
                              p_avatars uuid[], p_since timestamptz, p_until timestamptz,
                              p_words tsquery, p_at timestamptz, p_at_id uuid)
returns bigint
language plpgsql stable
set search_path = public, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    return (
        select count(*)
        from images i
        where i.user_id = p_user_id and (i.created_at, i.id) > (p_at, p_at_id)
          and (p_type is null or i.generation_type = p_type)
          and (p_ratio is null or i.aspect_ratio = p_ratio)
          and (p_is_favorite is null or i.is_favorite)
          and (p_avatars is null or cardinality(p_avatars) > 1 or i.avatar_id = p_avatars[1])
          and (p_avatars is null or cardinality(p_avatars) = 1 or i.avatar_id = any (p_avatars))
          and (p_since is null or i.created_at >= p_since)
          and (p_until is null or i.created_at < p_until)
          and (p_words is null or i.words @@ p_words)
    );
end
$$;

grant execute on function gallery_lexemes, gallery_words, gallery_walk, gallery_above
    to aisha_bot, aisha_worker;

commit;

-- Apart from the transaction above, which waits for nobody and makes nobody wait.
set role aisha_owner;
update images i
set generation_type = g.generation_type, aspect_ratio = g.aspect_ratio, avatar_id = g.avatar_id,
    words = array_to_tsvector(gallery_lexemes(i.user_id, g.original_prompt))
from image_generations g
where g.id = i.generation_id and i.generation_type is null;
create index concurrently if not exists images_gallery on images (user_id, created_at desc, id desc)
    include (generation_type, aspect_ratio, avatar_id, is_favorite);
create index concurrently if not exists images_user_type
    on images (user_id, generation_type, created_at desc, id desc);
create index concurrently if not exists images_user_ratio
    on images (user_id, aspect_ratio, created_at desc, id desc);
create index concurrently if not exists images_user_avatar
    on images (avatar_id, created_at desc, id desc) where avatar_id is not null;
create index concurrently if not exists images_words on images using gin (words);
reset role;
