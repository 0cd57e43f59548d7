-- Revert aisha:jobs from pg

begin;

set local lock_timeout = '2s';

drop function object_delete_queue();
drop function jobs_prune();
drop function job_die(bigint, int, text);
drop function job_fail(bigint, int, bigint, text);
drop function job_wait(bigint, int, bigint, text);
drop function job_finish(bigint, int);
drop function job_own(bigint, int);
drop table jobs;
drop type jobstate;

commit;
