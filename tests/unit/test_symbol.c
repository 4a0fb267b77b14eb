/* Sections and symbols: of this program, of the vDSO, of files deleted, replaced and hostile. */
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
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "probe/maps.h"
#include "probe/object.h"
#include "probe/symbol.h"

int symbol_test_function(int x);
int symbol_test_data[64] = {1, 2, 3};
const char symbol_test_text[100] = "read only";

__attribute__((noinline)) int symbol_test_function(int x)
{
    for (int i = 0; i < 63; i++)
        symbol_test_data[i + 1] += symbol_test_data[i] * x;
    return symbol_test_data[63];
}

static char dir[] = "/tmp/test_symbol.XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[64];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static struct region_table *own_maps(void)
{
    struct buf b = {0};
    struct region_table *t = NULL;
    assert_int_equal(io_read_at(AT_FDCWD, "/proc/self/maps", &b), 0);
    assert_int_equal(maps_parse(b.data, b.len, NULL, &t), 0);
    buf_deinit(&b);
    return t;
}

/* Asks about an address of this process. */
static struct symbol_answer ask(struct symbol_cache *c, const void *address, uint64_t len)
{
    struct symbol_answer a;
    int fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct region_table *maps = own_maps();
    const struct region *r = region_table_at(maps, (uintptr_t)address);
    assert_non_null(r);
    symbol_find(c, fd, r, (uintptr_t)address, len, &a);
    region_table_unref(maps);
    close(fd);
    return a;
}

static struct symbol_answer ask_once(const void *address, uint64_t len)
{
    struct symbol_cache *c = symbol_cache_create();
    assert_non_null(c);
    struct symbol_answer a = ask(c, address, len);
    symbol_cache_destroy(c);
    return a;
}

static const char *code(unsigned at)
{
    int (*f)(int) = symbol_test_function;
    uintptr_t address;
    memcpy(&address, &f, sizeof address);
    return (const char *)address + at;
}

static void code_has_section_and_symbol(void **state)
{
    (void)state;
    struct symbol_answer a = ask_once(code(0), 1);
    assert_string_equal(a.symbol, "symbol_test_function+0x0");
    assert_string_equal(a.section, ".text");
    assert_string_equal(a.why, "");
    a = ask_once(code(5), 1);
    assert_string_equal(a.symbol, "symbol_test_function+0x5");
}

static void data_has_section_and_symbol(void **state)
{
    (void)state;
    struct symbol_answer a = ask_once(&symbol_test_data[3], 4096);
    assert_string_equal(a.symbol, "symbol_test_data+0xc");
    assert_string_equal(a.section, ".data");
    a = ask_once(&symbol_test_text[4], 1);
    assert_string_equal(a.symbol, "symbol_test_text+0x4");
    assert_string_equal(a.section, ".rodata");
}

static void libraries_have_dynamic_symbols(void **state)
{
    (void)state;
    void *qsort_of_libc = dlsym(RTLD_NEXT, "qsort"); /* behind any sanitizer's own */
    assert_non_null(qsort_of_libc);
    struct symbol_answer a = ask_once(qsort_of_libc, 1);
    assert_string_equal(a.symbol, "qsort+0x0");
    assert_string_equal(a.section, ".text");
}

static void the_vdso_is_known(void **state)
{
    (void)state;
    uint64_t at = getauxval(AT_SYSINFO_EHDR);
    if (!at)
        skip();
    struct symbol_answer a = ask_once((const void *)(uintptr_t)at, 65536);
    assert_int_equal(a.section[0], '.');
    assert_string_not_equal(a.symbol, "");
    assert_string_equal(a.why, "");
}

static void other_memory_says_why_not(void **state)
{
    (void)state;
    int local = 0;
    assert_string_equal(ask_once(&local, 1).why, "no file is mapped here");
    void *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_string_equal(ask_once(shared, 1).why, "shared memory and hugetlb files hold no symbols");
    munmap(shared, 4096);
    int fd = open("/etc/passwd", O_RDONLY);
    void *file = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    assert_string_equal(ask_once(file, 1).why, "not an ELF file");
    munmap(file, 4096);
}

static void copy(const char *from, const char *to, size_t limit)
{
    struct buf b = {0};
    assert_int_equal(io_read_at(AT_FDCWD, from, &b), 0);
    int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(io_write(fd, b.data, b.len < limit ? b.len : limit), 0);
    close(fd);
    buf_deinit(&b);
}

static void *map_file(const char *path)
{
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    close(fd);
    return p;
}

/* Exit status of what a child without privilege finds. */
static int as_nobody(int (*check)(const void *), const void *arg)
{
    pid_t pid = fork();
    if (!pid) {
        if (geteuid() == 0 && (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
            _exit(99);
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        _exit(check(arg));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int is_known(const void *address)
{
    return ask_once(address, 4096).section[0] != '.';
}

static int is_deleted(const void *address)
{
    return !strstr(ask_once(address, 4096).why, "deleted");
}

static int is_replaced(const void *address)
{
    return !strstr(ask_once(address, 4096).why, "replaced");
}

static void deleted_and_replaced_files_are_told(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "%s", in_dir("lib"));
    copy("/bin/true", path, SIZE_MAX);
    void *p = map_file(path);
    assert_int_equal(as_nobody(is_known, p), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(as_nobody(is_deleted, p), 0);
    if (geteuid() == 0)
        assert_int_equal(is_known(p), 0); /* through map_files */

    char shown[80]; /* as maps names the deleted one */
    snprintf(shown, sizeof shown, "%s (deleted)", path);
    copy("/bin/false", shown, SIZE_MAX);
    assert_int_equal(as_nobody(is_replaced, p), 0);
    unlink(shown);
    assert_int_equal(mkfifo(shown, 0644), 0); /* must not block */
    assert_int_equal(as_nobody(is_known, p), 1);
    unlink(shown);
    munmap(p, 4096);
}

static void a_file_changed_in_place_is_read_anew(void **state)
{
    (void)state;
    struct symbol_cache *c = symbol_cache_create();
    char path[64];
    snprintf(path, sizeof path, "%s", in_dir("changed"));
    copy("/etc/passwd", path, SIZE_MAX);
    void *p = map_file(path);
    assert_string_equal(ask(c, p, 4096).why, "not an ELF file");
    copy("/bin/true", path, SIZE_MAX);
    assert_string_not_equal(ask(c, p, 4096).section, "");
    munmap(p, 4096);
    symbol_cache_destroy(c);
}

static void many_files_pass_through_the_cache(void **state)
{
    (void)state;
    struct symbol_cache *c = symbol_cache_create();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 12; i++) {
            char name[16];
            snprintf(name, sizeof name, "many%d", i);
            if (!round)
                copy("/bin/true", in_dir(name), SIZE_MAX);
            void *p = map_file(in_dir(name));
            assert_string_not_equal(ask(c, p, 4096).section, "");
            munmap(p, 4096);
        }
    }
    symbol_cache_destroy(c);
}

/* Everything that can be asked of a damaged object; must come back, and escaped. */
static void question(const struct object *o)
{
    static const uint64_t places[] = {0, 1, 4096, 0x1234, 0x10000, UINT64_MAX, INT64_MAX};
    char text[PAGE_DETAIL_TEXT_MAX];
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        uint64_t address = places[i];
        object_address(o, places[i], REGION_R, &address);
        object_section(o, address, 4096, text, sizeof text);
        assert_null(strpbrk(text, "\x1b\n"));
        object_symbol(o, address, 4096, text, sizeof text);
        assert_null(strpbrk(text, "\x1b\n"));
    }
    assert_true(object_bytes(o) > 0);
}

static void truncated_files_do_no_harm(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "%s", in_dir("cut"));
    copy("/bin/true", path, SIZE_MAX);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    int fd = open(path, O_RDWR);
    for (off_t size = st.st_size; size >= 0; size -= size > 300 ? 97 : 1) {
        struct object *o = NULL;
        const char *why = NULL;
        assert_int_equal(ftruncate(fd, size), 0);
        int rc = object_read(fd, &o, &why);
        assert_true(rc == 0 ? o != NULL : rc == -ENOEXEC && why);
        if (!rc)
            question(o);
        object_destroy(o);
    }
    close(fd);
}

static unsigned random_below(unsigned n)
{
    static uint64_t x = 88172645463325252u; /* xorshift: the same run every time */
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (unsigned)(x % n);
}

static void corrupted_images_do_no_harm(void **state)
{
    (void)state;
    struct buf image = {0};
    assert_int_equal(io_read_at(AT_FDCWD, "/bin/true", &image), 0);
    char *bent = malloc(image.len);
    assert_non_null(bent);
    unsigned read = 0, size = (unsigned)image.len;
    for (unsigned i = 0; i < 3000; i++) {
        memcpy(bent, image.data, size);
        for (unsigned k = 0; k < 1 + i % 16; k++) {
            /* Mostly in the header and the tables at both ends. */
            unsigned where = random_below(4);
            unsigned at = where == 0   ? random_below(64)
                          : where == 1 ? random_below(1024)
                          : where == 2 ? size - 1 - random_below(2048)
                                       : random_below(size);
            bent[at] = (char)random_below(256);
        }
        struct object *o = NULL;
        const char *why = NULL;
        if (!object_read_image(bent, size - random_below(2) * random_below(size), &o, &why)) {
            question(o);
            read++;
        } else {
            assert_non_null(why);
        }
        object_destroy(o);
    }
    assert_true(read > 100); /* the test still gets past the header */
    free(bent);
    buf_deinit(&image);
}

/* A header that promises more than any file should have must not cost memory. */
static void huge_sparse_files_are_refused(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "%s", in_dir("sparse"));
    copy("/bin/true", path, SIZE_MAX);
    int fd = open(path, O_RDWR);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    static const struct {
        off_t at;
        uint16_t value;
    } changes[] = {{60, 0}, {56, 0xffff}}; /* e_shnum, e_phnum of a 64-bit header */
    for (size_t i = 0; i < 2; i++) {
        uint16_t before;
        struct object *o = NULL;
        const char *why = NULL;
        assert_int_equal(pread(fd, &before, 2, changes[i].at), 2);
        assert_int_equal(pwrite(fd, &changes[i].value, 2, changes[i].at), 2);
        assert_int_equal(object_read(fd, &o, &why), -ENOEXEC);
        assert_int_equal(pwrite(fd, &before, 2, changes[i].at), 2);
    }
    close(fd);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? chmod(dir, 0755) : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char name[16];
    unlink(in_dir("cut"));
    unlink(in_dir("changed"));
    unlink(in_dir("sparse"));
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "many%d", i);
        unlink(in_dir(name));
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_has_section_and_symbol),
        cmocka_unit_test(data_has_section_and_symbol),
        cmocka_unit_test(libraries_have_dynamic_symbols),
        cmocka_unit_test(the_vdso_is_known),
        cmocka_unit_test(other_memory_says_why_not),
        cmocka_unit_test(deleted_and_replaced_files_are_told),
        cmocka_unit_test(a_file_changed_in_place_is_read_anew),
        cmocka_unit_test(many_files_pass_through_the_cache),
        cmocka_unit_test(truncated_files_do_no_harm),
        cmocka_unit_test(corrupted_images_do_no_harm),
        cmocka_unit_test(huge_sparse_files_are_refused),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
