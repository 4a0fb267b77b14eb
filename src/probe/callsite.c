/* Bytes before and behind a return address, and what they mean on x86. */
#include "probe/callsite.h"

#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "probe/mapped.h"
#include "probe/procdir.h"

#if defined __x86_64__ || defined __i386__

/* Of call r/m (FF /2) with these bytes of operand its length is known from ModRM and SIB. */
static size_t indirect_length(const unsigned char *at)
{
    unsigned mod = at[1] >> 6, reg = at[1] >> 3 & 7, rm = at[1] & 7;
    if (at[0] != 0xff || reg != 2)
        return 0;
    size_t length = mod != 3 && rm == 4 ? 3 : 2;
    if (mod == 1)
        length += 1;
    else if (mod == 2 || (mod == 0 && rm == 5) || (mod == 0 && rm == 4 && (at[2] & 7) == 5))
        length += 4;
    return length;
}

static enum known_bool is_behind_call(const unsigned char *before, size_t n)
{
    const unsigned char *end = before + n;
    if (n >= 5 && end[-5] == 0xe8)
        return KNOWN_YES;
    for (size_t length = 2; length <= 7 && length <= n; length++)
        if (indirect_length(end - length) == length)
            return KNOWN_YES;
    return n >= 7 ? KNOWN_NO : NOT_KNOWN;
}

/* mov $15, %rax; syscall; and mov $173, %eax; int $0x80. */
static bool is_way_back(const unsigned char *behind, size_t n)
{
    static const unsigned char wide[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05},
                               narrow[] = {0xb8, 0xad, 0, 0, 0, 0xcd, 0x80};
    return (n >= sizeof wide && !memcmp(behind, wide, sizeof wide)) ||
           (n >= sizeof narrow && !memcmp(behind, narrow, sizeof narrow));
}

#else

static enum known_bool is_behind_call(const unsigned char *before, size_t n)
{
    (void)before;
    (void)n;
    return NOT_KNOWN;
}

static bool is_way_back(const unsigned char *behind, size_t n)
{
    (void)behind;
    (void)n;
    return false;
}

#endif

enum known_bool callsite_judge(const unsigned char *before, size_t before_n,
                               const unsigned char *behind, size_t behind_n)
{
    return is_way_back(behind, behind_n) ? KNOWN_YES : is_behind_call(before, before_n);
}

static enum known_bool look_through(const char *proc_root, pid_t through, const struct region *r,
                                    uint64_t address)
{
    unsigned char code[CALLSITE_BEFORE + CALLSITE_BEHIND];
    uint64_t in = address - r->start, before = in < CALLSITE_BEFORE ? in : CALLSITE_BEFORE;
    struct procdir d;
    struct stat st;
    const char *why;
    if (procdir_open(proc_root, through, &d, NULL))
        return NOT_KNOWN;
    int fd = mapped_open(d.fd, r, &st, &why);
    procdir_close(&d);
    if (fd < 0)
        return NOT_KNOWN;
    ssize_t n = io_pread(fd, code, before + CALLSITE_BEHIND, r->offset + in - before);
    close(fd);
    if (n < (ssize_t)before)
        return NOT_KNOWN;
    return callsite_judge(code, before, code + before, (size_t)n - before);
}

enum known_bool callsite_look(const char *proc_root, pid_t pid, const struct region *r,
                              uint64_t address)
{
    enum known_bool is = NOT_KNOWN;
    if (!(r->perms & REGION_X) || address - r->start > r->end - r->start)
        return KNOWN_NO;
    if (r->kind != REGION_VDSO)
        is = look_through(proc_root, pid, r, address);
    if (is == NOT_KNOWN && r->kind != REGION_VDSO)
        is = look_through(NULL, getpid(), r, address);
    return is;
}
