-- Revert aisha:generations from pg

begin;

set local lock_timeout = '2s';

drop table images;
drop table image_generations;
drop type generationstatus;

commit;
