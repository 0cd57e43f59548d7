-- Everything that is kept of a person, on its way to them; see deploy/exports.sql.

-- When the next one can be asked for; null: now.
-- :export_again
select (extract(epoch from max(asked_at) + interval '1 day') * 1000)::bigint as again_at_ms
from exports
where user_id = $1 and state <> 'failed' and asked_at > now() - interval '1 day'

-- :export_begin writes
select begun, (extract(epoch from again_at) * 1000)::bigint as again_at_ms
from export_begin($1, $2, $3, $4)

-- :export_find
select id, user_id, chat_id, language, state, files, packed, packed_bytes, parts
from exports
where id = $1

-- :export_lock writes
select id, user_id, chat_id, language, state, files, packed, packed_bytes, parts
from exports
where id = $1
for update

-- :export_files
select number, name, bucket, source
from export_files
where export_id = $1 and number > $2
order by number
limit $3

-- :export_table
select person_table_json($1, $2) as body

-- A step that is run again packs the same part again.
-- :export_packed writes
with part as (
    insert into export_parts (export_id, number, bucket, object_key, is_last)
    values ($1, $2, $3, $4, $5)
    on conflict (export_id, number) do update set is_last = excluded.is_last
)
update exports set parts = $2, packed = $6, packed_bytes = $7 where id = $1

-- :export_part
select bucket, object_key, is_last from export_parts where export_id = $1 and number = $2

-- The object goes by a trigger.
-- :export_sent writes
delete from export_parts where export_id = $1 and number = $2

-- :export_end writes
update exports set state = $2, finished_at = now() where id = $1 and state = 'packing' returning id

-- :export_drop_parts writes
delete from export_parts where export_id = $1
