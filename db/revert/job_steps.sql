-- Revert aisha:job_steps from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

comment on column jobs.failures is 'Deaths and refusals; waiting does not count.';

-- Back to the queue without a failure: the other side asked to come later.
create or replace function job_wait(p_id bigint, p_attempt int, p_delay_ms bigint, p_error text) returns void
language plpgsql
set search_path = public, pg_temp
as $$
begin
    perform job_own(p_id, p_attempt);
    update jobs
    set state = 'queued', leased_until = null, last_error = p_error,
        run_at = now() + p_delay_ms * interval '1 millisecond'
    where id = p_id;
end $$;

commit;
