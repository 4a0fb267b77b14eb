/* The scenarios that are shipped: beside the program, where it was installed or where it was built,
 * else below the working directory. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/play_parts.h"
#include "cli/scenario.h"

static const char suffix[] = ".vms";
enum { SUFFIX_LEN = sizeof suffix - 1 };

/* The directory of the program, without a slash at its end. */
static void program_directory(char *out, size_t cap)
{
    ssize_t n = readlink("/proc/self/exe", out, cap - 1);
    out[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(out, '/');
    if (slash)
        *slash = '\0';
}

/* 0 or a negative errno. */
static int open_directory(char *path, size_t cap, DIR **out)
{
    static const char *const places[] = {"/../share/vmscope/scenarios", "/../scenarios"};
    char program[PLAY_PATH_MAX / 2];
    program_directory(program, sizeof program);
    for (size_t i = 0; i <= sizeof places / sizeof *places; i++) {
        bool beside = i < sizeof places / sizeof *places;
        snprintf(path, cap, "%s%s", beside ? program : "scenarios", beside ? places[i] : "");
        *out = opendir(path);
        if (*out)
            return 0;
    }
    return -errno;
}

static bool is_scenario(const char *name)
{
    size_t len = strlen(name);
    return len > SUFFIX_LEN && name[0] != '.' && !strcmp(name + len - SUFFIX_LEN, suffix);
}

static char *escaped(const char *text, size_t len)
{
    size_t cap = 4 * len + 1;
    char *out = malloc(cap);
    if (out)
        text_escape(out, cap, text, len);
    return out;
}

static char *title_of(const char *path)
{
    struct script *s = NULL;
    struct buf message = {0};
    int rc = scenario_read(path, &s, &message);
    const char *title = rc ? "(there is a mistake in it)" : s->title;
    char *out = escaped(title, strlen(title));
    script_destroy(s);
    buf_deinit(&message);
    return out;
}

static int add_choice(struct player_list *l, const char *directory, const char *name)
{
    struct player_choice *v = reallocarray(l->v, l->count + 1, sizeof *v);
    if (!v)
        return -ENOMEM;
    l->v = v;
    v += l->count++;
    *v = (struct player_choice){0};
    if (asprintf(&v->path, "%s/%s", directory, name) < 0) {
        v->path = NULL;
        return -ENOMEM;
    }
    v->name = escaped(name, strlen(name) - SUFFIX_LEN);
    v->title = title_of(v->path);
    return v->name && v->title ? 0 : -ENOMEM;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct player_choice *)a)->name, ((const struct player_choice *)b)->name);
}

int play_list(void *ctx, struct player_list *out, struct err *e)
{
    (void)ctx;
    char path[PLAY_PATH_MAX];
    struct player_list l = {0};
    struct dirent *d;
    DIR *dir;
    int rc = open_directory(path, sizeof path, &dir);
    if (rc)
        return err_set(e, rc, "no scenarios are installed: name a file, vmscope play SCENARIO");
    while (!rc && (d = readdir(dir)))
        if (is_scenario(d->d_name))
            rc = add_choice(&l, path, d->d_name);
    closedir(dir);
    if (rc) {
        player_list_deinit(&l);
        return err_set(e, rc, "out of memory");
    }
    if (l.count)
        qsort(l.v, l.count, sizeof *l.v, by_name);
    *out = l;
    return 0;
}

bool play_find(const char *name, char *path, size_t cap)
{
    char directory[PLAY_PATH_MAX];
    DIR *dir;
    if (open_directory(directory, sizeof directory, &dir))
        return false;
    closedir(dir);
    for (int i = 0; i < 2; i++) {
        int n = snprintf(path, cap, "%s/%s%s", directory, name, i ? suffix : "");
        if (n > 0 && (size_t)n < cap && !access(path, R_OK))
            return true;
    }
    return false;
}
