/* What an error of munmap, mprotect and their like means: a table of reasons by call and error, as
 * Linux 6.18 has them. A reason that the arguments prove is the only one; otherwise all that they
 * leave possible are given. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "model/call_parts.h"

static uint64_t arg(const struct call_input *in, unsigned i)
{
    return call_arg(in, i);
}

static enum outcome proof(bool proven)
{
    return proven ? FAIL : ABSENT;
}

static enum outcome possible(bool is)
{
    return is ? OPEN : ABSENT;
}

/* --- ranges --- */

static uint64_t in_pages(const struct call_input *in, uint64_t len)
{
    return (len + in->page_size - 1) & ~(in->page_size - 1);
}

static enum outcome unaligned(const struct call_input *in)
{
    return proof(arg(in, 0) % in->page_size);
}

static enum outcome empty(const struct call_input *in)
{
    return proof(!arg(in, 1));
}

static bool leaves_user_space(const struct call_input *in, uint64_t address, uint64_t len)
{
    return len > in->task_size || address > in->task_size - len;
}

static enum outcome outside(const struct call_input *in)
{
    return proof(leaves_user_space(in, arg(in, 0), arg(in, 1)));
}

/* In whole pages from the address on, beyond the last number. */
static enum outcome wraps(const struct call_input *in)
{
    uint64_t len = in_pages(in, arg(in, 1));
    return proof((arg(in, 1) && !len) || arg(in, 0) + len < arg(in, 0));
}

/* mlock: from the beginning of the page on. */
static enum outcome lock_wraps(const struct call_input *in)
{
    uint64_t within = arg(in, 0) % in->page_size, start = arg(in, 0) - within;
    return proof(start + in_pages(in, arg(in, 1) + within) < start);
}

/* Only then the end of a range can cut a huge page of the pool. */
static enum outcome cuts_huge(const struct call_input *in)
{
    return possible((arg(in, 0) | arg(in, 1)) % in->huge_size);
}

/* --- mprotect --- */

static enum outcome grows_both(const struct call_input *in)
{
    const uint64_t both = PROT_GROWSDOWN | PROT_GROWSUP;
    return proof((arg(in, 2) & both) == both);
}

static enum outcome grows(const struct call_input *in)
{
    return possible(arg(in, 2) & (PROT_GROWSDOWN | PROT_GROWSUP));
}

/* Some architectures know bits of their own (0xf0). */
static enum outcome unknown_protection(const struct call_input *in)
{
    const uint64_t known = PROT_READ | PROT_WRITE | PROT_EXEC | 8 | PROT_GROWSDOWN | PROT_GROWSUP;
    return arg(in, 2) & ~(known | 0xf0) ? FAIL : possible(arg(in, 2) & 0xf0);
}

static enum outcome written(const struct call_input *in)
{
    return possible(arg(in, 2) & PROT_WRITE);
}

/* --- mremap --- */

static bool has_new_address(const struct call_input *in)
{
    return arg(in, 3) & (MREMAP_FIXED | REMAP_DONTUNMAP);
}

static enum outcome remap_flags(const struct call_input *in)
{
    return proof(arg(in, 3) & ~(uint64_t)(MREMAP_MAYMOVE | MREMAP_FIXED | REMAP_DONTUNMAP));
}

static enum outcome remap_must_move(const struct call_input *in)
{
    return proof(has_new_address(in) && !(arg(in, 3) & MREMAP_MAYMOVE));
}

static enum outcome remap_to_nothing(const struct call_input *in)
{
    return proof(!in_pages(in, arg(in, 2)));
}

static enum outcome remap_outside(const struct call_input *in)
{
    uint64_t len = in_pages(in, arg(in, 2)), to = arg(in, 3) & MREMAP_FIXED ? arg(in, 4) : 0;
    return proof(leaves_user_space(in, to, len));
}

static enum outcome remap_target_unaligned(const struct call_input *in)
{
    return proof(arg(in, 3) & MREMAP_FIXED && arg(in, 4) % in->page_size);
}

static enum outcome remap_resizes_and_keeps(const struct call_input *in)
{
    return proof(arg(in, 3) & REMAP_DONTUNMAP &&
                 in_pages(in, arg(in, 1)) != in_pages(in, arg(in, 2)));
}

static enum outcome remap_overlaps(const struct call_input *in)
{
    uint64_t from = arg(in, 0), to = arg(in, 4);
    return proof(arg(in, 3) & MREMAP_FIXED && from + in_pages(in, arg(in, 1)) > to &&
                 to + in_pages(in, arg(in, 2)) > from);
}

static enum outcome remap_from_nothing(const struct call_input *in)
{
    return possible(!in_pages(in, arg(in, 1)));
}

static enum outcome remap_keeps(const struct call_input *in)
{
    return possible(arg(in, 3) & REMAP_DONTUNMAP);
}

static enum outcome remap_cuts_huge(const struct call_input *in)
{
    return possible((arg(in, 0) | (arg(in, 3) & MREMAP_FIXED ? arg(in, 4) : 0)) % in->huge_size);
}

static bool remap_grows(const struct call_input *in)
{
    return in_pages(in, arg(in, 2)) > in_pages(in, arg(in, 1));
}

static enum outcome remap_in_place(const struct call_input *in)
{
    return possible(remap_grows(in) && !(arg(in, 3) & MREMAP_MAYMOVE));
}

static enum outcome remap_may_move(const struct call_input *in)
{
    return possible(arg(in, 3) & MREMAP_MAYMOVE);
}

static enum outcome remap_longer(const struct call_input *in)
{
    return possible(remap_grows(in));
}

/* --- madvise --- */

static bool advises(const struct call_input *in, uint64_t advice)
{
    return arg(in, 2) == advice;
}

static bool populates(const struct call_input *in)
{
    return advises(in, POPULATE_READ_ADVICE) || advises(in, POPULATE_WRITE_ADVICE);
}

static enum outcome advice_populates(const struct call_input *in)
{
    return proof(populates(in));
}

static enum outcome may_populate(const struct call_input *in)
{
    return possible(populates(in));
}

static enum outcome advice_drops(const struct call_input *in)
{
    return proof(advises(in, MADV_FREE) || advises(in, COLD) || advises(in, PAGEOUT) ||
                 advises(in, GUARD_INSTALL) || advises(in, GUARD_REMOVE));
}

static enum outcome advice_unmaps(const struct call_input *in)
{
    return proof(advises(in, MADV_DONTNEED) || advises(in, DONTNEED_LOCKED));
}

static enum outcome advice_removes(const struct call_input *in)
{
    return proof(advises(in, MADV_REMOVE));
}

static enum outcome advice_collapses(const struct call_input *in)
{
    return proof(advises(in, COLLAPSE));
}

static enum outcome may_collapse(const struct call_input *in)
{
    return possible(advises(in, COLLAPSE));
}

static enum outcome may_split(const struct call_input *in)
{
    return possible(!populates(in) && !advises(in, COLLAPSE));
}

static bool poisons(const struct call_input *in)
{
    enum { SOFT_OFFLINE = 101 };
    return advises(in, MADV_HWPOISON) || advises(in, SOFT_OFFLINE);
}

static enum outcome advice_poisons(const struct call_input *in)
{
    return proof(poisons(in));
}

/* --- others --- */

static enum outcome lock_flags(const struct call_input *in)
{
    return proof(arg(in, 2) & ~(uint64_t)LOCK_ONFAULT);
}

static enum outcome sync_both(const struct call_input *in)
{
    return proof(arg(in, 2) & MS_ASYNC && arg(in, 2) & MS_SYNC);
}

static enum outcome sync_flags(const struct call_input *in)
{
    return proof(arg(in, 2) & ~(uint64_t)(MS_ASYNC | MS_SYNC | MS_INVALIDATE));
}

static enum outcome brk_refused(const struct call_input *in)
{
    return proof(arg(in, 0) && (uint64_t)in->call->call.result != arg(in, 0));
}

static enum outcome seal_flags(const struct call_input *in)
{
    return proof(arg(in, 2));
}

#define COPIES(call) \
    {call, EAGAIN, NULL, "May there be one task more?", \
     "no: RLIMIT_NPROC, pids.max of the cgroup, kernel.threads-max or kernel.pid_max is reached"}, \
    {call, ENOMEM, NULL, "Is there memory for the copy?", \
     "no: more than vm.overcommit_memory lets it, or none is free"}

/* `ask` NULL: possible with any arguments. */
static const struct reason {
    uint8_t call; /* enum mm_call */
    int error;
    enum outcome (*ask)(const struct call_input *in);
    const char *question, *answer;
} reasons[] = {
    {CALL_MUNMAP, EINVAL, unaligned, "Is the address a multiple of a page?", "no"},
    {CALL_MUNMAP, EINVAL, outside, "Is it an address of user space?", "no"},
    {CALL_MUNMAP, EINVAL, empty, "Is the length more than 0?", "no"},
    {CALL_MUNMAP, EINVAL, NULL, "Are its ends multiples of a huge page?",
     "no, and pages of the hugetlb pool are mapped there"},
    {CALL_MUNMAP, ENOMEM, NULL, "May the mapping be split in two?",
     "no: vm.max_map_count is reached"},
    {CALL_MUNMAP, EPERM, NULL, "Are the mappings there sealed (mseal)?", "yes"},
    {CALL_MPROTECT, EINVAL, grows_both, "Is it to grow in one direction only?", "no, in both"},
    {CALL_MPROTECT, EINVAL, unaligned, "Is the address a multiple of a page?", "no"},
    {CALL_MPROTECT, EINVAL, unknown_protection, "Are all bits of the protection known?", "no"},
    {CALL_MPROTECT, EINVAL, grows, "Does the mapping grow in this direction?",
     "no: PROT_GROWSDOWN is for stacks, PROT_GROWSUP for none here"},
    {CALL_MPROTECT, EINVAL, cuts_huge, "Are its ends multiples of a huge page?",
     "no, and pages of the hugetlb pool are mapped there"},
    {CALL_MPROTECT, EACCES, NULL, "May the mapping ever have this protection?",
     "no: a shared file that was opened only for reading, or is sealed, is not written, one mounted "
     "noexec not executed; nor does a security policy let all be both"},
    {CALL_MPROTECT, ENOMEM, wraps, "Does the range end behind its beginning?", "no: it wraps"},
    {CALL_MPROTECT, ENOMEM, NULL, "Is all of the range mapped?", "no: there is a hole in it"},
    {CALL_MPROTECT, ENOMEM, written, "May what becomes writable be so much?",
     "no: RLIMIT_DATA is exceeded, or it is more than vm.overcommit_memory lets it"},
    {CALL_MPROTECT, ENOMEM, NULL, "May the mapping be split?", "no: vm.max_map_count is reached"},
    {CALL_MPROTECT, EPERM, NULL, "Are the mappings there sealed (mseal)?", "yes"},
    {CALL_PKEY_MPROTECT, EINVAL, grows_both, "Is it to grow in one direction only?",
     "no, in both"},
    {CALL_PKEY_MPROTECT, EINVAL, unaligned, "Is the address a multiple of a page?", "no"},
    {CALL_PKEY_MPROTECT, EINVAL, unknown_protection, "Are all bits of the protection known?", "no"},
    {CALL_PKEY_MPROTECT, EINVAL, NULL, "Is the protection key allocated?", "no"},
    {CALL_PKEY_MPROTECT, EINVAL, cuts_huge, "Are its ends multiples of a huge page?",
     "no, and pages of the hugetlb pool are mapped there"},
    {CALL_PKEY_MPROTECT, EACCES, NULL, "May the mapping ever have this protection?",
     "no: as with mprotect"},
    {CALL_PKEY_MPROTECT, ENOMEM, NULL, "Is all of the range mapped?", "no: there is a hole in it"},
    {CALL_PKEY_MPROTECT, ENOMEM, written, "May what becomes writable be so much?",
     "no: RLIMIT_DATA is exceeded, or it is more than vm.overcommit_memory lets it"},
    {CALL_PKEY_MPROTECT, ENOMEM, NULL, "May the mapping be split?",
     "no: vm.max_map_count is reached"},
    {CALL_PKEY_MPROTECT, EPERM, NULL, "Are the mappings there sealed (mseal)?", "yes"},
    {CALL_MREMAP, EINVAL, remap_flags, "Are all flags known?", "no"},
    {CALL_MREMAP, EINVAL, unaligned, "Is the address a multiple of a page?", "no"},
    {CALL_MREMAP, EINVAL, remap_to_nothing, "Is the new length more than 0?", "no"},
    {CALL_MREMAP, EINVAL, remap_outside, "Does it end in user space?", "no"},
    {CALL_MREMAP, EINVAL, remap_target_unaligned, "Is the new address a multiple of a page?",
     "no"},
    {CALL_MREMAP, EINVAL, remap_must_move, "MREMAP_FIXED, DONTUNMAP: may it move?",
     "no: MREMAP_MAYMOVE is missing"},
    {CALL_MREMAP, EINVAL, remap_resizes_and_keeps, "MREMAP_DONTUNMAP: does it keep its length?",
     "no"},
    {CALL_MREMAP, EINVAL, remap_overlaps, "Are old and new place apart?", "no, they overlap"},
    {CALL_MREMAP, EINVAL, remap_from_nothing, "Old length 0: is it a shared mapping?",
     "no: only one of those can be doubled"},
    {CALL_MREMAP, EINVAL, remap_keeps, "MREMAP_DONTUNMAP: is it ordinary memory?",
     "no: a device's, or one that may not grow"},
    {CALL_MREMAP, EINVAL, remap_cuts_huge, "Are its ends multiples of a huge page?",
     "no, and pages of the hugetlb pool are mapped there"},
    {CALL_MREMAP, EINVAL, remap_longer, "Does its offset in the file, plus its new length, fit?",
     "no"},
    {CALL_MREMAP, EFAULT, NULL, "Does one mapping hold the old range?",
     "no: nothing is mapped there, it ends before, or it may not grow"},
    {CALL_MREMAP, ENOMEM, remap_in_place, "Is the place behind it free?",
     "no, and without MREMAP_MAYMOVE it cannot move"},
    {CALL_MREMAP, ENOMEM, remap_may_move, "Is there room for it in the address space?", "no"},
    {CALL_MREMAP, ENOMEM, remap_longer, "Is the process within its limits?",
     "no: RLIMIT_AS or RLIMIT_DATA is exceeded"},
    {CALL_MREMAP, ENOMEM, remap_longer, "Does the kernel promise so much memory?",
     "no: more than vm.overcommit_memory lets it"},
    {CALL_MREMAP, ENOMEM, NULL, "Are there few enough mappings?",
     "no: vm.max_map_count is reached"},
    {CALL_MREMAP, EAGAIN, NULL, "Is locked memory within its limit?",
     "no: RLIMIT_MEMLOCK is exceeded"},
    {CALL_MREMAP, EPERM, NULL, "Is the mapping sealed (mseal)?", "yes"},
    {CALL_MADVISE, EINVAL, unaligned, "Is the address a multiple of a page?", "no"},
    {CALL_MADVISE, EINVAL, wraps, "Does the range end behind its beginning?", "no: it wraps"},
    {CALL_MADVISE, EINVAL, advice_populates, "May these pages be accessed so?",
     "no: the mapping does not permit it, or cannot be populated"},
    {CALL_MADVISE, EINVAL, advice_drops, "Can pages of this mapping be given up so?",
     "no: locked memory, the hugetlb pool, devices and, for MADV_FREE, files are left out"},
    {CALL_MADVISE, EINVAL, advice_unmaps, "Can pages of this mapping be dropped?",
     "no: devices, locked memory (but by MADV_DONTNEED_LOCKED) and a part of a huge page of the pool "
     "cannot"},
    {CALL_MADVISE, EINVAL, advice_removes, "Is there a file to punch a hole into, not locked?",
     "no"},
    {CALL_MADVISE, EINVAL, advice_collapses, "Can a huge page be put there?",
     "no: the mapping is of another kind or too short, or has MADV_NOHUGEPAGE"},
    {CALL_MADVISE, EINVAL, NULL, "Is this advice known here, and of use for the mapping?",
     "no: the kernel does not know it or was built without it, or the mapping is of another kind"},
    {CALL_MADVISE, ENOMEM, NULL, "Is all of the range mapped?",
     "no: there is a hole in it (the rest was advised)"},
    {CALL_MADVISE, ENOMEM, may_populate, "Was memory for all pages to be had?", "no"},
    {CALL_MADVISE, ENOMEM, may_collapse, "Was a huge page to be had?", "no: none is free"},
    {CALL_MADVISE, EACCES, advice_removes, "Is it a shared mapping that may be written?",
     "no: only through one of those a hole is punched into the file"},
    {CALL_MADVISE, EOPNOTSUPP, advice_removes, "Can the file system punch holes?", "no"},
    {CALL_MADVISE, EFAULT, NULL, "Could all pages be populated?",
     "no: an access there ends in SIGBUS, as beyond the end of a file, or in SIGSEGV, as at a guard"},
    {CALL_MADVISE, EBUSY, may_collapse, "May the cgroup have a huge page more?", "no"},
    {CALL_MADVISE, EAGAIN, may_collapse, "Could the pages be locked and moved?",
     "no, somebody uses one now: it may be tried again"},
    {CALL_MADVISE, EAGAIN, may_split, "May the mapping be split?",
     "no: vm.max_map_count is reached, or memory is short"},
    {CALL_MADVISE, EBADF, NULL, "Is it a mapping of a file?", "no, and the advice is about files"},
    {CALL_MADVISE, EPERM, advice_poisons, "Has it CAP_SYS_ADMIN?", "no"},
    {CALL_MADVISE, EPERM, NULL, "Is the mapping sealed (mseal)?",
     "yes, and the advice would change what is read there"},
    {CALL_PROCESS_MADVISE, EPERM, NULL, "May it advise that process?",
     "no: it may not read its memory (ptrace), or has no CAP_SYS_NICE"},
    {CALL_PROCESS_MADVISE, EBADF, NULL, "Is it a descriptor of a process?", "no"},
    {CALL_PROCESS_MADVISE, ESRCH, NULL, "Is the process still there?", "no"},
    {CALL_PROCESS_MADVISE, EINVAL, NULL, "Are advice, flags and ranges such as are permitted?",
     "no: only some advice can be given to others, flags are 0, and addresses whole pages"},
    {CALL_PROCESS_MADVISE, ENOMEM, NULL, "Is all of the range mapped?",
     "no: there is a hole in it"},
    {CALL_MLOCK, EINVAL, lock_wraps, "Does the range end behind its beginning?", "no: it wraps"},
    {CALL_MLOCK, ENOMEM, NULL, "Is locked memory within its limit?",
     "no: RLIMIT_MEMLOCK is exceeded"},
    {CALL_MLOCK, ENOMEM, NULL, "Is all of the range mapped?", "no: there is a hole in it"},
    {CALL_MLOCK, ENOMEM, NULL, "Can all of its pages be brought in?",
     "no: there is a part without access, or beyond the end of its file"},
    {CALL_MLOCK, ENOMEM, NULL, "May the mapping be split?", "no: vm.max_map_count is reached"},
    {CALL_MLOCK, EPERM, NULL, "May the process lock memory?",
     "no: RLIMIT_MEMLOCK is 0, and it has no CAP_IPC_LOCK"},
    {CALL_MLOCK, EAGAIN, NULL, "Was memory for all pages to be had?", "no"},
    {CALL_MLOCK2, EINVAL, lock_flags, "Are all flags known?", "no"},
    {CALL_MLOCK2, EINVAL, lock_wraps, "Does the range end behind its beginning?", "no: it wraps"},
    {CALL_MLOCK2, ENOMEM, NULL, "Is locked memory within its limit?",
     "no: RLIMIT_MEMLOCK is exceeded"},
    {CALL_MLOCK2, ENOMEM, NULL, "Is all of the range mapped?", "no: there is a hole in it"},
    {CALL_MLOCK2, ENOMEM, NULL, "Can all of its pages be brought in?",
     "no: there is a part without access, or beyond the end of its file"},
    {CALL_MLOCK2, ENOMEM, NULL, "May the mapping be split?", "no: vm.max_map_count is reached"},
    {CALL_MLOCK2, EPERM, NULL, "May the process lock memory?",
     "no: RLIMIT_MEMLOCK is 0, and it has no CAP_IPC_LOCK"},
    {CALL_MLOCK2, EAGAIN, NULL, "Was memory for all pages to be had?", "no"},
    {CALL_MLOCKALL, EINVAL, NULL, "Are the flags known, and not 0 or MCL_ONFAULT alone?", "no"},
    {CALL_MLOCKALL, ENOMEM, NULL, "Is all that is mapped within the limit of locked memory?",
     "no: RLIMIT_MEMLOCK is exceeded"},
    {CALL_MLOCKALL, EPERM, NULL, "May the process lock memory?",
     "no: RLIMIT_MEMLOCK is 0, and it has no CAP_IPC_LOCK"},
    {CALL_MUNLOCK, EINVAL, lock_wraps, "Does the range end behind its beginning?", "no: it wraps"},
    {CALL_MUNLOCK, ENOMEM, NULL, "Is all of the range mapped?", "no: there is a hole in it"},
    {CALL_MUNLOCK, ENOMEM, NULL, "May the mapping be split?", "no: vm.max_map_count is reached"},
    {CALL_MSYNC, EINVAL, sync_flags, "Are all flags known?", "no"},
    {CALL_MSYNC, EINVAL, unaligned, "Is the address a multiple of a page?", "no"},
    {CALL_MSYNC, EINVAL, sync_both, "MS_SYNC or MS_ASYNC?", "both: only one is possible"},
    {CALL_MSYNC, ENOMEM, wraps, "Does the range end behind its beginning?", "no: it wraps"},
    {CALL_MSYNC, ENOMEM, NULL, "Is all of the range mapped?", "no: there is a hole in it"},
    {CALL_MSYNC, EBUSY, NULL, "MS_INVALIDATE: is nothing of it locked?", "no, a part is"},
    {CALL_MSYNC, EIO, NULL, "Could all be written back?", "no: writing failed"},
    {CALL_REMAP_FILE_PAGES, EINVAL, NULL, "Is it a range of one shared mapping, with prot 0?",
     "no: nothing else can be remapped"},
    {CALL_MSEAL, EINVAL, seal_flags, "Are flags 0?", "no"},
    {CALL_MSEAL, EINVAL, unaligned, "Is the address a multiple of a page?", "no"},
    {CALL_MSEAL, EINVAL, wraps, "Does the range end behind its beginning?", "no: it wraps"},
    {CALL_MSEAL, ENOMEM, NULL, "Is all of the range mapped?", "no: there is a hole in it"},
    {CALL_MSEAL, EPERM, NULL, "Can it be sealed here?", "no: a 32-bit kernel cannot"},
    {CALL_USERFAULTFD, EPERM, NULL, "May it ask about faults of the kernel?",
     "no: with UFFD_USER_MODE_ONLY it may, or with CAP_SYS_PTRACE (vm.unprivileged_userfaultfd)"},
    {CALL_USERFAULTFD, EINVAL, NULL, "Are all flags known?", "no"},
    {CALL_USERFAULTFD, ENOSYS, NULL, "Has this kernel userfaultfd?", "no"},
    {CALL_SHMAT, EINVAL, NULL, "Is there such a segment, and room at that address?",
     "no, or the address is no multiple of a page (SHM_RND)"},
    {CALL_SHMAT, EACCES, NULL, "May it be attached so?", "no: its permissions do not let it"},
    {CALL_SHMAT, ENOMEM, NULL, "Is there room for it, within all limits?", "no"},
    {CALL_SHMAT, EIDRM, NULL, "Is the segment still there?", "no, it was removed"},
    {CALL_SHMDT, EINVAL, NULL, "Is a segment attached at this address?", "no"},
    {CALL_BRK, 0, brk_refused, "Could the end of the heap be put there?",
     "no, it stays: below its beginning, beyond a limit (RLIMIT_DATA, RLIMIT_AS, RLIMIT_MEMLOCK), too "
     "near to the next mapping, or more memory than the kernel promises"},
    COPIES(CALL_FORK),
    COPIES(CALL_VFORK),
    COPIES(CALL_CLONE),
    COPIES(CALL_CLONE3),
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
        enum outcome o = r->ask ? r->ask(in) : OPEN;
        if (o == FAIL) {
            out->failed = true;
            out->steps = 0;
            add(out, r, CALL_TAKEN);
            return;
        }
        if (o == OPEN) {
            add(out, r, CALL_PERHAPS);
            n++;
        }
    }
    out->sure = n == out->failed;
    if (n == 1)
        out->step[0].mark = CALL_TAKEN;
}
