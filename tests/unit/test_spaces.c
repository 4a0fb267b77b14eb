/* Address spaces followed by events: what a call or a fault does to the next prediction. Numbers
 * and letters in names are rows and sections of the project's table of kernel behaviour. */
#include "spaced.h"

static void test_18_19_anonymous(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    WRITE(a, PATH_ANONYMOUS);
    assert_int_equal(state_of(ME, a), PAGE_ANON);
    READ(a + PAGE, PATH_ANONYMOUS);
    assert_int_equal(state_of(ME, a + PAGE), PAGE_ZERO);
    REWRITE(a + PAGE, HOW_COPY);
    assert_int_equal(state_of(ME, a + PAGE), PAGE_ANON);
    assert_int_equal(state_of(ME, a + 2 * PAGE), PAGE_ABSENT);
}

static void test_35_bad_accesses(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    CALL(ME, CALL_MPROTECT, 0, a + PAGE, PAGE, PROT_NONE);
    CALL(ME, CALL_MPROTECT, 0, a + 2 * PAGE, PAGE, PROT_READ);
    READ(a + PAGE, PATH_BAD_ACCESS);
    WRITE(a + 2 * PAGE, PATH_BAD_ACCESS);
    READ(a + 2 * PAGE, PATH_ANONYMOUS);
    WRITE(a + 3 * PAGE, PATH_ANONYMOUS);
    CALL(ME, CALL_MUNMAP, 0, a + 3 * PAGE, PAGE);
    READ(a + 3 * PAGE, PATH_BAD_AREA);
    assert_int_equal(state_of(ME, a + 3 * PAGE), PAGE_ABSENT);
    /* failed: up to the hole it was done, not behind it */
    CALL(ME, CALL_MPROTECT, -ENOMEM, a + 2 * PAGE, 3 * PAGE, PROT_NONE);
    READ(a + 2 * PAGE, PATH_BAD_ACCESS);
    WRITE(a + 4 * PAGE, PATH_ANONYMOUS);
    CALL(ME, CALL_MPROTECT, -EACCES, a, 3 * PAGE, PROT_NONE);
    WRITE(a, PATH_ANONYMOUS);
}

/* Rights given back do not take the page's own away: exclusive pages become writable at once. */
static void test_mprotect_and_back(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 4);
    WRITE(a, PATH_ANONYMOUS);
    CALL(ME, CALL_MPROTECT, 0, a, 4 * PAGE, PROT_READ);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_YES, PATH_BAD_ACCESS, 0, true);
    CALL(ME, CALL_MPROTECT, 0, a, 4 * PAGE, PROT_READ | PROT_WRITE);
    assert_int_equal(state_of(ME, a), PAGE_ANON);
    assert_int_equal(spaces_regions(s, ME)->count, 1);
}

static void test_20_shared_anonymous(void **state)
{
    (void)state;
    uint64_t a = map_at(base, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    READ(a, PATH_READ_FAULT);
    WRITE(a + PAGE, PATH_SHARED_FAULT);
    assert_int_equal(state_of(ME, a), PAGE_SHMEM);
    assert_int_equal(state_of(ME, a + 2 * PAGE), PAGE_UNKNOWN);
    advise(a, 64, MADV_DONTNEED);
    assert_int_equal(state_of(ME, a), PAGE_ABSENT);
    READ(a, PATH_READ_FAULT);
    assert_string_equal(spaces_regions(s, ME)->v[0].name, "/dev/zero (deleted)");
}

static const struct region *mapped_from(uint64_t at, uint64_t offset)
{
    CALL(ME, CALL_MMAP, at, 0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 3, offset);
    const struct region *r = region_table_at(spaces_regions(s, ME), at);
    assert_non_null(r);
    return r;
}

/* What file a call mapped, a later reading of the mappings says: of the same process, at the same
 * place and offset. */
static void test_files_by_a_later_reading(void **state)
{
    (void)state;
    struct region_table *later = region_table_create();
    later->v = calloc(1, sizeof *later->v);
    later->count = 1;
    later->v[0] = (struct region){.start = base, .end = base + 64 * PAGE, .offset = PAGE,
                                  .inode = 7, .dev_major = 8, .name = "/lib", .kind = REGION_FILE,
                                  .perms = REGION_R | REGION_W};
    spaces_hint(s, ME, later);
    const struct region *r = mapped_from(base + PAGE, 2 * PAGE);
    assert_int_equal(r->inode, 7);
    assert_int_equal(r->dev_major, 8);
    assert_string_equal(r->name, "/lib");
    READ(base + PAGE, PATH_READ_FAULT);
    assert_int_equal(mapped_from(base + 8 * PAGE, 2 * PAGE)->inode, 0); /* another offset */
    FAULT(ME, base + 8 * PAGE, ACCESS_READ, KNOWN_NO, PATH_READ_FAULT, 0, false);
    assert_int_equal(mapped_from(base + 80 * PAGE, 81 * PAGE)->inode, 0); /* another place */
    spaces_hint(s, CHILD, later);
    assert_int_equal(mapped_from(base + 16 * PAGE, 17 * PAGE)->inode, 0);
    spaces_hint(s, ME, NULL);
    assert_int_equal(mapped_from(base + 24 * PAGE, 25 * PAGE)->inode, 0);
    region_table_unref(later);
}

/* Which pages a read of a file maps besides is not known, but the processor tells. */
static void test_4_21_private_file(void **state)
{
    (void)state;
    struct region file = {.start = base, .end = base + 64 * PAGE, .inode = 7, .dev_major = 8,
                          .perms = REGION_R | REGION_W, .kind = REGION_FILE,
                          .name = "/usr/lib/libx.so"};
    sample(ME, &file, 1, NULL, 0);
    struct fault_entry f = fault_of(ME, base + 5 * PAGE, ACCESS_READ, KNOWN_NO);
    expect(__LINE__, &f, PATH_READ_FAULT, 0, true);
    assert_string_equal(f.region, "libx.so");
    assert_int_equal(f.region_start, base);
    assert_int_equal(state_of(ME, base + 5 * PAGE), PAGE_FILE);
    assert_int_equal(state_of(ME, base + 6 * PAGE), PAGE_UNKNOWN);
    REWRITE(base + 5 * PAGE, HOW_COPY);
    REWRITE(base + 6 * PAGE, HOW_COPY);
    WRITE(base + 7 * PAGE, PATH_COW_FAULT);
    READ(base + 8 * PAGE, PATH_READ_FAULT);
    FAULT(ME, base + 9 * PAGE, ACCESS_UNKNOWN, NOT_KNOWN, PATH_READ_FAULT, 0, false);
}

/* A size tells of the faults before it, if it was the same before. */
static void test_35_beyond_the_end(void **state)
{
    (void)state;
    struct region file = {.start = base, .end = base + 64 * PAGE, .inode = 7, .dev_major = 8,
                          .perms = REGION_R | REGION_W, .kind = REGION_FILE, .name = "/f"};
    sample(ME, &file, 1, NULL, 0);
    assert_int_equal(spaces_file_size(s, &file, 12 * PAGE + 1, now_ns + 100), 0);
    READ(base + 12 * PAGE, PATH_READ_FAULT);
    READ(base + 13 * PAGE, PATH_SIGBUS);
    now_ns += 100;
    FAULT(ME, base + 13 * PAGE, ACCESS_READ, KNOWN_NO, PATH_SIGBUS, 0, false);
    assert_int_equal(spaces_file_size(s, &file, 14 * PAGE, now_ns + 100), 0);
    FAULT(ME, base + 13 * PAGE, ACCESS_READ, KNOWN_NO, PATH_READ_FAULT, 0, false);
    READ(base + 14 * PAGE, PATH_SIGBUS);
}

static void test_mapped_descriptor_is_unsure(void **state)
{
    (void)state;
    CALL(ME, CALL_MMAP, base, 0, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 3, 0);
    FAULT(ME, base, ACCESS_READ, KNOWN_NO, PATH_READ_FAULT, 0, false);
    FAULT(ME, base, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, false);
    FAULT(ME, base + PAGE, ACCESS_WRITE, KNOWN_NO, PATH_COW_FAULT, 0, false);
}

/* Which mappings are registered, no event tells. */
static void test_userfaultfd_makes_unsure(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    CALL(ME, CALL_USERFAULTFD, -EPERM, 0);
    WRITE(a, PATH_ANONYMOUS);
    CALL(ME, CALL_USERFAULTFD, 3, 0);
    FAULT(ME, a + PAGE, ACCESS_WRITE, KNOWN_NO, PATH_ANONYMOUS, 0, false);
    READ(base + huge, PATH_BAD_AREA);
    struct event fork = {.t_ns = ++now_ns, .type = EVENT_FORK, .pid = ME, .tid = ME,
                         .fork = {CHILD, CHILD}};
    spaces_fold(s, &fork, NULL);
    FAULT(CHILD, a + 2 * PAGE, ACCESS_WRITE, KNOWN_NO, PATH_ANONYMOUS, 0, false);
}

/* A fault that comes with its end, and with what its mapping is registered for. */
static void told(int line, uint64_t address, int access, enum fault_signal signal, unsigned asks,
                 enum path path, bool sure)
{
    struct fault_entry out;
    struct event e = {.t_ns = ++now_ns, .type = EVENT_FAULT, .pid = ME, .tid = ME};
    e.fault.address = address;
    e.fault.access = (uint8_t)access;
    e.fault.protection = KNOWN_NO;
    e.fault.mode = MODE_USER;
    e.fault.signal = (uint8_t)signal;
    e.fault.asks = (uint8_t)asks;
    assert_true(spaces_fold(s, &e, &out));
    expect(line, &out, path, 0, sure);
}
#define TOLD(address, access, signal, asks, path, sure)                                            \
    told(__LINE__, address, ACCESS_##access, SIGNAL_##signal, asks, path, sure)

/* What was not known, the signal settles; a sure verdict that it contradicts stays. */
static void test_signals_settle(void **state)
{
    (void)state;
    struct region r[2] = {
        {.start = base, .end = base + 64 * PAGE, .inode = 7, .dev_major = 8,
         .perms = REGION_R | REGION_W, .kind = REGION_FILE, .name = "/f"},
        {.start = base + huge, .end = base + huge + 33 * PAGE, .perms = REGION_R | REGION_W,
         .kind = REGION_STACK, .name = "[stack]"}};
    sample(ME, r, 2, NULL, 0);
    assert_int_equal(spaces_file_size(s, &r[0], 12 * PAGE, 1), 0); /* long ago */
    TOLD(base + 20 * PAGE, READ, NONE, 0, PATH_READ_FAULT, true);
    TOLD(base + 4 * PAGE, READ, BUS, 0, PATH_SIGBUS, true);
    TOLD(base + huge - 40 * PAGE, WRITE, MAPERR, 0, PATH_BAD_AREA, true);
    TOLD(base + huge - 3 * PAGE, WRITE, NONE, 0, PATH_ANONYMOUS, true);
    uint64_t a = map_anon(base + 2 * huge, 4);
    TOLD(a, WRITE, ACCERR, 0, PATH_ANONYMOUS, true);
}

static void test_userfaultfd_told_by_fault(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    CALL(ME, CALL_USERFAULTFD, 3, 0);
    TOLD(a, WRITE, NONE, 0, PATH_ANONYMOUS, false);
    TOLD(a + PAGE, WRITE, NONE, ASKS_TOLD, PATH_ANONYMOUS, true);
    TOLD(a + 2 * PAGE, WRITE, NONE, ASKS_TOLD | ASKS_MISSING, PATH_UFFD, true);
    TOLD(a + 3 * PAGE, WRITE, NONE, ASKS_TOLD | ASKS_WRITES, PATH_ANONYMOUS, false);
}

/* Where calls are not seen nothing is sure, and of a place without a mapping nothing is said. */
static void test_without_calls(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 4);
    spaces_set_no_calls(s, true);
    FAULT(ME, a, ACCESS_UNKNOWN, NOT_KNOWN, PATH_ANONYMOUS, 0, false);
    FAULT(ME, base + huge, ACCESS_UNKNOWN, NOT_KNOWN, PATH_UNKNOWN, 0, false);
    TOLD(base + huge, READ, MAPERR, 0, PATH_BAD_AREA, true);
    struct event e = {.t_ns = ++now_ns, .type = EVENT_MAPPING, .pid = ME, .tid = ME};
    e.mapping.start = base + huge;
    e.mapping.end = base + huge + 4 * PAGE;
    e.mapping.kind = REGION_ANON;
    e.mapping.perms = REGION_R | REGION_W;
    e.mapping.size = UINT64_MAX;
    e.mapping.told = MAPPED_SEEN;
    spaces_fold(s, &e, NULL);
    FAULT(ME, base + huge, ACCESS_UNKNOWN, NOT_KNOWN, PATH_ANONYMOUS, 0, false);
}

static void test_22_hugetlb(void **state)
{
    (void)state;
    map_at(base, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB);
    WRITE(base + huge - 1, PATH_HUGETLB);
    READ(base + huge, PATH_BAD_AREA);
}

static void test_36_37_populate(void **state)
{
    (void)state;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
    uint64_t a = map_at(base, 16 * PAGE, PROT_READ | PROT_WRITE, flags);
    uint64_t b = map_at(base + huge, 16 * PAGE, PROT_READ, flags);
    uint64_t c = map_at(base + 2 * huge, 16 * PAGE, PROT_READ | PROT_WRITE, flags | MAP_NONBLOCK);
    uint64_t d = map_at(base + 3 * huge, 16 * PAGE, PROT_NONE, flags);
    assert_int_equal(state_of(ME, a + 15 * PAGE), PAGE_ANON);
    assert_int_equal(state_of(ME, b), PAGE_ZERO);
    assert_int_equal(state_of(ME, c), PAGE_ABSENT);
    assert_int_equal(state_of(ME, d), PAGE_ABSENT);
    CALL(ME, CALL_MLOCK2, 0, c, 16 * PAGE, MLOCK_ONFAULT);
    assert_int_equal(state_of(ME, c), PAGE_ABSENT);
    CALL(ME, CALL_MLOCK, -ENOMEM, c, 32 * PAGE);
    assert_int_equal(state_of(ME, c), PAGE_UNKNOWN);
    FAULT(ME, c, ACCESS_WRITE, KNOWN_NO, PATH_ANONYMOUS, 0, false);
    CALL(ME, CALL_MLOCKALL, 0, MCL_FUTURE);
    uint64_t e = map_anon(base + 4 * huge, 16);
    assert_int_equal(state_of(ME, e), PAGE_ANON);
    CALL(ME, CALL_MUNLOCKALL, 0, 0);
    uint64_t f = map_anon(base + 5 * huge, 16);
    WRITE(f, PATH_ANONYMOUS);
    CALL(ME, CALL_MADVISE, 0, f, 4 * PAGE, 22); /* MADV_POPULATE_READ */
    assert_int_equal(state_of(ME, f), PAGE_ANON);
    assert_int_equal(state_of(ME, f + PAGE), PAGE_ZERO);
    CALL(ME, CALL_MADVISE, -EFAULT, f, 8 * PAGE, 23);
    assert_int_equal(state_of(ME, f + 6 * PAGE), PAGE_UNKNOWN);
}

static void test_51_brk(void **state)
{
    (void)state;
    uint64_t heap = 0x555555560000;
    CALL(ME, CALL_BRK, heap, 0);
    READ(heap, PATH_BAD_AREA);
    CALL(ME, CALL_BRK, heap + 33 * PAGE, heap + 33 * PAGE);
    WRITE(heap + 32 * PAGE, PATH_ANONYMOUS);
    assert_string_equal(spaces_regions(s, ME)->v[0].name, "[heap]");
    CALL(ME, CALL_BRK, heap + 40 * PAGE - 5, heap + 40 * PAGE - 5);
    assert_int_equal(spaces_regions(s, ME)->count, 1);
    WRITE(heap + 39 * PAGE, PATH_ANONYMOUS);
    CALL(ME, CALL_BRK, heap + 8 * PAGE, heap + 8 * PAGE);
    READ(heap + 32 * PAGE, PATH_BAD_AREA);
    CALL(ME, CALL_BRK, heap + 33 * PAGE, heap + 33 * PAGE);
    WRITE(heap + 32 * PAGE, PATH_ANONYMOUS);
}

static void test_48_stack(void **state)
{
    (void)state;
    struct region stack = {.start = base, .end = base + 33 * PAGE, .perms = REGION_R | REGION_W,
                           .kind = REGION_STACK, .name = "[stack]"};
    sample(ME, &stack, 1, NULL, 0);
    struct fault_entry f = fault_of(ME, base - 3 * PAGE + 8, ACCESS_WRITE, KNOWN_NO);
    expect(__LINE__, &f, PATH_ANONYMOUS, 0, false);
    assert_int_equal(f.verdict.also, PATH_EXPAND_STACK);
    assert_int_equal(spaces_regions(s, ME)->v[0].start, base - 3 * PAGE);
    WRITE(base - 2 * PAGE, PATH_ANONYMOUS);
    uint64_t a = map_at(base + huge, 16 * PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN);
    f = fault_of(ME, a - PAGE, ACCESS_WRITE, KNOWN_NO);
    expect(__LINE__, &f, PATH_ANONYMOUS, 0, false);
    assert_int_equal(f.verdict.also, PATH_EXPAND_STACK);
}

/* Where the limit is known: the fault below it, or too near to a mapping in use, finds nothing. */
static void test_48_stack_limit(void **state)
{
    (void)state;
    struct region regions[] = {
        {.start = base - 1024 * PAGE, .end = base - 1023 * PAGE, .perms = REGION_R, .name = ""},
        {.start = base, .end = base + 33 * PAGE, .perms = REGION_R | REGION_W,
         .kind = REGION_STACK, .name = "[stack]"}};
    sample(ME, regions, 2, NULL, 0);
    spaces_set_exact(s);
    assert_int_equal(spaces_stack_limit(s, ME, 2048 * PAGE), 0);
    WRITE(base - (1023 - 256) * PAGE, PATH_ANONYMOUS);
    WRITE(base - (1023 - 255) * PAGE, PATH_BAD_AREA);
    regions[0].perms = 0;
    sample(ME, regions, 2, NULL, 0);
    WRITE(base - (1023 - 255) * PAGE, PATH_ANONYMOUS);
    assert_int_equal(spaces_stack_limit(s, ME, 900 * PAGE), 0);
    WRITE(base - (900 - 32) * PAGE, PATH_BAD_AREA);
}

/* A sample says that a page is shared. By then who else used it may have gone, unless the sample
 * is exact. */
static void test_exact_samples(void **state)
{
    (void)state;
    struct region r = {.start = base, .end = base + 4 * PAGE, .perms = REGION_R | REGION_W,
                       .kind = REGION_ANON, .name = ""};
    struct page_run run = {base >> 12, 2, {9, 2, PAGE_A_ENTRY | PAGE_A_COUNT, PAGE_COW, 0}};
    sample(ME, &r, 1, &run, 1);
    FAULT(ME, base, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, false);
    spaces_set_exact(s);
    FAULT(ME, base + PAGE, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, true);
}

static void test_E_huge(void **state)
{
    (void)state;
    uint64_t a = map_anon(base + PAGE, 4 * 512) - PAGE + huge;
    WRITE(a, PATH_ANONYMOUS); /* not advised */
    advise(a - huge + PAGE, 4 * 512, MADV_HUGEPAGE);
    WRITE(a + PAGE, PATH_ANONYMOUS); /* there is a page table now */
    READ(a + huge + 5 * PAGE, PATH_HUGE_ANONYMOUS);
    assert_int_equal(state_of(ME, a + huge), PAGE_HUGE_ZERO);
    FAULT(ME, a + huge, ACCESS_WRITE, KNOWN_YES, PATH_HUGE_WP, 0, true);
    assert_int_equal(state_of(ME, a + huge + 511 * PAGE), PAGE_ANON);
    WRITE(a - huge + 5 * PAGE, PATH_ANONYMOUS);     /* the block sticks out of the mapping */
    WRITE(a + 3 * huge, PATH_ANONYMOUS);            /* this one too */
    fork_to(ME, CHILD);
    struct fault_entry f = fault_of(CHILD, a + huge + 3 * PAGE, ACCESS_WRITE, KNOWN_YES);
    expect(__LINE__, &f, PATH_WP, HOW_COPY, true);
    assert_int_equal(f.verdict.also, PATH_HUGE_WP);
    f = fault_of(CHILD, a + huge + 4 * PAGE, ACCESS_WRITE, KNOWN_YES);
    expect(__LINE__, &f, PATH_WP, HOW_COPY, true);
    assert_int_equal(f.verdict.also, PATH_UNKNOWN); /* its entry is split already */
    simple(EVENT_EXIT, CHILD);
    FAULT(ME, a + huge + 7 * PAGE, ACCESS_WRITE, KNOWN_YES, PATH_HUGE_WP, 0, true);
}

/* A partial MADV_DONTNEED splits; what is there now, an empty page table or none, is not known. */
static void test_E_huge_given_back(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 1024);
    advise(a, 1024, MADV_HUGEPAGE);
    WRITE(a, PATH_HUGE_ANONYMOUS);
    advise(a + 5 * PAGE, 1, MADV_DONTNEED);
    WRITE(a + 5 * PAGE, PATH_ANONYMOUS);
    assert_false(pagetree_get(spaces_tree(s, ME), a >> 12).attrs & PAGE_A_PMD);
    advise(a, 300, MADV_DONTNEED);
    advise(a + 300 * PAGE, 212, MADV_DONTNEED);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_NO, PATH_HUGE_ANONYMOUS, 0, false);
    assert_int_equal(state_of(ME, a), PAGE_ANON);
    assert_int_equal(state_of(ME, a + PAGE), PAGE_UNKNOWN);
    WRITE(a + PAGE, PATH_ANONYMOUS);
    CALL(ME, CALL_MADVISE, 0, a, 512 * PAGE, 25); /* MADV_COLLAPSE */
    assert_true(pagetree_get(spaces_tree(s, ME), a >> 12).attrs & PAGE_A_PMD);
}

static void test_E_guard(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    WRITE(a, PATH_ANONYMOUS);
    advise(a, 2, 102);
    READ(a, PATH_BAD_AREA);
    advise(a, 16, MADV_DONTNEED); /* leaves markers */
    READ(a + PAGE, PATH_BAD_AREA);
    fork_to(ME, CHILD);
    FAULT(CHILD, a, ACCESS_READ, KNOWN_NO, PATH_BAD_AREA, 0, true);
    advise(a, 1, 103);
    READ(a, PATH_ANONYMOUS);
    READ(a + PAGE, PATH_BAD_AREA);
}

static void test_E_swap_and_free(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    WRITE(a, PATH_ANONYMOUS);
    advise(a, 16, 21); /* MADV_PAGEOUT: perhaps */
    assert_int_equal(state_of(ME, a), PAGE_UNKNOWN);
    WRITE(a, PATH_SWAP);
    WRITE(a + PAGE, PATH_ANONYMOUS);
    advise(a, 16, 21);
    FAULT(ME, a, ACCESS_WRITE, NOT_KNOWN, PATH_ANONYMOUS, 0, false);
    advise(a, 16, MADV_FREE);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_NO, PATH_ANONYMOUS, 0, false);
    struct region r = {.start = a, .end = a + 16 * PAGE, .perms = REGION_R | REGION_W, .name = ""};
    struct page_run out = {a >> 12, 16, {77, 0, PAGE_A_ENTRY, PAGE_SWAP, 0}};
    sample(ME, &r, 1, &out, 1);
    READ(a, PATH_SWAP);
    WRITE(a + PAGE, PATH_SWAP);
    assert_int_equal(state_of(ME, a + PAGE), PAGE_ANON);
}

static void test_E_ksm(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    advise(a, 16, MADV_MERGEABLE);
    WRITE(a, PATH_ANONYMOUS);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_YES, PATH_WP, HOW_COPY, false);
}

static void test_E_mremap(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16), b = base + 64 * PAGE, c = base + 256 * PAGE;
    WRITE(a + PAGE, PATH_ANONYMOUS);
    CALL(ME, CALL_MREMAP, b, a, 16 * PAGE, 32 * PAGE, MREMAP_MAYMOVE);
    READ(a, PATH_BAD_AREA);
    assert_int_equal(state_of(ME, b + PAGE), PAGE_ANON);
    WRITE(b + 20 * PAGE, PATH_ANONYMOUS);
    CALL(ME, CALL_MREMAP, b, b, 32 * PAGE, 8 * PAGE, 0);
    READ(b + 20 * PAGE, PATH_BAD_AREA);
    CALL(ME, CALL_MREMAP, b, b, 8 * PAGE, 40 * PAGE, 0);
    WRITE(b + 39 * PAGE, PATH_ANONYMOUS);
    CALL(ME, CALL_MREMAP, c, b, 40 * PAGE, 40 * PAGE, MREMAP_MAYMOVE | 4); /* DONTUNMAP */
    WRITE(b + PAGE, PATH_ANONYMOUS);
    assert_int_equal(state_of(ME, c + PAGE), PAGE_ANON);
    assert_int_equal(state_of(ME, b + 39 * PAGE), PAGE_ABSENT);
    CALL(ME, CALL_MREMAP, -ENOMEM, c, 40 * PAGE, 80 * PAGE, 0);
    READ(c + 41 * PAGE, PATH_BAD_AREA);
}

static void test_23_remap_file_pages(void **state)
{
    (void)state;
    uint64_t a = map_at(base, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    CALL(ME, CALL_REMAP_FILE_PAGES, 0, a + 2 * PAGE, PAGE, 0, 7, 0);
    assert_int_equal(state_of(ME, a + 2 * PAGE), PAGE_SHMEM);
    assert_int_equal(spaces_regions(s, ME)->count, 3);
    assert_int_equal(spaces_regions(s, ME)->v[1].offset, 7 * PAGE);
}

static void test_fixed_drops_silently(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    WRITE(a + 3 * PAGE, PATH_ANONYMOUS);
    map_at(a + 3 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
    READ(a + 3 * PAGE, PATH_ANONYMOUS);
    FAULT(ME, a + 3 * PAGE, ACCESS_WRITE, KNOWN_YES, PATH_BAD_ACCESS, 0, true);
}

static void test_call_without_arguments(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16);
    WRITE(a, PATH_ANONYMOUS);
    struct event e = {.type = EVENT_CALL, .pid = ME, .tid = ME, .call = {.call = CALL_MUNMAP}};
    spaces_fold(s, &e, NULL);
    FAULT(ME, a, ACCESS_WRITE, KNOWN_NO, PATH_ANONYMOUS, 0, false);
    e.call.call = CALL_MSYNC;
    spaces_fold(s, &e, NULL);
    assert_int_equal(state_of(ME, a), PAGE_ANON);
}

/* 40,000 mappings and as many calls against a plain array of pages. */
static void test_many_mappings(void **state)
{
    (void)state;
    enum { N = 4096 };
    static uint8_t mapped[N];
    memset(mapped, 0, sizeof mapped);
    unsigned x = 1;
    for (unsigned i = 0; i < 40000; i++) {
        x = x * 1664525 + 1013904223;
        uint64_t at = x >> 8 & (N - 1), n = 1 + (x >> 24) % 8;
        n = at + n > N ? N - at : n;
        bool map = x >> 5 & 1;
        memset(mapped + at, map ? 1 + (int)(x >> 30) : 0, n);
        if (map)
            map_at(base + at * PAGE, n * PAGE, (int)(x >> 30), MAP_PRIVATE | MAP_ANONYMOUS);
        else
            CALL(ME, CALL_MUNMAP, 0, base + at * PAGE, n * PAGE);
    }
    const struct region_table *t = spaces_regions(s, ME);
    for (size_t i = 1; i < t->count; i++)
        assert_true(t->v[i - 1].end <= t->v[i].start && t->v[i].start < t->v[i].end);
    for (unsigned i = 0; i < N; i++) {
        const struct region *r = region_table_at(t, base + i * PAGE);
        assert_int_equal(mapped[i] ? mapped[i] - 1 : -1, r ? r->perms & 3 : -1);
    }
}

/* What a program had mapped is known after its exec and its end, for a while. */
static void test_past_programs(void **state)
{
    (void)state;
    uint64_t a = map_anon(base, 16), first = spaces_program(s, ME);
    assert_null(spaces_past_regions(s, first));
    simple(EVENT_EXEC, ME);
    map_anon(base + huge, 1);
    uint64_t second = spaces_program(s, ME);
    assert_int_not_equal(first, second);
    const struct region_table *t = spaces_past_regions(s, first);
    assert_non_null(t);
    assert_int_equal(t->count, 1);
    assert_int_equal(t->v[0].start, a);
    assert_null(spaces_past_regions(s, second));
    simple(EVENT_EXIT, ME);
    assert_int_equal(spaces_program(s, ME), 0);
    t = spaces_past_regions(s, second);
    assert_non_null(t);
    assert_int_equal(t->v[0].start, base + huge);
    assert_non_null(spaces_past_regions(s, first));
    for (unsigned i = 0; i < 1000; i++) {
        fork_to(ME, CHILD);
        simple(EVENT_EXEC, CHILD);
        simple(EVENT_EXIT, CHILD);
    }
    assert_null(spaces_past_regions(s, first));
    assert_null(spaces_past_regions(s, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_18_19_anonymous),
        TEST(test_35_bad_accesses),
        TEST(test_mprotect_and_back),
        TEST(test_20_shared_anonymous),
        TEST(test_files_by_a_later_reading),
        TEST(test_4_21_private_file),
        TEST(test_35_beyond_the_end),
        TEST(test_mapped_descriptor_is_unsure),
        TEST(test_userfaultfd_makes_unsure),
        TEST(test_signals_settle),
        TEST(test_userfaultfd_told_by_fault),
        TEST(test_without_calls),
        TEST(test_22_hugetlb),
        TEST(test_36_37_populate),
        TEST(test_51_brk),
        TEST(test_48_stack),
        TEST(test_48_stack_limit),
        TEST(test_exact_samples),
        TEST(test_E_huge),
        TEST(test_E_huge_given_back),
        TEST(test_E_guard),
        TEST(test_E_swap_and_free),
        TEST(test_E_ksm),
        TEST(test_E_mremap),
        TEST(test_23_remap_file_pages),
        TEST(test_fixed_drops_silently),
        TEST(test_call_without_arguments),
        TEST(test_many_mappings),
        TEST(test_past_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
