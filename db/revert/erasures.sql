-- Revert aisha:erasures from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop function person_forget, person_erase, telegram_id_forget, person_is_at_work, erasure_at_fal,
    erasure_strays, erasure_objects, erasure_queue, person_settle, person_leave, person_stop;
drop table erasures;

commit;
