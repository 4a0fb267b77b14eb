/* Trials: how this machine is set. A setting that cannot be read has no value, and says why. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "probe/sysinfo.h"
#include "probe/trial.h"

#define THP "/sys/kernel/mm/transparent_hugepage"
#define HUGETLB "/sys/kernel/mm/hugepages"

static void unreadable(struct capability *c, const char *file, int rc)
{
    if (rc == -ENOENT)
        trial_no(c, "", "not in this kernel");
    else
        trial_no(c, "", "%s: %s", file, strerror(-rc));
}

static void show_user(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    (void)t;
    (void)self;
    struct passwd pw, *found = NULL;
    char storage[4096], text[128];
    uid_t uid = geteuid();
    getpwuid_r(uid, &pw, storage, sizeof storage, &found);
    int n = snprintf(text, sizeof text, "%.64s (uid %u)", found ? pw.pw_name : "no name",
                     (unsigned)uid);
    trial_value(c, text, (size_t)n);
}

static void show_kernel(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    (void)t;
    (void)self;
    struct utsname u;
    char text[160];
    uname(&u);
    int n = snprintf(text, sizeof text, "Linux %.64s %.64s", u.release, u.machine);
    trial_value(c, text, (size_t)n);
}

static void show_geometry(const struct trial *t, const struct trial_entry *self,
                          struct capability *c)
{
    (void)t;
    (void)self;
    struct geometry g;
    struct buf b = {0};
    char page[TEXT_SIZE_MAX], pmd[TEXT_SIZE_MAX];
    int rc = sysinfo_geometry(&g);
    for (unsigned i = 0; !rc && i < g.levels; i++)
        rc = buf_printf(&b, "%s%s", i ? " " : "", g.level_name[i]);
    if (!rc)
        rc = buf_printf(&b, ", pages of %s, %s by a PMD",
                        text_size(page, UINT64_C(1) << g.page_shift),
                        text_size(pmd, UINT64_C(1) << g.pmd_shift));
    if (rc)
        unreadable(c, "page tables", rc);
    else
        trial_value(c, b.data, b.len);
    buf_deinit(&b);
}

/* The whole of a small file below /sys or proc; of a list of words, the chosen one. */
static void show_file(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    struct buf b = {0};
    char chosen[64] = "";
    int rc = io_read_at(t->proc_fd, self->file, &b);
    if (rc) {
        unreadable(c, self->file, rc);
    } else {
        sysinfo_chosen(b.data, chosen, sizeof chosen);
        if (chosen[0])
            trial_value(c, chosen, strlen(chosen));
        else
            trial_value(c, b.data, b.len);
    }
    buf_deinit(&b);
}

static void show_lockdown(const struct trial *t, const struct trial_entry *self,
                          struct capability *c)
{
    if (!access("/sys/kernel/security/lsm", F_OK)) {
        show_file(t, self, c);
        return;
    }
    trial_no(c, "sudo mount -t securityfs securityfs /sys/kernel/security",
             "securityfs is not mounted");
}

/* The sizes of the directories hugepages-NkB in `dir`, ascending. Their number, at most max. */
static size_t list_sizes(const char *dir, uint64_t *kib, size_t max)
{
    static const char prefix[] = "hugepages-";
    size_t n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && n < max && (e = readdir(d));) {
        const char *p = e->d_name + sizeof prefix - 1;
        uint64_t v;
        if (strncmp(e->d_name, prefix, sizeof prefix - 1) ||
            !text_dec(&p, e->d_name + strlen(e->d_name), &v) || strcmp(p, "kB"))
            continue;
        size_t at = n++;
        for (; at && kib[at - 1] > v; at--)
            kib[at] = kib[at - 1];
        kib[at] = v;
    }
    if (d)
        closedir(d);
    return n;
}

/* Reads hugepages-NkB/file below dir. 0 or negative errno. */
static int read_of_size(const char *dir, uint64_t kib, const char *file, struct buf *out)
{
    char path[256];
    snprintf(path, sizeof path, "%s/hugepages-%llukB/%s", dir, (unsigned long long)kib, file);
    return io_read_at(AT_FDCWD, path, out);
}

/* Shows a list that was put together, unless that failed. */
static void show_list(struct capability *c, int rc, const struct buf *b, const char *if_empty)
{
    if (rc)
        trial_no(c, "", "%s", strerror(-rc));
    else if (b->len)
        trial_value(c, b->data, b->len);
    else
        trial_value(c, if_empty, strlen(if_empty));
}

static void show_mthp(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    (void)t;
    uint64_t kib[32];
    size_t n = list_sizes(self->file, kib, 32);
    struct buf b = {0}, setting = {0};
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        char size[TEXT_SIZE_MAX], chosen[32];
        if (read_of_size(self->file, kib[i], "enabled", &setting))
            continue;
        sysinfo_chosen(setting.data, chosen, sizeof chosen);
        if (strcmp(chosen, "never"))
            rc = buf_printf(&b, "%s%s %s", b.len ? ", " : "", text_size(size, kib[i] * 1024),
                            chosen);
    }
    if (n)
        show_list(c, rc, &b, "none");
    else
        trial_no(c, "Linux 6.8 or later", "this kernel has no THP of several sizes");
    buf_deinit(&b);
    buf_deinit(&setting);
}

/* A number of a hugetlb pool; "?" when it cannot be read. */
static const char *pool_number(uint64_t kib, const char *file, char out[24])
{
    struct buf b = {0};
    uint64_t v = 0;
    snprintf(out, 24, "?");
    if (!read_of_size(HUGETLB, kib, file, &b) && text_field(b.data, b.len, "", &v))
        snprintf(out, 24, "%llu", (unsigned long long)v);
    buf_deinit(&b);
    return out;
}

static void show_hugetlb(const struct trial *t, const struct trial_entry *self,
                         struct capability *c)
{
    (void)t;
    uint64_t kib[16];
    size_t n = list_sizes(self->file, kib, 16);
    struct buf b = {0};
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++) {
        char size[TEXT_SIZE_MAX], all[24], unused[24];
        rc = buf_printf(&b, "%s%s: %s, %s free", i ? "; " : "", text_size(size, kib[i] * 1024),
                        pool_number(kib[i], "nr_hugepages", all),
                        pool_number(kib[i], "free_hugepages", unused));
    }
    show_list(c, rc, &b, "none");
    buf_deinit(&b);
}

static void show_ksm(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    static const char *const states[] = {"off", "running", "off, merged pages separated"};
    int run = trial_sysctl(t, self->file);
    if (run < 0 || run > 2)
        trial_no(c, "a kernel built with CONFIG_KSM", "this kernel has no KSM");
    else
        trial_value(c, states[run], strlen(states[run]));
}

static void show_swap(const struct trial *t, const struct trial_entry *self, struct capability *c)
{
    struct buf b = {0};
    int rc = io_read_at(t->proc_fd, self->file, &b);
    size_t lines = 0;
    for (size_t i = 0; !rc && i < b.len; i++)
        lines += b.data[i] == '\n';
    char text[64];
    int n = snprintf(text, sizeof text, lines > 1 ? "on, %zu areas or files" : "off",
                     lines ? lines - 1 : 0);
    if (rc)
        unreadable(c, self->file, rc);
    else
        trial_value(c, text, (size_t)n);
    buf_deinit(&b);
}

const struct trial_entry trials_settings[] = {
    {"user", "user", CAPABILITY_SETTING, show_user, NULL},
    {"kernel", "kernel", CAPABILITY_SETTING, show_kernel, NULL},
    {"page_tables", "page tables", CAPABILITY_SETTING, show_geometry, NULL},
    {"thp", "transparent huge pages", CAPABILITY_SETTING, show_file, THP "/enabled"},
    {"thp_shmem", "THP for shared memory", CAPABILITY_SETTING, show_file, THP "/shmem_enabled"},
    {"mthp", "THP sizes in use", CAPABILITY_SETTING, show_mthp, THP},
    {"hugetlb", "hugetlb pools", CAPABILITY_SETTING, show_hugetlb, HUGETLB},
    {"ksm", "KSM", CAPABILITY_SETTING, show_ksm, "/sys/kernel/mm/ksm/run"},
    {"swap", "swap", CAPABILITY_SETTING, show_swap, "swaps"},
    {"perf_event_paranoid", "kernel.perf_event_paranoid", CAPABILITY_SETTING, show_file,
     "sys/kernel/perf_event_paranoid"},
    {"kptr_restrict", "kernel.kptr_restrict", CAPABILITY_SETTING, show_file,
     "sys/kernel/kptr_restrict"},
    {"unprivileged_bpf_disabled", "kernel.unprivileged_bpf_disabled", CAPABILITY_SETTING, show_file,
     "sys/kernel/unprivileged_bpf_disabled"},
    {"ptrace_scope", "kernel.yama.ptrace_scope", CAPABILITY_SETTING, show_file,
     "sys/kernel/yama/ptrace_scope"},
    {"lockdown", "kernel lockdown", CAPABILITY_SETTING, show_lockdown,
     "/sys/kernel/security/lockdown"},
    {0},
};
