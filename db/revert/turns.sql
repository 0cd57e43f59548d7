-- Revert aisha:turns from pg

begin;

set local lock_timeout = '2s';

drop table parked_updates;
drop function turns_rotate();
drop function turn_outcome(bigint, bigint, jsonb, bigint);
drop function turn_claim(bigint, bigint, bigint);
drop table turns;
drop function turn_has_outcome();

commit;
