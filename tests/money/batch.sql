-- What the clients of property_test call. A batch is a list of operations on
-- coins, done one after another in the caller's transaction. Each is answered
-- by the SQLSTATE it ended with, by what it returned, and by the newest
-- transfer of its person just before and just after it.

create function money_newest(p_user_id bigint) returns bigint
language sql volatile security definer
set search_path = public, pg_temp
as $$
    select coalesce(max(newest.transfer_id), 0)
    from ledger_accounts a
    cross join lateral (select e.transfer_id from ledger_entries e
                        where e.account_id = a.id
                        order by e.transfer_id desc limit 1) newest
    where a.user_id = p_user_id
$$;

-- Clients do here what the roles of the bot and the worker may do only in part.
grant execute on function ledger_credit, ledger_debit, ledger_hold to aisha_bot, aisha_worker;

-- A batch that a deadlock or a lost server ends is no answer: it is done again as a whole.
create function money_batch(p_operations jsonb)
returns table (state text, answer boolean, newest_before bigint, newest_after bigint)
language plpgsql
set search_path = public, pg_temp
as $$
declare
    o record;
begin
    for o in
        select * from jsonb_to_recordset(p_operations)
            as o (verb text, person bigint, key text, coins bigint, source text, reason text, subject uuid)
    loop
        newest_before := money_newest(o.person);
        state := '00000';
        begin
            case o.verb
            when 'credit' then
                answer := ledger_credit(o.person, o.key, o.coins, o.source::ledger_account_kind, o.reason, o.subject);
            when 'debit' then
                answer := ledger_debit(o.person, o.key, o.coins, o.source::ledger_account_kind, o.reason, o.subject);
            when 'hold' then
                answer := ledger_hold(o.person, o.key, o.coins, o.subject, o.reason);
            when 'capture' then
                answer := ledger_capture(o.key, o.coins);
            when 'release' then
                answer := ledger_release(o.key);
            end case;
        exception when others then
            if sqlstate like '40%' then
                raise;
            end if;
            state := sqlstate;
            answer := null;
        end;
        newest_after := money_newest(o.person);
        return next;
    end loop;
end $$;

grant execute on function money_newest, money_batch to aisha_bot, aisha_worker;
