-- Deploy aisha:bots to pg
-- requires: roles

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create table bots (
    id         bigint primary key,
    username   text not null check (username <> ''),
    updated_at timestamptz not null default now()
);

comment on table bots is 'The bot of the token, by what Telegram calls it: its links begin with that name.';

grant select on bots to aisha_bot, aisha_status;
grant select, insert, update on bots to aisha_worker;

commit;
