/* Telegram: what an update says, what a refusal means, an edit as a new message. */
#include "api/telegram.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/with_arena.h"

static err *read_text(const char *text, struct update *out)
{
    struct json_object *body;
    TRY(json_parse(a, str_from(text), &body));
    return telegram_read_update(a, body, out);
}

static struct update must_read(const char *text)
{
    struct update update;
    err *e = read_text(text, &update);
    if (e)
        fail_msg("%s: " STR_FMT, text, STR_ARG(e->message));
    return update;
}

#define FROM                                                                                       \
    "\"from\":{\"id\":42,\"is_bot\":false,\"first_name\":\"Asya\",\"language_code\":\"ru\"}"
#define CHAT "\"chat\":{\"id\":42,\"type\":\"private\"}"
#define PAID                                                                                       \
    "{\"currency\":\"XTR\",\"total_amount\":180,\"invoice_payload\":\"order\","                    \
    "\"telegram_payment_charge_id\":\"c1\"}"
#define MESSAGE "\"message_id\":5,\"date\":1750000000," CHAT "," FROM

static void kinds_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        enum update_kind kind;
    } rows[] = {
        {"{\"update_id\":1,\"message\":{" MESSAGE ",\"text\":\"hi\"}}",                             UPDATE_MESSAGE     },
        {"{\"update_id\":1,\"message\":{" MESSAGE ",\"sticker\":{\"file_id\":\"s\"}}}",
         UPDATE_MESSAGE                                                                                                },
        {"{\"update_id\":1,\"message\":{" MESSAGE ",\"pinned_message\":{}}}",                       UPDATE_OTHER       },
        {"{\"update_id\":1,\"message\":{\"message_id\":5," CHAT ",\"text\":\"hi\"}}",               UPDATE_OTHER       },
        {"{\"update_id\":1,\"edited_message\":{" MESSAGE ",\"text\":\"hi\"}}",                      UPDATE_OTHER       },
        {"{\"update_id\":1,\"stopped_message_generation\":{}}",                                     UPDATE_OTHER       },
        {"{\"update_id\":1}",                                                                       UPDATE_OTHER       },
        {"{\"update_id\":1,\"callback_query\":{\"id\":\"9\"," FROM ",\"data\":\"menu:open\"}}",
         UPDATE_TAP                                                                                                    },
        {"{\"update_id\":1,\"pre_checkout_query\":{\"id\":\"9\"," FROM "}}",                        UPDATE_PRE_CHECKOUT},
        {"{\"update_id\":1,\"message\":{" MESSAGE ",\"successful_payment\":" PAID "}}",
         UPDATE_PAYMENT                                                                                                },
        {"{\"update_id\":1,\"message\":{" MESSAGE ",\"refunded_payment\":" PAID "}}",
         UPDATE_REFUND                                                                                                 },
        {"{\"update_id\":1,\"message\":{\"message_id\":5," CHAT ",\"refunded_payment\":" PAID "}}",
         UPDATE_REFUND                                                                                                 },
        {"{\"update_id\":1,\"my_chat_member\":{" CHAT "," FROM
         ",\"new_chat_member\":{\"status\":\"kicked\"}}}",                                 UPDATE_MEMBER      },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (must_read(rows[i].in).kind != rows[i].kind)
            fail_msg("%s: kind %d", rows[i].in, (int)must_read(rows[i].in).kind);
}

/* Whoever Telegram names as the sender, the money is of the person whose chat it is. */
static void a_payment_tells_what_was_paid(void **state)
{
    (void)state;
    struct update u = must_read("{\"update_id\":1,\"message\":{\"message_id\":5," CHAT
                                ",\"from\":{\"id\":1,\"is_bot\":true,\"first_name\":\"Aisha\"},"
                                "\"refunded_payment\":" PAID "}}");
    assert_int_equal(u.user_id, u.chat_id);
    assert_false(u.is_bot);
    assert_true(str_eq(u.charge_id, S("c1")) && str_eq(u.currency, S("XTR")));
    assert_true(str_eq(u.invoice_payload, S("order")) && u.total_amount == 180);
    u = must_read("{\"update_id\":1,\"pre_checkout_query\":{\"id\":\"9\"," FROM
                  ",\"currency\":\"XTR\",\"total_amount\":180,\"invoice_payload\":\"order\"}}");
    assert_true(str_eq(u.invoice_payload, S("order")) && u.total_amount == 180);
}

static void what_is_no_update_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{}",
        "[]",
        "{\"update_id\":\"1\"}",
        "{\"update_id\":1.5}",
        "{\"update_id\":1,\"message\":{}}",
        "{\"update_id\":1,\"message\":{\"message_id\":5," FROM ",\"text\":\"no chat\"}}",
        "{\"update_id\":1,\"message\":{" CHAT "," FROM ",\"text\":\"no id\"}}",
        "{\"update_id\":1,\"callback_query\":{" FROM "}}",
        "{\"update_id\":1,\"callback_query\":{\"id\":\"9\"}}",
        "{\"update_id\":1,\"pre_checkout_query\":{\"id\":\"9\"}}",
        "{\"update_id\":1,\"my_chat_member\":{" CHAT "," FROM "}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct update update;
        err *e = read_text(rows[i], &update);
        if (!e || e->kind != ERR_INPUT)
            fail_msg("taken: %s", rows[i]);
    }
}

static void a_message_is_read_whole(void **state)
{
    (void)state;
    struct update u = must_read(
        "{\"update_id\":7001,\"message\":{\"message_id\":5,\"date\":1,\"from\":{\"id\":4503599627370495,"
        "\"is_bot\":false,\"first_name\":\"Ann\",\"last_name\":\"O'Test\",\"username\":\"ann\","
        "\"language_code\":\"en\",\"is_premium\":true},\"chat\":{\"id\":4503599627370495,"
        "\"type\":\"private\"},\"text\":\"/start promo\"}}");
    assert_int_equal(u.id, 7001);
    assert_int_equal(u.user_id, 4503599627370495);
    assert_int_equal(u.chat_id, 4503599627370495);
    assert_int_equal(u.message_id, 5);
    assert_str(u.first_name, S("Ann"));
    assert_str(u.last_name, S("O'Test"));
    assert_str(u.username, S("ann"));
    assert_str(u.language_code, S("en"));
    assert_str(u.text, S("/start promo"));
    assert_true(u.is_private && u.is_premium && !u.is_bot);
}

static void the_largest_photo_is_taken(void **state)
{
    (void)state;
    struct update u = must_read(
        "{\"update_id\":1,\"message\":{" MESSAGE
        ",\"caption\":\"look\",\"media_group_id\":\"g\",\"photo\":["
        "{\"file_id\":\"a\",\"file_unique_id\":\"ua\",\"width\":90,\"height\":60,\"file_size\":1},"
        "{\"file_id\":\"c\",\"file_unique_id\":\"uc\",\"width\":900,\"height\":600,\"file_size\":3},"
        "{\"file_id\":\"b\",\"file_unique_id\":\"ub\",\"width\":300,\"height\":200,\"file_size\":2}]}}");
    assert_int_equal(u.media, MEDIA_PHOTO);
    assert_str(u.file_id, S("c"));
    assert_str(u.file_unique_id, S("uc"));
    assert_str(u.text, S("look"));
    assert_str(u.media_group_id, S("g"));
    assert_int_equal(u.width, 900);
    assert_int_equal(u.file_size_bytes, 3);
}

static void media_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        enum media_kind media;
    } rows[] = {
        {"\"voice\":{\"file_id\":\"f\",\"duration\":7}",                                      MEDIA_VOICE     },
        {"\"audio\":{\"file_id\":\"f\",\"duration\":7}",                                      MEDIA_AUDIO     },
        {"\"video\":{\"file_id\":\"f\",\"duration\":7}",                                      MEDIA_VIDEO     },
        {"\"video_note\":{\"file_id\":\"f\",\"duration\":7}",                                 MEDIA_VIDEO_NOTE},
        {"\"document\":{\"file_id\":\"f\",\"duration\":7}",                                   MEDIA_DOCUMENT  },
        {"\"animation\":{\"file_id\":\"f\",\"duration\":7},\"document\":{\"file_id\":\"f\"}",
         MEDIA_OTHER                                                                                          },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        str text = str_printf(a, "{\"update_id\":1,\"message\":{" MESSAGE ",%s}}", rows[i].in);
        struct update u = must_read(cstr(a, text));
        assert_int_equal(u.media, rows[i].media);
        assert_str(u.file_id, S("f"));
        assert_int_equal(u.duration_seconds, 7);
    }
    assert_int_equal(must_read("{\"update_id\":1,\"message\":{" MESSAGE ",\"dice\":{}}}").media,
                     MEDIA_OTHER);
}

#define TAP "{\"update_id\":1,\"callback_query\":{\"id\":\"99\"," FROM ",\"data\":\"gallery:open\""

/* Whoever greets somebody must have room for the name. */
static void a_name_is_as_long_as_names_are(void **state)
{
    (void)state;
    struct buf b = buf_new(a);
    buf_add(
        &b,
        S("{\"update_id\":1,\"message\":{\"message_id\":1,\"chat\":{\"id\":42,\"type\":\"private\"},"
          "\"text\":\"/start\",\"from\":{\"id\":42,\"first_name\":\""));
    for (int i = 0; i < 5000; i++)
        buf_add(&b, S("ж"));
    buf_add(&b, S("\"}}}"));
    struct json_object *body;
    struct update update;
    assert_null(json_parse(a, buf_str(&b), &body));
    assert_null(telegram_read_update(a, body, &update));
    assert_int_equal(str_points(update.first_name), 64);
}

static void a_tap_knows_its_message(void **state)
{
    (void)state;
    struct update words = must_read(TAP ",\"message\":{\"message_id\":5,\"date\":1," CHAT
                                        ",\"text\":\"x\"}}}");
    assert_int_equal(words.message_id, 5);
    assert_false(words.message_has_media);
    assert_str(words.tap, S("gallery:open"));
    assert_str(words.query_id, S("99"));

    struct update picture = must_read(TAP ",\"message\":{\"message_id\":6,\"date\":1," CHAT
                                          ",\"photo\":[{\"file_id\":\"p\"}]}}}");
    assert_int_equal(picture.message_id, 6);
    assert_true(picture.message_has_media);
    assert_int_equal(picture.media, MEDIA_NONE);

    struct update hidden = must_read(TAP ",\"message\":{\"message_id\":7,\"date\":0," CHAT "}}}");
    assert_int_equal(hidden.message_id, 0);
    assert_int_equal(hidden.chat_id, 42);

    struct update nowhere = must_read(TAP "}}");
    assert_int_equal(nowhere.chat_id, 42);
    assert_true(nowhere.is_private);
}

static void a_block_is_a_member_update(void **state)
{
    (void)state;
    struct update u = must_read("{\"update_id\":1,\"my_chat_member\":{" CHAT "," FROM
                                ",\"new_chat_member\":{\"status\":\"kicked\"}}}");
    assert_str(u.member_status, S("kicked"));
    assert_int_equal(u.chat_id, 42);
}

static void the_bots_id_stands_in_its_token(void **state)
{
    (void)state;
    assert_int_equal(telegram_bot_id(S("100000001:TESTTOKEN_abc")), 100000001);
    assert_int_equal(telegram_bot_id(S("100000001")), 0);
    assert_int_equal(telegram_bot_id(S("x:y")), 0);
    assert_int_equal(telegram_bot_id(S("")), 0);
}

/* -- refusals -- */

enum meaning { NOT_MODIFIED, TARGET_GONE, CHAT_GONE, QUERY_OLD, FILE_GONE, NOTHING_SPECIAL };

static void refusals_are_understood(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *description;
        enum meaning meaning;
    } rows[] = {
        {400,
         "Bad Request: message is not modified: specified new message content and reply markup are exactly "
         "the same as a current content and reply markup of the message",                          NOT_MODIFIED   },
        {400, "Bad Request: message to edit not found",                                            TARGET_GONE    },
        {400, "Bad Request: message can't be edited",                                              TARGET_GONE    },
        {400, "Bad Request: there is no text in the message to edit",                              TARGET_GONE    },
        {400, "Bad Request: message to delete not found",                                          TARGET_GONE    },
        {400, "Bad Request: message can't be deleted for everyone",                                TARGET_GONE    },
        {403, "Forbidden: bot was blocked by the user",                                            CHAT_GONE      },
        {403, "Forbidden: user is deactivated",                                                    CHAT_GONE      },
        {403, "Forbidden: bot can't initiate conversation with a user",                            CHAT_GONE      },
        {400, "Bad Request: chat not found",                                                       CHAT_GONE      },
        {400, "Bad Request: PEER_ID_INVALID",                                                      CHAT_GONE      },
        {400, "Bad Request: query is too old and response timeout expired or query ID is invalid",
         QUERY_OLD                                                                                                },
        {400, "Bad Request: wrong file_id or the file is temporarily unavailable",                 FILE_GONE      },
        {400, "Bad Request: wrong file identifier/HTTP URL specified",                             FILE_GONE      },
        {400, "Bad Request: wrong remote file identifier specified: Wrong padding in the string",
         FILE_GONE                                                                                                },
        {400, "Bad Request: can't parse entities: Unsupported start tag",                          NOTHING_SPECIAL},
        {404, "Not Found",                                                                         NOTHING_SPECIAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        err *e = fail_with(a, ERR_UPSTREAM, rows[i].code, str_from(rows[i].description), "refused");
        const bool answers[] = {telegram_is_not_modified(e), telegram_is_target_gone(e),
                                telegram_is_chat_gone(e), telegram_is_query_old(e),
                                telegram_is_file_gone(e)};
        for (size_t k = 0; k < ARRAY_LEN(answers); k++)
            if (answers[k] != (k == (size_t)rows[i].meaning))
                fail_msg("%s: question %zu answered %d", rows[i].description, k, (int)answers[k]);
    }
}

/* -- an edit as a new message -- */

static void edits_become_messages(void **state)
{
    (void)state;
    static const struct {
        const char *method, *params, *new_method, *new_params;
    } rows[] = {
        {"editMessageText",
         "{\"chat_id\":42,\"message_id\":5,\"text\":\"x\",\"reply_markup\":{\"a\":1}}",         "sendMessage",  "{\"chat_id\":42,\"text\":\"x\",\"reply_markup\":{\"a\":1}}"},
        {"editMessageMedia",
         "{\"chat_id\":42,\"message_id\":5,\"media\":{\"type\":\"photo\",\"media\":\"f\",\"caption\":\"c\","
         "\"parse_mode\":\"HTML\"},\"reply_markup\":{}}",                                       "sendPhoto",
         "{\"chat_id\":42,\"reply_markup\":{},\"photo\":\"f\",\"caption\":\"c\",\"parse_mode\":\"HTML\"}"                                                                   },
        {"editMessageMedia",
         "{\"chat_id\":42,\"message_id\":5,\"media\":{\"type\":\"document\",\"media\":\"f\"}}", "sendDocument", "{\"chat_id\":42,\"document\":\"f\"}"                       },
        {"editMessageMedia",
         "{\"chat_id\":42,\"message_id\":5,\"media\":{\"type\":\"video\",\"media\":\"f\"}}",    NULL,
         NULL                                                                                                                                                               },
        {"editMessageReplyMarkup", "{\"chat_id\":42,\"message_id\":5}",                         NULL,           NULL                                                        },
        {"editMessageCaption",     "{\"chat_id\":42,\"message_id\":5,\"caption\":\"c\"}",       NULL,           NULL                                                        },
        {"deleteMessage",          "{\"chat_id\":42,\"message_id\":5}",                         NULL,           NULL                                                        },
        {"editMessageText",        "not json",                                                  NULL,           NULL                                                        },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        str method, params;
        bool is_made = telegram_as_new_message(a, str_from(rows[i].method),
                                               str_from(rows[i].params), &method, &params);
        assert_int_equal(is_made, rows[i].new_method != NULL);
        if (is_made) {
            assert_str(method, str_from(rows[i].new_method));
            assert_str(params, str_from(rows[i].new_params));
        }
    }
}

/* -- a Bot API server of this machine -- */

static void write_file(str path, str content)
{
    FILE *file = fopen(cstr(a, path), "we");
    assert_non_null(file);
    assert_int_equal(fwrite(content.ptr, 1, content.len, file), content.len);
    assert_int_equal(fclose(file), 0);
}

static void files_of_its_own_are_opened_in_its_folder_alone(void **state)
{
    (void)state;
    char folder[] = "/tmp/telegram_test.XXXXXX";
    assert_non_null(mkdtemp(folder));
    const struct telegram telegram = {.files_dir = str_printf(a, "%s/files", folder)};
    assert_int_equal(mkdir(cstr(a, telegram.files_dir), 0700), 0);
    write_file(str_printf(a, "%s/files/voice.ogg", folder), S("a voice"));
    write_file(str_printf(a, "%s/secret", folder), S("a secret"));
    write_file(str_printf(a, "%s/files-too", folder), S("a neighbour"));
    assert_int_equal(symlink("../secret", cstr(a, str_printf(a, "%s/files/link.ogg", folder))), 0);
    const struct {
        const char *path;
        bool is_opened;
    } rows[] = {
        {"files/voice.ogg",            true },
        {"files/../files/./voice.ogg", true },
        {"files/../secret",            false},
        {"files/link.ogg",             false},
        {"files-too",                  false},
        {"files/none.ogg",             false},
        {"files",                      false},
        {"secret",                     false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int file;
        str bytes, path = str_printf(a, "%s/%s", folder, rows[i].path);
        const err *opened = telegram_open(a, &telegram, path, 7, &file);
        const err *read = telegram_download(a, &telegram, path, 7, &bytes);
        if (!opened != rows[i].is_opened || !read != rows[i].is_opened)
            fail_msg("%s: %d %d", rows[i].path, !opened, !read);
        if (!read)
            assert_str(bytes, S("a voice"));
    }
    int file;
    str path = str_printf(a, "%s/files/voice.ogg", folder);
    assert_int_equal(telegram_open(a, &telegram, path, 6, &file)->kind, ERR_INPUT);
    assert_non_null(telegram_open(a, &(struct telegram){0}, path, 7, &file));
    const char *const names[] = {"files/voice.ogg", "files/link.ogg", "files-too", "secret"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(unlink(cstr(a, str_printf(a, "%s/%s", folder, names[i]))), 0);
    assert_int_equal(rmdir(cstr(a, telegram.files_dir)), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(kinds_are_told_apart, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(a_payment_tells_what_was_paid, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(what_is_no_update_is_refused, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(a_message_is_read_whole, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(the_largest_photo_is_taken, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(media_are_told_apart, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(a_name_is_as_long_as_names_are, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(a_tap_knows_its_message, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(a_block_is_a_member_update, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(the_bots_id_stands_in_its_token, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(refusals_are_understood, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(edits_become_messages, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(files_of_its_own_are_opened_in_its_folder_alone, make_arena,
                                        free_arena),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
