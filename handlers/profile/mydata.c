#include "handlers/profile/mydata.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/zip.h"
#include "db/export.h"
#include "handlers/outbox.h"

enum {
    PART_MOST_BYTES = 45 * 1000 *
                      1000, /* Telegram takes 50 MB from a bot, with all that goes along */
    ENTRY_BYTES = 400,      /* what an archive writes around a file, at most */
    OBJECT_MOST_BYTES = 256 << 20,
    FILES_A_PART = 500,
    NEXT_PART_MS = 1,
};

/* ---------------------------------------------------------------- the screen */

static str moment_again(struct turn *t, int64_t again_at_ms)
{
    return moment_shown(t->arena, again_at_ms, t->user->utc_offset_minutes);
}

static void last_rows(struct turn *t)
{
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_deleteme, S("deleteme:open"));
    keyboard_menu_row(&t->keyboard);
}

static err *show_wait(struct turn *t, int64_t again_at_ms)
{
    last_rows(t);
    return edit(t, T_mydata_wait, KV("again", moment_again(t, again_at_ms)));
}

err *on_mydata(struct turn *t)
{
    int64_t again_at_ms;
    TRY(export_again(t->db, t->user->id, &again_at_ms));
    if (again_at_ms)
        return show_wait(t, again_at_ms);
    keyboard_row(&t->keyboard);
    keyboard_button(&t->keyboard, T_button_mydata_make, S("mydata:make"));
    last_rows(t);
    return edit(t, T_mydata);
}

static str slot_of(struct arena *a, str id)
{
    return str_printf(a, "mydata:" STR_FMT, STR_ARG(id));
}

/* The message goes on showing how far it is: the menu is a new one. */
static void way_back(struct keyboard *k)
{
    keyboard_row(k);
    keyboard_button(k, T_button_menu, S("menu:open:new"));
}

/* A second tap finds the export of the first. */
err *on_mydata_make(struct turn *t)
{
    int64_t again_at_ms;
    str id = random_uuid(t->arena);
    TRY(export_begin(t->db, t->user->id, id, t->chat_id, str_from(language_code(t->language)),
                     &again_at_ms));
    if (again_at_ms)
        return show_wait(t, again_at_ms);
    log_info("mydata.asked", KV("export", id));
    say_in_slot(t, slot_of(t->arena, id));
    way_back(&t->keyboard);
    return edit(t, T_mydata_begun);
}

/* ---------------------------------------------------------------- packing */

struct packing {
    struct work *w;
    struct export export;
    struct zip_entry *entries;
    size_t count;
    int64_t bytes;
    int packed; /* files, from the beginning of the export */
    int64_t packed_bytes;
};

static err *fetch(struct packing *p, const struct export_file *file, str *bytes)
{
    struct work *w = p->w;
    if (str_empty(file->bucket))
        return export_table(w->db, p->export.user_id, file->source, bytes);
    struct s3_object object;
    TRY(s3_get(w->arena, &w->bot->s3, file->bucket, file->source, OBJECT_MOST_BYTES, &object));
    *bytes = object.bytes;
    return NULL;
}

static void add_entry(struct packing *p, str name, str bytes)
{
    p->entries[p->count++] = (struct zip_entry){name, bytes};
    p->bytes += (int64_t)(bytes.len + 2 * name.len + ENTRY_BYTES);
}

static bool has_room(const struct packing *p, const struct export_file *file, size_t bytes)
{
    return p->bytes + (int64_t)(bytes + 2 * file->name.len + ENTRY_BYTES) <= PART_MOST_BYTES;
}

/* Pieces fill a part each, but for the last one, so that their size tells their number. */
static void add_piece(struct packing *p, const struct export_file *file, str bytes)
{
    const int64_t piece_bytes = PART_MOST_BYTES - 2 * (int64_t)file->name.len - 2 * ENTRY_BYTES;
    str piece = str_sub(bytes, (size_t)p->packed_bytes, (size_t)piece_bytes);
    str name = str_printf(p->w->arena, STR_FMT ".%03d", STR_ARG(file->name),
                          (int)(p->packed_bytes / piece_bytes) + 1);
    add_entry(p, name, piece);
    p->packed_bytes += (int64_t)piece.len;
    if ((size_t)p->packed_bytes < bytes.len)
        return;
    p->packed++;
    p->packed_bytes = 0;
}

/* is_full: the part ends before or with this file. A file that the store has lost is left out. */
static err *pack_file(struct packing *p, const struct export_file *file, bool *is_full)
{
    str bytes;
    err *e = fetch(p, file, &bytes);
    if (err_is_not_found(e)) {
        log_warn("mydata.file_missing", KV("object", file->source));
        p->packed++;
        return NULL;
    }
    TRY(e);
    bool is_begun = p->packed_bytes > 0;
    if (!is_begun && has_room(p, file, bytes.len)) {
        add_entry(p, file->name, bytes);
        p->packed++;
        return NULL;
    }
    *is_full = true;
    if (p->count == 0)
        add_piece(p, file, bytes);
    return NULL;
}

static err *pack_part(struct packing *p)
{
    struct export_file *files;
    size_t count;
    bool is_full = false;
    TRY(export_files(p->w->db, p->w->arena, p->export.id, p->packed, FILES_A_PART, &files, &count));
    p->entries = NEW_ARRAY(p->w->arena, struct zip_entry, count + 1);
    for (size_t i = 0; i < count && !is_full; i++)
        TRY(pack_file(p, &files[i], &is_full));
    return NULL;
}

static void tell(struct work *w, const struct export *export, str html, bool closes)
{
    struct keyboard k = keyboard_new(w->arena, language_of(export->language));
    way_back(&k);
    work_tell(w, export->chat_id,
              &(struct outgoing){
                  .way = CALL_QUEUED,
                  .call = message_call(w->arena, export->chat_id, MESSAGE_OF_SLOT, html, &k),
                  .slot = slot_of(w->arena, export->id),
                  .closes = closes,
              });
}

static err *queue_send(struct work *w, const struct export *export, const char *kind, int part)
{
    const struct new_job job = {
        .lane = S("send"),
        .kind = str_from(kind),
        .key = str_printf(w->arena, "%s:" STR_FMT ":%d", kind, STR_ARG(export->id), part),
        .user_id = export->user_id,
        .subject = export->id,
        .payload = json_make(w->arena, KV("chat_id", export->chat_id), KV("part", part)),
    };
    return job_add(w->db, &job, NULL);
}

static err *keep_part(struct packing *p, const struct export_part *part)
{
    struct work *w = p->w;
    struct export now;
    TRY(export_lock(w->db, w->arena, p->export.id, &now));
    if (!now.is_open || now.parts != p->export.parts)
        return NULL;
    TRY(export_packed(w->db, now.id, part, p->packed, p->packed_bytes));
    TRY(queue_send(w, &now, "mydata_send", part->number));
    log_info("mydata.packed", KV("export", now.id), KV("part", part->number),
             KV("files", p->count));
    enum language language = language_of(now.language);
    tell(w, &now,
         text_html(w->arena, language, T_mydata_progress,
                   KVS(KV("packed", p->packed), KV("files", now.files),
                       KV("bar", progress_bar(w->arena, (double)p->packed / now.files)))),
         false);
    if (!part->is_last)
        w->again_ms = NEXT_PART_MS;
    return NULL;
}

/* What is read stays as it is while it is packed: nothing is held meanwhile. */
err *job_mydata_pack(struct work *w)
{
    struct packing p = {.w = w};
    str archive;
    TRY(export_find(w->db, w->arena, w->job->subject, &p.export));
    if (!p.export.is_open || p.export.packed == p.export.files)
        return NULL;
    p.packed = p.export.packed;
    p.packed_bytes = p.export.packed_bytes;
    TRY(pack_part(&p));
    TRY(zip_make(w->arena, p.entries, p.count, &archive));

    int number = p.export.parts + 1;
    const struct export_part part = {
        .number = number,
        .bucket = w->bot->conf->minio_bucket_images,
        .object_key = str_printf(w->arena, "exports/" STR_FMT "/%d.zip", STR_ARG(p.export.id),
                                 number),
        .is_last = p.packed == p.export.files,
    };
    TRY(s3_put(w->arena, &w->bot->s3, part.bucket, part.object_key, S("application/zip"), archive));
    return keep_part(&p, &part);
}

/* ---------------------------------------------------------------- sending */

static err *send_part(struct work *w, const struct export *export, const struct export_part *part)
{
    struct s3_object object;
    TRY(s3_get(w->arena, &w->bot->s3, part->bucket, part->object_key, OBJECT_MOST_BYTES, &object));
    struct telegram_file files[2] = {0};
    files[0] = (struct telegram_file){
        .field = S("archive"),
        .file_name = str_printf(w->arena, "aisha-%d.zip", part->number),
        .content_type = S("application/zip"),
        .bytes = object.bytes,
    };
    str caption = text_html(w->arena, language_of(export->language),
                            part->is_last ? T_mydata_last_part : T_mydata_part,
                            KVS(KV("number", part->number)));
    const struct outbox_call call = {
        .chat_id = export->chat_id,
        .call = json_make(w->arena, KV("method", "sendDocument"), KV("chat_id", export->chat_id),
                          KV("document", "attach://archive"), KV("caption", caption),
                          KV("parse_mode", "HTML")),
        .files = files,
    };
    return work_call(w, &call, NULL);
}

err *job_mydata_send(struct work *w)
{
    struct export export;
    struct export_part part;
    int64_t number = 0;
    json_i64(w->payload, "part", &number);
    TRY(export_find(w->db, w->arena, w->job->subject, &export));
    err *e = export_part_find(w->db, w->arena, export.id, (int)number, &part);
    if (err_is_not_found(e))
        return NULL;
    TRY(e);
    TRY(send_part(w, &export, &part));
    TRY(export_sent(w->db, export.id, part.number));
    if (!part.is_last)
        return NULL;
    bool ended;
    TRY(export_end(w->db, export.id, "done", &ended));
    if (ended)
        tell(w, &export,
             text_html(w->arena, language_of(export.language), T_mydata_done,
                       KVS(KV("parts", part.number))),
             true);
    return NULL;
}

/* Nothing that was sent is taken back; tomorrow's export is whole, and so is one that is asked for now. */
err *give_up_mydata(struct work *w)
{
    struct export export;
    bool ended;
    TRY(export_lock(w->db, w->arena, w->job->subject, &export));
    TRY(export_end(w->db, export.id, "failed", &ended));
    return ended ? queue_send(w, &export, "mydata_explain", 0) : NULL;
}

err *job_mydata_explain(struct work *w)
{
    struct export export;
    TRY(export_find(w->db, w->arena, w->job->subject, &export));
    enum language language = language_of(export.language);
    struct keyboard k = keyboard_new(w->arena, language);
    keyboard_row(&k);
    keyboard_button(&k, T_button_mydata, S("mydata:open"));
    keyboard_button(&k, T_button_menu, S("menu:open"));
    str html = text_html(w->arena, language, T_mydata_failed, KVS());
    const struct outbox_call call = {
        .chat_id = export.chat_id,
        .call = message_call(w->arena, export.chat_id, MESSAGE_OF_SLOT, html, &k),
        .slot = slot_of(w->arena, export.id),
        .closes = true,
    };
    return work_call(w, &call, NULL);
}
