#include "core/numbers.h"
#include "db/queries.h"
#include "status/visit.h"

enum { ENTRIES_SHOWN = 50 };

err *page_audit(struct visit *v, str *html)
{
    static const struct column columns[] = {
        {"When",    WORDS},
        {"Who",     WORDS},
        {"What",    WORDS},
        {"On what", WORDS},
        {"Details", LONG }
    };
    struct rows rows;
    int64_t before = visit_number(request_query(v->request, "before"));
    TRY(db_query(db_new(v->bot->status_pool, v->arena), &Q_admin_audit_list, &rows, V(before),
                 V(ENTRIES_SHOWN)));

    struct page p = page_begin(v->arena, &v->reader);
    page_section(&p, "audit", "What admins and operators did");
    if (!rows.count)
        page_none(&p, "Nothing.");
    else {
        struct table t = TABLE(&p, columns);
        for (int i = 0; i < rows.count; i++) {
            cell_text(&t, number_time(v->arena, rows_i64(&rows, i, "created_at_ms")));
            cell_text(&t, rows_is_null(&rows, i, "telegram_id")
                              ? S("operator")
                              : str_printf(v->arena, "admin " STR_FMT,
                                           STR_ARG(rows_str(&rows, i, "telegram_id"))));
            cell_text(&t, rows_str(&rows, i, "action"));
            cell_text(&t, rows_str(&rows, i, "subject"));
            cell_text(&t, rows_str(&rows, i, "details"));
        }
        table_end(&t);
    }
    if (rows.count == ENTRIES_SHOWN)
        page_older(&p, "/status/audit", rows_i64(&rows, rows.count - 1, "id"), "Older entries");
    page_section_end(&p);
    *html = page_end(&p, &v->reader, "Audit log", "/status/audit");
    return NULL;
}
