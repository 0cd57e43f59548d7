-- Deploy aisha:parked_bodies to pg
-- requires: turns
--
-- An update that cannot be read may hold bytes that are no text: it is kept as
-- it came, or it would hold up its chat for ever.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

alter table parked_updates alter column body type bytea using convert_to(body, 'UTF8');

commit;
