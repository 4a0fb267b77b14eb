/* The floor: the bare reads of the kernel that a picture of a process needs, done the fastest way
 * known here and with no model behind them. vmscope's time is divided by this program's.
 *
 *   full PID     maps; PAGEMAP_SCAN without FILE over the whole address space; pagemap entries of
 *                what it found (one a huge page); frames sorted; kpageflags with small gaps read
 *                through; kpagecount only where pagemap says "not exclusive"
 *   scan PID     maps and PAGEMAP_SCAN: residency alone
 *   family PID...    the same of several processes, each frame asked once for all of them
 *   smaps PID, rollup PID, maps PID    that file of /proc, to nowhere
 *
 * -n N repeats in one process and prints the median of each part; without it the parts are still
 * printed, from one run with cold buffers. -e prints on stderr. -b bytes of a pagemap or kpage
 * read, -g pages of a gap in kpage* that is read through, -G the same in pagemap, -m pages that one
 * SCAN may return. */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#define ENTRY_PRESENT (1ull << 63)
#define ENTRY_EXCLUSIVE (1ull << 56)
#define ENTRY_PFN ((1ull << 55) - 1)
#define FRAMES_MAX (1ull << 31)

enum part { PART_MAPS, PART_SCAN, PART_PAGEMAP, PART_SORT, PART_FLAGS, PART_COUNT, PART_N };
static const char *const part_names[PART_N] = {"maps",      "scan",       "pagemap",
                                               "sort",      "kpageflags", "kpagecount"};
/* A SCAN that finds more than 512 ranges walks several times inside the kernel and may then answer
 * with the walk_end of an earlier walk (seen in 6.18): ask for no more than one walk finds. */
enum { REPEATS_MAX = 1000, SCAN_VEC = 512, RADIX_BITS = 11 };

static struct {
    uint64_t buffer, gap, entry_gap, scan_pages;
    unsigned repeats;
    bool on_stderr;
} opt = {256 << 10, 2, 100, 0, 1, false};

struct frames {
    uint64_t *v, *marks; /* marks: of a family, a bit a frame */
    size_t n;
    uint64_t last; /* marked */
};

static struct {
    int dir, maps, pagemap, flags, count;
    struct frames all, shared, spare;
    uint64_t *entries; /* opt.buffer bytes */
    uint64_t pages, regions, seen;
    uint64_t ns[PART_N][REPEATS_MAX];
    unsigned round;
} f;

/* Room that costs nothing until it is written. */
static void *room(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED)
        bench_die("mmap");
    return p;
}

static int open_at(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        bench_die(name);
    return fd;
}

static void spent(enum part part, uint64_t *since)
{
    uint64_t now = bench_now_ns();
    f.ns[part][f.round] += now - *since;
    *since = now;
}

static void drain(const char *name)
{
    static char nowhere[256 << 10];
    int fd = open_at(f.dir, name);
    ssize_t got;
    while ((got = read(fd, nowhere, sizeof nowhere)) > 0)
        ;
    if (got < 0)
        bench_die(name);
    close(fd);
}

static void frames_add(struct frames *to, uint64_t frame)
{
    if (to->n == FRAMES_MAX)
        bench_die("too many frames");
    to->v[to->n++] = frame;
}

static void take_entry(uint64_t entry)
{
    if (!(entry & ENTRY_PRESENT) || !(entry & ENTRY_PFN))
        return;
    frames_add(&f.all, entry & ENTRY_PFN);
    if (!(entry & ENTRY_EXCLUSIVE))
        frames_add(&f.shared, entry & ENTRY_PFN);
}

static size_t read_entries(int fd, uint64_t index, uint64_t n)
{
    ssize_t got = pread(fd, f.entries, n * 8, (off_t)(index * 8));
    if (got < 0)
        bench_die("pread");
    return (size_t)got / 8;
}

static bool is_huge(const struct scan_region *r)
{
    return r->categories & SCAN_HUGE && !((r->start | r->end) % BENCH_HUGE);
}

/* The entries of small-page regions v[0..] as far as one buffer and the gaps between them allow.
 * Returns how many regions it took whole; the last of them may be left with a later start. */
static size_t take_small(struct scan_region *v, size_t n)
{
    uint64_t first = v->start / BENCH_PAGE, most = first + opt.buffer / 8;
    size_t take = 1;
    while (take < n && !is_huge(&v[take]) && v[take].end / BENCH_PAGE <= most &&
           v[take].start - v[take - 1].end <= opt.entry_gap * BENCH_PAGE)
        take++;
    uint64_t end = v[take - 1].end / BENCH_PAGE;
    size_t got = read_entries(f.pagemap, first, (end < most ? end : most) - first);
    for (size_t i = 0; i < take; i++) {
        uint64_t page = v[i].start / BENCH_PAGE, stop = v[i].end / BENCH_PAGE;
        for (; page < stop && page - first < got; page++)
            take_entry(f.entries[page - first]);
    }
    if (end <= most || !got)
        return take;
    v[take - 1].start = most * BENCH_PAGE;
    return take - 1;
}

static void take_huge(const struct scan_region *r)
{
    for (uint64_t at = r->start; at < r->end; at += BENCH_HUGE)
        if (read_entries(f.pagemap, at / BENCH_PAGE, 1) == 1)
            take_entry(f.entries[0]);
}

static void take_regions(struct scan_region *v, size_t n)
{
    for (size_t i = 0; i < n;) {
        if (!is_huge(&v[i])) {
            i += take_small(v + i, n - i);
            continue;
        }
        take_huge(&v[i++]);
    }
}

static void pages(bool entries)
{
    static struct scan_region v[SCAN_VEC];
    struct scan_arg arg = {.size = sizeof arg,
                           .end = (1ull << 47) - BENCH_PAGE,
                           .vec = (uintptr_t)v,
                           .vec_len = SCAN_VEC,
                           .max_pages = opt.scan_pages,
                           .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
                           .return_mask = SCAN_PRESENT | SCAN_SWAPPED | SCAN_PFNZERO | SCAN_HUGE};
    uint64_t t = bench_now_ns();
    for (f.pages = f.regions = 0; arg.start < arg.end; arg.start = arg.walk_end) {
        int n = ioctl(f.pagemap, SCAN_IOCTL, &arg);
        if (n < 0)
            bench_die("PAGEMAP_SCAN");
        f.regions += (unsigned)n;
        for (int i = 0; i < n; i++)
            f.pages += (v[i].end - v[i].start) / BENCH_PAGE;
        spent(PART_SCAN, &t);
        if (entries)
            take_regions(v, (size_t)n);
        spent(PART_PAGEMAP, &t);
    }
}

/* Sorts by RADIX_BITS at a time, lowest first, as many times as the largest frame needs. */
static void frames_sort(struct frames *a)
{
    static size_t at[1 << RADIX_BITS];
    uint64_t all = 0;
    for (size_t i = 0; i < a->n; i++)
        all |= a->v[i];
    for (unsigned shift = 0; all >> shift; shift += RADIX_BITS) {
        memset(at, 0, sizeof at);
        for (size_t i = 0; i < a->n; i++)
            at[a->v[i] >> shift & ((1 << RADIX_BITS) - 1)]++;
        for (size_t d = 0, sum = 0; d < 1 << RADIX_BITS; d++) {
            size_t here = at[d];
            at[d] = sum;
            sum += here;
        }
        for (size_t i = 0; i < a->n; i++)
            f.spare.v[at[a->v[i] >> shift & ((1 << RADIX_BITS) - 1)]++] = a->v[i];
        uint64_t *sorted = f.spare.v;
        f.spare.v = a->v;
        a->v = sorted;
    }
}

/* Reads the 8 bytes of each frame, several frames in one read where they lie close together. */
static void read_frames(int fd, const struct frames *a)
{
    for (size_t i = 0; i < a->n;) {
        uint64_t first = a->v[i], last = first;
        size_t next = i + 1;
        while (next < a->n && a->v[next] - last <= opt.gap + 1 &&
               a->v[next] - first < opt.buffer / 8)
            last = a->v[next++];
        size_t got = read_entries(fd, first, last - first + 1);
        for (; i < next; i++)
            if (a->v[i] - first < got)
                f.seen |= f.entries[a->v[i] - first];
    }
}

/* Of many processes: frames gathered so far become marks, which sorts them and drops
 * repetitions. */
static void frames_mark(struct frames *a)
{
    for (size_t i = 0; i < a->n; i++)
        a->marks[a->v[i] / 64] |= 1ull << (a->v[i] % 64);
    for (size_t i = 0; i < a->n; i++)
        if (a->v[i] > a->last)
            a->last = a->v[i];
    a->n = 0;
}

static void frames_from_marks(struct frames *a)
{
    for (uint64_t i = 0; i <= a->last / 64; i++)
        for (uint64_t m = a->marks[i]; m; m &= m - 1)
            frames_add(a, i * 64 + (uint64_t)__builtin_ctzll(m));
}

static void page_tables(void)
{
    uint64_t t = bench_now_ns();
    drain("maps");
    spent(PART_MAPS, &t);
    pages(true);
}

static void all_frames(void)
{
    uint64_t t = bench_now_ns();
    read_frames(f.flags, &f.all);
    spent(PART_FLAGS, &t);
    read_frames(f.count, &f.shared);
    spent(PART_COUNT, &t);
}

static void open_process(const char *pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%s", pid);
    f.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f.dir < 0)
        bench_die(path);
}

static void family(char **pids)
{
    f.all.n = f.shared.n = 0;
    for (; *pids; pids++) {
        open_process(*pids);
        f.pagemap = open_at(f.dir, "pagemap");
        page_tables();
        uint64_t t = bench_now_ns();
        frames_mark(&f.all);
        frames_mark(&f.shared);
        spent(PART_SORT, &t);
        close(f.pagemap);
        close(f.dir);
    }
    uint64_t t = bench_now_ns();
    frames_from_marks(&f.all);
    frames_from_marks(&f.shared);
    spent(PART_SORT, &t);
    all_frames();
    memset(f.all.marks, 0, f.all.last / 8 + 8);
    memset(f.shared.marks, 0, f.shared.last / 8 + 8);
}

static void full(void)
{
    f.all.n = f.shared.n = 0;
    page_tables();
    uint64_t t = bench_now_ns();
    frames_sort(&f.all);
    frames_sort(&f.shared);
    spent(PART_SORT, &t);
    all_frames();
}

static void one_round(const char *mode, char **pids)
{
    uint64_t t = bench_now_ns();
    if (!strcmp(mode, "full"))
        full();
    else if (!strcmp(mode, "family"))
        family(pids);
    else if (!strcmp(mode, "scan")) {
        drain("maps");
        spent(PART_MAPS, &t);
        pages(false);
    } else {
        drain(!strcmp(mode, "rollup") ? "smaps_rollup" : mode);
        spent(PART_MAPS, &t);
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void print_medians(void)
{
    FILE *to = opt.on_stderr ? stderr : stdout;
    uint64_t sum = 0;
    for (unsigned p = 0; p < PART_N; p++) {
        qsort(f.ns[p], opt.repeats, sizeof f.ns[p][0], by_value);
        uint64_t median = f.ns[p][opt.repeats / 2];
        sum += median;
        if (median)
            fprintf(to, "%s_ns=%llu ", part_names[p], (unsigned long long)median);
    }
    fprintf(to, "sum_ns=%llu pages=%llu regions=%llu frames=%zu shared=%zu flags=%llx\n",
            (unsigned long long)sum, (unsigned long long)f.pages, (unsigned long long)f.regions,
            f.all.n, f.shared.n, (unsigned long long)f.seen);
}

static void open_all(const char *mode, const char *pid)
{
    bool is_family = !strcmp(mode, "family"), is_full = !strcmp(mode, "full");
    if (!is_family)
        open_process(pid);
    if (is_full || !strcmp(mode, "scan"))
        f.pagemap = open_at(f.dir, "pagemap");
    if (!is_full && !is_family)
        return;
    f.flags = open_at(AT_FDCWD, "/proc/kpageflags");
    f.count = open_at(AT_FDCWD, "/proc/kpagecount");
    f.all.v = room(FRAMES_MAX * 8);
    f.shared.v = room(FRAMES_MAX * 8);
    f.spare.v = room(FRAMES_MAX * 8);
    f.entries = room(opt.buffer);
    f.all.marks = room(FRAMES_MAX / 8);
    f.shared.marks = room(FRAMES_MAX / 8);
}

static bool is_mode(const char *mode)
{
    static const char *const modes[] = {"full", "family", "scan", "smaps", "rollup", "maps"};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (!strcmp(mode, modes[i]))
            return true;
    return false;
}

int main(int argc, char **argv)
{
    for (int o; (o = getopt(argc, argv, "en:b:g:G:m:")) != -1;) {
        uint64_t value = o == '?' || o == 'e' ? 0 : bench_size(optarg);
        if (o == 'e')
            opt.on_stderr = true;
        else if (o == 'n' && value > 0 && value <= REPEATS_MAX)
            opt.repeats = (unsigned)value;
        else if (o == 'b' && value >= 8)
            opt.buffer = value;
        else if (o == 'g')
            opt.gap = value;
        else if (o == 'G')
            opt.entry_gap = value;
        else if (o == 'm')
            opt.scan_pages = value;
        else
            return 2;
    }
    bool one = argc - optind == 2, many = argc - optind > 2 && !strcmp(argv[optind], "family");
    if ((!one && !many) || !is_mode(argv[optind])) {
        fprintf(stderr, "usage: floor [-n N] full|scan|smaps|rollup|maps PID, or family PID...\n");
        return 2;
    }
    open_all(argv[optind], argv[optind + 1]);
    for (f.round = 0; f.round < opt.repeats; f.round++)
        one_round(argv[optind], argv + optind + 1);
    print_medians();
    return 0;
}
