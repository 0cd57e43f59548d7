-- Deploy aisha:training_cancels to pg
-- requires: avatars

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

alter table avatar_trainings add column cancel_asked_at timestamptz;

comment on column avatar_trainings.cancel_asked_at is
    'When the user asked to stop what FAL was at work on: one that is cancelled then is paid. '
    'What is called off before FAL begins costs nothing and is not marked here.';

commit;
