-- Revert aisha:admin from pg

begin;

set local lock_timeout = '2s';

drop table admin_audit;
drop table admin_sessions;
drop table admin_links;

commit;
