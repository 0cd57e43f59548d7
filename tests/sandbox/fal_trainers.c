/*
 * The models that train. Their work is done when they begin to run, and shown when their
 * time is over: what cannot go well ends within a second, as it does over there,
 * and the rest takes as long as a person needs to see it move.
 *
 * SANDBOX_FAL_TRAINING_SECONDS is how long a training runs (25); a tenth of it
 * passes in the queue first, behind strangers. The fault fal.training_seconds goes
 * before. Both are looked at when a training is submitted and stay with it.
 */
#include "tests/sandbox/fal_inside.h"

#include <time.h>

#include "core/clock.h"
#include "core/log.h"

enum {
    DEFAULT_SECONDS = 25,
    WAITING_PART = 10,        /* of the time that it runs, one such part is waited before */
    STRANGERS = 3,            /* wait before it at first */
    REFUSED_WITHIN_MS = 1000, /* an archive that is no good is seen at once */
    LEAST_PORTRAIT_PHOTOS = 10,
    LEAST_FAST_PHOTOS = 4,
    DEFAULT_PORTRAIT_STEPS = 2500,
    DEFAULT_FAST_STEPS = 1000,
};

static double default_seconds = DEFAULT_SECONDS;

/* -- the work -- */

struct trainer {
    const char *trigger_field;
    int64_t least_photos, steps;
};

static void refuse_archive(struct arena *a, const struct fal_job *job, const char *type,
                           const char *message, struct fal_made *out)
{
    fal_refuse(a, S("\"body\",\"images_data_url\""), type, message,
               json_at(job->input, "images_data_url"), out);
}

/* The format is told, or seen at the end of the address. */
static bool is_zip(const struct fal_job *job)
{
    return str_eq(json_str(job->input, "data_archive_format"), S("zip")) ||
           str_ends(json_str(job->input, "images_data_url"), S(".zip"));
}

static bool take_archive(struct arena *a, const struct fal_job *job, const struct trainer *trainer,
                         struct fal_archive *archive, struct fal_made *out)
{
    str bytes;
    if (!fal_file_get(a, json_str(job->input, "images_data_url"), &bytes)) {
        refuse_archive(a, job, "file_download_error", "Failed to download the file", out);
        return false;
    }
    if (!is_zip(job) || !fal_archive_open(a, bytes, archive)) {
        refuse_archive(a, job, "value_error", "The file is no zip archive", out);
        return false;
    }
    if (archive->wrong) {
        str message = str_printf(a, STR_FMT ": %s", STR_ARG(archive->wrong_name), archive->wrong);
        refuse_archive(a, job, "image_load_error", cstr(a, message), out);
        return false;
    }
    if (archive->photos < trainer->least_photos) {
        str message = str_printf(a,
                                 "At least %" PRId64 " images are needed, %" PRId64 " were found",
                                 trainer->least_photos, archive->photos);
        refuse_archive(a, job, "too_short", cstr(a, message), out);
        return false;
    }
    return true;
}

static str keep_file(struct arena *a, const char *name, const char *content_type, str bytes)
{
    str url = fal_file_keep(a, str_from(name), str_from(content_type), bytes);
    return json_make(a, KV("url", url), KV("content_type", content_type), KV("file_name", name),
                     KV("file_size", bytes.len));
}

static str config_of(struct arena *a, const struct fal_job *job, const struct fal_lora_file *lora,
                     const struct fal_archive *archive)
{
    return json_make(a, KV("model", job->model), KV("base_model", "FLUX.1-dev"),
                     KV("trigger", lora->trigger), KV("steps", lora->steps),
                     KV("images", archive->photos), KV("captions", archive->captions),
                     KV("input", JSON(json_text(a, job->input))));
}

static void train(struct arena *a, const struct fal_job *job, const struct trainer *trainer,
                  struct fal_made *out)
{
    struct fal_archive archive;
    struct fal_lora_file lora = {.trigger = json_str(job->input, trainer->trigger_field),
                                 .steps = trainer->steps};
    json_i64(job->input, "steps", &lora.steps);
    if (!take_archive(a, job, trainer, &archive, out))
        return;
    SQL("update fal_trainings set photos = ?, captions = ?, steps = ? where request_id = ?",
        V(archive.photos), V(archive.captions), V(lora.steps), V(job->id));

    lora.face = archive.face;
    str lora_file = keep_file(a, "pytorch_lora_weights.safetensors", "application/octet-stream",
                              fal_lora_write(a, &lora));
    str config_file = keep_file(a, "config.json", "application/json",
                                config_of(a, job, &lora, &archive));
    out->status = 200;
    out->body = json_make(a, KV("diffusers_lora_file", JSON(lora_file)),
                          KV("config_file", JSON(config_file)));
}

void fal_portrait_run(struct arena *a, const struct fal_job *job, struct fal_made *out)
{
    static const struct trainer trainer = {"trigger_phrase", LEAST_PORTRAIT_PHOTOS,
                                           DEFAULT_PORTRAIT_STEPS};
    train(a, job, &trainer, out);
}

void fal_fast_training_run(struct arena *a, const struct fal_job *job, struct fal_made *out)
{
    static const struct trainer trainer = {"trigger_word", LEAST_FAST_PHOTOS, DEFAULT_FAST_STEPS};
    train(a, job, &trainer, out);
}

/* -- its time -- */

void fal_training_add(struct arena *a, str id, const struct fal_model *model)
{
    if (!fal_model_is_trainer(model))
        return;
    int64_t whole_ms = (int64_t)(fal_fault_number(a, "fal.training_seconds", default_seconds) *
                                 1000);
    SQL("insert into fal_trainings (request_id, ready_ms, wait_ms, whole_ms) values (?, ?, ?, ?)",
        V(id), V(clock_ms() + whole_ms / WAITING_PART), V(whole_ms / WAITING_PART), V(whole_ms));
}

int64_t fal_training_strangers(str id)
{
    return SQL_NUMBER("select max(0, ((ready_ms - ?2) * ?3 + wait_ms - 1) / wait_ms)"
                      " from fal_trainings where request_id = ?1 and wait_ms > 0",
                      V(id), V(clock_ms()), V(STRANGERS));
}

/* "at" of the fault fal.fail: the part of its time after which a training breaks. */
static double part_of(struct arena *a, str fails)
{
    struct json_object *value;
    double part = 1;
    if (fails.len && !json_parse(a, fails, &value))
        json_double(value, "at", &part);
    return part >= 0 && part <= 1 ? part : 1;
}

int64_t fal_training_begin(struct arena *a, const struct fal_model *model,
                           const struct fal_job *job, str fails)
{
    struct fal_made made;
    int64_t whole_ms = SQL_NUMBER("select whole_ms from fal_trainings where request_id = ?",
                                  V(job->id));
    fal_model_run(a, model, job, &made);
    SQL("update fal_trainings set status = ?, output = ?, error_type = ? where request_id = ?",
        V(made.status), V(made.body), V(made.error_type), V(job->id));
    log_info("fal.training_began", KV("request", job->id), KV("status", made.status));
    if (made.status != 200 && whole_ms > REFUSED_WITHIN_MS)
        return REFUSED_WITHIN_MS;
    return (int64_t)((double)whole_ms * part_of(a, fails));
}

bool fal_training_made(struct arena *a, str id, struct fal_made *out)
{
    struct row row;
    if (!SQL_GET(&row,
                 "select status, output, error_type from fal_trainings where request_id = ?"
                 " and status is not null",
                 V(id)))
        return false;
    *out = (struct fal_made){(int)row_i64(&row, 0), row_str(a, &row, 1), row_str(a, &row, 2)};
    sql_close(&row);
    return true;
}

/* -- what it says -- */

struct log {
    struct arena *arena;
    struct buf lines;
    int64_t start_ms, whole_ms, until_ms;
    int64_t photos, captions, steps;
};

/* At a part of the whole time; the future is not told. */
static void say(struct log *l, double part, const char *level, str message)
{
    int64_t at_ms = l->start_ms + (int64_t)((double)l->whole_ms * part);
    if (at_ms > l->until_ms)
        return;
    if (l->lines.len)
        buf_add_char(&l->lines, ',');
    buf_add(&l->lines, fal_log_line(l->arena, at_ms, level, message));
}

static str clock_text(struct arena *a, int64_t ms)
{
    return str_printf(a, "%02d:%02d", (int)(ms / 60000), (int)(ms / 1000 % 60));
}

/* As tqdm draws it: " 45%|████▌     | 450/1000 [02:11<02:40,  3.43it/s" without the end. */
static str bar(struct arena *a, int64_t done, int64_t all, int64_t elapsed_ms)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    enum { CELLS = 10 };
    int64_t filled = all ? done * CELLS * 8 / all : 0;
    struct buf cells = buf_new(a);
    for (int64_t i = 0; i < CELLS; i++)
        buf_add(&cells, i < filled / 8    ? S("█")
                        : i == filled / 8 ? str_from(filled % 8 ? eighths[filled % 8] : " ")
                                          : S(" "));
    str head = str_printf(a, "%3d%%|" STR_FMT "| %" PRId64 "/%" PRId64 " [" STR_FMT,
                          (int)(all ? done * 100 / all : 0), STR_ARG(buf_str(&cells)), done, all,
                          STR_ARG(clock_text(a, elapsed_ms)));
    if (!done || !elapsed_ms)
        return str_printf(a, STR_FMT "<?, ?it/s", STR_ARG(head));
    str left = clock_text(a, elapsed_ms * (all - done) / done);
    return str_printf(a, STR_FMT "<" STR_FMT ", %5.2fit/s", STR_ARG(head), STR_ARG(left),
                      (double)done * 1000 / (double)elapsed_ms);
}

static void say_bar(struct log *l, double part, const char *work, int64_t count)
{
    str drawn = bar(l->arena, count, count, (int64_t)((double)l->whole_ms * 0.01));
    say(l, part, "INFO", str_printf(l->arena, "%s: " STR_FMT "]", work, STR_ARG(drawn)));
}

static void say_steps(struct log *l)
{
    enum { LINES = 50 };
    static const double first = 0.1, last = 0.95;
    for (int i = 0; i <= LINES; i++) {
        double part = (last - first) * i / LINES;
        str drawn = bar(l->arena, l->steps * i / LINES, l->steps,
                        (int64_t)((double)l->whole_ms * part));
        say(l, first + part, "INFO",
            str_printf(l->arena, STR_FMT ", loss=%.3f]", STR_ARG(drawn), 0.45 - 0.25 * part));
    }
}

static void say_all(struct log *l)
{
    say(l, 0.02, "INFO",
        str_printf(l->arena, "Loading images: %" PRId64 " found, %" PRId64 " with a caption",
                   l->photos, l->captions));
    if (l->captions)
        say(l, 0.04, "INFO", S("Captions are taken from the archive"));
    else
        say_bar(l, 0.04, "Captioning", l->photos);
    say_bar(l, 0.06, "Caching latents to disk", l->photos);
    say_bar(l, 0.08, "Loading pipeline components...", 7);
    say_steps(l);
    say(l, 0.96, "INFO", S("Saving the LoRA"));
    say(l, 0.98, "INFO", S("Uploading the files"));
}

static void say_refusal(struct log *l, str output)
{
    struct json_object *body;
    if (!json_parse(l->arena, output, &body))
        say(l, 0, "ERROR", json_str(json_item(json_at(body, "detail"), 0), "msg"));
}

bool fal_training_logs(struct arena *a, str id, int64_t start_ms, int64_t until_ms, str *out)
{
    struct row row;
    struct log l = {.arena = a, .lines = buf_new(a), .start_ms = start_ms, .until_ms = until_ms};
    if (!SQL_GET(&row,
                 "select whole_ms, photos, captions, steps, status, output from fal_trainings"
                 " where request_id = ?",
                 V(id)))
        return false;
    l.whole_ms = row_i64(&row, 0);
    l.photos = row_i64(&row, 1);
    l.captions = row_i64(&row, 2);
    l.steps = row_i64(&row, 3);
    int64_t status = row_i64(&row, 4);
    str output = row_str(a, &row, 5);
    sql_close(&row);

    say(&l, 0, "INFO", S("Downloading the archive"));
    if (status == 200)
        say_all(&l);
    else
        say_refusal(&l, output);
    *out = str_printf(a, "[" STR_FMT "]", STR_ARG(buf_str(&l.lines)));
    return true;
}

/* -- start -- */

void fal_trainings_start(void)
{
    default_seconds = fal_setting("SANDBOX_FAL_TRAINING_SECONDS", DEFAULT_SECONDS);
    sql_script("create table if not exists fal_trainings ("
               " request_id text primary key, ready_ms integer not null,"
               " wait_ms integer not null, whole_ms integer not null, photos integer,"
               " captions integer, steps integer, status integer, output text, error_type text);");
}
