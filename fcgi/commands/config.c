/* aisha config: the settings of the environment and of a file. */
#include "commands/commands.h"

#include "core/json.h"

static err *read_all(struct cli *cli)
{
    if (cli->env_file)
        TRY(conf_load_file(cli->arena, cli->env_file));
    return conf_load(cli->arena, &cli->conf);
}

void print_mistakes_json(struct arena *a, str mistakes)
{
    struct buf list = buf_new(a);
    for (str line; !str_empty(mistakes);) {
        str_cut(mistakes, '\n', &line, &mistakes);
        buf_add(&list, list.len ? S(",") : S(""));
        json_put_str(&list, line);
    }
    bool is_right = list.len == 0;
    str items = str_printf(a, "[" STR_FMT "]", STR_ARG(buf_str(&list)));
    printf(STR_FMT "\n", STR_ARG(json_make(a, KV("ok", is_right), KV("mistakes", JSON(items)))));
}

err *cli_config_check(struct cli *cli)
{
    const err *e = read_all(cli);
    str mistakes = e ? e->message : S("");
    cli->exit_status = e ? EXIT_FAILURE : EXIT_SUCCESS;
    if (cli->wants_json)
        print_mistakes_json(cli->arena, mistakes);
    else if (e)
        fprintf(stderr, STR_FMT "\n", STR_ARG(mistakes));
    else
        printf("The settings are in order.\n");
    return NULL;
}

/* A value as conf_print() wrote it for a shell: bare, or in single quotes. */
static str unquoted(struct arena *a, str value)
{
    struct buf b = buf_new(a);
    if (!str_starts(value, S("'")))
        return value;
    value = str_sub(value, 1, value.len - 2);
    for (str piece; !str_empty(value);) {
        bool has_quote = str_cut(value, '\'', &piece, &value);
        buf_add(&b, piece);
        if (has_quote) {
            buf_add_char(&b, '\'');
            value = str_sub(value, sizeof "\\''" - 1, value.len); /* the rest of '\'' */
        }
    }
    return buf_str(&b);
}

static str settings_json(struct arena *a, str lines)
{
    struct buf b = buf_new(a);
    buf_add_char(&b, '{');
    for (str line, name, value; !str_empty(lines);) {
        str_cut(lines, '\n', &line, &lines);
        str_cut(line, '=', &name, &value);
        buf_add(&b, b.len > 1 ? S(",") : S(""));
        json_put_str(&b, name);
        buf_add_char(&b, ':');
        json_put_object(&b, KVS(KV("value", unquoted(a, value)), KV("source", conf_source(name))));
    }
    buf_add_char(&b, '}');
    return buf_str(&b);
}

/* A shell that reads it takes the source for a comment. */
static void print_settings(str lines)
{
    for (str line, name, value; !str_empty(lines);) {
        str_cut(lines, '\n', &line, &lines);
        str_cut(line, '=', &name, &value);
        printf("%-50.*s # %s\n", STR_ARG(line), conf_source(name));
    }
}

err *cli_config_show(struct cli *cli)
{
    struct buf b = buf_new(cli->arena);
    conf_print(&b, &cli->conf);
    if (cli->wants_json)
        print_json_line(settings_json(cli->arena, buf_str(&b)));
    else
        print_settings(buf_str(&b));
    return NULL;
}

err *cli_config_defaults(struct cli *cli)
{
    struct buf b = buf_new(cli->arena);
    conf_print_defaults(&b);
    printf(STR_FMT, STR_ARG(buf_str(&b)));
    return NULL;
}
