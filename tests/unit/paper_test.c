#include "handlers/speech/paper.h"

#include "tests/unit/with_arena.h"

#include <zip.h>

/* ---------------------------------------------------------------- the kinds */

static struct paper of_markup(const char *markup)
{
    struct paper p = {.title = S("Планёрка *1*"), .about = S("21.11 · 3:20"), .language = S("ru")};
    paper_of_markup(a, str_from(markup), &p);
    return p;
}

static const char markup[] =
    "Вступление о **главном**.\n\n## Решения\n- Первое & <второе>\n- Второе\n\n"
    "### Дела\n- [ ] Позвонить (Анна, до пятницы)\n* [ ] Написать\n---\nКонец.";

static void markup_is_understood(void **state)
{
    (void)state;
    struct paper p = of_markup(markup);
    const struct {
        enum block_kind kind;
        const char *text;
    } want[] = {
        {BLOCK_PARAGRAPH, "Вступление о главном."           },
        {BLOCK_HEADING,   "Решения"                                    },
        {BLOCK_ITEM,      "Первое & <второе>"                     },
        {BLOCK_ITEM,      "Второе"                                      },
        {BLOCK_HEADING,   "Дела"                                          },
        {BLOCK_TASK,      "Позвонить (Анна, до пятницы)"},
        {BLOCK_TASK,      "Написать"                                  },
        {BLOCK_PARAGRAPH, "Конец."                                       },
    };
    assert_int_equal(p.count, ARRAY_LEN(want));
    for (size_t i = 0; i < p.count; i++) {
        assert_int_equal(p.blocks[i].kind, want[i].kind);
        assert_str(p.blocks[i].text, str_from(want[i].text));
    }
    assert_int_equal(of_markup("").count, 0);
    assert_int_equal(of_markup("\n \n---\n**\n").count, 0);
}

static void plain_text_and_markdown(void **state)
{
    (void)state;
    struct paper p = of_markup("## Дела\n- [ ] Раз_два\n- [ ] Три\nКонец.");
    assert_str(paper_plain(a, &p), S("Дела\n\n☐ Раз_два\n☐ Три\n\nКонец."));
    assert_str(
        paper_markdown(a, &p),
        S("# Планёрка \\*1\\*\n\n*21.11 · 3:20*\n\n## Дела\n\n- [ ] Раз\\_два\n- [ ] Три\n\nКонец.\n"));
    struct cue cue = {65000, 70000, S("# не заголовок")};
    struct cues cues = {&cue, 1};
    paper_of_cues(a, &cues, &p);
    assert_str(paper_markdown(a, &p),
               S("# Планёрка \\*1\\*\n\n*21.11 · 3:20*\n\n**1:05** \\# не заголовок\n"));
}

static void messages_are_escaped_and_cut(void **state)
{
    (void)state;
    struct paper p = of_markup(markup);
    bool is_whole;
    str html = paper_html(a, &p, 4000, &is_whole);
    assert_true(is_whole);
    assert_str(
        html,
        S("Вступление о главном.\n\n<b>Решения</b>\n\n• Первое &amp; &lt;второе&gt;\n• Второе\n\n"
          "<b>Дела</b>\n\n☐ Позвонить (Анна, до пятницы)\n☐ Написать\n\nКонец."));
    html = paper_html(a, &p, 60, &is_whole);
    assert_false(is_whole);
    assert_true(str_utf16_units(html) < 80 && str_ends(html, S("…")));

    struct buf b = buf_new(a);
    for (int i = 0; i < 3000; i++)
        buf_add(&b, S("слово "));
    paper_of_text(a, buf_str(&b), &p);
    html = paper_html(a, &p, 3500, &is_whole);
    assert_false(is_whole);
    assert_in_range(str_utf16_units(html), 500, 3500);
}

/* ---------------------------------------------------------------- Word */

static str part_of(str archive, const char *name)
{
    zip_error_t error;
    zip_source_t *source = zip_source_buffer_create(archive.ptr, archive.len, 0, &error);
    zip_t *zip = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
    zip_stat_t about;
    assert_non_null(zip);
    assert_int_equal(zip_stat(zip, name, 0, &about), 0);
    char *bytes = NEW_ARRAY(a, char, about.size + 1);
    zip_file_t *file = zip_fopen(zip, name, 0);
    assert_int_equal(zip_fread(file, bytes, about.size), about.size);
    zip_fclose(file);
    zip_close(zip);
    return (str){bytes, about.size};
}

/* Every element that is opened is closed, in order, and no text holds what XML forbids. */
static void assert_well_formed(str xml)
{
    str open[64] = {{0}};
    size_t depth = 0, at = 0;
    assert_true(str_is_utf8(xml));
    while (at < xml.len) {
        char c = xml.ptr[at];
        if (c != '<') {
            assert_true((unsigned char)c >= 0x20 || c == '\n' || c == '\t');
            if (c == '&') {
                str rest = str_sub(xml, at, 6);
                assert_true(str_starts(rest, S("&amp;")) || str_starts(rest, S("&lt;")) ||
                            str_starts(rest, S("&gt;")) || str_starts(rest, S("&quot;")));
            }
            at++;
            continue;
        }
        str inside, rest;
        assert_true(str_cut(str_sub(xml, at + 1, xml.len), '>', &inside, &rest));
        at += inside.len + 2;
        if (inside.ptr[0] == '?' || str_ends(inside, S("/")))
            continue;
        if (inside.ptr[0] == '/') {
            assert_true(depth > 0);
            assert_str(str_sub(inside, 1, inside.len), open[--depth]);
            continue;
        }
        str attributes;
        str_cut(inside, ' ', &open[depth], &attributes);
        assert_true(++depth < ARRAY_LEN(open));
    }
    assert_int_equal(depth, 0);
}

static bool holds(str text, const char *what)
{
    size_t at;
    return str_find(text, str_from(what), &at);
}

/* What follows each `before` in quotes is the name of a part. */
static void assert_names_parts(str archive, const char *xml_part, const char *before,
                               const char *folder)
{
    str rest = part_of(archive, xml_part);
    size_t at, count = 0;
    while (str_find(rest, str_from(before), &at)) {
        str name;
        assert_true(str_cut(str_sub(rest, at + strlen(before), rest.len), '"', &name, &rest));
        assert_true(
            part_of(archive, cstr(a, str_printf(a, "%s" STR_FMT, folder, STR_ARG(name)))).len);
        count++;
    }
    assert_true(count);
}

static void a_document_of_word_is_one(void **state)
{
    (void)state;
    struct paper p = of_markup(markup);
    p.title = S("Имя \"с\" <знаками> & \x01 \xEF\xBF\xBF");
    p.blocks[0].time = S("1:05");
    str archive;
    assert_null(paper_docx(a, &p, &archive));
    assert_true(str_starts(archive, S("PK\3\4")));
    assert_str(str_sub(archive, 30, 19), S("[Content_Types].xml"));
    static const char *const parts[] = {
        "[Content_Types].xml",          "_rels/.rels",      "word/document.xml", "word/styles.xml",
        "word/_rels/document.xml.rels", "docProps/core.xml"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        assert_well_formed(part_of(archive, parts[i]));
    assert_names_parts(archive, "[Content_Types].xml", "PartName=\"/", "");
    assert_names_parts(archive, "_rels/.rels", "Target=\"", "");
    assert_names_parts(archive, "word/_rels/document.xml.rels", "Target=\"", "word/");
    str document = part_of(archive, "word/document.xml"),
        styles = part_of(archive, "word/styles.xml");
    assert_true(holds(document, "<w:pStyle w:val=\"Title\"/>"));
    assert_true(holds(document, "Имя &quot;с&quot; &lt;знаками&gt; &amp;  </w:t>"));
    assert_true(
        holds(document,
              "<w:pStyle w:val=\"Heading1\"/></w:pPr><w:r><w:t xml:space=\"preserve\">Решения"));
    assert_true(holds(document, "Первое &amp; &lt;второе&gt;"));
    assert_true(
        holds(document, "<w:rStyle w:val=\"Time\"/></w:rPr><w:t xml:space=\"preserve\">1:05"));
    assert_true(holds(styles, "ru-RU"));
    static const char *const styles_used[] = {"Title", "Subtitle", "Heading1", "ListParagraph",
                                              "Time"};
    for (size_t i = 0; i < ARRAY_LEN(styles_used); i++)
        assert_true(holds(styles, cstr(a, str_printf(a, "w:styleId=\"%s\"", styles_used[i]))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(markup_is_understood, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(plain_text_and_markdown, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(messages_are_escaped_and_cut, make_arena, free_arena),
        cmocka_unit_test_setup_teardown(a_document_of_word_is_one, make_arena, free_arena),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
