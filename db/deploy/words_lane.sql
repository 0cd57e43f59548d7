-- Deploy aisha:words_lane to pg
-- requires: jobs
--
-- A lane for short questions about texts, beside the long ones about recordings.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

alter table jobs drop constraint jobs_lane_check;
alter table jobs add constraint jobs_lane
    check (lane in ('send', 'fal', 'words', 'speech', 'media')) not valid;

commit;

-- Apart from the transaction that adds it: checking the rows that are there locks nobody out.
set role aisha_owner;
alter table jobs validate constraint jobs_lane;
reset role;
