-- Deploy aisha:erased_marks to pg
-- requires: erasures promo_codes
--
-- Whoever leaves and comes back is somebody new, and is told apart from others
-- by one thing alone: that he has had what everybody is given once. Of the
-- Telegram id a hash with a key that is not in the database is made elsewhere;
-- kept is a hash of that with the name of the thing, so that the rows of one
-- person do not even know of each other.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create table erased_marks (
    mark       bytea primary key check (length(mark) = 32),
    uses       bigint not null check (uses > 0),
    kept_until date not null
);

comment on table erased_marks is 'What people who left had been given once, under keyed hashes that name nobody.';
comment on column erased_marks.uses is 'Of a promo code by that person.';

create index erased_marks_kept_until on erased_marks (kept_until);

create table promo_earlier_uses (
    user_id       bigint not null references users on delete cascade,
    promo_code_id bigint not null references promo_codes,
    uses          bigint not null check (uses > 0),
    primary key (user_id, promo_code_id)
);

comment on table promo_earlier_uses is 'Codes that somebody used before leaving and coming back.';

create index promo_earlier_uses_code on promo_earlier_uses (promo_code_id);

create function erased_mark_of(p_mark bytea, p_thing text) returns bytea
language sql immutable
set search_path = public, pg_temp
as $$
    select sha256(p_mark || convert_to(p_thing, 'UTF8'))
$$;

-- In the transaction in which somebody leaves: p_mark is the keyed hash of the Telegram id.
create function person_remember(p_user_id bigint, p_mark bytea, p_until date) returns void
language sql
security definer
set search_path = public, pg_temp
as $$
    with had as materialized (
        select 'welcome' as thing, 1::bigint as uses
        where exists (select from ledger_transfers where idempotency_key = 'welcome:' || p_user_id)
        union all
        select 'promo:' || u.promo_code_id, sum(u.uses)
        from (select promo_code_id, 1 as uses
              from promo_code_usages
              where user_id = p_user_id and state = 'used'
              union all
              select promo_code_id, uses from promo_earlier_uses where user_id = p_user_id) as u
        group by u.promo_code_id
    )
    insert into erased_marks as m (mark, uses, kept_until)
    select erased_mark_of(p_mark, h.thing), h.uses, p_until
    from (select * from had
          union all
          select 'person', 1 where exists (select from had)) as h
    on conflict (mark) do update
    set uses = excluded.uses, kept_until = greatest(m.kept_until, excluded.kept_until);
    -- Whoever was welcomed in an earlier life was not in this one.
    update erased_marks
    set kept_until = greatest(kept_until, p_until)
    where mark in (erased_mark_of(p_mark, 'person'), erased_mark_of(p_mark, 'welcome'))
$$;

-- In the transaction in which somebody is written down: true when he was here, and was welcomed then.
create function person_recall(p_user_id bigint, p_mark bytea) returns boolean
language plpgsql
security definer
set search_path = public, pg_temp
as $$
begin
    perform from erased_marks where mark = erased_mark_of(p_mark, 'person');
    if not found then
        return false;
    end if;
    insert into promo_earlier_uses (user_id, promo_code_id, uses)
    select p_user_id, c.id, m.uses
    from promo_codes c
    join erased_marks m on m.mark = erased_mark_of(p_mark, 'promo:' || c.id);
    return exists (select from erased_marks where mark = erased_mark_of(p_mark, 'welcome'));
end $$;

create function erased_marks_prune() returns bigint
language sql
security definer
set search_path = public, pg_temp
as $$
    with pruned as (
        delete from erased_marks where kept_until < (now() at time zone 'UTC')::date returning mark
    )
    select count(*) from pruned
$$;

-- Why this person cannot have this code now; null when they can. The code and the person are locked.
create or replace function promo_refusal(p_code promo_codes, p_user_id bigint, p_now timestamptz)
returns text
language sql stable
set search_path = public, pg_temp
as $$
    select case
    when p_code.id is null or not p_code.is_active then 'unknown'
    when p_now < p_code.valid_from then 'early'
    when p_now >= p_code.valid_until then 'late'
    when exists (select from promo_code_usages
                 where promo_code_id = p_code.id and user_id = p_user_id and state = 'waiting')
        then 'stands'
    when p_code.current_uses >= p_code.max_uses then 'used_up'
    when (select count(*) from promo_code_usages
          where promo_code_id = p_code.id and user_id = p_user_id and state = 'used')
         + (select coalesce(sum(uses), 0) from promo_earlier_uses
            where promo_code_id = p_code.id and user_id = p_user_id)
         >= p_code.max_uses_per_user then 'used'
    end
$$;

grant execute on function person_remember, person_recall to aisha_bot;
grant execute on function erased_marks_prune to aisha_worker;
grant select on promo_earlier_uses to aisha_worker, aisha_status;

commit;
