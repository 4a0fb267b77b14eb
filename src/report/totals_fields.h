/* The fields of struct totals in the order of the JSON contract, for writers that list them all. */
#ifndef VMSCOPE_REPORT_TOTALS_FIELDS_H
#define VMSCOPE_REPORT_TOTALS_FIELDS_H

#include "model/model.h"

struct totals_field {
    const char *name;
    uint64_t value; /* bytes */
    bool known;
};

enum { TOTALS_FIELD_N = 16 };

static inline void totals_fields(const struct totals *t, struct totals_field out[TOTALS_FIELD_N])
{
    const struct totals_field all[TOTALS_FIELD_N] = {
        {"size", t->size, true},
        {"resident", t->resident, !t->no_resident},
        {"anon", t->anon, !t->no_anon},
        {"file", t->file, !t->no_file},
        {"shmem", t->shmem, !t->no_shmem},
        {"swap", t->swap, !t->no_swap},
        {"zero", t->zero, !t->no_resident},
        {"ksm", t->ksm, !t->no_ksm},
        {"hugetlb", t->hugetlb, !t->no_resident},
        {"pmd_mapped", t->pmd_mapped, !t->no_pmd_mapped},
        {"exclusive", t->exclusive, !t->no_exclusive},
        {"shared", t->shared, !t->no_shared},
        {"cow", t->cow, !t->no_cow},
        {"locked", t->locked, !t->no_locked},
        {"guard", t->guard, !t->no_resident},
        {"unknown", t->unknown, true},
    };
    for (unsigned i = 0; i < TOTALS_FIELD_N; i++)
        out[i] = all[i];
}

#endif
