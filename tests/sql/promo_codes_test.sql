-- Promo codes: each limit holds, what waits is given back, coins add up.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

insert into users (telegram_id) values (-1), (-2), (-3);
create function pg_temp.person(telegram bigint) returns bigint language sql as
    'select id from users where telegram_id = $1';
create function pg_temp.enter(telegram bigint, code text, at timestamptz default '2026-06-15 12:00Z')
returns text language sql as
    'select verdict from promo_apply(pg_temp.person($1), $2, $3)';
create function pg_temp.uses(code text) returns bigint language sql as
    'select current_uses from promo_codes p where p.code = $1';
create function pg_temp.coins(telegram bigint) returns bigint language sql as
    'select balance from ledger_balance(pg_temp.person($1))';
create function pg_temp.waits(telegram bigint, at timestamptz default '2026-06-15 12:00Z') returns text
language sql as
    $$select promo_code || ' ' || promo_type || ' ' || amount from promo_waiting(pg_temp.person($1), $2)$$;

insert into promo_codes (code, type, balance_amount, bonus_amount, discount_percent, max_uses,
                         max_uses_per_user, valid_from, valid_until, is_active, created_by)
values ('GIFT', 'balance', 50, null, null, 2, 1, null, null, true, 'test'),
       ('JUNE', 'balance', 5, null, null, null, null, '2026-06-01Z', '2026-07-01Z', true, 'test'),
       ('PLUS', 'bonus', null, 70, null, null, 1, null, '2026-06-17 12:00Z', true, 'test'),
       ('HALF', 'percent', null, null, 50, 1, 2, null, null, true, 'test'),
       ('SHUT', 'balance', 5, null, null, null, null, null, null, false, 'test');

-- What a code can be.
prepare make(text, promo_kind, bigint, bigint, int) as
    insert into promo_codes (code, type, balance_amount, bonus_amount, discount_percent, created_by)
    values ($1, $2, $3, $4, $5, 'test');
select throws_ok($$execute make('GIFT', 'balance', 1, null, null)$$, '23505', null, 'a code is there once');
select throws_ok($$execute make('gift2', 'balance', 1, null, null)$$, '23514', null, 'in upper case');
select throws_ok($$execute make('AB', 'balance', 1, null, null)$$, '23514', null, 'not too short');
select throws_ok($$execute make('A B C', 'balance', 1, null, null)$$, '23514', null, 'a link can carry it');
select throws_ok($$execute make('ZERO', 'balance', 0, null, null)$$, '23514', null, 'it gives something');
select throws_ok($$execute make('BOTH', 'balance', 1, 1, null)$$, '23514', null, 'of one kind');
select throws_ok($$execute make('LOTS', 'percent', null, null, 1001)$$, '23514', null, 'and not without measure');

-- Coins at once.
select is(pg_temp.enter(-1, ' gIft '), 'given', 'any case, and blanks around');
select is(pg_temp.coins(-1), 50::bigint, 'the coins are there');
select is((select reason || ' ' || kind from ledger_transfers where user_id = pg_temp.person(-1)
             and subject = (select id from promo_code_usages where user_id = pg_temp.person(-1))),
          'promo credit', 'the line of the ledger leads to the use');
select is(pg_temp.enter(-1, 'GIFT'), 'used', 'once for a person');
select is(pg_temp.enter(-2, 'GIFT'), 'given', 'another person takes the last one');
select is(pg_temp.enter(-3, 'GIFT'), 'used_up', 'the third comes late');
select is(pg_temp.enter(-1, 'GIFT'), 'used_up', 'the limit of all comes before that of the person');
select is(pg_temp.uses('GIFT'), 2::bigint, 'two were counted');
select is(pg_temp.coins(-3), 0::bigint, 'who was refused has nothing');

-- Whether, and when.
select is(pg_temp.enter(-3, 'NONE'), 'unknown', 'there is no such code');
select is(pg_temp.enter(-3, 'SHUT'), 'unknown', 'nor one that was stopped');
select is(pg_temp.enter(-3, 'JUNE', '2026-05-31 23:59Z'), 'early', 'its time has not come');
select is(pg_temp.enter(-3, 'JUNE', '2026-07-01Z'), 'late', 'its time is over');
select is((select moment from promo_apply(pg_temp.person(-3), 'JUNE', '2026-07-01Z')),
          '2026-07-01Z'::timestamptz, 'since when is said');
select is(pg_temp.enter(-3, 'JUNE', '2026-06-01Z'), 'given', 'from its first moment on');
select is(pg_temp.enter(-3, 'JUNE', '2026-06-30 23:59Z'), 'given', 'to its last, and again where no limit is');

-- Ten wrong ones an hour.
delete from promo_tries;
select is(count(*), 10::bigint, 'ten wrong tries are answered')
from generate_series(1, 10) n where pg_temp.enter(-3, 'GUESS' || n) = 'unknown';
select is(pg_temp.enter(-3, 'JUNE'), 'too_often', 'then none, and be it right');
select is(pg_temp.enter(-3, 'JUNE', '2026-06-15 12:59:59Z'), 'too_often', 'for an hour');
select is(pg_temp.enter(-2, 'JUNE'), 'given', 'others are not held up');
select is(pg_temp.enter(-3, 'JUNE', '2026-06-15 13:00Z'), 'given', 'after the hour it works');
select is(pg_temp.enter(-3, 'NONE', '2026-06-15 13:00Z'), 'unknown', 'and counts anew');
select is((select wrong from promo_tries where user_id = pg_temp.person(-3)), 1, 'from one');

-- What waits for a purchase.
select is(pg_temp.enter(-1, 'PLUS'), 'waits', 'a bonus waits');
select is(pg_temp.waits(-1), 'PLUS bonus 70', 'and is seen');
select is(pg_temp.enter(-1, 'plus'), 'stands', 'entered again it stands');
select is(pg_temp.uses('PLUS'), 1::bigint, 'and counts once');
select is((select moment from promo_apply(pg_temp.person(-1), 'PLUS', '2026-06-15 12:00Z')),
          '2026-06-17 12:00Z'::timestamptz, 'it waits to the end of its period');
select is((select concat_ws(' ', verdict, replaced) from promo_apply(pg_temp.person(-1), 'HALF', '2026-06-15 12:00Z')),
          'waits PLUS', 'a new one takes its place');
select is(pg_temp.uses('PLUS') || ' ' || pg_temp.uses('HALF'), '0 1', 'and the old one is free again');
select is(pg_temp.enter(-2, 'HALF'), 'used_up', 'what waits is counted');
select is((select expires_at from promo_waiting(pg_temp.person(-1), '2026-06-15 12:00Z')),
          '2026-06-22 12:00Z'::timestamptz, 'a week at most');
select is(pg_temp.waits(-1, '2026-06-22 12:00Z'), null, 'then it is not seen');
select is(pg_temp.enter(-1, 'JUNE'), 'given', 'coins at once do not touch it');
select is(pg_temp.waits(-1), 'HALF percent 50', 'it still waits');

-- A purchase.
select id as use from promo_code_usages where user_id = pg_temp.person(-1) and state = 'waiting' \gset
select pg_temp.coins(-1) as before \gset
prepare spend(bigint, uuid, uuid) as select promo_spend(pg_temp.person($1), $2, $3, 250, '2026-06-16Z');
select results_eq(format('execute spend(-2, %L, %L)', :'use', gen_random_uuid()), array[0::bigint],
    'it is nobody else''s');
select results_eq(format($$execute spend(-1, %L, '00000000-0000-0000-0000-000000000001')$$, :'use'),
    array[125::bigint], 'a half of 250 on top');
select results_eq(format($$execute spend(-1, %L, '00000000-0000-0000-0000-000000000001')$$, :'use'),
    array[125::bigint], 'the same payment again is told the same');
select results_eq(format($$execute spend(-1, %L, '00000000-0000-0000-0000-000000000002')$$, :'use'),
    array[0::bigint], 'another payment gets nothing');
select is(pg_temp.coins(-1), :before + 125::bigint, 'and it was credited once');
select is(pg_temp.waits(-1), null, 'nothing waits any more');
select is(pg_temp.uses('HALF'), 1::bigint, 'used counts as waiting did');
select is(pg_temp.enter(-1, 'HALF'), 'used_up', 'and keeps the limit');
select is(promo_extra('percent', 1, 50), 1::bigint, 'a percent of little is one coin');
select is(promo_extra('bonus', 70, 50), 70::bigint, 'a bonus is the same for all');

-- Given back.
select is(pg_temp.enter(-1, 'PLUS', now()), 'late', 'its period is over today');
update promo_codes set valid_until = null where code = 'PLUS';
select is(pg_temp.enter(-1, 'PLUS', now() - interval '8 days'), 'waits', 'somebody took it long ago');
select is(pg_temp.enter(-2, 'PLUS', now()), 'waits', 'somebody else just now');
select is(pg_temp.enter(-3, 'PLUS', now() - interval '7 days 5 minutes'), 'waits', 'and one a week ago');
select is(promo_sweep(), 1::bigint, 'the one that waited too long is given back');
select is(pg_temp.uses('PLUS'), 2::bigint, 'and not counted');
select id as use from promo_code_usages where user_id = pg_temp.person(-3) and state = 'waiting' \gset
select results_eq(format('execute spend(-3, %L, %L)', :'use', gen_random_uuid()), array[70::bigint],
    'a payment that was under way finds its bonus');
select is(promo_sweep(), 0::bigint, 'a second look finds nothing');
select is(pg_temp.enter(-1, 'PLUS', now()), 'waits', 'what was given back can be taken again');
update promo_code_usages set expires_at = now() - interval '1 minute'
where user_id = pg_temp.person(-1) and state = 'waiting';
select is(pg_temp.enter(-1, 'PLUS', now()), 'waits', 'also when the sweep has not come by');
select is(pg_temp.uses('PLUS'), 3::bigint, 'each counted once');
select results_eq($$select * from promo_stop('plus')$$, $$values (true, 2::bigint)$$, 'stopping gives back');
select results_eq($$select * from promo_stop('PLUS')$$, $$values (false, 0::bigint)$$, 'once');
select is_empty($$select * from promo_stop('NOPE')$$, 'nothing is there to stop');
select is(pg_temp.uses('PLUS'), 1::bigint, 'the used one stays counted');
select is(pg_temp.enter(-2, 'PLUS', now()), 'unknown', 'it is not taken again');

-- What an invoice promised is given, whatever became of the use since.
insert into users (telegram_id) values (-11), (-12);
insert into promo_codes (code, type, bonus_amount, max_uses, max_uses_per_user, created_by)
values ('LAST', 'bonus', 30, 1, null, 'test'), ('GONE', 'bonus', 40, null, null, 'test');
select is(pg_temp.enter(-11, 'GONE', now()), 'waits', 'a code is on the invoice');
select id as use from promo_code_usages where user_id = pg_temp.person(-11) and state = 'waiting' \gset
select promo_stop('GONE');
select results_eq(format($$execute spend(-11, %L, '00000000-0000-0000-0000-000000000011')$$, :'use'), array[40::bigint],
    'stopped under way, it is given');
select results_eq(format($$execute spend(-11, %L, '00000000-0000-0000-0000-000000000011')$$, :'use'), array[40::bigint],
    'the same payment again is told the same');
select results_eq(format('execute spend(-11, %L, %L)', :'use', gen_random_uuid()), array[0::bigint], 'once');
select is(pg_temp.uses('GONE'), 1::bigint, 'and counts again');
select is(pg_temp.coins(-11), 40::bigint, 'credited once');
select is(pg_temp.enter(-11, 'LAST', now()), 'waits', 'the last place of another');
select id as use from promo_code_usages where user_id = pg_temp.person(-11) and state = 'waiting' \gset
update promo_code_usages set expires_at = now() - interval '1 hour' where id = :'use';
select is(promo_sweep(), 1::bigint, 'is given back');
select is(pg_temp.enter(-12, 'LAST', now()), 'waits', 'and taken by somebody else');
select results_eq(format('execute spend(-11, %L, %L)', :'use', gen_random_uuid()), array[30::bigint],
    'who was promised it has it');
select is(pg_temp.uses('LAST'), 1::bigint, 'above the limit, which stays');
select is(pg_temp.waits(-12), 'LAST bonus 30', 'and so has the other');
update promo_codes set max_uses = 9 where code = 'LAST';
delete from promo_code_usages where user_id = pg_temp.person(-11);
select is(pg_temp.enter(-11, 'LAST', now()), 'waits', 'a code');
select id as use from promo_code_usages where user_id = pg_temp.person(-11) and state = 'waiting' \gset
update promo_code_usages set expires_at = now() - interval '1 hour' where id = :'use';
select is(pg_temp.enter(-11, 'LAST', now()), 'waits', 'that was given back and entered again');
select results_eq(format($$execute spend(-11, %L, '00000000-0000-0000-0000-000000000012')$$, :'use'), array[30::bigint],
    'is spent once: the one that waits');
select results_eq(format($$execute spend(-11, %L, '00000000-0000-0000-0000-000000000012')$$, :'use'), array[30::bigint],
    'also when the payment is told of again');
select is(pg_temp.waits(-11), null, 'nothing waits any more');
select is((select string_agg(state::text, ' ' order by state) from promo_code_usages where user_id = pg_temp.person(-11)),
    'used returned', 'one is used');

-- A person who goes leaves a place.
update promo_codes set is_active = true where code = 'PLUS';
select is(pg_temp.enter(-2, 'PLUS', now()), 'waits', 'one waits');
delete from users where telegram_id = -2;
select is(pg_temp.uses('PLUS'), 1::bigint, 'and leaves with its person');
select is(pg_temp.uses('GIFT'), 2::bigint, 'what was used stays counted');

-- Who may.
select table_privs_are('promo_codes', 'aisha_bot', array['SELECT', 'INSERT']);
select table_privs_are('promo_code_usages', 'aisha_bot', array['SELECT']);
select table_privs_are('promo_tries', role, array[]::text[], role || ' leaves the tries alone')
from unnest(array['aisha_bot', 'aisha_worker', 'aisha_status']) as role;
select is_empty('select * from ledger_check()', 'the ledger is in order');

select finish();
rollback;
