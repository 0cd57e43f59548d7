-- Deploy aisha:summed_ranges to pg
-- requires: status_page
--
-- Pages behind the last vacuum have no range yet, and are read by whoever asks for any time. A fifth of
-- a table may be new before a vacuum comes by itself.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

alter index image_generations_created_at set (autosummarize = on);
alter index images_created_at set (autosummarize = on);

commit;
