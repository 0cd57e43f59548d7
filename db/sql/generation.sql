-- Orders for images. Whoever ends an open one does so once.

-- :generation_add writes
insert into image_generations (id, user_id, chat_id, generation_type, source_model, original_prompt,
                               final_prompt, quality_preset, aspect_ratio, num_images, price,
                               language, is_preview, avatar_id, seed, prompt_metadata,
                               cost_microdollars, template_id)
values ($1, $2, $3, $4, $5, $6, coalesce(nullif($12, ''), $6), $7, $8, $9, $10, $11, $13, $14, $15,
        jsonb_strip_nulls(jsonb_build_object('num_inference_steps', $16::int,
            'guidance_scale', $17::float8, 'lora_scale', $18::float8, 'width', $19::int,
            'height', $20::int)), $21, nullif($22, ''))
on conflict (id) do nothing
returning id

-- :generation_find
select g.id, g.user_id, g.chat_id, g.generation_type, g.source_model, g.original_prompt,
       g.quality_preset, g.aspect_ratio, g.num_images, g.price, u.language_code as language, g.status,
       g.status in ('pending', 'processing') as is_open, g.attempt, g.fal_request_id,
       g.fal_status_url, g.fal_response_url, g.fal_cancel_url,
       coalesce((extract(epoch from now() - g.submitting_at) * 1000)::bigint, -1) as submitting_ms,
       (extract(epoch from now() - coalesce(g.last_status_check, g.submitted_at, g.created_at))
           * 1000)::bigint as silent_ms,
       (extract(epoch from now() - g.created_at) * 1000)::bigint as age_ms,
       g.fal_response_data is not null as has_result, g.fal_response_data, g.failure,
       g.generation_seconds, g.template_id, g.avatar_id, a.name as avatar_name, g.final_prompt, g.seed, g.is_preview,
       m.num_inference_steps, m.guidance_scale, m.lora_scale, m.width, m.height, m.lora_uploads,
       coalesce(a.trigger_phrase, a.trigger_word) as avatar_trigger,
       coalesce(m.is_as_typed, false) as is_as_typed,
       coalesce(s.auto_enhance_prompts, false) as enhances,
       coalesce(s.show_technical_details, false) as shows_details,
       not coalesce(s.notify_generations, true) as is_silent
from image_generations g
join users u on u.id = g.user_id
left join user_settings s on s.user_id = g.user_id
left join avatars a on a.id = g.avatar_id,
     jsonb_to_record(g.prompt_metadata) as m(num_inference_steps int, guidance_scale float8,
                                             lora_scale float8, width int, height int,
                                             lora_uploads int, is_as_typed boolean)
where g.id = $2 and g.user_id = $1

-- Names are made of the button and a number. The first that no finished order has is the one, found
-- in one trip however often the button was tapped.
-- :generation_repeat_id
with recursive names as (
    select 0 as sequence,
           left(encode(sha256(convert_to($2 || ' 0', 'UTF8')), 'hex'), 32)::uuid as id
    union all
    select n.sequence + 1,
           left(encode(sha256(convert_to($2 || ' ' || (n.sequence + 1), 'UTF8')), 'hex'), 32)::uuid
    from names n
    join image_generations g on g.id = n.id and g.user_id = $1
    where g.status not in ('pending', 'processing')
)
select n.id, g.id is not null as is_open
from names n
left join image_generations g on g.id = n.id and g.user_id = $1
order by n.sequence desc
limit 1

-- The row stays as it is read next until the step is over.
-- :generation_lock writes
select user_id from image_generations where id = $1 for update

-- :generation_set_prompt writes
update image_generations set final_prompt = $2 where id = $1 and status = 'pending' and attempt = 0

-- :generation_set_words writes
update image_generations set original_prompt = $2, final_prompt = $3
where id = $1 and status = 'pending' and attempt = 0

-- :generation_set_as_typed writes
update image_generations
set prompt_metadata = prompt_metadata || jsonb_build_object('is_as_typed', true)
where id = $1 and status = 'pending' and attempt = 0

-- :generation_submitting writes
with submitting as (
    update image_generations
    set attempt = attempt + 1, submitting_at = clock_timestamp()
    where id = $1
    returning attempt, source_model, cost_microdollars, submitting_at
)
select attempt, spend_add(source_model, cost_microdollars, submitting_at)
from submitting

-- :generation_not_submitted writes
with earlier as (
    select id, source_model, cost_microdollars, submitting_at from image_generations where id = $1
)
update image_generations g
set submitting_at = null
from earlier e
where g.id = e.id
returning spend_take_back(e.source_model, e.cost_microdollars, e.submitting_at)

-- :generation_submitted writes
update image_generations
set status = 'processing', submitting_at = null, submitted_at = coalesce(submitted_at, now()),
    last_status_check = now(), fal_request_id = $2, fal_status_url = $3, fal_response_url = $4,
    fal_cancel_url = $5
where id = $1

-- :generation_seen writes
update image_generations set last_status_check = now() where id = $1

-- A callback that is faster than the answer to the submission brings the name of the request.
-- :generation_keep_result writes
update image_generations
set status = 'processing', submitting_at = null, last_status_check = now(), fal_response_data = $2,
    fal_request_id = coalesce($2::jsonb ->> 'request_id', fal_request_id),
    prompt_metadata = prompt_metadata || jsonb_strip_nulls(jsonb_build_object(
        'seed_returned', coalesce($2::jsonb -> 'payload' -> 'seed', $2::jsonb -> 'seed')))
where id = $1

-- It can be submitted again; its request is remembered, so that what else FAL says of it is passed over.
-- :generation_set_aside writes
update image_generations
set status = 'pending', submitting_at = null, last_status_check = now(),
    fal_request_id = coalesce(nullif($2, ''), fal_request_id), fal_status_url = null,
    fal_response_url = null, fal_cancel_url = null, fal_response_data = null,
    prompt_metadata = prompt_metadata || jsonb_build_object(
        'lora_uploads', coalesce((prompt_metadata ->> 'lora_uploads')::int, 0) + 1)
where id = $1

-- :generation_complete writes
with done as (
    update image_generations
    set status = 'completed', completed_at = now(),
        generation_seconds = extract(epoch from clock_timestamp() - created_at)
    where id = $1
    returning avatar_id, template_id
), counted as (
    update style_templates t set popularity = t.popularity + 1 from done where t.id = done.template_id
)
update avatars a set generations_count = a.generations_count + 1 from done where a.id = done.avatar_id

-- :generation_reopen writes
update image_generations
set status = 'processing', completed_at = null, failure = null, error_message = null, price = 0
where id = $1
returning id

-- :generation_end writes
update image_generations
set status = $2::generationstatus, completed_at = now(), failure = $3, error_message = $4
where id = $1

-- :generation_median_seconds
select count(*) as orders,
       coalesce(percentile_cont(0.5) within group (order by generation_seconds), 0) as seconds
from (
    select generation_seconds
    from image_generations
    where source_model = $1 and status = 'completed' and created_at > now() - interval '7 days'
    order by created_at desc
    limit 50
) as lately

-- Open orders of which nothing was heard for too long and on which no step is
-- at work get a step again, so that a lost callback costs minutes and no more.
-- What was never submitted is submitted, for the rest FAL is asked.
-- :generations_wake writes
insert into jobs (lane, kind, key, user_id, subject)
select 'fal',
       case when g.fal_status_url is null then 'generation_submit' else 'generation_check' end,
       'generation_wake:' || g.id || ':' || floor(extract(epoch from now()) / 60)::bigint,
       g.user_id, g.id
from image_generations g
where g.status in ('pending', 'processing') and g.fal_response_data is null
  and coalesce(g.last_status_check, g.submitted_at, g.created_at)
      < now() - $1::bigint * interval '1 second'
  and not exists (select from jobs j where j.subject = g.id and j.state in ('queued', 'running'))
limit 100
on conflict (key) do nothing
returning subject
