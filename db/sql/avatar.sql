-- Avatars. Queries about a user's avatars take the owner first.

-- :avatar_add writes
insert into avatars (id, user_id, name, gender, training_type, avatar_type)
values ($1, $2, $3, nullif($4, '')::avatargender, $5::avatartrainingtype,
        case $5 when 'style' then 'style' when 'object' then 'custom' else 'character' end::avatartype)

-- :avatar_find
select * from avatar_cards where user_id = $1 and id = $2

-- :avatar_lock writes
select c.*
from avatars a
join avatar_cards c on c.id = a.id
where a.id = $2 and (a.user_id = $1 or $1 = 0)
for update of a

-- :avatar_find_draft
select * from avatar_cards where user_id = $1 and is_draft

-- :avatar_find_main
select * from avatar_cards where user_id = $1 and is_main
