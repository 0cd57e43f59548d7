-- Deploy aisha:spend to pg
-- requires: generations avatars photos training_cancels
--
-- What the outside parties cost us, by our own price list, and what people may
-- use up in a day for nothing. Days are days in UTC.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

-- ---------------------------------------------------------------- money of ours

create table spend_days (
    day          date not null,
    kind         text not null,
    calls        bigint not null default 0 check (calls >= 0),
    microdollars bigint not null default 0 check (microdollars >= 0),
    primary key (day, kind)
);

comment on table spend_days is
    'Calls to outside parties that cost money, and what they cost by the settings; a row for each day and kind.';
comment on column spend_days.kind is 'The model that was asked.';

alter table image_generations add column cost_microdollars bigint not null default 0;
alter table avatar_trainings add column cost_microdollars bigint not null default 0;

comment on column image_generations.cost_microdollars is
    'What a submission costs us, by the settings of the day it was ordered.';
comment on column avatar_trainings.cost_microdollars is
    'What a submission costs us, by the settings of the day it was ordered.';

-- With the submission, in its transaction: each one costs, also one that is made twice.
create function spend_add(p_kind text, p_microdollars bigint, p_at timestamptz) returns void
language sql
set search_path = public, pg_temp
as $$
    insert into spend_days (day, kind, calls, microdollars)
    values ((p_at at time zone 'UTC')::date, p_kind, 1, p_microdollars)
    on conflict (day, kind) do update
    set calls = spend_days.calls + 1,
        microdollars = spend_days.microdollars + excluded.microdollars
$$;

-- When it is certain that the other side does not ask for it. p_at: when it was added; null: it was not.
create function spend_take_back(p_kind text, p_microdollars bigint, p_at timestamptz) returns void
language sql
set search_path = public, pg_temp
as $$
    update spend_days
    set calls = greatest(calls - 1, 0), microdollars = greatest(microdollars - p_microdollars, 0)
    where day = (p_at at time zone 'UTC')::date and kind = p_kind
$$;

-- spent: submitted today. under_way: ordered, whenever that was, and still to be submitted.
create function spend_today(out spent bigint, out under_way bigint)
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

-- Whether the day has room for what this transaction has ordered and for p_more. Orders stand in line
-- here until their transactions end, so that two of them never take the same room; who asks holds
-- his ledger accounts already and waits for nothing else of anybody afterwards.
create function spend_admit(p_limit bigint, p_more bigint, out total bigint, out fits boolean)
language plpgsql
set search_path = public, pg_temp
as $$
begin
    perform pg_advisory_xact_lock('spend_days'::regclass::oid::bigint);
    select t.spent + t.under_way + p_more into total from spend_today() t;
    fits := total <= p_limit;
end $$;

-- Tells the admins, by their Telegram ids, that the day is at so many percent: each of them once.
create function spend_note(p_percent int, p_total bigint, p_limit bigint, p_admins bigint[])
returns void
language sql
set search_path = public, pg_temp
as $$
    insert into jobs (lane, kind, key, payload)
    select 'send', 'spend_note',
           format('spend_note:%s:%s:%s', (now() at time zone 'UTC')::date, p_percent, admin),
           jsonb_build_object('chat_id', admin, 'percent', p_percent, 'total', p_total,
                              'limit', p_limit)
    from unnest(p_admins) as admin
    on conflict (key) do nothing
$$;

-- ---------------------------------------------------------------- free things

create table free_uses (
    user_id bigint not null references users on delete cascade,
    thing   text not null check (thing in ('photo', 'preview')),
    day     date not null,
    uses    int not null check (uses > 0),
    primary key (user_id, thing, day)
);

comment on table free_uses is 'What a user has had in a day that costs no coins.';

-- Counts one use. False, and nothing counted, when as many as there may be were had today.
create function free_use(p_user_id bigint, p_thing text, p_most int) returns boolean
language plpgsql
set search_path = public, pg_temp
as $$
begin
    if p_most < 1 then
        return false;
    end if;
    insert into free_uses (user_id, thing, day, uses)
    values (p_user_id, p_thing, (now() at time zone 'UTC')::date, 1)
    on conflict (user_id, thing, day) do update set uses = free_uses.uses + 1
    where free_uses.uses < p_most;
    return found;
end $$;

create function free_uses_prune() returns bigint
language sql
set search_path = public, pg_temp
as $$
    with pruned as (
        delete from free_uses where day < (now() at time zone 'UTC')::date - 7 returning user_id
    )
    select count(*) from pruned
$$;

-- ---------------------------------------------------------------- photos

-- As it was, with one verdict more; daily: as many as a day may have were looked at. What is refused
-- without a look is free.
create function photo_receive(p_user_id bigint, p_avatar_id uuid, p_photo_id uuid, p_chat_id bigint,
                              p_message_id bigint, p_kind text, p_file_id text,
                              p_file_size bigint, p_refused text, p_most int, p_most_a_day int)
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
    if p_refused is null and not free_use(p_user_id, 'photo', p_most_a_day) then
        return 'daily';
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

-- The same as a whole turn, as it was; daily (AI007) leaves nothing behind either.
create function photo_receive_turn(p_bot_id bigint, p_update_id bigint, p_outcome jsonb,
                                   p_user_id bigint, p_avatar_id uuid, p_photo_id uuid,
                                   p_chat_id bigint, p_message_id bigint, p_kind text,
                                   p_file_id text, p_file_size bigint, p_refused text, p_most int,
                                   p_most_a_day int, out verdict text, out earlier jsonb)
language plpgsql
set search_path = public, pg_temp
as $$
begin
    earlier := turn_claim(p_bot_id, p_update_id, p_user_id);
    if earlier is not null then
        return;
    end if;
    verdict := photo_receive(p_user_id, p_avatar_id, p_photo_id, p_chat_id, p_message_id, p_kind,
                             p_file_id, p_file_size, p_refused, p_most, p_most_a_day);
    if verdict = 'full' then
        raise exception 'no place for a photo' using errcode = 'AI005';
    elsif verdict = 'gone' then
        raise exception 'no avatar that takes it' using errcode = 'AI006';
    elsif verdict = 'daily' then
        raise exception 'no more photos today' using errcode = 'AI007';
    end if;
    perform turn_outcome(p_bot_id, p_update_id, p_outcome);
end $$;

grant select on spend_days to aisha_bot, aisha_worker, aisha_status;
grant insert, update on spend_days to aisha_worker;
grant select, insert, update on free_uses to aisha_bot, aisha_worker;
grant delete on free_uses to aisha_worker;
grant select on free_uses to aisha_status;
grant execute on function spend_today to aisha_bot, aisha_worker, aisha_status;
grant execute on function spend_admit, spend_note, free_use to aisha_bot, aisha_worker;
grant execute on function spend_add, spend_take_back, free_uses_prune to aisha_worker;
grant execute on function photo_receive(bigint, uuid, uuid, bigint, bigint, text, text, bigint, text,
                                        int, int) to aisha_bot, aisha_worker;
grant execute on function photo_receive_turn(bigint, bigint, jsonb, bigint, uuid, uuid, bigint,
                                             bigint, text, text, bigint, text, int, int) to aisha_bot;

commit;
