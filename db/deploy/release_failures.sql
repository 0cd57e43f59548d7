-- Deploy aisha:release_failures to pg
-- requires: ledger
--
-- Why coins came back is said by the line itself. The work that it was for may
-- be deleted by its owner, pruned, or completed after all as a present; what was
-- paid and returned stays, and so does the reason.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create table ledger_failures (
    transfer_id bigint primary key references ledger_transfers,
    failure     text not null check (failure <> '')
);

comment on table ledger_failures is 'Why holds were released, where that was told; only ever added to.';
comment on column ledger_failures.failure is 'A machine word; the statement says it in the user''s language. Never a name.';

create trigger ledger_failures_forever before update or delete or truncate on ledger_failures
    for each statement execute function forbid_change();

-- ledger_release(), with the reason. False: the hold had been captured.
create function ledger_release_for(p_hold_key text, p_failure text) returns boolean
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    if not ledger_release(p_hold_key) then
        return false;
    end if;
    insert into ledger_failures (transfer_id, failure)
    select id, p_failure
    from ledger_transfers
    where idempotency_key = p_hold_key || ':settled' and p_failure <> ''
    on conflict do nothing;
    return true;
end $$;

grant execute on function ledger_release_for to aisha_bot, aisha_worker;
grant select on ledger_failures to aisha_bot, aisha_status;

commit;
