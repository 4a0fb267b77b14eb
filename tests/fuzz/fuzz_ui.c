/* The whole user interface without a terminal: random keys on random processes that change, end and
 * are exchanged. Whatever happens, a frame has the size of the screen and nothing in it that a
 * terminal would obey. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "fuzz.h"
#include "model/record.h"
#include "ui/ui.h"

enum { QUEUE_MAX = 32, REGIONS_MAX = 24, RUNS_MAX = 16, KEYS_MAX = 96, SAMPLES_MAX = 12 };

struct fake {
    struct feed feed;
    struct record *queue[QUEUE_MAX];
    size_t head, tail;
    struct region regions[REGIONS_MAX]; /* what was sent last */
    size_t count;
    uint64_t samples;
    bool has_target;
};

static const char *const keys[] = {
    "<Up>", "<Down>", "<Left>", "<Right>", "<PgUp>", "<PgDn>", "<Home>", "<End>", "<Tab>",
    "<BackTab>", "<Enter>", "<Esc>", "<Backspace>", "<F1>", "<Space>", "<C-l>", "<C-n>", "<C-u>",
    "<C-w>", "<C-a>", "<C-e>", "<Wait>", "<lt>", "h", "j", "k", "l", "g", "G", "+", "-", "n", "N",
    "/", "f", "s", "S", "?", "0", "1", "2", "3", "4", "5", "9", "w", "i", "a", "M", "r", "x", "7",
    "e", ".", "[", "p", "H", "F", "m", "T", "6", "8", "4p", "4G<Enter>", "4fanon<Enter>", "1H",
    "\xc3\xa9", "\xe6\xbc\xa2", "<Enter><Enter>", "+++", "---", "/rw", "/anon<Enter>",
    "flib<Enter>", "/7f00<Enter>",
};
enum { KEY_N = sizeof keys / sizeof *keys };

static const char *const names[] = {
    "", "[heap]", "[stack]", "[vdso]", "[vsyscall]", "/usr/lib/libc.so.6", "/memfd:x (deleted)",
    "/tmp/\033[2J\033]0;x\007", "/tmp/\xc2\x9b" "31m\xff", "/tmp/\xe2\x80\xae" "exe", "//", "/a\nb\tc",
    "/\xe6\xbc\xa2\xe5\xad\x97/\xf0\x9f\x90\xa7", "[anon:\033x]", "\\", "e\xcc\x81",
    "/very/long/name/that/goes/on/and/on/and/on/and/on/and/on/and/on/and/on/and/on/and/on.so.1.2.3",
};
enum { NAME_N = sizeof names / sizeof *names };

static void push(struct fake *f, struct record *r)
{
    if (f->tail == QUEUE_MAX && f->head) {
        memmove(f->queue, f->queue + f->head, (f->tail - f->head) * sizeof *f->queue);
        f->tail -= f->head;
        f->head = 0;
    }
    if (f->tail == QUEUE_MAX)
        record_destroy(r);
    else
        f->queue[f->tail++] = r;
}

static struct record *make(struct fake *f, enum record_type type)
{
    struct record *r = record_create(type, 4711, ++f->samples * 1000);
    DEMAND(r);
    return r;
}

static void *allocate(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    DEMAND(p);
    return p;
}

static void say_can(struct fake *f, struct can *c)
{
    c->yes = feed_u8(&f->feed) & 1;
    if (!c->yes)
        snprintf(c->why, sizeof c->why, "no: the reason of this; what would allow it");
}

static void send_target(struct fake *f)
{
    struct record *r = make(f, RECORD_TARGET);
    struct target_info *t = r->target = allocate(1, sizeof *t);
    bool five = feed_u8(&f->feed) & 1;
    t->pid = 4711;
    t->start_ticks = feed_u8(&f->feed) & 3;
    t->geometry = five ? (struct geometry){12, 5, 21, {"PGD", "P4D", "PUD", "PMD", "PTE"}}
                       : (struct geometry){12, 4, 21, {"PGD", "PUD", "PMD", "PTE"}};
    for (unsigned i = 0; i < sizeof t->comm - 1 && feed_u8(&f->feed) & 1; i++)
        t->comm[i] = (char)feed_u8(&f->feed);
    struct can *cans[] = {&t->scan, &t->pagemap, &t->pfn, &t->kpageflags, &t->kpagecount};
    for (unsigned i = 0; i < 5; i++)
        say_can(f, cans[i]);
    snprintf(t->faults, sizeof t->faults, "none");
    push(f, r);
    f->has_target = true;
    f->count = 0;
}

/* A region of 2^0 to 2^28 pages behind a gap of none to 2^34; now and then one in the upper
 * half. */
static bool next_region(struct fake *f, uint64_t *at, struct region *out)
{
    unsigned what = feed_u8(&f->feed);
    uint64_t gap = what & 1 ? 0 : (feed_u8(&f->feed) + UINT64_C(1)) << (feed_u8(&f->feed) % 27);
    uint64_t pages = (feed_u8(&f->feed) + UINT64_C(1)) << (feed_u8(&f->feed) % 21);
    uint64_t limit = UINT64_C(1) << 35;
    if (gap > limit - *at || pages > limit - *at - gap)
        return false;
    *at += gap;
    *out = (struct region){.start = *at << 12, .end = (*at + pages) << 12};
    *at += pages;
    out->perms = what >> 1 & 15;
    out->kind = (uint8_t)(feed_u8(&f->feed) % REGION_KIND_N);
    out->name = names[feed_u8(&f->feed) % NAME_N];
    out->inode = what & 32 ? 7 : 0;
    return true;
}

static void send_regions(struct fake *f)
{
    uint64_t at = feed_u8(&f->feed);
    f->count = 0;
    for (size_t n = feed_u8(&f->feed) % (REGIONS_MAX - 1); n; n--)
        f->count += next_region(f, &at, &f->regions[f->count]);
    if (feed_u8(&f->feed) & 1)
        f->regions[f->count++] = (struct region){
            .start = UINT64_C(0xffffffffff600000), .end = UINT64_C(0xffffffffff601000),
            .perms = REGION_X, .kind = REGION_VSYSCALL, .name = "[vsyscall]"};
    struct record *r = make(f, RECORD_REGIONS);
    struct region_table *t = r->regions = region_table_create();
    DEMAND(t);
    size_t bytes = 0;
    for (size_t i = 0; i < f->count; i++)
        bytes += strlen(f->regions[i].name) + 1;
    t->v = allocate(f->count, sizeof *t->v);
    t->names = allocate(bytes, 1);
    t->count = f->count;
    char *name = t->names;
    for (size_t i = 0; i < f->count; i++) {
        t->v[i] = f->regions[i];
        size_t len = strlen(f->regions[i].name) + 1;
        t->v[i].name = memcpy(name, f->regions[i].name, len);
        name += len;
    }
    t->skipped = feed_u8(&f->feed) & 3;
    push(f, r);
}

static void send_pages(struct fake *f)
{
    if (!f->count)
        return;
    const struct region *region = &f->regions[feed_below(&f->feed, f->count)];
    if (region->start >> 47) /* the kernel's half has no pages to tell about */
        return;
    uint64_t first = region->start >> 12, n = (region->end - region->start) >> 12;
    struct record *r = make(f, RECORD_PAGES);
    r->pages.start = first;
    r->pages.n = n;
    r->pages.runs = allocate(RUNS_MAX, sizeof *r->pages.runs);
    uint64_t at = first;
    while (r->pages.count < RUNS_MAX && at < first + n && feed_u8(&f->feed) & 7) {
        at += feed_u8(&f->feed) & 1 ? 0 : feed_u8(&f->feed);
        if (at >= first + n)
            break;
        uint64_t len = (feed_u8(&f->feed) + UINT64_C(1)) << (feed_u8(&f->feed) % 12);
        len = len < first + n - at ? len : first + n - at;
        r->pages.runs[r->pages.count++] = (struct page_run){at, len, feed_page(&f->feed)};
        at += len;
    }
    push(f, r);
}

static void send_sample(struct fake *f)
{
    struct record *r = make(f, RECORD_SAMPLE);
    struct counters none;
    memset(&none, 0xff, sizeof none);
    r->sample.counters = none;
    r->sample.counters.run_state = (char)feed_u8(&f->feed);
    r->sample.info.number = f->samples;
    r->sample.info.span_ns = feed_u64(&f->feed);
    r->sample.info.sweep_ns = UINT64_MAX;
    r->sample.info.complete = feed_u8(&f->feed) & 1;
    r->sample.info.ranges_skipped = feed_u8(&f->feed) & 1;
    push(f, r);
}

static void send_engine(struct fake *f)
{
    struct record *r = make(f, RECORD_ENGINE);
    r->engine = allocate(1, sizeof *r->engine);
    snprintf(r->engine->name, sizeof r->engine->name, "%s", feed_u8(&f->feed) & 7 ? "bpf" : "");
    snprintf(r->engine->blind, sizeof r->engine->blind, "what it cannot see, which is not much");
    r->engine->lost = feed_u8(&f->feed) & 1 ? feed_u64(&f->feed) : 0;
    r->engine->heat = feed_u8(&f->feed) & 1;
    push(f, r);
}

/* An address of a region, or any. */
static uint64_t address(struct fake *f)
{
    if (!f->count || !(feed_u8(&f->feed) & 7))
        return feed_u64(&f->feed);
    const struct region *r = &f->regions[feed_below(&f->feed, f->count)];
    return r->start + feed_u64(&f->feed) % (r->end - r->start);
}

static struct event any_event(struct fake *f)
{
    struct event e = {.t_ns = f->samples * 1000, .pid = 4711, .tid = 4711};
    e.type = (uint8_t)(feed_u8(&f->feed) % (EVENT_TYPE_N + 4));
    e.pid += feed_u8(&f->feed) % 5 == 4;
    if (e.type == EVENT_CALL) {
        for (unsigned i = 0; i < CALL_ARGS; i++)
            e.call.args[i] = feed_u8(&f->feed) & 1 ? feed_u8(&f->feed) : address(f);
        e.call.result = feed_u8(&f->feed) & 1 ? -(int64_t)feed_u8(&f->feed) : (int64_t)address(f);
        e.call.call = (uint8_t)(feed_u8(&f->feed) % CALL_N);
        e.call.has_args = feed_u8(&f->feed) & 1;
        e.call.compat = !(feed_u8(&f->feed) & 7);
    } else if (e.type == EVENT_FORK) {
        e.fork.child_pid = e.fork.child_tid = 4712;
    } else if (e.type != EVENT_EXEC && e.type != EVENT_EXIT) {
        e.type = EVENT_FAULT;
        e.fault.address = address(f);
        e.fault.ip = address(f);
        e.fault.access = feed_u8(&f->feed) % 4;
        e.fault.protection = feed_u8(&f->feed) % 3;
        e.fault.mode = feed_u8(&f->feed) % 3;
    }
    return e;
}

static void send_events(struct fake *f)
{
    struct record *r = make(f, RECORD_EVENTS);
    r->events.count = feed_u8(&f->feed) % 32;
    r->events.v = allocate(r->events.count, sizeof *r->events.v);
    for (size_t i = 0; i < r->events.count; i++)
        r->events.v[i] = any_event(f);
    push(f, r);
}

static void send_counts(struct fake *f)
{
    struct record *r = make(f, RECORD_COUNTS);
    struct perf_counts *c = r->counts = allocate(1, sizeof *c);
    c->count = feed_u8(&f->feed) % (PERF_COUNTS_MAX + 1);
    c->partial = feed_u8(&f->feed) & 1;
    for (unsigned i = 0; i < c->count; i++) {
        c->v[i].known = c->v[i].is_time = feed_u8(&f->feed) & 1;
        c->v[i].value = feed_u64(&f->feed);
        snprintf(c->v[i].name, sizeof c->v[i].name, "an-event-of-the-processor");
        snprintf(c->v[i].why, sizeof c->v[i].why, "reason %u", feed_u8(&f->feed) & 1u);
    }
    push(f, r);
}

static bool ask_symbol(void *ctx, pid_t pid, uint64_t program, uint64_t ip, const struct region *r)
{
    struct fake *f = ctx;
    unsigned what = feed_u8(&f->feed);
    DEMAND(pid >= 4711 && pid <= 4712 && program && ip >= r->start && ip < r->end);
    if (what & 1)
        return false;
    struct record *answer = make(f, RECORD_SYMBOL);
    answer->site = allocate(1, sizeof *answer->site);
    answer->site->program = program;
    answer->site->ip = ip;
    snprintf(answer->site->symbol, sizeof answer->site->symbol, "%s",
             what & 2 ? "std::a_function_with_a_long_name<of, templates>()+0x123" : "");
    snprintf(answer->site->source, sizeof answer->site->source, "%s", what & 4 ? "file.cc:77" : "");
    snprintf(answer->site->why, sizeof answer->site->why, "because");
    push(f, answer);
    return true;
}

static void send_gone(struct fake *f)
{
    struct record *r = make(f, RECORD_GONE);
    snprintf(r->gone.text, sizeof r->gone.text, "process 4711 has ended");
    push(f, r);
}

static struct record *take(void *ctx)
{
    struct fake *f = ctx;
    return f->head < f->tail ? f->queue[f->head++] : NULL;
}

static void step(void *ctx)
{
    struct fake *f = ctx;
    if (f->samples > SAMPLES_MAX * 8)
        return;
    unsigned what = feed_u8(&f->feed);
    if (!f->has_target || (what & 15) == 1)
        send_target(f);
    if (!f->count || what & 16)
        send_regions(f);
    for (unsigned i = what >> 5; i; i--)
        send_pages(f);
    if ((what & 15) == 2)
        send_gone(f);
    if ((what & 15) == 3 || f->samples < 4)
        send_engine(f);
    if (what & 8)
        send_events(f);
    if ((what & 15) == 9)
        send_counts(f);
    send_sample(f);
}

static void look(void *ctx, uint64_t start, uint64_t end)
{
    (void)ctx;
    DEMAND(start <= end);
}

static void ask_page(void *ctx, uint64_t address)
{
    struct fake *f = ctx;
    struct record *r = make(f, RECORD_DETAIL);
    struct page_detail *d = r->detail = allocate(1, sizeof *d);
    unsigned has = feed_u8(&f->feed);
    d->address = address & ~UINT64_C(4095);
    d->has_entry = has & 1;
    d->has_flags = has & 2;
    d->has_count = has & 4;
    d->entry = feed_u64(&f->feed);
    d->flags = feed_u64(&f->feed);
    d->count = feed_u8(&f->feed);
    d->page = feed_page(&f->feed);
    snprintf(d->entry_why, sizeof d->entry_why, "because of this");
    snprintf(d->object_why, sizeof d->object_why, "%s", has & 8 ? "" : "no file is mapped here");
    if (has & 8)
        snprintf(d->section, sizeof d->section, ".text");
    push(f, r);
}

static int list(void *ctx, struct process_list *out, struct err *e)
{
    struct fake *f = ctx;
    (void)e;
    out->count = feed_u8(&f->feed) % 40;
    out->v = allocate(out->count, sizeof *out->v);
    for (size_t i = 0; i < out->count; i++) {
        struct process_entry *p = &out->v[i];
        p->pid = (pid_t)i + 1;
        p->rss = (out->count - i) << (i % 40);
        snprintf(p->user, sizeof p->user, "root");
        snprintf(p->name, sizeof p->name, "%s", names[(i + feed_u8(&f->feed)) % NAME_N]);
    }
    return 0;
}

static int attach(void *ctx, pid_t pid, struct err *e)
{
    struct fake *f = ctx;
    f->has_target = false;
    return pid & 4 ? err_set(e, -3, "process %d has ended", pid) : 0;
}

static void demand_frame(const struct buf *frame, unsigned cols, unsigned rows)
{
    unsigned lines = 0;
    for (const char *at = frame->data, *end = at + frame->len; at < end; lines++) {
        const char *nl = memchr(at, '\n', (size_t)(end - at));
        const char *stop = nl ? nl : end;
        char *line = strndup(at, (size_t)(stop - at));
        DEMAND(line);
        demand_printable(line, strlen(line));
        DEMAND(text_columns(line) <= cols);
        free(line);
        at = stop + 1;
    }
    DEMAND(lines <= rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready)
        ready = setlocale(LC_CTYPE, "C.UTF-8") != NULL;
    struct fake *f = allocate(1, sizeof *f);
    f->feed = feed_of(data, size);
    unsigned cols = 1 + feed_u8(&f->feed), rows = 1 + feed_u8(&f->feed) % 80;
    unsigned how = feed_u8(&f->feed);
    struct ui_options options = {.color = how % 3, .ascii = how & 4, .pick = how & 8};
    struct buf typed = {0}, frame = {0};
    for (unsigned n = feed_u8(&f->feed) % KEYS_MAX; n; n--)
        DEMAND(buf_puts(&typed, keys[feed_u8(&f->feed) % KEY_N]) == 0);
    struct ui_source source = {.ctx = f, .fd = -1, .take = take, .step = step, .look = look,
                               .ask_page = ask_page, .ask_symbol = ask_symbol,
                               .list = list, .attach = attach};
    struct err e = {0};
    int rc = ui_headless(&options, &source, cols, rows, typed.data ? typed.data : "", &frame, &e);
    DEMAND(rc == 0);
    demand_frame(&frame, cols, rows);
    for (struct record *r; (r = take(f));)
        record_destroy(r);
    buf_deinit(&typed);
    buf_deinit(&frame);
    free(f);
    return 0;
}
