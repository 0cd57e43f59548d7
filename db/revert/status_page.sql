-- Revert aisha:status_page from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop index if exists users_first_name_begins;
drop index if exists users_username_begins;
drop index if exists images_created_at;
drop index if exists image_generations_created_at;
drop table summaries;

commit;
