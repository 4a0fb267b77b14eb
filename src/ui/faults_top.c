/* Above the list of faults: how many a second, and what is missing. In its place: the paths, the
 * instructions or the mappings with the most faults. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "model/counts.h"
#include "ui/fault_text.h"
#include "ui/faults_parts.h"
#include "ui/rates.h"

enum { HOWS = 3, WHY_ROWS_MAX = 8 };

static unsigned rates_text(const struct ui_state *ui, char *out, size_t cap)
{
    char faults[RATE_TEXT_MAX], calls[RATE_TEXT_MAX], minor[RATE_TEXT_MAX], major[RATE_TEXT_MAX];
    const struct event_rates r = rates_last(ui);
    return (unsigned)snprintf(out, cap, "faults %s  calls %s  kernel's count: minor %s  major %s",
                              rate_text(faults, r.faults), rate_text(calls, r.calls),
                              rate_text(minor, r.minor), rate_text(major, r.major));
}

/* Text from column 1 in at most `rows` rows; returns those used. */
static unsigned draw_wrapped(struct area a, unsigned row, unsigned rows, const char *text,
                             struct style s)
{
    unsigned used = 0, cols = a.cols > 2 ? a.cols - 2 : 1;
    for (; *text && used < rows; used++) {
        char line[512];
        size_t n = text_line(text, cols);
        snprintf(line, sizeof line, "%.*s", (int)n, text);
        area_text(a, 1, row + used, cols, line, s);
        text += n;
    }
    return used;
}

/* One line; the disagreements stand out. */
static unsigned draw_evidence(const struct fault_log *l, const struct engine_state *engine,
                              struct area a)
{
    char text[200];
    size_t len = (size_t)snprintf(
        text, sizeof text, "evidence: %llu = agree, %llu ! disagree, %llu ~ corrected, %llu without",
        (unsigned long long)l->agreed[AGREES], (unsigned long long)l->agreed[DISAGREES],
        (unsigned long long)l->agreed[AGREEMENT_CORRECTED],
        (unsigned long long)l->agreed[AGREEMENT_NONE]);
    if (engine->samples_lost)
        snprintf(text + len, sizeof text - len, ", %llu samples lost",
                 (unsigned long long)engine->samples_lost);
    bool alert = l->agreed[DISAGREES] || engine->samples_lost;
    area_text(a, 1, 0, a.cols, text, STYLE(alert ? COLOR_ALERT : COLOR_DIM));
    return 1;
}

/* The panel of counters by perf events, above the list. */
static unsigned draw_counts(const struct ui_state *ui, struct area a, unsigned row)
{
    char text[1024];
    unsigned next = 0, used = 0, most = a.rows / 4;
    if (!ui->counts)
        return 0;
    if (*counts_known(ui->counts, text, sizeof text))
        used += draw_wrapped(a, row, most, text, STYLE(COLOR_DEFAULT));
    while (used < most && counts_unknown(ui->counts, &next, text, sizeof text))
        used += draw_wrapped(a, row + used, most - used, text, STYLE(COLOR_DIM));
    return used;
}

unsigned faults_draw_head(const struct ui_state *ui, struct area a)
{
    const struct engine_state *engine = ui->engine;
    const struct fault_log *l = ui->faults;
    char text[400];
    rates_text(ui, text, sizeof text);
    unsigned col = 1 + area_text(a, 1, 0, a.cols, text, STYLE(COLOR_DEFAULT));
    if (l) {
        char faults[TEXT_COUNT_MAX], calls[TEXT_COUNT_MAX], unsure[TEXT_COUNT_MAX];
        snprintf(text, sizeof text, "%s faults, %s calls, %s unsure",
                 text_count(faults, l->faults), text_count(calls, l->calls),
                 text_count(unsure, l->unsure));
        if (col + 2 + strlen(text) <= a.cols)
            area_text(a, col + 2, 0, a.cols, text, STYLE(COLOR_DIM));
    }
    unsigned row = 1;
    if (a.rows < 6 || !engine)
        return row;
    if (engine->lost)
        area_printf(a, 1, row++, STYLE(COLOR_ALERT), "%llu events were lost",
                    (unsigned long long)engine->lost);
    if (engine->heat || engine->heat_faults)
        area_printf(a, 1, row++, STYLE(engine->heat ? COLOR_ALERT : COLOR_DIM),
                    "%llu faults were only counted%s", (unsigned long long)engine->heat_faults,
                    engine->heat ? ", by page: now none is told by itself" : "");
    if (engine->evidence_why[0]) {
        snprintf(text, sizeof text, "no evidence: %s", engine->evidence_why);
        row += draw_wrapped(a, row, 2, text, STYLE(COLOR_ALERT));
    } else if (engine->evidence && l) {
        row += draw_evidence(l, engine, area_part(a, 0, row, a.cols, 1));
    }
    if (engine->callers_why[0]) {
        snprintf(text, sizeof text, "no callers: %s", engine->callers_why);
        row += draw_wrapped(a, row, 2, text, STYLE(COLOR_ALERT));
    } else if (engine->callers_lost) {
        area_printf(a, 1, row++, STYLE(COLOR_ALERT), "%llu chains of callers were lost",
                    (unsigned long long)engine->callers_lost);
    }
    if (engine->name[0] && engine->blind[0]) {
        snprintf(text, sizeof text, "%s does not see: %s", engine->name, engine->blind);
        row += draw_wrapped(a, row, a.rows >= 16 ? 2 : 1, text, STYLE(COLOR_DIM));
    }
    return row + draw_counts(ui, a, row);
}

void faults_draw_none(const struct ui_state *ui, struct area a)
{
    const struct engine_state *engine = ui->engine;
    char text[512];
    if (engine && engine->name[0]) {
        area_text(a, 1, 0, a.cols,
                  ui->faults && ui->faults->counted ? "all faults were only counted: see them by "
                                                      "mapping (p), or as heat on the map (1 H)"
                                                    : "no fault and no call yet",
                  STYLE(COLOR_DIM));
        draw_wrapped(a, 1, WHY_ROWS_MAX, engine->why, STYLE(COLOR_DIM));
        return;
    }
    snprintf(text, sizeof text, "Faults are not followed here: %s",
             engine && engine->why[0] ? engine->why : "press E, or start with --engine auto");
    draw_wrapped(a, 0, WHY_ROWS_MAX, text, STYLE(COLOR_DEFAULT));
}

/* Paths with their counts, largest first. */
static size_t top_paths(const struct fault_log *l, struct fault_top *out)
{
    size_t n = 0;
    for (unsigned key = 0; key < PATH_N * HOWS; key++) {
        uint64_t count = l->by_path[key / HOWS][key % HOWS];
        size_t at = n;
        if (!count)
            continue;
        for (; at && out[at - 1].count < count; at--)
            out[at] = out[at - 1];
        out[at] = (struct fault_top){.key = key, .count = count};
        n++;
    }
    return n;
}

static void take_top(struct faults_view *v, const struct ui_state *ui)
{
    const struct fault_log *l = ui->faults;
    if (!l || (ui->frozen && v->top.count))
        return;
    v->faults = l->faults + (v->kind == KIND_PATH ? 0 : l->counted);
    v->others = v->kind == KIND_SITE ? l->site_others : v->kind == KIND_REGION ? l->region_others
                                                                               : 0;
    v->top.count = v->kind == KIND_PATH
                       ? top_paths(l, v->rows)
                       : fault_log_top(v->kind == KIND_SITE ? l->site : l->region, v->rows,
                                       FAULTS_TOP_ROWS);
}

/* Columns of a top: a row is text, or, of an instruction, the place and the region. */
enum { TOP_NAME = 18, TOP_WHERE = 9, TOP_REGION_COLS = 24 };

static unsigned where_cols(unsigned cols)
{
    return cols > 2 * TOP_REGION_COLS ? cols - TOP_REGION_COLS : cols;
}

static void draw_site(const struct ui_state *ui, const struct fault_top *t, struct area a,
                      struct style s)
{
    char text[FAULT_NAME_MAX];
    struct area rest = area_part(a, TOP_WHERE, 0, a.cols, 1);
    unsigned cols = where_cols(rest.cols);
    fault_where(text, ui, t->pid, t->program, t->key, cols - 1);
    area_printf(a, 0, 0, s, "%d", (int)t->pid);
    area_text(rest, 0, 0, cols - 1, text, s);
    fault_region(text, t->region, sizeof t->region, 1);
    area_text(rest, cols, 0, rest.cols, text, s);
}

static void draw_name(const struct faults_view *v, const struct ui_state *ui,
                      const struct fault_top *t, struct area a, struct style s)
{
    char name[FAULT_NAME_MAX];
    if (v->kind == KIND_SITE) {
        draw_site(ui, t, a, s);
        return;
    }
    if (v->kind == KIND_PATH) {
        fault_path(name, sizeof name, (enum path)(t->key / HOWS), (enum path_how)(t->key % HOWS),
                   true);
        area_text(a, 0, 0, a.cols, name, s);
        return;
    }
    fault_region(name, t->region, sizeof t->region, t->key);
    unsigned col = area_printf(a, 0, 0, s, "%-8d %-16llx ", (int)t->pid,
                               (unsigned long long)t->key);
    area_text(a, col, 0, a.cols, name, s);
}

static void draw_row(const struct faults_view *v, const struct ui_state *ui, struct area line,
                     size_t row)
{
    const struct fault_top *t = &v->rows[row];
    struct style s = STYLE(COLOR_DEFAULT);
    if (row == v->top.row)
        s.bg = COLOR_CURSOR;
    area_fill(line, s, ' ');
    area_put(line, 0, 0, row == v->top.row ? '>' : ' ', s);
    unsigned share = (unsigned)((double)t->count * 100 / (double)v->faults);
    char count[TEXT_COUNT_MAX], percent[16];
    snprintf(percent, sizeof percent, share ? "%u%%" : "<1%%", share);
    area_printf(line, 1, 0, s, "%11s %4s", text_count(count, t->count), percent);
    draw_name(v, ui, t, area_part(line, TOP_NAME, 0, line.cols, 1), s);
}

static void draw_titles(const struct faults_view *v, struct area a)
{
    static const char *const titles[] = {
        [KIND_PATH] = "PATH", [KIND_SITE] = "PID      WHERE", [KIND_REGION] =
        "PID      START            MAPPING"};
    struct style s = STYLE(COLOR_TITLE);
    struct area rest = area_part(a, TOP_NAME, 0, a.cols, 1);
    area_text(a, 6, 0, a.cols, "FAULTS", s);
    area_text(rest, 0, 0, rest.cols, titles[v->kind], s);
    if (v->kind == KIND_SITE && rest.cols > TOP_WHERE)
        area_text(rest, TOP_WHERE + where_cols(rest.cols - TOP_WHERE), 0, rest.cols, "FIRST IN",
                  s);
    if (!v->others)
        return;
    char text[48];
    int n = snprintf(text, sizeof text, "%llu elsewhere", (unsigned long long)v->others);
    if ((unsigned)n + 56 < a.cols)
        area_text(a, a.cols - (unsigned)n - 1, 0, a.cols, text, STYLE(COLOR_DIM));
}

void faults_draw_top(struct faults_view *v, const struct ui_state *ui, struct area a)
{
    take_top(v, ui);
    v->head++;
    if (!v->top.count) {
        faults_draw_none(ui, a);
        return;
    }
    list_fit(&v->top, v->top.count, a.rows > 1 ? a.rows - 1 : 0);
    draw_titles(v, area_part(a, 0, 0, a.cols, 1));
    for (unsigned i = 0; i < v->top.height && v->top.top + i < v->top.count; i++)
        draw_row(v, ui, area_part(a, 0, i + 1, a.cols, 1), v->top.top + i);
}

bool faults_top_address(const struct faults_view *v, uint64_t *address)
{
    const struct list *l = &v->top;
    if (l->row >= l->count || v->kind == KIND_PATH || !v->rows[l->row].key)
        return false;
    *address = v->rows[l->row].key;
    return true;
}
