-- Revert aisha:settings from pg
--
-- Whoever chose a zone between the hours gets the hour before it.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop view image_cards;
create view image_cards as
select i.id, i.generation_id, i.user_id, i.position, i.bucket, i.object_key, i.content_type,
       i.telegram_file_id, i.is_favorite, i.created_at,
       (extract(epoch from i.created_at) * 1000000)::bigint as created_at_us,
       g.original_prompt, g.aspect_ratio, g.generation_type, g.source_model, g.quality_preset,
       g.generation_seconds, g.avatar_id, a.name as avatar_name, g.seed
from images i
join image_generations g on g.id = i.generation_id
left join avatars a on a.id = g.avatar_id;
comment on view image_cards is 'An image with what its card says of the order that it came from.';
grant select on image_cards to aisha_bot, aisha_worker, aisha_status;

alter table user_settings drop constraint user_settings_quality;
alter table users drop constraint users_timezone;
update users set timezone = split_part(timezone, ':', 1) where timezone like '%:%';
alter table users add constraint users_timezone_check
    check (timezone ~ '^UTC[+-](1[0-4]|[0-9])$');

drop function zone_minutes;

commit;
