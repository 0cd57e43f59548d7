/* What Telegram says of somebody: what is believed and what is not. */
#include "status/telegram_login.h"

#include "tests/unit/with_arena.h"

#undef fail

#define TOKEN "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"

enum { SIGNED = 1795252057 };

/* Computed by Python's hmac under the SHA-256 of the token, over the fields below. */
#define HASH "dbd8035779722f14a62e26ed234bf9382bae38b5d80863400ba2dfb926cd5bde"

static const struct kv *fields_with(const char *name, const char *value)
{
    struct kv fields[] = {
        KV("auth_date", "1795252057"),
        KV("first_name", "Ася & Co"),
        KV("id", "1001"),
        KV("username", "asya"),
        KV("hash", HASH),
        {0},
    };
    for (struct kv *field = fields; field->name; field++)
        if (name && strcmp(field->name, name) == 0)
            *field = KV(name, value);
    return kvs_kept(a, fields);
}

static bool is_believed(const struct kv *fields, int64_t now_s)
{
    int64_t telegram_id = 0;
    const err *e = telegram_login_check(a, S(TOKEN), fields, now_s, &telegram_id);
    if (e)
        assert_int_equal(e->kind, ERR_REFUSED);
    else
        assert_int_equal(telegram_id, 1001);
    return e == NULL;
}

static void what_telegram_signed_is_believed_for_five_minutes(void **state)
{
    (void)state;
    static const struct {
        int64_t now_s;
        bool want;
    } rows[] = {
        {SIGNED - 61,     false},
        {SIGNED - 60,     true },
        {SIGNED,          true },
        {SIGNED + 299,    true },
        {SIGNED + 300,    false},
        {SIGNED + 100000, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(is_believed(fields_with(NULL, NULL), rows[i].now_s), rows[i].want);
}

static void every_field_is_signed(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"auth_date",  "1795252058"   },
        {"auth_date",  ""             },
        {"first_name", "Ася & Ko"  },
        {"id",         "1002"         },
        {"id",         "01001"        },
        {"username",   "asya\nid=1002"},
        {"hash",       ""             },
        {"hash",       "0"            },
        {"hash",       HASH "0"       },
        {"hash",       "A" HASH       },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_false(is_believed(fields_with(rows[i][0], rows[i][1]), SIGNED));
    assert_false(is_believed(KVS(), SIGNED));

    int64_t id;
    assert_non_null(telegram_login_check(a, S("1:other"), fields_with(NULL, NULL), SIGNED, &id));
}

int main(void)
{
#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, make_arena, free_arena)
    const struct CMUnitTest tests[] = {
        WITH_ARENA(what_telegram_signed_is_believed_for_five_minutes),
        WITH_ARENA(every_field_is_signed),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
