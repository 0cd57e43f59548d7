-- Verify aisha:settings on pg

begin;

select has_function_privilege('aisha_bot', 'zone_minutes(text)', 'execute');
select 1 / (zone_minutes('UTC+5:45') = 345)::int;
select width, height, seed_used, steps from image_cards where false;
select 1 / count(*) from pg_constraint where conname in ('users_timezone', 'user_settings_quality');

rollback;
