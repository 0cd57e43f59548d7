-- Revert aisha:summed_ranges from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

alter index image_generations_created_at reset (autosummarize);
alter index images_created_at reset (autosummarize);

commit;
