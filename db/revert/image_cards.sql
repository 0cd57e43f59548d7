-- Revert aisha:image_cards from pg

begin;

set local lock_timeout = '2s';
drop view image_cards;

commit;
