-- Deploy aisha:image_counts to pg
-- requires: gallery
--
-- How many images there are is kept, so that nobody counts a long gallery. Images that are alike in
-- all that is filtered by, but for when they were made and the words, are of one facet. A person has
-- a few dozen of those. Any filter is some of them: its pages are merged from the beginnings of their
-- parts of one index, and its number is the sum of theirs.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create table image_facets (
    id              bigint generated always as identity primary key,
    user_id         bigint not null references users on delete cascade,
    generation_type text not null,
    aspect_ratio    text not null,
    avatar_id       uuid references avatars on delete set null,
    is_favorite     boolean not null,
    images          bigint not null default 0 check (images >= 0)
);

comment on table image_facets is
    'Images of a person that are alike in type, ratio, avatar and being a favourite, and how many there are.';
comment on column image_facets.avatar_id is
    'Null when its avatar is gone, so that two facets may be alike; that harms nothing.';

create index image_facets_user on image_facets (user_id);
create index image_facets_avatar on image_facets (avatar_id) where avatar_id is not null;

create table image_days (
    facet_id bigint not null references image_facets on delete cascade,
    day      date not null,
    images   bigint not null,
    primary key (facet_id, day)
);

comment on table image_days is 'How many images of a facet were made on each day of UTC.';

-- At the end of a transaction, since who is erased goes with all of it in any order.
alter table images add column facet_id bigint
    constraint images_facet_id references image_facets deferrable initially deferred;

create function image_facet(p_user_id bigint, p_type text, p_ratio text, p_avatar_id uuid,
                            p_is_favorite boolean)
returns bigint
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    facet bigint;
begin
    select min(f.id) into facet
    from image_facets f
    where f.user_id = p_user_id and f.generation_type = p_type and f.aspect_ratio = p_ratio
      and f.avatar_id is not distinct from p_avatar_id and f.is_favorite = p_is_favorite;
    if facet is null then
        insert into image_facets (user_id, generation_type, aspect_ratio, avatar_id, is_favorite)
        values (p_user_id, p_type, p_ratio, p_avatar_id, p_is_favorite)
        returning id into facet;
    end if;
    return facet;
end
$$;

-- An avatar that goes takes nothing out of its facet: the facet itself loses it.
create function image_put_facet() returns trigger
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    new.facet_id := image_facet(new.user_id, new.generation_type, new.aspect_ratio, new.avatar_id,
                                new.is_favorite);
    return new;
end
$$;

-- By their names this one comes behind images_order, which copies what it reads.
create trigger images_put_facet before insert or update of is_favorite on images
    for each row execute function image_put_facet();

create function image_counts_add(p_facets bigint[], p_days date[], p_images bigint[]) returns void
language sql
security definer
set search_path = public, pg_temp
as $$
    update image_facets f
    set images = f.images + c.images
    from (select facet_id, sum(images) as images
          from unnest(p_facets, p_images) as c (facet_id, images)
          group by facet_id) as c
    where f.id = c.facet_id;
    insert into image_days as d (facet_id, day, images)
    select c.facet_id, c.day, c.images
    from unnest(p_facets, p_days, p_images) as c (facet_id, day, images)
    join image_facets f on f.id = c.facet_id
    order by c.facet_id, c.day
    on conflict (facet_id, day) do update set images = d.images + excluded.images;
$$;

-- Once for a statement. One that touches neither facet nor date changes no count.
create function images_count() returns trigger
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    facets bigint[];
    days date[];
    numbers bigint[];
begin
    if tg_op = 'INSERT' then
        select array_agg(c.facet_id), array_agg(c.day), array_agg(c.images)
        into facets, days, numbers
        from (select facet_id, (created_at at time zone 'UTC')::date as day, count(*) as images
              from added
              group by 1, 2) as c;
    elsif tg_op = 'DELETE' then
        select array_agg(c.facet_id), array_agg(c.day), array_agg(c.images)
        into facets, days, numbers
        from (select facet_id, (created_at at time zone 'UTC')::date as day, -count(*) as images
              from removed
              where facet_id is not null
              group by 1, 2) as c;
    else
        select array_agg(c.facet_id), array_agg(c.day), array_agg(c.images)
        into facets, days, numbers
        from (select facet_id, (created_at at time zone 'UTC')::date as day, sum(n) as images
              from (select facet_id, created_at, 1 as n from added
                    union all
                    select facet_id, created_at, -1 from removed where facet_id is not null) as moved
              group by 1, 2
              having sum(n) <> 0) as c;
    end if;
    if facets is not null then
        perform image_counts_add(facets, days, numbers);
    end if;
    return null;
end
$$;

create trigger images_count_added after insert on images
    referencing new table as added
    for each statement execute function images_count();
create trigger images_count_changed after update on images
    referencing old table as removed new table as added
    for each statement execute function images_count();
create trigger images_count_removed after delete on images
    referencing old table as removed
    for each statement execute function images_count();

-- The facets of a filter; what is null is not asked for.
create function gallery_facets(p_user_id bigint, p_type text, p_ratio text, p_is_favorite boolean,
                               p_avatars uuid[])
returns table (id bigint, images bigint)
language sql stable rows 10
set search_path = public, pg_temp
as $$
    select f.id, f.images
    from image_facets f
    where f.user_id = p_user_id and f.images > 0
      and (p_type is null or f.generation_type = p_type)
      and (p_ratio is null or f.aspect_ratio = p_ratio)
      and (p_is_favorite is null or f.is_favorite)
      and (p_avatars is null or f.avatar_id = any (p_avatars))
$$;

-- Images made since then: whole days are known, what is left of the first is read.
create function images_since(p_user_id bigint, p_since timestamptz) returns bigint
language sql stable
set search_path = public, pg_temp
as $$
    select (select coalesce(sum(d.images), 0)
            from image_facets f
            join image_days d on d.facet_id = f.id
            where f.user_id = p_user_id and d.day > (p_since at time zone 'UTC')::date)::bigint
           + (select count(*)
              from images i
              where i.user_id = p_user_id and i.created_at >= p_since
                and i.created_at
                    < (date_trunc('day', p_since at time zone 'UTC') + interval '1 day') at time zone 'UTC')
$$;

grant select on image_facets, image_days to aisha_bot, aisha_worker, aisha_status;
grant execute on function gallery_facets, images_since to aisha_bot, aisha_worker;

commit;

-- Apart from the transaction above, which waits for nobody and makes nobody wait. Images that are
-- there get their facets, and are counted by that.
set role aisha_owner;
update images set is_favorite = is_favorite where facet_id is null;
alter table images add constraint images_have_facets check (facet_id is not null) not valid;
alter table images validate constraint images_have_facets;
create index concurrently if not exists images_facet on images (facet_id, created_at desc, id desc);
drop index concurrently if exists images_user_type;
drop index concurrently if exists images_user_ratio;
drop index concurrently if exists images_user_favorite;
reset role;
