-- Admins: a link opens once and not late; what was done stays written.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

insert into admin_links (token_sha256, telegram_id, expires_at)
values (sha256('fresh'), 7, now() + interval '5 minutes'), (sha256('late'), 7, now() - interval '1 second');
prepare use_link(bytea) as
    update admin_links set used_at = now()
    where token_sha256 = $1 and used_at is null and expires_at > now()
    returning telegram_id;
select results_eq($$execute use_link(sha256('fresh'))$$, array[7::bigint], 'a link opens');
select is_empty($$execute use_link(sha256('fresh'))$$, 'once');
select is_empty($$execute use_link(sha256('late'))$$, 'and not when it is late');
select is_empty($$execute use_link(sha256('guessed'))$$, 'nor when it is made up');
select throws_ok($$insert into admin_links values ('\x00', 7, now())$$, '23514', null,
    'only hashes are kept');

insert into admin_audit (telegram_id, action) values (7, 'user.blocked'), (null, 'config.checked');
select throws_ok('update admin_audit set action = action', '42501', null, 'the log is not rewritten');
select throws_ok('delete from admin_audit', '42501', null, 'nor shortened');
select throws_ok('truncate admin_audit', '42501', null, 'nor emptied');

-- Keys are asked for once a minute.
prepare ask as
    insert into jwks (source, requested_at) values ('https://fal.test/jwks', now())
    on conflict (source) do update set requested_at = now()
    where jwks.requested_at is null or jwks.requested_at < now() - interval '1 minute'
    returning source;
select isnt_empty('execute ask', 'keys are asked for');
select is_empty('execute ask', 'once a minute');
update jwks set requested_at = now() - interval '61 seconds';
select isnt_empty('execute ask', 'and again after that');

select finish();
rollback;
