-- What people sent to be written down. A step of the work holds the row of its
-- transcript; see db/transcript.h and deploy/transcripts.sql.

-- Nothing comes back when the user has as many under way as there may be.
-- :transcript_add writes
insert into user_transcripts (id, user_id, chat_id, message_id, language, speech_language, source,
                              name, file_id, file_size, created_at)
select $1, $2, $3, $4, $5,
       coalesce((select speech_language from user_settings where user_id = $2), 'auto'),
       $6, $7, $8, $9, to_timestamp($11::bigint / 1000.0)
where (select count(*) from user_transcripts
       where user_id = $2 and status in ('pending', 'processing')) < $10
returning id

-- :transcript_lock writes
select t.id, t.number, t.user_id, t.chat_id, t.message_id, t.language, t.speech_language, t.source,
       t.name, t.file_id, t.file_size, t.status, t.failure, t.is_stopping, t.format, t.duration_ms,
       t.price, t.charged, t.is_free, t.model, t.cost_microdollars, t.pieces, t.recognised_ms,
       t.spoken_language, t.words, '' as text, null as cues,
       coalesce((extract(epoch from now() - t.started_at) * 1000)::bigint, 0) as running_ms,
       (extract(epoch from t.created_at) * 1000)::bigint as created_at_ms,
       zone_minutes(u.timezone) as utc_offset_minutes
from user_transcripts t
join users u on u.id = t.user_id
where t.id = $2 and (t.user_id = $1 or $1 = 0)
for update of t

-- With its text and its times.
-- :transcript_find
select t.id, t.number, t.user_id, t.chat_id, t.message_id, t.language, t.speech_language, t.source,
       t.name, t.file_id, t.file_size, t.status, t.failure, t.is_stopping, t.format, t.duration_ms,
       t.price, t.charged, t.is_free, t.model, t.cost_microdollars, t.pieces, t.recognised_ms,
       t.spoken_language, t.words, t.text, t.cues,
       coalesce((extract(epoch from now() - t.started_at) * 1000)::bigint, 0) as running_ms,
       (extract(epoch from t.created_at) * 1000)::bigint as created_at_ms,
       zone_minutes(u.timezone) as utc_offset_minutes
from user_transcripts t
join users u on u.id = t.user_id
where t.id = $2 and (t.user_id = $1 or $1 = 0)

-- :transcript_measured writes
update user_transcripts
set status = $2, format = $3, duration_ms = $4, price = $5, is_free = $6, model = $7,
    cost_microdollars = $8, started_at = case when $2 = 'processing' then now() end
where id = $1

-- :transcript_start writes
update user_transcripts
set status = 'processing', price = $2, chat_id = $3, started_at = now()
where id = $1 and status = 'quoted'

-- :transcript_stop writes
update user_transcripts set is_stopping = true where id = $1 and status = 'processing'

-- What it was fetched by is of no use any more.
-- :transcript_end writes
with pieces as (
    delete from user_transcript_pieces where transcript_id = $1
)
update user_transcripts
set status = $2, failure = nullif($3, ''), file_id = null, completed_at = now()
where id = $1 and status in ('pending', 'quoted', 'processing')

-- :transcript_complete writes
with pieces as (
    delete from user_transcript_pieces where transcript_id = $1
)
update user_transcripts
set status = 'completed', file_id = null, completed_at = now(), text = $2, cues = nullif($3, '')::jsonb,
    words = $4, spoken_language = nullif($5, ''), charged = $6
where id = $1 and status in ('pending', 'processing')

-- :transcript_rename writes
update user_transcripts set name = $3 where user_id = $1 and id = $2 and status = 'completed'

-- :transcript_delete writes
delete from user_transcripts where user_id = $1 and id = $2 and status = 'completed'

-- :transcripts_prune writes
select transcripts_prune()

-- How many seconds of work a second of speech took lately, with this model.
-- :transcript_pace
select coalesce(percentile_cont(0.5) within group (order by share), 0)::float8 as pace, count(*) as runs
from (
    select extract(epoch from completed_at - started_at) * 1000 / duration_ms as share
    from user_transcripts
    where status = 'completed' and model = $1 and duration_ms > 0 and started_at is not null
    order by number desc
    limit 20
) as lately

-- ---------------------------------------------------------------- pieces

-- :transcript_pieces_drop writes
delete from user_transcript_pieces where transcript_id = $1

-- :transcript_piece_add writes
insert into user_transcript_pieces (transcript_id, user_id, number, start_ms, length_ms, is_silent,
                                    begins_in_noise, bucket, object_key, sounding_ms, status)
select id, user_id, $2, $3, $4, $5, $6, $7, $8, $9, case when $5 then 'done' else 'waiting' end
from user_transcripts
where id = $1

-- Before the first of them is put there, so that whoever clears up knows where to look.
-- :transcript_splitting writes
update user_transcripts set pieces_bucket = $2 where id = $1 and status = 'processing'

-- :transcript_split writes
update user_transcripts
set duration_ms = $2, pieces = (select count(*) from user_transcript_pieces where transcript_id = $1)
where id = $1

-- :transcript_piece_find
select p.number, p.start_ms, p.length_ms, p.sounding_ms, p.is_silent, p.begins_in_noise, p.bucket,
       p.object_key, p.status, p.language, p.cues
from user_transcript_pieces p
where p.transcript_id = $1 and p.number = $2

-- :transcript_pieces
select number, start_ms, length_ms, sounding_ms, is_silent, begins_in_noise, bucket, object_key,
       status, language, cues
from user_transcript_pieces
where transcript_id = $1
order by number

-- The call costs when it is made, whatever comes of it.
-- :transcript_piece_asked writes
with asked as (
    update user_transcripts set spent_microdollars = spent_microdollars + $2
    where id = $1
    returning model
)
select spend_add(model, $2, clock_timestamp()) from asked

-- Its object goes with the step that needed it.
-- :transcript_piece_done writes
with piece as (
    select bucket, object_key from user_transcript_pieces
    where transcript_id = $1 and number = $2 and object_key is not null
), gone as (
    insert into jobs (lane, kind, key, payload)
    select 'media', 'object_delete', 'object_delete:' || bucket || '/' || object_key,
           jsonb_build_object('bucket', bucket, 'object_key', object_key)
    from piece
    on conflict (key) do nothing
), heard as (
    update user_transcripts t
    set recognised_ms = t.recognised_ms + $6
    from user_transcript_pieces p
    where t.id = $1 and p.transcript_id = $1 and p.number = $2 and p.status = 'waiting'
)
update user_transcript_pieces
set status = $3, language = nullif($4, ''), cues = nullif($5, '')::jsonb, bucket = null,
    object_key = null
where transcript_id = $1 and number = $2 and status = 'waiting'

-- ---------------------------------------------------------------- history

-- A page from above: those before a place, newest first; 0: from the newest on.
-- :transcripts_page
select id, number, name, source, duration_ms, words,
       (extract(epoch from created_at) * 1000)::bigint as created_at_ms
from user_transcripts
where user_id = $1 and status = 'completed' and ($2::bigint = 0 or number < $2)
  and ($3 = '' or search @@ (websearch_to_tsquery('russian', $3)
                             || websearch_to_tsquery('english', $3)))
order by number desc
limit $4

-- The page above it, from its end: those behind a place, oldest first.
-- :transcripts_page_back
select id, number, name, source, duration_ms, words,
       (extract(epoch from created_at) * 1000)::bigint as created_at_ms
from user_transcripts
where user_id = $1 and status = 'completed' and number > $2
  and ($3 = '' or search @@ (websearch_to_tsquery('russian', $3)
                             || websearch_to_tsquery('english', $3)))
order by number
limit $4

-- :transcripts_count
select count(*) as n
from user_transcripts
where user_id = $1 and status = 'completed'
  and ($2 = '' or search @@ (websearch_to_tsquery('russian', $2)
                             || websearch_to_tsquery('english', $2)))

-- :transcript_speech_language
select speech_language from user_settings where user_id = $1

-- :transcript_set_speech_language writes
update user_settings set speech_language = $2, updated_at = now() where user_id = $1

-- ---------------------------------------------------------------- notes

-- Nothing comes back when there is one already that did not fail.
-- :note_add writes
insert into user_transcript_notes (transcript_id, user_id, kind, chat_id, language)
select id, user_id, $2, $3, $4
from user_transcripts
where id = $1
on conflict (transcript_id, kind) do update
set chat_id = excluded.chat_id, language = excluded.language, status = 'pending', parts = '[]',
    completed_at = null
where user_transcript_notes.status = 'failed'
returning transcript_id

-- :note_find
select n.kind, n.chat_id, n.language, n.status, n.parts, n.text
from user_transcript_notes n
join user_transcripts t on t.id = n.transcript_id
where n.transcript_id = $2 and n.kind = $3 and (t.user_id = $1 or $1 = 0)

-- :note_lock writes
select kind, chat_id, language, status, parts, text
from user_transcript_notes
where transcript_id = $1 and kind = $2
for update

-- :note_keep_part writes
update user_transcript_notes set parts = parts || jsonb_build_array($3::text)
where transcript_id = $1 and kind = $2 and status = 'pending'

-- :note_end writes
update user_transcript_notes
set status = $3, text = nullif($4, ''), parts = '[]', completed_at = now()
where transcript_id = $1 and kind = $2 and status = 'pending'

-- :note_asked writes
select spend_add($1, $2, clock_timestamp())

-- It is certain that nobody was paid for it.
-- :transcript_piece_not_asked writes
with taken as (
    update user_transcripts set spent_microdollars = greatest(spent_microdollars - $2, 0)
    where id = $1
    returning model
)
select spend_take_back(model, $2, now()) from taken
