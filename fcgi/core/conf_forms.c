#include "core/conf_forms.h"

#include <unistd.h>

static bool is_visible(str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~')
            return false;
    return s.len > 0;
}

static bool is_port(str s)
{
    int64_t port;
    return str_to_i64(s, &port) && port >= 1 && port <= 65535;
}

static bool is_host_and_port(str s)
{
    str host, port;
    bool has_port;
    if (str_starts(s, S("["))) { /* an IPv6 address */
        str after;
        if (!str_cut(str_sub(s, 1, s.len), ']', &host, &after) || !str_consists_of(host, ":."))
            return false;
        has_port = after.len > 0;
        if (has_port && after.ptr[0] != ':')
            return false;
        port = str_sub(after, 1, after.len);
    } else {
        has_port = str_cut(s, ':', &host, &port);
        if (!str_consists_of(host, ".-_"))
            return false;
    }
    return !has_port || is_port(port);
}

static str without_prefix(str s, str prefix)
{
    return str_starts(s, prefix) ? str_sub(s, prefix.len, s.len) : (str){0};
}

/* -- reading a value into its field -- */

/* False when the value does not fit. */
typedef bool read_form(struct arena *a, const struct setting *row, str value, void *field);

static void set_str(struct arena *a, void *field, str value)
{
    *(str *)field = str_dup(a, value);
}

static bool read_text(struct arena *a, const struct setting *row, str value, void *field)
{
    if ((int64_t)value.len < row->least || (int64_t)value.len > row->most || !str_is_utf8(value))
        return false;
    set_str(a, field, value);
    return true;
}

static bool read_switch(struct arena *a, const struct setting *row, str value, void *field)
{
    static const struct {
        const char *word;
        bool is_on;
    } words[] = {
        {"true",  true },
        {"1",     true },
        {"yes",   true },
        {"on",    true },
        {"false", false},
        {"0",     false},
        {"no",    false},
        {"off",   false}
    };
    (void)a, (void)row;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq_nocase(value, str_from(words[i].word))) {
            *(bool *)field = words[i].is_on;
            return true;
        }
    }
    return false;
}

struct unit {
    const char *suffix;
    int64_t factor;
};
/* clang-format off */
static const struct unit byte_units[] = {{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {0}};
static const struct unit time_units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {0}};
static const struct unit no_units[] = {{0}};
/* clang-format on */

static bool read_measure(const struct setting *row, str value, const struct unit *units,
                         void *field)
{
    int64_t factor = 1, number;
    for (; units->suffix; units++) {
        if (str_ends(value, str_from(units->suffix))) {
            factor = units->factor;
            value.len -= strlen(units->suffix);
            break;
        }
    }
    if (!str_to_i64(value, &number) || __builtin_mul_overflow(number, factor, &number))
        return false;
    if (number < row->least || number > row->most)
        return false;
    *(int64_t *)field = number;
    return true;
}

static bool read_number(struct arena *a, const struct setting *row, str value, void *field)
{
    (void)a;
    return read_measure(row, value, no_units, field);
}

static bool read_digits(str digits, int64_t *number)
{
    for (size_t i = 0; i < digits.len; i++)
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return false;
    return str_to_i64(digits, number);
}

/* "0.035" as 35000 millionths: money is whole here too. */
static bool read_dollars(struct arena *a, const struct setting *row, str value, void *field)
{
    enum { PLACES = 6 };
    (void)a;
    str whole, places;
    int64_t dollars, millionths = 0, amount;
    bool has_places = str_cut(value, '.', &whole, &places);
    if (!read_digits(whole, &dollars) || places.len > PLACES ||
        (has_places && !read_digits(places, &millionths)))
        return false;
    for (size_t i = places.len; i < PLACES; i++)
        millionths *= 10;
    if (__builtin_mul_overflow(dollars, (int64_t)MICRODOLLARS_OF_DOLLAR, &amount) ||
        __builtin_add_overflow(amount, millionths, &amount) || amount < row->least ||
        amount > row->most)
        return false;
    *(int64_t *)field = amount;
    return true;
}

static bool read_bytes(struct arena *a, const struct setting *row, str value, void *field)
{
    (void)a;
    return read_measure(row, value, byte_units, field);
}

static bool read_seconds(struct arena *a, const struct setting *row, str value, void *field)
{
    (void)a;
    return read_measure(row, value, time_units, field);
}

static size_t count_items(str value)
{
    size_t count = 1;
    for (size_t i = 0; i < value.len; i++)
        count += value.ptr[i] == ',';
    return count;
}

static bool read_ids(struct arena *a, const struct setting *row, str value, void *field)
{
    (void)row;
    size_t count = 0;
    int64_t *ids = NEW_ARRAY(a, int64_t, count_items(value));
    for (bool has_more = true; has_more;) {
        str item;
        has_more = str_cut(value, ',', &item, &value);
        if (!str_to_i64(str_trim(item), &ids[count]) || ids[count] <= 0)
            return false;
        count++;
    }
    *(struct conf_ids *)field = (struct conf_ids){ids, count};
    return true;
}

static bool read_list(struct arena *a, str value, bool (*is_right)(str item), size_t most,
                      void *field)
{
    size_t count = 0;
    str *items = NEW_ARRAY(a, str, count_items(value));
    for (bool has_more = true; has_more;) {
        str item;
        has_more = str_cut(value, ',', &item, &value);
        item = str_trim(item);
        if (!is_right(item) || count == most)
            return false;
        items[count++] = str_dup(a, item);
    }
    *(struct conf_list *)field = (struct conf_list){items, count};
    return true;
}

static bool is_host(str item)
{
    return str_consists_of(item, ".-") && item.ptr[0] != '.' && item.ptr[item.len - 1] != '.';
}

static bool read_hosts(struct arena *a, const struct setting *row, str value, void *field)
{
    (void)row;
    return read_list(a, value, is_host, SIZE_MAX, field);
}

static bool is_header_secret(str item)
{
    return item.len <= 256 && str_consists_of(item, "_-");
}

static bool read_header_secrets(struct arena *a, const struct setting *row, str value, void *field)
{
    (void)row;
    return read_list(a, value, is_header_secret, 2, field);
}

static bool read_choice(struct arena *a, const struct setting *row, str value, void *field)
{
    str left = str_from(row->choices);
    for (bool has_more = true; has_more;) {
        str choice;
        has_more = str_cut(left, ' ', &choice, &left);
        if (str_eq(value, choice)) {
            set_str(a, field, value);
            return true;
        }
    }
    return false;
}

/* Paths are appended to addresses, so a slash at the end is taken off here. */
static bool read_url(struct arena *a, const struct setting *row, str value, void *field)
{
    (void)row;
    str rest = without_prefix(value, S("https://"));
    if (!rest.len)
        rest = without_prefix(value, S("http://"));
    str host, path;
    str_cut(rest, '/', &host, &path);
    if (!is_visible(value) || !is_host_and_port(host) || memchr(value.ptr, '#', value.len))
        return false;
    while (str_ends(value, S("/")))
        value.len--;
    set_str(a, field, value);
    return true;
}

/* An address, or the words of libpq: host=… dbname=… */
static bool read_postgres(struct arena *a, const struct setting *row, str value, void *field)
{
    (void)row;
    bool is_url = without_prefix(value, S("postgresql://")).len > 0 ||
                  without_prefix(value, S("postgres://")).len > 0;
    str word, rest;
    bool is_words = str_cut(value, '=', &word, &rest) && str_consists_of(str_trim(word), "_");
    if (!is_words && !(is_url && is_visible(value)))
        return false;
    set_str(a, field, value);
    return true;
}

static bool is_redis_database(str digits)
{
    enum { DATABASE_MOST = 1 << 16 };
    int64_t number;
    return str_to_i64(digits, &number) && number >= 0 && number <= DATABASE_MOST;
}

/* :password or user:password. */
static bool is_redis_account(str account)
{
    str user, password;
    return str_cut(account, ':', &user, &password) && (!user.len || password.len);
}

/* Those that db/cache.c takes, so that what is said to be in order is. */
static bool is_redis_address(str value)
{
    str rest = without_prefix(value, S("redis://"));
    if (!rest.len) {
        str path, query;
        bool has_query = str_cut(without_prefix(value, S("unix://")), '?', &path, &query);
        return str_starts(path, S("/")) && path.len > 1 &&
               (!has_query || is_redis_database(without_prefix(query, S("db="))));
    }
    str authority, database, account, host;
    str_cut(rest, '/', &authority, &database);
    if (database.len && !is_redis_database(database))
        return false;
    if (!str_cut(authority, '@', &account, &host))
        return is_host_and_port(authority);
    return is_redis_account(account) && is_host_and_port(host);
}

static bool read_redis(struct arena *a, const struct setting *row, str value, void *field)
{
    (void)row;
    if (!is_visible(value) || !is_redis_address(value))
        return false;
    set_str(a, field, value);
    return true;
}

static bool read_endpoint(struct arena *a, const struct setting *row, str value, void *field)
{
    (void)row;
    if (!is_host_and_port(value))
        return false;
    set_str(a, field, value);
    return true;
}

static bool read_bucket(struct arena *a, const struct setting *row, str value, void *field)
{
    (void)row;
    if (value.len < 3 || value.len > 63 || !str_consists_of(value, ".-"))
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] >= 'A' && value.ptr[i] <= 'Z')
            return false;
    set_str(a, field, value);
    return true;
}

static bool read_file(struct arena *a, const struct setting *row, str value, void *field)
{
    (void)row;
    if (access(cstr(a, value), R_OK) != 0)
        return false;
    set_str(a, field, value);
    return true;
}

static bool read_bot_token(struct arena *a, const struct setting *row, str value, void *field)
{
    (void)row;
    str digits, secret;
    int64_t id;
    if (!str_cut(value, ':', &digits, &secret) || !str_to_i64(digits, &id) || id <= 0 ||
        !str_consists_of(secret, "_-"))
        return false;
    set_str(a, field, value);
    return true;
}

/* Each costs more and gives more than the one before, so that a price stands for one package. */
static bool read_packages(struct arena *a, const struct setting *row, str value, void *field)
{
    enum { MOST_PACKAGES = 8 }; /* a screen of buttons */
    struct conf_package *packages = NEW_ARRAY(a, struct conf_package, MOST_PACKAGES);
    size_t count = 0;
    for (bool has_more = true; has_more; count++) {
        str item, coins, stars;
        has_more = str_cut(value, ',', &item, &value);
        if (count == MOST_PACKAGES || !str_cut(str_trim(item), ':', &coins, &stars))
            return false;
        struct conf_package *p = &packages[count];
        if (!str_to_i64(coins, &p->coins) || !str_to_i64(stars, &p->stars) ||
            p->coins < row->least || p->coins > row->most || p->stars < row->least ||
            p->stars > row->most)
            return false;
        if (count && (p->coins <= p[-1].coins || p->stars <= p[-1].stars))
            return false;
    }
    *(struct conf_packages *)field = (struct conf_packages){packages, count};
    return true;
}

/* -- printing a field -- */

typedef void print_form(struct buf *b, const void *field);

static void print_str(struct buf *b, const void *field)
{
    buf_add(b, *(const str *)field);
}

static void print_switch(struct buf *b, const void *field)
{
    buf_add(b, *(const bool *)field ? S("true") : S("false"));
}

static void print_number(struct buf *b, const void *field)
{
    buf_add_i64(b, *(const int64_t *)field);
}

static void print_dollars(struct buf *b, const void *field)
{
    int64_t amount = *(const int64_t *)field;
    str text = str_printf(b->arena, "%" PRId64 ".%06" PRId64, amount / MICRODOLLARS_OF_DOLLAR,
                          amount % MICRODOLLARS_OF_DOLLAR);
    while (str_ends(text, S("0")))
        text.len--;
    if (str_ends(text, S(".")))
        text.len--;
    buf_add(b, text);
}

static void print_ids(struct buf *b, const void *field)
{
    const struct conf_ids *ids = field;
    for (size_t i = 0; i < ids->count; i++) {
        buf_add(b, i ? S(",") : S(""));
        buf_add_i64(b, ids->items[i]);
    }
}

static void print_list(struct buf *b, const void *field)
{
    const struct conf_list *list = field;
    for (size_t i = 0; i < list->count; i++) {
        buf_add(b, i ? S(",") : S(""));
        buf_add(b, list->items[i]);
    }
}

static void print_packages(struct buf *b, const void *field)
{
    const struct conf_packages *packages = field;
    for (size_t i = 0; i < packages->count; i++)
        buf_addf(b, "%s%" PRId64 ":%" PRId64, i ? "," : "", packages->items[i].coins,
                 packages->items[i].stars);
}

/* clang-format off */
/* Where `expected` ends in a space the limits or the choices of the row follow. */
static const struct {
    read_form *read;
    print_form *print;
    const char *expected;
} forms[] = {
    [FORM_TEXT] = {read_text, print_str, "a text "},
    [FORM_SWITCH] = {read_switch, print_switch, "true or false"},
    [FORM_NUMBER] = {read_number, print_number, "a whole number "},
    [FORM_COINS] = {read_number, print_number, "a whole number of coins "},
    [FORM_DOLLARS] = {read_dollars, print_dollars, "an amount of US dollars like 0.035"},
    [FORM_BYTES] = {read_bytes, print_number, "a number of bytes, K or M "},
    [FORM_SECONDS] = {read_seconds, print_number, "a number of seconds, or like 90s, 10m, 3h "},
    [FORM_IDS] = {read_ids, print_ids, "numbers above zero with commas between them"},
    [FORM_HOSTS] = {read_hosts, print_list, "host names with commas between them"},
    [FORM_CHOICE] = {read_choice, print_str, "one of: "},
    [FORM_URL] = {read_url, print_str, "an address like https://host:port/path"},
    [FORM_POSTGRES] = {read_postgres, print_str,
                       "an address like postgresql://user:password@host/name, or host=… dbname=…"},
    [FORM_REDIS] = {read_redis, print_str,
                    "an address like redis://host:port/0 or unix:///path without TLS"},
    [FORM_ENDPOINT] = {read_endpoint, print_str, "host or host:port, without https://"},
    [FORM_BUCKET] = {read_bucket, print_str, "3 to 63 small letters, digits, dots and hyphens"},
    [FORM_FILE] = {read_file, print_str, "a file that can be read"},
    [FORM_BOT_TOKEN] = {read_bot_token, print_str,
                        "digits, a colon and a secret, as BotFather gave it"},
    [FORM_HEADER_SECRETS] = {read_header_secrets, print_list,
                             "one or two values with a comma between them, each of 1 to 256 "
                             "letters, digits, _ and -"},
    [FORM_PACKAGES] = {read_packages, print_packages,
                       "up to eight pairs of coins:stars like 250:180,500:340, each dearer and "
                       "larger than the one before, numbers "},
};
/* clang-format on */
static_assert(ARRAY_LEN(forms) == FORM_COUNT, "every form has a row");

bool form_read(struct arena *a, const struct setting *row, str value, void *field)
{
    return forms[row->form].read(a, row, value, field);
}

void form_print(struct buf *b, const struct setting *row, const void *field)
{
    forms[row->form].print(b, field);
}

void form_add_expected(struct buf *b, const struct setting *row)
{
    const char *expected = forms[row->form].expected;
    buf_addf(b, "expected %s", expected);
    if (row->form == FORM_TEXT)
        buf_addf(b, "of %" PRId64 " to %" PRId64 " bytes", row->least, row->most);
    else if (row->form == FORM_CHOICE)
        buf_addf(b, "%s", row->choices);
    else if (str_ends(str_from(expected), S(" ")))
        buf_addf(b, "from %" PRId64 " to %" PRId64, row->least, row->most);
}
