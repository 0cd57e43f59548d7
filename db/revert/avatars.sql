-- Revert aisha:avatars from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop view avatar_cards;
drop function avatar_takes_photos;
drop view image_cards;
create view image_cards as
select i.id, i.generation_id, i.user_id, i.position, i.bucket, i.object_key, i.content_type,
       i.telegram_file_id, i.is_favorite, i.created_at,
       (extract(epoch from i.created_at) * 1000000)::bigint as created_at_us,
       g.original_prompt, g.aspect_ratio, g.generation_type, g.source_model, g.quality_preset,
       g.generation_seconds
from images i
join image_generations g on g.id = i.generation_id;
grant select on image_cards to aisha_bot, aisha_worker, aisha_status;

alter table image_generations drop constraint image_generations_avatar, drop column is_preview;
drop table avatar_files, avatar_trainings, avatar_photos, avatars;
drop type avatargender, avatartype, avatarstatus, avatartrainingtype, falfinetunetype, falpriority,
    photovalidationstatus;

commit;
