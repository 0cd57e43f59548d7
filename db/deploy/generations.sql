-- Deploy aisha:generations to pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create type generationstatus as enum ('pending', 'processing', 'completed', 'failed', 'cancelled');

create table image_generations (
    id                 uuid primary key,
    user_id            bigint not null references users on delete cascade,
    avatar_id          uuid,
    template_id        text,
    generation_type    text not null check (generation_type in ('avatar', 'imagen4')),
    source_model       text,
    original_prompt    text not null,
    final_prompt       text,
    quality_preset     text not null default 'balanced',
    aspect_ratio       text not null default '1:1',
    num_images         smallint not null default 1 check (num_images between 1 and 4),
    seed               bigint,
    price              bigint not null check (price >= 0),
    status             generationstatus not null default 'pending',
    attempt            int not null default 0,
    fal_request_id     text,
    fal_status_url     text,
    fal_response_url   text,
    fal_cancel_url     text,
    submitting_at      timestamptz,
    submitted_at       timestamptz,
    last_status_check  timestamptz,
    fal_response_data  jsonb,
    failure            text,
    error_message      text,
    generation_seconds double precision,
    prompt_metadata    jsonb not null default '{}',
    progress_slot      text,
    chat_id            bigint,
    language           text check (language in ('ru', 'en')),
    created_at         timestamptz not null default now(),
    completed_at       timestamptz,
    constraint image_generations_end
        check ((status in ('completed', 'failed', 'cancelled')) = (completed_at is not null))
);

comment on table image_generations is 'Orders for one to four images, with or without an avatar.';
comment on column image_generations.price is 'Whole coins, held when the row is made.';
comment on column image_generations.attempt is
    'Submissions to FAL so far; part of the callback address, so that an old answer is known as old.';
comment on column image_generations.failure is
    'A machine word: safety, nsfw, upstream, timeout, cancelled. The user reads our text for it.';
comment on column image_generations.error_message is 'What the other side said, as it said it; for the log.';

create index image_generations_user on image_generations (user_id, created_at desc);
create index image_generations_avatar on image_generations (avatar_id) where avatar_id is not null;
create index image_generations_fal_request on image_generations (fal_request_id)
    where fal_request_id is not null;
create index image_generations_open on image_generations (coalesce(submitted_at, created_at))
    where status in ('pending', 'processing');

create table images (
    id               uuid primary key,
    generation_id    uuid not null references image_generations on delete cascade,
    user_id          bigint not null references users on delete cascade,
    position         smallint not null check (position between 0 and 3),
    bucket           text not null,
    object_key       text not null,
    content_type     text not null,
    size_bytes       bigint not null check (size_bytes > 0),
    width            int check (width > 0),
    height           int check (height > 0),
    telegram_file_id text,
    is_favorite      boolean not null default false,
    created_at       timestamptz not null default now(),
    unique (generation_id, position),
    unique (bucket, object_key)
);

comment on table images is 'Images that exist, one object each; a generation without any was deleted or never came.';
comment on column images.telegram_file_id is
    'Known after the first send; later ones touch neither the object store nor the network.';

create index images_user on images (user_id, created_at desc, id desc);
create index images_user_favorite on images (user_id, created_at desc, id desc) where is_favorite;

create trigger images_object after delete on images
    for each row execute function object_delete_queue();

grant select, insert, update, delete on image_generations, images to aisha_bot, aisha_worker;
grant select on image_generations, images to aisha_status;

commit;
