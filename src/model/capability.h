/* What a user can see on a kernel, and how that kernel is set: found out by probes, shown by
 * reports. Plain values; all text is one line and safe to show. */
#ifndef VMSCOPE_MODEL_CAPABILITY_H
#define VMSCOPE_MODEL_CAPABILITY_H

#include <stdbool.h>
#include <stddef.h>

enum { CAPABILITY_TEXT_MAX = 200, CAPABILITIES_MAX = 48 };

enum capability_kind {
    CAPABILITY_PAGES,   /* whether something about pages and mappings can be seen */
    CAPABILITY_FAULTS,  /* whether faults can be followed in some way */
    CAPABILITY_SETTING, /* how this machine is set: value */
    CAPABILITY_KIND_N
};

struct capability {
    const char *name;  /* as in JSON: "kpageflags"; static */
    const char *title; /* "frame flags"; static */
    enum capability_kind kind;
    bool yes;                         /* it was tried and works; of a setting: its value is known */
    char value[CAPABILITY_TEXT_MAX];  /* of a setting */
    char why[CAPABILITY_TEXT_MAX];    /* why not; "" when yes */
    char remedy[CAPABILITY_TEXT_MAX]; /* what would allow it; "" when yes or when nothing would */
};

struct capability_list {
    struct capability v[CAPABILITIES_MAX]; /* grouped by kind, in the order to show them */
    size_t count;
};

#endif
