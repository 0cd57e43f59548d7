-- Verify aisha:exports on pg

begin;

select id, user_id, chat_id, language, state, files, packed, packed_bytes, parts, asked_at, finished_at
from exports
where false;
select export_id, number, name, bucket, source from export_files where false;
select export_id, number, bucket, object_key, is_last, created_at from export_parts where false;

select has_function_privilege('aisha_bot', 'export_begin(bigint, uuid, bigint, text)', 'execute'),
       has_function_privilege('aisha_worker', 'person_table_json(bigint, text)', 'execute');

rollback;
