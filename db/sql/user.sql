-- People and their settings. The programs see a person always as a whole:
-- row, settings and coins, in the columns of user_by_telegram.

-- :user_by_telegram
select u.id, u.telegram_id, u.first_name, u.last_name, u.username, u.language_code, u.timezone,
       zone_minutes(u.timezone) as utc_offset_minutes, u.is_premium, u.is_blocked,
       u.unreachable_at is not null as is_unreachable,
       (extract(epoch from u.created_at) * 1000)::bigint as created_at_ms,
       l.balance, l.held, (select count(*) from avatars a where a.user_id = u.id) as avatars,
       s.default_aspect_ratio, s.default_image_count, s.default_quality, s.quick_generation_mode,
       s.auto_enhance_prompts, s.show_technical_details, s.notify_generations, s.notify_avatars
from users u
join user_settings s on s.user_id = u.id
cross join ledger_balance(u.id) as l
where u.telegram_id = $1

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

-- True: was here before, and was given the welcome coins then.
-- :person_recall writes
select person_recall($1, decode($2, 'hex')) as was_welcomed

-- :user_set_language writes
update users set language_code = $2, updated_at = now() where id = $1

-- :user_set_timezone writes
update users set timezone = $2, updated_at = now() where id = $1

-- :user_set_aspect_ratio writes
update user_settings set default_aspect_ratio = $2, updated_at = now() where user_id = $1

-- :user_set_image_count writes
update user_settings set default_image_count = $2, updated_at = now() where user_id = $1

-- :user_set_quality writes
update user_settings set default_quality = $2, updated_at = now() where user_id = $1

-- :user_set_quick_mode writes
update user_settings set quick_generation_mode = $2, updated_at = now() where user_id = $1

-- :user_set_enhance writes
update user_settings set auto_enhance_prompts = $2, updated_at = now() where user_id = $1

-- :user_set_details writes
update user_settings set show_technical_details = $2, updated_at = now() where user_id = $1

-- :user_set_notify_images writes
update user_settings set notify_generations = $2, updated_at = now() where user_id = $1

-- :user_set_notify_avatars writes
update user_settings set notify_avatars = $2, updated_at = now() where user_id = $1

-- :user_mark_unreachable writes
update users set unreachable_at = now(), updated_at = now()
where telegram_id = $1 and unreachable_at is null

-- :user_mark_reachable writes
update users set unreachable_at = null, updated_at = now()
where telegram_id = $1 and unreachable_at is not null

-- What admins find people by: Telegram's number, or how their username, their name or their last name
-- begins. What begins with words stands between them and them with the last character of all, which
-- leads to an index also where a plan is made for any words; whole names come first.
-- :user_find
with found as (
    (select * from users where telegram_id = $2)
    union
    (select * from users
     where lower(username) ~>=~ lower($1) and lower(username) ~<~ (lower($1) || chr(1114111))
     order by lower(username) using ~<~
     limit $3)
    union
    (select * from users
     where lower(first_name || ' ' || coalesce(last_name, '')) ~>=~ lower($1)
       and lower(first_name || ' ' || coalesce(last_name, '')) ~<~ (lower($1) || chr(1114111))
     order by lower(first_name || ' ' || coalesce(last_name, '')) using ~<~
     limit $3)
    union
    (select * from users
     where lower(last_name) ~>=~ lower($1) and lower(last_name) ~<~ (lower($1) || chr(1114111))
     order by lower(last_name) using ~<~
     limit $3)
)
select id, telegram_id, first_name, last_name, username, is_blocked,
       unreachable_at is not null as is_unreachable,
       (extract(epoch from created_at) * 1000)::bigint as created_at_ms
from found
order by telegram_id = $2 desc, created_at desc, id desc
limit $3

-- :user_newest
select id, telegram_id, first_name, last_name, username, is_blocked,
       unreachable_at is not null as is_unreachable,
       (extract(epoch from created_at) * 1000)::bigint as created_at_ms
from users
order by created_at desc, id desc
limit $1

-- :user_work_counts
select (select count(*) from avatars where user_id = $1) as avatars,
       (select coalesce(sum(images), 0)::bigint from image_facets where user_id = $1) as images,
       (select count(*) from user_transcripts
        where user_id = $1 and status = 'completed') as transcripts,
       (select count(*) from jobs where user_id = $1 and state in ('queued', 'running')) as open_jobs,
       (select count(*) from jobs where user_id = $1 and state = 'dead') as dead_jobs

-- A row where it was otherwise before.
-- :user_set_blocked writes
update users set is_blocked = $2, updated_at = now()
where id = $1 and is_blocked <> $2
returning id
