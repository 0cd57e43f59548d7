-- Who leaves and comes back: not welcomed twice, no code used twice, and no name kept for it.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

create function pg_temp.person(p_telegram_id bigint) returns bigint language sql as
    'select id from users where telegram_id = p_telegram_id';
create function pg_temp.key(p_telegram_id bigint) returns bytea language sql as
    $$select sha256(convert_to('secret ' || p_telegram_id, 'UTF8'))$$;
create function pg_temp.come(p_telegram_id bigint) returns boolean language plpgsql as $$
begin
    insert into users (telegram_id) values (p_telegram_id);
    return person_recall(pg_temp.person(p_telegram_id), pg_temp.key(p_telegram_id));
end $$;
create function pg_temp.leave(p_telegram_id bigint, p_until date) returns void language plpgsql as $$
begin
    perform person_remember(pg_temp.person(p_telegram_id), pg_temp.key(p_telegram_id), p_until);
    delete from users where telegram_id = p_telegram_id;
end $$;
create function pg_temp.enter(p_telegram_id bigint, p_code text) returns text language sql as
    'select verdict from promo_apply(pg_temp.person(p_telegram_id), p_code, now())';

insert into promo_codes (code, type, balance_amount, bonus_amount, max_uses_per_user, created_by)
values ('ONCE', 'balance', 5, null, 1, 'test'), ('TWICE', 'balance', 5, null, 2, 'test'),
       ('NEXT', 'bonus', null, 5, 1, 'test'), ('ANY', 'balance', 5, null, null, 'test');

select ok(not pg_temp.come(-1), 'somebody who comes for the first time is welcome');
select pg_temp.leave(-1, current_date + 30);
select is((select count(*) from erased_marks), 0::bigint, 'of somebody who was given nothing, nothing is kept');
select ok(not pg_temp.come(-1), 'who can come back as anybody');
select ledger_credit(pg_temp.person(-1), 'welcome:' || pg_temp.person(-1), 10, 'promo', 'welcome');
select is(pg_temp.enter(-1, code), 'given', code || ' is used')
from unnest(array['ONCE', 'TWICE', 'ANY']) as code;
select is(pg_temp.enter(-1, 'NEXT'), 'waits', 'NEXT only waits');
select pg_temp.leave(-1, current_date + 30);
select is((select count(*) from erased_marks), 5::bigint, 'marks of the person, the welcome and three codes');

select ok(not pg_temp.come(-2), 'somebody else is not mistaken for him');
select is(pg_temp.enter(-2, 'ONCE'), 'given', 'and uses a code');
select ok(pg_temp.come(-1), 'who comes back has been welcomed');
select is(pg_temp.enter(-1, 'ONCE'), 'used', 'a code for once is used');
select is(pg_temp.enter(-1, 'TWICE'), 'given', 'one for twice once more');
select is(pg_temp.enter(-1, 'TWICE'), 'used', 'and no more');
select is(pg_temp.enter(-1, 'NEXT'), 'waits', 'what only waited can be had');
select is(pg_temp.enter(-1, 'ANY'), 'given', 'and what has no limit');

-- A second time: nothing that was known is lost, and it lasts longer.
select pg_temp.leave(-1, current_date + 40);
select is((select count(*) from erased_marks where kept_until = current_date + 40), 5::bigint, 'all are kept longer');
select ok(pg_temp.come(-1), 'back again, welcomed long ago');
select is(pg_temp.enter(-1, code), 'used', code || ' is used up')
from unnest(array['ONCE', 'TWICE']) as code;
select pg_temp.leave(-1, current_date + 5);
select is((select count(*) from erased_marks where kept_until = current_date + 40), 5::bigint, 'never shorter');

-- One who was never welcomed is when there are coins.
select pg_temp.leave(-2, current_date + 30);
select ok(not pg_temp.come(-2), 'nothing was given to him at first');

-- It ends.
select is(erased_marks_prune(), 0::bigint, 'kept for its time');
update erased_marks set kept_until = (now() at time zone 'UTC')::date - 1;
select is(erased_marks_prune(), 7::bigint, 'and no longer');
select ok(not pg_temp.come(-1), 'then he is somebody new');
select is(pg_temp.enter(-1, 'ONCE'), 'given', 'to codes as well');

-- Nobody reads it, and it names nobody.
select table_privs_are('erased_marks', role, '{}', role || ' sees no mark')
from unnest(array['aisha_bot', 'aisha_worker', 'aisha_status']) as role;
select columns_are('erased_marks', array['mark', 'uses', 'kept_until']);
select function_privs_are(name, parameters, role, case when can then array['EXECUTE'] else '{}' end, role || ' and ' || name)
from (values ('person_remember', array['bigint', 'bytea', 'date'], 'aisha_bot', true),
             ('person_remember', array['bigint', 'bytea', 'date'], 'aisha_worker', false),
             ('person_recall', array['bigint', 'bytea'], 'aisha_bot', true),
             ('person_recall', array['bigint', 'bytea'], 'aisha_worker', false),
             ('erased_marks_prune', '{}', 'aisha_bot', false),
             ('erased_marks_prune', '{}', 'aisha_worker', true)) as wanted (name, parameters, role, can);

select finish();
rollback;
