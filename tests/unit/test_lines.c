/* Functions and source lines: of this program, of copies of it that were stripped, split or
 * deleted, of the vDSO, and of code that a JIT compiler made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "probe/lines.h"
#include "probe/lines_parts.h"
#include "probe/mapped.h"

int lines_test_function(int x);
int lines_test_sum;

enum { FUNCTION_LINE = __LINE__ + 1 };
__attribute__((noinline)) int lines_test_function(int x)
{
    for (int i = 0; i < 63; i++)
        lines_test_sum += x * i;
    return lines_test_sum;
}

/* Not among the dynamic symbols, so that stripping takes its name. */
static __attribute__((noinline)) int lines_test_hidden(int x)
{
    for (int i = 0; i < 31; i++)
        lines_test_sum -= x * i;
    return lines_test_sum;
}

static char dir[] = "/tmp/test_lines.XXXXXX";

static uintptr_t address_of(int (*f)(int))
{
    uintptr_t a;
    memcpy(&a, &f, sizeof a);
    return a;
}

static struct line_answer ask(struct lines *l, uintptr_t ip)
{
    struct line_answer a;
    struct region_table *own = NULL;
    int fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(mapped_own_regions(&own), 0);
    const struct region *r = region_table_at(own, ip);
    assert_non_null(r);
    lines_find(l, fd, getpid(), r, ip, &a);
    region_table_unref(own);
    close(fd);
    assert_true((a.symbol[0] && a.source[0]) == !a.why[0]);
    return a;
}

static struct line_answer ask_once(uintptr_t ip)
{
    struct lines *l = lines_create();
    assert_non_null(l);
    struct line_answer a = ask(l, ip);
    lines_destroy(l);
    return a;
}

static void assert_line(const char *source, int first, int last)
{
    int line = 0;
    assert_int_equal(sscanf(source, "test_lines.c:%d", &line), 1);
    assert_in_range(line, first, last);
}

static void code_has_function_and_line(void **state)
{
    (void)state;
    uintptr_t f = address_of(lines_test_function);
    struct lines *l = lines_create();
    struct line_answer a = ask(l, f);
    assert_string_equal(a.symbol, "lines_test_function+0x0");
    assert_line(a.source, FUNCTION_LINE, FUNCTION_LINE + 5);
    a = ask(l, f + 4);
    assert_string_equal(a.symbol, "lines_test_function+0x4");
    assert_line(a.source, FUNCTION_LINE, FUNCTION_LINE + 5);
    lines_destroy(l);
    lines_destroy(NULL);
}

/* Runs a command with "@" standing for the directory. */
static void run(const char *command)
{
    char line[1024];
    size_t len = 0;
    for (const char *p = command; *p && len + sizeof dir < sizeof line; p++)
        len += (size_t)snprintf(line + len, sizeof line - len, *p == '@' ? "%s" : "%.1s",
                                *p == '@' ? dir : p);
    assert_int_equal(system(line), 0);
}

/* A copy of this program, in the directory. */
static void copy_self(const char *name)
{
    char own[4096], line[4200];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    assert_true(n > 0);
    own[n] = '\0';
    snprintf(line, sizeof line, "cp '%s' %s/%s", own, dir, name);
    assert_int_equal(system(line), 0);
}

/* Maps a copy and answers where the byte of one of our functions lies in it. */
struct copy {
    char *p;
    size_t size;
};

static struct copy map_copy(const char *name)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && !fstat(fd, &st));
    struct copy c = {.size = (size_t)st.st_size};
    c.p = mmap(NULL, c.size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(c.p, MAP_FAILED);
    close(fd);
    return c;
}

static uintptr_t in_copy(const struct copy *c, int (*f)(int))
{
    struct region_table *own = NULL;
    assert_int_equal(mapped_own_regions(&own), 0);
    const struct region *r = region_table_at(own, address_of(f));
    uintptr_t at = (uintptr_t)c->p + r->offset + (address_of(f) - r->start);
    region_table_unref(own);
    return at;
}

static struct line_answer ask_copy(const char *name, int (*f)(int))
{
    struct copy c = map_copy(name);
    struct line_answer a = ask_once(in_copy(&c, f));
    munmap(c.p, c.size);
    return a;
}

static void stripped_files_say_why(void **state)
{
    (void)state;
    copy_self("stripped");
    run("strip -g @/stripped");
    struct line_answer a = ask_copy("stripped", lines_test_hidden);
    assert_string_equal(a.symbol, "lines_test_hidden+0x0");
    assert_string_equal(a.source, "");
    assert_non_null(strstr(a.why, "no debug information"));
    run("strip @/stripped");
    a = ask_copy("stripped", lines_test_hidden);
    assert_string_equal(a.symbol, "");
    assert_non_null(strstr(a.why, "no debug information"));
}

static void debug_information_is_found_by_its_link(void **state)
{
    (void)state;
    copy_self("split");
    run("objcopy --only-keep-debug @/split @/split.debug && strip @/split && "
        "cd @ && objcopy --add-gnu-debuglink=split.debug split");
    struct line_answer a = ask_copy("split", lines_test_hidden);
    assert_string_equal(a.symbol, "lines_test_hidden+0x0");
    assert_line(a.source, FUNCTION_LINE + 7, FUNCTION_LINE + 15);
    run("mkdir @/.debug && mv @/split.debug @/.debug");
    assert_line(ask_copy("split", lines_test_function).source, FUNCTION_LINE, FUNCTION_LINE + 5);
    run("cp /bin/true @/.debug/split.debug"); /* another program's */
    assert_string_equal(ask_copy("split", lines_test_function).source, "");
    run("rm -r @/.debug");
}

static void without_a_build_id_the_checksum_decides(void **state)
{
    (void)state;
    copy_self("plain");
    run("exec 2>/dev/null; objcopy --remove-section=.note.gnu.build-id @/plain && "
        "objcopy --only-keep-debug @/plain @/plain.debug && strip @/plain && "
        "cd @ && objcopy --add-gnu-debuglink=plain.debug plain");
    assert_line(ask_copy("plain", lines_test_function).source, FUNCTION_LINE, FUNCTION_LINE + 5);
    run("echo >>@/plain.debug");
    assert_string_equal(ask_copy("plain", lines_test_function).source, "");
}

static void compressed_information_is_read(void **state)
{
    (void)state;
    copy_self("small");
    run("objcopy --compress-debug-sections @/small");
    assert_line(ask_copy("small", lines_test_function).source, FUNCTION_LINE, FUNCTION_LINE + 5);
}

static void deleted_files_are_still_read(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    copy_self("deleted");
    struct copy c = map_copy("deleted");
    run("rm @/deleted");
    struct line_answer a = ask_once(in_copy(&c, lines_test_function));
    assert_string_equal(a.symbol, "lines_test_function+0x0");
    assert_line(a.source, FUNCTION_LINE, FUNCTION_LINE + 5);
    munmap(c.p, c.size);
}

static void libraries_have_debug_files_by_build_id(void **state)
{
    (void)state;
    void *f = dlsym(RTLD_NEXT, "qsort");
    assert_non_null(f);
    struct line_answer a = ask_once((uintptr_t)f);
    assert_int_equal(strncmp(a.symbol, "qsort", 5) && strncmp(a.symbol, "__GI_qsort", 10), 0);
    assert_true(a.source[0] ? strchr(a.source, ':') != NULL : a.why[0] != '\0'); /* no libc6-dbg */
}

static void the_vdso_has_functions(void **state)
{
    (void)state;
    uintptr_t at = getauxval(AT_SYSINFO_EHDR);
    if (!at)
        skip();
    char *sym = dlsym(dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD), "__vdso_clock_gettime");
    struct line_answer a = ask_once(sym ? (uintptr_t)sym : at);
    assert_string_equal(a.source, "");
    assert_true(a.why[0]);
    if (sym)
        assert_non_null(strstr(a.symbol, "clock_gettime"));
}

static void write_map(const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%d.map", getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(io_write(fd, text, strlen(text)), 0);
    close(fd);
}

static void name_code(int sharing)
{
    char text[512], path[64];
    char *code = mmap(NULL, 8192, PROT_READ | PROT_EXEC, sharing | MAP_ANONYMOUS, -1, 0);
    uintptr_t at = (uintptr_t)code;
    struct lines *l = lines_create();
    assert_non_null(strstr(ask(l, at).why, "perf-PID.map"));
    lines_destroy(l);
    snprintf(text, sizeof text,
             "%lx 40 old\nnonsense\n%lx 40 Lazy:~add \x1b[1m t.js:1\n%lx 10 next\n", (long)at,
             (long)at, (long)at + 0x40);
    write_map(text);
    l = lines_create();
    struct line_answer a = ask(l, at + 0x10);
    assert_string_equal(a.symbol, "Lazy:~add \\x1b[1m t.js:1+0x10");
    assert_string_equal(a.source, "");
    assert_non_null(strstr(a.why, "JIT"));
    assert_string_equal(ask(l, at + 0x48).symbol, "next+0x8");
    assert_string_equal(ask(l, at + 0x50).symbol, "");
    lines_destroy(l);
    snprintf(path, sizeof path, "/tmp/perf-%d.map", getpid());
    if (geteuid() == 0) { /* anybody else's is not believed */
        assert_int_equal(chown(path, 1, 1), 0);
        assert_string_equal(ask_once(at).symbol, "");
    }
    unlink(path);
    munmap(code, 8192);
}

static void jit_code_is_named_by_its_map(void **state)
{
    (void)state;
    name_code(MAP_PRIVATE);
    name_code(MAP_SHARED);
}

static void what_is_no_code_says_why(void **state)
{
    (void)state;
    int local = 0;
    struct line_answer a = ask_once((uintptr_t)&local);
    assert_string_equal(a.why, "no file is mapped here");
}

static void many_files_pass_through_the_cache(void **state)
{
    (void)state;
    struct lines *l = lines_create();
    copy_self("many");
    for (unsigned round = 0; round < 40; round++) {
        run("cp @/many @/many.now && rm @/many && mv @/many.now @/many"); /* another inode */
        struct copy c = map_copy("many");
        struct line_answer a = ask(l, in_copy(&c, lines_test_function));
        assert_line(a.source, FUNCTION_LINE, FUNCTION_LINE + 5);
        munmap(c.p, c.size);
    }
    lines_destroy(l);
}

/* Damaged in many ways, a file is read or refused; nothing else. */
static void damaged_files_do_no_harm(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u;
    copy_self("whole");
    char path[64];
    struct buf whole = {0};
    snprintf(path, sizeof path, "%s/whole", dir);
    assert_int_equal(io_read_at(AT_FDCWD, path, &whole), 0);
    for (unsigned round = 0; round < 60; round++) {
        snprintf(path, sizeof path, "%s/damaged", dir);
        unlink(path);
        int fd = open(path, O_RDWR | O_CREAT, 0644);
        assert_int_equal(io_write(fd, whole.data, round % 3 ? whole.len
                                                            : whole.len * round / 60 + 1), 0);
        for (unsigned i = 0; i < 2000 && round % 3; i++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            pwrite(fd, &random, 1, (off_t)(random % whole.len | (round % 3 == 1 ? 4096 : 0)));
        }
        close(fd);
        struct copy c = map_copy("damaged");
        struct line_answer a = ask_once((uintptr_t)c.p + c.size / 2);
        assert_null(strpbrk(a.symbol, "\x1b\n"));
        assert_null(strpbrk(a.source, "\x1b\n"));
        munmap(c.p, c.size);
    }
    buf_deinit(&whole);
}

static int make_dir(void **state)
{
    (void)state;
    lines_test_hidden(lines_test_function(1));
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    run("rm -rf @");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_has_function_and_line),
        cmocka_unit_test(stripped_files_say_why),
        cmocka_unit_test(debug_information_is_found_by_its_link),
        cmocka_unit_test(without_a_build_id_the_checksum_decides),
        cmocka_unit_test(compressed_information_is_read),
        cmocka_unit_test(deleted_files_are_still_read),
        cmocka_unit_test(libraries_have_debug_files_by_build_id),
        cmocka_unit_test(the_vdso_has_functions),
        cmocka_unit_test(jit_code_is_named_by_its_map),
        cmocka_unit_test(what_is_no_code_says_why),
        cmocka_unit_test(many_files_pass_through_the_cache),
        cmocka_unit_test(damaged_files_do_no_harm),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
