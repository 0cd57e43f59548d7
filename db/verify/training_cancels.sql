-- Verify aisha:training_cancels on pg

begin;

select cancel_asked_at from avatar_trainings where false;

rollback;
