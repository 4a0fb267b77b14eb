/* What the makers of target_states share: a place for each mapping between PROT_NONE neighbours,
 * ways to touch pages, and the line that tells what was made. */
#ifndef VMSCOPE_TESTS_STATES_H
#define VMSCOPE_TESTS_STATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* When a maker runs: before the child that shares its pages is forked, or after. */
enum phase { BEFORE_FORK, AFTER_FORK, ON_REQUEST /* only when named by --only */ };

struct maker {
    const char *name;
    void (*make)(const char *name);
    enum phase phase;
};

/* Each table ends with a maker without a name. */
extern const struct maker makers_anon[];
extern const struct maker makers_mark[];
extern const struct maker makers_file[];
extern const struct maker makers_name[];
extern const struct maker makers_shmem[];
extern const struct maker makers_swap[];
extern const struct maker makers_huge[];
extern const struct maker makers_hugetlb[];
extern const struct maker makers_special[];

/* Bytes of a page, and of a huge page mapped by a PMD. */
extern size_t page_bytes;
extern size_t pmd_bytes;

/* Prints "NAME START END EXPECTATION". Tokens of an expectation, all about this process:
 *   run=STATE*N     the states of the pages in order; together they cover the mapping
 *   runs=any        the kernel decides the states
 *   attr=A@I+N      pages I to I+N-1 have attribute A; noattr= they have not
 *   vmflag=xx  no-vmflag=xx  perms=rw-p  kind=K  mapcount=N (of all present pages)
 *   name=S          %XX for bytes that are not printable, and for % and space
 *   split           the range holds more than one mapping */
void state_made(const char *name, const void *at, size_t bytes, const char *expect, ...)
    __attribute__((format(printf, 4, 5)));
/* Prints "absent NAME reason". */
void state_absent(const char *name, const char *why, ...) __attribute__((format(printf, 2, 3)));
/* The same with the text of errno; returns NULL. */
void *state_failed(const char *name, const char *what);

/* An address range of this size and alignment, PROT_NONE, with PROT_NONE on both sides. */
char *place(size_t bytes, size_t align);
/* mmap at a fresh place; on failure says `absent` under `name` and returns NULL. */
char *place_map(const char *name, size_t bytes, size_t align, int prot, int flags, int fd);
/* Private anonymous memory, read-write, without huge pages, `pages` long. */
char *place_anon(const char *name, size_t pages);

/* Write (content differs from page to page and is never zero) and read pages first..first+n-1. */
void write_pages(char *at, size_t first, size_t n);
void read_pages(const char *at, size_t first, size_t n);

/* The pagemap entry of this address in this process; 0 if it cannot be read. */
uint64_t page_entry(const void *at);
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAP (UINT64_C(1) << 62)

/* kB of a field ("KSM:", "AnonHugePages:") of the mapping that starts at `at`, from smaps. */
long smaps_kb(const void *at, const char *field);

/* Calls `done` every few milliseconds until it says true; false after ten seconds. */
bool wait_until(bool (*done)(void *), void *ctx);

/* Page out these pages of anonymous or shared memory; false when swap does not take them. */
bool swap_out(char *at, size_t first, size_t n);
/* True when there is room in swap; otherwise says `absent` under `name`. */
bool have_swap(const char *name);

/* A file of `pages` pages of content in the directory of this run, open for reading and writing. */
int make_file(const char *leaf, size_t pages);
/* A memfd of `pages` pages, sized but empty. */
int make_memfd(const char *name, size_t pages, unsigned flags);
/* The directory, and one below /dev/shm; made at first use, removed when the process ends, even
 * when it is killed. NULL if it cannot be made. */
const char *disk_dir(void);
const char *shm_dir(void);
/* Directory for disk_dir; NULL: $TMPDIR or /var/tmp. */
void set_disk_root(const char *root);

/* Forks a child that calls `act` (may be NULL), then sleeps until this process ends. Prints
 * "child NAME PID". */
pid_t fork_sleeper(const char *name, void (*act)(void));
/* Forks a child that exits at once, and reaps it. */
void fork_and_reap(void);

/* Registers an action that the sharing child performs after the fork of the first phase. */
void in_child(char *at, size_t first, size_t n);
void child_actions(void);

#endif
