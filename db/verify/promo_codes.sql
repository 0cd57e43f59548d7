-- Verify aisha:promo_codes on pg

begin;

select id, code, type, balance_amount, bonus_amount, discount_percent, max_uses, max_uses_per_user,
       current_uses, valid_from, valid_until, is_active, created_by, created_at, updated_at
from promo_codes
where false;
select id, promo_code_id, user_id, state, amount_added, bonus_added, package_used, payment_id,
       created_at, expires_at, used_at, returned_at
from promo_code_usages
where false;
select user_id, since, wrong from promo_tries where false;

do $$
begin
    assert (select bool_and(has_function_privilege('aisha_bot', f, 'execute'))
            from (values ('promo_apply(bigint, text, timestamptz)'),
                         ('promo_waiting(bigint, timestamptz)'),
                         ('promo_stop(text)')) as wanted (f));
    assert has_function_privilege('aisha_worker', 'promo_sweep()', 'execute');
    assert not has_table_privilege('aisha_bot', 'promo_code_usages', 'insert, update, delete');
    assert not has_table_privilege('aisha_bot', 'promo_codes', 'update, delete');
end $$;

rollback;
