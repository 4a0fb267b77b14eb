/* Expectations of numbers: counters of the process, of the machine, and bytes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "scenario/expect_parts.h"

/* --- changes --- */

static int judge_change(struct judging *j, int64_t before, int64_t after)
{
    int64_t change = after - before;
    return expect_verdict(j, compare_holds(j->ex->op, change, j->ex->n),
                          "%+" PRId64 ", from %" PRId64 " to %" PRId64, change, before, after);
}

static uint64_t counter_of(const struct moment *m, enum expect_counter which)
{
    const struct counters *c = &m->counters;
    switch (which) {
    case COUNTER_RSS:
        return c->rss;
    case COUNTER_ANON_RSS:
        return c->rss_anon;
    case COUNTER_FILE_RSS:
        return c->rss_file;
    case COUNTER_SHMEM_RSS:
        return c->rss_shmem;
    case COUNTER_SWAP:
        return c->swap;
    case COUNTER_VMPTE:
        return c->pte;
    case COUNTER_DATA:
        return c->data;
    case COUNTER_STACK:
        return c->stack;
    case COUNTER_MIN_FLT:
        return c->min_flt;
    case COUNTER_MAJ_FLT:
        return c->maj_flt;
    default:
        return UINT64_MAX;
    }
}

int expect_counter(struct judging *j, struct err *e)
{
    const struct process *p = expect_actor(j);
    const struct moment *now, *before = p ? expect_picture_before(j->run, p) : NULL;
    bool faults = j->ex->which == COUNTER_MIN_FLT || j->ex->which == COUNTER_MAJ_FLT;
    expect_wants(j, "change of %s %s %+" PRId64 "%s", expect_counter_name(j->ex->which),
                 compare_name(j->ex->op), j->ex->n, faults ? "" : " bytes");
    if (!p || p->ended || !before)
        return expect_verdict(j, false, "the process was not there before and after");
    int rc = expect_picture(j->run, p, &now, e);
    if (rc)
        return rc;
    uint64_t a = counter_of(before, j->ex->which), b = counter_of(now, j->ex->which);
    if (a == UINT64_MAX || b == UINT64_MAX)
        return expect_unknown(j, "the kernel does not tell it of this process");
    return judge_change(j, (int64_t)a, (int64_t)b);
}

static int64_t meminfo(const struct buf *text, const char *key, int64_t unit)
{
    uint64_t v;
    return text_field(text->data, text->len, key, &v) ? (int64_t)v * unit : INT64_MAX;
}

void expect_read_machine(struct machine_counts *out)
{
    struct buf text = {0};
    *out = (struct machine_counts){INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX,
                                   INT64_MAX};
    if (!io_read_at(AT_FDCWD, "/proc/meminfo", &text))
        *out = (struct machine_counts){
            .free = meminfo(&text, "HugePages_Free:", 1),
            .rsvd = meminfo(&text, "HugePages_Rsvd:", 1),
            .surp = meminfo(&text, "HugePages_Surp:", 1),
            .vmalloc = meminfo(&text, "VmallocUsed:", 1024),
            .pagetables = meminfo(&text, "PageTables:", 1024),
            .kernelstack = meminfo(&text, "KernelStack:", 1024),
        };
    buf_deinit(&text);
}

int expect_machine(struct judging *j, struct err *e)
{
    static const struct {
        const char *name;
        size_t offset;
    } huge[] = {{"free huge pages", offsetof(struct machine_counts, free)},
                {"reserved huge pages", offsetof(struct machine_counts, rsvd)},
                {"surplus huge pages", offsetof(struct machine_counts, surp)}},
      other[] = {{"VmallocUsed", offsetof(struct machine_counts, vmalloc)},
                 {"PageTables", offsetof(struct machine_counts, pagetables)},
                 {"KernelStack", offsetof(struct machine_counts, kernelstack)}};
    (void)e;
    struct machine_counts now;
    const struct machine_counts *before = &j->run->expectations->machine_before;
    bool pool = j->ex->kind == EX_HUGEPAGES;
    unsigned which = j->ex->which < 3 ? j->ex->which : 0;
    size_t offset = pool ? huge[which].offset : other[which].offset;
    expect_wants(j, "change of %s %s %+" PRId64, pool ? huge[which].name : other[which].name,
                 compare_name(j->ex->op), j->ex->n);
    expect_read_machine(&now);
    int64_t a = *(const int64_t *)(const void *)((const char *)before + offset);
    int64_t b = *(const int64_t *)(const void *)((const char *)&now + offset);
    if (a == INT64_MAX || b == INT64_MAX)
        return expect_unknown(j, "/proc/meminfo does not tell it");
    return judge_change(j, a, b);
}

/* --- bytes --- */

static int judge_byte(struct judging *j, unsigned char found)
{
    return expect_verdict(j, compare_holds(j->ex->op, found, j->ex->n), "%u (0x%02x)", found,
                          found);
}

/* Pages wait in a list of this processor to be put with those in use; MADV_COLD begins by putting
 * them there. */
static void settle_used_pages(void)
{
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return;
    madvise(page, bytes, MADV_COLD);
    munmap(page, bytes);
}

/* Looking twice marks the page as used, and the kernel then holds it for a while in a list of this
 * processor: a write would copy it, as if somebody shared it. 1, 0 or a negative errno. */
static ssize_t read_byte(pid_t pid, uint64_t address, unsigned char *out)
{
    char path[40];
    cpu_set_t ours, its;
    bool moved = !sched_getaffinity(0, sizeof ours, &ours) &&
                 !sched_getaffinity(pid, sizeof its, &its) &&
                 !sched_setaffinity(0, sizeof its, &its);
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -errno : io_pread(fd, out, 1, address);
    if (fd >= 0)
        close(fd);
    settle_used_pages();
    if (moved)
        sched_setaffinity(0, sizeof ours, &ours);
    return n;
}

/* A page is read through /proc/PID/mem only if it is there: reading would bring it. */
int expect_byte(struct judging *j, struct err *e)
{
    struct span s;
    unsigned char byte;
    int rc = expect_span(j, &j->ex->a, &s, e);
    if (rc)
        return rc < 0 ? rc : 0;
    expect_wants(j, "byte of %s %s %" PRId64, s.name, compare_name(j->ex->op), j->ex->n);
    struct page p = pagetree_get(s.now->tree, moment_page(s.now, s.start));
    if (p.state == PAGE_UNKNOWN)
        return expect_unknown(j, "whether the page is there cannot be known: %s",
                              s.now->target.pagemap.why);
    if (!page_state_info(p.state)->present)
        return expect_verdict(j, false, "%s is %s: looking would change that", s.name,
                              page_state_info(p.state)->name);
    ssize_t n = read_byte(s.process->pid, s.first, &byte);
    if (n != 1)
        return expect_unknown(j, "its memory cannot be read: %s", strerror(n < 0 ? (int)-n : EIO));
    return judge_byte(j, byte);
}

int expect_file(struct judging *j, struct err *e)
{
    const struct named_file *f = run_find_file(j->run, j->ex->a.name);
    unsigned char byte = 0;
    struct stat st;
    (void)e;
    if (j->ex->kind == EX_FILE_SIZE)
        expect_wants(j, "size of file %s %s %" PRId64, j->ex->a.name, compare_name(j->ex->op),
                     j->ex->n);
    else
        expect_wants(j, "byte of file %s[%" PRIu64 "] %s %" PRId64, j->ex->a.name, j->ex->a.first,
                     compare_name(j->ex->op), j->ex->n);
    if (!f || fstat(f->fd, &st))
        return expect_unknown(j, "the file cannot be asked");
    if (j->ex->kind == EX_FILE_SIZE)
        return expect_verdict(j, compare_holds(j->ex->op, (int64_t)st.st_size, j->ex->n),
                              "%" PRId64, (int64_t)st.st_size);
    uint64_t page = f->page_size ? f->page_size : 4096;
    if (io_pread(f->fd, &byte, 1, j->ex->a.first * page) != 1)
        return expect_verdict(j, false, "the file ends before that");
    return judge_byte(j, byte);
}
