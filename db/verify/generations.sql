-- Verify aisha:generations on pg

begin;

select id, user_id, avatar_id, template_id, generation_type, source_model, original_prompt,
       final_prompt, quality_preset, aspect_ratio, num_images, seed, price, status, attempt,
       fal_request_id, fal_status_url, fal_response_url, fal_cancel_url, submitting_at, submitted_at,
       last_status_check, fal_response_data, failure, error_message, generation_seconds,
       prompt_metadata, progress_slot, chat_id, language, created_at, completed_at
from image_generations
where false;

select id, generation_id, user_id, position, bucket, object_key, content_type, size_bytes, width,
       height, telegram_file_id, is_favorite, created_at
from images
where false;

do $$
begin
    assert exists (select from pg_trigger where tgrelid = 'images'::regclass and tgname = 'images_object');
end $$;

rollback;
