-- Photos to draw something like, as words; see db/sample.h and deploy/samples.sql.

-- :sample_add writes
insert into image_samples (id, user_id, chat_id, avatar_id, is_order, file_id, caption,
                           cost_microdollars)
values ($1, $2, $3, nullif($4, '')::uuid, $5, $6, coalesce($7, ''), $8)

-- :sample_find
select s.id, s.user_id, s.chat_id, s.avatar_id, s.is_order, s.file_id, s.caption, s.status, s.failure,
       s.file_size, s.width, s.height, s.words, s.prompt, s.aspect_ratio, s.cost_microdollars,
       u.language_code as language,
       exists (select from avatars a
               where a.user_id = s.user_id and a.status = 'completed') as has_avatars,
       (extract(epoch from now() - s.created_at) * 1000)::bigint as age_ms
from image_samples s
join users u on u.id = s.user_id
where s.id = $2 and (s.user_id = $1 or $1 = 0)

-- The row stays as it is read next until the step is over.
-- :sample_lock writes
select user_id from image_samples where id = $1 for update

-- :sample_describe writes
update image_samples
set status = 'described', file_id = null, ended_at = now(), file_size = $2, width = $3, height = $4,
    words = $5, prompt = $6, aspect_ratio = $7
where id = $1 and status = 'pending'

-- :sample_fail writes
update image_samples
set status = 'failed', file_id = null, ended_at = now(), file_size = $2, width = $3, height = $4,
    failure = $5
where id = $1 and status = 'pending'

-- :sample_cancel writes
update image_samples
set status = 'cancelled', file_id = null, ended_at = now()
where id = $1 and status = 'pending'
returning id

-- :samples_prune writes
select samples_prune()
