-- Verify aisha:payment_marks on pg

begin;

select compared_at, refund_compared_at from payments where false;
select settled from star_checks where false;

do $$
begin
    assert has_function_privilege('aisha_worker',
        'payments_compare(uuid, timestamptz, bigint, boolean)', 'execute');
    assert not has_function_privilege('aisha_bot',
        'payments_compare(uuid, timestamptz, bigint, boolean)', 'execute');
end $$;

rollback;
