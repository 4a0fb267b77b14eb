/* Looking words up, and guessing which one was meant. */
#include <stdint.h>
#include <string.h>

#include "scenario/words.h"

enum { COMPARED_MAX = 40 };

bool words_find(const struct words *w, const char *name, size_t len, int *value)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->v[i].name && strlen(w->v[i].name) == len && !memcmp(w->v[i].name, name, len)) {
            *value = w->v[i].value;
            return true;
        }
    }
    return false;
}

const char *words_name(const struct words *w, int value)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->v[i].name && w->v[i].value == value)
            return w->v[i].name;
    return NULL;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The optimal string alignment distance, by rows of its table. */
size_t word_distance(const char *a, size_t alen, const char *b, size_t blen)
{
    size_t row[3][COMPARED_MAX + 1];
    if (alen > COMPARED_MAX || blen > COMPARED_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= blen; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= alen; i++) {
        size_t *now = row[i % 3], *last = row[(i + 2) % 3], *older = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= blen; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], older[j - 2] + 1);
        }
    }
    return row[alen % 3][blen];
}

bool word_is_near(size_t distance, size_t len)
{
    return distance <= (len < 3 ? 0 : len < 5 ? 1 : len < 8 ? 2 : len < 12 ? 3 : 5);
}

const char *words_nearest(const struct words *w, const char *name, size_t len)
{
    const char *best = NULL;
    size_t distance = SIZE_MAX;
    for (size_t i = 0; i < w->count; i++) {
        const char *word = w->v[i].name;
        size_t d = word ? word_distance(name, len, word, strlen(word)) : SIZE_MAX;
        if (d < distance) {
            distance = d;
            best = word;
        }
    }
    return best && word_is_near(distance, len) ? best : NULL;
}
