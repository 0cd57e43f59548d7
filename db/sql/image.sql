-- Images that exist, as cards. Queries about a user's images take the owner first.

-- :image_add writes
insert into images (id, generation_id, user_id, position, bucket, object_key, content_type,
                    size_bytes, width, height)
values ($1, $2, $3, $4, $5, $6, $7, $8, nullif($9::int, 0), nullif($10::int, 0))
on conflict (generation_id, position) do nothing

-- :images_of
select * from image_cards where generation_id = $1 order by position

-- :image_find
select * from image_cards where user_id = $1 and id = $2

-- :image_keep_file_id writes
update images set telegram_file_id = $2 where id = $1

-- :image_forget_file writes
update images set telegram_file_id = null
where user_id = (select id from users where telegram_id = $1) and telegram_file_id = $2
returning id, user_id

-- :image_set_favorite writes
update images set is_favorite = $3 where user_id = $1 and id = $2

-- Its object follows by trigger. What is paid is counted when the order ends: before that none of its
-- images can go.
-- :image_delete writes
delete from images i
where i.user_id = $1 and i.id = $2
  and not exists (select from image_generations g
                  where g.id = i.generation_id and g.status in ('pending', 'processing'))
returning i.id
