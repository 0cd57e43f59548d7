-- Verify aisha:summed_ranges on pg

begin;

select 1 / (count(*) = 2)::int
from pg_index x
join pg_class c on c.oid = x.indexrelid
join pg_am m on m.oid = c.relam
where c.relname in ('image_generations_created_at', 'images_created_at')
  and m.amname = 'brin' and 'autosummarize=on' = any (c.reloptions) and x.indisvalid;

rollback;
