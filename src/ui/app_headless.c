/* The driver without a terminal: keys come from a string, time does not pass, and the last frame is
 * the result. The same stream and the same keys always give the same frame. */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>

#include "ui/app.h"
#include "ui/keys.h"

enum { HEADLESS_MAX = 1000 };

/* Folds what waits; makes the first sample, if there is none yet and there is a process. */
static void fold(struct app *a)
{
    struct ui_source *source = a->ui.source;
    app_fold(a, 0);
    if (a->ui.now || a->ui.gone || !source->step || a->view == APP_PICKER)
        return;
    source->step(source->ctx);
    app_fold(a, 0);
}

static void wait_sample(struct app *a)
{
    struct ui_source *source = a->ui.source;
    if (source->step)
        source->step(source->ctx);
    app_fold(a, 0);
}

/* A frame may ask for something, such as one page; its answer belongs into the frame. */
static void draw(struct app *a, struct grid *g)
{
    app_draw(a, g);
    if (app_fold(a, 0))
        app_draw(a, g);
}

static int feed(struct app *a, struct grid *g, const char *keys, struct err *e)
{
    fold(a);
    draw(a, g);
    while (!a->quit) {
        int key;
        int rc = keys_next(&keys, &key, e);
        if (rc || key == KEY_CODE_NONE)
            return rc;
        if (key == KEY_CODE_WAIT)
            wait_sample(a);
        else
            app_key(a, key);
        fold(a);
        draw(a, g);
    }
    return 0;
}

/* All names first: a mistake shall not depend on what the keys before it did. */
static int check_keys(const char *keys, struct err *e)
{
    int key, rc;
    do
        rc = keys_next(&keys, &key, e);
    while (!rc && key != KEY_CODE_NONE);
    return rc;
}

static struct look headless_look(const struct ui_options *options)
{
    static const unsigned colors[] = {
        [UI_COLOR_AUTO] = 8, [UI_COLOR_ALWAYS] = 256, [UI_COLOR_NEVER] = 0};
    return (struct look){colors[options->color], options->ascii};
}

int ui_headless(const struct ui_options *options, struct ui_source *source, unsigned cols,
                unsigned rows, const char *keys, struct buf *out, struct err *e)
{
    struct app a;
    struct grid g = {0};
    if (!cols || !rows || cols > HEADLESS_MAX || rows > HEADLESS_MAX)
        return err_set(e, -EINVAL, "a screen of %ux%u is not possible: 1x1 to %dx%d are", cols,
                       rows, HEADLESS_MAX, HEADLESS_MAX);
    int rc = check_keys(keys, e);
    if (rc)
        return rc;
    /* The widths of characters must not depend on where this runs. */
    if (MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
    rc = app_init(&a, options, source, headless_look(options), e);
    if (rc)
        return rc;
    rc = grid_init(&g, cols, rows);
    if (!rc)
        rc = feed(&a, &g, keys, e);
    if (!rc)
        rc = grid_text(&g, out);
    grid_deinit(&g);
    app_deinit(&a);
    return rc == -ENOMEM ? err_set(e, rc, "not enough memory for a screen of %ux%u", cols, rows)
                         : rc;
}
