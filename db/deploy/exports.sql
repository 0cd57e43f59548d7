-- Deploy aisha:exports to pg
-- requires: avatars turns payments promo_codes
--
-- A user asks for everything that is kept of them. The list of files is written
-- down when it is asked for; then they are packed into archives, one after
-- another, each of which lies in the object store until it is in the chat.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create table exports (
    id           uuid primary key,
    user_id      bigint not null references users on delete cascade,
    chat_id      bigint not null,
    language     text not null check (language in ('ru', 'en')),
    state        text not null default 'packing' check (state in ('packing', 'done', 'failed')),
    files        int not null default 0 check (files >= 0),
    packed       int not null default 0,
    packed_bytes bigint not null default 0,
    parts        int not null default 0,
    asked_at     timestamptz not null default now(),
    finished_at  timestamptz,
    constraint exports_packed check (packed between 0 and files),
    constraint exports_end check ((state = 'packing') = (finished_at is null))
);

comment on table exports is 'Requests for everything that is kept of a person; at most one a day each.';
comment on column exports.packed is 'Files that are in a part, whole.';
comment on column exports.packed_bytes is 'Of the next one, which is too large for one part.';

create index exports_user on exports (user_id, asked_at desc);
create unique index exports_one_open on exports (user_id) where state = 'packing';

create table export_files (
    export_id uuid not null references exports on delete cascade,
    number    int not null,
    name      text not null,
    bucket    text,
    source    text not null,
    primary key (export_id, number)
);

comment on table export_files is 'What goes into an export, in this order.';
comment on column export_files.bucket is 'Null: source is a table and the file its rows, as JSON. Else it is an object in there.';

create table export_parts (
    export_id  uuid not null references exports on delete cascade,
    number     int not null,
    bucket     text not null,
    object_key text not null,
    is_last    boolean not null,
    created_at timestamptz not null default now(),
    primary key (export_id, number),
    unique (bucket, object_key)
);

comment on table export_parts is 'Archives that are packed and not yet in the chat.';

create trigger export_parts_object after delete on export_parts
    for each row execute function object_delete_queue();

-- ---------------------------------------------------------------- what is kept of a person

-- Every table whose rows point at a person; what comes to be added later is in here by itself.
create function person_tables() returns table (name text, person_column text)
language sql stable
set search_path = public, pg_temp
as $$
    select c.relname::text, a.attname::text
    from pg_constraint k
    join pg_class c on c.oid = k.conrelid
    join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    where k.contype = 'f' and k.confrelid = 'users'::regclass and not c.relispartition
    union all
    select * from (values ('users', 'id'), ('turns', 'user_id'), ('ledger', '')) as others
    order by 1
$$;

create function person_table_json(p_user_id bigint, p_table text) returns text
language plpgsql stable
security definer
set search_path = public, pg_temp
as $$
declare
    place record;
    lines jsonb;
begin
    select * into place from person_tables() where name = p_table;
    if not found then
        return null;
    end if;
    if p_table = 'ledger' then
        select jsonb_agg(to_jsonb(s)) into lines from ledger_statement(p_user_id, 1000000) s;
    else
        execute format('select jsonb_agg(to_jsonb(t)) from %I t where %I = $1', place.name,
                       place.person_column)
        into lines using p_user_id;
    end if;
    return jsonb_pretty(coalesce(lines, '[]'));
end $$;

-- ---------------------------------------------------------------- one export

create function export_list(p_export_id uuid, p_user_id bigint) returns int
language plpgsql
set search_path = public, pg_temp
as $$
declare
    listed int;
begin
    insert into export_files (export_id, number, name, bucket, source)
    select p_export_id, row_number() over (order by l.kind, l.name), l.name, l.bucket, l.source
    from (select 1 as kind, 'data/' || t.name || '.json' as name, null as bucket, t.name as source
          from person_tables() t
          union all
          select 2, 'images/' || to_char(i.created_at at time zone 'utc', 'YYYY-MM-DD_HH24-MI-SS')
                    || '_' || i.id || '.' || substring(i.object_key from '[a-z]+$'),
                 i.bucket, i.object_key
          from images i
          where i.user_id = p_user_id
          union all
          select 3, 'avatars/' || p.avatar_id || '/photos/' || lpad(p.upload_order::text, 3, '0')
                    || '.jpg', p.bucket, p.object_key
          from avatar_photos p
          where p.user_id = p_user_id and p.object_key is not null
          union all
          select 4, 'avatars/' || f.avatar_id || '/' || substring(f.object_key from '[^/]+$'),
                 f.bucket, f.object_key
          from avatar_files f
          where f.user_id = p_user_id) as l;
    get diagnostics listed = row_count;
    return listed;
end $$;

-- begun; or again_at says when the next one can be asked for.
create function export_begin(p_user_id bigint, p_export_id uuid, p_chat_id bigint,
                             p_language text, out begun boolean, out again_at timestamptz)
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    perform from users where id = p_user_id for update;
    select max(asked_at) + interval '1 day' into again_at
    from exports
    where user_id = p_user_id and state <> 'failed';
    begun := coalesce(again_at <= now(), true);
    if not begun then
        return;
    end if;

    -- Whoever was cut off by something for a day is not cut off for ever.
    update exports set state = 'failed', finished_at = now()
    where user_id = p_user_id and state = 'packing';
    insert into exports (id, user_id, chat_id, language)
    values (p_export_id, p_user_id, p_chat_id, p_language);
    update exports set files = export_list(p_export_id, p_user_id) where id = p_export_id;
    insert into jobs (lane, kind, key, user_id, subject)
    values ('media', 'mydata_pack', 'mydata_pack:' || p_export_id, p_user_id, p_export_id);
end $$;

grant select on exports to aisha_bot, aisha_worker, aisha_status;
grant update (state, packed, packed_bytes, parts, finished_at) on exports to aisha_worker;
grant select on export_files to aisha_worker;
grant select, insert, update, delete on export_parts to aisha_worker;
grant execute on function export_begin to aisha_bot;
grant execute on function person_table_json to aisha_worker;

commit;
