/* A process with one mapping of every page state and attribute that this machine can make, for the
 * tests. It prints a line for each mapping (see states/states.h), for each child that shares pages,
 * and for each state that cannot be made here; then "ready PID", and sleeps until it is killed.
 *
 *   target_states [--only NAME,NAME...] [--dir DIR] [--stop] [--threads N] [--list] */
#include "states/states.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const struct maker *const tables[] = {makers_anon,  makers_mark,    makers_file,
                                             makers_name,  makers_shmem,   makers_swap,
                                             makers_huge,  makers_hugetlb, makers_special};
enum { TABLES = sizeof tables / sizeof tables[0] };

static bool named(const char *name, const char *list)
{
    size_t len = strlen(name);
    for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        if (strncmp(p, name, len) == 0 && (p[len] == ',' || p[len] == '\0'))
            return true;
    return false;
}

static void make_phase(enum phase phase, const char *only)
{
    for (size_t t = 0; t < TABLES; t++)
        for (const struct maker *m = tables[t]; m->name; m++)
            if (m->phase == phase && (only ? named(m->name, only) : phase != ON_REQUEST))
                m->make(m->name);
}

static void list(void)
{
    for (size_t t = 0; t < TABLES; t++)
        for (const struct maker *m = tables[t]; m->name; m++)
            puts(m->name);
}

static void read_sizes(void)
{
    unsigned long pmd = 0;
    page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "re");
    if (f) {
        if (fscanf(f, "%lu", &pmd) != 1)
            pmd = 0;
        fclose(f);
    }
    pmd_bytes = pmd ? pmd : page_bytes * (page_bytes / 8);
}

static void *sleep_forever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void start_threads(int n)
{
    pthread_t thread;
    while (n-- > 0)
        if (pthread_create(&thread, NULL, sleep_forever, NULL) != 0)
            exit(1);
}

/* Whatever a caller asked for first, this process never outlives it. */
static void follow_parent(void)
{
    pid_t parent = getppid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        exit(1);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"only", required_argument, NULL, 'o'},
                                            {"dir", required_argument, NULL, 'd'},
                                            {"stop", no_argument, NULL, 's'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"list", no_argument, NULL, 'l'},
                                            {0}};
    const char *only = NULL;
    bool stop = false;
    int threads = 0, c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'o': only = optarg; break;
        case 'd': set_disk_root(optarg); break;
        case 's': stop = true; break;
        case 't': threads = atoi(optarg); break;
        case 'l': list(); return 0;
        default: return 2;
        }
    }
    follow_parent();
    read_sizes();
    make_phase(BEFORE_FORK, only);
    fork_sleeper("sharer", child_actions);
    make_phase(AFTER_FORK, only);
    if (only)
        make_phase(ON_REQUEST, only);
    start_threads(threads);
    printf("ready %d\n", (int)getpid());
    fflush(stdout);
    if (stop)
        raise(SIGSTOP);
    for (;;)
        pause();
}
