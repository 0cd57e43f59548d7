-- Links, sessions and the audit log. Hashes travel as hexadecimal text.

-- :admin_link_create writes
insert into admin_links (token_sha256, telegram_id, expires_at)
values (decode($1, 'hex'), $2, now() + $3::bigint * interval '1 second')

-- A row comes back once.
-- :admin_link_use writes
update admin_links
set used_at = now()
where token_sha256 = decode($1, 'hex') and used_at is null and expires_at > now()
returning telegram_id

-- :admin_session_create writes
insert into admin_sessions (id, telegram_id, csrf, expires_at)
values ($1, $2, $3, now() + $4::bigint * interval '1 second')

-- :admin_session_find
select telegram_id, csrf, (extract(epoch from expires_at) * 1000)::bigint as expires_at_ms,
       (extract(epoch from now() - seen_at) * 1000)::bigint as idle_ms
from admin_sessions
where id = $1 and revoked_at is null and expires_at > now()

-- :admin_session_seen writes
update admin_sessions set seen_at = now() where id = $1

-- :admin_session_revoke writes
update admin_sessions set revoked_at = now() where id = $1 and revoked_at is null

-- telegram_id 0 is the operator at the command line.
-- :admin_audit_add writes
insert into admin_audit (telegram_id, action, subject, details)
values (nullif($1::bigint, 0), $2, $3, coalesce($4, '{}')::jsonb)

-- :admin_prune writes
with links as (
    delete from admin_links where expires_at < now() - interval '1 day'
)
delete from admin_sessions where expires_at < now() - interval '1 day'
