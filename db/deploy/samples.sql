-- Deploy aisha:samples to pg
-- requires: users avatars generations spend transcripts
--
-- Photos that users sent to have something like them drawn. The photo is never
-- kept: a row has Telegram's name for it while it waits to be looked at, and
-- then the words that it was described with.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create table image_samples (
    id                uuid primary key,
    user_id           bigint not null references users on delete cascade,
    chat_id           bigint not null,
    avatar_id         uuid references avatars on delete set null,
    is_order          boolean not null,
    file_id           text,
    caption           text not null,
    status            text not null default 'pending'
        check (status in ('pending', 'described', 'failed', 'cancelled')),
    failure           text,
    file_size         bigint not null default 0 check (file_size >= 0),
    width             int not null default 0 check (width >= 0),
    height            int not null default 0 check (height >= 0),
    words             text,
    prompt            text,
    aspect_ratio      text,
    cost_microdollars bigint not null check (cost_microdollars >= 0),
    created_at        timestamptz not null default now(),
    ended_at          timestamptz,
    constraint image_samples_end check ((status = 'pending') = (ended_at is null)),
    constraint image_samples_file check ((status = 'pending') = (file_id is not null)),
    constraint image_samples_words
        check (status <> 'described'
               or coalesce(words, '') <> '' and coalesce(prompt, '') <> '' and aspect_ratio is not null)
);

comment on table image_samples is 'What was understood of photos that something like them was to be drawn.';
comment on column image_samples.avatar_id is 'Who is to be drawn in place of whom the photo shows.';
comment on column image_samples.is_order is
    'There is an order of the same id, which waits for the words; else the user is shown them.';
comment on column image_samples.file_id is 'At Telegram, from where it is fetched to be looked at; forgotten then.';
comment on column image_samples.words is 'For the user to read, in his language.';
comment on column image_samples.prompt is 'The same for a model, in English.';
comment on column image_samples.aspect_ratio is 'Of those we draw in the one that is nearest to the photo.';
comment on column image_samples.cost_microdollars is 'What looking at it will cost us.';

create index image_samples_open on image_samples (user_id) where status = 'pending';
create index image_samples_over on image_samples (ended_at) where status <> 'pending';
create index image_samples_avatar on image_samples (avatar_id) where avatar_id is not null;
create index image_samples_user on image_samples (user_id);

-- As it was, with photos that wait to be looked at.
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
               where status = 'processing')
            + (select coalesce(sum(cost_microdollars), 0)
               from image_samples
               where status = 'pending'))::bigint
$$;

alter table free_uses drop constraint free_uses_thing_check;
alter table free_uses add constraint free_uses_thing_check
    check (thing in ('photo', 'preview', 'speech', 'note', 'sample')) not valid;

-- Its words are on the screen of whoever has not ordered by then, and a dialog lives a week.
create function samples_prune() returns bigint
language sql
set search_path = public, pg_temp
as $$
    with pruned as (
        delete from image_samples
        where status <> 'pending' and ended_at < now() - interval '8 days'
        returning id
    )
    select count(*) from pruned
$$;

grant select, insert, update, delete on image_samples to aisha_bot, aisha_worker;
grant select on image_samples to aisha_status;
grant execute on function samples_prune to aisha_worker;

commit;

-- Apart from the transaction that adds it: checking the rows that are there locks nobody out.
set role aisha_owner;
alter table free_uses validate constraint free_uses_thing_check;
reset role;
