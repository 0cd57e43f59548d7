-- Deploy aisha:users to pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create table users (
    id            bigint generated always as identity primary key,
    telegram_id   bigint not null unique,
    first_name    text not null default '',
    last_name     text,
    username      text,
    language_code text not null default 'ru' check (language_code in ('ru', 'en')),
    timezone      text not null default 'UTC+5' check (timezone ~ '^UTC[+-](1[0-4]|[0-9])$'),
    is_premium    boolean not null default false,
    is_blocked    boolean not null default false,
    unreachable_at timestamptz,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);

comment on table users is
    'People. id is ours and means nothing outside, so that the ledger can keep it when the row is gone.';
comment on column users.is_blocked is 'An admin locked this person out.';
comment on column users.unreachable_at is 'Telegram said 403: the person stopped the bot or is gone.';

create index users_created_at on users (created_at);
create index users_username on users (lower(username));

create table user_settings (
    user_id                bigint primary key references users on delete cascade,
    default_aspect_ratio   text not null default '1:1'
        check (default_aspect_ratio in ('1:1', '3:4', '4:3', '9:16', '16:9')),
    default_image_count    smallint not null default 1 check (default_image_count between 1 and 4),
    default_quality        text not null default 'balanced',
    quick_generation_mode  boolean not null default false,
    auto_enhance_prompts   boolean not null default true,
    show_technical_details boolean not null default false,
    notify_avatars         boolean not null default true,
    notify_balance         boolean not null default true,
    notify_generations     boolean not null default true,
    notify_updates         boolean not null default true,
    notify_promo           boolean not null default false,
    notify_tips            boolean not null default false,
    created_at             timestamptz not null default now(),
    updated_at             timestamptz not null default now()
);

comment on table user_settings is 'What a user prefers; the row is made together with the user.';

grant select, insert, update on users, user_settings to aisha_bot;
-- Erasing a person is work for the worker: objects and files go with the rows.
grant select, insert, update, delete on users, user_settings to aisha_worker;
grant select on users, user_settings to aisha_status;

commit;
