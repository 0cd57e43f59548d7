-- Photos of an avatar. Who changes one holds the row of its avatar: see
-- avatar_lock and deploy/photos.sql.

-- :photo_receive writes
select photo_receive($1, $2, $3, $4, $5, $6, $7, nullif($8::bigint, 0), nullif($9, ''), $10,
                     $11) as verdict

-- A turn of its own: claims the update and stores what came of it.
-- :photo_receive_turn writes
select verdict, earlier
from photo_receive_turn($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, nullif($11::bigint, 0),
                        nullif($12, ''), $13, $14)

-- :photo_find
select p.id, p.avatar_id, p.user_id, p.chat_id, p.message_id, p.upload_order,
       p.validation_status, p.validation_error, p.bucket, p.object_key, p.file_size, p.width,
       p.height, p.source_kind, p.source_file_id, p.telegram_file_id,
       coalesce(p.photo_metadata->>'doubts', '') as doubts,
       (extract(epoch from p.created_at) * 1000)::bigint as created_at_ms,
       avatar_takes_photos(a.status) as takes_photos,
       u.language_code, zone_minutes(u.timezone) as utc_offset_minutes
from avatar_photos p
join avatars a on a.id = p.avatar_id
join users u on u.id = p.user_id
where p.id = $2 and (p.user_id = $1 or $1 = 0)

-- :photo_keep writes
update avatar_photos
set validation_status = 'valid', bucket = $2, object_key = $3, file_hash = $4,
    perceptual_hash = $5, file_size = $6, width = $7, height = $8, format = $9, brightness = $10,
    contrast = $11, sharpness = $12, quality_score = $13,
    photo_metadata = jsonb_build_object('doubts', $14::text),
    telegram_file_id = case when source_kind = 'photo' then source_file_id end,
    validated_at = now()
where id = $1 and validation_status = 'pending'

-- Nothing that could name the picture is kept of one that was refused.
-- :photo_refuse writes
update avatar_photos
set validation_status = case when $2 in ('duplicate', 'alike') then 'duplicate'
                             else 'invalid' end::photovalidationstatus,
    validation_error = $2, file_size = coalesce(nullif($3::bigint, 0), file_size),
    width = nullif($4::int, 0), height = nullif($5::int, 0), format = nullif($6, ''),
    validated_at = now()
where id = $1 and validation_status = 'pending'

-- :photo_delete writes
delete from avatar_photos where id = $2 and user_id = $1

-- :photo_keep_file_id writes
update avatar_photos set telegram_file_id = $2 where id = $1

-- :photo_forget_file writes
update avatar_photos set telegram_file_id = null
where user_id = (select id from users where telegram_id = $1) and telegram_file_id = $2

-- :photos_kept
select id, bucket, object_key, file_hash, perceptual_hash, upload_order
from avatar_photos
where avatar_id = $1 and validation_status = 'valid'
order by upload_order

-- :photos_recount writes
select photos_recount($1, $2) as kept

-- :photos_progress_queue writes
select photos_progress_queue($1, $2, $3)

-- :photos_progress_queue_after writes
insert into jobs (lane, kind, user_id, subject, payload, run_at)
select 'send', 'photos_progress', $1, $2, jsonb_build_object('chat_id', $3::bigint),
       now() + interval '400 milliseconds'
where not exists (
    select from jobs
    where subject = $2 and kind = 'photos_progress' and state = 'queued'
      and run_at > now() + interval '200 milliseconds'
)

-- :photos_count
select count(p.id) filter (where p.validation_status = 'valid') as kept,
       count(p.id) filter (where p.validation_status = 'pending') as pending,
       count(p.id) filter (where p.validation_status in ('invalid', 'duplicate')) as refused,
       coalesce(max(p.message_id), 0) as newest_message_id, u.language_code
from avatars a
join users u on u.id = a.user_id
left join avatar_photos p on p.avatar_id = a.id
where a.id = $1
group by u.language_code

-- From a photo so many steps towards older ones, as far as there are any; from
-- the newest one where there is no such photo.
-- :photo_step
with shown as (
    select id, row_number() over (order by upload_order desc) as index, count(*) over () as total
    from avatar_photos
    where user_id = $1 and avatar_id = $2 and validation_status in ('valid', 'pending')
)
select id, index, total
from shown
where index = greatest(1, least(total,
    coalesce((select index from shown where id = nullif($3, '')::uuid), 1) + $4::int))
