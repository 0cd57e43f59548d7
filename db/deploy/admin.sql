-- Deploy aisha:admin to pg
--
-- Secrets are kept as hashes; the token of a link and the cookie of a session
-- exist only in the hands of the admin.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create table admin_links (
    token_sha256 bytea primary key check (length(token_sha256) = 32),
    telegram_id  bigint not null,
    expires_at   timestamptz not null,
    used_at      timestamptz,
    created_at   timestamptz not null default now()
);

comment on table admin_links is 'Links to the status page; each opens it once.';

create table admin_sessions (
    id          uuid primary key,
    telegram_id bigint not null,
    csrf        text not null,
    created_at  timestamptz not null default now(),
    seen_at     timestamptz not null default now(),
    expires_at  timestamptz not null,
    revoked_at  timestamptz
);

comment on table admin_sessions is 'Admins who are on the status page now.';

create index admin_sessions_admin on admin_sessions (telegram_id);

create table admin_audit (
    id          bigint generated always as identity primary key,
    telegram_id bigint,
    action      text not null,
    subject     text,
    details     jsonb not null default '{}',
    created_at  timestamptz not null default now()
);

comment on table admin_audit is 'What admins and operators did. Only ever added to.';
comment on column admin_audit.telegram_id is 'Null: the operator, at the command line.';

create index admin_audit_created_at on admin_audit (created_at desc, id desc);

create trigger admin_audit_forever before update or delete or truncate on admin_audit
    for each statement execute function forbid_change();

grant select, insert, update on admin_links, admin_sessions to aisha_bot;
grant select, insert on admin_audit to aisha_bot, aisha_worker;
grant select, delete on admin_links, admin_sessions to aisha_worker;
grant select on admin_audit to aisha_status;

commit;
