-- Revert aisha:spend from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop function photo_receive_turn(bigint, bigint, jsonb, bigint, uuid, uuid, bigint, bigint, text,
                                 text, bigint, text, int, int);
drop function photo_receive(bigint, uuid, uuid, bigint, bigint, text, text, bigint, text, int, int);
drop function free_uses_prune, free_use, spend_note, spend_admit, spend_today, spend_take_back, spend_add;
drop table free_uses, spend_days;
alter table avatar_trainings drop column cost_microdollars;
alter table image_generations drop column cost_microdollars;

commit;
