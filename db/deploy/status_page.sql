-- Deploy aisha:status_page to pg
--
-- What the status page asks often has an index; what would have to read whole
-- tables is summed up now and then by a worker and kept in a row.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create table summaries (
    name    text primary key,
    value   jsonb not null,
    made_at timestamptz not null default clock_timestamp()
);

comment on table summaries is
    'What the sweep has last found by reading whole tables, and by asking Telegram about the webhook.';

grant select on summaries to aisha_bot, aisha_status;
grant select, insert, update, delete on summaries to aisha_worker;

commit;

-- Apart from the transaction above, which waits for nobody and makes nobody wait.
set role aisha_owner;
create index concurrently if not exists image_generations_created_at on image_generations (created_at);
create index concurrently if not exists images_created_at on images (created_at);
create index concurrently if not exists users_username_begins on users (lower(username) text_pattern_ops);
create index concurrently if not exists users_first_name_begins on users (lower(first_name) text_pattern_ops);
reset role;
