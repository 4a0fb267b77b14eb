/* Chains of callers: as perf records have them, whether a return address is behind a call, in the
 * log of faults, and in each form of output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/fault_log.h"
#include "probe/callsite.h"
#include "probe/engine_perf.h"
#include "report/faults.h"

/* --- perf records --- */

enum { CONTEXT_USER = -512, CONTEXT_KERNEL = -128 };

static size_t put(char *at, size_t len, uint64_t v)
{
    memcpy(at + len, &v, sizeof v);
    return len + sizeof v;
}

/* A sample of a fault in user mode with this chain; its bytes. */
static size_t sample(char *out, const uint64_t *chain, uint64_t n, uint64_t said)
{
    size_t len = 8;
    len = put(out, len, 0x401000);                   /* ip */
    len = put(out, len, UINT64_C(7) << 32 | 7);      /* pid, tid */
    len = put(out, len, 1000);                       /* time */
    len = put(out, len, 0x7f0000001000);             /* address */
    len = put(out, len, said);
    for (uint64_t i = 0; i < n; i++)
        len = put(out, len, chain[i]);
    const struct perf_event_header h = {.type = PERF_RECORD_SAMPLE,
                                        .misc = PERF_RECORD_MISC_USER, .size = (uint16_t)len};
    memcpy(out, &h, sizeof h);
    return len;
}

static struct perf_seen parsed(const uint64_t *chain, uint64_t n)
{
    static char bytes[8 * 200];
    const struct perf_layout layout = {.callers = true};
    struct perf_seen seen;
    size_t len = sample(bytes, chain, n, n);
    assert_int_equal(perf_record_parse(&layout, bytes, len, &seen), len);
    assert_int_equal(seen.what, PERF_IS_EVENT);
    assert_int_equal(seen.event.fault.ip, 0x401000);
    return seen;
}

static uint64_t caller(const struct perf_seen *s, unsigned i)
{
    uint64_t ip;
    memcpy(&ip, s->callers + i * sizeof ip, sizeof ip);
    return ip;
}

static void chains_of_perf(void **state)
{
    (void)state;
    const uint64_t two[] = {(uint64_t)CONTEXT_USER, 0x401000, 0x402000, 0x403000};
    const uint64_t mixed[] = {(uint64_t)CONTEXT_KERNEL, (uint64_t)CONTEXT_USER, 0x401000, 0x402000};
    const uint64_t zeros[] = {(uint64_t)CONTEXT_USER, 0x401000, 0x402000, 0, 0, 0x404000};
    const uint64_t upper[] = {(uint64_t)CONTEXT_USER, 0x401000, UINT64_C(1) << 47, 0x402000};
    struct perf_seen s = parsed(two, 4);
    assert_int_equal(s.event.fault.callers, CALLERS_TOLD);
    assert_int_equal(s.event.fault.callers_n, 2);
    assert_int_equal(caller(&s, 0), 0x402000);
    assert_int_equal(caller(&s, 1), 0x403000);
    s = parsed(mixed, 4);
    assert_int_equal(s.event.fault.callers_n, 1);
    assert_int_equal(caller(&s, 0), 0x402000);
    assert_int_equal(parsed(zeros, 6).event.fault.callers_n, 1);
    assert_int_equal(parsed(upper, 4).event.fault.callers_n, 0);
    assert_int_equal(parsed(two, 2).event.fault.callers, CALLERS_TOLD);
    assert_int_equal(parsed(two, 1).event.fault.callers, CALLERS_NONE);
    assert_int_equal(parsed(NULL, 0).event.fault.callers, CALLERS_NONE);
}

static void a_long_chain_is_cut(void **state)
{
    uint64_t chain[CALLERS_MAX + 10];
    (void)state;
    for (unsigned i = 0; i < CALLERS_MAX + 10; i++)
        chain[i] = i ? 0x400000 + i : (uint64_t)CONTEXT_USER;
    struct perf_seen s = parsed(chain, CALLERS_MAX + 10);
    assert_int_equal(s.event.fault.callers_n, CALLERS_MAX);
    assert_int_equal(caller(&s, CALLERS_MAX - 1), 0x400000 + CALLERS_MAX + 1);
}

static void a_chain_longer_than_its_record(void **state)
{
    char bytes[256];
    const uint64_t chain[] = {(uint64_t)CONTEXT_USER, 0x401000};
    const uint64_t said[] = {3, 1000, UINT64_MAX / 8, UINT64_MAX};
    const struct perf_layout layout = {.callers = true};
    struct perf_seen seen;
    (void)state;
    for (unsigned i = 0; i < sizeof said / sizeof *said; i++) {
        size_t len = sample(bytes, chain, 2, said[i]);
        assert_int_equal(perf_record_parse(&layout, bytes, len, &seen), len);
        assert_int_equal(seen.what, PERF_IS_OTHER);
    }
}

static void asked_of_faults_only(void **state)
{
    struct perf_event_attr a;
    const struct perf_wish with = {.callers = true, .calls = true}, without = {.calls = true};
    (void)state;
    perf_attr_fill(&with, PERF_FAULT, &a);
    assert_true(a.sample_type & PERF_SAMPLE_CALLCHAIN && a.exclude_callchain_kernel);
    perf_attr_fill(&with, PERF_ENTER, &a);
    assert_false(a.sample_type & PERF_SAMPLE_CALLCHAIN);
    perf_attr_fill(&without, PERF_FAULT, &a);
    assert_false(a.sample_type & PERF_SAMPLE_CALLCHAIN);
}

/* --- code --- */

static enum known_bool judged(const char *before, size_t n, const char *behind, size_t m)
{
    return callsite_judge((const unsigned char *)before, n, (const unsigned char *)behind, m);
}

#define JUDGED(before) judged(before, sizeof before - 1, "\x90", 1)

/* What gas makes of each. */
static void what_a_call_is(void **state)
{
    (void)state;
#if !defined __x86_64__
    skip();
#endif
    assert_int_equal(JUDGED("\x90\x90\x90\xe8\x01\x02\x03\x04"), KNOWN_YES); /* call rel32 */
    assert_int_equal(JUDGED("\x90\x90\x90\x90\x90\x90\xff\xd0"), KNOWN_YES); /* call *%rax */
    assert_int_equal(JUDGED("\x90\x90\x90\x90\x90\x41\xff\xd4"), KNOWN_YES); /* call *%r12 */
    assert_int_equal(JUDGED("\x90\x90\x90\x90\x90\x90\xff\x13"), KNOWN_YES); /* call *(%rbx) */
    assert_int_equal(JUDGED("\x90\x90\x90\x90\x90\xff\x50\x18"), KNOWN_YES); /* call *0x18(%rax) */
    assert_int_equal(JUDGED("\x90\x90\x90\x90\x41\xff\x14\x24"), KNOWN_YES); /* call *(%r12) */
    assert_int_equal(JUDGED("\x90\x90\x90\x41\xff\x54\x24\x08"), KNOWN_YES);
    assert_int_equal(JUDGED("\x90\x90\xff\x15\x01\x02\x03\x04"), KNOWN_YES); /* call *x(%rip) */
    assert_int_equal(JUDGED("\x90\xff\x14\xc5\x01\x02\x03\x04"), KNOWN_YES); /* call *x(,%rax,8) */
    assert_int_equal(JUDGED("\x64\xff\x14\x25\x10\x00\x00\x00"), KNOWN_YES); /* call *%fs:0x10 */
    assert_int_equal(JUDGED("\x90\x90\x90\x90\x90\x90\x90\xc3"), KNOWN_NO);  /* behind a ret */
    assert_int_equal(JUDGED("\x90\x90\x90\xe9\x01\x02\x03\x04"), KNOWN_NO);  /* jmp rel32 */
    assert_int_equal(JUDGED("\x90\x90\x90\x90\x90\x90\xff\xe0"), KNOWN_NO);  /* jmp *%rax */
    assert_int_equal(JUDGED("\x0f\x1f\x80\x00\x00\x00\x00\x90"), KNOWN_NO);  /* padding */
    assert_int_equal(JUDGED("\x90\x90"), NOT_KNOWN);
    assert_int_equal(JUDGED(""), NOT_KNOWN);
}

static void the_way_back_from_a_handler(void **state)
{
    static const char back[] = "\x48\xc7\xc0\x0f\0\0\0\x0f\x05", nops[] = "\x90\x90\x90\x90\x90\x90\x90\x90";
    (void)state;
#if !defined __x86_64__
    skip();
#endif
    assert_int_equal(judged(nops, 8, back, 9), KNOWN_YES);
    assert_int_equal(judged(nops, 8, back, 8), KNOWN_NO);
}

/* --- the log --- */

static struct event callers_event(uint64_t first, unsigned n)
{
    struct event e = {.type = EVENT_CALLERS, .callers.count = (uint8_t)n};
    for (unsigned i = 0; i < n; i++)
        e.callers.ip[i] = first + i;
    return e;
}

static const struct fault_entry *added(struct fault_log *l, enum fault_callers told)
{
    const struct fault_entry e = {.event = {.type = EVENT_FAULT, .fault.callers = (uint8_t)told}};
    fault_log_add(l, &e);
    return fault_log_at(l, 0);
}

static void each_fault_has_its_own(void **state)
{
    struct fault_log l;
    (void)state;
    assert_int_equal(fault_log_init(&l), 0);
    assert_null(fault_log_callers(&l, added(&l, CALLERS_UNASKED)));
    const struct event eight = callers_event(100, 8), two = callers_event(108, 2);
    fault_log_callers_add(&l, &eight);
    fault_log_callers_add(&l, &two);
    const struct fault_entry *first = added(&l, CALLERS_TOLD);
    const struct fault_entry *none = added(&l, CALLERS_TOLD);
    fault_log_callers_add(&l, &two);
    const struct fault_entry *second = added(&l, CALLERS_TOLD);
    assert_int_equal(first->event.fault.callers_n, 10);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(fault_log_callers(&l, first)[i], 100 + i);
    assert_null(fault_log_callers(&l, none));
    assert_int_equal(second->event.fault.callers_n, 2);
    assert_int_equal(fault_log_callers(&l, second)[1], 109);
    for (unsigned i = 0; i < 40; i++)
        fault_log_callers_add(&l, &eight);
    assert_int_equal(added(&l, CALLERS_TOLD)->event.fault.callers_n, CALLERS_MAX);
    fault_log_deinit(&l);
}

/* --- output --- */

static const struct fault_caller two_callers[] = {{0x402005, "f<a, b>+0x4", "t.c:9"},
                                                  {0x403005, "", ""}};

static const char *written(void (*form)(const struct fault_entry *, const struct fault_site *,
                                        struct buf *),
                           enum fault_callers told, unsigned n)
{
    static struct buf out;
    const struct fault_entry e = {.event = {.type = EVENT_FAULT,
                                            .fault = {.callers = (uint8_t)told, .ip = 0x401000}}};
    const struct fault_site site = {.symbol = "g+0x1", .source = "t.c:3", .callers = two_callers,
                                    .callers_n = n, .why = ""};
    buf_deinit(&out);
    out = (struct buf){0};
    form(&e, &site, &out);
    assert_int_equal(out.error, 0);
    return out.data;
}

static void table(const struct fault_entry *e, const struct fault_site *site, struct buf *out)
{
    faults_table_line(e, site, false, out);
}

static void in_each_form(void **state)
{
    (void)state;
    assert_non_null(strstr(written(faults_jsonl_line, CALLERS_TOLD, 2),
                           "\"callers\":[{\"addr\":\"0x402005\",\"symbol\":\"f<a, b>+0x4\","
                           "\"source\":\"t.c:9\"},"
                           "{\"addr\":\"0x403005\",\"symbol\":null,\"source\":null}]}\n"));
    assert_non_null(strstr(written(faults_jsonl_line, CALLERS_TOLD, 0), "\"callers\":[]}\n"));
    assert_non_null(strstr(written(faults_jsonl_line, CALLERS_UNASKED, 0), "\"callers\":null}\n"));
    assert_non_null(strstr(written(faults_jsonl_line, CALLERS_LOST, 0),
                           "\"callers\":null,\"callers_why\":\"lost"));
    assert_non_null(strstr(written(faults_csv_line, CALLERS_TOLD, 2),
                           ",,,\"f<a, b>+0x4;0x403005\"\n"));
    assert_non_null(strstr(written(faults_csv_line, CALLERS_TOLD, 0), ",,,\n"));
    assert_non_null(strstr(written(table, CALLERS_TOLD, 2),
                           "g+0x1 t.c:3\n                          <- f<a, b>+0x4 t.c:9 <- 0x403005\n"));
    assert_non_null(strstr(written(table, CALLERS_TOLD, 0), "<- ? no frame pointer"));
    assert_non_null(strstr(written(table, CALLERS_LOST, 0), "<- ? lost"));
    assert_null(strstr(written(table, CALLERS_UNASKED, 0), "<-"));
    written(table, CALLERS_UNASKED, 0);
}

/* As many columns in each line as the head has. */
static void csv_has_its_columns(void **state)
{
    struct buf head = {0};
    const struct fault_entry call = {.event = {.type = EVENT_CALL}},
                             heat = {.event = {.type = EVENT_HEAT}};
    const struct fault_site none = {.symbol = "", .source = "", .why = ""};
    unsigned columns[4] = {0};
    (void)state;
    faults_csv_head(&head);
    faults_csv_line(&call, &none, &head);
    faults_csv_counted(&heat, &head);
    buf_puts(&head, written(faults_csv_line, CALLERS_TOLD, 0));
    unsigned line = 0;
    for (const char *p = head.data; *p; p++) {
        line += *p == '\n';
        columns[line < 4 ? line : 3] += *p == ',';
    }
    for (unsigned i = 1; i < 4; i++)
        assert_int_equal(columns[i], columns[0]);
    buf_deinit(&head);
}

static void frames_hold_no_separators(void **state)
{
    struct buf out = {0};
    (void)state;
    faults_folded_frame("operator new; (int)", &out);
    assert_string_equal(out.data, "operator_new__(int)");
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_of_perf),
        cmocka_unit_test(a_long_chain_is_cut),
        cmocka_unit_test(a_chain_longer_than_its_record),
        cmocka_unit_test(asked_of_faults_only),
        cmocka_unit_test(what_a_call_is),
        cmocka_unit_test(the_way_back_from_a_handler),
        cmocka_unit_test(each_fault_has_its_own),
        cmocka_unit_test(in_each_form),
        cmocka_unit_test(csv_has_its_columns),
        cmocka_unit_test(frames_hold_no_separators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
