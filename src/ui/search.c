/* Search for addresses, permissions and names. */
#include "ui/search.h"

#include <string.h>

#include "base/text.h"
#include "ui/view.h"

enum { DIGITS_MIN = 6, DIGITS_MAX = 16, PERMS = 4 };

bool search_address(const char *what, uint64_t *address)
{
    char digits[DIGITS_MAX];
    size_t n = 0;
    bool prefixed = what[0] == '0' && (what[1] | 0x20) == 'x';
    const char *s = prefixed ? what + 2 : what;
    for (; *s && *s != '-'; s++) {
        if (*s == '_')
            continue;
        if (n == DIGITS_MAX)
            return false;
        digits[n++] = *s;
    }
    const char *p = digits;
    if (!n || (!prefixed && n < DIGITS_MIN))
        return false;
    return text_hex(&p, digits + n, address) && p == digits + n;
}

bool search_is_perms(const char *what)
{
    static const char *const allowed[PERMS] = {"r-?", "w-?", "x-?", "ps?"};
    if (strlen(what) != PERMS)
        return false;
    for (size_t i = 0; i < PERMS; i++)
        if (!strchr(allowed[i], what[i]))
            return false;
    return true;
}

static bool perms_match(const struct region *r, const char *what)
{
    char perms[PERMS + 1];
    region_perms_text(r->perms, perms);
    for (size_t i = 0; i < PERMS; i++)
        if (what[i] != '?' && what[i] != perms[i])
            return false;
    return true;
}

const char *search_region_name(const struct region *r)
{
    static const char *const named[REGION_KIND_N] = {
        [REGION_ANON] = "(anon)",     [REGION_HEAP] = "(heap)",   [REGION_STACK] = "(stack)",
        [REGION_FILE] = "(file)",     [REGION_SHMEM] = "(shmem)", [REGION_HUGETLB] = "(hugetlb)",
        [REGION_VDSO] = "(vdso)",     [REGION_VVAR] = "(vvar)",   [REGION_VSYSCALL] = "(vsyscall)",
        [REGION_DEVICE] = "(device)",
    };
    if (r->name[0])
        return r->name;
    return r->kind < REGION_KIND_N ? named[r->kind] : "(?)";
}

bool search_matches(const struct region *r, const char *what)
{
    if (search_is_perms(what))
        return perms_match(r, what);
    return strcasestr(search_region_name(r), what) != NULL ||
           strcasestr(region_kind_name((enum region_kind)r->kind), what) != NULL;
}

/* The next match behind the region of the cursor, or before it; that region itself comes last. */
static const struct region *next_match(const struct region_table *t, uint64_t cursor,
                                       const char *what, bool backwards)
{
    size_t at = region_table_find(t, cursor);
    bool inside = at < t->count && t->v[at].start <= cursor;
    size_t first = backwards ? at + t->count - 1 : at + inside;
    for (size_t i = 0; i < t->count; i++) {
        size_t step = backwards ? t->count - i : i;
        const struct region *r = &t->v[(first + step) % t->count];
        if (search_matches(r, what))
            return r;
    }
    return NULL;
}

bool ui_search(struct ui_state *ui, const char *what, bool backwards)
{
    uint64_t address;
    if (!ui->now || !*what)
        return false;
    const struct region_table *t = ui->now->regions;
    if (search_address(what, &address) && region_table_at(t, address)) {
        ui->cursor = address;
        return true;
    }
    const struct region *r = next_match(t, ui->cursor, what, backwards);
    if (r)
        ui->cursor = r->start;
    return r != NULL;
}
