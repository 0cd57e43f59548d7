-- Revert aisha:styles from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop index if exists image_generations_user_template;
drop index if exists image_generations_template;
drop function style_most_used;
drop function styles_load;
drop function style_query;
drop function style_vector;
drop function style_config;
drop view avatar_cards;
create view avatar_cards as
select a.id, a.user_id, a.name, a.gender, a.training_type, a.status,
       a.status in ('draft', 'photos_uploading', 'ready_for_training') as is_draft,
       avatar_takes_photos(a.status) as takes_photos, a.is_main,
       a.photos_count, a.generations_count, a.training_progress,
       coalesce(a.trigger_phrase, a.trigger_word) as trigger,
       coalesce(f.fal_url, a.diffusers_lora_file_url) as lora_url, a.photo_key, a.preview_key,
       coalesce(i.telegram_file_id, p.telegram_file_id) as picture_file_id, a.created_at,
       (extract(epoch from a.created_at) * 1000000)::bigint as created_at_us
from avatars a
left join avatar_files f on f.avatar_id = a.id and f.kind = 'lora'
left join images i on i.user_id = a.user_id and i.object_key = a.preview_key
left join avatar_photos p on p.avatar_id = a.id and p.object_key = a.photo_key;
comment on view avatar_cards is 'An avatar with what its card shows and what an image with it needs.';
grant select on avatar_cards to aisha_status;
grant select on avatar_cards to aisha_bot, aisha_worker;
drop function avatar_kind;
comment on column image_generations.template_id is null;
alter table image_generations drop constraint image_generations_template_id;
drop table user_favorite_templates;
drop table style_templates;
drop table style_subcategories;
drop table style_categories;

commit;
