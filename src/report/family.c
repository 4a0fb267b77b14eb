/* A family as text: members of a snapshot's JSON, a table for people, CSV. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "report/snapshot_parts.h"
#include "report/totals_fields.h"

enum { MATRIX_MAX = 16, BROKEN_MAX = 10 }; /* processes, mappings that a table has room for */

/* --- JSON --- */

static void put_bytes(struct json *j, const char *key, struct known_bytes b)
{
    snapshot_put_known(j, key, b.known, b.bytes);
}

static void put_member_totals(struct json *j, const struct family_member *m)
{
    if (!m->moment.regions) {
        json_put_null(j);
        return;
    }
    json_open_object(j);
    snapshot_put_totals(j, &m->totals);
    put_bytes(j, "pss", m->pss);
    put_bytes(j, "uss", m->uss);
    put_bytes(j, "private_hugetlb", m->private_hugetlb);
    json_close_object(j);
}

static void put_own(struct json *j, const struct family_own *own)
{
    if (!own->known) {
        json_put_null(j);
        return;
    }
    json_open_object(j);
    json_put_u64(json_key(j, "same"), own->same);
    json_put_u64(json_key(j, "own"), own->own);
    json_put_u64(json_key(j, "only_here"), own->only_here);
    json_put_u64(json_key(j, "only_parent"), own->only_parent);
    json_close_object(j);
}

static void put_member(struct json *j, const struct family_member *m)
{
    json_open_object(j);
    json_put_i64(json_key(j, "pid"), m->pid);
    json_put_i64(json_key(j, "ppid"), m->ppid);
    json_put_string(json_key(j, "comm"), m->moment.target.comm);
    json_key(j, "why");
    if (m->why[0])
        json_put_string(j, m->why);
    else
        json_put_null(j);
    json_key(j, "totals");
    put_member_totals(j, m);
    json_key(j, "to_parent");
    put_own(j, &m->own);
    json_close_object(j);
}

static void put_pairs(struct json *j, const struct family *f)
{
    if (!f->pairs.yes) {
        json_put_null(j);
        return;
    }
    json_open_array(j);
    for (size_t a = 0; a < f->count; a++)
        for (size_t b = a + 1; b < f->count; b++) {
            json_open_object(j);
            json_put_i64(json_key(j, "a"), f->v[a].pid);
            json_put_i64(json_key(j, "b"), f->v[b].pid);
            put_bytes(j, "shared", family_shared(f, a, b));
            json_close_object(j);
        }
    json_close_array(j);
}

static void put_broken(struct json *j, const struct family *f)
{
    json_open_array(j);
    for (size_t i = 0; i < f->broken_count; i++) {
        const struct family_broken *b = &f->broken[i];
        json_open_object(j);
        json_put_hex(json_key(j, "start"), b->start);
        json_put_hex(json_key(j, "end"), b->end);
        json_put_string(json_key(j, "name"), b->name);
        json_put_string(json_key(j, "kind"), region_kind_name(b->kind));
        json_put_u64(json_key(j, "own"), b->own);
        json_put_u64(json_key(j, "processes"), b->members);
        json_close_object(j);
    }
    json_close_array(j);
}

void family_put_json(struct json *j, const struct family *f)
{
    json_open_array(json_key(j, "processes"));
    for (size_t i = 0; i < f->count; i++)
        put_member(j, &f->v[i]);
    json_close_array(j);
    json_key(j, "pairs");
    put_pairs(j, f);
    json_open_object(json_key(j, "family"));
    json_put_u64(json_key(j, "span_ns"), f->sample.span_ns);
    json_put_u64(json_key(j, "vanished"), f->vanished);
    json_put_u64(json_key(j, "left_out"), f->left_out);
    json_key(j, "pairs_why");
    if (f->pairs.why[0])
        json_put_string(j, f->pairs.why);
    else
        json_put_null(j);
    put_bytes(j, "frames", f->once);
    put_bytes(j, "frames_shared", f->common);
    json_key(j, "diverged");
    put_broken(j, f);
    json_close_object(j);
}

/* --- table --- */

static void put_known_size(struct buf *out, struct known_bytes b)
{
    snapshot_put_size(out, b.bytes, b.known);
}

/* One line of the answer: a sum and what it says. */
static void put_sum(struct buf *out, struct known_bytes b, const char *what)
{
    put_known_size(out, b);
    buf_printf(out, "  %s\n", what);
}

static void put_title(struct buf *out, const struct family *f)
{
    double ms = (double)f->sample.span_ns / 1e6;
    buf_puts(out, "family of ");
    snapshot_put_name(out, f->v[0].moment.target.comm);
    buf_printf(out, " %d: %zu %s, read in %.*f %s", f->v[0].pid, f->count,
               f->count == 1 ? "process" : "processes", ms < 10 || ms >= 1000,
               ms < 1000 ? ms : ms / 1000, ms < 1000 ? "ms" : "s");
    if (f->vanished)
        buf_printf(out, "; %zu ended before they could be read", f->vanished);
    if (f->left_out)
        buf_printf(out, "; %zu more left out, %d are shown at the most", f->left_out, FAMILY_MAX);
    buf_putc(out, '\n');
}

/* Copies of all, or unknown: how a process without frame numbers stands to its parent is. */
static struct known_bytes all_copies(const struct family *f)
{
    struct known_bytes sum = {0, f->pairs.yes};
    for (size_t i = 0; i < f->broken_count; i++)
        sum.bytes += f->broken[i].own;
    return sum;
}

static void put_common(struct buf *out, const struct family *f)
{
    struct known_bytes alone = {f->once.bytes - f->common.bytes, f->once.known && f->common.known};
    char what[96] = "of it are shared: mapped by two or more of them";
    size_t n = strlen(what);
    if (f->once.bytes && alone.known)
        snprintf(what + n, sizeof what - n, " (%.0f%%)",
                 (double)f->common.bytes * 100 / (double)f->once.bytes);
    put_sum(out, f->common, what);
    put_sum(out, alone, "of it are mapped by one of them alone");
}

/* The answer, before the rows: a long family has them far below. */
static void put_heading(struct buf *out, const struct family *f)
{
    struct family_sums sums;
    family_sum(f, &sums);
    put_title(out, f);
    put_sum(out, sums.rss, "rss added up: what they seem to take");
    put_sum(out, f->once, "each page once: what they take");
    put_common(out, f);
    put_sum(out, sums.pss, "pss added up: the same, less what processes outside take of it");
    put_sum(out, sums.uss, "uss added up: what nobody else has, free if its process ended");
    if (f->count > 1)
        put_sum(out, all_copies(f), "copied since fork, where parent and child had one page");
    if (f->pairs.why[0])
        buf_printf(out, "not seen: which frames are shared with whom: %s\n", f->pairs.why);
}

static void put_row(struct buf *out, const struct family_member *m)
{
    const struct totals *t = &m->totals;
    bool read = m->moment.regions != NULL;
    buf_printf(out, "%8d", m->pid);
    snapshot_put_size(out, t->resident, read && !t->no_resident);
    put_known_size(out, m->pss);
    put_known_size(out, m->uss);
    put_known_size(out, family_member_shared(m));
    snapshot_put_size(out, t->cow, read && !t->no_cow);
    if (m->parent == FAMILY_NONE)
        buf_puts(out, "     -");
    else
        put_known_size(out, (struct known_bytes){m->own.own, m->own.known});
    snapshot_put_size(out, t->swap, read && !t->no_swap);
    buf_printf(out, "  %*s", (int)m->depth * 2, "");
    snapshot_put_name(out, m->moment.target.comm);
    if (m->why[0])
        buf_printf(out, "  (%s)", m->why);
    buf_putc(out, '\n');
}

static void put_diverged(struct buf *out, const struct family *f)
{
    if (!f->broken_count)
        return;
    buf_puts(out, "\nwhat broke sharing: copied since fork, by mapping\n");
    for (size_t i = 0; i < f->broken_count && i < BROKEN_MAX; i++) {
        const struct family_broken *b = &f->broken[i];
        snapshot_put_size(out, b->own, true);
        buf_printf(out, "  in %3zu %-9s  %012" PRIx64 "-%012" PRIx64 "  ", b->members,
                   b->members == 1 ? "process" : "processes", b->start, b->end);
        snapshot_put_name(out, b->name[0] ? b->name : region_kind_name(b->kind));
        buf_putc(out, '\n');
    }
    struct known_bytes less = {0, true};
    for (size_t i = BROKEN_MAX; i < f->broken_count; i++)
        less.bytes += f->broken[i].own;
    if (less.bytes) {
        put_known_size(out, less);
        buf_printf(out, "  in %zu more mappings\n", f->broken_count - BROKEN_MAX);
    }
}

static void put_matrix(struct buf *out, const struct family *f)
{
    if (!f->pairs.yes || f->count < 2 || f->count > MATRIX_MAX)
        return;
    buf_printf(out, "\nshared by pairs, each frame once\n%8s", "");
    for (size_t b = 0; b < f->count; b++)
        buf_printf(out, " %7d", f->v[b].pid);
    buf_putc(out, '\n');
    for (size_t a = 0; a < f->count; a++) {
        buf_printf(out, "%8d", f->v[a].pid);
        for (size_t b = 0; b < f->count; b++) {
            buf_puts(out, "  ");
            if (a == b)
                buf_puts(out, "     .");
            else
                put_known_size(out, family_shared(f, a, b));
        }
        buf_putc(out, '\n');
    }
}

static void put_rows(struct buf *out, const struct family *f)
{
    buf_printf(out, "\n%8s %5s %5s %5s %5s %5s %5s %5s  %s\n", "pid", "rss", "pss", "uss",
               "share", "cow", "own", "swap", "process");
    for (size_t i = 0; i < f->count; i++)
        put_row(out, &f->v[i]);
    buf_puts(out, "share: rss without uss. cow: anonymous pages that a fork left shared. "
                  "own: of the copies since fork, its own.\n");
}

int family_table(const struct family *f, struct buf *out)
{
    put_heading(out, f);
    put_diverged(out, f);
    put_rows(out, f);
    put_matrix(out, f);
    return out->error;
}

/* --- CSV --- */

static void csv_bytes(struct buf *out, struct known_bytes b)
{
    buf_putc(out, ',');
    if (b.known)
        buf_printf(out, "%" PRIu64, b.bytes);
}

static void csv_heading(const struct family *f, struct buf *out)
{
    buf_puts(out, "pid,ppid,comm");
    snapshot_csv_titles(out);
    buf_puts(out, ",pss,uss,private_hugetlb,own");
    for (size_t i = 0; i < f->count; i++)
        buf_printf(out, ",shared_%d", f->v[i].pid);
    buf_putc(out, '\n');
}

int family_csv(const struct family *f, struct buf *out)
{
    csv_heading(f, out);
    for (size_t i = 0; i < f->count; i++) {
        const struct family_member *m = &f->v[i];
        buf_printf(out, "%d,%d,", m->pid, m->ppid);
        snapshot_put_quoted(out, m->moment.target.comm);
        if (m->moment.regions)
            snapshot_csv_totals(out, &m->totals);
        else
            buf_append(out, ",,,,,,,,,,,,,,,,", TOTALS_FIELD_N);
        csv_bytes(out, m->pss);
        csv_bytes(out, m->uss);
        csv_bytes(out, m->private_hugetlb);
        csv_bytes(out, (struct known_bytes){m->own.own, m->own.known});
        for (size_t b = 0; b < f->count; b++)
            csv_bytes(out, family_shared(f, i, b));
        buf_putc(out, '\n');
    }
    return out->error;
}
