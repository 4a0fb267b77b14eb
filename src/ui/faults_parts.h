/* The view of faults, shared by its files: faults.c has the list and the keys, faults_top.c the
 * lines above it and the tops. */
#ifndef VMSCOPE_UI_FAULTS_PARTS_H
#define VMSCOPE_UI_FAULTS_PARTS_H

#include <stddef.h>

#include "ui/list.h"

enum faults_kind { KIND_LIST, KIND_PATH, KIND_SITE, KIND_REGION, KIND_N };
enum { FAULTS_TOP_ROWS = 200 };

struct faults_view {
    enum faults_kind kind;
    char filter[256];
    unsigned above;  /* rows of the list above the selected one */
    unsigned head;   /* rows above the first row of them, drawn last */
    unsigned height; /* rows of the list, drawn last */

    /* A top as it is shown. By path, the key is path * 3 + how. */
    struct fault_top rows[FAULTS_TOP_ROWS];
    uint64_t faults; /* of how many; 0 when nothing was taken yet */
    uint64_t others; /* not in any row of the log's table */
    struct list top;
};

/* Rates, losses, and what the engine cannot see; returns the rows used. */
unsigned faults_draw_head(const struct ui_state *ui, struct area a);

/* Why there is nothing to list. */
void faults_draw_none(const struct ui_state *ui, struct area a);

/* The rows of v->kind, which is not KIND_LIST; takes them anew where the log has gone on. */
void faults_draw_top(struct faults_view *v, const struct ui_state *ui, struct area a);

/* The latest faults and calls, as the list has them, without selection. */
void faults_draw_latest(const struct ui_state *ui, struct area a);

/* The address that the selected row of a top stands for; false if it has none. */
bool faults_top_address(const struct faults_view *v, uint64_t *address);

#endif
