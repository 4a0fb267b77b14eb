/* How many faults and calls there are in a second, in words and as little curves. */
#ifndef VMSCOPE_UI_RATES_H
#define VMSCOPE_UI_RATES_H

#include <stddef.h>

#include "ui/view.h"

/* The rates between the last two samples; all unknown before there are two. */
struct event_rates rates_last(const struct ui_state *ui);

enum { RATE_TEXT_MAX = 40 };
/* "1,204/s", or "?". Returns out. */
const char *rate_text(char out[RATE_TEXT_MAX], uint64_t rate);

/* One line: the rates, each with the curve of its past as far as there is room. */
void rates_draw(const struct ui_state *ui, struct area line);

#endif
