-- Verify aisha:transcript_sounding on pg

begin;

select sounding_ms from user_transcript_pieces where false;

rollback;
