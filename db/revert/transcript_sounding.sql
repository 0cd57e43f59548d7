-- Revert aisha:transcript_sounding from pg

begin;

set local lock_timeout = '2s';
alter table user_transcript_pieces drop column sounding_ms;

commit;
