-- Deploy aisha:settings to pg
-- requires: image_cards
-- requires: avatars
--
-- Zones of half and quarter hours, and what an image's card says of how it was made.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

-- 'UTC-9:30' is 570 minutes behind.
create function zone_minutes(p_timezone text) returns int
language sql immutable parallel safe
set search_path = public, pg_temp
as $$
    select case substr(p_timezone, 4, 1) when '-' then -1 else 1 end
           * (split_part(substr(p_timezone, 5), ':', 1)::int * 60
              + coalesce(nullif(split_part(p_timezone, ':', 2), ''), '0')::int)
$$;

alter table users drop constraint users_timezone_check;
alter table users add constraint users_timezone
    check (timezone ~ '^UTC[+-](1[0-4]|[0-9])(:(15|30|45))?$'
           and zone_minutes(timezone) between -12 * 60 and 14 * 60) not valid;

alter table user_settings add constraint user_settings_quality
    check (default_quality in ('fast', 'balanced', 'high', 'ultra')) not valid;

create or replace view image_cards as
select i.id, i.generation_id, i.user_id, i.position, i.bucket, i.object_key, i.content_type,
       i.telegram_file_id, i.is_favorite, i.created_at,
       (extract(epoch from i.created_at) * 1000000)::bigint as created_at_us,
       g.original_prompt, g.aspect_ratio, g.generation_type, g.source_model, g.quality_preset,
       g.generation_seconds, g.avatar_id, a.name as avatar_name, g.seed, i.width, i.height,
       coalesce(g.prompt_metadata ->> 'seed_returned', g.seed::text) as seed_used,
       (g.prompt_metadata ->> 'num_inference_steps')::int as steps
from images i
join image_generations g on g.id = i.generation_id
left join avatars a on a.id = g.avatar_id;

grant execute on function zone_minutes to aisha_bot, aisha_worker, aisha_status;

commit;

-- Apart from the transaction that adds them: checking the rows that are there locks nobody out.
set role aisha_owner;
alter table users validate constraint users_timezone;
alter table user_settings validate constraint user_settings_quality;
reset role;
