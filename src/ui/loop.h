/* What drives a screen: with a terminal, one poll over keys, what comes by itself, and signals; and
 * without one, keys from a string. What is on the screen, the application or the player, is a table
 * of operations over its own state. */
#ifndef VMSCOPE_UI_LOOP_H
#define VMSCOPE_UI_LOOP_H

#include "base/buf.h"
#include "ui/cells.h"
#include "ui/ui.h"
#include "ui/view.h"

/* What the screen wants of the loop, asked after each round. */
struct screen_wish {
    bool quit;
    bool repaint;  /* everything must be sent again; said once */
    bool away;     /* the terminal, for somebody else: then `away` is called; said once */
    bool mouse;
    bool starting; /* what is shown waits for its beginning: the next frame may follow at once */
    bool last;     /* the next frame is the last */
};

struct screen_ops {
    int (*init)(void *ctx, struct look look, struct err *e);
    void (*deinit)(void *ctx); /* after a successful init */
    /* Readable while something waits that `fold` takes; -1: nothing ever does. */
    int (*fd)(void *ctx);
    bool (*fold)(void *ctx, uint64_t deadline_ns);
    /* Time passes. True when the frame must be drawn. And when something next changes by itself,
     * `latest_ns` at the latest. */
    bool (*tick)(void *ctx, uint64_t now_ns);
    uint64_t (*next_tick)(void *ctx, uint64_t latest_ns);
    /* True when the frame must be drawn. */
    bool (*key)(void *ctx, int key);
    bool (*mouse)(void *ctx, const struct mouse *m, unsigned cols, unsigned rows);
    void (*draw)(void *ctx, struct grid *g);
    void (*wish)(void *ctx, struct screen_wish *out);
    void (*away)(void *ctx); /* may be NULL */
    /* Headless: before the first frame and after each key, KEY_CODE_WAIT included. */
    void (*settle)(void *ctx);
};

/* Both as ui_run and ui_headless (ui.h). */
int loop_run(const struct screen_ops *ops, void *ctx, const struct ui_options *options,
             struct err *e);
int loop_headless(const struct screen_ops *ops, void *ctx, const struct ui_options *options,
                  unsigned cols, unsigned rows, const char *keys, struct buf *out, struct err *e);

#endif
