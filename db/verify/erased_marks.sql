-- Verify aisha:erased_marks on pg

begin;

select mark, uses, kept_until from erased_marks where false;
select user_id, promo_code_id, uses from promo_earlier_uses where false;

do $$
begin
    assert has_function_privilege('aisha_bot', 'person_remember(bigint, bytea, date)', 'execute');
    assert has_function_privilege('aisha_bot', 'person_recall(bigint, bytea)', 'execute');
    assert has_function_privilege('aisha_worker', 'erased_marks_prune()', 'execute');
    assert not has_table_privilege('aisha_bot', 'erased_marks', 'select, insert, update, delete');
end $$;

rollback;
