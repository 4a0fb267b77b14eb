/* What an error of munmap, mprotect and their like means: a table of reasons by call and error. A
 * reason that the arguments prove is the only one; otherwise all that are possible are given. And
 * the arguments of these calls in words. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "model/call_parts.h"

/* Values that older C libraries have no name for. */
enum {
    DROPPABLE = 8, LOCK_ONFAULT = 1, REMAP_DONTUNMAP = 4, COLD = 20, PAGEOUT = 21,
    POPULATE_READ_ADVICE = 22, POPULATE_WRITE_ADVICE = 23, DONTNEED_LOCKED = 24, COLLAPSE = 25,
    GUARD_INSTALL = 102, GUARD_REMOVE = 103
};

static uint64_t arg(const struct call_input *in, unsigned i)
{
    return in->call->call.args[i];
}

/* --- what the arguments prove --- */

static bool unaligned(const struct call_input *in)
{
    return arg(in, 0) % in->page_size;
}

static bool empty(const struct call_input *in)
{
    return !arg(in, 1);
}

static bool outside(const struct call_input *in)
{
    return arg(in, 1) > in->task_size || arg(in, 0) > in->task_size - arg(in, 1);
}

static bool wraps(const struct call_input *in)
{
    return arg(in, 0) + arg(in, 1) < arg(in, 0);
}

static bool remap_flags(const struct call_input *in)
{
    return arg(in, 3) & ~(uint64_t)(MREMAP_MAYMOVE | MREMAP_FIXED | REMAP_DONTUNMAP);
}

static bool remap_must_move(const struct call_input *in)
{
    return arg(in, 3) & (MREMAP_FIXED | REMAP_DONTUNMAP) && !(arg(in, 3) & MREMAP_MAYMOVE);
}

static bool remap_to_nothing(const struct call_input *in)
{
    return !arg(in, 2);
}

static bool remap_target_unaligned(const struct call_input *in)
{
    return arg(in, 3) & MREMAP_FIXED && arg(in, 4) % in->page_size;
}

static bool remap_grows_in_place(const struct call_input *in)
{
    return arg(in, 2) > arg(in, 1) && !(arg(in, 3) & MREMAP_MAYMOVE);
}

static bool grows_both(const struct call_input *in)
{
    const uint64_t both = PROT_GROWSDOWN | PROT_GROWSUP;
    return (arg(in, 2) & both) == both;
}

static bool advice_populates(const struct call_input *in)
{
    return arg(in, 2) == POPULATE_READ_ADVICE || arg(in, 2) == POPULATE_WRITE_ADVICE;
}

static bool advice_drops(const struct call_input *in)
{
    return arg(in, 2) == MADV_DONTNEED || arg(in, 2) == MADV_FREE || arg(in, 2) == COLD ||
           arg(in, 2) == PAGEOUT || arg(in, 2) == GUARD_INSTALL;
}

static bool lock_flags(const struct call_input *in)
{
    return arg(in, 2) & ~(uint64_t)LOCK_ONFAULT;
}

static bool sync_both(const struct call_input *in)
{
    return arg(in, 2) & MS_ASYNC && arg(in, 2) & MS_SYNC;
}

static bool sync_flags(const struct call_input *in)
{
    return arg(in, 2) & ~(uint64_t)(MS_ASYNC | MS_SYNC | MS_INVALIDATE);
}

static bool brk_refused(const struct call_input *in)
{
    return arg(in, 0) && (uint64_t)in->call->call.result != arg(in, 0);
}

/* `proof` NULL: possible with any arguments. */
static const struct reason {
    uint8_t call; /* enum mm_call */
    int error;
    bool (*proof)(const struct call_input *in);
    const char *question, *answer;
} reasons[] = {
    {CALL_MUNMAP, EINVAL, unaligned, "Is the address a multiple of a page?", "no"},
    {CALL_MUNMAP, EINVAL, empty, "Is the length more than 0?", "no"},
    {CALL_MUNMAP, EINVAL, outside, "Is it an address of user space?", "no"},
    {CALL_MUNMAP, EINVAL, NULL, "Are its ends multiples of a huge page?",
     "no, and pages of the hugetlb pool are mapped there"},
    {CALL_MUNMAP, ENOMEM, NULL, "May the mapping be split in two?",
     "no: vm.max_map_count is reached"},
    {CALL_MUNMAP, EPERM, NULL, "Are the mappings there sealed (mseal)?", "yes"},
    {CALL_MPROTECT, EINVAL, unaligned, "Is the address a multiple of a page?", "no"},
    {CALL_MPROTECT, EINVAL, grows_both, "Is it to grow in one direction only?", "no, in both"},
    {CALL_MPROTECT, EINVAL, NULL, "Are protection and mapping of a kind that go together?",
     "no: a bit is unknown, or PROT_GROWSDOWN is used where nothing grows"},
    {CALL_MPROTECT, EACCES, NULL, "May the mapping ever have this protection?",
     "no: a shared file opened only for reading is not written, one mounted noexec not executed; "
     "nor does a security policy let all be both"},
    {CALL_MPROTECT, ENOMEM, wraps, "Does the range end behind its beginning?", "no: it wraps"},
    {CALL_MPROTECT, ENOMEM, NULL, "Is all of the range mapped, and memory promised for it?",
     "no: there is a hole in it, vm.max_map_count is reached, or what becomes writable is more "
     "than vm.overcommit_memory lets it"},
    {CALL_MPROTECT, EPERM, NULL, "Are the mappings there sealed (mseal)?", "yes"},
    {CALL_PKEY_MPROTECT, EINVAL, unaligned, "Is the address a multiple of a page?", "no"},
    {CALL_PKEY_MPROTECT, EINVAL, NULL, "Is the protection key allocated?",
     "no, or a protection bit is unknown"},
    {CALL_PKEY_MPROTECT, EACCES, NULL, "May the mapping ever have this protection?",
     "no: as with mprotect"},
    {CALL_PKEY_MPROTECT, ENOMEM, NULL, "Is all of the range mapped?", "no: there is a hole in it"},
    {CALL_MREMAP, EINVAL, remap_flags, "Are all flags known?", "no"},
    {CALL_MREMAP, EINVAL, remap_must_move, "MREMAP_FIXED, DONTUNMAP: may it move?",
     "no: MREMAP_MAYMOVE is missing"},
    {CALL_MREMAP, EINVAL, unaligned, "Is the address a multiple of a page?", "no"},
    {CALL_MREMAP, EINVAL, remap_to_nothing, "Is the new length more than 0?", "no"},
    {CALL_MREMAP, EINVAL, remap_target_unaligned, "Is the new address a multiple of a page?",
     "no"},
    {CALL_MREMAP, EINVAL, NULL, "Can this mapping be changed so?",
     "no: old and new place overlap, the new one is no address of user space, or the kind of "
     "mapping does not permit it"},
    {CALL_MREMAP, EFAULT, NULL, "Does one mapping hold the old range?",
     "no: nothing is mapped there, it ends before, or it may not grow"},
    {CALL_MREMAP, ENOMEM, remap_grows_in_place, "Is the place behind it free?",
     "no, and without MREMAP_MAYMOVE it cannot move"},
    {CALL_MREMAP, ENOMEM, NULL, "Is there room, within all limits?",
     "no: the address space, RLIMIT_AS, vm.max_map_count or the memory that the kernel promises "
     "does not suffice"},
    {CALL_MREMAP, EAGAIN, NULL, "Is locked memory within its limit?",
     "no: RLIMIT_MEMLOCK is exceeded"},
    {CALL_MREMAP, EPERM, NULL, "Is the mapping sealed (mseal)?", "yes"},
    {CALL_MADVISE, EINVAL, unaligned, "Is the address a multiple of a page?", "no"},
    {CALL_MADVISE, EINVAL, wraps, "Does the range end behind its beginning?", "no: it wraps"},
    {CALL_MADVISE, EINVAL, advice_populates, "May these pages be accessed so?",
     "no: the mapping does not permit it, or cannot be populated"},
    {CALL_MADVISE, EINVAL, advice_drops, "Can pages of this mapping be given up so?",
     "no: locked memory, the hugetlb pool, devices and, for MADV_FREE, files are left out"},
    {CALL_MADVISE, EINVAL, NULL, "Is this advice known here, and of use for the mapping?",
     "no: the kernel does not know it or was built without it, or the mapping is of another kind"},
    {CALL_MADVISE, ENOMEM, NULL, "Is all of the range mapped?",
     "no: there is a hole in it (the rest was advised)"},
    {CALL_MADVISE, EFAULT, NULL, "Could all pages be populated?",
     "no: an access there ends in SIGBUS, as beyond the end of a file"},
    {CALL_MADVISE, EAGAIN, NULL, "Were all resources there?",
     "no, not now: it may be tried again"},
    {CALL_MADVISE, EBADF, NULL, "Is it a mapping of a file?", "no, and the advice is about files"},
    {CALL_MADVISE, EPERM, NULL, "Is it permitted?",
     "no: the mapping is sealed (mseal), or the advice needs CAP_SYS_ADMIN"},
    {CALL_MLOCK, ENOMEM, NULL, "Can all of the range be locked?",
     "no: RLIMIT_MEMLOCK is exceeded, a part is not mapped, or is beyond the end of its file or "
     "without access (the pages before it are there now)"},
    {CALL_MLOCK, EPERM, NULL, "May the process lock memory?",
     "no: RLIMIT_MEMLOCK is 0, and it has no CAP_IPC_LOCK"},
    {CALL_MLOCK, EAGAIN, NULL, "Could all pages be brought in?", "no, some could not"},
    {CALL_MLOCK, EINVAL, wraps, "Does the range end behind its beginning?", "no: it wraps"},
    {CALL_MLOCK2, EINVAL, lock_flags, "Are all flags known?", "no"},
    {CALL_MLOCK2, EINVAL, wraps, "Does the range end behind its beginning?", "no: it wraps"},
    {CALL_MLOCK2, ENOMEM, NULL, "Can all of the range be locked?",
     "no: RLIMIT_MEMLOCK is exceeded, a part is not mapped, or is beyond the end of its file or "
     "without access"},
    {CALL_MLOCK2, EPERM, NULL, "May the process lock memory?",
     "no: RLIMIT_MEMLOCK is 0, and it has no CAP_IPC_LOCK"},
    {CALL_MLOCK2, EAGAIN, NULL, "Could all pages be brought in?", "no, some could not"},
    {CALL_MLOCKALL, EINVAL, NULL, "Are the flags known, and not MCL_ONFAULT alone?", "no"},
    {CALL_MLOCKALL, ENOMEM, NULL, "Is all that is mapped within the limit of locked memory?",
     "no: RLIMIT_MEMLOCK is exceeded"},
    {CALL_MLOCKALL, EPERM, NULL, "May the process lock memory?",
     "no: RLIMIT_MEMLOCK is 0, and it has no CAP_IPC_LOCK"},
    {CALL_MUNLOCK, ENOMEM, NULL, "Is all of the range mapped?", "no: there is a hole in it"},
    {CALL_MUNLOCK, EINVAL, wraps, "Does the range end behind its beginning?", "no: it wraps"},
    {CALL_MSYNC, EINVAL, unaligned, "Is the address a multiple of a page?", "no"},
    {CALL_MSYNC, EINVAL, sync_both, "MS_SYNC or MS_ASYNC?", "both: only one is possible"},
    {CALL_MSYNC, EINVAL, sync_flags, "Are all flags known?", "no"},
    {CALL_MSYNC, ENOMEM, NULL, "Is all of the range mapped?", "no: there is a hole in it"},
    {CALL_MSYNC, EBUSY, NULL, "MS_INVALIDATE: is nothing of it locked?", "no, a part is"},
    {CALL_MSYNC, EIO, NULL, "Could all be written back?", "no: writing failed"},
    {CALL_REMAP_FILE_PAGES, EINVAL, NULL, "Is it a range of one shared mapping, with prot 0?",
     "no: nothing else can be remapped"},
    {CALL_MSEAL, EINVAL, NULL, "Are flags 0, and the address a multiple of a page?", "no"},
    {CALL_MSEAL, ENOMEM, NULL, "Is all of the range mapped?", "no: there is a hole in it"},
    {CALL_MSEAL, EPERM, NULL, "Can it be sealed here?", "no: a 32-bit kernel cannot"},
    {CALL_USERFAULTFD, EPERM, NULL, "May it ask about faults of the kernel?",
     "no: with UFFD_USER_MODE_ONLY it may, or with CAP_SYS_PTRACE (vm.unprivileged_userfaultfd)"},
    {CALL_USERFAULTFD, EINVAL, NULL, "Are all flags known?", "no"},
    {CALL_USERFAULTFD, ENOSYS, NULL, "Has this kernel userfaultfd?", "no"},
    {CALL_SHMAT, EINVAL, NULL, "Is there such a segment, and room at that address?", "no"},
    {CALL_SHMAT, EACCES, NULL, "May it be attached so?", "no: its permissions do not let it"},
    {CALL_SHMDT, EINVAL, NULL, "Is a segment attached at this address?", "no"},
    {CALL_BRK, 0, brk_refused, "Could the end of the heap be put there?",
     "no, it stays: below its beginning, beyond RLIMIT_DATA, too near to the next mapping, or more "
     "memory than the kernel promises"},
};
enum { REASONS = sizeof reasons / sizeof *reasons };

static void add(struct call_verdict *out, const struct reason *r, enum call_mark mark)
{
    if (out->steps < CALL_STEPS_MAX)
        out->step[out->steps++] = (struct call_step){r->question, r->answer, (uint8_t)mark};
}

void call_reasons(const struct call_input *in, struct call_verdict *out)
{
    uint8_t call = in->call->call.call;
    unsigned n = 0;
    for (unsigned i = 0; i < REASONS; i++) {
        const struct reason *r = &reasons[i];
        if (r->call != call || (out->failed ? r->error != out->error : r->error != 0))
            continue;
        if (r->proof && r->proof(in)) {
            out->failed = true;
            out->steps = 0;
            add(out, r, CALL_TAKEN);
            return;
        }
        if (!r->proof) {
            add(out, r, CALL_PERHAPS);
            n++;
        }
    }
    out->sure = n == out->failed;
    if (n == 1)
        out->step[0].mark = CALL_TAKEN;
}

/* --- arguments in words --- */

struct word {
    uint64_t bits;
    const char *name;
};

static const struct word protections[] = {
    {PROT_READ, "PROT_READ"}, {PROT_WRITE, "PROT_WRITE"}, {PROT_EXEC, "PROT_EXEC"},
    {PROT_GROWSDOWN, "PROT_GROWSDOWN"}, {PROT_GROWSUP, "PROT_GROWSUP"}, {0, "PROT_NONE"}};

static const struct word types[] = {
    {MAP_SHARED_VALIDATE, "MAP_SHARED_VALIDATE"}, {MAP_SHARED, "MAP_SHARED"},
    {MAP_PRIVATE, "MAP_PRIVATE"}, {DROPPABLE, "MAP_DROPPABLE"}, {0, "type 0"}};

static const struct word map_flags[] = {
    {MAP_FIXED, "MAP_FIXED"}, {MAP_FIXED_NOREPLACE, "MAP_FIXED_NOREPLACE"},
    {MAP_ANONYMOUS, "MAP_ANONYMOUS"}, {MAP_GROWSDOWN, "MAP_GROWSDOWN"},
    {MAP_DENYWRITE, "MAP_DENYWRITE"}, {MAP_LOCKED, "MAP_LOCKED"},
    {MAP_NORESERVE, "MAP_NORESERVE"}, {MAP_POPULATE, "MAP_POPULATE"},
    {MAP_NONBLOCK, "MAP_NONBLOCK"}, {MAP_STACK, "MAP_STACK"}, {MAP_HUGETLB, "MAP_HUGETLB"},
    {MAP_SYNC, "MAP_SYNC"}, {0, ""}};

static const struct word remap_words[] = {
    {MREMAP_MAYMOVE, "MREMAP_MAYMOVE"}, {MREMAP_FIXED, "MREMAP_FIXED"},
    {REMAP_DONTUNMAP, "MREMAP_DONTUNMAP"}, {0, "in place"}};

static const struct word advices[] = {
    {MADV_NORMAL, "MADV_NORMAL"}, {MADV_RANDOM, "MADV_RANDOM"},
    {MADV_SEQUENTIAL, "MADV_SEQUENTIAL"}, {MADV_WILLNEED, "MADV_WILLNEED"},
    {MADV_DONTNEED, "MADV_DONTNEED"}, {MADV_FREE, "MADV_FREE"}, {MADV_REMOVE, "MADV_REMOVE"},
    {MADV_DONTFORK, "MADV_DONTFORK"}, {MADV_DOFORK, "MADV_DOFORK"},
    {MADV_MERGEABLE, "MADV_MERGEABLE"}, {MADV_UNMERGEABLE, "MADV_UNMERGEABLE"},
    {MADV_HUGEPAGE, "MADV_HUGEPAGE"}, {MADV_NOHUGEPAGE, "MADV_NOHUGEPAGE"},
    {MADV_DONTDUMP, "MADV_DONTDUMP"}, {MADV_DODUMP, "MADV_DODUMP"},
    {MADV_WIPEONFORK, "MADV_WIPEONFORK"}, {MADV_KEEPONFORK, "MADV_KEEPONFORK"},
    {COLD, "MADV_COLD"}, {PAGEOUT, "MADV_PAGEOUT"},
    {POPULATE_READ_ADVICE, "MADV_POPULATE_READ"}, {POPULATE_WRITE_ADVICE, "MADV_POPULATE_WRITE"},
    {DONTNEED_LOCKED, "MADV_DONTNEED_LOCKED"}, {COLLAPSE, "MADV_COLLAPSE"},
    {MADV_HWPOISON, "MADV_HWPOISON"}, {GUARD_INSTALL, "MADV_GUARD_INSTALL"},
    {GUARD_REMOVE, "MADV_GUARD_REMOVE"}};

/* Text that is being put together. */
struct words {
    char *out;
    size_t cap, len;
};

static void say(struct words *w, const char *separator, const char *text)
{
    if (w->len < w->cap)
        w->len += (size_t)snprintf(w->out + w->len, w->cap - w->len, "%s%s",
                                   w->len ? separator : "", text);
}

static void say_number(struct words *w, const char *separator, const char *fmt, uint64_t n)
{
    char text[64];
    snprintf(text, sizeof text, fmt, (unsigned long long)n);
    say(w, separator, text);
}

/* Names of bits; the last name of the table, of no bit, stands for none. */
static void say_bits(struct words *w, const char *first, const struct word *table, uint64_t bits)
{
    const char *separator = first;
    bool none = !bits;
    for (; table->bits; table++)
        if (bits & table->bits) {
            say(w, separator, table->name);
            separator = "|";
            bits &= ~table->bits;
        }
    if (none && *table->name)
        say(w, separator, table->name);
    if (bits)
        say_number(w, separator, "%#llx", bits);
}

/* The name of one value. */
static void say_value(struct words *w, const char *separator, const struct word *table,
                      size_t count, const char *unknown, uint64_t value)
{
    for (size_t i = 0; i < count; i++)
        if (table[i].bits == value) {
            say(w, separator, table[i].name);
            return;
        }
    say_number(w, separator, unknown, value);
}

static void say_mmap(struct words *w, const uint64_t *args)
{
    const uint64_t type = 15;
    say_number(w, "", "%llu bytes", args[1]);
    say_bits(w, ", ", protections, args[2]);
    say_value(w, ", ", types, sizeof types / sizeof *types, "type %llu", args[3] & type);
    say_bits(w, "|", map_flags, args[3] & ~type);
    if (args[3] & MAP_ANONYMOUS)
        return;
    say_number(w, ", ", "descriptor %lld", (uint64_t)(int64_t)(int32_t)args[4]);
    say_number(w, ", ", "from %llu on", args[5]);
}

const char *call_words(char *out, size_t cap, const struct event *call)
{
    struct words w = {out, cap, 0};
    const uint64_t *args = call->call.args;
    out[0] = '\0';
    if (!call->call.has_args)
        return out;
    switch (call->call.call) {
    case CALL_MMAP:
        say_mmap(&w, args);
        break;
    case CALL_MPROTECT:
    case CALL_PKEY_MPROTECT:
        say_number(&w, "", "%llu bytes", args[1]);
        say_bits(&w, ", ", protections, args[2]);
        break;
    case CALL_MREMAP:
        say_number(&w, "", "%llu bytes", args[1]);
        say_number(&w, " ", "to become %llu", args[2]);
        say_bits(&w, ", ", remap_words, args[3]);
        break;
    case CALL_MADVISE:
        say_number(&w, "", "%llu bytes", args[1]);
        say_value(&w, ", ", advices, sizeof advices / sizeof *advices, "advice %llu", args[2]);
        break;
    case CALL_MUNMAP:
    case CALL_MLOCK:
    case CALL_MLOCK2:
    case CALL_MUNLOCK:
        say_number(&w, "", "%llu bytes", args[1]);
        break;
    default:
        break;
    }
    return out;
}
