/* The checks of sys_mmap as one table, in the order in which Linux 6.18 makes them on x86-64
 * (sys_mmap, ksys_mmap_pgoff, do_mmap, __get_unmapped_area, mmap_region):
 *
 *   offset page-aligned? --no--> EINVAL
 *   MAP_ANONYMOUS? --no--> descriptor open? --no--> EBADF
 *     |                    MAP_HUGETLB: of hugetlbfs? --no--> EINVAL
 *     `-yes, MAP_HUGETLB: such huge pages? --no--> EINVAL; from here on as a file
 *   length 0? --yes--> EINVAL           length rounded up overflows? --yes--> ENOMEM
 *   too many mappings? --yes--> ENOMEM  room for it, below the end? --no--> ENOMEM
 *   MAP_FIXED: page-aligned? --no--> EINVAL      too low? --yes--> EPERM
 *   MAP_FIXED_NOREPLACE: free there? --no--> EEXIST
 *   MAP_LOCKED: may lock? --no--> EPERM, within the limit? --no--> EAGAIN
 *   a file:                                      no file:
 *     offset beyond any file? --> EOVERFLOW        type not shared, private, droppable --> EINVAL
 *     type unknown --> EINVAL                      grows down, and shared --> EINVAL
 *     SHARED_VALIDATE: flag unknown --> EOPNOTSUPP droppable, locked or growing --> EINVAL
 *     shared, to be written:
 *       opened for writing? --no--> EACCES
 *       a swap file? --yes--> ETXTBSY
 *     shared, append-only, writable --> EACCES
 *     opened for reading? --no--> EACCES
 *     to be executed, noexec --> EPERM
 *     kind of file has mmap? --no--> ENODEV
 *     grows down --> EINVAL
 *     shared, to be written, sealed --> EPERM
 *   MAP_FIXED, over something sealed --> EPERM
 *   within RLIMIT_AS, RLIMIT_DATA? --no--> ENOMEM   memory promised (overcommit)? --no--> ENOMEM
 *   of the pool: offset of whole huge pages? --no--> EINVAL, enough of them? --no--> ENOMEM
 *   a file: its own mmap agrees? --no--> its error
 *
 * What cannot be known before (is the descriptor open?) the result tells: a check that would have
 * ended the call with another error was passed. A check that the arguments fail for certain is the
 * reason, if the error is its own. Where several could have ended the call with this error, all of
 * them are marked, the verdict is not sure, and which of those between were made is left open. */
#include "model/call_path.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "model/call_parts.h"

enum { TYPE_MASK = 15, LOWEST_ADDRESS = 65536 };

static uint64_t arg(const struct call_input *in, unsigned i)
{
    return call_arg(in, i);
}

static bool flag(const struct call_input *in, uint64_t bits)
{
    return (arg(in, 3) & bits) != 0;
}

static unsigned type_of(const struct call_input *in)
{
    return (unsigned)(arg(in, 3) & TYPE_MASK);
}

static bool of_file(const struct call_input *in)
{
    return !flag(in, MAP_ANONYMOUS);
}

/* Huge pages without a file of the caller's are those of a file that the kernel makes. */
static bool through_file(const struct call_input *in)
{
    return of_file(in) || flag(in, MAP_HUGETLB);
}

static bool shared(const struct call_input *in)
{
    return type_of(in) == MAP_SHARED || type_of(in) == MAP_SHARED_VALIDATE;
}

static bool written(const struct call_input *in)
{
    return arg(in, 2) & PROT_WRITE;
}

static enum outcome fails_if(bool condition)
{
    return condition ? FAIL : PASS;
}

static bool known(const struct call_input *in, enum call_file fact)
{
    return in->call->call.file_known & fact;
}

static bool is(const struct call_input *in, enum call_file fact)
{
    return in->call->call.file_known & in->call->call.file_is & fact;
}

/* By a fact of the file, which must be true, or must not. */
static enum outcome by_file(const struct call_input *in, enum call_file fact, bool good)
{
    return known(in, fact) ? fails_if(is(in, fact) != good) : OPEN;
}

/* --- the checks --- */

static enum outcome ask_offset(const struct call_input *in)
{
    return fails_if(arg(in, 5) % in->page_size);
}

static enum outcome ask_descriptor(const struct call_input *in)
{
    if (!of_file(in))
        return ABSENT;
    return (int32_t)arg(in, 4) < 0 ? FAIL : by_file(in, CALL_FILE_OPEN, true);
}

static enum outcome ask_hugetlbfs(const struct call_input *in)
{
    if (!of_file(in) || !flag(in, MAP_HUGETLB))
        return ABSENT;
    return by_file(in, CALL_FILE_HUGETLB, true);
}

static enum outcome ask_huge_size(const struct call_input *in)
{
    return of_file(in) || !flag(in, MAP_HUGETLB) ? ABSENT : OPEN;
}

static bool of_pool(const struct call_input *in)
{
    return flag(in, MAP_HUGETLB) || is(in, CALL_FILE_HUGETLB);
}

static enum outcome ask_huge_offset(const struct call_input *in)
{
    if (!of_pool(in))
        return ABSENT;
    return arg(in, 5) % in->huge_size ? OPEN : PASS;
}

static enum outcome ask_huge_free(const struct call_input *in)
{
    if (!of_pool(in))
        return ABSENT;
    return flag(in, MAP_NORESERVE) ? PASS : OPEN;
}

static enum outcome ask_policy(const struct call_input *in)
{
    (void)in;
    return OPEN;
}

static enum outcome ask_length(const struct call_input *in)
{
    return fails_if(!arg(in, 1));
}

static enum outcome ask_rounding(const struct call_input *in)
{
    return fails_if(arg(in, 1) > UINT64_MAX - in->page_size + 1);
}

static enum outcome ask_map_count(const struct call_input *in)
{
    (void)in;
    return OPEN;
}

static bool fixed(const struct call_input *in)
{
    return flag(in, MAP_FIXED | MAP_FIXED_NOREPLACE);
}

static enum outcome ask_room(const struct call_input *in)
{
    uint64_t len = arg(in, 1);
    if (len > in->task_size || (fixed(in) && arg(in, 0) > in->task_size - len))
        return FAIL;
    return fixed(in) ? PASS : OPEN;
}

static enum outcome ask_aligned(const struct call_input *in)
{
    if (!fixed(in))
        return ABSENT;
    return fails_if(arg(in, 0) % in->page_size);
}

static enum outcome ask_huge_aligned(const struct call_input *in)
{
    if (!of_pool(in))
        return ABSENT;
    return fixed(in) && arg(in, 0) % in->huge_size ? OPEN : PASS;
}

static enum outcome ask_low(const struct call_input *in)
{
    if (!fixed(in))
        return ABSENT;
    return arg(in, 0) < LOWEST_ADDRESS ? OPEN : PASS;
}

static enum outcome ask_free(const struct call_input *in)
{
    return flag(in, MAP_FIXED_NOREPLACE) ? OPEN : ABSENT;
}

static enum outcome ask_may_lock(const struct call_input *in)
{
    return flag(in, MAP_LOCKED) ? OPEN : ABSENT;
}

static enum outcome ask_lock_limit(const struct call_input *in)
{
    (void)in; /* mlockall(MCL_FUTURE) locks what has no MAP_LOCKED, too */
    return OPEN;
}

static enum outcome ask_far(const struct call_input *in)
{
    return through_file(in) ? OPEN : ABSENT;
}

static enum outcome ask_file_type(const struct call_input *in)
{
    if (!through_file(in))
        return ABSENT;
    return fails_if(!shared(in) && type_of(in) != MAP_PRIVATE);
}

static enum outcome ask_flags(const struct call_input *in)
{
    const uint64_t legacy = TYPE_MASK | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE |
                            MAP_EXECUTABLE | MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE |
                            MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | 0x40 |
                            UINT64_C(0x3f) << 26; /* MAP_32BIT, and the size of huge pages */
    if (!through_file(in) || type_of(in) != MAP_SHARED_VALIDATE)
        return ABSENT;
    if (flag(in, ~(legacy | MAP_SYNC)))
        return FAIL;
    return flag(in, MAP_SYNC) ? OPEN : PASS;
}

static enum outcome ask_writable(const struct call_input *in)
{
    if (!of_file(in) || !shared(in) || !written(in))
        return ABSENT;
    return by_file(in, CALL_FILE_WRITABLE, true);
}

static enum outcome ask_swap_file(const struct call_input *in)
{
    return of_file(in) && shared(in) && written(in) ? by_file(in, CALL_FILE_SWAP, false) : ABSENT;
}

static enum outcome ask_append(const struct call_input *in)
{
    if (!of_file(in) || !shared(in))
        return ABSENT;
    bool may = !known(in, CALL_FILE_WRITABLE) || is(in, CALL_FILE_WRITABLE);
    enum outcome append = by_file(in, CALL_FILE_APPEND_ONLY, false);
    if (!may)
        return PASS;
    return append == FAIL && !known(in, CALL_FILE_WRITABLE) ? OPEN : append;
}

static enum outcome ask_readable(const struct call_input *in)
{
    return of_file(in) ? by_file(in, CALL_FILE_READABLE, true) : ABSENT;
}

static enum outcome ask_noexec(const struct call_input *in)
{
    if (!of_file(in) || !(arg(in, 2) & PROT_EXEC))
        return ABSENT;
    return by_file(in, CALL_FILE_NOEXEC, false);
}

static enum outcome ask_mappable(const struct call_input *in)
{
    return of_file(in) ? by_file(in, CALL_FILE_MAPPABLE, true) : ABSENT;
}

static enum outcome ask_file_grows(const struct call_input *in)
{
    return through_file(in) && flag(in, MAP_GROWSDOWN) ? FAIL : ABSENT;
}

static enum outcome ask_seals(const struct call_input *in)
{
    return of_file(in) && shared(in) && written(in) ? by_file(in, CALL_FILE_SEALED, false) : ABSENT;
}

static enum outcome ask_anonymous_type(const struct call_input *in)
{
    if (through_file(in))
        return ABSENT;
    unsigned type = type_of(in);
    return fails_if(type != MAP_SHARED && type != MAP_PRIVATE && type != DROPPABLE);
}

static enum outcome ask_anonymous_grows(const struct call_input *in)
{
    if (through_file(in) || !flag(in, MAP_GROWSDOWN))
        return ABSENT;
    return fails_if(shared(in));
}

static enum outcome ask_droppable(const struct call_input *in)
{
    if (through_file(in) || type_of(in) != DROPPABLE)
        return ABSENT;
    return fails_if(flag(in, MAP_LOCKED | MAP_GROWSDOWN));
}

static enum outcome ask_limits(const struct call_input *in)
{
    (void)in;
    return OPEN;
}

/* Shared memory without a file is counted as a whole, private only what may be written. With
 * vm.overcommit_memory 2 MAP_NORESERVE changes nothing. */
static enum outcome ask_promise(const struct call_input *in)
{
    bool counted = shared(in) ? !of_file(in) : written(in);
    return counted && !of_pool(in) ? OPEN : ABSENT;
}

static enum outcome ask_replaced(const struct call_input *in)
{
    return flag(in, MAP_FIXED) && !flag(in, MAP_FIXED_NOREPLACE) ? OPEN : ABSENT;
}

static enum outcome ask_own(const struct call_input *in)
{
    return through_file(in) ? OPEN : ABSENT;
}

/* --- the table --- */

enum { ANY = -1 };

/* `last_resort`: seldom the reason, so only if no other check explains the error. */
static const struct check {
    const char *question;
    enum outcome (*ask)(const struct call_input *in);
    int error;
    const char *pass, *fail;
    bool last_resort;
} checks[] = {
    {"Is the offset a multiple of a page?", ask_offset, EINVAL, "yes", "no", false},
    {"Is the descriptor one of an open file?", ask_descriptor, EBADF, "yes",
     "no: closed, never opened, or opened with O_PATH", false},
    {"MAP_HUGETLB: is it a file of hugetlbfs?", ask_hugetlbfs, EINVAL, "yes", "no", false},
    {"MAP_HUGETLB: are there huge pages of this size?", ask_huge_size, EINVAL, "yes",
     "no: this machine has none of it", false},
    {"Does the security policy permit it?", ask_policy, EACCES, "yes",
     "no: SELinux or its like, or PR_SET_MDWE", true},
    {"Is the length more than 0?", ask_length, EINVAL, "yes", "no", false},
    {"Does the length, in whole pages, fit a number?", ask_rounding, ENOMEM, "yes", "no", false},
    {"Are there few enough mappings?", ask_map_count, ENOMEM, "yes",
     "no: vm.max_map_count is reached", false},
    {"Is there room for it in the address space?", ask_room, ENOMEM, "yes", "no", false},
    {"MAP_FIXED: is the address a multiple of a page?", ask_aligned, EINVAL, "yes", "no", false},
    {"Is the address a multiple of a huge page?", ask_huge_aligned, EINVAL, "yes", "no", false},
    {"MAP_FIXED: is the address not too low?", ask_low, EPERM, "no",
     "too low: below vm.mmap_min_addr, without CAP_SYS_RAWIO", false},
    {"MAP_FIXED_NOREPLACE: is nothing mapped there?", ask_free, EEXIST, "nothing is",
     "something is", false},
    {"MAP_LOCKED: may the process lock memory?", ask_may_lock, EPERM, "yes",
     "no: RLIMIT_MEMLOCK is 0, and it has no CAP_IPC_LOCK", false},
    {"Is locked memory within its limit?", ask_lock_limit, EAGAIN, "yes, or it is not locked",
     "no: RLIMIT_MEMLOCK is exceeded", false},
    {"Can a file reach as far as offset and length?", ask_far, EOVERFLOW, "yes", "no", false},
    {"Is the type shared, private or shared_validate?", ask_file_type, EINVAL, "yes",
     "no: a file is mapped in no other way", false},
    {"MAP_SHARED_VALIDATE: does the file know all flags?", ask_flags, EOPNOTSUPP, "yes", "no",
     false},
    {"Shared, to be written: is the file opened for writing?", ask_writable, EACCES, "yes",
     "no: stores would have to reach the file", false},
    {"Shared, to be written: is it used for swap?", ask_swap_file, ETXTBSY, "no", "yes", false},
    {"Shared: is it append-only, and opened for writing?", ask_append, EACCES, "no",
     "yes: a mapping could change what is written", false},
    {"Is the file opened for reading?", ask_readable, EACCES, "yes",
     "no: even a mapping that is only written is read", false},
    {"To be executed: is its file system mounted noexec?", ask_noexec, EPERM, "no", "yes", false},
    {"Can files of its kind be mapped?", ask_mappable, ENODEV, "yes",
     "no: a pipe, socket, directory or the like has no mmap", false},
    {"Is a mapping of a file to grow down?", ask_file_grows, EINVAL, "no",
     "yes: only private anonymous memory can", false},
    {"Shared, to be written: is the file sealed?", ask_seals, EPERM, "no",
     "yes: F_SEAL_WRITE or F_SEAL_FUTURE_WRITE", false},
    {"Is the type shared, private or droppable?", ask_anonymous_type, EINVAL, "yes",
     "no: there are no others without a file", false},
    {"MAP_GROWSDOWN: is it private?", ask_anonymous_grows, EINVAL, "yes",
     "no: shared memory does not grow", false},
    {"MAP_DROPPABLE: neither locked nor growing down?", ask_droppable, EINVAL, "yes", "no",
     false},
    {"MAP_FIXED: is nothing there sealed (mseal)?", ask_replaced, EPERM, "nothing is",
     "something is: it stays", false},
    {"Is the process within its limits?", ask_limits, ENOMEM, "yes",
     "no: RLIMIT_AS or RLIMIT_DATA is exceeded", false},
    {"Does the kernel promise so much memory?", ask_promise, ENOMEM, "yes",
     "no: more than vm.overcommit_memory lets it", false},
    {"Is the offset a multiple of a huge page?", ask_huge_offset, EINVAL, "yes", "no", false},
    {"Does the pool have enough huge pages?", ask_huge_free, ENOMEM, "yes",
     "no: see HugePages_Free and HugePages_Rsvd", false},
    {"Does the file's own mmap agree?", ask_own, ANY, "yes",
     "no: its file system or driver has rules of its own", true},
};
enum { CHECKS = sizeof checks / sizeof *checks };

static bool ends_with(const struct check *c, int error)
{
    return c->error == error || c->error == ANY || (c->ask == ask_policy && error == EPERM);
}

static void add(struct call_verdict *out, const struct check *c, enum call_mark mark)
{
    if (out->steps < CALL_STEPS_MAX)
        out->step[out->steps++] = (struct call_step){
            c->question, mark == CALL_PASSED ? c->pass : c->fail, (uint8_t)mark};
}

/* The checks that may have ended the call with this error; `resort`: those of last resort instead.
 * One that fails for certain is the only one, and no later one was made. */
static unsigned find_suspects(const struct call_input *in, int error, bool resort,
                              bool suspect[CHECKS])
{
    unsigned n = 0;
    for (unsigned i = 0; i < CHECKS; i++) {
        enum outcome o = checks[i].ask(in);
        bool own = ends_with(&checks[i], error) && checks[i].last_resort == resort;
        if (o == FAIL) {
            if (own)
                memset(suspect, 0, CHECKS * sizeof *suspect);
            suspect[i] = own;
            return own ? 1 : n;
        }
        suspect[i] = o == OPEN && own;
        n += suspect[i];
    }
    return n;
}

static bool contradicts(const struct call_input *in)
{
    for (unsigned i = 0; i < CHECKS; i++)
        if (checks[i].ask(in) == FAIL)
            return true;
    return false;
}

static void explain_mmap(const struct call_input *in, struct call_verdict *out)
{
    bool suspect[CHECKS] = {false};
    unsigned n = 0, seen = 0;
    if (out->failed && !(n = find_suspects(in, out->error, false, suspect)))
        n = find_suspects(in, out->error, true, suspect);
    out->sure = n == out->failed;
    if (out->failed ? !n : contradicts(in))
        return; /* what happened is not in the table */
    for (unsigned i = 0; i < CHECKS && (!n || seen < n); i++) {
        seen += suspect[i];
        if (suspect[i])
            add(out, &checks[i], n == 1 ? CALL_TAKEN : CALL_PERHAPS);
        else if (!seen && checks[i].ask(in) != ABSENT && !checks[i].last_resort)
            add(out, &checks[i], CALL_PASSED);
    }
}

void call_explain_here(const struct event *call, const struct geometry *g,
                       struct call_verdict *out)
{
    const uint64_t page = (uint64_t)1 << g->page_shift, of_32_bit = UINT64_C(0xffffe000);
    unsigned bits = g->levels * PAGETREE_FANOUT_BITS + g->page_shift - 1;
    const struct call_input in = {
        .call = call, .page_size = page, .huge_size = (uint64_t)1 << g->pmd_shift,
        .task_size = call->call.compat ? of_32_bit : ((uint64_t)1 << bits) - page};
    call_explain(&in, out);
}

void call_explain(const struct call_input *in, struct call_verdict *out)
{
    const struct event *e = in->call;
    *out = (struct call_verdict){.sure = true};
    if (e->call.result < 0 && e->call.result > -4096) {
        out->failed = true;
        out->error = (int)-e->call.result;
    }
    if (!e->call.has_args)
        out->sure = !out->failed;
    else if (e->call.call == CALL_MMAP)
        explain_mmap(in, out);
    else
        call_reasons(in, out);
}
