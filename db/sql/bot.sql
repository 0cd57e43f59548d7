-- What Telegram calls the bot. Nobody sets it: the worker asks.

-- A row comes back when the name is new.
-- :bot_keep writes
insert into bots (id, username)
values ($1, $2)
on conflict (id) do update set username = excluded.username, updated_at = now()
where bots.username <> excluded.username
returning id

-- None until a worker has asked for the first time.
-- :bot_find
select username from bots where id = $1
