/* The application as what a loop drives. */
#include "ui/app.h"
#include "ui/loop.h"
#include "ui/term.h"

struct app_screen {
    struct app app;
    const struct ui_options *options;
    struct ui_source *source;
};

bool ui_possible(struct err *e)
{
    return term_check(e) == 0;
}

static int screen_init(void *ctx, struct look look, struct err *e)
{
    struct app_screen *s = ctx;
    return app_init(&s->app, s->options, s->source, look, e);
}

static void screen_deinit(void *ctx)
{
    struct app_screen *s = ctx;
    app_deinit(&s->app);
}

static int screen_fd(void *ctx)
{
    const struct app_screen *s = ctx;
    return s->source->fd;
}

static bool screen_fold(void *ctx, uint64_t deadline_ns)
{
    struct app_screen *s = ctx;
    return app_fold(&s->app, deadline_ns);
}

static bool screen_tick(void *ctx, uint64_t now_ns)
{
    struct app_screen *s = ctx;
    return app_tick(&s->app, now_ns);
}

static uint64_t screen_next_tick(void *ctx, uint64_t latest_ns)
{
    const struct app_screen *s = ctx;
    return s->app.ui.frozen ? latest_ns : app_next_tick(&s->app, latest_ns);
}

/* Headless, `<Wait>` makes one more sample. */
static bool screen_key(void *ctx, int key)
{
    struct app_screen *s = ctx;
    if (key != KEY_CODE_WAIT)
        return app_key(&s->app, key);
    if (s->source->step)
        s->source->step(s->source->ctx);
    return true;
}

static bool screen_mouse(void *ctx, const struct mouse *m, unsigned cols, unsigned rows)
{
    struct app_screen *s = ctx;
    return app_mouse(&s->app, m, cols, rows);
}

static void screen_draw(void *ctx, struct grid *g)
{
    struct app_screen *s = ctx;
    app_draw(&s->app, g);
}

static void screen_wish(void *ctx, struct screen_wish *out)
{
    struct app *a = &((struct app_screen *)ctx)->app;
    *out = (struct screen_wish){.quit = a->quit, .repaint = a->repaint, .mouse = a->mouse,
                                .starting = !a->ui.now,
                                .last = a->options->samples && a->samples >= a->options->samples};
    a->repaint = false;
}

enum { SETTLE_MAX = 1500 }; /* of some 20 ms each: a program that waits for something */

/* Folds what waits; makes the first sample, if there is none yet and there is a process. */
static void screen_settle(void *ctx)
{
    struct app_screen *s = ctx;
    struct app *a = &s->app;
    bool settled = false;
    app_fold(a, 0);
    for (unsigned i = 0; app_steps(a) && i < SETTLE_MAX && !settled; i++) {
        settled = s->source->stepper->settle(s->source->ctx);
        app_fold(a, 0);
    }
    if (a->ui.now || a->ui.gone || !s->source->step || a->view == APP_PICKER)
        return;
    s->source->step(s->source->ctx);
    app_fold(a, 0);
}

static const struct screen_ops ops = {
    .init = screen_init, .deinit = screen_deinit, .fd = screen_fd, .fold = screen_fold,
    .tick = screen_tick, .next_tick = screen_next_tick, .key = screen_key, .mouse = screen_mouse,
    .draw = screen_draw, .wish = screen_wish, .settle = screen_settle,
};

int ui_run(const struct ui_options *options, struct ui_source *source, struct err *e)
{
    struct app_screen s = {.options = options, .source = source};
    return loop_run(&ops, &s, options, e);
}

int ui_headless(const struct ui_options *options, struct ui_source *source, unsigned cols,
                unsigned rows, const char *keys, struct buf *out, struct err *e)
{
    struct app_screen s = {.options = options, .source = source};
    return loop_headless(&ops, &s, options, cols, rows, keys, out, e);
}
