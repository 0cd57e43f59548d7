-- Revert aisha:bots from pg

begin;

set local lock_timeout = '2s';
drop table bots;

commit;
