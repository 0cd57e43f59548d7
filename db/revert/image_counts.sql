-- Revert aisha:image_counts from pg

set role aisha_owner;
create index concurrently if not exists images_user_favorite
    on images (user_id, created_at desc, id desc) where is_favorite;
create index concurrently if not exists images_user_type
    on images (user_id, generation_type, created_at desc, id desc);
create index concurrently if not exists images_user_ratio
    on images (user_id, aspect_ratio, created_at desc, id desc);
reset role;

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

drop function images_since;
drop function gallery_facets;
drop trigger images_count_removed on images;
drop trigger images_count_changed on images;
drop trigger images_count_added on images;
drop function images_count;
drop function image_counts_add;
drop trigger images_put_facet on images;
drop function image_put_facet;
drop function image_facet;
alter table images drop column facet_id;
drop table image_days;
drop table image_facets;

commit;
