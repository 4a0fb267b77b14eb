/* The quiz: before a step the viewer says what will happen. Of an action that touches pages it asks
 * for the number of faults and the way of the first one, of others how they end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ui/fault_text.h"
#include "ui/player_parts.h"

struct way {
    enum path path;
    enum path_how how;
};

/* The choices are lettered from a. */
static const struct way ways[] = {
    {PATH_ANONYMOUS, HOW_NONE},      {PATH_WP, HOW_COPY},        {PATH_WP, HOW_REUSE},
    {PATH_READ_FAULT, HOW_NONE},     {PATH_COW_FAULT, HOW_NONE}, {PATH_SHARED_FAULT, HOW_NONE},
    {PATH_SWAP, HOW_NONE},           {PATH_HUGETLB, HOW_NONE},   {PATH_HUGE_ANONYMOUS, HOW_NONE},
    {PATH_HUGE_WP, HOW_NONE},        {PATH_BAD_AREA, HOW_NONE},  {PATH_BAD_ACCESS, HOW_NONE},
    {PATH_SIGBUS, HOW_NONE},
};
static const char *const results[] = {"ok",     "EINVAL", "EACCES", "ENOMEM", "ENODEV",
                                      "EBADF",  "EPERM",  "EFAULT", "SIGSEGV", "SIGBUS"};
enum { WAYS = sizeof ways / sizeof *ways, RESULTS = sizeof results / sizeof *results };

void quiz_begin(struct quiz *q, const struct player_line *next)
{
    q->touches = next->kind == PLAYER_TOUCH;
    q->question = q->touches ? QUIZ_FAULTS : QUIZ_RESULT;
    q->has_result = q->has_faults = q->has_path = false;
    line_edit_set(&q->typed, "");
}

static void ask_next(struct quiz *q)
{
    bool path = q->question == QUIZ_FAULTS && (!q->has_faults || q->faults);
    q->question = path ? QUIZ_PATH : QUIZ_NOTHING;
}

/* One more than the last letter means another one than those listed. */
static bool choose(int key, int choices, int *out)
{
    if (key < 'a' || key > 'a' + choices)
        return false;
    *out = key - 'a';
    return true;
}

static void key_faults(struct quiz *q, int key)
{
    const char *at = q->typed.text, *end = at + q->typed.len;
    if (key != KEY_CODE_ENTER) {
        if ((key >= '0' && key <= '9') || key == KEY_CODE_BACKSPACE)
            line_edit_key(&q->typed, key);
        return;
    }
    q->has_faults = text_dec(&at, end, &q->faults);
    if (q->has_faults)
        ask_next(q);
}

bool quiz_key(struct quiz *q, int key)
{
    if (key == KEY_CODE_ESC)
        ask_next(q);
    else if (q->question == QUIZ_FAULTS)
        key_faults(q, key);
    else if (q->question == QUIZ_PATH && (q->has_path = choose(key, WAYS, &q->path)))
        ask_next(q);
    else if (q->question == QUIZ_RESULT && (q->has_result = choose(key, RESULTS, &q->result)))
        ask_next(q);
    return q->question == QUIZ_NOTHING;
}

/* --- marks --- */

static void count_mark(struct quiz *q, const struct quiz_mark *m)
{
    q->asked++;
    q->right += m->right;
}

static void mark_result(const struct quiz *q, const struct player_step *s, struct quiz_mark *m)
{
    bool listed = false;
    for (int i = 0; i < RESULTS; i++)
        listed |= !strcmp(results[i], s->code);
    const char *said = q->result < RESULTS ? results[q->result] : "another end";
    m->right = q->result < RESULTS ? !strcmp(said, s->code) : !listed;
    snprintf(m->text, sizeof m->text, "you said %s: %s%s", said, m->right ? "right" : "it was ",
             m->right ? "" : s->code);
}

static void mark_faults(const struct quiz *q, const struct player_step *s, struct quiz_mark *m)
{
    uint64_t faults = s->minor + s->major;
    m->right = q->faults == faults;
    if (m->right)
        snprintf(m->text, sizeof m->text, "you said %" PRIu64 " fault%s: right", q->faults,
                 q->faults == 1 ? "" : "s");
    else
        snprintf(m->text, sizeof m->text, "you said %" PRIu64 " fault%s: it was %" PRIu64,
                 q->faults, q->faults == 1 ? "" : "s", faults);
}

static void mark_path(const struct quiz *q, const struct player_step *s, struct quiz_mark *m)
{
    char said[64] = "another way", was[64] = "no fault at all";
    const struct path_verdict *v = s->fault_count ? &s->faults[0].entry.verdict : NULL;
    bool listed = false;
    for (int i = 0; v && i < WAYS; i++)
        listed |= ways[i].path == v->path && (!ways[i].how || ways[i].how == v->how);
    if (v)
        fault_path(was, sizeof was, v->path, v->how, true);
    if (q->path < WAYS) {
        const struct way *w = &ways[q->path];
        fault_path(said, sizeof said, w->path, w->how, true);
        m->right = v && v->path == w->path && (!w->how || v->how == w->how);
    } else {
        m->right = v && !listed;
    }
    snprintf(m->text, sizeof m->text, "you said %s: %s%s", said, m->right ? "right" : "it was ",
             m->right ? "" : was);
}

/* What nobody could see or count is not marked. */
unsigned quiz_mark_step(struct quiz *q, const struct player_step *s,
                        struct quiz_mark out[QUIZ_MARKS_MAX])
{
    unsigned n = 0;
    if (q->has_result)
        mark_result(q, s, &out[n++]);
    if (q->has_faults && s->counted)
        mark_faults(q, s, &out[n++]);
    if (q->has_path && s->followed)
        mark_path(q, s, &out[n++]);
    for (unsigned i = 0; i < n; i++)
        count_mark(q, &out[i]);
    q->has_result = q->has_faults = q->has_path = false;
    return n;
}

/* --- on the screen --- */

static void draw_choices(struct area a, unsigned row, int choices,
                         void (*name)(int i, char out[64]))
{
    unsigned columns = a.cols >= 60 ? 2 : 1, lines = ((unsigned)choices + columns) / columns;
    for (int i = 0; i <= choices; i++) {
        char text[64];
        name(i, text);
        unsigned at = (unsigned)i, col = 1 + at / lines * (a.cols / 2);
        area_printf(a, col, row + at % lines, STYLE(COLOR_KEY), "%c", 'a' + i);
        area_text(a, col + 2, row + at % lines, a.cols, text, STYLE(COLOR_DEFAULT));
    }
}

static void way_name(int i, char out[64])
{
    if (i < WAYS)
        fault_path(out, 64, ways[i].path, ways[i].how, true);
    else
        snprintf(out, 64, "another way");
}

static void result_name(int i, char out[64])
{
    snprintf(out, 64, "%s", i < RESULTS ? results[i] : "another end");
}

const char *quiz_keys(const struct quiz *q)
{
    return q->question == QUIZ_FAULTS ? "a number and Enter: the answer   Esc: no answer"
                                      : "a letter: the answer   Esc: no answer";
}

void quiz_draw(const struct quiz *q, struct area a)
{
    struct style title = {COLOR_TITLE, COLOR_DEFAULT, CELL_BOLD};
    switch (q->question) {
    case QUIZ_RESULT:
        area_text(a, 1, 0, a.cols, "How will it end?", title);
        draw_choices(a, 1, RESULTS, result_name);
        break;
    case QUIZ_FAULTS:
        area_text(a, 1, 0, a.cols, "How many page faults will it take?", title);
        line_edit_draw(&q->typed, area_part(a, 1, 1, a.cols, 1), "a number, then Enter: ");
        break;
    case QUIZ_PATH:
        area_text(a, 1, 0, a.cols, "Which way will the first fault go?", title);
        draw_choices(a, 1, WAYS, way_name);
        break;
    default:
        break;
    }
}
