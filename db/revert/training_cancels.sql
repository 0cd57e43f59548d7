-- Revert aisha:training_cancels from pg

begin;

set local lock_timeout = '2s';
alter table avatar_trainings drop column cancel_asked_at;

commit;
