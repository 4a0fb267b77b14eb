/* Rates. A curve is drawn from right (now) to left; its height is linear in the rate, relative to
 * the largest one in it, and anything above zero is seen. */
#include "ui/rates.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { CURVE_MIN = 6, CURVE_MAX = 40, LEVELS = 8 };

struct event_rates rates_last(const struct ui_state *ui)
{
    const struct rate_history *h = &ui->rates;
    if (h->count)
        return h->v[(h->count - 1) % RATES_KEEP];
    return (struct event_rates){UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
}

const char *rate_text(char out[RATE_TEXT_MAX], uint64_t rate)
{
    char count[TEXT_COUNT_MAX];
    snprintf(out, RATE_TEXT_MAX, "%s/s", text_count(count, rate));
    return rate == UINT64_MAX ? strcpy(out, "?") : out;
}

/* One of the four rates. */
typedef uint64_t pick_fn(const struct event_rates *r);

static uint64_t pick_minor(const struct event_rates *r)
{
    return r->minor;
}

static uint64_t pick_major(const struct event_rates *r)
{
    return r->major;
}

static uint64_t pick_calls(const struct event_rates *r)
{
    return r->calls;
}

static uint32_t level_char(uint64_t rate, uint64_t most, bool ascii)
{
    static const char *const low = ".:-=+*#@";
    if (!rate)
        return ascii ? '_' : ' ';
    unsigned level = (unsigned)((double)rate / (double)most * (LEVELS - 1) + 0.5);
    return ascii ? (uint32_t)(unsigned char)low[level] : 0x2581 + level;
}

static void draw_curve(const struct ui_state *ui, pick_fn *pick, struct area a)
{
    const struct rate_history *h = &ui->rates;
    uint64_t kept = h->count < RATES_KEEP ? h->count : RATES_KEEP, most = 1;
    unsigned cols = a.cols < kept ? a.cols : (unsigned)kept;
    for (unsigned i = 0; i < cols; i++) {
        uint64_t rate = pick(&h->v[(h->count - 1 - i) % RATES_KEEP]);
        if (rate != UINT64_MAX && rate > most)
            most = rate;
    }
    for (unsigned i = 0; i < cols; i++) {
        uint64_t rate = pick(&h->v[(h->count - 1 - i) % RATES_KEEP]);
        uint32_t ch = rate == UINT64_MAX ? '?' : level_char(rate, most, ui->look.ascii);
        area_put(a, cols - 1 - i, 0, ch, STYLE(COLOR_KEY));
    }
}

void rates_draw(const struct ui_state *ui, struct area line)
{
    static const struct {
        const char *name;
        pick_fn *pick;
    } rates[] = {{"minor", pick_minor}, {"major", pick_major}, {"calls", pick_calls}};
    enum { N = sizeof rates / sizeof *rates };
    const struct event_rates last = rates_last(ui);
    unsigned each = line.cols / N;
    for (unsigned i = 0; i < N; i++) {
        char text[RATE_TEXT_MAX];
        struct area part = area_part(line, i * each, 0, each, 1);
        unsigned col = area_text(part, 0, 0, each, rates[i].name, STYLE(COLOR_DIM)) + 1;
        col += area_text(part, col, 0, each, rate_text(text, rates[i].pick(&last)),
                         STYLE(COLOR_DEFAULT)) + 1;
        unsigned room = each > col + 2 ? each - col - 2 : 0;
        if (room >= CURVE_MIN)
            draw_curve(ui, rates[i].pick,
                       area_part(part, col, 0, room < CURVE_MAX ? room : CURVE_MAX, 1));
    }
}
