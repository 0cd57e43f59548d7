-- Revert aisha:summed_ranges from pg

set role aisha_owner;
drop index concurrently if exists image_generations_created_at;
drop index concurrently if exists images_created_at;
create index concurrently image_generations_created_at on image_generations (created_at);
create index concurrently images_created_at on images (created_at);
reset role;
