-- Deploy aisha:transcript_strays to pg
-- requires: transcripts
--
-- A recording that was called off while it was cut may have left pieces in the
-- store until its step has cleared up, and a person who leaves in between takes
-- them along. Those that were cut to the end have a row for each piece.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create or replace function erasure_strays(p_erasure_id uuid, p_user_id bigint, p_images_bucket text,
                               p_avatars_bucket text)
returns void
language sql
set search_path = public, pg_temp
as $$
    with strays (bucket, key) as (
        select p_images_bucket, 'generated/' || g.id || '/' || n || '.' || ending
        from image_generations g, generate_series(0, g.num_images - 1) n,
             unnest(array['png', 'jpg', 'webp']) ending
        where g.user_id = p_user_id and g.status <> 'completed' and g.fal_response_data is not null
        union all
        select p_avatars_bucket, 'photos/' || p.avatar_id || '/' || p.id || '.jpg'
        from avatar_photos p
        where p.user_id = p_user_id and p.object_key is null
        union all
        select p_avatars_bucket, 'avatars/' || t.avatar_id || '/' || t.id || '/' || name
        from avatar_trainings t, unnest(array['lora.safetensors', 'config.json']) name
        where t.user_id = p_user_id and t.fal_response_data is not null
        union all
        select p_images_bucket, 'exports/' || e.id || '/' || e.parts + 1 || '.zip'
        from exports e
        where e.user_id = p_user_id
        union all
        select t.pieces_bucket, 'speech/' || t.id || '/' || n || '.flac'
        from user_transcripts t, generate_series(0, t.duration_ms / 50000 + 2) n
        where t.user_id = p_user_id and t.pieces = 0 and t.pieces_bucket is not null
    )
    select erasure_objects(p_erasure_id, array_agg(bucket), array_agg(key))
    from strays
    having count(*) > 0
$$;

commit;
