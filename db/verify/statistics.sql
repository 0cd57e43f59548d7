-- Verify aisha:statistics on pg

begin;

select ledger_newer(0, 1, 0);
select day, coins from ledger_spending(0, now(), 0);
select has_function_privilege('aisha_bot', 'ledger_newer(bigint, int, bigint)', 'execute');

rollback;
