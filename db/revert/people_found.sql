-- Revert aisha:people_found from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop index if exists users_last_name_begins;
drop index if exists users_name_begins;

commit;
