/* A parent and its children (8, or as many as the first argument says), with pages of which each is
 * known who wrote it, and then commands on standard input:
 *
 *   write CHILD PAGE N   child writes these pages of "cow"
 *   fork CHILD           child makes a grandchild, which only waits
 *   end CHILD            child ends
 *
 * Mappings, all with small pages but the last: "cow", private, 64 pages, written by the parent before
 * it forks; child i then writes pages 0 to i. "shm", shared, 64 pages, written by the parent; child i
 * writes pages 0 to 4*i+3. "own", private, of which child i alone writes 10+i pages after fork. "huge",
 * private, 2 MiB with MADV_HUGEPAGE, written by the parent; child 0 writes one page of it.
 *
 * Prints a line a mapping, "map NAME START PAGES", a line a process, "child I PID", and "ready"; then
 * a line for each command: "done" or "pid PID". Ends with its standard input. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, CHILDREN_MAX = 900, COW = 64, SHM = 64, OWN = 1024, HUGE = 512 };

struct order {
    char what; /* 'w', 'f', 'e' */
    unsigned page, n;
};

static struct {
    char *cow, *shm, *own, *huge;
    unsigned children;
    int orders[CHILDREN_MAX]; /* writing ends */
    int answers[2];
    pid_t pids[CHILDREN_MAX];
} t;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static char *map(unsigned pages, int flags)
{
    size_t size = (size_t)pages * PAGE, align = (size_t)HUGE * PAGE;
    char *p = mmap(NULL, size + 2 * align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED)
        die("mmap");
    p += align - (size_t)p % align; /* with room before and behind it */
    if (mmap(p, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != p)
        die("mmap");
    return p;
}

static void touch(char *p, unsigned first, unsigned n)
{
    for (unsigned i = first; i < first + n; i++)
        ((volatile char *)p)[(size_t)i * PAGE] = (char)(i + 1);
}

static void make_mappings(void)
{
    t.cow = map(COW, MAP_PRIVATE);
    t.shm = map(SHM, MAP_SHARED);
    t.own = map(OWN, MAP_PRIVATE);
    t.huge = map(HUGE, MAP_PRIVATE);
    madvise(t.cow, COW * PAGE, MADV_NOHUGEPAGE);
    madvise(t.shm, SHM * PAGE, MADV_NOHUGEPAGE);
    madvise(t.own, OWN * PAGE, MADV_NOHUGEPAGE);
    madvise(t.huge, HUGE * PAGE, MADV_HUGEPAGE);
    touch(t.cow, 0, COW);
    touch(t.shm, 0, SHM);
    touch(t.huge, 0, HUGE);
}

static void answer(pid_t pid)
{
    if (write(t.answers[1], &pid, sizeof pid) != sizeof pid)
        _exit(1);
}

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

static void obey(const struct order *o)
{
    pid_t pid;
    switch (o->what) {
    case 'w':
        touch(t.cow, o->page, o->n);
        answer(0);
        return;
    case 'f':
        pid = fork();
        if (!pid) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            wait_for_ever();
        }
        answer(pid);
        return;
    default:
        _exit(0);
    }
}

static void child(unsigned i, int orders)
{
    struct order o;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    touch(t.cow, 0, i + 1 < COW ? i + 1 : COW);
    touch(t.shm, 0, 4 * i + 4 < SHM ? 4 * i + 4 : SHM);
    touch(t.own, 0, 10 + i < OWN ? 10 + i : OWN);
    if (i == 0)
        touch(t.huge, 7, 1);
    answer(0);
    while (read(orders, &o, sizeof o) == sizeof o)
        obey(&o);
    _exit(0);
}

static pid_t take_answer(void)
{
    pid_t pid;
    if (read(t.answers[0], &pid, sizeof pid) != sizeof pid)
        die("a child");
    return pid;
}

static void start(unsigned i)
{
    int ends[2];
    if (pipe(ends))
        die("pipe");
    t.pids[i] = fork();
    if (t.pids[i] < 0)
        die("fork");
    if (!t.pids[i]) {
        for (unsigned k = 0; k < i; k++)
            close(t.orders[k]);
        close(ends[1]);
        child(i, ends[0]);
    }
    close(ends[0]);
    t.orders[i] = ends[1];
    take_answer();
}

static void give(unsigned i, const struct order *o)
{
    if (i >= t.children || write(t.orders[i], o, sizeof *o) != sizeof *o)
        die("order");
}

static void run_command(const char *line)
{
    unsigned i, page, n;
    if (sscanf(line, "write %u %u %u", &i, &page, &n) == 3 && page + n <= COW) {
        give(i, &(struct order){'w', page, n});
        take_answer();
        puts("done");
    } else if (sscanf(line, "fork %u", &i) == 1) {
        give(i, &(struct order){'f', 0, 0});
        printf("pid %d\n", take_answer());
    } else if (sscanf(line, "end %u", &i) == 1) {
        give(i, &(struct order){'e', 0, 0});
        waitpid(t.pids[i], NULL, 0);
        puts("done");
    } else {
        puts("what?");
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[128];
    t.children = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 8;
    if (t.children > CHILDREN_MAX || pipe(t.answers))
        return 2;
    setvbuf(stdin, NULL, _IONBF, 0);
    make_mappings();
    printf("map cow %lx %d\nmap shm %lx %d\nmap own %lx %d\nmap huge %lx %d\n",
           (unsigned long)t.cow, COW, (unsigned long)t.shm, SHM, (unsigned long)t.own, OWN,
           (unsigned long)t.huge, HUGE);
    fflush(stdout);
    for (unsigned i = 0; i < t.children; i++)
        start(i);
    for (unsigned i = 0; i < t.children; i++)
        printf("child %u %d\n", i, t.pids[i]);
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        run_command(line);
    for (unsigned i = 0; i < t.children; i++)
        close(t.orders[i]);
    while (wait(NULL) > 0 || errno == EINTR)
        ;
    return 0;
}
