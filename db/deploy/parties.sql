-- Deploy aisha:parties to pg

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create table jwks (
    source       text primary key,
    document     jsonb,
    fetched_at   timestamptz,
    requested_at timestamptz
);

comment on table jwks is
    'Public keys that callbacks are checked against. The bot asks, a worker fetches.';

create table workers (
    name       text primary key,
    host       text not null,
    pid        int not null,
    release    text not null,
    lanes      text[] not null default '{}',
    started_at timestamptz not null default now(),
    seen_at    timestamptz not null default now()
);

comment on table workers is 'Worker processes and when each was last heard of.';

create table parties (
    name      text primary key,
    ok_at     timestamptz,
    failed_at timestamptz,
    error     text
);

comment on table parties is 'Last contact with each outside party and store, as the workers saw it.';

create table counters (
    name       text primary key,
    value      bigint not null default 0,
    updated_at timestamptz not null default now()
);

comment on table counters is 'Rare events worth a number on the status page, such as unknown callbacks.';

grant select, insert, update on jwks, parties, counters to aisha_bot;
grant select on workers to aisha_bot;
grant select, insert, update, delete on jwks, workers, parties, counters to aisha_worker;
grant select on jwks, workers, parties, counters to aisha_status;

commit;
