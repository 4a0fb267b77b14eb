/* libbpf, loaded when an engine is first opened: a snapshot does not pay for it. */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>

#include "probe/engine_bpf_parts.h"

static int say_nothing(enum libbpf_print_level level, const char *format, va_list ap)
{
    (void)level;
    (void)format;
    (void)ap;
    return 0;
}

static bool find_all(void *handle, struct libbpf *l)
{
#define LIBBPF_FIND(name)                                                                          \
    *(void **)&l->name = dlsym(handle, #name);                                                     \
    if (!l->name)                                                                                  \
        return false;
    LIBBPF_FUNCTIONS(LIBBPF_FIND)
#undef LIBBPF_FIND
    return true;
}

int libbpf_load(const struct libbpf **out, struct err *e)
{
    static struct libbpf loaded;
    if (!loaded.libbpf_set_print) {
        struct libbpf l;
        void *handle = dlopen("libbpf.so.1", RTLD_NOW | RTLD_LOCAL);
        if (!handle)
            return err_set(e, -ENOENT, "libbpf is not installed: install libbpf1");
        if (!find_all(handle, &l)) {
            dlclose(handle);
            return err_set(e, -ENOSYS, "this libbpf is too old: install libbpf 1.0 or later");
        }
        l.libbpf_set_print(say_nothing);
        loaded = l;
    }
    *out = &loaded;
    return 0;
}
