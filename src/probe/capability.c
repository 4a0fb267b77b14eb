/* What this user can see on this kernel: runs the trials of the other files in order. */
#include "probe/capability.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "probe/trial.h"

void trial_yes(struct capability *c)
{
    c->yes = true;
}

void trial_no(struct capability *c, const char *remedy, const char *why, ...)
{
    va_list ap;
    va_start(ap, why);
    vsnprintf(c->why, sizeof c->why, why, ap);
    va_end(ap);
    snprintf(c->remedy, sizeof c->remedy, "%s", remedy);
    c->yes = false;
}

void trial_value(struct capability *c, const char *bytes, size_t len)
{
    while (len && (bytes[len - 1] == '\n' || bytes[len - 1] == ' '))
        len--;
    text_escape(c->value, sizeof c->value, bytes, len);
    c->yes = true;
}

const char *trial_remedy(const struct trial *t, const char *privilege)
{
    static const struct {
        const char *privilege, *in_container;
    } remedies[] = {
        {"CAP_SYS_ADMIN", "run it on the host, or start the container with CAP_SYS_ADMIN"},
        {"CAP_SYS_PTRACE", "run it on the host, or start the container with CAP_SYS_PTRACE"},
        {"CAP_PERFMON", "run it on the host, or start the container with CAP_PERFMON"},
        {"CAP_BPF", "run it on the host, or start the container with CAP_BPF and CAP_PERFMON"},
    };
    for (size_t i = 0; t->root && i < sizeof remedies / sizeof *remedies; i++)
        if (!strcmp(remedies[i].privilege, privilege))
            return remedies[i].in_container;
    return "run it as root: sudo vmscope ...";
}

int trial_sysctl(const struct trial *t, const char *file)
{
    struct buf b = {0};
    int value = INT_MIN;
    if (!io_read_at(t->proc_fd, file, &b)) {
        bool negative = b.len && b.data[0] == '-';
        const char *p = b.data + negative;
        uint64_t v;
        if (text_dec(&p, b.data + b.len, &v) && v <= INT_MAX)
            value = negative ? -(int)v : (int)v;
    }
    buf_deinit(&b);
    return value;
}

pid_t trial_idler(bool dumpable)
{
    int ready[2];
    if (pipe2(ready, O_CLOEXEC))
        return -errno;
    pid_t parent = getpid(), pid = fork();
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0);
        close(ready[0]);
        close(ready[1]);
        while (getppid() == parent)
            pause();
        _exit(0);
    }
    if (pid < 0)
        pid = -errno;
    close(ready[1]);
    char c;
    while (pid > 0 && read(ready[0], &c, 1) < 0 && errno == EINTR)
        continue; /* the end of file: it has come that far */
    close(ready[0]);
    return pid;
}

void trial_idler_end(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static void run_all(const struct trial *t, const struct trial_entry *e, struct capability_list *out)
{
    for (; e->name && out->count < CAPABILITIES_MAX; e++) {
        struct capability *c = &out->v[out->count++];
        *c = (struct capability){.name = e->name, .title = e->title, .kind = e->kind};
        e->run(t, e, c);
    }
}

int capability_probe(const char *proc_root, struct capability_list *out, struct err *e)
{
    const char *root = proc_root ? proc_root : "/proc";
    struct trial t = {
        .proc_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        .root = geteuid() == 0,
        .page_size = (size_t)sysconf(_SC_PAGESIZE),
    };
    if (t.proc_fd < 0) {
        int rc = -errno;
        char shown[200];
        text_escape(shown, sizeof shown, root, strlen(root));
        return err_set(e, rc, "cannot open %s: %s: is it mounted?", shown, strerror(-rc));
    }
    out->count = 0;
    run_all(&t, trials_pages, out);
    run_all(&t, trials_faults, out);
    run_all(&t, trials_settings, out);
    close(t.proc_fd);
    return 0;
}
