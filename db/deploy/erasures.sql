-- Deploy aisha:erasures to pg
-- requires: avatars turns payments promo_codes spend exports
--
-- A person who leaves is let go of at once: the Telegram id is taken off the
-- row, so that whoever writes from there afterwards is somebody new, and
-- nothing that is still at work speaks to him. Then a job takes everything
-- away, in steps of which each is a transaction. What names the person hangs
-- on `users` by foreign keys that cascade, or is named in here; a test of the
-- schema finds what is neither.
--
-- The ledger keeps its amounts under a number that leads nowhere any more.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

create table erasures (
    id          uuid primary key,
    user_id     bigint not null unique,
    telegram_id bigint,
    language    text not null check (language in ('ru', 'en')),
    asked_at    timestamptz not null default now(),
    erased_at   timestamptz,
    told_at     timestamptz,
    ended_at    timestamptz,
    constraint erasures_end check (ended_at is null or telegram_id is null)
);

comment on table erasures is 'People who asked to be forgotten, and how far that is.';
comment on column erasures.user_id is 'Without a foreign key: the number stays, as in the ledger.';
comment on column erasures.telegram_id is 'Until the last trace of it elsewhere is gone.';
comment on column erasures.erased_at is 'When the rows were gone.';
comment on column erasures.told_at is 'When the files were gone as well, and the person was told.';

create index erasures_open on erasures (asked_at) where ended_at is null;

-- Calls off what waits to be done. A refund is for the person to get.
create function person_stop(p_user_id bigint) returns void
language sql
set search_path = public, pg_temp
as $$
    update jobs set state = 'cancelled', finished_at = now()
    where user_id = p_user_id and state = 'queued' and kind <> 'payment_refund'
$$;

-- False: that person is gone already.
create function person_leave(p_user_id bigint, p_erasure_id uuid, p_language text) returns boolean
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    leaving bigint;
begin
    select telegram_id into leaving from users where id = p_user_id and telegram_id > 0 for update;
    if not found then
        return false;
    end if;
    insert into erasures (id, user_id, telegram_id, language)
    values (p_erasure_id, p_user_id, leaving, p_language);
    update users
    set telegram_id = -id, first_name = '', last_name = null, username = null, is_premium = false,
        updated_at = now()
    where id = p_user_id;
    perform person_stop(p_user_id);
    insert into jobs (lane, kind, key, subject)
    values ('media', 'person_erase', 'person_erase:' || p_erasure_id, p_erasure_id);
    return true;
end $$;

-- What FAL is at work on is paid for, everything else that was set aside comes
-- back; then nothing of a person who is no more can be spent.
create function person_settle(p_user_id bigint) returns void
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    hold record;
    rest bigint;
begin
    for hold in
        select h.idempotency_key,
               exists (select
                       from avatar_trainings t
                       join avatars a on a.id = t.avatar_id
                       where t.id = h.subject and a.training_started_at is not null) as is_paid
        from ledger_transfers h
        join ledger_entries e on e.transfer_id = h.id and e.amount > 0
        join ledger_accounts held on held.id = e.account_id and held.user_id = p_user_id
        where h.kind = 'hold'
          and not exists (select from ledger_transfers s
                          where s.idempotency_key = h.idempotency_key || ':settled')
        order by h.id
    loop
        if hold.is_paid then
            perform ledger_capture(hold.idempotency_key);
        else
            perform ledger_release(hold.idempotency_key);
        end if;
    end loop;

    select balance into rest from ledger_balance(p_user_id);
    if rest > 0 then
        perform ledger_debit(p_user_id, 'erased:' || p_user_id, rest, 'adjustment', 'erased');
    end if;
end $$;

-- Steps of an erasure come one by one, so that neither the store nor FAL is
-- busy with one person alone. A step that was done before is done again: it
-- may have been before its object was put there.
create function erasure_queue(p_erasure_id uuid, p_lane text, p_kind text, p_keys text[],
                              p_payloads jsonb[], p_first interval, p_pause interval)
returns void
language sql
set search_path = public, pg_temp
as $$
    insert into jobs (lane, kind, key, subject, payload, run_at)
    select p_lane, p_kind, s.key, p_erasure_id, s.payload, now() + p_first + s.number * p_pause
    from unnest(p_keys, p_payloads) with ordinality as s (key, payload, number)
    on conflict (key) do update
    set subject = excluded.subject, state = 'queued', run_at = excluded.run_at, failures = 0,
        finished_at = null, leased_until = null
    where jobs.state <> 'running'
$$;

-- Objects go with their rows by a trigger; here they are told whom they
-- belonged to, and those are added that a step may have put there before it
-- could write its row.
create function erasure_objects(p_erasure_id uuid, p_buckets text[], p_keys text[]) returns void
language sql
set search_path = public, pg_temp
as $$
    select erasure_queue(p_erasure_id, 'media', 'object_delete',
               array_agg('object_delete:' || o.bucket || '/' || o.key),
               array_agg(jsonb_build_object('bucket', o.bucket, 'object_key', o.key)),
               interval '0', interval '20 milliseconds')
    from (select distinct bucket, key from unnest(p_buckets, p_keys) as all_of (bucket, key)) as o
    having count(*) > 0
$$;

create function erasure_strays(p_erasure_id uuid, p_user_id bigint, p_images_bucket text,
                               p_avatars_bucket text)
returns void
language sql
set search_path = public, pg_temp
as $$
    with strays (bucket, key) as (
        select p_images_bucket, 'generated/' || g.id || '/' || n || '.' || ending
        from image_generations g, generate_series(0, g.num_images - 1) n,
             unnest(array['png', 'jpg', 'webp']) ending
        where g.user_id = p_user_id and g.status <> 'completed' and g.fal_response_data is not null
        union all
        select p_avatars_bucket, 'photos/' || p.avatar_id || '/' || p.id || '.jpg'
        from avatar_photos p
        where p.user_id = p_user_id and p.object_key is null
        union all
        select p_avatars_bucket, 'avatars/' || t.avatar_id || '/' || t.id || '/' || name
        from avatar_trainings t, unnest(array['lora.safetensors', 'config.json']) name
        where t.user_id = p_user_id and t.fal_response_data is not null
        union all
        select p_images_bucket, 'exports/' || e.id || '/' || e.parts + 1 || '.zip'
        from exports e
        where e.user_id = p_user_id
    )
    select erasure_objects(p_erasure_id, array_agg(bucket), array_agg(key))
    from strays
    having count(*) > 0
$$;

-- FAL is asked to stop what it is at, and afterwards to forget all it was
-- given and all it made.
create function erasure_at_fal(p_erasure_id uuid, p_user_id bigint) returns void
language sql
set search_path = public, pg_temp
as $$
    with asked (request_id, cancel_url) as (
        select fal_request_id,
               case when status in ('pending', 'processing') and fal_response_data is null
                    then fal_cancel_url end
        from image_generations
        where user_id = p_user_id
        union
        select fal_request_id,
               case when status in ('pending', 'processing') and fal_response_data is null
                    then fal_cancel_url end
        from avatar_trainings
        where user_id = p_user_id
        union
        select fal_request_id, null from avatars where user_id = p_user_id
    ), stopped as (
        select erasure_queue(p_erasure_id, 'fal', 'erasure_drop',
                   array_agg('erasure_drop:' || request_id),
                   array_agg(jsonb_build_object('url', cancel_url)), interval '0',
                   interval '100 milliseconds')
        from asked
        where cancel_url is not null
        having count(*) > 0
    ), forgotten as (
        select erasure_queue(p_erasure_id, 'fal', 'fal_forget',
                   array_agg('fal_forget:' || request_id),
                   array_agg(jsonb_build_object('request', request_id)),
                   case when bool_or(is_at_work) then interval '30 seconds' else interval '0' end,
                   interval '200 milliseconds')
        from (select request_id, bool_or(cancel_url is not null) as is_at_work
              from asked
              where request_id is not null
              group by request_id) as requests
        having count(*) > 0
    )
    select from stopped full join forgotten on true
$$;

-- Whether a step of the person's is running or, of a refund, waits; or FAL may
-- have been given something of which it is not known yet.
create function person_is_at_work(p_user_id bigint) returns boolean
language sql stable
set search_path = public, pg_temp
as $$
    select exists (select from jobs where user_id = p_user_id and state in ('queued', 'running'))
        or exists (select from image_generations
                   where user_id = p_user_id and status in ('pending', 'processing')
                     and fal_cancel_url is null and fal_response_data is null
                     and submitting_at > now() - interval '2 minutes')
        or exists (select from avatar_trainings
                   where user_id = p_user_id and status in ('pending', 'processing')
                     and fal_cancel_url is null and fal_response_data is null
                     and submitting_at > now() - interval '10 minutes')
$$;

-- What is kept by the Telegram id alone. Updates that could not be handled are
-- kept as they came, some of them under nobody's name.
create function telegram_id_forget(p_telegram_id bigint) returns void
language sql
set search_path = public, pg_temp
as $$
    delete from admin_links where telegram_id = p_telegram_id;
    delete from admin_sessions where telegram_id = p_telegram_id;
    update star_transactions set telegram_id = null where telegram_id = p_telegram_id;
    update payment_differences set telegram_id = null where telegram_id = p_telegram_id;
    delete from parked_updates
    where encode(body, 'escape') ~ ('"id"\s*:\s*' || p_telegram_id || '\M')
$$;

-- One step: 'wait' for what is running, 'more' images are left, 'gone'. While
-- the row of the person is held none can be added that points at it.
create function person_erase(p_erasure_id uuid, p_images_bucket text, p_avatars_bucket text)
returns text
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    images_a_step constant int := 500;
    erasure erasures;
    buckets text[];
    keys text[];
begin
    select * into erasure from erasures where id = p_erasure_id for update;
    if not found or erasure.erased_at is not null then
        return 'gone';
    end if;

    perform from users where id = erasure.user_id for update;
    perform person_stop(erasure.user_id);
    if person_is_at_work(erasure.user_id) then
        return 'wait';
    end if;

    with gone as (
        delete from images
        where id in (select id from images where user_id = erasure.user_id limit images_a_step)
        returning bucket, object_key
    )
    select array_agg(bucket), array_agg(object_key) into buckets, keys from gone;
    perform erasure_objects(p_erasure_id, buckets, keys);
    if cardinality(keys) = images_a_step then
        return 'more';
    end if;

    perform person_settle(erasure.user_id);
    perform erasure_strays(p_erasure_id, erasure.user_id, p_images_bucket, p_avatars_bucket);
    perform erasure_at_fal(p_erasure_id, erasure.user_id);
    select array_agg(f.bucket), array_agg(f.object_key) into buckets, keys
    from (select bucket, object_key from avatar_photos where user_id = erasure.user_id
          union all
          select bucket, object_key from avatar_files where user_id = erasure.user_id
          union all
          select p.bucket, p.object_key
          from export_parts p
          join exports e on e.id = p.export_id
          where e.user_id = erasure.user_id) as f
    where f.object_key is not null;
    delete from users where id = erasure.user_id;
    perform erasure_objects(p_erasure_id, buckets, keys);

    perform telegram_id_forget(erasure.telegram_id);
    update erasures set erased_at = now() where id = p_erasure_id;
    return 'gone';
end $$;

-- The last step, when no update of that time can come again.
create function person_forget(p_erasure_id uuid) returns void
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    erasure erasures;
begin
    select * into erasure from erasures where id = p_erasure_id for update;
    if not found or erasure.ended_at is not null then
        return;
    end if;
    delete from turns where user_id = erasure.user_id;
    delete from jobs where subject = p_erasure_id and state in ('done', 'cancelled');
    update erasures set telegram_id = null, ended_at = now() where id = p_erasure_id;
end $$;

grant execute on function person_leave to aisha_bot;
grant execute on function person_erase, person_forget to aisha_worker;
grant select, update (told_at) on erasures to aisha_worker;
grant select (id, user_id, asked_at, erased_at, told_at, ended_at) on erasures to aisha_status;

commit;
