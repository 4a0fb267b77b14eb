/* Parsing stat and status. */
#include "probe/stat.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

/* Field n (the state is 3), a number; the fields before it need not be numbers. */
static bool field_at(const char *after_comm, const char *end, unsigned n, uint64_t *out)
{
    const char *p = after_comm;
    for (unsigned i = 2; i < n; i++) {
        while (p < end && *p != ' ')
            p++;
        if (p == end)
            return false;
        p++;
    }
    return text_dec(&p, end, out);
}

int stat_parse(const char *bytes, size_t len, struct stat_line *out)
{
    const char *end = bytes + len;
    const char *open = memchr(bytes, '(', len), *close = memrchr(bytes, ')', len);
    if (!open || !close || close < open || end - close < 4 || close[1] != ' ')
        return -EINVAL;
    struct stat_line s = {.run_state = close[2]};
    size_t n = (size_t)(close - open - 1);
    memcpy(s.comm, open + 1, n < sizeof s.comm ? n : sizeof s.comm - 1);
    const char *p = close + 1;
    uint64_t ppid = 0, user = 0, system = 0;
    if (!field_at(p, end, 4, &ppid) || !field_at(p, end, 10, &s.min_flt) ||
        !field_at(p, end, 12, &s.maj_flt) || !field_at(p, end, 14, &user) ||
        !field_at(p, end, 15, &system) || !field_at(p, end, 22, &s.start_ticks) ||
        !field_at(p, end, 23, &s.vm_size) || !field_at(p, end, 24, &s.rss_pages))
        return -EINVAL;
    s.ppid = (pid_t)ppid;
    s.cpu_ticks = user + system;
    *out = s;
    return 0;
}

void status_parse(const char *bytes, size_t len, struct counters *out, uid_t *uid)
{
    const struct {
        const char *key;
        uint64_t *to;
    } kb[] = {
        {"VmSize:", &out->vm_size},   {"VmRSS:", &out->rss},         {"RssAnon:", &out->rss_anon},
        {"RssFile:", &out->rss_file}, {"RssShmem:", &out->rss_shmem}, {"VmSwap:", &out->swap},
        {"VmPTE:", &out->pte},        {"VmData:", &out->data},     {"VmStk:", &out->stack},
    };
    for (unsigned i = 0; i < sizeof kb / sizeof *kb; i++) {
        uint64_t v;
        *kb[i].to = text_field(bytes, len, kb[i].key, &v) && v <= UINT64_MAX / 1024 ? v * 1024
                                                                                  : UINT64_MAX;
    }
    if (!text_field(bytes, len, "Threads:", &out->threads))
        out->threads = UINT64_MAX;
    if (!text_field(bytes, len, "THP_enabled:", &out->thp_enabled))
        out->thp_enabled = UINT64_MAX;
    uint64_t owner;
    *uid = text_field(bytes, len, "Uid:", &owner) ? (uid_t)owner : (uid_t)-1;
}
