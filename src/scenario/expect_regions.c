/* Expectations of mappings: how many, how long, with which permissions, flags, names and sums. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "scenario/expect_parts.h"

/* The mappings that overlap a span: [*first, *end) of the table. */
static void overlapping(const struct span *s, size_t *first, size_t *end)
{
    const struct region_table *t = s->now->regions;
    *first = region_table_find(t, s->start);
    for (*end = *first; *end < t->count && t->v[*end].start < s->end; ++*end)
        continue;
}

static const struct {
    const char *name;
    size_t offset;
} smaps_fields[] = {
#define FIELD(name, member) {name, offsetof(struct region_smaps, member)}
    FIELD("Rss", rss), FIELD("Pss", pss), FIELD("Anonymous", anonymous), FIELD("Swap", swap),
    FIELD("SwapPss", swap_pss), FIELD("AnonHugePages", anon_huge),
    FIELD("ShmemPmdMapped", shmem_pmd), FIELD("FilePmdMapped", file_pmd),
    FIELD("Shared_Hugetlb", shared_hugetlb), FIELD("Private_Hugetlb", private_hugetlb),
    FIELD("KSM", ksm), FIELD("Locked", locked), FIELD("Shared_Clean", shared_clean),
    FIELD("Shared_Dirty", shared_dirty), FIELD("Private_Clean", private_clean),
    FIELD("Private_Dirty", private_dirty), FIELD("LazyFree", lazy_free),
    FIELD("Referenced", referenced), FIELD("KernelPageSize", kernel_page_size),
#undef FIELD
};

static const uint64_t *smaps_field(const struct region *r, const char *name)
{
    for (size_t i = 0; i < sizeof smaps_fields / sizeof *smaps_fields; i++)
        if (r->smaps && !r->smaps->flags_only && !strcmp(smaps_fields[i].name, name))
            return (const uint64_t *)(const void *)((const char *)r->smaps +
                                                    smaps_fields[i].offset);
    return NULL;
}

/* --- numbers --- */

static int judge_size(struct judging *j, const struct span *s, const char *what, uint64_t bytes)
{
    char found[TEXT_SIZE_MAX];
    text_size(found, bytes);
    return expect_verdict(j, compare_holds(j->ex->op, (int64_t)bytes, j->ex->n),
                          "%s of %s is %" PRIu64 " bytes (%s)", what, s->name, bytes, found);
}

static int judge_numbers(struct judging *j, const struct span *s, size_t first, size_t end)
{
    const struct region *v = s->now->regions->v;
    const char *op = compare_name(j->ex->op);
    uint64_t sum = 0;
    if (j->ex->kind == EX_REGIONS) {
        expect_wants(j, "mappings of %s %s %" PRId64, s->name, op, j->ex->n);
        return expect_verdict(j, compare_holds(j->ex->op, (int64_t)(end - first), j->ex->n),
                              "%zu", end - first);
    }
    if (j->ex->kind == EX_SIZE) {
        expect_wants(j, "size of %s %s %" PRId64 " bytes", s->name, op, j->ex->n);
        for (size_t i = first; i < end; i++)
            sum += v[i].end - v[i].start;
        return judge_size(j, s, "size", sum);
    }
    expect_wants(j, "%s of %s %s %" PRId64 " bytes", j->ex->text, s->name, op, j->ex->n);
    for (size_t i = first; i < end; i++) {
        const uint64_t *field = smaps_field(&v[i], j->ex->text);
        if (!field)
            return expect_unknown(j, "smaps has no %s here", j->ex->text);
        sum += *field;
    }
    return judge_size(j, s, j->ex->text, sum);
}

/* --- what all mappings of a span have in common --- */

static void flags_text(const struct region *r, char *out, size_t cap)
{
    size_t n = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < 64 && n + 4 < cap; i++)
        if (r->smaps->vmflags >> i & 1 && region_vmflag_name(i))
            n += (size_t)snprintf(out + n, cap - n, "%s%s", n ? " " : "", region_vmflag_name(i));
}

static int judge_flag(struct judging *j, const struct span *s, const struct region *r)
{
    bool wanted = j->ex->kind == EX_VMFLAG;
    int bit = region_vmflag_bit(j->ex->vmflag);
    char have[120];
    expect_wants(j, "%s %s the flag %s (%s)", s->name, wanted ? "has" : "is without",
                 j->ex->vmflag, bit < 0 ? "unknown" : region_vmflag_meaning((unsigned)bit));
    if (!r->smaps)
        return expect_unknown(j, "smaps could not be read");
    if (bit < 0)
        return expect_unknown(j, "%s is no flag that vmscope knows", j->ex->vmflag);
    flags_text(r, have, sizeof have);
    return expect_verdict(j, (r->smaps->vmflags >> bit & 1) == wanted, "its flags are %s", have);
}

static int judge_one(struct judging *j, const struct span *s, const struct region *r)
{
    char text[120], perms[5];
    switch (j->ex->kind) {
    case EX_PERMS:
        region_perms_text(r->perms, perms);
        expect_wants(j, "permissions of %s are %s", s->name, j->ex->perms);
        return expect_verdict(j, !strcmp(perms, j->ex->perms), "%s", perms);
    case EX_NAME:
        text_escape(text, sizeof text, j->ex->text, strlen(j->ex->text));
        expect_wants(j, "%s is named \"%s\"", s->name, text);
        text_escape(text, sizeof text, r->name, strlen(r->name));
        return expect_verdict(j, !strcmp(r->name, j->ex->text), "\"%s\"", text);
    default:
        return judge_flag(j, s, r);
    }
}

static int judge_offset(struct judging *j, const struct span *s, const struct region *r)
{
    expect_wants(j, "offset of %s %s %" PRId64, s->name, compare_name(j->ex->op), j->ex->n);
    return judge_size(j, s, "offset", r->offset);
}

int expect_regions(struct judging *j, struct err *e)
{
    struct span s;
    size_t first, end;
    int rc = expect_span(j, &j->ex->a, &s, e);
    if (rc)
        return rc < 0 ? rc : 0;
    overlapping(&s, &first, &end);
    bool number = j->ex->kind == EX_REGIONS || j->ex->kind == EX_SIZE || j->ex->kind == EX_SMAPS;
    if (number)
        return judge_numbers(j, &s, first, end);
    static const struct region none = {.name = ""};
    if (j->ex->kind == EX_OFFSET && first < end)
        return judge_offset(j, &s, &s.now->regions->v[first]);
    judge_one(j, &s, first < end ? &s.now->regions->v[first] : &none);
    if (first == end)
        return expect_verdict(j, false, "nothing is mapped there");
    for (size_t i = first + 1; i < end && j->out->verdict == VERDICT_PASS; i++)
        judge_one(j, &s, &s.now->regions->v[i]);
    return 0;
}
