-- Verify aisha:words_lane on pg

begin;

select 1 / count(*)
from pg_constraint
where conname = 'jobs_lane' and convalidated and pg_get_constraintdef(oid) like '%words%';

rollback;
