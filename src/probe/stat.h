/* /proc/PID/stat and status (proc_pid_stat(5), proc_pid_status(5)) into counters. */
#ifndef VMSCOPE_PROBE_STAT_H
#define VMSCOPE_PROBE_STAT_H

#include <stddef.h>

#include "model/record.h"

/* From stat. The command name stands in parentheses and may itself hold parentheses, spaces and
 * newlines: its end is the last ')'. */
struct stat_line {
    char comm[64];
    char run_state;
    pid_t ppid;
    uint64_t min_flt, maj_flt, start_ticks, vm_size, rss_pages;
    uint64_t cpu_ticks; /* user and system, of all threads */
};
/* 0, or -EINVAL when the line is not one of stat. */
int stat_parse(const char *bytes, size_t len, struct stat_line *out);

/* Fills what status tells (VmSize, VmRSS, RssAnon, ..., VmSwap, VmPTE, Threads, in bytes; the owner
 * in *uid); what is missing becomes UINT64_MAX. */
void status_parse(const char *bytes, size_t len, struct counters *out, uid_t *uid);

#endif
