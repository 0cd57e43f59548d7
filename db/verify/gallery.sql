-- Verify aisha:gallery on pg

begin;

select generation_type, aspect_ratio, avatar_id, words from images where false;
select gallery_above(0, null, null, null, null, null, null, gallery_words(0, 'x'), '-infinity',
                     '00000000-0000-0000-0000-000000000000');
select 1 / (count(*) = 3)::int
from pg_index x
join pg_class c on c.oid = x.indexrelid
where c.relname in ('images_gallery', 'images_user_avatar', 'images_words')
  and x.indisvalid;

rollback;
