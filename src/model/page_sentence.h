/* What is known of one page, as one English sentence. Pure. */
#ifndef VMSCOPE_MODEL_PAGE_SENTENCE_H
#define VMSCOPE_MODEL_PAGE_SENTENCE_H

#include <stddef.h>

#include "model/record.h"

enum { PAGE_SENTENCE_MAX = 400 };

/* Of page *p in region *r (NULL: nothing is mapped there). What the page's evidence does not tell,
 * the sentence does not claim. Returns out. */
const char *page_sentence(const struct geometry *g, const struct region *r, const struct page *p,
                          char *out, size_t cap);

#endif
