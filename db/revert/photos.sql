-- Revert aisha:photos from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop function photo_receive_turn, photo_receive, photos_recount, photos_progress_queue;

commit;
