-- The gallery costs the same however long it is: a page reads its own rows from an index.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

insert into users (id, telegram_id) overriding system value
select 9000 + n, 9000 + n from generate_series(1, 3) n;
insert into avatars (id, user_id, name, gender, training_type, status, diffusers_lora_file_url) values
    ('00000000-0000-4000-8000-00000000a001', 9001, 'Asya', 'female', 'portrait', 'completed', 'https://x'),
    ('00000000-0000-4000-8000-00000000a002', 9001, 'Boris', 'female', 'portrait', 'completed', 'https://x');
-- One person has a hundred thousand, another ten thousand with the same words.
create temp table made on commit drop as
select n, md5('g' || n)::uuid as generation_id, md5('i' || n)::uuid as id,
       case when n <= 100000 then 9001 else 9002 end as user_id, n <= 100000 as is_first
from generate_series(1, 110000) n;
insert into image_generations (id, user_id, generation_type, avatar_id, source_model, original_prompt,
                               aspect_ratio, price, status, completed_at)
select generation_id, user_id, case when n % 10 = 0 then 'avatar' else 'imagen4' end,
       case when is_first and n % 1000 = 0 then '00000000-0000-4000-8000-00000000a001'::uuid
            when is_first and n % 10 = 0 then '00000000-0000-4000-8000-00000000a002'::uuid end,
       'm', case when n % 5000 = 0 then 'рыжие коты на крыше ' || n else 'портрет ' || n end,
       case when n % 500 = 0 then '9:16' else '1:1' end, 5, 'completed', now()
from made;
insert into images (id, generation_id, user_id, position, bucket, object_key, content_type, size_bytes,
                    is_favorite, created_at)
select id, generation_id, user_id, 0, 'images', 'generated/' || id, 'image/png', 10, n % 300 = 0,
       timestamptz '2025-01-01' + n * interval '5 minutes'
from made;
analyze images;

-- What is filtered by is the order's.
select is((select count(*)::int from images i join image_generations g on g.id = i.generation_id
           where (i.generation_type, i.aspect_ratio) is distinct from (g.generation_type, g.aspect_ratio)
              or i.avatar_id is distinct from g.avatar_id), 0, 'copied from the order');

-- Rows that the statement reads: of the table and its indexes, as PostgreSQL counts them.
create function pg_temp.rows_read() returns bigint
language sql as $$
    select pg_stat_get_xact_tuples_returned('images'::regclass)
           + (select coalesce(sum(pg_stat_get_xact_tuples_returned(indexrelid)), 0)::bigint
              from pg_index where indrelid = 'images'::regclass)
$$;

-- Steps from the middle.
create function pg_temp.walked(p_steps int, p_type text default null, p_ratio text default null,
                               p_is_favorite boolean default null, p_avatars uuid[] default null,
                               p_since timestamptz default null, p_until timestamptz default null,
                               p_words text default null)
returns table (moved int, cost int)
language plpgsql as $$
declare
    before bigint := pg_temp.rows_read();
    far int;
begin
    select max(w.moved) into far
    from gallery_walk(9001, p_type, p_ratio, p_is_favorite, p_avatars, p_since, p_until,
                      gallery_words(9001, p_words), '2025-06-01',
                      '00000000-0000-0000-0000-000000000000', p_steps) w;
    return query select far, (pg_temp.rows_read() - before)::int;
end
$$;

select ok(moved = 10 and cost <= 40, 'older, without filters: ' || cost || ' rows')
from pg_temp.walked(10);
select ok(moved = 10 and cost <= 40, 'newer, without filters: ' || cost || ' rows')
from pg_temp.walked(-10);
select ok(moved = 10 and cost <= 40, 'by type: ' || cost || ' rows')
from pg_temp.walked(10, p_type => 'avatar');
select ok(moved = 10 and cost <= 40, 'by a rare ratio: ' || cost || ' rows')
from pg_temp.walked(10, p_ratio => '9:16');
select ok(moved = 10 and cost <= 40, 'favourites: ' || cost || ' rows')
from pg_temp.walked(10, p_is_favorite => true);
select ok(moved = 10 and cost <= 40, 'of an avatar: ' || cost || ' rows')
from pg_temp.walked(10, p_avatars => '{00000000-0000-4000-8000-00000000a001}');
select ok(moved = 10 and cost <= 40, 'newer ones of an avatar: ' || cost || ' rows')
from pg_temp.walked(-10, p_avatars => '{00000000-0000-4000-8000-00000000a001}');
select ok(moved = 10 and cost <= 40, 'of a period: ' || cost || ' rows')
from pg_temp.walked(10, p_since => '2025-03-01', p_until => '2025-05-31');
select ok(moved = 8 and cost <= 60, 'by words, the owner''s own: ' || cost || ' rows')
from pg_temp.walked(10, p_words => 'кот крыша');
select ok(cost <= 1000, 'all at once: ' || cost || ' rows')
from pg_temp.walked(10, 'avatar', '9:16', true, '{00000000-0000-4000-8000-00000000a001}',
                    '2025-01-01', '2025-05-31');

-- Words.
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

-- A deleted avatar leaves its images.
delete from avatars where id = '00000000-0000-4000-8000-00000000a001';
select is((select count(*)::int from images where avatar_id = '00000000-0000-4000-8000-00000000a001'),
          0, 'an avatar that is gone is no filter');

select * from finish();
rollback;
