#include "handlers/speech/paper.h"

#include "core/zip.h"

/* ---------------------------------------------------------------- what there is on it */

void paper_of_cues(struct arena *a, const struct cues *cues, struct paper *out)
{
    struct paragraph *paragraphs;
    out->count = cues_paragraphs(a, cues, &paragraphs);
    out->blocks = NEW_ARRAY(a, struct block, out->count + 1);
    for (size_t i = 0; i < out->count; i++)
        out->blocks[i] = (struct block){BLOCK_PARAGRAPH, clock_shown(a, paragraphs[i].start_ms),
                                        paragraphs[i].text};
}

static size_t count_lines(str text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '\n';
    return count;
}

void paper_of_text(struct arena *a, str text, struct paper *out)
{
    str line, rest = text;
    out->count = 0;
    out->blocks = NEW_ARRAY(a, struct block, count_lines(text));
    while (!str_empty(rest)) {
        str_cut(rest, '\n', &line, &rest);
        line = str_trim(line);
        if (!str_empty(line))
            out->blocks[out->count++] = (struct block){.kind = BLOCK_PARAGRAPH, .text = line};
    }
}

/* How a line begins, and what it is then. Longer beginnings stand before those they begin with. */
static const struct {
    const char *begins;
    enum block_kind kind;
} marks[] = {
    {"#### ",  BLOCK_HEADING},
    {"### ",   BLOCK_HEADING},
    {"## ",    BLOCK_HEADING},
    {"# ",     BLOCK_HEADING},
    {"- [ ] ", BLOCK_TASK   },
    {"- [x] ", BLOCK_TASK   },
    {"* [ ] ", BLOCK_TASK   },
    {"☐ ",   BLOCK_TASK   },
    {"- ",     BLOCK_ITEM   },
    {"* ",     BLOCK_ITEM   },
    {"• ",   BLOCK_ITEM   },
};

/* Stars that make a word bold, and single ones at the edges of a phrase, are not shown. */
static str without_stars(struct arena *a, str text)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < text.len; i++) {
        bool is_double = i + 1 < text.len && text.ptr[i] == '*' && text.ptr[i + 1] == '*';
        if (is_double)
            i++;
        else
            buf_add_char(&b, text.ptr[i]);
    }
    return buf_str(&b);
}

static struct block block_of(struct arena *a, str line)
{
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        str begins = str_from(marks[i].begins);
        if (str_starts(line, begins))
            return (struct block){
                .kind = marks[i].kind,
                .text = str_trim(without_stars(a, str_sub(line, begins.len, line.len))),
            };
    }
    return (struct block){.kind = BLOCK_PARAGRAPH, .text = without_stars(a, line)};
}

void paper_of_markup(struct arena *a, str markup, struct paper *out)
{
    struct paper lines;
    paper_of_text(a, markup, &lines);
    out->count = 0;
    out->blocks = NEW_ARRAY(a, struct block, lines.count + 1);
    for (size_t i = 0; i < lines.count; i++) {
        struct block block = block_of(a, lines.blocks[i].text);
        if (str_has_visible(block.text) && !str_eq(block.text, S("---")))
            out->blocks[out->count++] = block;
    }
}

/* ---------------------------------------------------------------- plain, and Markdown */

static bool is_listed(const struct block *block)
{
    return block->kind == BLOCK_ITEM || block->kind == BLOCK_TASK;
}

/* Lines of a list stand close together. */
static void put_gap(struct buf *b, const struct paper *p, size_t i)
{
    if (i)
        buf_add(b, is_listed(&p->blocks[i]) && is_listed(&p->blocks[i - 1]) ? S("\n") : S("\n\n"));
}

static str plain_mark(enum block_kind kind)
{
    switch (kind) {
    case BLOCK_PARAGRAPH:
    case BLOCK_HEADING:
        return S("");
    case BLOCK_ITEM:
        return S("• ");
    case BLOCK_TASK:
        return S("☐ ");
    }
    return S("");
}

str paper_plain(struct arena *a, const struct paper *p)
{
    struct buf b = buf_new(a);
    for (size_t i = 0; i < p->count; i++) {
        put_gap(&b, p, i);
        buf_add(&b, plain_mark(p->blocks[i].kind));
        buf_add(&b, p->blocks[i].text);
    }
    return buf_str(&b);
}

static str markdown_mark(enum block_kind kind)
{
    switch (kind) {
    case BLOCK_PARAGRAPH:
        return S("");
    case BLOCK_HEADING:
        return S("## ");
    case BLOCK_ITEM:
        return S("- ");
    case BLOCK_TASK:
        return S("- [ ] ");
    }
    return S("");
}

/* What somebody said is not to be taken for a mark. */
static void put_markdown(struct buf *b, str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_mark = c == '\\' || c == '`' || c == '*' || c == '_' || c == '[' || c == ']' ||
                       c == '<' || (i == 0 && (c == '#' || c == '>' || c == '+' || c == '-'));
        if (is_mark)
            buf_add_char(b, '\\');
        buf_add_char(b, c);
    }
}

str paper_markdown(struct arena *a, const struct paper *p)
{
    struct buf b = buf_new(a);
    buf_add(&b, S("# "));
    put_markdown(&b, p->title);
    buf_add(&b, S("\n\n"));
    if (!str_empty(p->about)) {
        buf_add_char(&b, '*');
        put_markdown(&b, p->about);
        buf_add(&b, S("*\n\n"));
    }
    for (size_t i = 0; i < p->count; i++) {
        const struct block *block = &p->blocks[i];
        put_gap(&b, p, i);
        buf_add(&b, markdown_mark(block->kind));
        if (!str_empty(block->time))
            buf_addf(&b, "**" STR_FMT "** ", STR_ARG(block->time));
        put_markdown(&b, block->text);
    }
    buf_add_char(&b, '\n');
    return buf_str(&b);
}

/* ---------------------------------------------------------------- as a message */

str paper_html(struct arena *a, const struct paper *p, size_t most_units, bool *is_whole)
{
    struct buf b = buf_new(a);
    size_t units = 0;
    *is_whole = true;
    for (size_t i = 0; i < p->count; i++) {
        const struct block *block = &p->blocks[i];
        enum { GAP_UNITS = 6 };
        size_t wanted = str_utf16_units(block->text) + GAP_UNITS;
        if (units + wanted > most_units) {
            *is_whole = false;
            if (units == 0) /* one paragraph that is longer than a message */
                buf_add(&b, str_html(a, str_clip_points(a, block->text, most_units / 2)));
            else
                buf_add(&b, S("\n\n…"));
            break;
        }
        units += wanted;
        put_gap(&b, p, i);
        buf_add(&b, plain_mark(block->kind));
        if (block->kind == BLOCK_HEADING)
            buf_add(&b, S("<b>"));
        buf_add(&b, str_html(a, block->text));
        if (block->kind == BLOCK_HEADING)
            buf_add(&b, S("</b>"));
    }
    return buf_str(&b);
}

/* ---------------------------------------------------------------- Word */

#define NAMESPACE_WORD "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
#define XML_HEAD       "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"

static const char content_types[] = XML_HEAD
    "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">"
    "<Default Extension=\"rels\" "
    "ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>"
    "<Default Extension=\"xml\" ContentType=\"application/xml\"/>"
    "<Override PartName=\"/word/document.xml\" "
    "ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document."
    "main+xml\"/>"
    "<Override PartName=\"/word/styles.xml\" "
    "ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.styles+"
    "xml\"/>"
    "<Override PartName=\"/docProps/core.xml\" "
    "ContentType=\"application/vnd.openxmlformats-package.core-properties+xml\"/>"
    "</Types>";

static const char relations[] = XML_HEAD
    "<Relationships "
    "xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
    "<Relationship Id=\"document\" "
    "Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
    "officeDocument\" Target=\"word/document.xml\"/>"
    "<Relationship Id=\"properties\" "
    "Type=\"http://schemas.openxmlformats.org/package/2006/relationships/metadata/"
    "core-properties\" Target=\"docProps/core.xml\"/>"
    "</Relationships>";

static const char document_relations[] = XML_HEAD
    "<Relationships "
    "xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
    "<Relationship Id=\"styles\" "
    "Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles\" "
    "Target=\"styles.xml\"/></Relationships>";

#define STYLE(id, name, next, paragraph, run)                                                      \
    "<w:style w:type=\"paragraph\" w:styleId=\"" id "\"><w:name w:val=\"" name                     \
    "\"/><w:basedOn w:val=\"Normal\"/><w:next w:val=\"" next "\"/><w:qFormat/><w:pPr>" paragraph   \
    "</w:pPr><w:rPr>" run "</w:rPr></w:style>"

/* Sizes are in half points, distances in twentieths of one. */
static const char styles_head[] = XML_HEAD
    "<w:styles xmlns:w=\"" NAMESPACE_WORD "\"><w:docDefaults><w:rPrDefault><w:rPr>"
    "<w:rFonts w:ascii=\"Calibri\" w:hAnsi=\"Calibri\" w:cs=\"Calibri\"/>"
    "<w:sz w:val=\"22\"/><w:szCs w:val=\"22\"/><w:lang w:val=\"";
static const char styles_tail[] =
    "\"/></w:rPr></w:rPrDefault><w:pPrDefault><w:pPr><w:spacing w:after=\"160\" w:line=\"276\" "
    "w:lineRule=\"auto\"/></w:pPr></w:pPrDefault></w:docDefaults>"
    "<w:style w:type=\"paragraph\" w:default=\"1\" w:styleId=\"Normal\"><w:name w:val=\"Normal\"/>"
    "<w:qFormat/></w:style>" STYLE(
        "Title", "Title", "Subtitle", "<w:spacing w:after=\"60\"/>",
        "<w:b/><w:sz w:val=\"36\"/><w:szCs w:val=\"36\"/>") STYLE("Subtitle", "Subtitle", "Normal",
                                                                  "<w:spacing w:after=\"320\"/>",
                                                                  "<w:color w:val=\"666666\"/>")
        STYLE("Heading1", "heading 1", "Normal",
              "<w:keepNext/><w:spacing w:before=\"280\" w:after=\"100\"/><w:outlineLvl "
              "w:val=\"0\"/>",
              "<w:b/><w:sz w:val=\"26\"/><w:szCs w:val=\"26\"/>")
            STYLE(
                "ListParagraph", "List Paragraph", "ListParagraph",
                "<w:contextualSpacing/><w:ind w:left=\"400\" w:hanging=\"280\"/>",
                "") "<w:style w:type=\"character\" w:styleId=\"Time\"><w:name w:val=\"Time\"/><w:rPr>"
                    "<w:color w:val=\"888888\"/><w:sz w:val=\"18\"/><w:szCs w:val=\"18\"/></w:rPr></w:style>"
                    "</w:styles>";

/* Escaped, and without the characters that XML has no way to say. */
static void put_xml(struct buf *b, str text)
{
    struct buf clean = buf_new(b->arena);
    for (size_t at = 0, length; at < text.len; at += length) {
        length = str_utf8_at(text, at);
        unsigned char c = (unsigned char)text.ptr[at];
        bool is_last_of_plane = length == 3 && !memcmp(text.ptr + at, "\xEF\xBF", 2) &&
                                (unsigned char)text.ptr[at + 2] >= 0xBE;
        if (!length)
            length = 1;
        else if ((c >= 0x20 || c == '\t') && !is_last_of_plane)
            buf_add(&clean, str_sub(text, at, length));
    }
    buf_add(b, str_html(b->arena, buf_str(&clean)));
}

static void put_run(struct buf *b, const char *style, str text)
{
    buf_add(b, S("<w:r>"));
    if (style)
        buf_addf(b, "<w:rPr><w:rStyle w:val=\"%s\"/></w:rPr>", style);
    buf_add(b, S("<w:t xml:space=\"preserve\">"));
    put_xml(b, text);
    buf_add(b, S("</w:t></w:r>"));
}

static void begin_paragraph(struct buf *b, const char *style)
{
    buf_add(b, S("<w:p>"));
    if (style)
        buf_addf(b, "<w:pPr><w:pStyle w:val=\"%s\"/></w:pPr>", style);
}

static void put_block(struct buf *b, const struct block *block)
{
    begin_paragraph(b, block->kind == BLOCK_HEADING ? "Heading1"
                       : is_listed(block)           ? "ListParagraph"
                                                    : NULL);
    if (!str_empty(block->time))
        put_run(b, "Time", str_printf(b->arena, STR_FMT "  ", STR_ARG(block->time)));
    if (is_listed(block))
        put_run(b, NULL, plain_mark(block->kind));
    put_run(b, NULL, block->text);
    buf_add(b, S("</w:p>"));
}

static str document(struct arena *a, const struct paper *p)
{
    struct buf b = buf_new(a);
    buf_add(&b, S(XML_HEAD "<w:document xmlns:w=\"" NAMESPACE_WORD "\"><w:body>"));
    begin_paragraph(&b, "Title");
    put_run(&b, NULL, p->title);
    buf_add(&b, S("</w:p>"));
    if (!str_empty(p->about)) {
        begin_paragraph(&b, "Subtitle");
        put_run(&b, NULL, p->about);
        buf_add(&b, S("</w:p>"));
    }
    for (size_t i = 0; i < p->count; i++)
        put_block(&b, &p->blocks[i]);
    /* A4, in twentieths of a point. */
    buf_add(&b, S("<w:sectPr><w:pgSz w:w=\"11906\" w:h=\"16838\"/><w:pgMar w:top=\"1134\" "
                  "w:right=\"1134\" w:bottom=\"1134\" w:left=\"1134\" w:header=\"709\" "
                  "w:footer=\"709\" w:gutter=\"0\"/></w:sectPr></w:body></w:document>"));
    return buf_str(&b);
}

static str properties(struct arena *a, const struct paper *p)
{
    struct buf b = buf_new(a);
    buf_add(&b,
            S(XML_HEAD "<cp:coreProperties xmlns:cp=\"http://schemas.openxmlformats.org/package/"
                       "2006/metadata/core-properties\" "
                       "xmlns:dc=\"http://purl.org/dc/elements/1.1/\"><dc:title>"));
    put_xml(&b, p->title);
    buf_add(&b, S("</dc:title></cp:coreProperties>"));
    return buf_str(&b);
}

static str styles(struct arena *a, const struct paper *p)
{
    return str_printf(a, "%s%s%s", styles_head, str_eq(p->language, S("ru")) ? "ru-RU" : "en-US",
                      styles_tail);
}

err *paper_docx(struct arena *a, const struct paper *p, str *out)
{
    /* clang-format off */
    const struct zip_entry entries[] = {
        {S("[Content_Types].xml"),          str_from(content_types)     },
        {S("_rels/.rels"),                  str_from(relations)         },
        {S("word/document.xml"),            document(a, p)              },
        {S("word/styles.xml"),              styles(a, p)                },
        {S("word/_rels/document.xml.rels"), str_from(document_relations)},
        {S("docProps/core.xml"),            properties(a, p)            },
    };
    /* clang-format on */
    return zip_make(a, entries, ARRAY_LEN(entries), out);
}
