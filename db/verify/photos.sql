-- Verify aisha:photos on pg

begin;

select has_function_privilege('aisha_bot', f, 'execute')
from (values
    ('photo_receive(bigint, uuid, uuid, bigint, bigint, text, text, bigint, text, int)'),
    ('photo_receive_turn(bigint, bigint, jsonb, bigint, uuid, uuid, bigint, bigint, text, text, bigint, text, int)'),
    ('photos_progress_queue(bigint, uuid, bigint)'),
    ('photos_recount(uuid, int)')) as wanted (f);

rollback;
