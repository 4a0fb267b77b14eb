/* libpfm4, loaded when an event is first asked for: its tables of all processors are 3 MiB that
 * nobody else needs, and without it only the counters are missing. */
#include "probe/pfm.h"

#include <dlfcn.h>
#include <errno.h>
#include <perfmon/pfmlib.h>
#include <perfmon/pfmlib_perf_event.h>
#include <string.h>

#include "base/text.h"

/* What is used of the library; the headers give the types. */
struct library {
    __typeof__(pfm_initialize) *initialize;
    __typeof__(pfm_get_os_event_encoding) *encode;
    __typeof__(pfm_strerror) *error;
};

static int load(struct library *out, struct err *e)
{
    struct library l;
    void *handle = dlopen("libpfm.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return err_set(e, -ENOSYS, "libpfm4 is not installed: install the package libpfm4");
    *(void **)&l.initialize = dlsym(handle, "pfm_initialize");
    *(void **)&l.encode = dlsym(handle, "pfm_get_os_event_encoding");
    *(void **)&l.error = dlsym(handle, "pfm_strerror");
    if (l.initialize && l.encode && l.error && l.initialize() == PFM_SUCCESS) {
        *out = l;
        return 0;
    }
    dlclose(handle);
    return err_set(e, -ENOSYS, "this libpfm4 is of another version, or knows no event here");
}

static int library(const struct library **out, struct err *e)
{
    static struct library loaded;
    int rc = loaded.encode ? 0 : load(&loaded, e);
    if (!rc)
        *out = &loaded;
    return rc;
}

int pfm_encode(const char *name, struct perf_event_attr *attr, struct err *e)
{
    const struct library *l;
    struct perf_event_attr own = {.size = sizeof own};
    pfm_perf_encode_arg_t arg = {.attr = &own, .size = sizeof arg};
    char shown[80];
    int rc = library(&l, e);
    if (rc)
        return rc;
    int code = l->encode(name, PFM_PLM0 | PFM_PLM3, PFM_OS_PERF_EVENT, &arg);
    if (code != PFM_SUCCESS) {
        text_escape(shown, sizeof shown, name, strlen(name));
        return err_set(e, -ENOENT, "libpfm4 has no event %s for this processor (%s)", shown,
                       l->error(code));
    }
    attr->type = own.type;
    attr->config = own.config;
    attr->config1 = own.config1;
    attr->config2 = own.config2;
    return 0;
}
