-- Deploy aisha:job_steps to pg
-- requires: jobs
--
-- A job that is run again and again, because FAL is asked how a training is
-- doing, is hundreds of steps. Failures are counted of one step: one that went
-- well ends the count, so that five mishaps in three hours do not end what is
-- well, and five in a row do.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

comment on column jobs.failures is
    'Deaths and refusals since a step went well; waiting does not count.';

-- Back to the queue without a failure: the other side asked to come later, or, without an error, the
-- step went well and is to be run again.
create or replace function job_wait(p_id bigint, p_attempt int, p_delay_ms bigint, p_error text)
returns void
language plpgsql
set search_path = public, pg_temp
as $$
begin
    perform job_own(p_id, p_attempt);
    update jobs
    set state = 'queued', leased_until = null, last_error = p_error,
        failures = case when p_error is null then 0 else failures end,
        run_at = now() + p_delay_ms * interval '1 millisecond'
    where id = p_id;
end $$;

commit;
