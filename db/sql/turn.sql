-- The first statement of every transaction of a turn; see deploy/turns.sql.

-- :turn_claim writes
select turn_claim($1, $2, nullif($3::bigint, 0)) as outcome

-- For an update that was begun before: what its run committed, if it did.
-- :turn_find
select outcome from turns where bot_id = $1 and update_id = $2

-- :turn_outcome writes
select turn_outcome($1, $2, $3, nullif($4::bigint, 0))

-- :turns_rotate writes
select turns_rotate()
