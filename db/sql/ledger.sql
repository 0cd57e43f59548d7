-- The functions behind these are the only way in; see deploy/ledger.sql.

-- :ledger_hold writes
select ledger_hold($1, $2, $3, $4, $5) as posted

-- :ledger_capture writes
select ledger_capture($1, $2) as settled

-- :ledger_release writes
select ledger_release($1) as settled

-- :ledger_credit writes
select ledger_credit($1, $2, $3, $4, $5, $6) as posted

-- :ledger_balance
select balance, held from ledger_balance($1)

-- :ledger_statement
select id, (extract(epoch from created_at) * 1000)::bigint as created_at_ms, kind, reason, subject,
       amount, balance_after, settled
from ledger_statement($1, $2, nullif($3::bigint, 0))

-- :ledger_check
select problem, transfer_id, account_id, expected, found
from ledger_check()

-- :ledger_totals
select kind, accounts, balance from ledger_totals()
