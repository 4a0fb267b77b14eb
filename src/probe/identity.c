/* Whom a command runs as. All look-ups happen before the fork, because none of them is safe between
 * fork and exec; identity_assume is system calls only. */
#include "probe/identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"

extern char **environ;

/* A passwd entry with its storage. */
struct account {
    struct passwd pw;
    char *storage;
};

static bool parse_id(const char *s, uid_t *out)
{
    const char *p = s, *end = s + strlen(s);
    uint64_t v;
    if (!text_dec(&p, end, &v) || p != end || v >= UINT32_MAX)
        return false;
    *out = (uid_t)v;
    return true;
}

/* By name if there is one, otherwise by uid. -ESRCH when there is no such user. */
static int look_up(const char *name, uid_t uid, struct account *out)
{
    size_t cap = 0;
    char *storage = NULL;
    struct passwd pw, *found = NULL;
    int rc = ERANGE;
    while (rc == ERANGE || rc == EINTR) {
        void *p = storage;
        if (array_reserve(&p, &cap, rc == ERANGE ? cap + 2048 : cap, 1)) {
            free(storage);
            return -ENOMEM;
        }
        storage = p;
        rc = name ? getpwnam_r(name, &pw, storage, cap, &found)
                  : getpwuid_r(uid, &pw, storage, cap, &found);
    }
    if (!found) {
        free(storage);
        return rc == ENOMEM ? -ENOMEM : -ESRCH;
    }
    *out = (struct account){pw, storage};
    return 0;
}

static int list_groups(const char *name, gid_t gid, struct identity *id)
{
    int count = 32;
    for (;;) {
        gid_t *v = realloc(id->groups, (size_t)count * sizeof *v);
        if (!v)
            return -ENOMEM;
        id->groups = v;
        int had = count;
        if (getgrouplist(name, gid, v, &count) >= 0) {
            id->group_count = count;
            return 0;
        }
        if (count <= had)
            count = had * 2;
    }
}

static char *assignment(const char *name, const char *value)
{
    struct buf b = {0};
    if (buf_printf(&b, "%s=%s", name, value)) {
        buf_deinit(&b);
        return NULL;
    }
    return b.data;
}

static bool is_personal(const char *entry)
{
    static const char *const names[] = {"HOME=", "USER=", "LOGNAME=", "SHELL="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strncmp(entry, names[i], strlen(names[i])))
            return true;
    return false;
}

/* Our environment; with the personal variables of pw instead of ours unless pw is NULL. */
static int build_env(const struct passwd *pw, struct identity *id)
{
    size_t n = 0, count = 0;
    while (environ && environ[count])
        count++;
    id->env = calloc(count + 5, sizeof *id->env);
    if (!id->env)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (pw && is_personal(environ[i]))
            continue;
        if (!(id->env[n++] = strdup(environ[i])))
            return -ENOMEM;
    }
    if (!pw)
        return 0;
    const char *const set[4][2] = {
        {"HOME", pw->pw_dir},
        {"USER", pw->pw_name},
        {"LOGNAME", pw->pw_name},
        {"SHELL", *pw->pw_shell ? pw->pw_shell : "/bin/sh"},
    };
    for (size_t i = 0; i < 4; i++)
        if (!(id->env[n++] = assignment(set[i][0], set[i][1])))
            return -ENOMEM;
    return 0;
}

static int from_account(struct account *a, gid_t gid, struct identity *id)
{
    id->uid = a->pw.pw_uid;
    id->gid = gid;
    int rc = list_groups(a->pw.pw_name, gid, id);
    return rc ? rc : build_env(&a->pw, id);
}

static int from_option(const char *user, struct identity *id, struct err *e)
{
    char shown[64];
    text_escape(shown, sizeof shown, user, strlen(user));
    struct account a;
    uid_t uid = 0;
    int rc = look_up(user, 0, &a);
    if (rc == -ESRCH && parse_id(user, &uid))
        rc = look_up(NULL, uid, &a);
    if (rc == -ESRCH)
        return err_set(e, rc, "no user '%s' on this system: see `getent passwd`", shown);
    if (rc)
        return err_set(e, rc, "cannot look up user %s: out of memory", shown);
    id->change = geteuid() == 0 || a.pw.pw_uid != geteuid() || a.pw.pw_uid != getuid();
    if (id->change && geteuid() != 0)
        rc = err_set(e, -EPERM, "only root can run a command as %s: use sudo", shown);
    else if ((rc = from_account(&a, a.pw.pw_gid, id)))
        err_set(e, rc, "cannot prepare to run as %s: out of memory", shown);
    free(a.storage);
    return rc;
}

/* The caller of sudo need not be in the passwd database: then its numbers are all there is. */
static int from_sudo(uid_t uid, gid_t gid, struct identity *id)
{
    struct account a;
    int rc = look_up(NULL, uid, &a);
    id->change = true;
    if (!rc) {
        rc = from_account(&a, gid, id);
        free(a.storage);
        return rc;
    }
    if (rc != -ESRCH)
        return rc;
    id->uid = uid;
    id->gid = gid;
    id->groups = malloc(sizeof gid);
    if (!id->groups)
        return -ENOMEM;
    id->groups[0] = gid;
    id->group_count = 1;
    struct passwd nameless = {.pw_name = (char *)"", .pw_dir = (char *)"/", .pw_shell = (char *)""};
    return build_env(&nameless, id);
}

int identity_find(const char *user, struct identity *out, struct err *e)
{
    struct identity id = {0};
    const char *sudo_uid = getenv("SUDO_UID"), *sudo_gid = getenv("SUDO_GID");
    uid_t uid;
    gid_t gid;
    int rc;
    if (user)
        rc = from_option(user, &id, e);
    else if (geteuid() == 0 && sudo_uid && sudo_gid && parse_id(sudo_uid, &uid) &&
             parse_id(sudo_gid, &gid))
        rc = from_sudo(uid, gid, &id);
    else
        rc = build_env(NULL, &id);
    if (rc) {
        identity_deinit(&id);
        return rc == -ENOMEM ? err_set(e, rc, "cannot start the command: out of memory") : rc;
    }
    *out = id;
    return 0;
}

void identity_deinit(struct identity *id)
{
    for (char **p = id->env; p && *p; p++)
        free(*p);
    free(id->env);
    free(id->groups);
    *id = (struct identity){0};
}

/* Whatever we were given beyond the ordinary must not pass to the command through exec. */
static int drop_inheritable(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) && errno != EINVAL)
        return -errno;
    if (syscall(SYS_capget, &header, data))
        return -errno;
    for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        data[i].inheritable = 0;
    return syscall(SYS_capset, &header, data) ? -errno : 0;
}

int identity_assume(const struct identity *id)
{
    int rc = drop_inheritable();
    if (rc || !id->change)
        return rc;
    if (setgroups((size_t)id->group_count, id->groups) || setresgid(id->gid, id->gid, id->gid) ||
        setresuid(id->uid, id->uid, id->uid))
        return -errno;
    return 0;
}
