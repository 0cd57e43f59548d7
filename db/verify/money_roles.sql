-- Verify aisha:money_roles on pg

begin;

do $$
begin
    assert not has_function_privilege('aisha_worker',
        'ledger_hold(bigint, text, bigint, uuid, text)', 'execute'), 'workers order nothing';
    assert not has_function_privilege('aisha_bot', 'payment_refund_done(uuid)', 'execute'),
        'the bot does not say what Telegram said';
end $$;

rollback;
