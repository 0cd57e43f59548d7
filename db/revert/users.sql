-- Revert aisha:users from pg

begin;

set local lock_timeout = '2s';

drop table user_settings;
drop table users;

commit;
