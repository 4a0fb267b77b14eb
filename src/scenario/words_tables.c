/* The tables of words. Where one value has several names, the first is the one that is written. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "model/path.h"
#include "scenario/script.h"
#include "scenario/words.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define TABLE(name, what, table) const struct words name = {what, table, COUNT(table)}
#define SELF(name) {#name, name}

static const struct word errnos[] = {
    SELF(EPERM), SELF(ENOENT), SELF(ESRCH), SELF(EINTR), SELF(EIO), SELF(ENXIO), SELF(E2BIG),
    SELF(ENOEXEC), SELF(EBADF), SELF(ECHILD), SELF(EAGAIN), SELF(ENOMEM), SELF(EACCES),
    SELF(EFAULT), SELF(ENOTBLK), SELF(EBUSY), SELF(EEXIST), SELF(EXDEV), SELF(ENODEV),
    SELF(ENOTDIR), SELF(EISDIR), SELF(EINVAL), SELF(ENFILE), SELF(EMFILE), SELF(ENOTTY),
    SELF(ETXTBSY), SELF(EFBIG), SELF(ENOSPC), SELF(ESPIPE), SELF(EROFS), SELF(EMLINK), SELF(EPIPE),
    SELF(EDOM), SELF(ERANGE), SELF(EDEADLK), SELF(ENAMETOOLONG), SELF(ENOLCK), SELF(ENOSYS),
    SELF(ENOTEMPTY), SELF(ELOOP), SELF(ENODATA), SELF(ETIME), SELF(EPROTO), SELF(EOVERFLOW),
    SELF(EILSEQ), SELF(EUSERS), SELF(EOPNOTSUPP), SELF(ENOTSUP), SELF(ETIMEDOUT), SELF(EALREADY),
    SELF(EINPROGRESS), SELF(ESTALE), SELF(EDQUOT), SELF(ECANCELED), SELF(EHWPOISON),
};
TABLE(words_errno, "the name of an error", errnos);

static const struct word signals[] = {
    SELF(SIGSEGV), SELF(SIGBUS), SELF(SIGILL), SELF(SIGTRAP), SELF(SIGFPE), SELF(SIGABRT),
    SELF(SIGKILL), SELF(SIGTERM), SELF(SIGINT), SELF(SIGHUP), SELF(SIGQUIT), SELF(SIGSTOP),
    SELF(SIGCONT), SELF(SIGCHLD), SELF(SIGUSR1), SELF(SIGUSR2), SELF(SIGPIPE), SELF(SIGALRM),
    SELF(SIGSYS), SELF(SIGXCPU), SELF(SIGXFSZ),
};
TABLE(words_signal, "a signal", signals);

static const struct word codes[] = {
    SELF(SEGV_MAPERR), SELF(SEGV_ACCERR), SELF(SEGV_BNDERR), SELF(SEGV_PKUERR),
    SELF(BUS_ADRALN), SELF(BUS_ADRERR), SELF(BUS_OBJERR), SELF(BUS_MCEERR_AR),
    SELF(BUS_MCEERR_AO), SELF(SI_KERNEL), SELF(SI_TKILL),
};
TABLE(words_code, "what the signal says of its cause", codes);

/* Numbers of the kernel's own: some are newer than the C library. */
static const struct word advices[] = {
    {"normal", 0},          {"random", 1},        {"sequential", 2},    {"willneed", 3},
    {"dontneed", 4},        {"free", 8},          {"remove", 9},        {"dontfork", 10},
    {"dofork", 11},         {"mergeable", 12},    {"unmergeable", 13},  {"hugepage", 14},
    {"nohugepage", 15},     {"dontdump", 16},     {"dodump", 17},       {"wipeonfork", 18},
    {"keeponfork", 19},     {"cold", 20},         {"pageout", 21},      {"populate-read", 22},
    {"populate-write", 23}, {"dontneed-locked", 24}, {"collapse", 25},  {"hwpoison", 100},
    {"soft-offline", 101},  {"guard-install", 102}, {"guard-remove", 103},
};
TABLE(words_advice, "an advice of madvise(2)", advices);

static const struct word prots[] = {
    {"none", PROT_NONE},
    {"r", PROT_READ},
    {"w", PROT_WRITE},
    {"x", PROT_EXEC},
    {"rw", PROT_READ | PROT_WRITE},
    {"rx", PROT_READ | PROT_EXEC},
    {"wx", PROT_WRITE | PROT_EXEC},
    {"rwx", PROT_READ | PROT_WRITE | PROT_EXEC},
};
TABLE(words_prot, "a protection", prots);

static const struct word opens[] = {
    {"r", O_RDONLY}, {"w", O_WRONLY}, {"rw", O_RDWR}, {"append", O_RDWR | O_APPEND},
    {"path", O_PATH},
};
TABLE(words_open, "how to open it", opens);

static const struct word sharings[] = {
    {"private", SHARING_PRIVATE},
    {"shared", SHARING_SHARED},
    {"shared_validate", SHARING_VALIDATE},
};
TABLE(words_sharing, "how it is shared", sharings);

static const struct word file_kinds[] = {
    {"tmpfs", FILE_TMPFS}, {"hugetlbfs", FILE_HUGETLBFS}, {"memfd", FILE_MEMFD},
    {"append-only", FILE_APPEND_ONLY}, {"secret", FILE_SECRET},
};
TABLE(words_file_kind, "a kind of file", file_kinds);

static const struct word needs[] = {
    {"root", NEED_ROOT}, {"swap", NEED_SWAP},     {"hugetlb", NEED_HUGETLB}, {"thp", NEED_THP},
    {"ksm", NEED_KSM},   {"kernel", NEED_KERNEL}, {"pfn", NEED_PFN},
    {"compat", NEED_COMPAT},
};
TABLE(words_need, "what is needed", needs);

static const struct word states[] = {
    {"present", PAGES_PRESENT}, {"absent", PAGES_ABSENT},     {"anon", PAGES_ANON},
    {"file", PAGES_FILE},       {"shmem", PAGES_SHMEM},       {"zero", PAGES_ZERO},
    {"huge-zero", PAGES_HUGE_ZERO}, {"swapped", PAGES_SWAPPED}, {"exclusive", PAGES_EXCLUSIVE},
    {"shared", PAGES_SHARED},   {"cow", PAGES_COW},           {"ksm", PAGES_KSM},
    {"hugetlb", PAGES_HUGETLB}, {"pmd-mapped", PAGES_PMD_MAPPED}, {"locked", PAGES_LOCKED},
    {"dirty", PAGES_DIRTY},     {"guard", PAGES_GUARD},
};
TABLE(words_state, "a state of pages", states);

static const struct word counters[] = {
    {"rss", COUNTER_RSS},           {"anon-rss", COUNTER_ANON_RSS},
    {"file-rss", COUNTER_FILE_RSS}, {"shmem-rss", COUNTER_SHMEM_RSS},
    {"swap", COUNTER_SWAP},         {"vmpte", COUNTER_VMPTE},
    {"data", COUNTER_DATA},         {"stack", COUNTER_STACK},
    {"min-flt", COUNTER_MIN_FLT},   {"maj-flt", COUNTER_MAJ_FLT},
};
TABLE(words_counter, "a counter", counters);

static const struct word hugepages[] = {
    {"free", HUGEPAGES_FREE}, {"rsvd", HUGEPAGES_RSVD}, {"surp", HUGEPAGES_SURP},
};
TABLE(words_hugepages, "a count of huge pages", hugepages);

static const struct word hows[] = {{"copy", HOW_COPY}, {"reuse", HOW_REUSE}};
TABLE(words_how, "copy or reuse", hows);

static const struct word resources[] = {
    {"as", RLIMIT_AS}, {"memlock", RLIMIT_MEMLOCK}, {"stack", RLIMIT_STACK},
    {"data", RLIMIT_DATA}, {"nofile", RLIMIT_NOFILE},
};
TABLE(words_resource, "a resource", resources);

static const struct word specials[] = {
    {"eventfd", SPECIAL_EVENTFD}, {"epoll", SPECIAL_EPOLL}, {"socket", SPECIAL_SOCKET},
};
TABLE(words_special, "a kind of descriptor", specials);

static const struct word uffds[] = {
    {"wp", UFFD_WP}, {"missing", UFFD_MISSING}, {"kill", UFFD_KILL},
};
TABLE(words_uffd, "what userfaultfd is asked for", uffds);

static const struct word seals[] = {{"write", SEAL_WRITE}, {"append", SEAL_APPEND}};
TABLE(words_seal, "what is sealed", seals);

static const struct word machines[] = {
    {"vmalloc", MACHINE_VMALLOC}, {"pagetables", MACHINE_PAGETABLES},
    {"kernelstack", MACHINE_KERNELSTACK},
};
TABLE(words_machine, "a count of the machine", machines);

static const struct word smaps[] = {
    {"KernelPageSize", 0}, {"Rss", 0}, {"Pss", 0},
    {"Shared_Clean", 0}, {"Shared_Dirty", 0}, {"Private_Clean", 0},
    {"Private_Dirty", 0}, {"Referenced", 0}, {"Anonymous", 0}, {"KSM", 0}, {"LazyFree", 0},
    {"AnonHugePages", 0}, {"ShmemPmdMapped", 0}, {"FilePmdMapped", 0}, {"Shared_Hugetlb", 0},
    {"Private_Hugetlb", 0}, {"Swap", 0}, {"SwapPss", 0}, {"Locked", 0},
};
TABLE(words_smaps, "a field of smaps", smaps);
