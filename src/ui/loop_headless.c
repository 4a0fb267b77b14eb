/* The driver without a terminal: keys come from a string, time does not pass, and the last frame is
 * the result. The same stream and the same keys always give the same frame. */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>

#include "ui/keys.h"
#include "ui/loop.h"

enum { HEADLESS_MAX = 1000 };

struct headless {
    const struct screen_ops *ops;
    void *ctx;
    struct grid grid;
};

/* A frame may ask for something, such as one page; its answer belongs into the frame. */
static void draw(struct headless *h)
{
    h->ops->settle(h->ctx);
    h->ops->draw(h->ctx, &h->grid);
    if (h->ops->fold(h->ctx, 0))
        h->ops->draw(h->ctx, &h->grid);
}

static int feed(struct headless *h, const char *keys, struct err *e)
{
    struct screen_wish wish = {0};
    draw(h);
    while (!wish.quit) {
        int key;
        int rc = keys_next(&keys, &key, e);
        if (rc || key == KEY_CODE_NONE)
            return rc;
        h->ops->key(h->ctx, key);
        h->ops->wish(h->ctx, &wish);
        if (wish.away)
            h->ops->away(h->ctx);
        draw(h);
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

int loop_headless(const struct screen_ops *ops, void *ctx, const struct ui_options *options,
                  unsigned cols, unsigned rows, const char *keys, struct buf *out, struct err *e)
{
    struct headless h = {.ops = ops, .ctx = ctx};
    if (!cols || !rows || cols > HEADLESS_MAX || rows > HEADLESS_MAX)
        return err_set(e, -EINVAL, "a screen of %ux%u is not possible: 1x1 to %dx%d are", cols,
                       rows, HEADLESS_MAX, HEADLESS_MAX);
    int rc = check_keys(keys, e);
    if (rc)
        return rc;
    /* The widths of characters must not depend on where this runs. */
    if (MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
    rc = ops->init(ctx, headless_look(options), e);
    if (rc)
        return rc;
    rc = grid_init(&h.grid, cols, rows);
    if (!rc)
        rc = feed(&h, keys, e);
    if (!rc)
        rc = grid_text(&h.grid, out);
    grid_deinit(&h.grid);
    ops->deinit(ctx);
    return rc == -ENOMEM ? err_set(e, rc, "not enough memory for a screen of %ux%u", cols, rows)
                         : rc;
}
