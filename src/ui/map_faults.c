/* Faults below the picture: their rates, and the latest of them. */
#include <stdio.h>

#include "ui/faults_parts.h"
#include "ui/map_parts.h"
#include "ui/rates.h"

enum { ROWS_MIN = 20, ROWS_MAX = 12, LIST_MIN = 26 };

unsigned map_faults_rows(const struct ui_state *ui, unsigned rows)
{
    if (!ui->engine || !ui->engine->name[0] || rows < ROWS_MIN)
        return 0;
    unsigned list = rows < LIST_MIN ? 0 : 2 + (rows - LIST_MIN) / 5;
    return 1 + (list < ROWS_MAX ? list : ROWS_MAX);
}

void map_faults_draw(const struct ui_state *ui, struct area a)
{
    if (!a.rows)
        return;
    area_fill(area_part(a, 0, 0, a.cols, 1), STYLE(COLOR_DIM), 0x2500);
    unsigned col = 1 + area_text(a, 1, 0, a.cols, " faults ", STYLE(COLOR_TITLE));
    struct area line = area_part(a, col + 1, 0, a.cols, 1);
    if (line.cols < 40)
        return;
    line.cols--;
    area_fill(line, STYLE(COLOR_DIM), ' ');
    rates_draw(ui, area_part(line, 1, 0, line.cols - 1, 1));
    faults_draw_latest(ui, area_part(a, 0, 1, a.cols, a.rows - 1));
}

const struct fault_entry *map_last_fault(const struct ui_state *ui, uint64_t start, uint64_t end)
{
    for (uint64_t n = ui->entries; n && n + FAULT_LOG_KEEP > ui->entries; n--) {
        const struct fault_entry *f = ui->faults ? fault_log_get(ui->faults, n - 1) : NULL;
        if (!f)
            return NULL;
        if (f->event.type == EVENT_FAULT && f->event.pid == ui->now->target.pid &&
            f->event.fault.address >= start && f->event.fault.address < end)
            return f;
    }
    return NULL;
}
