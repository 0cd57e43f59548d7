-- Deploy aisha:promo_promises to pg
-- requires: promo_codes payment_promises
--
-- A payment is agreed to while the use of the code that its invoice tells of
-- waits. Between that and the payment the code may be stopped, the use may be
-- given back, its place may be taken by somebody else: what was promised is
-- given all the same, above the limit where it must be.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

comment on column promo_codes.current_uses is
    'Used and waiting ones, never above the limit. Uses of people who are erased stay counted.';

-- The use that a payment for p_usage_id settles: itself while it waits; the same code entered once
-- more; itself when it was given back; null when it was settled. Its code is locked.
create function promo_use_to_spend(p_usage_id uuid) returns uuid
language sql stable
set search_path = public, pg_temp
as $$
    select other.id
    from promo_code_usages told
    join promo_code_usages other
      on other.user_id = told.user_id and other.promo_code_id = told.promo_code_id
         and (other.id = told.id or other.state = 'waiting')
    where told.id = p_usage_id and told.state <> 'used'
    order by other.state = 'waiting' desc
    limit 1
$$;

-- Settles a use by a payment for so many coins and credits what it adds; the
-- same payment again gets the same answer. 0: another payment has settled it.
create or replace function promo_spend(p_user_id bigint, p_usage_id uuid, p_payment_id uuid,
                                       p_package_coins bigint, p_now timestamptz)
returns bigint
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    promo promo_codes;
    spent promo_code_usages;
    extra bigint;
begin
    if p_package_coins is null or p_package_coins <= 0 then
        raise exception 'a package of % coins', p_package_coins
            using errcode = 'invalid_parameter_value';
    end if;
    perform ledger_lock(p_user_id);
    select c.* into promo
    from promo_codes c
    join promo_code_usages u on u.promo_code_id = c.id
    where u.id = p_usage_id and u.user_id = p_user_id
    for update of c;
    if not found then
        return 0;
    end if;

    select bonus_added into extra from promo_code_usages where payment_id = p_payment_id;
    if found then
        return extra;
    end if;
    select * into spent from promo_code_usages where id = promo_use_to_spend(p_usage_id);
    if not found then
        return 0;
    end if;

    extra := promo_extra(promo.type, promo_amount(promo), p_package_coins);
    update promo_code_usages
    set state = 'used', used_at = p_now, returned_at = null, payment_id = p_payment_id,
        package_used = p_package_coins, bonus_added = extra
    where id = spent.id;
    if spent.state = 'returned' then
        update promo_codes set current_uses = current_uses + 1, updated_at = now()
        where id = promo.id and (max_uses is null or current_uses < max_uses);
    end if;
    perform ledger_credit(p_user_id, 'promo:' || spent.id, extra, 'promo', 'promo', spent.id);
    return extra;
end $$;

grant execute on function promo_spend to aisha_bot;

commit;
