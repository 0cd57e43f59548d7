-- The functions behind these are the only way in; see deploy/ledger.sql.

-- :ledger_hold writes
select ledger_hold($1, $2, $3, $4, $5) as posted

-- :ledger_capture writes
select ledger_capture($1, $2) as settled

-- :ledger_release writes
select ledger_release_for($1, $2) as settled

-- :ledger_credit writes
select ledger_credit($1, $2, $3, $4, $5, $6) as posted

-- :ledger_balance
select balance, held from ledger_balance($1)

-- :ledger_statement
select id, (extract(epoch from created_at) * 1000)::bigint as created_at_ms, kind, reason, subject,
       amount, balance_after, settled
from ledger_statement($1, $2, nullif($3::bigint, 0))

-- :ledger_check_new
select problem, transfer_id, account_id, expected, found
from ledger_check_new()

-- :ledger_check_on writes
select problem, transfer_id, account_id, expected, found
from ledger_check_on()

-- :ledger_check_all writes
select problem, transfer_id, account_id, expected, found
from ledger_check_all()

-- By number, by key or by what they are about; a hold with its end, newest last.
-- :ledger_transfers_about
with named as (
    select t.id, t.idempotency_key
    from ledger_transfers t
    where t.idempotency_key = $1::text
       or t.id = case when $1 ~ '^[0-9]{1,18}$' then $1::bigint end
       or t.subject = case when $1 ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then $1::uuid end
    order by t.id desc
    limit 100
)
select t.id, t.idempotency_key, t.kind, t.user_id, t.subject, t.reason,
       (extract(epoch from t.created_at) * 1000)::bigint as created_at_ms,
       a.kind as account, e.amount
from ledger_transfers t
join ledger_entries e on e.transfer_id = t.id
join ledger_accounts a on a.id = e.account_id
where t.id in (select n.id from named n
               union
               select s.id from ledger_transfers s
               join named n on s.idempotency_key = n.idempotency_key || ':settled')
order by t.id, e.amount
