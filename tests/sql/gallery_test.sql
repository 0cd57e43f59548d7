-- The gallery costs the same however long it is: what the program's own statements read is bounded by
-- how far they move, by facets and by days, for every set of filters.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

-- ---------------------------------------------------------------- two galleries

-- One person has twenty thousand images, another ten; many others have been here before.
insert into users (id, telegram_id) overriding system value
select 9000 + n, 9000 + n from generate_series(1, 300) n;
insert into image_facets (user_id, generation_type, aspect_ratio, is_favorite, images)
select 9000 + n, 'imagen4', ratio, false, 30
from generate_series(3, 300) n, unnest(array['1:1', '3:4', '4:3', '9:16', '16:9']) ratio;
insert into image_days (facet_id, day, images)
select id, date '2025-01-01' + n, 1 from image_facets, generate_series(1, 30) n;
insert into avatars (id, user_id, name, gender, training_type, status, diffusers_lora_file_url) values
    ('00000000-0000-4000-8000-00000000a001', 9001, 'Asya', 'female', 'portrait', 'completed', 'https://x'),
    ('00000000-0000-4000-8000-00000000a002', 9001, 'Boris', 'female', 'portrait', 'completed', 'https://x');
create temp table made on commit drop as
select n, md5('g' || n)::uuid as generation_id, md5('i' || n)::uuid as id,
       case when n <= 20000 then 9001 else 9002 end as user_id, n <= 20000 as is_first
from generate_series(1, 20010) n;
insert into image_generations (id, user_id, generation_type, avatar_id, source_model, original_prompt,
                               aspect_ratio, price, status, completed_at, generation_seconds)
select generation_id, user_id, case when n % 10 = 0 then 'avatar' else 'imagen4' end,
       case when is_first and n % 1000 = 0 then '00000000-0000-4000-8000-00000000a001'::uuid
            when is_first and n % 10 = 0 then '00000000-0000-4000-8000-00000000a002'::uuid end,
       'm', case when n % 5000 = 0 then 'рыжие коты на крыше ' || n else 'портрет ' || n end,
       case when n % 500 = 0 then '9:16' else '1:1' end, 5, 'completed', now(), 7
from made;
insert into images (id, generation_id, user_id, position, bucket, object_key, content_type, size_bytes,
                    is_favorite, created_at)
select id, generation_id, user_id, 0, 'images', 'generated/' || id, 'image/png', 10, n % 300 = 0,
       timestamptz '2025-01-01' + n * interval '12 minutes'
from made;
analyze users, images, image_generations, image_facets, image_days, avatars;

-- ---------------------------------------------------------------- what is kept

select is((select count(*)::int from images i join image_generations g on g.id = i.generation_id
           where (i.generation_type, i.aspect_ratio) is distinct from (g.generation_type, g.aspect_ratio)
              or i.avatar_id is distinct from g.avatar_id), 0, 'what is filtered by is the order''s');

create function pg_temp.wrong_counts() returns bigint
language sql as $$
    select (select count(*)
            from image_facets f
            left join (select facet_id, count(*) as images from images group by 1) i on i.facet_id = f.id
            where f.user_id in (9001, 9002) and f.images <> coalesce(i.images, 0))
           + (select count(*)
              from (select d.* from image_days d join image_facets f on f.id = d.facet_id
                    where f.user_id in (9001, 9002)) d
              full join (select facet_id, (created_at at time zone 'UTC')::date as day, count(*) as images
                         from images group by 1, 2) i using (facet_id, day)
              where coalesce(d.images, 0) <> coalesce(i.images, 0))
           + (select count(*)
              from images i
              join image_facets f on f.id = i.facet_id
              where (f.user_id, f.generation_type, f.aspect_ratio, f.is_favorite)
                    is distinct from (i.user_id, i.generation_type, i.aspect_ratio, i.is_favorite)
                 or f.avatar_id is distinct from i.avatar_id)
$$;
select is(pg_temp.wrong_counts(), 0::bigint, 'each image is counted where it belongs');
select ok((select count(*) <= 10 from image_facets where user_id = 9001), 'in a few facets');
update images set is_favorite = not is_favorite where user_id = 9002;
select is(pg_temp.wrong_counts(), 0::bigint, 'so is one that becomes a favourite, or is none any more');
update images set telegram_file_id = 'x' where user_id = 9002;
update images set created_at = created_at - interval '1 day' where user_id = 9002;
select is(pg_temp.wrong_counts(), 0::bigint, 'one that changes in other ways');
delete from images where id = md5('i20001')::uuid;
select is(pg_temp.wrong_counts(), 0::bigint, 'and one that is deleted is not counted');

-- ---------------------------------------------------------------- the program's statements

-- Each is read from where the program takes it, and planned once for any values, as it is after a while.
\set text `awk '/^-- :/ { on = $2 == ":gallery_older" } on && !/^--/' db/sql/gallery.sql`
prepare gallery_older as :text;
\set text `awk '/^-- :/ { on = $2 == ":gallery_newer" } on && !/^--/' db/sql/gallery.sql`
prepare gallery_newer as :text;
\set text `awk '/^-- :/ { on = $2 == ":gallery_filtered_older" } on && !/^--/' db/sql/gallery.sql`
prepare gallery_filtered_older as :text;
\set text `awk '/^-- :/ { on = $2 == ":gallery_filtered_newer" } on && !/^--/' db/sql/gallery.sql`
prepare gallery_filtered_newer as :text;
\set text `awk '/^-- :/ { on = $2 == ":gallery_total" } on && !/^--/' db/sql/gallery.sql`
prepare gallery_total as :text;
\set text `awk '/^-- :/ { on = $2 == ":gallery_above" } on && !/^--/' db/sql/gallery.sql`
prepare gallery_above as :text;
\set text `awk '/^-- :/ { on = $2 == ":gallery_number" } on && !/^--/' db/sql/gallery.sql`
prepare gallery_number as :text;
\set text `awk '/^-- :/ { on = $2 == ":gallery_search_step" } on && !/^--/' db/sql/gallery.sql`
prepare gallery_search_step as :text;
\set text `awk '/^-- :/ { on = $2 == ":gallery_search_above" } on && !/^--/' db/sql/gallery.sql`
prepare gallery_search_above as :text;
\set text `awk '/^-- :/ { on = $2 == ":statistics_read" } on && !/^--/' db/sql/statistics.sql`
prepare statistics_read as :text;
\set text `awk '/^-- :/ { on = $2 == ":statistics_avatars" } on && !/^--/' db/sql/statistics.sql`
prepare statistics_avatars as :text;
\set text `awk '/^-- :/ { on = $2 == ":profile_figures" } on && !/^--/' db/sql/statistics.sql`
prepare profile_figures as :text;

create temp table growing on commit drop as
select unnest(array['images', 'image_generations', 'image_facets', 'image_days', 'spending_days',
                    'ledger_transfers', 'ledger_entries']) as relation;
\ir plans.sql

-- Microseconds of 2025-06-01, in the middle; the whole first id and the last.
\set middle 1748736000000000
\set top 8000000000000000
\set low '''00000000-0000-0000-0000-000000000000'''
\set high '''ffffffff-ffff-ffff-ffff-ffffffffffff'''

create function pg_temp.filters()
returns table (type text, ratio text, starred boolean, avatars text, since bigint, until bigint)
language sql as $$
    select t.*, r.*, s.*, a.*, d.since, d.until
    from (values (''), ('avatar'), ('imagen4')) t (type)
    cross join (values (''), ('9:16')) r (ratio)
    cross join (values (false), (true)) s (starred)
    cross join (values (''), ('00000000-0000-4000-8000-00000000a001'),
                       ('00000000-0000-4000-8000-00000000a001,00000000-0000-4000-8000-00000000a002')) a (avatars)
    cross join (values (0, 0), (1746057600000000 + 12345, 1750000000000000)) d (since, until)
$$;
-- Of one facet and one image, up to ten of each of ten facets: and then the card itself.
create temp table filters on commit drop as
select *, format('9001, %L, %L, %L, %L', type, ratio, starred, avatars) as facets from pg_temp.filters();

-- ---------------------------------------------------------------- pages

select pg_temp.reads(format('gallery_older(9001, %s, %L, 1)', :middle, :low), 5, 'the next page');
select pg_temp.reads(format('gallery_older(9001, %s, %L, 10)', :middle, :low), 14, 'ten pages on');
select pg_temp.reads(format('gallery_newer(9001, %s, %L, 10)', :middle, :low), 14, 'ten pages back');
select pg_temp.reads(format('gallery_older(9001, %s, %L, 1)', :top, :high), 5, 'the first page');
select pg_temp.reads(format('gallery_newer(9001, 0, %L, 1)', :low), 5, 'the last page');
select pg_temp.reads(format('gallery_older(9002, %s, %L, 1)', :top, :high), 5, 'a page of ten images');

-- Whatever the filters, and all of them together.
create temp table calls (what text, call text, most bigint) on commit drop;
insert into calls
select 'older ones of a filter',
       format('gallery_filtered_older(%s, %s, %L, %s, 10)', facets,
              case when until = 0 then :middle else least(until, :middle) end, :low, since), 10 * 10 + 4
from filters
union all
select 'newer ones of a filter',
       format('gallery_filtered_newer(%s, %s, %L, %s, 10)', facets, greatest(since, :middle), :low,
              case when until = 0 then :top else until end), 10 * 10 + 4
from filters;

-- ---------------------------------------------------------------- numbers

-- Every day of the gallery is one row of each facet; of images those of two days are read.
insert into calls
select 'how many a filter lets through', format('gallery_total(%s)', facets), 0
from filters
where since = 0
union all
select 'how many of a time',
       format('gallery_above(%s, %s, %L, %s)', facets, greatest(since, 1), :low,
              case when until = 0 then :top else until end), 10 * 340 + 2 * 120
from filters
where since > 0 or type = ''
union all
select 'the image of a number',
       format('gallery_number(%s, %s, %s, %s)', facets, since,
              case when until = 0 then :top else until end, number), 10 * 340 + 120 + 10 * 120
from filters, unnest(array[1, 5]) number
where since > 0 or type = 'imagen4';
select is_empty(format('select s.* from calls c cross join lateral pg_temp.strays(c.call, c.most) s
                        where c.what = %L', what), what || ': ' || count(*))
from calls
group by what;
select pg_temp.reads(format('gallery_above(9001, '''', '''', false, '''', %s, %L, %s)',
                            extract(epoch from max(created_at))::bigint * 1000000 - 3600 * 1000000::bigint, :low,
                            :top),
                     8 + 120, 'what came lately')
from images where user_id = 9001;
select pg_temp.reads(format('gallery_number(9001, '''', '''', false, '''', 0, %s, 19000)', :top),
                     10 * 340 + 120 + 10 * 120, 'the image of a great number');

-- Right is more than fast: all of that is what counting every image would find.
create function pg_temp.counted(p_filter filters) returns bigint
language plpgsql as $$
declare
    n bigint;
    since_us bigint := greatest(p_filter.since, 1);
begin
    execute case when p_filter.since = 0 then format('execute gallery_total(%s)', p_filter.facets)
                 else format('execute gallery_above(%s, %s, %L, %s)', p_filter.facets, since_us,
                             '00000000-0000-0000-0000-000000000000', p_filter.until) end
    into n;
    return n;
end
$$;

create temp table found on commit drop as
select f.facets, f.since, i.id, i.created_at,
       row_number() over (partition by f.facets, f.since order by i.created_at desc, i.id desc) as number
from filters f
join images i on i.user_id = 9001
  and (f.type = '' or i.generation_type = f.type) and (f.ratio = '' or i.aspect_ratio = f.ratio)
  and (not f.starred or i.is_favorite)
  and (f.avatars = '' or i.avatar_id = any (string_to_array(f.avatars, ',')::uuid[]))
  and (f.since = 0 or i.created_at >= timestamptz 'epoch' + f.since * interval '1 microsecond')
  and (f.until = 0 or i.created_at < timestamptz 'epoch' + f.until * interval '1 microsecond');
select is_empty($$
    select f.facets, f.since, pg_temp.counted(f), n.images
    from filters f
    left join (select facets, since, count(*) as images from found group by 1, 2) n
         on n.facets = f.facets and n.since = f.since
    where pg_temp.counted(f) <> coalesce(n.images, 0)
$$, 'every filter counts what it lets through');

create function pg_temp.numbered(p_filter filters, p_number bigint) returns uuid
language plpgsql as $$
declare
    image record;
begin
    execute format('execute gallery_number(%s, %s, %s, %s)', p_filter.facets, p_filter.since,
                   case when p_filter.until = 0 then 8000000000000000 else p_filter.until end, p_number)
    into image;
    return image.id;
end
$$;
select is_empty($$
    select f.facets, n.number
    from filters f
    join found n on n.facets = f.facets and n.since = f.since
    where (n.number in (1, 2, 77, 78, 500) or n.number % 9999 = 0)
      and pg_temp.numbered(f, n.number) is distinct from n.id
$$, 'and a number leads to its image');

create function pg_temp.walked(p_filter filters, p_steps int) returns uuid[]
language plpgsql as $$
declare
    image record;
    place text := '8000000000000000, ''ffffffff-ffff-ffff-ffff-ffffffffffff''';
    ids uuid[] := '{}';
begin
    if p_filter.until > 0 then
        place := p_filter.until || ', ''00000000-0000-0000-0000-000000000000''';
    end if;
    for step in 1 .. p_steps loop
        execute format('execute gallery_filtered_older(%s, %s, %s, 1)', p_filter.facets, place,
                       p_filter.since) into image;
        exit when image.id is null;
        ids := ids || image.id;
        place := format('%s, %L', image.created_at_us, image.id);
    end loop;
    return ids;
end
$$;
select is_empty($$
    select f.facets, f.since
    from filters f
    where pg_temp.walked(f, 7) <> coalesce((select array_agg(n.id order by n.number) from found n
                                            where n.facets = f.facets and n.since = f.since
                                              and n.number <= 7), '{}')
$$, 'page by page all of them come, and no other');

-- ---------------------------------------------------------------- statistics

select pg_temp.reads('statistics_read(9001, 345, ''ru'')', 200 + 50, 'figures of a long life');
select pg_temp.reads('statistics_avatars(9001, 5)', 30, 'images by avatar');
select pg_temp.reads('profile_figures(9001)', 40, 'the profile');

-- ---------------------------------------------------------------- words

-- What words are found by lies beside the facets: rare ones by their own index, frequent ones along the
-- gallery. Only counting reads all that has them.
create function pg_temp.rows_read() returns bigint
language sql as $$
    select pg_stat_get_xact_tuples_returned('images'::regclass)
           + (select coalesce(sum(pg_stat_get_xact_tuples_returned(indexrelid)), 0)::bigint
              from pg_index where indrelid = 'images'::regclass)
$$;
create function pg_temp.searched(p_words text, p_steps int, p_most bigint, p_what text) returns setof text
language plpgsql as $$
declare
    before bigint := pg_temp.rows_read();
    cost bigint;
begin
    execute format('execute gallery_search_step(9001, '''', '''', false, '''', 0, 0, %L, 1748736000000000,
                    ''00000000-0000-0000-0000-000000000000'', %s)', p_words, p_steps);
    cost := pg_temp.rows_read() - before;
    return next ok(cost <= p_most, format('%s: %s rows of at most %s', p_what, cost, p_most));
end
$$;
select pg_temp.searched('кот крыша', 10, 60, 'rare words');
select pg_temp.searched('кот крыша', -10, 60, 'rare words, newer');
select pg_temp.searched('портрет', 10, 60, 'a word of nearly all');

select is(gallery_words(9001, 'и на'), null, 'nothing is found by words that are everywhere');
select ok(array_to_tsvector(gallery_lexemes(1, 'Рыжий кот на крыше')) @@ gallery_words(1, 'крыша кот'),
          'in any form and order');
select ok(array_to_tsvector(gallery_lexemes(1, 'Рыжий кот')) @@ gallery_words(1, 'рыж'),
          'the beginning of a word');
select ok(not array_to_tsvector(gallery_lexemes(1, 'Рыжий кот')) @@ gallery_words(1, 'кот пёс'),
          'all of the words');
select ok(not array_to_tsvector(gallery_lexemes(11, 'кот')) @@ gallery_words(1, 'кот'),
          'nobody finds what another wrote');
select lives_ok($$select gallery_words(1, 'it''s \ ''a'':* & | ! <-> "x" кот://c:\ a_b-c')$$,
                'whatever is typed');

-- ---------------------------------------------------------------- who goes

-- A deleted avatar leaves its images, and is no filter any more.
delete from avatars where id = '00000000-0000-4000-8000-00000000a001';
select is((select count(*)::int from images where avatar_id = '00000000-0000-4000-8000-00000000a001'),
          0, 'an avatar that is gone is no filter');
select is(pg_temp.wrong_counts(), 0::bigint, 'its images are counted as before');
delete from users where id = 9002;
select is_empty('select from image_facets where user_id = 9002', 'a person leaves no counts');
set constraints all immediate;

select * from finish();
rollback;
