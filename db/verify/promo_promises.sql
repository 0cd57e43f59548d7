-- Verify aisha:promo_promises on pg

begin;

do $$
begin
    assert has_function_privilege('aisha_bot',
        'promo_spend(bigint, uuid, uuid, bigint, timestamptz)', 'execute');
end $$;

rollback;
