-- Deploy aisha:photos to pg
-- requires: avatars jobs
--
-- Whoever adds, judges or removes a photo holds the row of its avatar first, so
-- that the limit is exact and no two of them count past each other.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

-- At most one is waiting for an avatar: it tells what is true when its turn
-- comes. One that is being taken at this moment may have looked already, so the
-- row is locked and looked at again.
create function photos_progress_queue(p_user_id bigint, p_avatar_id uuid, p_chat_id bigint)
returns void
language plpgsql
set search_path = public, pg_temp
as $$
begin
    perform from jobs
    where subject = p_avatar_id and kind = 'photos_progress' and state = 'queued'
    for update;
    if not found then
        insert into jobs (lane, kind, user_id, subject, payload, run_at)
        values ('send', 'photos_progress', p_user_id, p_avatar_id,
                jsonb_build_object('chat_id', p_chat_id), now() + interval '400 milliseconds');
    end if;
end $$;

-- received: it is kept and will be looked at; refused: for the reason that was
-- given; full: there is no place for it; gone: no such avatar takes photos.
create function photo_receive(p_user_id bigint, p_avatar_id uuid, p_photo_id uuid, p_chat_id bigint,
                              p_message_id bigint, p_kind text, p_file_id text,
                              p_file_size bigint, p_refused text, p_most int)
returns text
language plpgsql
set search_path = public, pg_temp
as $$
declare
    held int;
    last int;
begin
    perform from avatars
    where id = p_avatar_id and user_id = p_user_id and avatar_takes_photos(status)
    for update;
    if not found then
        return 'gone';
    end if;

    select count(*) filter (where validation_status in ('pending', 'valid')),
           coalesce(max(upload_order), 0)
    into held, last
    from avatar_photos
    where avatar_id = p_avatar_id;
    if held >= p_most then
        return 'full';
    end if;

    insert into avatar_photos (id, avatar_id, user_id, upload_order, chat_id, message_id,
                               source_kind, source_file_id, file_size, validation_status,
                               validation_error, validated_at)
    values (p_photo_id, p_avatar_id, p_user_id, last + 1, p_chat_id, p_message_id, p_kind,
            p_file_id, p_file_size,
            case when p_refused is null then 'pending' else 'invalid' end::photovalidationstatus,
            p_refused, case when p_refused is not null then now() end);
    insert into jobs (lane, kind, key, user_id, subject, payload)
    values (case when p_refused is null then 'media' else 'send' end,
            case when p_refused is null then 'photo_take' else 'photo_tell' end,
            case when p_refused is null then 'photo_take:' else 'photo_tell:' end || p_photo_id,
            p_user_id, p_photo_id,
            jsonb_build_object('chat_id', p_chat_id, 'avatar', p_avatar_id));
    perform photos_progress_queue(p_user_id, p_avatar_id, p_chat_id);
    return case when p_refused is null then 'received' else 'refused' end;
end $$;

-- The same as a whole turn: one statement claims the update, receives the photo
-- and leaves the outcome that the turn will have. An earlier run's outcome is
-- given back instead; full (AI005) and gone (AI006) leave nothing behind.
create function photo_receive_turn(p_bot_id bigint, p_update_id bigint, p_outcome jsonb,
                                   p_user_id bigint, p_avatar_id uuid, p_photo_id uuid,
                                   p_chat_id bigint, p_message_id bigint, p_kind text,
                                   p_file_id text, p_file_size bigint, p_refused text, p_most int,
                                   out verdict text, out earlier jsonb)
language plpgsql
set search_path = public, pg_temp
as $$
begin
    earlier := turn_claim(p_bot_id, p_update_id, p_user_id);
    if earlier is not null then
        return;
    end if;
    verdict := photo_receive(p_user_id, p_avatar_id, p_photo_id, p_chat_id, p_message_id, p_kind,
                             p_file_id, p_file_size, p_refused, p_most);
    if verdict = 'full' then
        raise exception 'no place for a photo' using errcode = 'AI005';
    elsif verdict = 'gone' then
        raise exception 'no avatar that takes it' using errcode = 'AI006';
    end if;
    perform turn_outcome(p_bot_id, p_update_id, p_outcome);
end $$;

-- What an avatar has of photos is said by its row: their number, the first one,
-- and of a draft whether there are enough for a training.
create function photos_recount(p_avatar_id uuid, p_least int) returns int
language plpgsql
set search_path = public, pg_temp
as $$
declare
    kept int;
    first_key text;
begin
    select count(*), (array_agg(object_key order by upload_order))[1]
    into kept, first_key
    from avatar_photos
    where avatar_id = p_avatar_id and validation_status = 'valid';

    update avatars
    set photos_count = kept, photo_key = first_key, updated_at = now(),
        status = case when status in ('error', 'cancelled') then status
                      when kept = 0 then 'draft'
                      when kept < p_least then 'photos_uploading'
                      else 'ready_for_training' end
    where id = p_avatar_id and avatar_takes_photos(status);
    return kept;
end $$;

grant execute on function photo_receive_turn to aisha_bot;
grant execute on function photo_receive, photos_progress_queue, photos_recount
    to aisha_bot, aisha_worker;

commit;
