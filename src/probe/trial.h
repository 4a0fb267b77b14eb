/* The parts of capability probing: what trials share. A trial tries one thing and says with
 * trial_yes, trial_no or trial_value how that went. */
#ifndef VMSCOPE_PROBE_TRIAL_H
#define VMSCOPE_PROBE_TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "model/capability.h"

struct trial {
    int proc_fd; /* the proc root */
    bool root;   /* effective uid 0: then a refusal is that of a container or a lockdown */
    size_t page_size;
};

struct trial_entry {
    const char *name, *title;
    enum capability_kind kind;
    void (*run)(const struct trial *t, const struct trial_entry *self, struct capability *c);
    const char *file; /* for trials that serve several files */
};

/* Tables, each ended by an entry without a name. */
extern const struct trial_entry trials_pages[], trials_faults[], trials_settings[];

void trial_yes(struct capability *c);
void trial_no(struct capability *c, const char *remedy, const char *why, ...)
    __attribute__((format(printf, 3, 4)));
/* The value of a setting; foreign bytes are escaped, a newline at the end is cut. */
void trial_value(struct capability *c, const char *bytes, size_t len);

/* What allows something that needs a kernel capability such as "CAP_SYS_ADMIN". Static. */
const char *trial_remedy(const struct trial *t, const char *privilege);

/* A setting that is a small number, such as sys/kernel/perf_event_paranoid below proc; INT_MIN when
 * it cannot be read. */
int trial_sysctl(const struct trial *t, const char *file);

/* A child that does nothing until it is ended, or we end. Negative errno on failure. */
pid_t trial_idler(bool dumpable);
/* Ends it, and waits for that. */
void trial_idler_end(pid_t pid);

#endif
