-- Verify aisha:summed_ranges on pg

begin;

select 1 / (count(*) = 2)::int
from pg_class
where relname in ('image_generations_created_at', 'images_created_at')
  and 'autosummarize=on' = any (reloptions);

rollback;
