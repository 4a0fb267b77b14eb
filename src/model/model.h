/* The model: a fold over records. It holds the picture of one process as two moments, the last
 * finished sample and the one before it. Pure: no I/O, no clock. */
#ifndef VMSCOPE_MODEL_MODEL_H
#define VMSCOPE_MODEL_MODEL_H

#include <stdbool.h>

#include "model/fault_log.h"
#include "model/record.h"
#include "model/symbols.h"

/* A picture of a process at the end of a sample. Immutable. regions and tree are never NULL in a
 * moment that model_now returns. */
struct moment {
    struct target_info target;
    struct sample_info sample;
    struct counters counters;
    struct engine_state engine; /* name "" while no faults are followed */
    struct region_table *regions;
    struct pagetree *tree;
};

/* Copies *from with references of its own; and drops them. */
void moment_copy(struct moment *to, const struct moment *from);
void moment_deinit(struct moment *m);

struct model;

struct model *model_create(void); /* NULL when out of memory */
void model_destroy(struct model *m);

/* Takes one record in and destroys it, also on failure. 0, -ENOMEM, or -EINVAL for a record that
 * makes no sense here (a page record before a target); the model then stays as it was. */
int model_fold(struct model *m, struct record *r);

/* The last finished sample, or NULL before the first; and the one before that, or NULL. Valid
 * until the next fold: copy to keep. */
const struct moment *model_now(const struct model *m);
const struct moment *model_before(const struct model *m);

/* The machine's settings for huge pages, or NULL while nobody asked for them. */
const struct thp_settings *model_thp(const struct model *m);

/* What of the mapped files is in memory, as asked last, or NULL while nobody asked. */
const struct file_caches *model_caches(const struct model *m);

/* The physical side, or NULL while nobody asked for it; and the last answer about one frame, or
 * NULL. Valid until the next fold. */
const struct physmem *model_physmem(const struct model *m);
const struct frame_detail *model_frame(const struct model *m);

/* The last answer about a single page, or NULL. */
const struct page_detail *model_detail(const struct model *m);

/* Faults and calls, as folded so far; NULL before the first target. Valid until the next fold. */
const struct fault_log *model_faults(const struct model *m);

/* The last counts by perf events, or NULL. */
const struct perf_counts *model_counts(const struct model *m);

/* Functions and source lines of their instructions, as far as they were asked for; NULL before the
 * first target. */
const struct symbols *model_symbols(const struct model *m);

/* The engine that follows them, as it said last; name "" while there is none. */
const struct engine_state *model_engine(const struct model *m);

/* From now on `added` is called for every fault and every call while it is folded, as entry number
 * log->entries - 1 (the log keeps only the last ones), and `settled` later for the same, in order,
 * as number log->settled - 1: where evidence is taken, when none can come for it any more, because
 * the thread has gone on, or half a second has passed. `counted` is called with an EVENT_HEAT for
 * the pages of a mapping where faults were only counted. Each may be NULL. */
void model_on_event(struct model *m, fault_log_fn *added, fault_log_fn *settled,
                    fault_log_fn *counted, void *ctx);

/* The last picture of the family and the one before it, or NULL; borrowed until the next fold:
 * family_ref to keep. */
struct family;
struct family *model_family(const struct model *m);
struct family *model_family_before(const struct model *m);

/* Says that no evidence can come any more for what was folded: the processes rest, or are gone. */
void model_settle(struct model *m);

/* The address spaces as the events left them; NULL before the first target. */
struct spaces *model_spaces(const struct model *m);

/* Non-NULL once the target has ended or was lost: a sentence, escaped. */
const char *model_gone(const struct model *m);

/* Totals of a set of pages in bytes, as the JSON contract defines them (INTERFACES: T). */
struct totals {
    uint64_t size, resident, anon, file, shmem, swap, zero, ksm, hugetlb, pmd_mapped;
    uint64_t exclusive, shared, cow, locked, guard, unknown;
    /* Set where the number cannot be known; such a number must be shown as unknown, never as is. */
    bool no_resident; /* zero, hugetlb and guard too */
    bool no_anon, no_file, no_shmem, no_swap, no_ksm, no_pmd_mapped, no_exclusive, no_shared;
    bool no_cow, no_locked;
};

/* Of one region, and of all regions, of a moment. */
void totals_of_region(const struct moment *m, const struct region *r, struct totals *out);
void totals_of_all(const struct moment *m, struct totals *out);
/* Of the pages of a region that come to this tally; NULL: of some regions, without their size and
 * what is known of them from elsewhere. */
void totals_of_tally(const struct moment *m, const struct region *r, const struct tally *t,
                     struct totals *out);
void totals_add(struct totals *to, const struct totals *t);

/* Page number of an address in m's tree, and the inverse (canonical: the upper half of the address
 * space sign-extended). */
uint64_t moment_page(const struct moment *m, uint64_t address);
uint64_t moment_address(const struct moment *m, uint64_t page);

#endif
