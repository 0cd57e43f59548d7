-- Verify aisha:image_counts on pg

begin;

select facet_id from images where false;
select facet_id, day, images from image_days where false;
select images_since(0, now()), (select count(*) from gallery_facets(0, null, null, null, null));
select 1 / (count(*) = 1)::int
from pg_index x
join pg_class c on c.oid = x.indexrelid
where c.relname = 'images_facet' and x.indisvalid;

rollback;
