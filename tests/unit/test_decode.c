/* What the kernel says about one page, and what it means: a table of every state and attribute, and
 * of every trap that a naive reading falls into. The bits are written here as the kernel documents
 * them (Documentation/admin-guide/mm/pagemap.rst), not as probe/abi.h has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe/decode.h"

#define BIT(n) (UINT64_C(1) << (n))
#define PFN 0x12345

/* pagemap */
#define X BIT(56)
#define WP BIT(57)
#define GUARD BIT(58)
#define F BIT(61)
#define SW BIT(62)
#define P BIT(63)
#define SWAPPED(type, offset) (SW | (uint64_t)(offset) << 5 | (type))
/* PAGEMAP_SCAN */
#define S_PRESENT BIT(3)
#define S_SWAPPED BIT(4)
#define S_ZERO BIT(5)
#define S_HUGE BIT(6)
#define S_GUARD BIT(8)
/* kpageflags */
#define K_REFERENCED BIT(2)
#define K_UPTODATE BIT(3)
#define K_DIRTY BIT(4)
#define K_LRU BIT(5)
#define K_ACTIVE BIT(6)
#define K_WRITEBACK BIT(8)
#define K_MMAP BIT(11)
#define K_ANON BIT(12)
#define K_SWAPCACHE BIT(13)
#define K_SWAPBACKED BIT(14)
#define K_HEAD BIT(15)
#define K_TAIL BIT(16)
#define K_HUGE BIT(17)
#define K_UNEVICTABLE BIT(18)
#define K_NOPAGE BIT(20)
#define K_KSM BIT(21)
#define K_THP BIT(22)
#define K_ZERO BIT(24)
#define K_RESERVED BIT(32)
#define K_MLOCKED BIT(33)
#define K_OWNER_2 BIT(34)
#define ANON (K_UPTODATE | K_MMAP | K_ANON | K_SWAPBACKED)

#define A(name) PAGE_A_##name

enum { PMD_ORDER = 9, NONE = -1, NO = PAGE_ORDER_UNKNOWN };

/* Evidence that is NONE was not had. The frame is PFN where `framed`. */
struct row {
    const char *what;
    int kind;
    int64_t entry, scan, flags, count;
    bool pfn;
    unsigned state, attrs, mapcount, order;
    bool framed;
};

#define E(bits) (int64_t)(bits)

static const struct row root[] = {
    {"no entry", REGION_ANON, 0, NONE, NONE, NONE, 1, PAGE_ABSENT, 0, 0, NO, 0},
    {"anonymous, owned", REGION_ANON, E(P | X | PFN), S_PRESENT, E(ANON | K_OWNER_2), NONE, 1,
     PAGE_ANON, A(EXCLUSIVE) | A(WRITABLE) | A(ENTRY) | A(FLAGS) | A(COUNT), 1, 0, 1},
    {"exclusive after its sharer died: the next write faults", REGION_ANON, E(P | X | PFN),
     S_PRESENT, ANON, NONE, 1, PAGE_ANON, A(EXCLUSIVE) | A(ENTRY) | A(FLAGS) | A(COUNT), 1, 0, 1},
    {"anonymous, shared after fork", REGION_HEAP, E(P | PFN), S_PRESENT, ANON, 2, 1, PAGE_COW,
     A(ENTRY) | A(FLAGS) | A(COUNT), 2, 0, 1},
    {"shared, map count not read", REGION_HEAP, E(P | PFN), S_PRESENT, ANON, NONE, 1, PAGE_COW,
     A(ENTRY) | A(FLAGS), 0, 0, 1},
    {"file, its bit 34 is mapped-to-disk", REGION_FILE, E(P | F | X | PFN), S_PRESENT,
     E(K_UPTODATE | K_LRU | K_MMAP | K_OWNER_2), NONE, 1, PAGE_FILE,
     A(EXCLUSIVE) | A(ENTRY) | A(FLAGS) | A(COUNT), 1, 0, 1},
    {"file, in many processes", REGION_FILE, E(P | F | PFN), S_PRESENT, K_UPTODATE, 37, 1,
     PAGE_FILE, A(ENTRY) | A(FLAGS) | A(COUNT), 37, 0, 1},
    {"copied page of a private file mapping", REGION_FILE, E(P | X | PFN), S_PRESENT,
     E(ANON | K_OWNER_2), NONE, 1, PAGE_ANON,
     A(EXCLUSIVE) | A(WRITABLE) | A(ENTRY) | A(FLAGS) | A(COUNT), 1, 0, 1},
    {"large page-cache folio: THP, but no PMD", REGION_FILE, E(P | F | PFN), S_PRESENT,
     K_THP | K_TAIL | K_UPTODATE, 3, 1, PAGE_FILE, A(LARGE) | A(ENTRY) | A(FLAGS) | A(COUNT), 3,
     NO, 1},
    {"file by PMD", REGION_FILE, E(P | F | PFN), S_PRESENT | S_HUGE, K_THP | K_HEAD, 3, 1,
     PAGE_FILE, A(PMD) | A(LARGE) | A(ENTRY) | A(FLAGS) | A(COUNT), 3, 9, 1},
    {"shared memory", REGION_SHMEM, E(P | F | PFN), S_PRESENT, K_UPTODATE | K_SWAPBACKED, 2, 1,
     PAGE_SHMEM, A(ENTRY) | A(FLAGS) | A(COUNT), 2, 0, 1},
    {"tmpfs that looks like a file", REGION_FILE, E(P | F | PFN), S_PRESENT,
     K_UPTODATE | K_SWAPBACKED, NONE, 1, PAGE_SHMEM, A(ENTRY) | A(FLAGS), 0, 0, 1},
    {"zero page: bit 61 clear, not exclusive", REGION_ANON, E(P | PFN), S_PRESENT | S_ZERO,
     E(K_ZERO | K_RESERVED), 0, 1, PAGE_ZERO, A(ENTRY) | A(FLAGS) | A(COUNT), 0, 0, 1},
    {"zero page, by its flags", REGION_ANON, E(P | PFN), NONE, E(K_ZERO | K_RESERVED), NONE, 1,
     PAGE_ZERO, A(ENTRY) | A(FLAGS), 0, 0, 1},
    {"huge zero page: bit 61 set", REGION_ANON, E(P | F | PFN), S_PRESENT | S_ZERO | S_HUGE,
     K_ZERO | K_THP | K_HEAD, NONE, 1, PAGE_HUGE_ZERO, A(PMD) | A(LARGE) | A(ENTRY) | A(FLAGS), 0,
     9, 1},
    {"huge zero page, by its flags", REGION_ANON, E(P | F | PFN), NONE, K_ZERO | K_THP | K_TAIL,
     NONE, 1, PAGE_HUGE_ZERO, A(LARGE) | A(ENTRY) | A(FLAGS), 0, NO, 1},
    {"KSM", REGION_ANON, E(P | PFN), S_PRESENT, K_KSM | ANON, 12, 1, PAGE_KSM,
     A(ENTRY) | A(FLAGS) | A(COUNT), 12, 0, 1},
    {"KSM, not swap-backed: not lazyfree", REGION_ANON, E(P | PFN), S_PRESENT, K_KSM | K_ANON, 12,
     1, PAGE_KSM, A(ENTRY) | A(FLAGS) | A(COUNT), 12, 0, 1},
    {"hugetlb by its region", REGION_HUGETLB, E(P | F | X | PFN), S_PRESENT | S_HUGE,
     K_HUGE | K_HEAD, NONE, 1, PAGE_HUGETLB, A(EXCLUSIVE) | A(PMD) | A(ENTRY) | A(FLAGS), 0, NO, 1},
    {"hugetlb by its flags", REGION_FILE, E(P | F | PFN), S_PRESENT, K_HUGE | K_TAIL, 1, 1,
     PAGE_HUGETLB, A(ENTRY) | A(FLAGS) | A(COUNT), 1, NO, 1},
    {"swapped", REGION_ANON, E(SWAPPED(2, 0xabcdef)), S_SWAPPED, NONE, NONE, 1, PAGE_SWAP,
     A(ENTRY), 2, NO, 0},
    {"swapped and write-protected", REGION_ANON, E(SWAPPED(0, 7) | WP), S_SWAPPED, NONE, NONE, 1,
     PAGE_SWAP, A(ENTRY) | A(UFFD_WP), 0, NO, 0},
    {"the last type that can be a swap device", REGION_ANON, E(SWAPPED(22, 7)), S_SWAPPED, NONE,
     NONE, 1, PAGE_SWAP, A(ENTRY), 22, NO, 0},
    {"migrating: smaps counts it in Rss", REGION_ANON, E(SWAPPED(25, PFN)), S_SWAPPED, NONE, NONE,
     1, PAGE_PRESENT, A(ENTRY), 0, NO, 0},
    {"guard marker, not swapped", REGION_ANON, E(SWAPPED(31, 4) | GUARD), S_SWAPPED | S_GUARD,
     NONE, NONE, 1, PAGE_GUARD, A(ENTRY), 0, NO, 0},
    {"userfaultfd marker, not swapped", REGION_ANON, E(SWAPPED(31, 1) | WP), S_SWAPPED, NONE,
     NONE, 1, PAGE_ABSENT, A(ENTRY) | A(UFFD_WP), 0, NO, 0},
    {"another marker", REGION_ANON, E(SWAPPED(31, 2)), S_SWAPPED, NONE, NONE, 1, PAGE_UNKNOWN,
     A(ENTRY), 0, NO, 0},
    {"write-protected for userfaultfd", REGION_ANON, E(P | X | WP | PFN), S_PRESENT,
     E(ANON | K_OWNER_2), NONE, 1, PAGE_ANON,
     A(EXCLUSIVE) | A(UFFD_WP) | A(WRITABLE) | A(ENTRY) | A(FLAGS) | A(COUNT), 1, 0, 1},
    {"no struct page", REGION_FILE, E(P | PFN), S_PRESENT, K_NOPAGE, NONE, 1, PAGE_DEVICE,
     A(ENTRY) | A(FLAGS), 0, 0, 1},
    {"copied page of a private device mapping", REGION_DEVICE, E(P | X | PFN), S_PRESENT, ANON,
     NONE, 1, PAGE_ANON, A(EXCLUSIVE) | A(ENTRY) | A(FLAGS) | A(COUNT), 1, 0, 1},
    {"THP", REGION_ANON, E(P | X | PFN), S_PRESENT | S_HUGE, E(ANON | K_THP | K_HEAD | K_OWNER_2),
     NONE, 1, PAGE_ANON, A(EXCLUSIVE) | A(WRITABLE) | A(PMD) | A(LARGE) | A(ENTRY) | A(FLAGS), 0,
     9, 1},
    {"THP, counted", REGION_ANON, E(P | X | PFN), S_PRESENT | S_HUGE, ANON | K_THP | K_HEAD, 1, 1,
     PAGE_ANON, A(EXCLUSIVE) | A(PMD) | A(LARGE) | A(ENTRY) | A(FLAGS) | A(COUNT), 1, 9, 1},
    {"mTHP: exclusive speaks for the folio, not for the page's count", REGION_ANON,
     E(P | X | PFN), S_PRESENT, ANON | K_THP | K_TAIL, NONE, 1, PAGE_ANON,
     A(EXCLUSIVE) | A(LARGE) | A(ENTRY) | A(FLAGS), 0, NO, 1},
    {"given up by MADV_FREE", REGION_ANON, E(P | X | PFN), S_PRESENT, K_ANON | K_UPTODATE, NONE, 1,
     PAGE_ANON, A(EXCLUSIVE) | A(LAZYFREE) | A(ENTRY) | A(FLAGS) | A(COUNT), 1, 0, 1},
    {"in the swap cache", REGION_ANON, E(P | X | PFN), S_PRESENT, ANON | K_SWAPCACHE, NONE, 1,
     PAGE_ANON, A(EXCLUSIVE) | A(SWAPCACHE) | A(ENTRY) | A(FLAGS) | A(COUNT), 1, 0, 1},
    {"mlocked", REGION_ANON, E(P | X | PFN), S_PRESENT, E(ANON | K_UNEVICTABLE | K_MLOCKED), NONE,
     1, PAGE_ANON, A(EXCLUSIVE) | A(UNEVICTABLE) | A(LOCKED) | A(ENTRY) | A(FLAGS) | A(COUNT), 1,
     0, 1},
    {"dirty, being written back; what is random is left out", REGION_FILE, E(P | F | X | PFN),
     S_PRESENT, K_UPTODATE | K_DIRTY | K_WRITEBACK | K_REFERENCED | K_ACTIVE, NONE, 1, PAGE_FILE,
     A(EXCLUSIVE) | A(DIRTY) | A(WRITEBACK) | A(ENTRY) | A(FLAGS) | A(COUNT), 1, 0, 1},
    {"map count beyond 32 bits", REGION_FILE, E(P | F | PFN), S_PRESENT, K_UPTODATE, INT64_MAX, 1,
     PAGE_FILE, A(ENTRY) | A(FLAGS) | A(COUNT), UINT32_MAX, 0, 1},
};

/* Without privilege: frame numbers read as 0, and there are no frame flags. */
static const struct row ordinary[] = {
    {"anonymous, owned", REGION_ANON, E(P | X), S_PRESENT, NONE, NONE, 0, PAGE_ANON,
     A(EXCLUSIVE) | A(ENTRY), 0, NO, 0},
    {"anonymous, shared", REGION_ANON, E(P), S_PRESENT, NONE, NONE, 0, PAGE_COW, A(ENTRY), 0, NO,
     0},
    {"zero page", REGION_ANON, E(P), S_PRESENT | S_ZERO, NONE, NONE, 0, PAGE_ZERO, A(ENTRY), 0, NO,
     0},
    {"huge zero page", REGION_ANON, E(P | F), S_PRESENT | S_ZERO | S_HUGE, NONE, NONE, 0,
     PAGE_HUGE_ZERO, A(PMD) | A(ENTRY), 0, 9, 0},
    {"file", REGION_FILE, E(P | F | X), S_PRESENT, NONE, NONE, 0, PAGE_FILE,
     A(EXCLUSIVE) | A(ENTRY), 0, NO, 0},
    {"shared memory", REGION_SHMEM, E(P | F), S_PRESENT, NONE, NONE, 0, PAGE_SHMEM, A(ENTRY), 0,
     NO, 0},
    {"hugetlb", REGION_HUGETLB, E(P | F), S_PRESENT | S_HUGE, NONE, NONE, 0, PAGE_HUGETLB,
     A(PMD) | A(ENTRY), 0, NO, 0},
    {"THP", REGION_ANON, E(P | X), S_PRESENT | S_HUGE, NONE, NONE, 0, PAGE_ANON,
     A(EXCLUSIVE) | A(PMD) | A(ENTRY), 0, 9, 0},
    {"device", REGION_DEVICE, E(P), S_PRESENT, NONE, NONE, 0, PAGE_DEVICE, A(ENTRY), 0, NO, 0},
    {"guard", REGION_ANON, E(SWAPPED(31, 4) | GUARD), S_SWAPPED, NONE, NONE, 0, PAGE_GUARD,
     A(ENTRY), 0, NO, 0},
};

/* Without privilege and without PAGEMAP_SCAN: what may be a zero page is not called anything. */
static const struct row old_kernel[] = {
    {"exclusive is never a zero page", REGION_ANON, E(P | X), NONE, NONE, NONE, 0, PAGE_ANON,
     A(EXCLUSIVE) | A(ENTRY), 0, NO, 0},
    {"shared, or the zero page", REGION_ANON, E(P), NONE, NONE, NONE, 0, PAGE_PRESENT, A(ENTRY), 0,
     NO, 0},
    {"bit 61 in anonymous memory: the huge zero page", REGION_ANON, E(P | F), NONE, NONE, NONE, 0,
     PAGE_PRESENT, A(ENTRY), 0, NO, 0},
    {"the same in the heap", REGION_HEAP, E(P | F), NONE, NONE, NONE, 0, PAGE_PRESENT, A(ENTRY), 0,
     NO, 0},
    {"file", REGION_FILE, E(P | F), NONE, NONE, NONE, 0, PAGE_FILE, A(ENTRY), 0, NO, 0},
    {"shared memory", REGION_SHMEM, E(P | F), NONE, NONE, NONE, 0, PAGE_SHMEM, A(ENTRY), 0, NO, 0},
    {"swapped", REGION_ANON, E(SWAPPED(1, 9)), NONE, NONE, NONE, 0, PAGE_SWAP, A(ENTRY), 1, NO, 0},
};

/* A scan alone. */
static const struct row scanned[] = {
    {"nothing known", REGION_ANON, NONE, NONE, NONE, NONE, 1, PAGE_ABSENT, 0, 0, NO, 0},
    {"present", REGION_FILE, NONE, S_PRESENT, NONE, NONE, 1, PAGE_PRESENT, 0, 0, NO, 0},
    {"present, huge", REGION_ANON, NONE, S_PRESENT | S_HUGE, NONE, NONE, 1, PAGE_PRESENT, A(PMD),
     0, 9, 0},
    {"zero page", REGION_ANON, NONE, S_PRESENT | S_ZERO, NONE, NONE, 1, PAGE_ZERO, 0, 0, NO, 0},
    {"huge zero page", REGION_ANON, NONE, S_PRESENT | S_ZERO | S_HUGE, NONE, NONE, 1,
     PAGE_HUGE_ZERO, A(PMD), 0, 9, 0},
    {"hugetlb", REGION_HUGETLB, NONE, S_PRESENT | S_HUGE, NONE, NONE, 1, PAGE_HUGETLB, A(PMD), 0,
     NO, 0},
};

static struct page_evidence evidence_of(const struct row *r)
{
    return (struct page_evidence){
        .entry = r->entry == NONE ? 0 : (uint64_t)r->entry, .has_entry = r->entry != NONE,
        .categories = r->scan == NONE ? 0 : (uint64_t)r->scan, .has_scan = r->scan != NONE,
        .flags = r->flags == NONE ? 0 : (uint64_t)r->flags, .has_flags = r->flags != NONE,
        .count = r->count == NONE ? 0 : (uint64_t)r->count, .has_count = r->count != NONE,
        .region_kind = (uint8_t)r->kind, .has_pfn = r->pfn};
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *r = &rows[i];
        struct page_evidence ev = evidence_of(r);
        struct page p = page_decode(&ev, PMD_ORDER, false);
        uint64_t frame = r->framed ? PFN
                         : r->state == PAGE_SWAP ? ((uint64_t)r->entry & (BIT(55) - 1)) >> 5
                                                 : PAGE_FRAME_UNKNOWN;
        if (p.state != r->state || p.attrs != r->attrs || p.mapcount != r->mapcount ||
            p.order != r->order || p.frame != frame)
            fail_msg("%s: %s attrs %#x mapcount %u order %u frame %#llx; expected %s attrs %#x "
                     "mapcount %u order %u frame %#llx",
                     r->what, page_state_info(p.state)->name, p.attrs, p.mapcount, p.order,
                     (unsigned long long)p.frame, page_state_info(r->state)->name, r->attrs,
                     r->mapcount, r->order, (unsigned long long)frame);
    }
}

#define CHECK_ROWS(table) check_rows(table, sizeof(table) / sizeof *(table))

static void test_privileged(void **state)
{
    (void)state;
    CHECK_ROWS(root);
}

static void test_ordinary_user(void **state)
{
    (void)state;
    CHECK_ROWS(ordinary);
}

static void test_old_kernel(void **state)
{
    (void)state;
    CHECK_ROWS(old_kernel);
}

static void test_scan_alone(void **state)
{
    (void)state;
    CHECK_ROWS(scanned);
}

static void test_noisy_attributes_on_request(void **state)
{
    (void)state;
    struct page_evidence ev = {.entry = P | F | PFN, .has_entry = true, .has_pfn = true,
                               .flags = K_REFERENCED | K_ACTIVE | K_LRU, .has_flags = true,
                               .region_kind = REGION_FILE};
    assert_int_equal(page_decode(&ev, PMD_ORDER, true).attrs,
                     A(REFERENCED) | A(ACTIVE) | A(ENTRY) | A(FLAGS));
    assert_int_equal(page_decode(&ev, PMD_ORDER, false).attrs, A(ENTRY) | A(FLAGS));
}

/* Every bit of kpageflags either is in the mask or changes nothing, with any other evidence. */
static void test_mask_covers_what_matters(void **state)
{
    (void)state;
    const uint64_t base[] = {0,      ANON,         K_UPTODATE | K_SWAPBACKED, ANON | K_THP,
                             K_ZERO, ANON | K_KSM};
    for (unsigned noisy = 0; noisy < 2; noisy++)
        for (unsigned i = 0; i < sizeof base / sizeof *base; i++)
            for (unsigned bit = 0; bit < 64; bit++)
                for (unsigned file = 0; file < 2; file++) {
                    struct page_evidence ev = {.entry = P | (file ? F : 0) | PFN, .flags = base[i],
                                               .has_entry = true, .has_flags = true,
                                               .has_pfn = true};
                    struct page p = page_decode(&ev, PMD_ORDER, noisy);
                    ev.flags ^= BIT(bit);
                    struct page q = page_decode(&ev, PMD_ORDER, noisy);
                    if (!(page_decode_flags_mask(noisy) & BIT(bit)))
                        assert_true(page_follows(&p, 0, &q));
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_privileged),
        cmocka_unit_test(test_ordinary_user),
        cmocka_unit_test(test_old_kernel),
        cmocka_unit_test(test_scan_alone),
        cmocka_unit_test(test_noisy_attributes_on_request),
        cmocka_unit_test(test_mask_covers_what_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
