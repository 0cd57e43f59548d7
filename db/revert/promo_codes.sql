-- Revert aisha:promo_codes from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop function promo_sweep, promo_stop, promo_waiting, promo_apply, promo_take, promo_lock,
    promo_count_wrong, promo_give_back, promo_amount, promo_extra;
drop table promo_tries, promo_code_usages, promo_codes;
drop function promo_use_gone;
drop type promo_use_state, promo_kind;

commit;
