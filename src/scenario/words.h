/* The words that stand for a number: errors, signals, advice, page states and so on. */
#ifndef VMSCOPE_SCENARIO_WORDS_H
#define VMSCOPE_SCENARIO_WORDS_H

#include <stdbool.h>
#include <stddef.h>

struct word {
    const char *name; /* NULL where a number has none */
    int value;
};

struct words {
    const char *what; /* "a protection" */
    const struct word *v;
    size_t count;
};

extern const struct words words_errno, words_signal, words_code, words_advice, words_prot,
    words_open, words_sharing, words_file_kind, words_need, words_state, words_counter,
    words_hugepages, words_how, words_resource, words_special, words_uffd, words_seal,
    words_machine, words_smaps;

/* False if there is no such word. */
bool words_find(const struct words *w, const char *name, size_t len, int *value);
/* The first name of a value, or NULL. */
const char *words_name(const struct words *w, int value);
/* The word most like a mistyped one, or NULL if none is near. */
const char *words_nearest(const struct words *w, const char *name, size_t len);

/* How many letters must be put in, left out, changed, or swapped with their neighbour to make one
 * of the other; SIZE_MAX for words too long to compare. */
size_t word_distance(const char *a, size_t alen, const char *b, size_t blen);
/* Whether so many changes still look like a slip in a word of this length. */
bool word_is_near(size_t distance, size_t len);

#endif
