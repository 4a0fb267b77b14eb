/* Lines and summaries of faults: JSON is read back, CSV has the columns of its title, and names
 * that try to break out do not. What is not known is null or empty, never 0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "csv.h"
#include "report/faults.h"

static const struct fault_site nowhere = {.symbol = "", .source = "", .why = ""};

static struct fault_entry a_fault(void)
{
    return (struct fault_entry){
        .event = {.type = EVENT_FAULT, .t_ns = 1500000999, .pid = 7, .tid = 8,
                  .fault = {.address = 0x7f0012345678, .ip = 0x401234, .access = ACCESS_WRITE,
                            .protection = KNOWN_YES, .mode = MODE_USER}},
        .verdict = {.path = PATH_WP, .how = HOW_COPY, .sure = true},
        .region = "a\",\n\x1b[31mb",
        .observed = {.seen = {1u << PATH_WP}, .count = 1, .how = HOW_COPY, .agreement = AGREES},
    };
}

static struct fault_entry an_unknown_fault(void)
{
    return (struct fault_entry){
        .event = {.type = EVENT_FAULT, .fault = {.protection = NOT_KNOWN}}};
}

static struct fault_entry a_call(int64_t result, bool has_args)
{
    return (struct fault_entry){
        .event = {.type = EVENT_CALL, .t_ns = 2, .pid = 7, .tid = 8,
                  .call = {.call = CALL_MUNMAP, .args = {0x1000, 4096, 99}, .result = result,
                           .has_args = has_args}}};
}

static struct fault_entry a_count(void)
{
    return (struct fault_entry){
        .event = {.type = EVENT_HEAT, .t_ns = 3, .pid = 7,
                  .heat = {.address = 0x5000, .pages = 12, .count = 34}},
        .region = "h\"e,ap"};
}

/* --- JSON lines --- */

static json_t *load(struct buf *line)
{
    assert_int_equal(line->error, 0);
    assert_true(line->len && line->data[line->len - 1] == '\n');
    assert_ptr_equal(strchr(line->data, '\n'), line->data + line->len - 1);
    assert_null(strchr(line->data, '\x1b'));
    json_t *j = json_loads(line->data, 0, NULL);
    assert_non_null(j);
    buf_deinit(line);
    return j;
}

static json_t *line_of(const struct fault_entry *e, const struct fault_site *site)
{
    struct buf out = {0};
    faults_jsonl_line(e, site, &out);
    return load(&out);
}

static const char *text(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    assert_non_null(s);
    return s;
}

static void assert_null_member(const json_t *j, const char *key)
{
    assert_true(json_is_null(json_object_get(j, key)));
}

static void json_of_a_fault(void **state)
{
    (void)state;
    const struct fault_site site = {.symbol = "main+0x1c", .source = "t.c:12", .stack = "a;b",
                                    .why = ""};
    struct fault_entry e = a_fault();
    json_t *j = line_of(&e, &site);
    assert_string_equal(text(j, "type"), "fault");
    assert_int_equal(json_integer_value(json_object_get(j, "t_ns")), 1500000999);
    assert_int_equal(json_integer_value(json_object_get(j, "tid")), 8);
    assert_string_equal(text(j, "addr"), "0x7f0012345678");
    assert_string_equal(text(j, "ip"), "0x401234");
    assert_string_equal(text(j, "access"), "write");
    assert_true(json_is_true(json_object_get(j, "protection")));
    assert_string_equal(text(j, "mode"), "user");
    assert_string_equal(text(j, "region"), "a\",\n\x1b[31mb");
    assert_string_equal(text(j, "path"), "do_wp_page");
    assert_string_equal(text(j, "how"), "copy");
    assert_true(json_is_true(json_object_get(j, "sure")));
    assert_int_equal(json_array_size(json_object_get(j, "observed")), 1);
    assert_string_equal(text(j, "observed_how"), "copy");
    assert_string_equal(text(j, "agreement"), "agrees");
    assert_string_equal(text(j, "stack"), "a;b");
    assert_string_equal(text(j, "symbol"), "main+0x1c");
    assert_string_equal(text(j, "source"), "t.c:12");
    json_decref(j);
}

static void json_of_what_is_not_known(void **state)
{
    (void)state;
    static const char *const keys[] = {"access", "protection", "mode", "how", "observed",
                                       "observed_how", "agreement", "stack", "symbol", "source"};
    struct fault_entry e = an_unknown_fault();
    json_t *j = line_of(&e, &nowhere);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_null_member(j, keys[i]);
    assert_string_equal(text(j, "path"), "unknown");
    assert_true(json_is_false(json_object_get(j, "sure")));
    json_decref(j);
}

static void json_of_calls(void **state)
{
    (void)state;
    struct fault_entry e = a_call(-22, true);
    json_t *j = line_of(&e, &nowhere);
    assert_string_equal(text(j, "name"), "munmap");
    assert_int_equal(json_array_size(json_object_get(j, "args")), 2); /* munmap has no third */
    assert_int_equal(json_integer_value(json_object_get(j, "result")), -22);
    json_decref(j);
    e = a_call((int64_t)0xffff800000000000, false); /* an address, however negative it looks */
    j = line_of(&e, &nowhere);
    assert_null_member(j, "args");
    assert_string_equal(text(j, "result"), "0xffff800000000000");
    json_decref(j);
}

static void json_of_counted_faults(void **state)
{
    (void)state;
    struct fault_entry e = a_count();
    struct buf out = {0};
    faults_jsonl_counted(&e, &out);
    json_t *j = load(&out);
    assert_string_equal(text(j, "type"), "heat");
    assert_string_equal(text(j, "addr"), "0x5000");
    assert_int_equal(json_integer_value(json_object_get(j, "pages")), 12);
    assert_int_equal(json_integer_value(json_object_get(j, "count")), 34);
    assert_string_equal(text(j, "region"), "h\"e,ap");
    json_decref(j);
}

/* --- CSV --- */

static void csv_lines_have_the_columns_of_the_title(void **state)
{
    (void)state;
    struct fault_entry all[] = {a_fault(), an_unknown_fault(), a_call(-22, true)}, heat = a_count();
    struct buf out = {0};
    char field[300];
    faults_csv_head(&out);
    unsigned columns = csv_fields(out.data, 0, field), count = columns;
    for (unsigned i = 0; i < columns; i++) {
        csv_fields(out.data, i, field);
        count = strcmp(field, "count") ? count : i;
    }
    for (size_t i = 0; i < 3; i++) {
        buf_clear(&out);
        faults_csv_line(&all[i], &nowhere, &out);
        assert_int_equal(csv_fields(out.data, 0, field), columns);
        assert_null(strchr(out.data, '\x1b'));
    }
    buf_clear(&out);
    faults_csv_counted(&heat, &out);
    assert_int_equal(csv_fields(out.data, count, field), columns);
    assert_string_equal(field, "34");
    csv_fields(out.data, 9, field);
    assert_string_equal(field, "h\"e,ap");
    buf_deinit(&out);
}

static void csv_says_nothing_of_what_is_not_known(void **state)
{
    (void)state;
    struct fault_entry e = an_unknown_fault(), known = a_fault();
    struct buf out = {0};
    char field[300];
    faults_csv_line(&e, &nowhere, &out);
    for (unsigned i = 6; i <= 8; i++) { /* access, protection, mode */
        csv_fields(out.data, i, field);
        assert_string_equal(field, "");
    }
    buf_clear(&out);
    faults_csv_line(&known, &nowhere, &out);
    csv_fields(out.data, 7, field);
    assert_string_equal(field, "yes");
    buf_deinit(&out);
}

/* --- the table --- */

static void table_lines_are_single_lines(void **state)
{
    (void)state;
    struct fault_entry all[] = {a_fault(), an_unknown_fault(), a_call(0x5000, true),
                                a_call(-12, false)};
    struct fault_entry heat = a_count();
    struct buf out = {0};
    faults_table_head(true, &out);
    for (size_t i = 0; i < 4; i++)
        faults_table_line(&all[i], &nowhere, true, &out);
    faults_table_counted(&heat, &out);
    assert_null(strchr(out.data, '\x1b'));
    unsigned lines = 0;
    for (const char *p = out.data; (p = strchr(p, '\n')); p++)
        lines++;
    assert_int_equal(lines, 6);
    assert_non_null(strstr(out.data, "munmap(0x1000, 0x1000) = 0x5000\n"));
    assert_non_null(strstr(out.data, "munmap(...) = -12 ENOMEM\n"));
    assert_non_null(strstr(out.data, "do_wp_page copy "));
    assert_non_null(strstr(out.data, "unknown ?"));
    buf_deinit(&out);
}

/* --- summaries --- */

static const struct fault_counts not_known = {.minor = UINT64_MAX, .major = UINT64_MAX,
                                              .cpu_ns = UINT64_MAX, .waits = UINT64_MAX,
                                              .preempted = UINT64_MAX};

static void summary_without_counts(void **state)
{
    (void)state;
    static const char *const keys[] = {"minor", "major", "cpu_ns", "voluntary_switches",
                                       "involuntary_switches", "evidence", "evidence_why",
                                       "blind", "why"};
    const struct engine_state engine = {.name = "poll", .lost = 5};
    struct buf out = {0};
    faults_jsonl_summary(NULL, &engine, &not_known, &out);
    json_t *j = load(&out);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_null_member(j, keys[i]);
    assert_string_equal(text(j, "engine"), "poll");
    assert_int_equal(json_integer_value(json_object_get(j, "lost")), 5);
    assert_null(json_object_get(j, "heat_faults"));
    assert_null(json_object_get(j, "counters"));
    json_decref(j);
    faults_table_summary(NULL, &engine, &not_known, &out);
    assert_non_null(strstr(out.data, "5 lost; the kernel's own count is not known\n"));
    buf_deinit(&out);
}

static void summary_with_everything(void **state)
{
    (void)state;
    struct engine_state engine = {.name = "bpf", .blind = "nothing", .why = "because",
                                  .heat_faults = 9, .evidence = true, .samples = 3};
    struct fault_log log = {.faults = 4, .calls = 2, .unsure = 1, .counted = 8};
    struct perf_counts perf = {.count = 2, .v = {{.name = "migrations", .known = true, .value = 6},
                                                 {.name = "walks", .why = "no such counter"}}};
    const struct fault_counts counts = {.minor = 10, .major = 11, .cpu_ns = 12, .waits = 13,
                                        .preempted = 14, .perf = &perf};
    struct buf out = {0};
    log.by_path[PATH_WP][HOW_COPY] = 4;
    log.agreed[AGREES] = 3;
    log.agreed[DISAGREES] = 1;
    faults_jsonl_summary(&log, &engine, &counts, &out);
    json_t *j = load(&out);
    assert_int_equal(json_integer_value(json_object_get(j, "faults")), 4);
    assert_int_equal(json_integer_value(json_object_get(j, "major")), 11);
    assert_int_equal(json_integer_value(json_object_get(j, "voluntary_switches")), 13);
    assert_int_equal(json_integer_value(json_object_get(j, "involuntary_switches")), 14);
    assert_int_equal(json_integer_value(json_object_get(j, "heat_told")), 8);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(j, "evidence"), "disagrees")), 1);
    const json_t *second = json_array_get(json_object_get(j, "counters"), 1);
    assert_null_member(second, "count");
    assert_string_equal(text(second, "why"), "no such counter");
    json_decref(j);
    faults_table_summary(&log, &engine, &counts, &out);
    static const char *const says[] = {
        "4 faults and 2 calls by bpf, 0 lost; the kernel counted 10 minor and 11 major\n",
        "not seen by bpf: nothing\n", "no better engine: because\n", "         4  do_wp_page copy\n",
        "         1  disagreements\n", "not counted: walks: ? no such counter\n"};
    for (size_t i = 0; i < sizeof says / sizeof *says; i++)
        assert_non_null(strstr(out.data, says[i]));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_of_a_fault),
        cmocka_unit_test(json_of_what_is_not_known),
        cmocka_unit_test(json_of_calls),
        cmocka_unit_test(json_of_counted_faults),
        cmocka_unit_test(csv_lines_have_the_columns_of_the_title),
        cmocka_unit_test(csv_says_nothing_of_what_is_not_known),
        cmocka_unit_test(table_lines_are_single_lines),
        cmocka_unit_test(summary_without_counts),
        cmocka_unit_test(summary_with_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
