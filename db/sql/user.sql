-- People and their settings. The programs see a person always as a whole:
-- row, settings and coins, in the columns of user_by_telegram.

-- :user_by_telegram
select u.id, u.telegram_id, u.first_name, u.last_name, u.username, u.language_code, u.timezone,
       substr(u.timezone, 4)::int as utc_offset_hours, u.is_premium, u.is_blocked,
       u.unreachable_at is not null as is_unreachable,
       (extract(epoch from u.created_at) * 1000)::bigint as created_at_ms,
       l.balance, l.held,
       s.default_aspect_ratio, s.default_image_count, s.default_quality, s.quick_generation_mode,
       s.auto_enhance_prompts, s.show_technical_details, s.notify_avatars, s.notify_balance,
       s.notify_generations, s.notify_updates, s.notify_promo, s.notify_tips
from users u
join user_settings s on s.user_id = u.id
cross join ledger_balance(u.id) as l
where u.telegram_id = $1

-- :user_by_id
select u.id, u.telegram_id, u.first_name, u.last_name, u.username, u.language_code, u.timezone,
       substr(u.timezone, 4)::int as utc_offset_hours, u.is_premium, u.is_blocked,
       u.unreachable_at is not null as is_unreachable,
       (extract(epoch from u.created_at) * 1000)::bigint as created_at_ms,
       l.balance, l.held,
       s.default_aspect_ratio, s.default_image_count, s.default_quality, s.quick_generation_mode,
       s.auto_enhance_prompts, s.show_technical_details, s.notify_avatars, s.notify_balance,
       s.notify_generations, s.notify_updates, s.notify_promo, s.notify_tips
from users u
join user_settings s on s.user_id = u.id
cross join ledger_balance(u.id) as l
where u.id = $1

-- Somebody who writes to us can be reached again. The language is taken from
-- Telegram once; from then on it is a setting. xmax is zero in a row that was
-- inserted and not updated.
-- :user_put writes
with put as (
    insert into users (telegram_id, first_name, last_name, username, language_code, is_premium)
    values ($1, $2, nullif($3, ''), nullif($4, ''), $5, $6)
    on conflict (telegram_id) do update
    set first_name = excluded.first_name, last_name = excluded.last_name,
        username = excluded.username, is_premium = excluded.is_premium, unreachable_at = null,
        updated_at = now()
    returning id, xmax = 0 as is_new
), preferring as (
    insert into user_settings (user_id)
    select id from put where is_new
)
select id, is_new from put

-- :user_set_language writes
update users set language_code = $2, updated_at = now() where id = $1

-- :user_set_timezone writes
update users set timezone = $2, updated_at = now() where id = $1

-- :user_set_blocked writes
update users set is_blocked = $2, updated_at = now() where id = $1

-- :user_mark_unreachable writes
update users set unreachable_at = now(), updated_at = now()
where telegram_id = $1 and unreachable_at is null

-- :user_mark_reachable writes
update users set unreachable_at = null, updated_at = now()
where telegram_id = $1 and unreachable_at is not null

-- :user_settings_put writes
update user_settings
set default_aspect_ratio = $2, default_image_count = $3, default_quality = $4,
    quick_generation_mode = $5, auto_enhance_prompts = $6, show_technical_details = $7,
    notify_avatars = $8, notify_balance = $9, notify_generations = $10, notify_updates = $11,
    notify_promo = $12, notify_tips = $13, updated_at = now()
where user_id = $1

-- Everything that hangs on the person goes with the row; turns have no foreign
-- key. Ledger lines stay, under a number that names nobody any more.
-- :user_erase writes
with turned as (
    delete from turns where user_id = $1
)
delete from users where id = $1 returning id

-- For admins: a Telegram id, a user name, or the beginning of either name.
-- :user_search
select u.id, u.telegram_id, u.first_name, u.last_name, u.username, u.language_code, u.is_blocked,
       u.unreachable_at is not null as is_unreachable,
       (extract(epoch from u.created_at) * 1000)::bigint as created_at_ms, l.balance, l.held
from users u
cross join lateral ledger_balance(u.id) as l
where $1::text = ''
   or u.telegram_id::text = $1
   or lower(u.username) = lower(ltrim($1, '@'))
   or starts_with(lower(u.first_name), lower($1))
   or starts_with(lower(u.last_name), lower($1))
order by u.id desc
limit $2

-- :user_counts
select count(*) as everybody,
       count(*) filter (where created_at > now() - interval '1 day') as new_today,
       count(*) filter (where is_blocked) as blocked,
       count(*) filter (where unreachable_at is not null) as unreachable
from users
