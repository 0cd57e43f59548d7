-- Verify aisha:job_turns on pg

begin;

select turn_id from jobs where false;
select 1 / count(*) from pg_trigger where tgname = 'jobs_turn' and tgrelid = 'jobs'::regclass;
select 1 / count(*)
from pg_index x
join pg_class c on c.oid = x.indexrelid
where c.relname = 'jobs_turn_id' and x.indisvalid;

rollback;
