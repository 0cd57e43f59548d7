-- Deploy aisha:transcripts to pg
-- requires: users settings jobs ledger generations avatars open_holds spend exports erasures
--
-- Speech and texts that people sent to be written down: what came of each, the
-- pieces it was recognised in, and what was made of it afterwards.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

-- ---------------------------------------------------------------- transcripts

-- Searched in both languages: nobody says in which one he spoke. A text of too many words for the
-- index is found by its name alone.
create function transcript_words(p_name text, p_text text) returns tsvector
language plpgsql immutable
set search_path = public, pg_temp
as $$
begin
    return setweight(to_tsvector('pg_catalog.russian', p_name), 'A')
        || setweight(to_tsvector('pg_catalog.english', p_name), 'A')
        || to_tsvector('pg_catalog.russian', coalesce(p_text, ''))
        || to_tsvector('pg_catalog.english', coalesce(p_text, ''));
exception when program_limit_exceeded then
    return to_tsvector('pg_catalog.russian', p_name);
end $$;

create table user_transcripts (
    id                 uuid primary key,
    number             bigint generated always as identity unique,
    user_id            bigint not null references users on delete cascade,
    chat_id            bigint not null,
    message_id         bigint not null,
    language           text not null check (language in ('ru', 'en')),
    speech_language    text not null default 'auto',
    source             text not null
        check (source in ('voice', 'audio', 'video_note', 'video', 'file', 'text')),
    name               text not null check (name <> ''),
    file_id            text,
    file_size          bigint not null default 0 check (file_size >= 0),
    status             text not null default 'pending'
        check (status in ('pending', 'quoted', 'processing', 'completed', 'failed', 'cancelled')),
    failure            text,
    is_stopping        boolean not null default false,
    format             text,
    duration_ms        bigint not null default 0 check (duration_ms >= 0),
    price              bigint not null default 0 check (price >= 0),
    charged            bigint not null default 0 check (charged >= 0),
    is_free            boolean not null default false,
    model              text,
    cost_microdollars  bigint not null default 0 check (cost_microdollars >= 0),
    spent_microdollars bigint not null default 0 check (spent_microdollars >= 0),
    pieces             int not null default 0 check (pieces >= 0),
    pieces_bucket      text,
    recognised_ms      bigint not null default 0 check (recognised_ms >= 0),
    spoken_language    text,
    words              int not null default 0 check (words >= 0),
    text               text,
    cues               jsonb,
    search             tsvector generated always as (transcript_words(name, text)) stored,
    created_at         timestamptz not null default now(),
    started_at         timestamptz,
    completed_at       timestamptz,
    constraint transcripts_charge check (charged <= price),
    constraint transcripts_text check (status <> 'completed' or text is not null),
    constraint transcripts_end
        check ((status in ('completed', 'failed', 'cancelled')) = (completed_at is not null))
);

comment on table user_transcripts is 'What users sent to be written down, and what was understood.';
comment on column user_transcripts.number is 'Its place in the history: the order in which they came.';
comment on column user_transcripts.language is 'In which we speak with the user about it.';
comment on column user_transcripts.file_id is
    'At Telegram, from where the recording is fetched when it is needed; forgotten at the end.';
comment on column user_transcripts.status is
    'pending: fetched and measured; quoted: the user has a price before him; processing: paid or free, under way.';
comment on column user_transcripts.pieces_bucket is 'Where its pieces are being put, or were.';
comment on column user_transcripts.is_stopping is 'The user wants no more than what is recognised by now.';
comment on column user_transcripts.charged is 'Coins that were taken of the price.';
comment on column user_transcripts.cues is 'Who said what when: [{"s": ms, "e": ms, "t": words}, …].';

create index user_transcripts_history on user_transcripts (user_id, number desc)
    where status = 'completed';
create index user_transcripts_search on user_transcripts using gin (search);
create index user_transcripts_over on user_transcripts (completed_at)
    where status in ('failed', 'cancelled');
create index user_transcripts_open on user_transcripts (user_id)
    where status in ('pending', 'quoted', 'processing');

create table user_transcript_pieces (
    transcript_id   uuid not null references user_transcripts on delete cascade,
    user_id         bigint not null references users on delete cascade,
    number          int not null check (number >= 0),
    start_ms        bigint not null check (start_ms >= 0),
    length_ms       bigint not null check (length_ms > 0),
    is_silent       boolean not null,
    begins_in_noise boolean not null,
    bucket          text,
    object_key      text,
    status          text not null default 'waiting' check (status in ('waiting', 'done', 'failed')),
    language        text,
    cues            jsonb,
    primary key (transcript_id, number)
);

create index user_transcript_pieces_user on user_transcript_pieces (user_id);

comment on table user_transcript_pieces is
    'A recording under way, cut in pauses; the rows go when it has been put together.';
comment on column user_transcript_pieces.object_key is 'Until it is recognised.';
comment on column user_transcript_pieces.cues is 'As of the transcript, but from the beginning of the piece.';

create trigger user_transcript_pieces_object after delete on user_transcript_pieces
    for each row execute function object_delete_queue();

create table user_transcript_notes (
    transcript_id uuid not null references user_transcripts on delete cascade,
    user_id       bigint not null references users on delete cascade,
    kind          text not null check (kind in ('summary', 'todo', 'protocol')),
    chat_id       bigint not null,
    language      text not null check (language in ('ru', 'en')),
    status        text not null default 'pending' check (status in ('pending', 'completed', 'failed')),
    parts         jsonb not null default '[]',
    text          text,
    created_at    timestamptz not null default now(),
    completed_at  timestamptz,
    primary key (transcript_id, kind),
    constraint notes_end check ((status <> 'pending') = (completed_at is not null)),
    constraint notes_text check (status <> 'completed' or text is not null)
);

create index user_transcript_notes_user on user_transcript_notes (user_id);

comment on table user_transcript_notes is
    'A summary, a list of tasks or a protocol of a transcript: made once, shown as often as asked for.';
comment on column user_transcript_notes.parts is 'What was made of each part of a long text so far.';

-- ---------------------------------------------------------------- what others know of them

alter table user_settings add column speech_language text not null default 'auto'
    check (speech_language in ('auto', 'ru', 'en'));

comment on column user_settings.speech_language is 'In which recordings are spoken; auto: it is found out.';

alter table free_uses drop constraint free_uses_thing_check;
alter table free_uses add constraint free_uses_thing_check
    check (thing in ('photo', 'preview', 'speech', 'note')) not valid;
alter table free_uses validate constraint free_uses_thing_check;

create or replace view paid_work as
select id, status from image_generations
union all
select id, status from avatar_trainings
union all
select id, (case status when 'quoted' then 'pending' else status end)::generationstatus
from user_transcripts;

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
                 and fal_status_url is null and fal_response_data is null)
            + (select coalesce(sum(greatest(cost_microdollars - spent_microdollars, 0)), 0)
               from user_transcripts
               where status = 'processing'))::bigint
$$;

-- As they were, with the pieces of recordings under way: those that have a row, and those that a step
-- may have stored before it could write one. A piece has more than fifty seconds.
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
        where t.user_id = p_user_id and t.status = 'processing' and t.pieces = 0
          and t.pieces_bucket is not null
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
          where e.user_id = erasure.user_id
          union all
          select bucket, object_key
          from user_transcript_pieces
          where user_id = erasure.user_id) as f
    where f.object_key is not null;
    delete from users where id = erasure.user_id;
    perform erasure_objects(p_erasure_id, buckets, keys);

    perform telegram_id_forget(erasure.telegram_id);
    update erasures set erased_at = now() where id = p_erasure_id;
    return 'gone';
end $$;

-- What came to nothing is of no use to anybody after a while; nor is a price that nobody paid.
create function transcripts_prune() returns bigint
language sql
set search_path = public, pg_temp
as $$
    with pruned as (
        delete from user_transcripts
        where (status in ('failed', 'cancelled') and completed_at < now() - interval '30 days')
           or (status = 'quoted' and created_at < now() - interval '7 days')
        returning id
    )
    select count(*) from pruned
$$;

grant select, insert, update, delete on user_transcripts to aisha_bot, aisha_worker;
grant select, delete on user_transcript_pieces to aisha_bot;
grant select, insert, update, delete on user_transcript_pieces to aisha_worker;
grant select, insert, update, delete on user_transcript_notes to aisha_bot, aisha_worker;
grant select on user_transcripts, user_transcript_pieces, user_transcript_notes to aisha_status;
grant execute on function transcript_words to aisha_bot, aisha_worker;
grant execute on function transcripts_prune to aisha_worker;

commit;
