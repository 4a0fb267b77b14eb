/* The scenario language: every statement is read and written again. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/buf.h"
#include "model/path.h"
#include "parsed.h"

/* What comes before the statement under test, so that its names exist. */
#define SETTING                                                                                    \
    "needs swap\n"                                                                                 \
    "file f 64K\n"                                                                                 \
    "open fd f rw\n"                                                                               \
    "map a 64K rw private anon\n"                                                                  \
    "map b 64K rw shared fd fd\n"                                                                  \
    "malloc p 4K\n"                                                                                \
    "fork child\n"

static struct script *last(const char *line, struct statement **st)
{
    char text[1024];
    snprintf(text, sizeof text, "%s%s\n", SETTING, line);
    struct script *s = good(text);
    *st = &s->v[s->count - 1];
    return s;
}

/* ---- every form, as it is written and as it comes out ---- */

static const struct {
    const char *in, *out; /* out NULL: the same */
} forms[] = {
    {"title \"x\"", NULL},
    {"about \"a \\\"b\\\" \\\\ c\\n\"", NULL},
    {"note  \"x\"", "note \"x\""},
    {"pause", NULL},
    {"needs kernel 6.15", NULL},
    {"file g 0", NULL},
    {"file g 4097", NULL},
    {"file g 16384 tmpfs", "file g 16K tmpfs"},
    {"file g 2M hugetlbfs", NULL},
    {"file g 4K memfd", NULL},
    {"file g 4K append-only", NULL},
    {"file g 4K secret", NULL},
    {"open d f r", NULL},
    {"open d f w", NULL},
    {"open d f rw", NULL},
    {"open d f append", NULL},
    {"open d f path", NULL},
    {"open d \"/dev/null\" r", NULL},
    {"close fd", NULL},
    {"pipe d", NULL},
    {"pipe d w", NULL},
    {"truncate fd 32K", NULL},
    {"truncate fd 0", NULL},
    {"directory d", NULL},
    {"map c 0x4000 r private", "map c 16K r private"},
    {"map c 4K none shared_validate fd fd offset 4096", "map c 4K none shared_validate fd fd offset 4K"},
    {"map c 20T rwx type=12 anon", NULL},
    {"map c 4M rw private hugetlb=2M anon", "map c 4M rw private anon hugetlb=2M"},
    {"map c 4M rw private anon hugetlb", NULL},
    {"map c 4K rx shared anon populate nonblock locked noreserve growsdown stack sync droppable",
     NULL},
    {"map c 4K wx private fd 12345", NULL},
    {"map c 4K x private fd -1", NULL},
    {"map c 0 rw private anon fixed 0x10000000", NULL},
    {"map c 4K rw private anon fixed_noreplace 4097", "map c 4K rw private anon fixed_noreplace 0x1001"},
    {"map c 4K rw private anon flags=0x800000", NULL},
    {"map c 4K rw private anon compat", NULL},
    {"map c 4K rw private anon compat=old", NULL},
    {"map c 0xffffffffffffffff rw private anon", NULL},
    {"unmap a[0:2]", NULL},
    {"cut a 4K", NULL},
    {"protect a rx", NULL},
    {"advise a[3] dontneed", NULL},
    {"advise a MADV_POPULATE_READ", "advise a populate-read"},
    {"advise a guard_install", "advise a guard-install"},
    {"advise a 999", NULL},
    {"lock a", NULL},
    {"lock a[1] onfault", NULL},
    {"unlock a[0:16]", NULL},
    {"lockall current future", NULL},
    {"lockall onfault current", "lockall current onfault"},
    {"remap a 128K maymove", NULL},
    {"remap a 4K", NULL},
    {"sync b", NULL},
    {"remap-file b[2] 7", NULL},
    {"remap-file b[2] 7 r", NULL},
    {"remap-file b[2] 7 none", "remap-file b[2] 7"},
    {"brk +4K", NULL},
    {"brk -1", NULL},
    {"malloc q 200000", NULL},
    {"free p", NULL},
    {"grow-stack 800K", NULL},
    {"read a[0:1]", "read a[0]"},
    {"write a", NULL},
    {"write a 0x5a", "write a 90"},
    {"exec a[0]", NULL},
    {"exec a[0] 1024", "exec a[0] 0x400"},
    {"exec a[0] 0x10", "exec a[0]"},
    {"race a[0:2] 7", NULL},
    {"child: race a", NULL},
    {"sysread a", NULL},
    {"syswrite a[0] fd", NULL},
    {"vmread child:a[2:4]", NULL},
    {"vmwrite child:a", NULL},
    {"memread child:a", NULL},
    {"memwrite child:a[0]", NULL},
    {"evict f", NULL},
    {"clear-refs 1", NULL},
    {"uffd a wp", NULL},
    {"uffd a missing", NULL},
    {"uffd a[1] kill", NULL},
    {"fork grandchild", NULL},
    {"wait child", NULL},
    {"child: exit", NULL},
    {"child:write a", "child: write a"},
    {"main: read a", NULL},
    {"kill child SIGKILL", NULL},
    {"region heap \"[heap]\"", NULL},
    {"region odd at 0x8000000000000000 4K", NULL},
    {"region under below a 64K", NULL},
    {"special e epoll", NULL},
    {"special e eventfd", NULL},
    {"special e socket", NULL},
    {"resource as 1G", NULL},
    {"resource memlock 0", NULL},
    {"become nobody", NULL},
    {"seal f write", NULL},
    {"swapoff", NULL},
    {"seal f append", NULL},
    {"seal-map a[1]", NULL},
    {"kernel-array k 8M", NULL},
    {"expect ok", NULL},
    {"expect errno EOPNOTSUPP", NULL},
    {"expect errno ENOTSUP", "expect errno EOPNOTSUPP"},
    {"expect signal SIGBUS", NULL},
    {"expect signal SIGSEGV SEGV_ACCERR", NULL},
    {"expect signal SIGSEGV SI_KERNEL", NULL},
    {"expect faults 3", NULL},
    {"expect minor == 3", "expect minor 3"},
    {"expect major>=1", "expect major >= 1"},
    {"expect path do_wp_page copy", NULL},
    {"expect path bad_area x 0", NULL},
    {"expect path do_read_fault x < 4", NULL},
    {"expect observed do_anonymous_page", NULL},
    {"expect observed shmem_get_folio_gfp x 2", NULL},
    {"expect a anon == 4,absent!=1", "expect a anon 4, absent != 1"},
    {"expect child:a[0:8] present > 1, file <= 2, shmem 0, zero 0, huge-zero 0, swapped 0, ksm 0, "
     "hugetlb 0",
     NULL},
    {"expect a exclusive 1, shared 0, cow 0, pmd-mapped 0, locked 0, dirty 1, guard 0", NULL},
    {"expect a regions 1", NULL},
    {"expect a vmflag ht", NULL},
    {"expect a no-vmflag sh", NULL},
    {"expect a perms ---p", NULL},
    {"expect a name \"/dev/zero (deleted)\"", NULL},
    {"expect a[0] mapcount 2", NULL},
    {"expect a[15] order >= 4", NULL},
    {"expect a[0] byte 0x41", "expect a[0] byte 65"},
    {"expect file f[3] byte != 0", NULL},
    {"expect file f size 64K", NULL},
    {"expect a size >= 2M", NULL},
    {"expect a[1] offset 28K", NULL},
    {"expect b offset != 0", NULL},
    {"expect a smaps Referenced 4K", NULL},
    {"expect a smaps Pss <= 16K", NULL},
    {"expect same-frame a[1] child:a[1]", NULL},
    {"expect different-frame a[1] b[1]", NULL},
    {"expect bytes 8K", NULL},
    {"expect bytes >= 4096", "expect bytes >= 4K"},
    {"expect new-frame a[0]", NULL},
    {"expect kept-frame child:a[0]", NULL},
    {"expect rss +64K", NULL},
    {"expect anon-rss >= -4096", "expect anon-rss >= -4K"},
    {"expect file-rss +0", NULL},
    {"expect shmem-rss 0", "expect shmem-rss +0"},
    {"expect swap +1", NULL},
    {"expect vmpte +4K", NULL},
    {"expect data +4K", NULL},
    {"expect stack > +4K", NULL},
    {"expect min-flt +16", NULL},
    {"main: expect maj-flt 0", "main: expect maj-flt +0"},
    {"expect hugepages free -2", NULL},
    {"expect hugepages rsvd >= +1", NULL},
    {"expect hugepages surp 0", "expect hugepages surp +0"},
    {"expect vmalloc +8M", NULL},
    {"expect pagetables >= +0", NULL},
    {"expect kernelstack +256K", NULL},
    {"child: expect faults 1", NULL},
    {"until a ksm 12", NULL},
    {"until a anon 1, absent 3 within 10", NULL},
};

/* Without places, and with text in place of where it lies. */
static struct statement bare(const struct statement *st)
{
    struct statement b = *st;
    b.at = b.target.at = b.expect.a.at = b.expect.b.at = (struct place){0};
    b.text = b.expect.text = NULL;
    return b;
}

static void assert_same_text(const char *a, const char *b)
{
    assert_string_equal(a ? a : "(none)", b ? b : "(none)");
}

static void assert_same_scripts(const struct script *a, const struct script *b)
{
    assert_int_equal(a->count, b->count);
    assert_string_equal(a->title, b->title);
    assert_string_equal(a->about, b->about);
    for (size_t i = 0; i < a->count; i++) {
        struct statement x = bare(&a->v[i]), y = bare(&b->v[i]);
        assert_memory_equal(&x, &y, sizeof x);
        assert_same_text(a->v[i].text, b->v[i].text);
        assert_same_text(a->v[i].expect.text, b->v[i].expect.text);
        assert_int_equal(a->v[i].at.line, b->v[i].at.line);
    }
}

static void test_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct statement *st, *again;
        struct buf out = {0}, second = {0};
        struct script *s = last(forms[i].in, &st), *t;
        statement_format(st, &out);
        assert_string_equal(out.data, forms[i].out ? forms[i].out : forms[i].in);
        t = last(out.data, &again);
        statement_format(again, &second);
        assert_string_equal(second.data, out.data);
        assert_same_scripts(s, t);
        script_destroy(s);
        script_destroy(t);
        buf_deinit(&out);
        buf_deinit(&second);
    }
}

/* No statement of the language is left out above. */
static void test_forms_are_complete(void **state)
{
    (void)state;
    bool seen[ST_N] = {[ST_REPEAT] = true, [ST_END] = true}, expected[EX_N] = {0};
    seen[ST_NEEDS] = true;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct statement *st;
        struct script *s = last(forms[i].in, &st);
        seen[st->kind] = true;
        if (st->kind == ST_EXPECT)
            expected[st->expect.kind] = true;
        script_destroy(s);
    }
    for (int i = 0; i < ST_N; i++)
        if (!seen[i])
            fail_msg("no test of %s", statement_name((enum statement_kind)i));
    for (int i = 0; i < EX_N; i++)
        if (!expected[i])
            fail_msg("no test of expectation %d", i);
}

/* ---- what is read ---- */

static void test_needs(void **state)
{
    (void)state;
    struct script *s = good("needs root\nneeds swap\nneeds hugetlb 4\nneeds thp\nneeds ksm\n"
                            "needs kernel 6.15\nneeds pfn\nneeds compat\n");
    static const enum need_kind kinds[] = {NEED_ROOT, NEED_SWAP,   NEED_HUGETLB, NEED_THP,
                                           NEED_KSM,  NEED_KERNEL, NEED_PFN,     NEED_COMPAT};
    assert_int_equal(s->count, 8);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(s->v[i].need.kind, kinds[i]);
    assert_int_equal(s->v[2].need.pages, 4);
    assert_int_equal(s->v[5].need.major, 6);
    assert_int_equal(s->v[5].need.minor, 15);
    script_destroy(s);
}

static void test_map(void **state)
{
    (void)state;
    struct statement *st;
    struct script *s = last("child: map c 2M rwx shared fd fd offset 0x2000 hugetlb=2M locked", &st);
    assert_int_equal(st->kind, ST_MAP);
    assert_string_equal(st->process, "child");
    assert_true(st->prefixed);
    assert_string_equal(st->name, "c");
    assert_int_equal(st->map.size, 2097152);
    assert_int_equal(st->map.prot, PROT_READ | PROT_WRITE | PROT_EXEC);
    assert_int_equal(st->map.sharing, SHARING_SHARED);
    assert_string_equal(st->map.fd, "fd");
    assert_false(st->map.fd_number);
    assert_int_equal(st->map.offset, 8192);
    assert_true(st->map.hugetlb && st->map.locked && !st->map.populate && !st->map.anon);
    assert_int_equal(st->map.huge_size, 2097152);
    script_destroy(s);
    s = last("map c 4K rw private fd 12345", &st);
    assert_true(st->map.fd_number);
    assert_int_equal(st->map.number, 12345);
    script_destroy(s);
    s = last("map c 4K rw type=4 anon fixed 0x7000", &st);
    assert_int_equal(st->map.sharing, SHARING_TYPE);
    assert_int_equal(st->map.type, 4);
    assert_true(st->map.fixed && !st->map.fixed_noreplace);
    assert_int_equal(st->map.address, 0x7000);
    script_destroy(s);
    s = last("map c 4K r private fd fd offset 0xfffffffffffff000", &st);
    assert_true(st->map.offset == -4096);
    script_destroy(s);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } sizes[] = {
        {"0", 0},           {"4096", 4096},       {"16K", 16384},
        {"2M", 1 << 21},    {"1G", 1 << 30},      {"20T", 20ULL << 40},
        {"0x1000", 0x1000}, {"0x10K", 16 * 1024}, {"18446744073709551615", UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char line[64];
        struct statement *st;
        snprintf(line, sizeof line, "remap a %s", sizes[i].text);
        struct script *s = last(line, &st);
        assert_true(st->size == sizes[i].bytes);
        script_destroy(s);
    }
}

static void test_words_are_the_kernels(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int number;
    } lines[] = {
        {"advise a dontneed", MADV_DONTNEED},     {"advise a free", MADV_FREE},
        {"advise a MADV_REMOVE", MADV_REMOVE},    {"advise a mergeable", MADV_MERGEABLE},
        {"advise a hugepage", MADV_HUGEPAGE},     {"advise a pageout", MADV_PAGEOUT},
        {"advise a willneed", MADV_WILLNEED},     {"advise a random", MADV_RANDOM},
        {"advise a populate-write", MADV_POPULATE_WRITE},
        {"advise a wipeonfork", MADV_WIPEONFORK}, {"advise a 12345", 12345},
        {"kill child SIGTERM", SIGTERM},          {"kill child SIGKILL", SIGKILL},
        {"resource stack 8M", RLIMIT_STACK},      {"resource nofile 8", RLIMIT_NOFILE},
        {"write a", -1},                          {"write a 200", 200},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct statement *st;
        struct script *s = last(lines[i].line, &st);
        assert_int_equal(st->number, lines[i].number);
        script_destroy(s);
    }
    struct statement *st;
    struct script *s = last("open d f append", &st);
    assert_int_equal(st->flags, O_RDWR | O_APPEND);
    script_destroy(s);
    s = last("lockall current future", &st);
    assert_int_equal(st->flags, MCL_CURRENT | MCL_FUTURE);
    script_destroy(s);
}

static void test_targets(void **state)
{
    (void)state;
    struct statement *st;
    struct script *s = last("expect same-frame child:a[3] a[4]", &st);
    assert_string_equal(st->expect.a.process, "child");
    assert_string_equal(st->expect.a.name, "a");
    assert_true(st->expect.a.ranged);
    assert_int_equal(st->expect.a.first, 3);
    assert_int_equal(st->expect.a.end, 4);
    assert_int_equal(st->expect.a.at.line, 8);
    assert_int_equal(st->expect.a.at.column, 19);
    assert_string_equal(st->expect.b.process, "");
    assert_int_equal(st->expect.b.first, 4);
    script_destroy(s);
    s = last("read a[0:16]", &st);
    assert_int_equal(st->target.first, 0);
    assert_int_equal(st->target.end, 16);
    assert_string_equal(st->process, "main");
    assert_false(st->prefixed);
    script_destroy(s);
    s = last("read a", &st);
    assert_false(st->target.ranged);
    script_destroy(s);
}

static void test_expectations(void **state)
{
    (void)state;
    struct statement *st;
    struct script *s = last("expect a anon 4, absent >= 12", &st);
    assert_int_equal(st->expect.kind, EX_PAGES);
    assert_int_equal(st->expect.state_count, 2);
    assert_int_equal(st->expect.states[0].state, PAGES_ANON);
    assert_int_equal(st->expect.states[0].op, CMP_EQ);
    assert_int_equal(st->expect.states[0].n, 4);
    assert_int_equal(st->expect.states[1].state, PAGES_ABSENT);
    assert_int_equal(st->expect.states[1].op, CMP_GE);
    assert_int_equal(st->expect.states[1].n, 12);
    script_destroy(s);
    s = last("expect path do_wp_page reuse x 3", &st);
    assert_int_equal(st->expect.path, PATH_WP);
    assert_int_equal(st->expect.how, HOW_REUSE);
    assert_int_equal(st->expect.n, 3);
    script_destroy(s);
    s = last("expect path do_wp_page", &st);
    assert_int_equal(st->expect.how, HOW_NONE);
    assert_int_equal(st->expect.n, -1);
    script_destroy(s);
    s = last("expect observed do_swap_page", &st);
    assert_int_equal(st->expect.path, PATH_SWAP);
    script_destroy(s);
    s = last("expect observed filemap_fault", &st);
    assert_int_equal(st->expect.path, PATH_UNKNOWN);
    assert_string_equal(st->expect.text, "filemap_fault");
    script_destroy(s);
    s = last("expect signal SIGBUS BUS_ADRERR", &st);
    assert_int_equal(st->expect.number, SIGBUS);
    assert_int_equal(st->expect.code, BUS_ADRERR);
    script_destroy(s);
    s = last("expect anon-rss <= -64K", &st);
    assert_int_equal(st->expect.kind, EX_COUNTER);
    assert_int_equal(st->expect.which, COUNTER_ANON_RSS);
    assert_int_equal(st->expect.op, CMP_LE);
    assert_int_equal(st->expect.n, -65536);
    script_destroy(s);
}

static void test_comparisons(void **state)
{
    (void)state;
    static const struct {
        enum compare op;
        bool below, same, above; /* of found, to wanted */
    } rows[] = {
        {CMP_EQ, false, true, false}, {CMP_NE, true, false, true}, {CMP_LT, true, false, false},
        {CMP_LE, true, true, false},  {CMP_GT, false, false, true}, {CMP_GE, false, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(compare_holds(rows[i].op, -5, 3), rows[i].below);
        assert_int_equal(compare_holds(rows[i].op, 3, 3), rows[i].same);
        assert_int_equal(compare_holds(rows[i].op, 4, 3), rows[i].above);
    }
}

static void test_title_and_about(void **state)
{
    (void)state;
    struct script *s = good("# first\ntitle \"A\"\r\nabout \"one\"\nabout \"two\"\n");
    assert_string_equal(s->title, "A");
    assert_string_equal(s->about, "one two");
    assert_int_equal(s->v[0].at.line, 2);
    script_destroy(s);
    s = good("");
    assert_string_equal(s->title, "");
    assert_int_equal(s->count, 0);
    script_destroy(s);
}

static void test_repeat(void **state)
{
    (void)state;
    struct script *s = good(SETTING "repeat 2\nread a\nrepeat 3\nwrite a\nend\nrepeat 4\nend\nend\n");
    const struct statement *v = s->v + 7;
    static const size_t match[] = {7, 0, 4, 0, 2, 6, 5, 0};
    assert_int_equal(s->count, 15);
    assert_int_equal(v[0].size, 2);
    for (size_t i = 0; i < 8; i++)
        if (v[i].kind == ST_REPEAT || v[i].kind == ST_END)
            assert_int_equal(v[i].match, match[i] + 7);
    script_destroy(s);
}

/* ---- the text as a whole ---- */

static void test_text_is_kept(void **state)
{
    (void)state;
    static const char source[] = "# a lesson\n"
                                 "  title   \"x # y\"   # why  \n"
                                 "\n"
                                 "\n"
                                 "map a 16384 rw private anon\n"
                                 "\trepeat 2# twice\n"
                                 "# inside\n"
                                 "read a[0:1]\n"
                                 "end\n"
                                 "   # the end";
    static const char formatted[] = "# a lesson\n"
                                    "title \"x # y\"  # why\n"
                                    "\n"
                                    "\n"
                                    "map a 16K rw private anon\n"
                                    "repeat 2  # twice\n"
                                    "    # inside\n"
                                    "    read a[0]\n"
                                    "end\n"
                                    "# the end\n";
    struct buf once = {0}, twice = {0};
    struct script *s = good(source);
    script_format(s, &once);
    assert_string_equal(once.data, formatted);
    struct script *t = good(once.data);
    script_format(t, &twice);
    assert_string_equal(twice.data, formatted);
    assert_same_scripts(s, t);
    script_destroy(s);
    script_destroy(t);
    buf_deinit(&once);
    buf_deinit(&twice);
}

/* Every word of the language may be a name, and what follows it tells which is meant. */
static void test_names_like_words(void **state)
{
    (void)state;
    static const char source[] = "file data 64K\nopen file data rw\nmap swap 64K rw shared fd file\n"
                                 "map path 4K rw private anon\nmap data 4K rw private anon\n"
                                 "fork ok\nwrite path\n"
                                 "expect path do_anonymous_page\nexpect path anon 1\n"
                                 "expect path[0] mapcount 1\nexpect data +4K\nexpect data size 4K\n"
                                 "expect data >= 0\nexpect swap 0\nexpect swap present <= 16\n"
                                 "expect file data[3] byte 3\nexpect ok\nexpect ok:path anon 0\n"
                                 "close file\nmap late 4K r private fd file\nexpect errno EBADF\n";
    static const enum expect_kind kinds[] = {
        EX_PATH, EX_PAGES, EX_MAPCOUNT, EX_COUNTER, EX_SIZE, EX_COUNTER, EX_COUNTER,
        EX_PAGES, EX_FILE_BYTE, EX_OK, EX_PAGES, EX_ERRNO};
    struct script *s = good(source);
    struct buf out = {0};
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->v[i].kind == ST_EXPECT)
            assert_int_equal(s->v[i].expect.kind, kinds[n++]);
    assert_int_equal(n, sizeof kinds / sizeof *kinds);
    script_format(s, &out);
    script_destroy(good(out.data));
    buf_deinit(&out);
    script_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_forms_are_complete),
        cmocka_unit_test(test_needs),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_words_are_the_kernels),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_title_and_about),
        cmocka_unit_test(test_repeat),
        cmocka_unit_test(test_text_is_kept),
        cmocka_unit_test(test_names_like_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
