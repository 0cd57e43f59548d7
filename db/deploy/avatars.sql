-- Deploy aisha:avatars to pg
-- requires: users jobs generations

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create type avatargender as enum ('male', 'female');
create type avatartype as enum ('character', 'style', 'custom');
create type avatarstatus as enum ('draft', 'photos_uploading', 'ready_for_training', 'training',
    'completed', 'error', 'cancelled');
create type avatartrainingtype as enum ('portrait', 'style', 'object');
create type falfinetunetype as enum ('lora', 'dreambooth');
create type falpriority as enum ('speed', 'quality', 'high_res_only');
create type photovalidationstatus as enum ('pending', 'valid', 'invalid', 'duplicate');

-- ---------------------------------------------------------------- avatars

create table avatars (
    id                       uuid primary key,
    user_id                  bigint not null references users on delete cascade,
    name                     text not null check (char_length(name) between 2 and 50),
    gender                   avatargender,
    avatar_type              avatartype not null default 'character',
    status                   avatarstatus not null default 'draft',
    is_main                  boolean not null default false,
    photos_count             int not null default 0 check (photos_count >= 0),
    generations_count        int not null default 0 check (generations_count >= 0),
    photo_key                text,
    preview_key              text,
    -- The training as it was sent to FAL, and what FAL returned.
    training_type            avatartrainingtype not null,
    fal_request_id           text,
    learning_rate            double precision,
    trigger_phrase           text,
    trigger_word             text,
    steps                    int,
    multiresolution_training boolean,
    subject_crop             boolean,
    create_masks             boolean,
    captioning               boolean,
    finetune_type            falfinetunetype,
    finetune_comment         text,
    finetune_id              text,
    fal_mode                 text,
    fal_iterations           int,
    fal_priority             falpriority,
    lora_rank                int,
    webhook_url              text,
    diffusers_lora_file_url  text,
    config_file_url          text,
    training_logs            text,
    training_error           text,
    last_status_check        timestamptz,
    fal_response_data        jsonb,
    training_config          jsonb not null default '{}',
    training_progress        int not null default 0 check (training_progress between 0 and 100),
    training_started_at      timestamptz,
    training_completed_at    timestamptz,
    avatar_data              jsonb not null default '{}',
    created_at               timestamptz not null default now(),
    updated_at               timestamptz not null default now(),
    constraint avatars_gender check ((gender is not null) = (training_type = 'portrait')),
    constraint avatars_finished check (status <> 'completed' or diffusers_lora_file_url is not null)
);

comment on table avatars is 'Avatars from their first draft on, with the last training as it really was.';
comment on column avatars.gender is 'Asked for portraits only.';
comment on column avatars.training_config is 'The body that FAL was given, whole.';
comment on column avatars.photo_key is 'Object of the first photo, in the bucket of avatars.';
comment on column avatars.preview_key is 'Object of the image made for the card, in the bucket of images.';
comment on column avatars.learning_rate is
    'Like every parameter here: null when the trainer that was chosen does not take it.';
comment on column avatars.finetune_id is
    'With fal_mode, fal_iterations, fal_priority and lora_rank: of a trainer that FAL has retired; kept for avatars that come from there.';

create index ix_avatars_fal_request_id on avatars (fal_request_id);
create index ix_avatars_training_type on avatars (training_type);
create index avatars_user on avatars (user_id, created_at desc, id desc);
create unique index avatars_one_main on avatars (user_id) where is_main;
create unique index avatars_one_draft on avatars (user_id)
    where status in ('draft', 'photos_uploading', 'ready_for_training');

-- ---------------------------------------------------------------- photos

create table avatar_photos (
    id                uuid primary key,
    avatar_id         uuid not null references avatars on delete cascade,
    user_id           bigint not null references users on delete cascade,
    upload_order      int not null,
    validation_status photovalidationstatus not null default 'pending',
    validation_error  text,
    bucket            text,
    object_key        text,
    file_hash         text check (file_hash ~ '^[0-9a-f]{64}$'),
    perceptual_hash   bigint,
    file_size         bigint,
    width             int,
    height            int,
    format            text,
    brightness        double precision,
    contrast          double precision,
    sharpness         double precision,
    quality_score     double precision,
    photo_metadata    jsonb not null default '{}',
    source_kind       text not null check (source_kind in ('photo', 'document')),
    source_file_id    text not null,
    telegram_file_id  text,
    chat_id           bigint not null,
    message_id        bigint not null,
    created_at        timestamptz not null default now(),
    validated_at      timestamptz,
    unique (avatar_id, upload_order),
    unique (avatar_id, file_hash),
    unique (bucket, object_key),
    constraint avatar_photos_judged check ((validation_status = 'pending') = (validated_at is null)),
    constraint avatar_photos_kept
        check ((validation_status = 'valid') = (file_hash is not null and object_key is not null))
);

comment on table avatar_photos is 'Photos sent for an avatar, as they came and as they were judged.';
comment on column avatar_photos.file_hash is
    'SHA-256 of what the user sent; only kept photos have one, and an avatar has each once.';
comment on column avatar_photos.perceptual_hash is '64 bits; the distance of two is the number of bits that differ.';
comment on column avatar_photos.validation_error is 'A machine word; the user reads our text for it.';
comment on column avatar_photos.source_file_id is 'What Telegram gave for the message of the user.';
comment on column avatar_photos.telegram_file_id is
    'By which it is shown again; of a photo that came as a file it is known after the first showing.';
comment on column avatar_photos.object_key is 'Upright JPEG of our own making, never the bytes that came.';

create index avatar_photos_user on avatar_photos (user_id);

create trigger avatar_photos_object after delete on avatar_photos
    for each row execute function object_delete_queue();

-- ---------------------------------------------------------------- trainings

create table avatar_trainings (
    id                uuid primary key,
    avatar_id         uuid not null references avatars on delete cascade,
    user_id           bigint not null references users on delete cascade,
    chat_id           bigint not null,
    language          text not null check (language in ('ru', 'en')),
    training_type     avatartrainingtype not null,
    source_model      text not null,
    preset            text not null check (preset in ('fast', 'balanced', 'quality')),
    price             bigint not null check (price >= 0),
    photos_count      int not null,
    status            generationstatus not null default 'pending',
    progress          int not null default 0 check (progress between 0 and 100),
    archive_url       text,
    attempt           int not null default 0,
    fal_request_id    text,
    fal_status_url    text,
    fal_response_url  text,
    fal_cancel_url    text,
    submitting_at     timestamptz,
    submitted_at      timestamptz,
    last_status_check timestamptz,
    fal_response_data jsonb,
    failure           text,
    error_message     text,
    training_seconds  double precision,
    created_at        timestamptz not null default now(),
    completed_at      timestamptz,
    constraint avatar_trainings_end
        check ((status in ('completed', 'failed', 'cancelled')) = (completed_at is not null))
);

comment on table avatar_trainings is 'Orders for a training, one row each time a user pays for one.';
comment on column avatar_trainings.price is 'Whole coins, held when the row is made.';
comment on column avatar_trainings.archive_url is 'Where FAL reads the photos; on its own storage.';
comment on column avatar_trainings.attempt is
    'Submissions to FAL so far; part of the callback address, so that an old answer is known as old.';

create index avatar_trainings_user on avatar_trainings (user_id, created_at desc);
create index avatar_trainings_open on avatar_trainings (coalesce(submitted_at, created_at))
    where status in ('pending', 'processing');
create unique index avatar_trainings_one_open on avatar_trainings (avatar_id)
    where status in ('pending', 'processing');

-- ---------------------------------------------------------------- what came of them

create table avatar_files (
    avatar_id    uuid not null references avatars on delete cascade,
    kind         text not null check (kind in ('lora', 'config')),
    user_id      bigint not null references users on delete cascade,
    bucket       text not null,
    object_key   text not null,
    content_type text not null,
    size_bytes   bigint not null check (size_bytes > 0),
    fal_url      text not null,
    created_at   timestamptz not null default now(),
    primary key (avatar_id, kind),
    unique (bucket, object_key)
);

comment on table avatar_files is 'Our copies of what a training made.';
comment on column avatar_files.fal_url is
    'Where FAL reads it now: its own file, or ours uploaded again when that one was gone.';

create index avatar_files_user on avatar_files (user_id);

create trigger avatar_files_object after delete on avatar_files
    for each row execute function object_delete_queue();

-- ---------------------------------------------------------------- images with an avatar

alter table image_generations
    add column is_preview boolean not null default false,
    add constraint image_generations_avatar foreign key (avatar_id)
        references avatars on delete set null not valid;

comment on column image_generations.is_preview is
    'Made by us when a training ended, as a present; becomes the picture of the card.';

create or replace view image_cards as
select i.id, i.generation_id, i.user_id, i.position, i.bucket, i.object_key, i.content_type,
       i.telegram_file_id, i.is_favorite, i.created_at,
       (extract(epoch from i.created_at) * 1000000)::bigint as created_at_us,
       g.original_prompt, g.aspect_ratio, g.generation_type, g.source_model, g.quality_preset,
       g.generation_seconds, g.avatar_id, a.name as avatar_name, g.seed
from images i
join image_generations g on g.id = i.generation_id
left join avatars a on a.id = g.avatar_id;

-- Drafts, and what was not finished: such an avatar can be trained again, with other photos.
create function avatar_takes_photos(p_status avatarstatus) returns boolean
language sql immutable
set search_path = public, pg_temp
as $$
    select p_status in ('draft', 'photos_uploading', 'ready_for_training', 'error', 'cancelled')
$$;

create view avatar_cards as
select a.id, a.user_id, a.name, a.gender, a.training_type, a.status,
       a.status in ('draft', 'photos_uploading', 'ready_for_training') as is_draft,
       avatar_takes_photos(a.status) as takes_photos, a.is_main,
       a.photos_count, a.generations_count, a.training_progress,
       coalesce(a.trigger_phrase, a.trigger_word) as trigger,
       coalesce(f.fal_url, a.diffusers_lora_file_url) as lora_url, a.photo_key, a.preview_key,
       coalesce(i.telegram_file_id, p.telegram_file_id) as picture_file_id, a.created_at,
       (extract(epoch from a.created_at) * 1000000)::bigint as created_at_us
from avatars a
left join avatar_files f on f.avatar_id = a.id and f.kind = 'lora'
left join images i on i.user_id = a.user_id and i.object_key = a.preview_key
left join avatar_photos p on p.avatar_id = a.id and p.object_key = a.photo_key;

comment on view avatar_cards is 'An avatar with what its card shows and what an image with it needs.';

grant select, insert, update, delete on avatars, avatar_photos, avatar_trainings, avatar_files
    to aisha_bot, aisha_worker;
grant select on avatars, avatar_photos, avatar_trainings, avatar_files, avatar_cards to aisha_status;
grant select on avatar_cards to aisha_bot, aisha_worker;
grant execute on function avatar_takes_photos to aisha_bot, aisha_worker, aisha_status;

commit;

-- Apart from the transaction that adds it: checking the rows that are there locks nobody out.
set role aisha_owner;
alter table image_generations validate constraint image_generations_avatar;
reset role;
