/* The machine's settings for transparent huge pages, from sysfs. */
#include "probe/thp.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "probe/sysinfo.h"

static const char home[] = "/sys/kernel/mm/transparent_hugepage";

static uint64_t number_in(int dir, const char *name, struct buf *text)
{
    uint64_t v;
    if (dir < 0 || io_read_at(dir, name, text) || !text_field(text->data, text->len, "", &v))
        return UINT64_MAX;
    return v;
}

/* The chosen word, "" when there is none. */
static void word_in(int dir, const char *name, struct buf *text, char out[16])
{
    out[0] = '\0';
    if (dir >= 0 && !io_read_at(dir, name, text))
        sysinfo_chosen(text->data, out, 16);
}

static enum thp_mode mode_of(const char *word)
{
    static const struct {
        const char *word;
        enum thp_mode mode;
    } modes[] = {
        {"always", THP_ALWAYS},     {"madvise", THP_MADVISE}, {"never", THP_NEVER},
        {"within_size", THP_ALWAYS}, {"advise", THP_MADVISE},  {"force", THP_ALWAYS},
        {"deny", THP_NEVER},
    };
    for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(word, modes[i].word))
            return modes[i].mode;
    return THP_UNKNOWN;
}

static enum thp_mode mode_in(int dir, const char *name, enum thp_mode inherited, struct buf *text)
{
    char word[16];
    word_in(dir, name, text, word);
    return strcmp(word, "inherit") ? mode_of(word) : inherited;
}

static void read_size(int dir, unsigned order, unsigned page_shift, struct thp_settings *out,
                      struct buf *text)
{
    char name[96];
    unsigned kb = 1u << (order + page_shift - 10);
    snprintf(name, sizeof name, "hugepages-%ukB/enabled", kb);
    out->size[order] = (uint8_t)mode_in(dir, name, (enum thp_mode)out->anon, text);
    snprintf(name, sizeof name, "hugepages-%ukB/stats/nr_anon", kb);
    out->folios[order] = number_in(dir, name, text);
    snprintf(name, sizeof name, "hugepages-%ukB/stats/nr_anon_partially_mapped", kb);
    out->partial[order] = number_in(dir, name, text);
    snprintf(name, sizeof name, "hugepages-%ukB/stats/split_deferred", kb);
    out->deferred[order] = number_in(dir, name, text);
}

/* The size that a PMD maps may have a setting of its own, since 6.8, which then counts. */
static void read_pmd_size(int dir, struct thp_settings *out, struct buf *text)
{
    char name[96];
    uint64_t bytes = number_in(dir, "hpage_pmd_size", text);
    if (bytes == UINT64_MAX || bytes < 1024)
        return;
    snprintf(name, sizeof name, "hugepages-%" PRIu64 "kB/enabled", bytes / 1024);
    enum thp_mode own = mode_in(dir, name, (enum thp_mode)out->anon, text);
    if (own != THP_UNKNOWN)
        out->anon = (uint8_t)own;
    snprintf(name, sizeof name, "hugepages-%" PRIu64 "kB/shmem_enabled", bytes / 1024);
    own = mode_in(dir, name, (enum thp_mode)out->shmem, text);
    if (own != THP_UNKNOWN)
        out->shmem = (uint8_t)own;
}

static int open_home(const char *proc_root)
{
    char path[4096];
    if (!proc_root)
        return open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(path, sizeof path, "%s/transparent_hugepage", proc_root);
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void thp_read(const char *proc_root, unsigned page_shift, struct thp_settings *out)
{
    struct buf text = {0};
    int dir = open_home(proc_root);
    *out = (struct thp_settings){0};
    out->anon = (uint8_t)mode_in(dir, "enabled", THP_UNKNOWN, &text);
    out->shmem = (uint8_t)mode_in(dir, "shmem_enabled", THP_UNKNOWN, &text);
    for (unsigned order = 0; order < HUGE_ORDERS; order++)
        read_size(dir, order, page_shift, out, &text);
    read_pmd_size(dir, out, &text);
    out->max_none = number_in(dir, "khugepaged/max_ptes_none", &text);
    out->max_swap = number_in(dir, "khugepaged/max_ptes_swap", &text);
    out->max_shared = number_in(dir, "khugepaged/max_ptes_shared", &text);
    out->scan_pages = number_in(dir, "khugepaged/pages_to_scan", &text);
    out->scan_ms = number_in(dir, "khugepaged/scan_sleep_millisecs", &text);
    buf_deinit(&text);
    if (dir >= 0)
        close(dir);
}
