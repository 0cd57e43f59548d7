-- Deploy aisha:transcript_sounding to pg
-- requires: transcripts
--
-- How much of a piece is loud enough to be speech: a recogniser that answers
-- with far too few words for it has stopped in the middle.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

alter table user_transcript_pieces
    add column sounding_ms bigint not null default 0 check (sounding_ms >= 0);

comment on column user_transcript_pieces.sounding_ms is 'Of its length, what is loud enough to be speech.';

commit;
