-- Revert aisha:erased_marks from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop function promo_refusal, erased_marks_prune, person_recall, person_remember, erased_mark_of;
drop table promo_earlier_uses, erased_marks;

commit;
