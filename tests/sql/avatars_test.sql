-- Avatars: every column by name and type, and the rules that the database keeps by itself.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

select columns_are('avatars', array['id', 'user_id', 'name', 'gender', 'avatar_type', 'status',
    'finetune_id', 'training_progress', 'training_started_at', 'training_completed_at', 'fal_mode',
    'fal_iterations', 'fal_priority', 'trigger_word', 'lora_rank', 'avatar_data', 'training_config',
    'photos_count', 'generations_count', 'is_main', 'photo_key', 'preview_key', 'created_at',
    'updated_at', 'training_type', 'fal_request_id', 'learning_rate', 'trigger_phrase', 'steps',
    'multiresolution_training', 'subject_crop', 'create_masks', 'captioning', 'finetune_type',
    'finetune_comment', 'diffusers_lora_file_url', 'config_file_url', 'training_logs',
    'training_error', 'webhook_url', 'last_status_check', 'fal_response_data']);
select is((select count(*)::int from information_schema.columns
           where table_schema = 'public' and table_name = 'avatars'), 42, 'avatars has 42 columns');

-- What FAL was sent and what it returned.
select col_type_is('avatars', 'training_type', 'avatartrainingtype', 'avatars.training_type');
select col_type_is('avatars', 'fal_request_id', 'text', 'avatars.fal_request_id');
select col_type_is('avatars', 'learning_rate', 'double precision', 'avatars.learning_rate');
select col_type_is('avatars', 'trigger_phrase', 'text', 'avatars.trigger_phrase');
select col_type_is('avatars', 'steps', 'integer', 'avatars.steps');
select col_type_is('avatars', 'multiresolution_training', 'boolean', 'avatars.multiresolution_training');
select col_type_is('avatars', 'subject_crop', 'boolean', 'avatars.subject_crop');
select col_type_is('avatars', 'create_masks', 'boolean', 'avatars.create_masks');
select col_type_is('avatars', 'captioning', 'boolean', 'avatars.captioning');
select col_type_is('avatars', 'finetune_type', 'falfinetunetype', 'avatars.finetune_type');
select col_type_is('avatars', 'finetune_comment', 'text', 'avatars.finetune_comment');
select col_type_is('avatars', 'diffusers_lora_file_url', 'text', 'avatars.diffusers_lora_file_url');
select col_type_is('avatars', 'config_file_url', 'text', 'avatars.config_file_url');
select col_type_is('avatars', 'training_logs', 'text', 'avatars.training_logs');
select col_type_is('avatars', 'training_error', 'text', 'avatars.training_error');
select col_type_is('avatars', 'webhook_url', 'text', 'avatars.webhook_url');
select col_type_is('avatars', 'last_status_check', 'timestamp with time zone', 'avatars.last_status_check');
select col_type_is('avatars', 'fal_response_data', 'jsonb', 'avatars.fal_response_data');

select enum_has_labels('avatarstatus', array['draft', 'photos_uploading', 'ready_for_training',
    'training', 'completed', 'error', 'cancelled']);
select enum_has_labels('avatartrainingtype', array['portrait', 'style', 'object']);
select enum_has_labels('falfinetunetype', array['lora', 'dreambooth']);
select enum_has_labels('falpriority', array['speed', 'quality', 'high_res_only']);
select enum_has_labels('avatargender', array['male', 'female']);
select has_index('avatars', 'ix_avatars_fal_request_id', 'found by the request of FAL');
select has_index('avatars', 'ix_avatars_training_type', 'found by the type of training');
select index_is_unique('public', 'avatars', 'avatars_one_main', 'one main avatar a user');
select index_is_unique('public', 'avatars', 'avatars_one_draft', 'one draft a user');
select index_is_unique('public', 'avatar_trainings', 'avatar_trainings_one_open', 'one open training an avatar');
select col_is_unique('avatar_photos', array['avatar_id', 'file_hash'], 'an avatar has each photo once');
select col_is_unique('avatar_photos', array['avatar_id', 'upload_order'], 'a photo has its place');

insert into users (telegram_id) values (901), (902);
create temp table mine on commit drop as select id from users where telegram_id = 901;

select lives_ok($$insert into avatars (id, user_id, name, gender, training_type)
    select gen_random_uuid(), id, 'Ася', 'female', 'portrait' from mine$$, 'a draft');
select throws_ok($$insert into avatars (id, user_id, name, gender, training_type)
    select gen_random_uuid(), id, 'Ася', 'female', 'portrait' from mine$$, '23505', null,
    'no second draft');
select throws_ok($$insert into avatars (id, user_id, name, training_type)
    select gen_random_uuid(), id, 'Вид', 'portrait' from users where telegram_id = 902$$, '23514', null,
    'a portrait has a gender');
select throws_ok($$insert into avatars (id, user_id, name, gender, training_type)
    select gen_random_uuid(), id, 'Вид', 'male', 'style' from users where telegram_id = 902$$, '23514', null,
    'a style has none');
select throws_ok($$insert into avatars (id, user_id, name, gender, training_type)
    select gen_random_uuid(), id, 'Я', 'male', 'portrait' from users where telegram_id = 902$$, '23514', null,
    'a name has two characters at least');
select throws_ok($$update avatars set status = 'completed'$$, '23514', null,
    'nothing is completed without what it learned');
select lives_ok($$insert into avatars (id, user_id, name, training_type, status, is_main,
        diffusers_lora_file_url)
    select gen_random_uuid(), id, 'Вид', 'style', 'completed', true, 'https://fal.media/a' from mine$$,
    'a main avatar');
select throws_ok($$update avatars set is_main = true$$, '23505', null, 'no second main avatar');

-- What is deleted takes its objects with it.
insert into avatar_photos (id, avatar_id, user_id, upload_order, validation_status, validated_at, bucket,
    object_key, file_hash, source_kind, source_file_id, chat_id, message_id)
select gen_random_uuid(), a.id, a.user_id, 1, 'valid', now(), 'avatars', 'photos/1.jpg', repeat('a', 64),
    'photo', 'f1', 901, 1
from avatars a where name = 'Ася';
insert into avatar_files (avatar_id, kind, user_id, bucket, object_key, content_type, size_bytes, fal_url)
select a.id, 'lora', a.user_id, 'avatars', 'loras/1', 'application/octet-stream', 1, 'https://fal.media/a'
from avatars a where name = 'Вид';
select throws_ok($$insert into avatar_photos (id, avatar_id, user_id, upload_order, validation_status,
        validated_at, bucket, object_key, file_hash, source_kind, source_file_id, chat_id, message_id)
    select gen_random_uuid(), a.id, a.user_id, 2, 'valid', now(), 'avatars', 'photos/2.jpg', repeat('a', 64),
        'photo', 'f2', 901, 2 from avatars a where name = 'Ася'$$, '23505', null, 'no photo twice');
delete from users where telegram_id = 901;
select results_eq($$select payload->>'object_key' from jobs where kind = 'object_delete' order by 1$$,
    $$values ('loras/1'), ('photos/1.jpg')$$, 'objects follow their person');

select * from finish();
rollback;
