-- Avatars. Queries about a user's avatars take the owner first.

-- One draft a user is a rule of the table; how many avatars, of the settings.
-- :avatar_add writes
insert into avatars (id, user_id, name, gender, training_type, avatar_type)
select $1, $2, $3, nullif($4, '')::avatargender, $5::avatartrainingtype,
       case $5 when 'style' then 'style' when 'object' then 'custom' else 'character' end::avatartype
where (select count(*) from avatars where user_id = $2) < $6
on conflict do nothing
returning id

-- :avatar_find
select * from avatar_cards where user_id = $1 and id = $2

-- One statement that locks and reads the card would, after waiting for the lock, read the card as it
-- was before: only the row that is locked is looked at again.
-- :avatar_lock writes
select id from avatars where id = $2 and (user_id = $1 or $1 = 0) for update

-- :avatar_locked writes
select * from avatar_cards where id = $1

-- :avatar_find_draft
select * from avatar_cards where user_id = $1 and is_draft

-- :avatar_list
select * from avatar_cards where user_id = $1 order by is_main desc, created_at desc, id desc

-- :avatar_set_name writes
update avatars set name = $3, updated_at = now() where user_id = $1 and id = $2 returning id

-- Two statements, because there must never be two main ones, not even for a row's time.
-- :avatar_clear_main writes
update avatars set is_main = false, updated_at = now() where user_id = $1 and is_main

-- :avatar_set_main writes
update avatars set is_main = true, updated_at = now()
where user_id = $1 and id = $2 and status = 'completed'

-- :avatar_delete writes
delete from avatars where user_id = $1 and id = $2

-- :avatar_follow_main writes
update avatars set is_main = true, updated_at = now()
where id = (select id from avatars
            where user_id = $1 and status = 'completed'
            order by created_at desc, id desc
            limit 1)
  and not exists (select from avatars where user_id = $1 and is_main)

-- :avatar_set_preview writes
update avatars set preview_key = $2, updated_at = now() where id = $1

-- :avatar_file_find
select bucket, object_key, content_type, size_bytes, fal_url
from avatar_files
where avatar_id = $1 and kind = $2

-- :avatar_file_set_url writes
update avatar_files set fal_url = $3 where avatar_id = $1 and kind = $2
