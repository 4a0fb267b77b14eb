/* What the views of a family share. */
#include "ui/family_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ui/fault_text.h"
#include "ui/fit.h"

enum { WIDE_COLS = 120, NAME_COLS = 14, NAME_COLS_WIDE = 28 };

void family_ask(struct ui_state *ui, pid_t *asked)
{
    if (!ui->now || *asked == ui->now->target.pid || !ui->source->ask_family)
        return;
    ui->source->ask_family(ui->source->ctx);
    *asked = ui->now->target.pid;
}

void family_draw_none(const struct ui_state *ui, struct area a)
{
    const char *why = ui->source->ask_family ? "the family is being read"
                                             : "families cannot be read here";
    area_text(a, 1, a.rows / 2, a.cols, why, STYLE(COLOR_DIM));
}

void family_title(const struct family_member *m, char *out, size_t cap)
{
    char comm[128];
    text_escape(comm, sizeof comm, m->moment.target.comm,
                strnlen(m->moment.target.comm, sizeof m->moment.target.comm));
    snprintf(out, cap, "%s %d", comm, m->pid);
}

/* The fault gave a process its own copy of a page that it had shared. */
static bool is_break(const struct fault_entry *f)
{
    uint8_t path = f->verdict.path;
    bool copied = path == PATH_WP && f->verdict.how == HOW_COPY;
    return f->event.type == EVENT_FAULT &&
           (copied || path == PATH_COW_FAULT || path == PATH_HUGE_WP);
}

static bool is_one_of(pid_t pid, const pid_t *pids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (pids[i] == pid)
            return true;
    return !pids;
}

static void draw_break(struct ui_state *ui, struct area line, const struct fault_entry *f)
{
    char time[32], path[FAULT_NAME_MAX], region[FAULT_NAME_MAX], where[FAULT_NAME_MAX];
    char name[FAULT_NAME_MAX];
    unsigned cols = line.cols >= WIDE_COLS ? NAME_COLS_WIDE : NAME_COLS;
    fault_time(time, ui, f->event.t_ns, 10);
    fault_path(path, sizeof path, (enum path)f->verdict.path, (enum path_how)f->verdict.how,
               f->verdict.sure);
    fault_region(region, f->region, sizeof f->region, f->region_start);
    unsigned col = area_printf(line, 1, 0, STYLE(COLOR_DEFAULT), "%10s %7d %12llx  ", time,
                               (int)f->event.pid,
                               (unsigned long long)f->event.fault.address) + 1;
    area_text(line, col, 0, cols, fit_name(name, sizeof name, region, cols), STYLE(COLOR_DEFAULT));
    col += cols + 1;
    if (line.cols >= 100) {
        area_text(line, col, 0, 18, path, STYLE(ROLE_COW));
        col += 20;
    }
    if (col >= line.cols)
        return;
    fault_where(where, ui, f->event.pid, f->program, f->event.fault.ip, line.cols - col);
    fit_text(name, sizeof name, where, line.cols - col);
    area_text(line, col, 0, line.cols - col, name, STYLE(COLOR_DEFAULT));
}

static const char *why_none(const struct ui_state *ui)
{
    if (!ui->engine || !ui->engine->name[0])
        return "faults are not followed: --engine auto tells who breaks sharing, and where";
    return "no copy yet";
}

void family_draw_breaks(struct ui_state *ui, struct area a, const pid_t *pids, size_t count)
{
    enum { LOOK_BACK = 4096 };
    uint64_t oldest = fault_oldest(ui), n = ui->entries;
    unsigned row = 0;
    for (unsigned looked = 0; n > oldest && row < a.rows && looked < LOOK_BACK; looked++) {
        const struct fault_entry *f = fault_entry(ui, --n);
        if (f && is_break(f) && is_one_of(f->event.pid, pids, count))
            draw_break(ui, area_part(a, 0, row++, a.cols, 1), f);
    }
    if (!row)
        area_text(a, 1, 0, a.cols, why_none(ui), STYLE(COLOR_DIM));
}
