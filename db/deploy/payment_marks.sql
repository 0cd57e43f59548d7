-- Deploy aisha:payment_marks to pg
-- requires: payments
--
-- The daily comparison reads what is new. A payment that Telegram has as well
-- is marked so and not looked at again, and Telegram's list is read from behind
-- the transactions that are a day old. What stood on the part that is not read
-- again and did not agree is remembered by the difference that it made.

begin;

set local lock_timeout = '2s';
set local role aisha_owner;

alter table payments
    add column compared_at timestamptz,
    add column refund_compared_at timestamptz;

comment on column payments.compared_at is 'When Telegram was found to have the same payment.';
comment on column payments.refund_compared_at is 'The same of its refund.';

create index payments_to_compare on payments (created_at)
    where compared_at is null and currency = 'XTR';
create index payments_refunds_to_compare on payments (refunded_at)
    where refund_compared_at is null and state = 'refunded';

alter table star_checks add column settled bigint not null default 0 check (settled >= 0);

comment on column star_checks.settled is
    'So many transactions stand at the beginning of Telegram''s list that need not be read again.';

drop function if exists payments_compare(uuid, timestamptz), payments_differing(uuid, timestamptz);

-- What does not agree now. What is younger than ten minutes there may still be on
-- its way to us. p_is_whole: also of payments that once agreed.
create function payments_differing(p_check_id uuid, p_started_at timestamptz, p_is_whole boolean)
returns table (charge_id text, kind text, stars_here bigint, stars_there bigint, telegram_id bigint)
language sql stable
set search_path = public, pg_temp
as $$
    with there as materialized (
        select * from star_transactions where check_id = p_check_id
    ), here as (
        select p.* from payments p where p_is_whole and p.currency = 'XTR'
        union
        select p.* from payments p where p.currency = 'XTR' and p.compared_at is null
        union
        select p.* from there t join payments p on p.charge_id = t.id and p.currency = 'XTR'
        where not t.is_refund
    ), refunded_here as (
        select p.* from payments p where p_is_whole and p.state = 'refunded'
        union
        select p.* from payments p where p.state = 'refunded' and p.refund_compared_at is null
        union
        select p.* from there t join payments p on p.charge_id = t.id and p.state = 'refunded'
        where t.is_refund
    )
    select coalesce(p.charge_id, t.id),
           case when p.id is null then 'not_here'
                when t.id is null then 'not_there'
                else 'amount' end,
           p.stars, t.stars, case when p.id is null then t.telegram_id end
    from here p
    full join (select * from there where not is_refund) t on t.id = p.charge_id
    where p.id is null and t.made_at < p_started_at - interval '10 minutes'
       or t.id is null and p.created_at < p_started_at
       or p.stars <> t.stars
    union all
    select coalesce(p.charge_id, t.id),
           case when t.id is null then 'refund_not_there' else 'refund_not_here' end,
           p.stars, t.stars, case when p.id is null then t.telegram_id end
    from refunded_here p
    full join (select * from there where is_refund) t on t.id = p.charge_id
    where t.id is null and p.refunded_at < p_started_at
       or p.id is null and t.made_at < p_started_at - interval '10 minutes'
$$;

-- What Telegram had and we had not, where it is not read again.
create function star_transactions_recall(p_check_id uuid) returns void
language sql
set search_path = public, pg_temp
as $$
    insert into star_transactions (check_id, id, is_refund, stars, telegram_id, made_at)
    select p_check_id, d.charge_id, d.kind = 'refund_not_here', d.stars_there, d.telegram_id,
           '-infinity'
    from payment_differences d
    where d.resolved_at is null and d.kind in ('not_here', 'amount', 'refund_not_here')
    on conflict do nothing
$$;

create function payments_mark(p_check_id uuid) returns void
language sql
set search_path = public, pg_temp
as $$
    update payments p set compared_at = now()
    from star_transactions t
    where t.check_id = p_check_id and not t.is_refund and t.id = p.charge_id
      and p.currency = 'XTR' and p.compared_at is null and p.stars = t.stars;
    update payments p set refund_compared_at = now()
    from star_transactions t
    where t.check_id = p_check_id and t.is_refund and t.id = p.charge_id
      and p.state = 'refunded' and p.refund_compared_at is null
$$;

-- Writes down what differs, ends what no longer does, and drops the list, with
-- those of comparisons that came to no end. The number of differences. p_settled: how many
-- transactions need not be read next time; p_is_whole: the list was read from its beginning, and
-- everything is compared.
create function payments_compare(p_check_id uuid, p_started_at timestamptz, p_settled bigint,
                                 p_is_whole boolean)
returns bigint
language plpgsql
security definer
set search_path = public, pg_temp
as $$
declare
    listed bigint;
    open bigint;
begin
    select count(*) into listed from star_transactions where check_id = p_check_id;
    if not p_is_whole then
        perform star_transactions_recall(p_check_id);
    end if;

    with differing as materialized (
        select * from payments_differing(p_check_id, p_started_at, p_is_whole)
    ), ended as (
        update payment_differences d set resolved_at = now()
        where d.resolved_at is null
          and not exists (select from differing f where f.charge_id = d.charge_id and f.kind = d.kind)
    )
    insert into payment_differences (charge_id, kind, stars_here, stars_there, telegram_id)
    select f.charge_id, f.kind, f.stars_here, f.stars_there, f.telegram_id
    from differing f
    on conflict (charge_id, kind) where resolved_at is null do nothing;
    perform payments_mark(p_check_id);

    select count(*) into open from payment_differences where resolved_at is null;
    insert into star_checks (started_at, transactions, differences, settled)
    values (p_started_at, listed, open, p_settled);
    delete from star_transactions
    where check_id = p_check_id or read_at < now() - interval '1 day';
    return open;
end $$;

grant execute on function payments_compare to aisha_worker;

commit;
