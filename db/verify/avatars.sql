-- Verify aisha:avatars on pg

begin;

select id, user_id, name, gender, avatar_type, status, is_main, photos_count, generations_count,
       photo_key, preview_key, training_type, fal_request_id, learning_rate, trigger_phrase,
       trigger_word, steps, multiresolution_training, subject_crop, create_masks, captioning,
       finetune_type, finetune_comment, finetune_id, fal_mode, fal_iterations, fal_priority,
       lora_rank, webhook_url, diffusers_lora_file_url, config_file_url, training_logs,
       training_error, last_status_check, fal_response_data, training_config, training_progress,
       training_started_at, training_completed_at, avatar_data, created_at, updated_at
from avatars
where false;

select id, avatar_id, user_id, upload_order, validation_status, validation_error, bucket,
       object_key, file_hash, perceptual_hash, file_size, width, height, format, brightness,
       contrast, sharpness, quality_score, photo_metadata, source_kind, source_file_id,
       telegram_file_id, chat_id, message_id, created_at, validated_at
from avatar_photos
where false;

select id, avatar_id, user_id, chat_id, language, training_type, source_model, preset, price,
       photos_count, status, progress, archive_url, attempt, fal_request_id, fal_status_url,
       fal_response_url, fal_cancel_url, submitting_at, submitted_at, last_status_check,
       fal_response_data, failure, error_message, training_seconds, created_at, completed_at
from avatar_trainings
where false;

select avatar_id, kind, user_id, bucket, object_key, content_type, size_bytes, fal_url, created_at
from avatar_files
where false;

select avatar_id, avatar_name, seed from image_cards where false;
select id, is_draft, takes_photos, trigger, lora_url, picture_file_id, created_at_us from avatar_cards where false;
select is_preview from image_generations where false;

do $$
begin
    assert (select convalidated from pg_constraint where conname = 'image_generations_avatar');
    assert (select count(*) = 2 from pg_trigger
            where tgname in ('avatar_photos_object', 'avatar_files_object'));
end $$;

rollback;
