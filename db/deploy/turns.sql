-- Deploy aisha:turns to pg
--
-- One row for each update whose turn wrote something. Days are days in UTC. A
-- copy of an update may arrive after midnight, and a unique index ends at its
-- partition; so a turn is claimed through turn_claim(), which holds a lock on
-- the update while it looks into all of them.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create table turns (
    bot_id     bigint not null,
    update_id  bigint not null,
    user_id    bigint,
    outcome    jsonb,
    created_at timestamptz not null default now()
) partition by range (created_at);

comment on table turns is 'Updates whose effects are durable, with what came of them; kept for three days.';
comment on column turns.user_id is
    'No foreign key: the day goes as a whole. Erasing a person deletes these rows by hand.';
comment on column turns.outcome is 'From-state, to-state, named changes, outgoing calls.';

create index turns_update on turns (bot_id, update_id);
create index turns_user on turns (user_id) where user_id is not null;

create table turns_default partition of turns default;
comment on table turns_default is 'Keeps turns going when nobody made the day''s partition.';

-- A transaction that claims an update and forgets to say what came of it would
-- lose the calls of that turn for ever, so it cannot be committed.
create function turn_has_outcome() returns trigger
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    if exists (select from turns
               where bot_id = new.bot_id and update_id = new.update_id and outcome is null) then
        raise exception 'turn of update % has no outcome', new.update_id
            using errcode = 'not_null_violation';
    end if;
    return null;
end $$;

create constraint trigger turns_outcome after insert on turns
    deferrable initially deferred
    for each row execute function turn_has_outcome();

-- Null: the update is ours to run. Else what came of it when it ran before.
create function turn_claim(p_bot_id bigint, p_update_id bigint, p_user_id bigint) returns jsonb
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    earlier jsonb;
begin
    perform pg_advisory_xact_lock(hashtextextended(p_bot_id || ':' || p_update_id, 0));
    select coalesce(outcome, '{}') into earlier
    from turns
    where bot_id = p_bot_id and update_id = p_update_id;
    if found then
        return earlier;
    end if;

    insert into turns (bot_id, update_id, user_id) values (p_bot_id, p_update_id, p_user_id);
    return null;
end $$;

-- p_user_id is for turns that met a person for the first time.
create function turn_outcome(p_bot_id bigint, p_update_id bigint, p_outcome jsonb,
                             p_user_id bigint default null)
returns void
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    update turns
    set outcome = p_outcome, user_id = coalesce(p_user_id, user_id)
    where bot_id = p_bot_id and update_id = p_update_id;
    if not found then
        raise exception 'update % was not claimed', p_update_id using errcode = 'no_data_found';
    end if;
end $$;

-- Makes today's partition and the next two, drops what ended three days ago.
-- A day whose rows already lie in the default partition stays there. Partitions
-- come and go under a lock on all of turns: better to try again in a while than
-- to let turns queue up behind the wait for it.
create function turns_rotate() returns void
language plpgsql
security definer
set search_path = public, pg_temp
set lock_timeout = '500ms'
as $$
declare
    today date := (now() at time zone 'utc')::date;
    day date;
    old text;
begin
    perform pg_advisory_xact_lock(hashtextextended('turns_rotate', 0));

    for day in select (today + n)::date from generate_series(0, 2) as n loop
        if to_regclass('turns_' || to_char(day, 'YYYYMMDD')) is null
           and not exists (select from turns_default
                           where created_at >= day::timestamp at time zone 'utc'
                             and created_at < (day + 1)::timestamp at time zone 'utc') then
            execute format('create table %I partition of turns for values from (%L) to (%L)',
                           'turns_' || to_char(day, 'YYYYMMDD'),
                           day::timestamp at time zone 'utc',
                           (day + 1)::timestamp at time zone 'utc');
        end if;
    end loop;

    for old in
        select c.relname
        from pg_inherits i
        join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'turns'::regclass
          and c.relname ~ '^turns_[0-9]{8}$'
          and to_date(right(c.relname, 8), 'YYYYMMDD') < today - 3
    loop
        execute format('drop table %I', old);
    end loop;
    delete from turns_default where created_at < (today - 3)::timestamp at time zone 'utc';
end $$;

select turns_rotate();

create table parked_updates (
    id          bigint generated always as identity primary key,
    bot_id      bigint not null,
    update_id   bigint,
    user_id     bigint references users on delete cascade,
    body_sha256 bytea not null check (length(body_sha256) = 32),
    body        text not null,
    reason      text not null,
    attempts    int not null default 0,
    created_at  timestamptz not null default now(),
    unique (bot_id, body_sha256)
);

comment on table parked_updates is
    'Updates that were given up, so that one of them does not hold up everybody else''s.';

create index parked_updates_created_at on parked_updates (created_at);
create index parked_updates_user on parked_updates (user_id) where user_id is not null;

grant execute on function turn_claim, turn_outcome to aisha_bot, aisha_worker;
grant execute on function turns_rotate to aisha_worker;
grant select on turns to aisha_bot, aisha_status;
grant select, delete on turns to aisha_worker;
grant select, insert, update on parked_updates to aisha_bot;
grant select, insert, update, delete on parked_updates to aisha_worker;
-- What people wrote stays out of the status page.
grant select (id, bot_id, update_id, user_id, body_sha256, reason, attempts, created_at)
    on parked_updates to aisha_status;

commit;
