-- Verify aisha:people_found on pg

begin;

select 1 / (count(*) = 2)::int
from pg_index x
join pg_class c on c.oid = x.indexrelid
where c.relname in ('users_name_begins', 'users_last_name_begins') and x.indisvalid;

rollback;
