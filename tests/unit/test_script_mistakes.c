/* The scenario language: every mistake is told where it is. */
#include <errno.h>

#include "base/buf.h"
#include "parsed.h"

#define A "map a 16K rw private anon\n"
#define F "file f 8K\nopen d f rw\n"
static const struct {
    const char *in;
    unsigned line, column, length;
    const char *text;
} mistakes[] = {
    /* words */
    {"wrte a", 1, 1, 4, "there is no statement \"wrte\"; did you mean \"write\"?"},
    {"frobnicate", 1, 1, 10, "there is no statement \"frobnicate\""},
    {"[a]", 1, 1, 1, "expected a statement, found \"[\""},
    {A "read a b", 2, 8, 1, "expected the end of the line, found \"b\""},
    {"map a 4K rw privat anon", 1, 13, 6,
     "expected how it is shared (private, shared or shared_validate), found \"privat\""},
    {"map a 4K rq private", 1, 10, 2,
     "expected a protection (none, r, w, x, rw, rx, wx or rwx), found \"rq\""},
    {"map a 4K rw private annon", 1, 21, 5,
     "expected an option of map, found \"annon\"; did you mean \"anon\"?"},
    {A "advise a dontned", 2, 10, 7,
     "expected an advice of madvise(2), found \"dontned\"; did you mean \"dontneed\"?"},
    {A "expect errno EINVL", 2, 14, 5,
     "expected the name of an error, found \"EINVL\"; did you mean \"EINVAL\"?"},
    {A "expect signal SIGSEVG", 2, 15, 7,
     "expected a signal, found \"SIGSEVG\"; did you mean \"SIGSEGV\"?"},
    {A "expect signal SIGBUS SEGV_MAPERR", 2, 22, 11, "SEGV_MAPERR belongs to SIGSEGV"},
    {A "expect path do_anonymos_page", 2, 13, 16,
     "expected the path of a fault, found \"do_anonymos_page\"; did you mean \"do_anonymous_page\"?"},
    {A "expect a anonn 3", 2, 10, 5,
     "expected a state of pages or a property of the mapping, found \"anonn\"; did you mean "
     "\"anon\"?"},
    {A "expect faultz 3", 2, 8, 6, "there is no mapping \"faultz\"; did you mean \"expect faults\"?"},
    {A "expect a vmflag zz", 2, 17, 2,
     "expected a flag of VmFlags in smaps, such as ht or lo, found \"zz\""},
    {A "expect a perms rwxq", 2, 16, 4,
     "expected permissions as in maps, such as rw-p, found \"rwxq\""},
    {A "expect a smaps Refernced 4K", 2, 16, 9,
     "expected a field of smaps, found \"Refernced\"; did you mean \"Referenced\"?"},
    {"needs roots", 1, 7, 5,
     "expected what is needed (root, swap, hugetlb, thp, ksm, kernel, pfn or compat), found "
     "\"roots\""},
    {A "uffd a kil", 2, 8, 3,
     "expected what userfaultfd is asked for (wp, missing or kill), found \"kil\""},
    {"file f 4K\nseal f all", 2, 8, 3, "expected what is sealed (write or append), found \"all\""},
    {"pipe p r", 1, 8, 1, "expected the end of the line, found \"r\""},
    {A "remap-file a[0] 1 q", 2, 19, 1,
     "expected a protection (none, r, w, x, rw, rx, wx or rwx), found \"q\""},
    {"open", 1, 5, 1, "expected a name for the descriptor, found the end of the line"},
    {"main: title \"x\"", 1, 1, 4, "\"title\" is not run by a process"},
    {A "until a regions 1", 2, 7, 1, "until waits for states of pages only"},
    /* sizes and numbers */
    {"map a 16k rw private anon", 1, 7, 3,
     "bad size \"16k\": sizes are written as 4096, 16K, 2M, 1G"},
    {"map a rw private anon", 1, 7, 2, "expected a size, found \"rw\""},
    {"file f 99999999999999999999", 1, 8, 20,
     "bad size \"99999999999999999999\": sizes are written as 4096, 16K, 2M, 1G"},
    {"file f 17179869184G", 1, 8, 12,
     "bad size \"17179869184G\": sizes are written as 4096, 16K, 2M, 1G"},
    {"brk 4K", 1, 5, 2, "expected a change, such as +64K, -4K or 0, found \"4K\""},
    {"brk +4k", 1, 5, 3, "bad change \"+4k\": write +64K, -4K or 0"},
    {A "write a 256", 2, 9, 3, "256 is too much: at most 255"},
    {A "write a 1x", 2, 9, 2, "bad number \"1x\": expected a byte"},
    {A "expect faults = 3", 2, 15, 1, "expected a number of faults, found \"=\""},
    {"needs kernel 6", 1, 14, 1, "expected a version, such as 6.15, found \"6\""},
    {"map a 4M rw private anon hugetlb=3M", 1, 34, 2, "the size of a huge page is a power of two"},
    {"repeat 0\nend", 1, 8, 1, "expected at least once"},
    /* strings and characters */
    {"title \"x", 1, 7, 2, "a string without its closing quote"},
    {"title x", 1, 7, 1, "expected a string in double quotes, found \"x\""},
    {"title \"a\\q\"", 1, 9, 2, "unknown escape: \\\", \\\\ and \\n are known"},
    {"pause # \x1b[31m", 1, 9, 1, "a character that cannot be shown"},
    {"pause # \xff", 1, 9, 1, "a character that cannot be shown"},
    {"note \"\xe2\x80\xae\"", 1, 7, 3, "a character that cannot be shown"},
    {"title \"a\"\ntitle \"b\"", 2, 1, 5, "there is a title already"},
    /* pages */
    {A "exec a[0] 4096", 2, 11, 4, "4096 is too much: at most 4095"},
    {A "race a 256", 2, 8, 3, "256 is too much: at most 255"},
    {F "truncate d 8192P", 3, 12, 5, "bad size \"8192P\": sizes are written as 4096, 16K, 2M, 1G"},
    {F "truncate d 0x8000000000000000", 3, 12, 18, "a file has at most 63 bits of bytes"},
    {A "read a[4]", 2, 6, 4, "\"a\" has 4 pages, numbered from 0 (line 1)"},
    {A "read  a[0:5]  # five", 2, 7, 6, "\"a\" has 4 pages, numbered from 0 (line 1)"},
    {A "read a[2:2]", 2, 10, 1, "no page is in a range from 2 to before 2"},
    {A "read a[1", 2, 9, 1, "expected ], found the end of the line"},
    {A "exec a", 2, 6, 1, "expected one page, such as a[0]"},
    {A "expect a[0:2] mapcount 1", 2, 8, 1, "expected one page, such as a[0]"},
    {"map a 4M rw private anon hugetlb=2M\nread a[2]", 2, 6, 4,
     "\"a\" has 2 pages, numbered from 0 (line 1)"},
    {A "remap a 4K\nread a[1]", 3, 6, 4, "\"a\" has 1 page, numbered from 0 (line 2)"},
    {F "truncate d 4K\nexpect file f[1] byte 0", 4, 13, 4, "\"f\" has 1 page, numbered from 0"},
    {F "truncate d 4K\nexpect errno EINVAL\nexpect file f[2] byte 0", 5, 13, 4,
     "\"f\" has 2 pages, numbered from 0"},
    {"file f 4K\nexpect file f[1] byte 0", 2, 13, 4, "\"f\" has 1 page, numbered from 0"},
    /* names */
    {"read a", 1, 6, 1, "there is no mapping \"a\" here: make one with \"map NAME ...\""},
    {"map alpha 4K r private anon\nread alhpa[0]", 2, 6, 8,
     "there is no mapping \"alhpa\"; did you mean \"alpha\"?"},
    {"truncate x 4K", 1, 10, 1,
     "there is no descriptor \"x\" here: make one with \"open NAME FILE rw\""},
    {A "syswrite a x", 2, 12, 1,
     "there is no descriptor \"x\" here: make one with \"open NAME FILE rw\""},
    {"map a 4K r private fd x", 1, 23, 1,
     "there is no descriptor \"x\" here: make one with \"open NAME FILE rw\""},
    {"open x f rw", 1, 8, 1, "there is no file \"f\" here: make one with \"file NAME SIZE\""},
    {"file f 4K\nfile f 4K", 2, 6, 1, "there is a file \"f\" already"},
    {A "child: read a", 2, 1, 5,
     "there is no process \"child\" here: make one with \"fork NAME\""},
    {A "fork c\nmap later 4K r private anon\nc: read later", 4, 9, 5,
     "there is no mapping \"later\" here: make one with \"map NAME ...\""},
    {A "fork c\nfork c", 3, 6, 1, "there is a process \"c\" already"},
    {A "fork c\nc: exit\nc: read a", 4, 1, 1, "the process \"c\" ended in line 3"},
    {A "fork c\nwait c\nexpect c:a absent 4", 4, 8, 1, "the process \"c\" ended in line 3"},
    {A "fork c\nwait c\nwait c", 4, 6, 1, "the process \"c\" ended in line 3"},
    {"wait main", 1, 6, 4, "a process cannot wait for itself"},
    {A "vmread a", 2, 8, 1, "expected whose mapping it is, as PROCESS:a"},
    {A "free a", 2, 6, 1, "\"a\" was not made by malloc: use unmap"},
    {"map file 4K r private anon\nexpect data present 1", 2, 13, 7,
     "expected a change, such as +64K, -4K or 0, found \"present\""},
    {"map data 4K r private anon\nexpect data 3", 2, 13, 1,
     "expected a change, such as +64K, -4K or 0, found \"3\""},
    {A "expect frames 3", 2, 8, 6,
     "nothing that can be expected is called \"frames\", and no mapping"},
    {A "read a\nexpect path do_wp_page cpoy", 3, 24, 4,
     "expected copy, reuse, x and a number, or the end of the line, found \"cpoy\""},
    {"map a 4K r private fd 1 offset 1\nexpect errno EINVAL\nread a", 3, 6, 1,
     "there is no mapping \"a\" here: make one with \"map NAME ...\""},
    /* order */
    {"expect ok", 1, 8, 2, "\"expect ok\" is about the statement before, and there is none"},
    {"note \"x\"\nexpect rss 0", 2, 8, 3,
     "\"expect rss\" is about the statement before, and there is none"},
    {"swapoff", 1, 1, 7,
     "swapoff ends the swap of the scenario: it begins with \"needs swap\""},
    {"main: swapoff", 1, 1, 4, "\"swapoff\" is not run by a process"},
    {A "needs root", 2, 7, 4, "what is needed stands before the first statement that acts"},
    {"repeat 2\npause", 1, 1, 6, "\"repeat\" without its \"end\""},
    {"repeat 2\nend\nend", 3, 1, 3, "\"end\" without a \"repeat\" before it"},
};

static void test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct script *s = NULL;
        struct script_error e = {0};
        if (parse(mistakes[i].in, &s, &e) != -EINVAL)
            fail_msg("no mistake found in:\n%s", mistakes[i].in);
        assert_null(s);
        assert_string_equal(e.text, mistakes[i].text);
        if (e.at.line != mistakes[i].line || e.at.column != mistakes[i].column ||
            e.length != mistakes[i].length)
            fail_msg("%s: at %u:%u, length %u", e.text, e.at.line, e.at.column, e.length);
    }
}

/* A mapping that fails on purpose leaves an older one of its name alone. */
static void test_failed_map_keeps_the_old_one(void **state)
{
    (void)state;
    script_destroy(good(A "map a 8M rw private fd 1\nexpect errno EBADF\nread a[3]\n"));
    struct script *s = NULL;
    struct script_error e = {0};
    assert_int_equal(parse(A "map a 8M rw private fd 1\nexpect errno EBADF\nread a[4]\n", &s, &e),
                     -EINVAL);
    assert_int_equal(e.at.line, 4);
}

static void test_caret(void **state)
{
    (void)state;
    static const char source[] = "title \"x\"\n\tmap\ta\t16k rw private\n";
    struct script *s = NULL;
    struct script_error e = {0};
    struct buf out = {0};
    assert_int_equal(parse(source, &s, &e), -EINVAL);
    script_error_show(&e, "dir/\x1b.vms", source, strlen(source), &out);
    assert_string_equal(out.data,
                        "dir/\\x1b.vms:2:8: bad size \"16k\": sizes are written as 4096, 16K, 2M, "
                        "1G\n"
                        "     map a 16k rw private\n"
                        "           ^^^\n");
    buf_deinit(&out);
}

/* Of a line that is too long to be read the part around the mistake is shown. */
static void test_caret_in_a_long_line(void **state)
{
    (void)state;
    struct buf source = {0}, out = {0};
    struct script *s = NULL;
    struct script_error e = {0};
    buf_puts(&source, "map a 4K rw private anon ");
    for (int i = 0; i < 3000; i++)
        buf_puts(&source, "populate ");
    buf_puts(&source, "annon ");
    for (int i = 0; i < 3000; i++)
        buf_puts(&source, "populate ");
    assert_int_equal(script_parse(source.data, source.len, &s, &e), -EINVAL);
    script_error_show(&e, "x.vms", source.data, source.len, &out);
    char *word = strstr(out.data, "    "), *line = word ? strchr(word, '\n') : NULL;
    char *caret = strchr(out.data, '^');
    assert_true(out.len < 500);
    assert_non_null(line);
    assert_non_null(caret);
    assert_memory_equal(caret, "^^^^^\n", 7);
    assert_memory_equal(word + (caret - line - 1), "annon", 5);
    buf_deinit(&out);
    buf_deinit(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_failed_map_keeps_the_old_one),
        cmocka_unit_test(test_caret),
        cmocka_unit_test(test_caret_in_a_long_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
