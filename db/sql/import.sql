-- What `aisha import` writes: $1 is the person's Telegram id, $2 a row of the predecessor as JSON.
-- What was brought before is left alone. Times there are UTC, with and without saying so.

-- :import_user writes
with source as (
    select $2::jsonb as j, coalesce($3::jsonb, '{}') as s
), put as (
    insert into users (telegram_id, first_name, last_name, username, language_code, timezone,
                       is_premium, is_blocked, created_at)
    select $1::bigint, coalesce(j->>'first_name', ''), nullif(j->>'last_name', ''), nullif(j->>'username', ''),
           case when lower(coalesce(s->>'language_preference', j->>'language_code', 'ru')) like 'ru%'
                then 'ru' else 'en' end,
           case when j->>'timezone' ~ '^UTC[+-](1[0-4]|[0-9])$' then j->>'timezone' else 'UTC+5' end,
           coalesce((j->>'is_premium')::boolean, false), coalesce((j->>'is_blocked')::boolean, false),
           coalesce((j->>'created_at')::timestamp at time zone 'UTC', now())
    from source
    on conflict (telegram_id) do nothing
    returning id
), preferring as (
    insert into user_settings (user_id, default_aspect_ratio, auto_enhance_prompts,
                               show_technical_details, quick_generation_mode)
    select put.id,
           case when s->>'default_aspect_ratio' in ('1:1', '3:4', '4:3', '9:16', '16:9')
                then s->>'default_aspect_ratio' else '1:1' end,
           coalesce((s->>'auto_enhance_prompts')::boolean, true),
           coalesce((s->>'show_technical_details')::boolean, false),
           coalesce((s->>'quick_generation_mode')::boolean, false)
    from put, source
)
select id from put

-- What is there of a thing that may be brought: then its objects are not fetched again.
-- :import_known
select exists (select from avatars where id = $1::uuid)
    or exists (select from image_generations where id = $1::uuid)
    or exists (select from user_transcripts where id = $1::uuid) as is_known

-- A portrait or a style that was finished. What it was trained with is what the row says.
-- :import_avatar writes
insert into avatars (id, user_id, name, gender, avatar_type, status, is_main, photos_count,
                     training_type, fal_request_id, learning_rate, trigger_phrase,
                     trigger_word, steps, multiresolution_training, subject_crop, create_masks,
                     captioning, finetune_type, finetune_comment, finetune_id, fal_mode,
                     fal_iterations, fal_priority, lora_rank, diffusers_lora_file_url,
                     config_file_url, fal_response_data, training_config, avatar_data,
                     training_progress, training_started_at, training_completed_at, created_at)
select (j->>'id')::uuid, u.id,
       case when char_length(btrim(j->>'name')) >= 2 then left(btrim(j->>'name'), 50) else 'Avatar' end,
       case when lower(j->>'training_type') = 'portrait'
            then coalesce(lower(j->>'gender'), 'female')::avatargender end,
       coalesce(lower(j->>'avatar_type'), 'character')::avatartype, 'completed',
       coalesce((j->>'is_main')::boolean, false)
           and not exists (select from avatars where user_id = u.id and is_main),
       coalesce((j->>'photos_count')::int, 0),
       lower(j->>'training_type')::avatartrainingtype, j->>'fal_request_id',
       (j->>'learning_rate')::double precision, coalesce(j->>'trigger_phrase', j->>'trigger_word'),
       j->>'trigger_word', (j->>'steps')::int, (j->>'multiresolution_training')::boolean,
       (j->>'subject_crop')::boolean, (j->>'create_masks')::boolean, (j->>'captioning')::boolean,
       case lower(j->>'finetune_type') when 'lora' then 'lora'::falfinetunetype end,
       j->>'finetune_comment', j->>'finetune_id', j->>'fal_mode', (j->>'fal_iterations')::int,
       lower(j->>'fal_priority')::falpriority, (j->>'lora_rank')::int,
       j->>'diffusers_lora_file_url', j->>'config_file_url', j->'fal_response_data',
       coalesce(j->'training_config', '{}'), coalesce(j->'avatar_data', '{}'), 100,
       (j->>'training_started_at')::timestamp at time zone 'UTC',
       (j->>'training_completed_at')::timestamp at time zone 'UTC',
       coalesce((j->>'created_at')::timestamp at time zone 'UTC', now())
from users u, (select $2::jsonb as j) source
where u.telegram_id = $1
on conflict (id) do nothing
returning id

-- :import_avatar_file writes
insert into avatar_files (avatar_id, kind, user_id, bucket, object_key, content_type, size_bytes, fal_url)
select $2::uuid, 'lora', u.id, $3::text, $4::text, $5::text, $6::bigint, $7::text
from users u
where u.telegram_id = $1
on conflict (avatar_id, kind) do nothing

-- A photo as the predecessor kept it; its own digest was another one, so ours is taken anew.
-- :import_photo writes
insert into avatar_photos (id, avatar_id, user_id, upload_order, validation_status, bucket,
                           object_key, file_hash, file_size, width, height, format, quality_score,
                           source_kind, source_file_id, chat_id, message_id, created_at, validated_at)
select (j->>'id')::uuid, (j->>'avatar_id')::uuid, u.id, (j->>'upload_order')::int, 'valid', $3::text,
       $4::text, $5::text, $6::bigint, (j->>'width')::int, (j->>'height')::int, lower(j->>'format'),
       (j->>'quality_score')::double precision, 'photo', '', u.telegram_id, 0,
       coalesce((j->>'created_at')::timestamp at time zone 'UTC', now()), now()
from users u, (select $2::jsonb as j) source
where u.telegram_id = $1
on conflict do nothing

-- The first of them is the avatar's picture.
-- :import_first_photo writes
update avatars set photo_key = $2 where id = $1::uuid and photo_key is null

-- :import_photo_known
select exists (select from avatar_photos where id = $1::uuid) as is_known

-- The predecessor kept no price with an image.
-- :import_generation writes
insert into image_generations (id, user_id, avatar_id, generation_type, source_model,
                               original_prompt, final_prompt, quality_preset, aspect_ratio,
                               num_images, price, status, generation_seconds, prompt_metadata,
                               created_at, completed_at)
select (j->>'id')::uuid, u.id,
       (select a.id from avatars a where a.id = (j->>'avatar_id')::uuid and a.user_id = u.id),
       j->>'generation_type', j->>'source_model', j->>'original_prompt', j->>'final_prompt',
       coalesce(j->>'quality_preset', 'balanced'),
       case when j->>'aspect_ratio' in ('1:1', '3:4', '4:3', '9:16', '16:9')
            then j->>'aspect_ratio' else '1:1' end,
       $3::smallint, 0, 'completed', (j->>'generation_time')::double precision,
       coalesce(j->'prompt_metadata', '{}'),
       coalesce((j->>'created_at')::timestamp at time zone 'UTC', now()),
       coalesce((j->>'completed_at')::timestamp, (j->>'created_at')::timestamp) at time zone 'UTC'
from users u, (select $2::jsonb as j) source
where u.telegram_id = $1
on conflict (id) do nothing
returning id

-- :import_image writes
insert into images (id, generation_id, user_id, position, bucket, object_key, content_type,
                    size_bytes, is_favorite, created_at)
select $3::uuid, g.id, g.user_id, $4::smallint, $5::text, $6::text, $7::text, $8::bigint,
       coalesce((j->>'is_favorite')::boolean, false) and $4::smallint = 0, g.created_at
from users u, image_generations g, (select $2::jsonb as j) source
where u.telegram_id = $1 and g.id = (j->>'id')::uuid and g.user_id = u.id
on conflict do nothing

-- :import_transcript writes
insert into user_transcripts (id, user_id, chat_id, message_id, language, source, name, status,
                              format, duration_ms, words, text, created_at, completed_at)
select (j->>'id')::uuid, u.id, u.telegram_id, 0, u.language_code,
       case j->'transcript_metadata'->>'source' when 'voice' then 'voice' when 'audio' then 'audio'
            when 'text' then 'text' else 'file' end,
       coalesce(nullif(btrim(j->'transcript_metadata'->>'file_name'), ''),
                to_char((j->>'created_at')::timestamp, 'YYYY-MM-DD HH24:MI')),
       'completed', j->'transcript_metadata'->>'audio_format',
       (1000 * coalesce((j->'transcript_metadata'->>'duration_seconds')::numeric,
                        (j->'transcript_metadata'->>'duration')::numeric, 0))::bigint,
       coalesce(cardinality(regexp_split_to_array(btrim($3::text), '\s+')), 0), $3::text,
       coalesce((j->>'created_at')::timestamp at time zone 'UTC', now()),
       coalesce((j->>'updated_at')::timestamp at time zone 'UTC', now())
from users u, (select $2::jsonb as j) source
where u.telegram_id = $1
on conflict (id) do nothing
returning id
