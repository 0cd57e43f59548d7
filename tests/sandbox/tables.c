/* The tables of Telegram's memory; telegram.h tells what they hold. */
#include "tests/sandbox/telegram_inside.h"

static const char TABLES[] =
    "create table if not exists people ("
    "  id integer primary key, first_name text not null, last_name text, username text,"
    "  language_code text, is_premium integer not null default 0,"
    "  has_started integer not null default 0, has_blocked integer not null default 0,"
    "  created_ms integer not null);"

    /* autoincrement: an id is never used again, not even after a deletion. */
    "create table if not exists messages ("
    "  message_id integer primary key autoincrement, chat_id integer not null,"
    "  date integer not null, edit_date integer, is_from_bot integer not null,"
    "  kind text not null, text text, entities text, media text, markup text,"
    "  media_group_id text, reply_to integer, is_deleted integer not null default 0, extra text);"
    "create index if not exists messages_chat on messages (chat_id, message_id);"

    "create table if not exists files ("
    "  file_id text primary key, unique_id text not null, kind text not null,"
    "  sha256 text not null, size_bytes integer not null, width integer, height integer,"
    "  duration integer, mime_type text, file_name text, performer text, title text,"
    "  sizes text) without rowid;"
    "create index if not exists files_unique on files (unique_id);"

    "create table if not exists callbacks ("
    "  id text primary key, user_id integer not null, message_id integer, data text not null,"
    "  at_ms integer not null, answered_ms integer, answer text) without rowid;"
    "create index if not exists callbacks_message on callbacks (message_id);"

    "create table if not exists updates ("
    "  update_id integer primary key autoincrement, queue_key text not null, kind text not null,"
    "  body text not null, expires_ms integer not null, attempts integer not null default 0);"
    "create index if not exists updates_queue on updates (queue_key, update_id);"
    /* One row for each queue that has something to deliver. */
    "create table if not exists queues ("
    "  queue_key text primary key, is_busy integer not null default 0,"
    "  due_ms integer not null, delay_s integer not null default 0) without rowid;"
    "create index if not exists queues_due on queues (is_busy, due_ms);"

    "create table if not exists calls ("
    "  id integer primary key autoincrement, at_ms integer not null, method text not null,"
    "  parameters text, status integer not null, result text, is_refused integer not null,"
    "  via text not null, took_ms integer not null, chat_id integer);"
    "create index if not exists calls_refused on calls (is_refused, id);"
    "create table if not exists call_counts ("
    "  method text, status integer, count integer not null, primary key (method, status))"
    "  without rowid;"

    "create table if not exists actions ("
    "  chat_id integer primary key, action text not null, at_ms integer not null);"
    "create table if not exists commands ("
    "  scope text, language_code text, commands text not null,"
    "  primary key (scope, language_code)) without rowid;"

    "create table if not exists invoices ("
    "  message_id integer primary key, payload text not null, stars integer not null,"
    "  is_paid integer not null default 0);"
    "create table if not exists checkouts ("
    "  id text primary key, user_id integer not null, message_id integer not null,"
    "  stars integer not null, at_ms integer not null, state text not null,"
    "  words text not null default '') without rowid;"
    /* A refund carries the id of what it gives back. */
    "create table if not exists star_transactions ("
    "  seq integer primary key autoincrement, id text not null, user_id integer not null,"
    "  stars integer not null, is_refund integer not null, payload text not null,"
    "  date integer not null, unique (id, is_refund));";

/* Younger than sandboxes that are out there. */
static void add_column(const char *table, const char *column, const char *definition)
{
    struct arena *a = arena_new(1 << 16);
    if (!SQL_NUMBER("select count(*) from pragma_table_info(?) where name = ?", V(table),
                    V(column)))
        sql_script(
            cstr(a, str_printf(a, "alter table %s add column %s %s", table, column, definition)));
    arena_free(a);
}

void tables_make(void)
{
    sql_script(TABLES);
    add_column("files", "thumbnail", "text");
    add_column("people", "stars", "integer not null default 1000");
}
