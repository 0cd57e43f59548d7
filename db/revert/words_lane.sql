-- Revert aisha:words_lane from pg
--
-- What still asks about words is forgotten: the sweep submits its orders with the words as they are.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

delete from jobs where lane = 'words';
alter table jobs drop constraint jobs_lane;
alter table jobs add constraint jobs_lane_check check (lane in ('send', 'fal', 'speech', 'media'));

commit;
