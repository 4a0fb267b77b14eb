/* The views of faults, without a terminal, on records made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "model/record.h"
#include "ui/ui.h"

enum { PID = 4711, QUEUE_MAX = 64 };
static const uint64_t second = 1000 * 1000 * 1000;

/* What a run is fed: events with the first sample, and with each later one. */
struct feed {
    struct record *queue[QUEUE_MAX];
    size_t head, tail;
    uint64_t samples, made; /* so far */
    unsigned first, later;  /* faults with the first sample, and with each of the others */
    struct engine_state engine;
    bool counters;
    bool symbols;           /* instructions lie in a program, and are known when asked for */
    unsigned asked, refused; /* questions so far, and those still to be refused */
};

static void push(struct feed *f, struct record *r)
{
    assert_true(f->tail < QUEUE_MAX);
    f->queue[f->tail++] = r;
}

static void push_target(struct feed *f)
{
    struct record *r = record_create(RECORD_TARGET, PID, 1);
    r->target = calloc(1, sizeof *r->target);
    *r->target = (struct target_info){
        .pid = PID, .start_ticks = 99, .comm = "redis",
        .geometry = {12, 4, 21, {"PGD", "PUD", "PMD", "PTE"}},
        .scan = {.yes = true}, .pagemap = {.yes = true},
    };
    push(f, r);
    r = record_create(RECORD_REGIONS, PID, 1);
    r->regions = region_table_create();
    r->regions->v = calloc(3, sizeof *r->regions->v);
    r->regions->count = 2;
    r->regions->v[0] = (struct region){.start = 0x7f0000000000, .end = 0x7f0000400000,
                                       .perms = REGION_R | REGION_W, .kind = REGION_ANON,
                                       .name = "[anon:a\033b]"};
    r->regions->v[1] = (struct region){.start = 0x7f0002000000, .end = 0x7f0002010000,
                                       .perms = REGION_R, .kind = REGION_FILE,
                                       .name = "/usr/lib/libc.so.6"};
    if (f->symbols) {
        memmove(r->regions->v + 1, r->regions->v, 2 * sizeof *r->regions->v);
        r->regions->v[0] = (struct region){.start = 0x400000, .end = 0x402000,
                                           .perms = REGION_R | REGION_X, .kind = REGION_FILE,
                                           .name = "/usr/bin/redis"};
        r->regions->count = 3;
    }
    push(f, r);
    r = record_create(RECORD_PAGES, PID, 1);
    r->pages.start = 0x7f0000000;
    r->pages.n = 0x400;
    push(f, r);
}

/* Faults on one page after the other; every fifth event is a call, every seventh a bad access. */
static struct event make_event(uint64_t n)
{
    struct event e = {.t_ns = 5 * second + n * 1000, .pid = PID, .tid = PID + (int)(n % 2),
                      .type = EVENT_FAULT};
    if (n % 5 == 4) {
        e.type = EVENT_CALL;
        e.call.call = CALL_MLOCK2;
        e.call.has_args = 1;
        e.call.args[0] = 0x7f0000000000;
        e.call.args[1] = 4096;
        e.call.args[2] = 1;
        e.call.result = -22;
        e.call.entered_ns = e.t_ns - 3000;
        return e;
    }
    e.fault.address = n % 7 == 6 ? 0x7f0002000000 : 0x7f0000000000 + n * 4096;
    e.fault.ip = 0x401000 + n % 3;
    e.fault.access = ACCESS_WRITE;
    e.fault.protection = KNOWN_NO;
    e.fault.mode = MODE_USER;
    return e;
}

static struct event make_sample(const struct event *fault, uint32_t stack)
{
    return (struct event){.t_ns = fault->t_ns, .pid = fault->pid, .tid = fault->tid,
                          .type = EVENT_SAMPLE, .sample = {.stack = stack, .kind = SAMPLE_PAGE}};
}

static void push_events(struct feed *f, unsigned n)
{
    if (!n)
        return;
    struct record *r = record_create(RECORD_EVENTS, PID, 1);
    r->events.v = calloc(2 * n, sizeof *r->events.v);
    for (unsigned i = 0; i < n; i++) {
        struct event *e = &r->events.v[r->events.count++];
        *e = make_event(f->made++);
        if (f->engine.evidence && e->type == EVENT_FAULT && f->made % 3)
            r->events.v[r->events.count++] = make_sample(e, (uint32_t)f->made % 3);
    }
    push(f, r);
}

static void push_stack(struct feed *f, uint32_t number, const char *text)
{
    struct record *r = record_create(RECORD_STACK, PID, 1);
    r->stack.number = number;
    r->stack.text = strdup(text);
    push(f, r);
}

static void push_sample(struct feed *f)
{
    struct record *r = record_create(RECORD_SAMPLE, PID, 2);
    f->samples++;
    r->sample.info = (struct sample_info){
        .number = f->samples, .start_ns = f->samples * second, .complete = true};
    r->sample.counters = (struct counters){.min_flt = f->samples * 50, .maj_flt = UINT64_MAX};
    push(f, r);
}

static void push_counts(struct feed *f)
{
    struct record *r = record_create(RECORD_COUNTS, PID, 2);
    r->counts = calloc(1, sizeof *r->counts);
    r->counts->count = 2;
    r->counts->v[0] = (struct perf_count){.name = "migrations", .known = true, .value = 77};
    r->counts->v[1] = (struct perf_count){.name = "dTLB-load-misses", .why = "no PMU here"};
    push(f, r);
}

static void step(void *ctx)
{
    struct feed *f = ctx;
    if (!f->samples) {
        push_target(f);
        if (f->engine.name[0] || f->engine.why[0]) {
            struct record *r = record_create(RECORD_ENGINE, PID, 1);
            r->engine = calloc(1, sizeof *r->engine);
            *r->engine = f->engine;
            if (f->engine.evidence) {
                push_stack(f, 1, "exc_page_fault;do_anonymous_page;vma_alloc_folio_noprof");
                push_stack(f, 2, "exc_page_fault;do_wp_page;folio_prealloc");
            }
            push(f, r);
        }
        push_sample(f);
        push_events(f, f->first);
        if (f->counters)
            push_counts(f);
    } else {
        push_events(f, f->later);
        push_sample(f);
    }
}

static struct record *take(void *ctx)
{
    struct feed *f = ctx;
    return f->head < f->tail ? f->queue[f->head++] : NULL;
}

static void ask_page(void *ctx, uint64_t address)
{
    (void)ctx;
    (void)address;
}

static bool ask_symbol(void *ctx, pid_t pid, uint64_t program, uint64_t ip,
                       const struct region *r)
{
    struct feed *f = ctx;
    assert_int_equal(pid, PID);
    assert_string_equal(r->name, "/usr/bin/redis");
    if (f->refused) {
        f->refused--;
        return false;
    }
    f->asked++;
    struct record *answer = record_create(RECORD_SYMBOL, PID, 1);
    answer->site = calloc(1, sizeof *answer->site);
    answer->site->program = program;
    answer->site->ip = ip;
    snprintf(answer->site->symbol, sizeof answer->site->symbol, "dictSetVal+0x%x",
             (unsigned)(ip - 0x401000 + 0x3c));
    if (ip == 0x401000)
        snprintf(answer->site->source, sizeof answer->site->source, "dict.c:412");
    else
        snprintf(answer->site->why, sizeof answer->site->why, "the reason");
    push(f, answer);
    return true;
}

static char *frame(struct feed f, bool ascii, unsigned cols, unsigned rows, const char *keys)
{
    struct ui_options o = {.ascii = ascii};
    struct ui_source s = {.ctx = &f, .fd = -1, .take = take, .step = step, .ask_page = ask_page,
                          .ask_symbol = ask_symbol};
    struct buf out = {0};
    struct err e = {0};
    if (ui_headless(&o, &s, cols, rows, keys, &out, &e))
        fail_msg("%s", e.text);
    while (f.head < f.tail)
        record_destroy(f.queue[f.head++]);
    assert_null(memchr(out.data, '\033', out.len));
    return out.data;
}

static const struct feed ten = {.first = 10, .later = 10, .engine = {.name = "bpf"}};

static void check(struct feed f, const char *keys, const char *shown, const char *hidden)
{
    char *text = frame(f, false, 100, 30, keys);
    if (shown && !strstr(text, shown))
        fail_msg("\"%s\" is not in:\n%s", shown, text);
    if (hidden && strstr(text, hidden))
        fail_msg("\"%s\" is in:\n%s", hidden, text);
    free(text);
}

static void test_list(void **state)
{
    (void)state;
    char *text = frame(ten, false, 100, 30, "4");
    char *newest = strstr(text, "0.000009"), *oldest = strstr(text, "0.000000");
    assert_non_null(newest);
    assert_non_null(oldest);
    assert_true(newest < oldest);
    free(text);
    check(ten, "4", "4711    7f0000000000 w ", NULL);
    check(ten, "4", "do_anonymous_page", "\033");
    check(ten, "4", "[anon:a\\x1bb]", NULL);
    check(ten, "4", "bad_access", NULL);
    check(ten, "4", "mlock2(0x7f0000000000, 0x1000, 1) = -EINVAL", NULL);
    check(ten, "4", "401002", NULL);
    check(ten, "4", "8 faults, 2 calls", NULL);
    check(ten, "", "faults: bpf", NULL);
}

/* The row that is selected. */
static void check_selected(struct feed f, const char *keys, const char *time)
{
    char *text = frame(f, false, 100, 30, keys), *row = strstr(text, "\n>");
    assert_non_null(row);
    row[strcspn(row + 1, "\n") + 1] = '\0';
    if (!strstr(row, time))
        fail_msg("%s is not selected, but:%s", time, row);
    free(text);
}

static void test_selection(void **state)
{
    (void)state;
    check_selected(ten, "4", "0.000009");
    check_selected(ten, "4<Wait>", "0.000019");
    check_selected(ten, "4j<Wait><Wait>", "0.000008");
    check_selected(ten, "4jjk<Wait>", "0.000008");
    check_selected(ten, "4jg<Wait>", "0.000019");
    check_selected(ten, "4G<Wait>", "0.000000");
    check_selected(ten, "4<PgDn>", "0.000000");
    check_selected(ten, "4G<PgUp>", "0.000009");
    check_selected(ten, "4 <Wait>", "0.000009");
    check_selected(ten, "4 <Wait> ", "0.000019");
    struct feed many = {.first = 20000, .later = 20000, .engine = {.name = "bpf"}};
    check_selected(many, "4G", "0.011808");
    check_selected(many, "4j<Wait>", "0.031808");
    check_selected(many, "4G<PgUp>", "0.011");
}

static void test_filter(void **state)
{
    (void)state;
    check(ten, "4flibc<Enter>", "libc.so.6", "do_anonymous");
    check(ten, "4fmlock<Enter>", "mlock2", "libc");
    check(ten, "4fbad_acc<Enter>", "7f0002000000", "do_anonymous");
    check(ten, "4f7f0000005<Enter>", "7f0000005000", "7f0000003000");
    check(ten, "4fzzz<Enter>", "nothing here matches \"zzz\"", "libc");
    check(ten, "4fzzz<Enter>jkgG<PgUp>m<Enter>", "nothing here matches", NULL);
}

static void test_symbols(void **state)
{
    (void)state;
    struct feed f = ten;
    check(f, "4", "401001", "dictSetVal");
    f.symbols = true;
    check(f, "4", "dictSetVal+0x3c dict.c:412", " 401000");
    check(f, "4", "dictSetVal+0x3d\n", " 401001");
    check(f, "4pp", "4711     dictSetVal+0x3c dict.c:412", "libc");
    check(f, "4fdict.c:412<Enter>", "dictSetVal+0x3c", "dictSetVal+0x3e");
    check(f, "4f0x3e<Enter>", "dictSetVal+0x3e", "dictSetVal+0x3c");
    check(f, "4f4712<Enter>", "4712 ", "4711    7f");
    check(f, "4G<Enter>", "dictSetVal+0x3c, dict.c:412, at 401000", NULL);
    check(f, "4Gk<Enter>", "dictSetVal+0x3d, at 401001 (no line: the reason)", NULL);
    f.refused = 9; /* asks again with the next frame */
    check(f, "4", " 401000", NULL);
    check(f, "4jk", "dictSetVal+0x3c dict.c:412", " 401000");
    /* No part of a line's number: that would be another line. */
    char *text = frame(f, false, 90, 24, "4jk");
    assert_non_null(strstr(text, "dictSetVal+0x3c"));
    assert_null(strstr(text, "dict.c:4"));
    free(text);
}

static void test_tops(void **state)
{
    (void)state;
    check(ten, "4p", "7  87% do_anonymous_page", NULL);
    check(ten, "4pp", "4711     401000", NULL);
    check(ten, "4ppp", "4711     7f0000000000     [anon:a\\x1bb]", NULL);
    check(ten, "4pppp", "0.000000", NULL);
    check(ten, "4pjm", "by path", NULL);
    check(ten, "4pppjm", "map", "by mapping");
    check(ten, "4p <Wait>", "7  87%", NULL);
    check(ten, "4pG<Wait>", "bad_access", NULL);
}

static void test_rates(void **state)
{
    (void)state;
    check(ten, "4", "faults ?  calls ?", NULL);
    check(ten, "4<Wait>", "faults 16/s  calls 4/s  kernel's count: minor 50/s  major ?", NULL);
    check(ten, "", " faults \u2500 minor ?", "minor 50/s");
    check(ten, "<Wait>", " faults \u2500 minor 50/s", NULL);
    check(ten, "<Wait><Wait><Wait><Wait><Wait><Wait><Wait>", "calls 2/s \u2588\u2585\u2585\u2585", NULL);
    check(ten, "", "0.000009 4712    mlock2", NULL);
    check(ten, "F", " faults: bpf", " faults \u2500");
    check((struct feed){0}, "", "faults: none", "minor");
}

static void test_counters(void **state)
{
    (void)state;
    struct feed f = ten;
    check(f, "4", NULL, "migrations");
    f.counters = true;
    check(f, "4", "migrations 77", NULL);
    check(f, "4", "dTLB-load-misses: ? no PMU here", NULL);
    check(f, "4 <Wait>", "migrations 77", NULL);
}

static void test_honesty(void **state)
{
    (void)state;
    struct feed f = ten;
    f.engine = (struct engine_state){.name = "perf", .blind = "other users", .lost = 12};
    check(f, "4", "perf does not see: other users", NULL);
    check(f, "4", "12 events were lost", NULL);
    check(f, "", "12 events lost", NULL);
    f.engine = (struct engine_state){.name = "bpf", .heat = true, .heat_faults = 77};
    check(f, "4", "77 faults were only counted, by page", NULL);
    check(f, "", "faults: bpf heat", NULL);
    f = (struct feed){.engine = {.name = "bpf"}};
    check(f, "4", "no fault and no call yet", NULL);
    check(f, "5", "no fault to explain yet", NULL);
    f.engine = (struct engine_state){.why = "perf: not permitted"};
    check(f, "4", "Faults are not followed here: perf: not permitted", NULL);
    check(f, "4pjGm<Enter>", "perf: not permitted", NULL);
    check(f, "5hljkGm", "perf: not permitted", NULL);
    check((struct feed){0}, "4jkgG<PgUp>m<Enter>", "press E, or start with --engine auto", NULL);
    check((struct feed){0}, "", "faults: none", NULL);
}

static void test_explain(void **state)
{
    (void)state;
    check(ten, "4G<Enter>", "a write to 7f0000000000 in user mode: no page was present", NULL);
    check(ten, "5", "\u251c\u2500 Is the page-table entry empty?", NULL);
    check(ten, "5", "\u2514\u2500 do_anonymous_page", NULL);
    check(ten, "5", "<- taken", NULL);
    check(ten, "5", "a write to 7f0000008000", NULL);
    check(ten, "5<Wait>", "a write to 7f0000012000", NULL);
    check(ten, "5l<Wait>", "a write to 7f0000007000", NULL);
    check(ten, "5lll", "a write to 7f0000005000", NULL);
    check(ten, "5lllh", "libc.so.6, r--p", NULL);
    check(ten, "5lllh", "SEGV_ACCERR", NULL);
    check(ten, "5h", "a write to 7f0000008000", NULL);
    check(ten, "5", "not present: ", NULL);
    check(ten, "4<Enter>", "mlock2(", "\u251c\u2500");
    check(ten, "4<Enter>", "asked for 4096 bytes", NULL);
    check(ten, "4<Enter>", "\u2514\u2500 EINVAL: Invalid argument", NULL);
    check(ten, "4<Enter>", "Invalid argument", NULL);
    check(ten, "4<Enter>", "3 us", NULL);
    check(ten, "4<Enter><Esc>", "ADDRESS", NULL);
    struct feed many = {.first = 10, .later = 20000, .engine = {.name = "bpf"}};
    check(many, "4jj<Enter><Wait>", "no longer in the log", NULL);
    check(many, "4jj<Enter><Wait>h", "<- taken", NULL);
    char *text = frame(ten, true, 100, 30, "5");
    assert_non_null(strstr(text, "|- Is the page-table entry empty?"));
    assert_non_null(strstr(text, "`- do_anonymous_page"));
    free(text);
}

/* Beside the tree where there is room, below it else; the list has marks. */
static void test_evidence(void **state)
{
    (void)state;
    struct feed f = ten;
    char wide[160];
    check(ten, "5", NULL, "observed");
    f.engine.evidence = true;
    check(f, "4G<Enter>", "observed: do_anonymous_page  <- agrees", NULL);
    check(f, "4G<Enter>", "   vma_alloc_folio_noprof", NULL);
    check(f, "4Gk<Enter>", "observed: do_wp_page copy  <- DISAGREES with what was predicted", NULL);
    check(f, "4Gkk<Enter>", "observed: nothing: this way leaves no trace", NULL);
    check(f, "5", "observed: nothing yet", NULL);
    check(f, "4", "=do_anonymous_page", NULL);
    check(f, "4", "!do_anonymous_page", NULL);
    check(f, "4", "evidence: ", "samples lost");
    char *text = frame(f, false, 160, 30, "4G<Enter>");
    const char *at = strstr(text, "page fault"), *end = at ? strchr(at, '\n') : NULL;
    assert_non_null(end);
    snprintf(wide, sizeof wide, "%.*s", (int)(end - at), at);
    assert_non_null(strstr(wide, "observed: do_anonymous_page"));
    free(text);
    f.engine.samples_lost = 7;
    check(f, "4", "7 samples lost", NULL);
    f.engine.evidence = false;
    snprintf(f.engine.evidence_why, sizeof f.engine.evidence_why, "needs a reason");
    check(f, "4", "no evidence: needs a reason", NULL);
}

static void test_to_map(void **state)
{
    (void)state;
    check(ten, "4Gjm4", "0.000000 4711    7f0000000000", NULL);
    char *text = frame(ten, false, 100, 30, "4Gm4");
    assert_non_null(strstr(text, ">*"));
    free(text);
    check(ten, "4fbad<Enter>m3", "7f0002000000", NULL);
    check(ten, "5lllhm3", "7f0002000000", NULL);
}

static void test_every_size(void **state)
{
    (void)state;
    for (unsigned cols = 1; cols < 130; cols += 3)
        for (unsigned rows = 1; rows < 40; rows += 4) {
            free(frame(ten, false, cols, rows, "4jjG<Wait><Enter>GjkghlG"));
            free(frame(ten, true, cols, rows, "4GpjGpjGpjGk"));
        }
    free(frame(ten, false, 250, 70, "4j<Enter>"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),     cmocka_unit_test(test_selection),
        cmocka_unit_test(test_filter),   cmocka_unit_test(test_symbols),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_tops),
        cmocka_unit_test(test_rates),    cmocka_unit_test(test_honesty),
        cmocka_unit_test(test_explain),  cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_to_map),
        cmocka_unit_test(test_every_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
