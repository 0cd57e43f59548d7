-- Revert aisha:parties from pg

begin;

set local lock_timeout = '2s';

drop table counters;
drop table parties;
drop table workers;
drop table jwks;

commit;
