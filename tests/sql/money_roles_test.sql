-- Who may do what with coins: this much, and a function that is new is nobody's until it stands here.
\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\pset pager off
begin;
create extension if not exists pgtap;
select no_plan();

create temporary table allowed (name text, programs text);
insert into allowed values
    ('erased_marks_prune', 'worker'),
    ('ledger_balance', 'bot worker status'),
    ('ledger_capture', 'bot worker'),
    ('ledger_check', 'status'),
    ('ledger_check_new', 'status'),
    ('ledger_check_on', 'worker'),
    ('ledger_credit', 'bot'),
    ('ledger_hold', 'bot'),
    ('ledger_newer', 'bot'),
    ('ledger_release', 'bot worker'),
    ('ledger_release_for', 'bot worker'),
    ('ledger_spending', 'bot worker'),
    ('ledger_spent', 'bot worker'),
    ('ledger_statement', 'bot status'),
    ('ledger_totals', 'worker status'),
    ('payment_add_bonus', 'bot'),
    ('payment_refund', 'bot'),
    ('payment_refund_done', 'worker'),
    ('payment_refund_failed', 'worker'),
    ('payment_refund_seen', 'bot'),
    ('payment_take', 'bot'),
    ('payments_compare', 'worker'),
    ('person_erase', 'worker'),
    ('person_forget', 'worker'),
    ('person_leave', 'bot'),
    ('person_recall', 'bot'),
    ('person_remember', 'bot'),
    ('person_table_json', 'worker'),
    ('promo_apply', 'bot'),
    ('promo_spend', 'bot'),
    ('promo_stop', 'bot'),
    ('promo_sweep', 'worker'),
    ('promo_waiting', 'bot');

select is(string_agg(role, ' ' order by array_position(array['bot', 'worker', 'status'], role)), allowed.programs, p.proname)
from pg_proc p
cross join unnest(array['bot', 'worker', 'status']) as role
left join allowed on allowed.name = p.proname
where p.pronamespace = 'public'::regnamespace
  and p.proname ~ '^(ledger|promo|payments?|person|star|erased)_'
  and has_function_privilege('aisha_' || role, p.oid, 'execute')
group by p.oid, p.proname, allowed.programs
order by p.proname;
select is_empty($$select name from allowed where not exists (select from pg_proc where proname = name)$$, 'none is missing');

-- What is written without a function.
select results_eq($$
    select (t.tablename::text || ': ' || string_agg(role || ' ' || privilege, ', ' order by role, privilege)) collate "default"
    from pg_tables t
    cross join unnest(array['bot', 'worker', 'status']) as role
    cross join unnest(array['insert', 'update', 'delete', 'truncate']) as privilege
    where t.schemaname = 'public' and t.tablename ~ '^(ledger|promo|payment|star|erased)_?'
      and has_table_privilege('aisha_' || role, 'public.' || t.tablename, privilege)
    group by t.tablename
    order by t.tablename
$$, array['payment_orders: bot insert, worker delete', 'promo_codes: bot insert', 'star_transactions: worker insert'],
    'orders, codes and Telegram''s list, and no coin');

select finish();
rollback;
