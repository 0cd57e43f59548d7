-- Verify aisha:spend on pg

begin;

select day, kind, calls, microdollars from spend_days where false;
select user_id, thing, day, uses from free_uses where false;
select cost_microdollars from image_generations where false;
select cost_microdollars from avatar_trainings where false;
select 1 / has_function_privilege(role, f, 'execute')::int
from (values
    ('aisha_bot', 'spend_admit(bigint, bigint)'),
    ('aisha_bot', 'free_use(bigint, text, int)'),
    ('aisha_bot', 'photo_receive_turn(bigint, bigint, jsonb, bigint, uuid, uuid, bigint, bigint, text, text, bigint, text, int, int)'),
    ('aisha_worker', 'spend_add(text, bigint, timestamptz)'),
    ('aisha_worker', 'spend_take_back(text, bigint, timestamptz)'),
    ('aisha_worker', 'free_uses_prune()'),
    ('aisha_status', 'spend_today()')) as wanted (role, f);

rollback;
