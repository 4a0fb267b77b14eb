/* The kernel's own side: what it keeps for itself, and who allocated its virtually contiguous areas
 * (vmalloc, ioremap, vmap), from meminfo and vmallocinfo. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "model/physmem.h"
#include "ui/list.h"

enum { MARK_COLS = 2, NAME_COLS = 34 };

static const struct binding bindings[] = {
    LIST_BINDINGS(false, "one row up", "one row down", "first row", "last row"),
    {.label = NULL},
};

/* "12M", or "?" */
static const char *size_of(char out[TEXT_SIZE_MAX], uint64_t bytes)
{
    return bytes == UINT64_MAX ? "?" : text_size(out, bytes);
}

/* One paragraph of dim words behind a title; the rows used. */
static unsigned put(struct area a, unsigned row, const char *title, const char *text)
{
    bool narrow = a.cols < 40;
    unsigned indent = narrow ? 1 : 15, used = narrow;
    const char *p = text;
    area_text(a, 1, row, 14, title, STYLE(COLOR_TITLE));
    while (*p) {
        char line[400];
        size_t n = text_line(p, a.cols - indent);
        snprintf(line, sizeof line, "%.*s", (int)n, p);
        area_text(a, indent, row + used++, a.cols - indent, line, STYLE(COLOR_DEFAULT));
        p += n;
        while (*p == ' ')
            p++;
    }
    return used;
}

static unsigned draw_memory(const struct meminfo *m, struct area a, unsigned row)
{
    char text[400], s[6][TEXT_SIZE_MAX];
    snprintf(text, sizeof text, "slab %s, page tables %s, kernel stacks %s, per CPU %s, vmalloc %s "
                                "of %s of addresses",
             size_of(s[0], m->slab), size_of(s[1], m->page_tables), size_of(s[2], m->kernel_stack),
             size_of(s[3], m->percpu), size_of(s[4], m->vmalloc_used),
             size_of(s[5], m->vmalloc_total));
    return put(a, row, "for itself", text);
}

static unsigned draw_direct(const struct meminfo *m, struct area a, unsigned row)
{
    char text[400], s[3][TEXT_SIZE_MAX];
    if (m->direct_4k == UINT64_MAX)
        return 0;
    snprintf(text, sizeof text, "all memory is mapped at once, always: %s by 4K entries, %s by 2M, "
                                "%s by 1G",
             size_of(s[0], m->direct_4k), size_of(s[1], m->direct_2m), size_of(s[2], m->direct_1g));
    return put(a, row, "direct map", text);
}

static unsigned draw_kmap(const struct meminfo *m, struct area a, unsigned row)
{
    char text[400], s[TEXT_SIZE_MAX];
    if (m->total == UINT64_MAX)
        return 0;
    if (m->high_total == UINT64_MAX || !m->high_total)
        snprintf(text, sizeof text, "no high memory here: kmap only computes an address in the "
                                    "direct map");
    else
        snprintf(text, sizeof text, "%s of high memory: kmap opens windows to it",
                 text_size(s, m->high_total));
    return put(a, row, "kmap", text);
}

static unsigned draw_vmalloc(const struct physmem_info *info, unsigned shift, struct area a,
                             unsigned row)
{
    char text[400], bytes[TEXT_SIZE_MAX], frames[TEXT_SIZE_MAX];
    if (!info->vmalloc.yes)
        return put(a, row, "vmalloc", info->vmalloc.why);
    snprintf(text, sizeof text, "%" PRIu64 " areas of %s in all, %s of memory behind them, there "
                                "from the beginning: the kernel does not page on demand",
             info->vmalloc_areas, text_size(bytes, info->vmalloc_bytes),
             text_size(frames, info->vmalloc_pages << shift));
    return put(a, row, "vmalloc", text);
}

static void add_range(char *out, size_t cap, const char *what, const struct kernel_range *r)
{
    char size[TEXT_SIZE_MAX];
    size_t len = strlen(out);
    if (r->end)
        snprintf(out + len, cap - len, "%s%s %" PRIx64 "-%" PRIx64 " (%s)", len ? ", " : "", what,
                 r->start, r->end, text_size(size, r->end - r->start));
}

static unsigned draw_places(const struct physmem_info *info, struct area a, unsigned row)
{
    char text[400] = "";
    add_range(text, sizeof text, "areas", &info->areas);
    add_range(text, sizeof text, "code", &info->code);
    add_range(text, sizeof text, "modules", &info->modules);
    if (info->vmalloc.yes && !info->areas.end)
        snprintf(text + strlen(text), sizeof text - strlen(text),
                 "%sthe kernel hides where areas lie: sysctl kernel.kptr_restrict=1 shows it to root",
                 *text ? "; " : "");
    return *text ? put(a, row, "addresses", text) : 0;
}

static void draw_caller(const struct kernel_caller *c, unsigned shift, struct area a, unsigned row,
                        bool selected)
{
    char name[256], bytes[TEXT_SIZE_MAX], memory[TEXT_SIZE_MAX];
    struct style s = STYLE(selected ? COLOR_CURSOR : COLOR_DEFAULT);
    if (selected)
        area_fill(area_part(a, 0, row, a.cols, 1), s, ' ');
    area_text(a, 0, row, 1, selected ? ">" : " ", s);
    const char *who = c->name[0] ? c->name
                      : !strcmp(c->kind, "unpurged") ? "(freed, addresses not reused yet)"
                                                     : "(unnamed)";
    text_escape(name, sizeof name, who, strlen(who));
    area_text(a, MARK_COLS, row, NAME_COLS - 1, name, s);
    area_printf(a, MARK_COLS + NAME_COLS, row, s, "%-10s %7" PRIu64 " %7s %7s",
                c->kind[0] ? c->kind : "?", c->areas, text_size(bytes, c->bytes),
                c->pages ? text_size(memory, c->pages << shift) : ".");
}

static unsigned draw_text(const struct physmem_info *info, unsigned shift, struct area a)
{
    unsigned row = draw_memory(&info->mem, a, 0);
    row += draw_direct(&info->mem, a, row);
    row += draw_kmap(&info->mem, a, row);
    row += draw_vmalloc(info, shift, a, row);
    return row + draw_places(info, a, row);
}

static void draw(void *view, struct ui_state *ui, struct area a)
{
    struct list *l = view;
    const struct frame_look look = {0, 0, false};
    unsigned shift = ui->now ? ui->now->target.geometry.page_shift : 12;
    if (ui->source->look_machine)
        ui->source->look_machine(ui->source->ctx, &look);
    if (!ui->machine) {
        area_text(a, 1, 1, a.cols - 1, "reading what the kernel keeps for itself",
                  STYLE(COLOR_DIM));
        return;
    }
    const struct physmem_info *info = physmem_info(ui->machine);
    unsigned row = draw_text(info, shift, a) + 1;
    if (row + 2 >= a.rows || !info->caller_count)
        return;
    area_text(a, MARK_COLS, row, NAME_COLS, "ALLOCATED BY", STYLE(COLOR_TITLE));
    area_printf(a, MARK_COLS + NAME_COLS, row, STYLE(COLOR_TITLE), "%-10s %7s %7s %7s", "KIND",
                "AREAS", "SIZE", "MEMORY");
    struct area rows = area_part(a, 0, row + 1, a.cols, a.rows - row - 1);
    list_fit(l, info->caller_count, rows.rows);
    for (unsigned i = 0; i < rows.rows && l->top + i < l->count; i++)
        draw_caller(&info->callers[l->top + i], shift, rows, i, l->top + i == l->row);
}

static unsigned act(void *view, struct ui_state *ui, int action)
{
    (void)ui;
    list_move(view, action);
    return UI_REDRAW;
}

static unsigned mouse(void *view, struct ui_state *ui, const struct mouse *m)
{
    int action = list_wheel(m);
    return action < 0 ? UI_HANDLED : act(view, ui, action);
}

const struct view_ops view_kernel = {
    .name = "kernel",
    .about = "the memory that the kernel keeps for itself",
    .bindings = bindings,
    .size = sizeof(struct list),
    .draw = draw,
    .act = act,
    .mouse = mouse,
};
