-- Deploy aisha:summed_ranges to pg
-- requires: status_page
--
-- What was made at a time is found by ranges of pages and not by rows: an order in them would tempt the
-- planner to look for a user's images by it. Pages behind the last vacuum would have no range yet and be
-- read by whoever asks for any time, and a fifth of a table may be new before a vacuum comes by itself,
-- so ranges are summed up as they fill.

-- Nobody waits for these, and they make nobody wait.
set role aisha_owner;
drop index concurrently if exists image_generations_created_at;
drop index concurrently if exists images_created_at;
create index concurrently image_generations_created_at
    on image_generations using brin (created_at) with (autosummarize = on);
create index concurrently images_created_at on images using brin (created_at) with (autosummarize = on);
reset role;
