-- Verify aisha:erasures on pg

begin;

select id, user_id, telegram_id, language, asked_at, erased_at, told_at, ended_at
from erasures
where false;

select has_function_privilege('aisha_bot', 'person_leave(bigint, uuid, text)', 'execute'),
       has_function_privilege('aisha_worker', 'person_erase(uuid, text, text)', 'execute'),
       has_function_privilege('aisha_worker', 'person_forget(uuid)', 'execute');

rollback;
