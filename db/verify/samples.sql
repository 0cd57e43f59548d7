-- Verify aisha:samples on pg

begin;

select id, user_id, chat_id, avatar_id, is_order, file_id, caption, status, failure, file_size, width, height,
       words, prompt, aspect_ratio, cost_microdollars, created_at, ended_at
from image_samples
where false;

do $$
begin
    assert pg_get_functiondef('spend_today'::regproc) like '%image_samples%', 'the day knows of samples';
    assert has_function_privilege('aisha_worker', 'samples_prune()', 'execute'), 'they are pruned';
end $$;

rollback;
