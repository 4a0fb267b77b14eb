/* What can be seen: every "no" has a reason, nothing stays behind, and a user without privilege
 * gets other answers; and doctor's two ways to show it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe/capability.h"
#include "probe/sysinfo.h"
#include "report/doctor.h"

static struct capability_list probe(void)
{
    struct capability_list l;
    struct err e = {0};
    if (capability_probe(NULL, &l, &e))
        fail_msg("%s", e.text);
    return l;
}

static const struct capability *get(const struct capability_list *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (!strcmp(l->v[i].name, name))
            return &l->v[i];
    fail_msg("no capability %s", name);
    return NULL;
}

static void check_texts(const struct capability_list *l)
{
    assert_true(l->count > 20);
    for (size_t i = 0; i < l->count; i++) {
        const struct capability *c = &l->v[i];
        assert_true(c->yes ? !c->why[0] && !c->remedy[0] : c->why[0] != '\0');
        assert_true((c->kind == CAPABILITY_SETTING && c->yes) == (c->value[0] != '\0'));
        assert_null(strpbrk(c->why, "\n\x1b"));
        assert_null(strpbrk(c->remedy, "\n\x1b"));
        assert_null(strpbrk(c->value, "\n\x1b"));
        assert_true(!i || c->kind >= c[-1].kind);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(c->name, l->v[k].name);
    }
}

static unsigned descriptors(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void every_no_has_a_reason(void **state)
{
    (void)state;
    unsigned before = descriptors();
    struct capability_list l = probe();
    check_texts(&l);
    assert_int_equal(descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_true(get(&l, "pagemap")->yes);
}

/* A fresh process of user nobody, as a program started by nobody would be. */
static int as_nobody(struct capability_list *out)
{
    struct capability_list *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    pid_t pid = fork();
    if (!pid) {
        if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
            _exit(1);
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        _exit(capability_probe(NULL, shared, NULL) != 0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *out = *shared;
    munmap(shared, sizeof *shared);
    return status;
}

static void without_privilege_answers_change(void **state)
{
    (void)state;
    struct capability_list l, root = probe();
    if (geteuid() != 0 || !get(&root, "pfn")->yes)
        skip();
    assert_int_equal(as_nobody(&l), 0);
    check_texts(&l);
    static const char *const lost[] = {"pfn",         "kpageflags", "kpagecount",
                                       "kpagecgroup", "map_files",  "others"};
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
        const struct capability *c = get(&l, lost[i]);
        assert_true(get(&root, lost[i])->yes);
        assert_false(c->yes);
        assert_non_null(strstr(c->remedy, "sudo"));
    }
    static const char *const kept[] = {"pagemap", "pagemap_scan", "procmap_query", "guard",
                                       "soft_dirty"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        assert_int_equal(get(&l, kept[i])->yes, get(&root, kept[i])->yes);
    assert_string_equal(get(&l, "user")->value, "nobody (uid 65534)");
}

static void a_missing_proc_is_an_error(void **state)
{
    (void)state;
    struct capability_list l;
    struct err e = {0};
    assert_int_equal(capability_probe("/no/such\x1b", &l, &e), -ENOENT);
    assert_non_null(strstr(e.text, "\\x1b"));
}

static void an_empty_proc_has_nothing(void **state)
{
    (void)state;
    char dir[] = "/tmp/test_capability.XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct capability_list l;
    assert_int_equal(capability_probe(dir, &l, NULL), 0);
    check_texts(&l);
    assert_false(get(&l, "pagemap")->yes);
    assert_false(get(&l, "kpageflags")->yes);
    rmdir(dir);
}

static void geometry_is_plausible(void **state)
{
    (void)state;
    struct geometry g;
    assert_int_equal(sysinfo_geometry(&g), 0);
    assert_int_equal(UINT64_C(1) << g.page_shift, sysconf(_SC_PAGESIZE));
    assert_in_range(g.levels, 2, 5);
    assert_in_range(g.pmd_shift, g.page_shift + 1, 30);
    assert_string_equal(g.level_name[0], "PGD");
    assert_string_equal(g.level_name[g.levels - 1], "PTE");
    /* The tree covers where our stack is. */
    assert_true((uintptr_t)&g >> g.page_shift < UINT64_C(1) << 9 * g.levels);
}

static void settings_show_the_chosen_word(void **state)
{
    (void)state;
    char word[8];
    sysinfo_chosen("always [madvise] never\n", word, sizeof word);
    assert_string_equal(word, "madvise");
    sysinfo_chosen("[too-long-for-it]", word, sizeof word);
    assert_string_equal(word, "too-lon");
    sysinfo_chosen("no brackets [", word, sizeof word);
    assert_string_equal(word, "");
}

static const struct capability_list sample = {
    .v =
        {{.name = "pagemap", .title = "pages", .kind = CAPABILITY_PAGES, .yes = true},
         {.name = "pfn",
          .title = "frames",
          .kind = CAPABILITY_PAGES,
          .why = "because",
          .remedy = "do this"},
         {.name = "bpf", .title = "by BPF", .kind = CAPABILITY_FAULTS, .why = "old kernel"},
         {.name = "thp", .title = "THP", .kind = CAPABILITY_SETTING, .yes = true, .value = "never"},
         {.name = "ksm", .title = "KSM", .kind = CAPABILITY_SETTING, .why = "not there"}},
    .count = 5,
};

static void doctor_table_reads_well(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_int_equal(doctor_table(&sample, &b), 0);
    assert_string_equal(b.data, "Pages and mappings\n"
                                "  yes  pages\n"
                                "  no   frames                             because\n"
                                "                                          -> do this\n"
                                "\n"
                                "Faults\n"
                                "  no   by BPF                             old kernel\n"
                                "\n"
                                "This machine\n"
                                "  THP                                     never\n"
                                "  KSM                                     ? (not there)\n");
    buf_deinit(&b);
}

static void doctor_json_is_complete(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_int_equal(doctor_json(&sample, &b), 0);
    json_t *root = json_loads(b.data, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    const char *name, *why, *remedy, *value;
    int yes;
    assert_string_equal(json_string_value(json_object_get(root, "schema")), "vmscope.doctor/1");
    assert_int_equal(json_array_size(json_object_get(root, "pages")), 2);
    assert_int_equal(json_unpack(json_array_get(json_object_get(root, "pages"), 1),
                                 "{s:s,s:b,s:s,s:s}", "name", &name, "yes", &yes, "why", &why,
                                 "remedy", &remedy),
                     0);
    assert_string_equal(name, "pfn");
    assert_false(yes);
    assert_string_equal(why, "because");
    assert_string_equal(remedy, "do this");
    assert_int_equal(json_unpack(json_array_get(json_object_get(root, "settings"), 0), "{s:s,s:n}",
                                 "value", &value, "why"),
                     0);
    assert_string_equal(value, "never");
    json_t *unknown = json_array_get(json_object_get(root, "settings"), 1);
    assert_true(json_is_null(json_object_get(unknown, "value")));
    json_decref(root);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_no_has_a_reason),
        cmocka_unit_test(without_privilege_answers_change),
        cmocka_unit_test(a_missing_proc_is_an_error),
        cmocka_unit_test(an_empty_proc_has_nothing),
        cmocka_unit_test(geometry_is_plausible),
        cmocka_unit_test(settings_show_the_chosen_word),
        cmocka_unit_test(doctor_table_reads_well),
        cmocka_unit_test(doctor_json_is_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
