-- Verify aisha:turns on pg

begin;

select bot_id, update_id, user_id, outcome, created_at from turns where false;
select id, bot_id, update_id, user_id, body_sha256, body, reason, attempts, created_at
from parked_updates
where false;

do $$
begin
    assert (select count(*) from pg_inherits where inhparent = 'turns'::regclass) >= 2,
           'a default partition and at least a day';
    assert has_function_privilege('aisha_bot', 'turn_claim(bigint, bigint, bigint)', 'execute');
    assert has_function_privilege('aisha_bot', 'turn_outcome(bigint, bigint, jsonb, bigint)', 'execute');
    assert has_function_privilege('aisha_worker', 'turns_rotate()', 'execute');
    assert not has_table_privilege('aisha_bot', 'turns', 'insert, update, delete');
end $$;

rollback;
