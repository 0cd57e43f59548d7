-- Trainings. What happens to one happens to its avatar in the same statement;
-- the row of the training is taken first, by all.

-- :training_need
select a.status,
       count(p.id) filter (where p.validation_status = 'valid') as kept,
       count(p.id) filter (where p.validation_status = 'pending') as pending
from avatars a
left join avatar_photos p on p.avatar_id = a.id
where a.user_id = $1 and a.id = $2
group by a.id

-- What an earlier training left in the avatar goes with the beginning of a new one.
-- :training_begin writes
update avatars a
set status = 'training', training_progress = 0, training_started_at = null,
    training_completed_at = null, fal_request_id = null, webhook_url = null, training_logs = null,
    training_error = null, last_status_check = null, fal_response_data = null,
    training_config = '{}', diffusers_lora_file_url = null, config_file_url = null,
    updated_at = now()
where a.user_id = $1 and a.id = $2
  and avatar_takes_photos(a.status)
  and (select count(*) from avatar_photos p
       where p.avatar_id = a.id and p.validation_status = 'valid') >= $3
  and not exists (select from avatar_photos p
                  where p.avatar_id = a.id and p.validation_status = 'pending')
returning a.id

-- :training_add writes
insert into avatar_trainings (id, avatar_id, user_id, chat_id, language, training_type,
                              source_model, preset, price, photos_count, cost_microdollars)
values ($1, $2, $3, $4, $5, $6::avatartrainingtype, $7, $8, $9, $10, $11)

-- The reading half of every step of the work: the row stays as it is read until the step is over.
-- :training_lock writes
select t.id, t.user_id, t.chat_id, u.language_code as language, t.source_model, t.price, t.status,
       t.status in ('pending', 'processing') as is_open, t.attempt,
       t.fal_status_url, t.fal_response_url, t.fal_cancel_url,
       coalesce((extract(epoch from now() - t.submitting_at) * 1000)::bigint, -1) as submitting_ms,
       (extract(epoch from now() - coalesce(t.last_status_check, t.submitted_at, t.created_at))
           * 1000)::bigint as silent_ms,
       (extract(epoch from now() - t.created_at) * 1000)::bigint as age_ms,
       t.fal_response_data is not null as has_result, t.fal_response_data, t.failure,
       t.avatar_id, a.name, a.gender, t.training_type, t.preset, t.photos_count, t.progress,
       t.archive_url, t.cancel_asked_at is not null as is_cancel_asked,
       coalesce((extract(epoch from now() - a.training_started_at) * 1000)::bigint, -1)
           as running_ms,
       not coalesce(s.notify_avatars, true) as is_silent
from avatar_trainings t
join avatars a on a.id = t.avatar_id
join users u on u.id = t.user_id
left join user_settings s on s.user_id = t.user_id
where t.id = $2 and (t.user_id = $1 or $1 = 0)
for update of t

-- :training_open
select id
from avatar_trainings
where user_id = $1 and avatar_id = $2 and status in ('pending', 'processing')

-- :training_keep_archive writes
update avatar_trainings set archive_url = $2, photos_count = $3 where id = $1

-- :training_submitting writes
with submitting as (
    update avatar_trainings
    set attempt = attempt + 1, submitting_at = clock_timestamp()
    where id = $1
    returning attempt, source_model, cost_microdollars, submitting_at
)
select attempt, spend_add(source_model, cost_microdollars, submitting_at)
from submitting

-- :training_not_submitted writes
with earlier as (
    select id, source_model, cost_microdollars, submitting_at from avatar_trainings where id = $1
)
update avatar_trainings t
set submitting_at = null
from earlier e
where t.id = e.id
returning spend_take_back(e.source_model, e.cost_microdollars, e.submitting_at)

-- :training_note writes
update avatars a
set trigger_phrase = $2, trigger_word = $3, steps = $4, learning_rate = $5,
    multiresolution_training = $6, subject_crop = $7, create_masks = $8, captioning = null,
    webhook_url = nullif($9, ''), finetune_type = 'lora', finetune_comment = $10,
    training_config = $11, finetune_id = null, fal_mode = null, fal_iterations = null,
    fal_priority = null, lora_rank = null, updated_at = now()
from avatar_trainings t
where t.id = $1 and a.id = t.avatar_id

-- :training_submitted writes
with submitted as (
    update avatar_trainings
    set status = 'processing', submitting_at = null, submitted_at = coalesce(submitted_at, now()),
        last_status_check = now(), fal_request_id = $2, fal_status_url = $3, fal_response_url = $4,
        fal_cancel_url = $5
    where id = $1
    returning avatar_id
)
update avatars a
set fal_request_id = $2, last_status_check = now(), updated_at = now()
from submitted s
where a.id = s.avatar_id

-- :training_seen writes
with seen as (
    update avatar_trainings set last_status_check = now() where id = $1 returning avatar_id
)
update avatars a
set last_status_check = now(), updated_at = now()
from seen s
where a.id = s.avatar_id

-- :training_progress writes
with moved as (
    update avatar_trainings
    set progress = greatest(progress, $2)
    where id = $1
    returning avatar_id, progress
)
update avatars a
set training_progress = m.progress, training_logs = coalesce(nullif($3, ''), a.training_logs),
    training_started_at = case when $4 then coalesce(a.training_started_at, now())
                               else a.training_started_at end
from moved m
where a.id = m.avatar_id
returning a.training_progress,
          coalesce((extract(epoch from now() - a.training_started_at) * 1000)::bigint, -1)
              as running_ms

-- :training_ask_to_stop writes
update avatar_trainings set cancel_asked_at = coalesce(cancel_asked_at, now()) where id = $1

-- :training_take_stop_back writes
update avatar_trainings set cancel_asked_at = null where id = $1

-- A callback that is faster than the answer to the submission brings the name of the request.
-- :training_keep_result writes
with told as (
    update avatar_trainings
    set status = 'processing', submitting_at = null, last_status_check = now(),
        fal_request_id = coalesce($2::jsonb ->> 'request_id', fal_request_id),
        fal_response_data = $2
    where id = $1
    returning avatar_id, fal_request_id
)
update avatars a
set fal_request_id = t.fal_request_id, fal_response_data = $2, last_status_check = now(),
    updated_at = now()
from told t
where a.id = t.avatar_id

-- :training_keep_files writes
update avatars a
set diffusers_lora_file_url = $2, config_file_url = nullif($3, ''), updated_at = now()
from avatar_trainings t
where t.id = $1 and a.id = t.avatar_id

-- A step that is run again stores the same object again.
-- :training_add_file writes
insert into avatar_files (avatar_id, kind, user_id, bucket, object_key, content_type, size_bytes,
                          fal_url)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (avatar_id, kind) do update
set object_key = excluded.object_key, content_type = excluded.content_type,
    size_bytes = excluded.size_bytes, fal_url = excluded.fal_url

-- :training_complete writes
with completed as (
    update avatar_trainings
    set status = 'completed', progress = 100, completed_at = now(),
        training_seconds = extract(epoch from clock_timestamp() - created_at)
    where id = $1
    returning avatar_id, user_id, submitted_at
)
update avatars a
set status = 'completed', training_progress = 100, training_error = null,
    training_started_at = coalesce(a.training_started_at, c.submitted_at, now()),
    training_completed_at = now(), updated_at = now(),
    is_main = a.is_main or not exists (select from avatars m
                                       where m.user_id = c.user_id and m.is_main)
from completed c
where a.id = c.avatar_id

-- :training_drop_photos writes
with first as (
    select id, object_key
    from avatar_photos
    where avatar_id = $1 and validation_status = 'valid' and $2
    order by upload_order
    limit 1
), dropped as (
    delete from avatar_photos p
    where p.avatar_id = $1 and p.id not in (select id from first)
)
update avatars
set photo_key = (select object_key from first), photos_count = (select count(*) from first)
where id = $1

-- A result that came too late has a place only while nothing newer was made of the avatar.
-- :training_reopen writes
with reopened as (
    update avatar_trainings t
    set status = 'processing', completed_at = null, failure = null, error_message = null, price = 0
    from avatars a
    where t.id = $1 and a.id = t.avatar_id and a.status = 'error'
      and not exists (select from avatar_trainings o
                      where o.avatar_id = t.avatar_id and o.created_at > t.created_at)
    returning t.avatar_id
)
update avatars a
set status = 'training', training_error = null, training_completed_at = null, updated_at = now()
from reopened r
where a.id = r.avatar_id
returning a.id

-- What FAL never had is as it was before, unless another draft was begun meanwhile: a user has one.
-- What failed stays apart from drafts; other photos can be sent for it, and it can be trained again.
-- :training_end writes
with ended as (
    update avatar_trainings
    set status = $2::generationstatus, completed_at = now(), failure = $3, error_message = $4
    where id = $1
    returning avatar_id, user_id, cancel_asked_at is not null as is_paid
), dropped as (
    delete from avatar_files f using ended e where f.avatar_id = e.avatar_id
), other as (
    select count(*) > 0 as is_there
    from avatars d, ended e
    where d.user_id = e.user_id and d.id <> e.avatar_id
      and d.status in ('draft', 'photos_uploading', 'ready_for_training')
)
update avatars a
set status = case
        when $2 = 'failed' then 'error'
        when e.is_paid or o.is_there then 'cancelled'
        else 'ready_for_training'
    end::avatarstatus,
    training_error = case when $2 = 'failed' then coalesce(nullif($4, ''), $3) end,
    training_completed_at = now(), updated_at = now()
from ended e, other o
where a.id = e.avatar_id

-- :training_median_seconds
select count(*) as trainings,
       coalesce(percentile_cont(0.5) within group (order by training_seconds), 0) as seconds
from (
    select training_seconds
    from avatar_trainings
    where source_model = $1 and preset = $2 and status = 'completed' and price > 0
      and created_at > now() - interval '60 days'
    order by created_at desc
    limit 50
) as lately

-- Open trainings of which nothing was heard for too long and on which no step
-- is at work get the step again that they wait for.
-- :trainings_wake writes
insert into jobs (lane, kind, key, user_id, subject)
select case when t.archive_url is null then 'media' else 'fal' end,
       case when t.archive_url is null then 'training_archive'
            when t.fal_status_url is null then 'training_submit'
            else 'training_check' end,
       'training_wake:' || t.id || ':' || floor(extract(epoch from now()) / 60)::bigint,
       t.user_id, t.id
from avatar_trainings t
where t.status in ('pending', 'processing') and t.fal_response_data is null
  and coalesce(t.last_status_check, t.submitted_at, t.created_at)
      < now() - $1::bigint * interval '1 second'
  and not exists (select from jobs j where j.subject = t.id and j.state in ('queued', 'running'))
limit 100
on conflict (key) do nothing
returning subject
