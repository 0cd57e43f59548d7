-- Revert aisha:gallery from pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop function gallery_above;
drop function gallery_walk;
drop trigger images_order on images;
drop function image_copy_order;
drop function gallery_words;
drop index if exists images_gallery;
alter table images
    drop column words,
    drop column avatar_id,
    drop column aspect_ratio,
    drop column generation_type;
drop function gallery_lexemes;

commit;
