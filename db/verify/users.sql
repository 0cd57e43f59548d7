-- Verify aisha:users on pg

begin;

select id, telegram_id, first_name, last_name, username, language_code, timezone, is_premium,
       is_blocked, unreachable_at, created_at, updated_at
from users
where false;

select user_id, default_aspect_ratio, default_image_count, default_quality, quick_generation_mode,
       auto_enhance_prompts, show_technical_details, notify_avatars, notify_balance,
       notify_generations, notify_updates, notify_promo, notify_tips, created_at, updated_at
from user_settings
where false;

do $$
begin
    assert (select tableowner from pg_tables where tablename = 'users') = 'aisha_owner';
    assert not has_table_privilege('aisha_bot', 'users', 'delete');
end $$;

rollback;
