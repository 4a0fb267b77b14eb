/* The driver with a terminal: one poll over keys, records and signals. A frame is drawn when
 * something changed, at most 30 times a second; nothing else is ever waited for. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "base/io.h"
#include "ui/loop.h"
#include "ui/signals.h"
#include "ui/term.h"

enum { NS_PER_MS = 1000 * 1000, FRAME_MS = 33, FOLD_MS = 20, CLOCK_MS = 1000 };

struct live {
    const struct screen_ops *ops;
    void *ctx;
    struct screen_wish wish;
    struct terminal *term;
    struct grid grid;
    uint64_t next_frame_ns; /* not before this */
    uint64_t drawn_ns;
    bool dirty;
    bool hung_up;
    bool mouse;
    int ending; /* the signal to end by, or 0 */
};

static void fit_grid(struct live *l)
{
    unsigned cols, rows;
    struct grid g;
    term_size(l->term, &cols, &rows);
    if ((cols == l->grid.cols && rows == l->grid.rows) || grid_init(&g, cols, rows))
        return;
    grid_deinit(&l->grid);
    l->grid = g;
    l->dirty = true;
}

static void draw(struct live *l, uint64_t now)
{
    l->ops->draw(l->ctx, &l->grid);
    term_show(l->term, &l->grid);
    l->dirty = false;
    l->drawn_ns = now;
    /* A frame that waits for the first sample must not hold that one back. */
    l->next_frame_ns = l->wish.starting ? now : now + FRAME_MS * NS_PER_MS;
}

static void stop(struct live *l)
{
    term_leave(l->term);
    signals_stop();
    term_resume(l->term);
    fit_grid(l);
    l->dirty = true;
}

static void take_signals(struct live *l)
{
    for (int sig; (sig = signals_next());) {
        switch (sig) {
        case SIGWINCH:
            fit_grid(l);
            break;
        case SIGTSTP:
            stop(l);
            break;
        case SIGCONT:
            term_resume(l->term);
            fit_grid(l);
            l->dirty = true;
            break;
        default:
            l->ending = sig;
        }
    }
}

static void take_wishes(struct live *l)
{
    l->ops->wish(l->ctx, &l->wish);
    if (l->wish.repaint)
        term_redraw(l->term);
    if (l->wish.away) {
        term_leave(l->term);
        l->ops->away(l->ctx);
        term_resume(l->term);
        fit_grid(l);
        l->dirty = true;
    }
    if (l->mouse != l->wish.mouse) {
        l->mouse = l->wish.mouse;
        term_set_mouse(l->term, l->mouse);
    }
}

static void take_events(struct live *l)
{
    struct term_event ev;
    while (!l->wish.quit && term_event(l->term, &ev)) {
        if (ev.key != KEY_CODE_NONE)
            l->dirty |= l->ops->key(l->ctx, ev.key);
        else
            l->dirty |= l->ops->mouse(l->ctx, &ev.mouse, l->grid.cols, l->grid.rows);
        take_wishes(l);
    }
}

/* Milliseconds until something must happen by itself. */
static int patience(const struct live *l, uint64_t now)
{
    uint64_t next = l->drawn_ns + CLOCK_MS * (uint64_t)NS_PER_MS;
    if (l->dirty)
        next = l->next_frame_ns;
    else
        next = l->ops->next_tick(l->ctx, next);
    return next > now ? (int)((next - now) / NS_PER_MS) + 1 : 0;
}

static void wait_for_something(struct live *l, uint64_t now)
{
    enum { TERM, SIGNALS, SOURCE };
    struct pollfd fds[] = {
        [TERM] = {.fd = term_fd(l->term), .events = POLLIN},
        [SIGNALS] = {.fd = signals_fd(), .events = POLLIN},
        [SOURCE] = {.fd = l->ops->fd(l->ctx), .events = POLLIN},
    };
    if (poll(fds, sizeof fds / sizeof *fds, patience(l, now)) <= 0)
        return;
    if (fds[SIGNALS].revents)
        take_signals(l);
    if (fds[TERM].revents & POLLIN)
        take_events(l);
    if (fds[TERM].revents & (POLLHUP | POLLERR | POLLNVAL))
        l->hung_up = true;
}

static void run(struct live *l)
{
    while (!l->wish.quit && !l->ending && !l->hung_up) {
        uint64_t now = io_now_ns();
        l->dirty |= l->ops->tick(l->ctx, now);
        l->dirty |= l->ops->fold(l->ctx, now + FOLD_MS * NS_PER_MS);
        take_wishes(l);
        if (now - l->drawn_ns >= CLOCK_MS * (uint64_t)NS_PER_MS)
            l->dirty = true;
        if (l->wish.last || (l->dirty && now >= l->next_frame_ns))
            draw(l, now);
        if (l->wish.last)
            return;
        wait_for_something(l, now);
    }
}

int loop_run(const struct screen_ops *ops, void *ctx, const struct ui_options *options,
             struct err *e)
{
    struct live l = {.ops = ops, .ctx = ctx, .mouse = !options->no_mouse, .dirty = true};
    int rc = term_check(e);
    if (rc)
        return rc;
    rc = signals_open();
    if (rc)
        return err_set(e, rc, "cannot catch signals: %s", strerror(-rc));
    rc = term_open(options, &l.term, e);
    if (!rc)
        rc = ops->init(ctx, term_look(l.term), e);
    if (!rc) {
        fit_grid(&l);
        run(&l);
        ops->deinit(ctx);
    }
    grid_deinit(&l.grid);
    term_close(l.term);
    signals_close();
    return rc ? rc : l.hung_up && !l.ending ? SIGHUP : l.ending;
}
