-- Verify aisha:job_steps on pg

begin;

do $$
begin
    assert has_function_privilege('aisha_worker', 'job_wait(bigint, int, bigint, text)', 'execute');
    assert (select prosrc like '%failures = case%' from pg_proc where proname = 'job_wait');
end $$;

rollback;
