-- Verify aisha:jobs on pg

begin;

select id, lane, kind, key, user_id, subject, payload, state, attempt, failures, run_at,
       leased_until, worker, last_error, created_at, started_at, finished_at
from jobs
where false;

do $$
begin
    assert has_function_privilege('aisha_worker', 'job_finish(bigint, int)', 'execute');
    assert has_function_privilege('aisha_worker', 'job_wait(bigint, int, bigint, text)', 'execute');
    assert has_function_privilege('aisha_worker', 'job_fail(bigint, int, bigint, text)', 'execute');
    assert has_function_privilege('aisha_worker', 'job_die(bigint, int, text)', 'execute');
    assert has_function_privilege('aisha_worker', 'jobs_prune()', 'execute');
    assert not has_function_privilege('aisha_bot', 'job_finish(bigint, int)', 'execute');
end $$;

rollback;
