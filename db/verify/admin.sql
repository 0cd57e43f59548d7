-- Verify aisha:admin on pg

begin;

select token_sha256, telegram_id, expires_at, used_at, created_at from admin_links where false;
select id, telegram_id, csrf, created_at, seen_at, expires_at, revoked_at from admin_sessions where false;
select id, telegram_id, action, subject, details, created_at from admin_audit where false;

do $$
begin
    assert not has_table_privilege('aisha_bot', 'admin_audit', 'update, delete');
    assert not has_table_privilege('aisha_status', 'admin_sessions', 'select');
end $$;

rollback;
