-- Revert aisha:transcripts from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create or replace view paid_work as
select id, status from image_generations
union all
select id, status from avatar_trainings;

create or replace function spend_today(out spent bigint, out under_way bigint)
language sql stable
set search_path = public, pg_temp
as $$
    select (select coalesce(sum(microdollars), 0)
            from spend_days
            where day = (now() at time zone 'UTC')::date)::bigint,
           ((select coalesce(sum(cost_microdollars), 0)
             from image_generations
             where status in ('pending', 'processing') and submitting_at is null
               and fal_status_url is null and fal_response_data is null)
            + (select coalesce(sum(cost_microdollars), 0)
               from avatar_trainings
               where status in ('pending', 'processing') and submitting_at is null
                 and fal_status_url is null and fal_response_data is null))::bigint
$$;

delete from free_uses where thing in ('speech', 'note');
alter table free_uses drop constraint free_uses_thing_check;
alter table free_uses add constraint free_uses_thing_check check (thing in ('photo', 'preview'));

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
    )
    select erasure_objects(p_erasure_id, array_agg(bucket), array_agg(key))
    from strays
    having count(*) > 0
$$;

create or replace function person_erase(p_erasure_id uuid, p_images_bucket text, p_avatars_bucket text)
returns text
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    images_a_step constant int := 500;
    erasure erasures;
    buckets text[];
    keys text[];
begin
    select * into erasure from erasures where id = p_erasure_id for update;
    if not found or erasure.erased_at is not null then
        return 'gone';
    end if;

    perform from users where id = erasure.user_id for update;
    perform person_stop(erasure.user_id);
    if person_is_at_work(erasure.user_id) then
        return 'wait';
    end if;

    with gone as (
        delete from images
        where id in (select id from images where user_id = erasure.user_id limit images_a_step)
        returning bucket, object_key
    )
    select array_agg(bucket), array_agg(object_key) into buckets, keys from gone;
    perform erasure_objects(p_erasure_id, buckets, keys);
    if cardinality(keys) = images_a_step then
        return 'more';
    end if;

    perform person_settle(erasure.user_id);
    perform erasure_strays(p_erasure_id, erasure.user_id, p_images_bucket, p_avatars_bucket);
    perform erasure_at_fal(p_erasure_id, erasure.user_id);
    select array_agg(f.bucket), array_agg(f.object_key) into buckets, keys
    from (select bucket, object_key from avatar_photos where user_id = erasure.user_id
          union all
          select bucket, object_key from avatar_files where user_id = erasure.user_id
          union all
          select p.bucket, p.object_key
          from export_parts p
          join exports e on e.id = p.export_id
          where e.user_id = erasure.user_id) as f
    where f.object_key is not null;
    delete from users where id = erasure.user_id;
    perform erasure_objects(p_erasure_id, buckets, keys);

    perform telegram_id_forget(erasure.telegram_id);
    update erasures set erased_at = now() where id = p_erasure_id;
    return 'gone';
end $$;

alter table user_settings drop column speech_language;
drop function transcripts_prune;
drop table user_transcript_notes, user_transcript_pieces, user_transcripts;
drop function transcript_words;

commit;
