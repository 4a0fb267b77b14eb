/* What the fuzz targets share: a reader of the fuzzer's bytes, and demands that end a run.
 *
 * A target is one file fuzz_NAME.c with LLVMFuzzerTestOneInput; its first inputs are the files of
 * corpus/NAME, where every input that once broke something stays. */
#ifndef VMSCOPE_TESTS_FUZZ_H
#define VMSCOPE_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/page.h"
#include "model/region.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run with the demand that was not met. */
#define DEMAND(what) ((what) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #what))
_Noreturn void fuzz_fail(const char *file, int line, const char *what);

/* Bytes from the fuzzer; behind their end everything is 0. */
struct feed {
    const uint8_t *at, *end;
};
static inline struct feed feed_of(const uint8_t *data, size_t size)
{
    return (struct feed){data, data + size};
}
bool feed_empty(const struct feed *f);
uint8_t feed_u8(struct feed *f);
uint64_t feed_u64(struct feed *f);
/* A number below `below` (at least 1). */
uint64_t feed_below(struct feed *f, uint64_t below);

/* One of a few dozen plausible pages. */
struct page feed_page(struct feed *f);

/* An exact copy on the heap, so that reading past either end is found. Free it. */
char *fuzz_copy(const uint8_t *data, size_t size);

/* Valid UTF-8 that a terminal shows and does not obey. */
void demand_printable(const char *text, size_t len);

/* What region.h promises of any table. */
void demand_regions(const struct region_table *t);

#endif
