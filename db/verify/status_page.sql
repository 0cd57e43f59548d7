-- Verify aisha:status_page on pg

begin;

select name, value, made_at from summaries where false;
select 1 / (count(*) = 4)::int
from pg_index x
join pg_class c on c.oid = x.indexrelid
where c.relname in ('image_generations_created_at', 'images_created_at', 'users_username_begins',
                    'users_first_name_begins')
  and x.indisvalid;

rollback;
