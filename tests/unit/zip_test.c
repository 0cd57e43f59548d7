/* Archives made in memory, taken apart again by the library. */
#include "core/zip.h"

#include <zip.h>

#include "tests/unit/with_arena.h"

static const struct zip_entry entries[] = {
    {{"photo_001.jpg", 13}, {"first\0photo", 11}},
    {{"photo_002.jpg", 13}, {"second photo", 12}},
    {{"пруд.jpg", 12},  {"", 0}             },
};

static zip_t *open_archive(str bytes)
{
    zip_source_t *source = zip_source_buffer_create(bytes.ptr, bytes.len, 0, NULL);
    assert_non_null(source);
    zip_t *archive = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, NULL);
    assert_non_null(archive);
    return archive;
}

static void entries_come_back(void **state)
{
    (void)state;
    str bytes;
    assert_null(zip_make(a, entries, ARRAY_LEN(entries), &bytes));
    zip_t *archive = open_archive(bytes);
    assert_int_equal(zip_get_num_entries(archive, 0), ARRAY_LEN(entries));
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        char content[32];
        zip_stat_t about;
        assert_int_equal(zip_stat_index(archive, i, 0, &about), 0);
        assert_true(str_eq(str_from(about.name), entries[i].name));
        assert_int_equal(about.comp_method, ZIP_CM_STORE);
        zip_file_t *file = zip_fopen_index(archive, i, 0);
        zip_int64_t got = zip_fread(file, content, sizeof content);
        assert_int_equal(got, entries[i].bytes.len);
        assert_memory_equal(content, entries[i].bytes.ptr, entries[i].bytes.len);
        zip_fclose(file);
    }
    zip_discard(archive);
}

/* Nothing in it tells when or where it was made. */
static void the_same_makes_the_same(void **state)
{
    (void)state;
    str one, other;
    assert_null(zip_make(a, entries, 2, &one));
    assert_null(zip_make(a, entries, 2, &other));
    assert_true(str_eq(one, other));
}

int main(void)
{
#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, make_arena, free_arena)
    const struct CMUnitTest tests[] = {
        WITH_ARENA(entries_come_back),
        WITH_ARENA(the_same_makes_the_same),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
