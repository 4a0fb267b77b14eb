/* The script as the player shows it: its formatted lines, and what kind each is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/play_parts.h"

static bool is_action(enum statement_kind kind)
{
    return kind > ST_NEEDS && kind < ST_REPEAT;
}

bool play_is_step(const struct statement *st)
{
    return st->kind == ST_NOTE || is_action(st->kind);
}

static enum player_kind kind_of(enum statement_kind kind)
{
    if (kind == ST_NOTE)
        return PLAYER_NOTE;
    if (kind == ST_EXPECT || kind == ST_UNTIL)
        return PLAYER_EXPECT;
    if ((kind >= ST_READ && kind <= ST_MEMWRITE) || kind == ST_GROW_STACK || kind == ST_SYSWRITE)
        return PLAYER_TOUCH;
    return is_action(kind) ? PLAYER_ACTION : PLAYER_OTHER;
}

/* Steps from statement i up to before `end`, what is repeated counted each time. */
static size_t count_steps(const struct script *s, size_t i, size_t end)
{
    size_t n = 0;
    for (; i < end; i++) {
        const struct statement *st = &s->v[i];
        if (st->kind == ST_REPEAT) {
            n += st->size * count_steps(s, i + 1, st->match);
            i = st->match;
        } else {
            n += play_is_step(st);
        }
    }
    return n;
}

static int split_lines(struct play *p)
{
    size_t lines = 0, next = 0;
    for (size_t i = 0; i < p->text.len; i++)
        lines += p->text.data[i] == '\n';
    p->shown.lines = calloc(lines ? lines : 1, sizeof *p->shown.lines);
    if (!p->shown.lines)
        return -ENOMEM;
    char *at = p->text.data;
    for (size_t i = 0; i < lines; i++) {
        char *end = strchr(at, '\n');
        *end = '\0';
        p->shown.lines[i].text = at;
        if (next < p->script->count && p->script->v[next].at.line == i + 1)
            p->shown.lines[i].kind = (uint8_t)kind_of(p->script->v[next++].kind);
        at = end + 1;
    }
    p->shown.count = lines;
    return 0;
}

static bool names_mapping(enum statement_kind kind)
{
    return kind == ST_MAP || kind == ST_REGION || kind == ST_MALLOC;
}

static int gather_names(struct play *p)
{
    p->names = calloc(p->script->count ? p->script->count : 1, sizeof *p->names);
    if (!p->names)
        return -ENOMEM;
    for (size_t i = 0; i < p->script->count; i++) {
        struct statement *st = &p->script->v[i];
        bool known = !names_mapping(st->kind);
        for (size_t k = 0; k < p->name_count; k++)
            known |= !strcmp(p->names[k], st->name);
        if (!known)
            p->names[p->name_count++] = st->name;
    }
    return 0;
}

int play_script_init(struct play *p)
{
    const char *slash = strrchr(p->path, '/');
    p->shown = (struct player_script){.file = slash ? slash + 1 : p->path,
                                      .title = p->script->title, .about = p->script->about};
    script_format(p->script, &p->text);
    int rc = p->text.error ? p->text.error : split_lines(p);
    if (!rc)
        rc = gather_names(p);
    p->shown.steps = count_steps(p->script, 0, p->script->count);
    return rc;
}

void play_script_deinit(struct play *p)
{
    free(p->shown.lines);
    free(p->names);
    buf_deinit(&p->text);
    p->text = (struct buf){0};
    p->names = NULL;
    p->name_count = 0;
    p->shown = (struct player_script){0};
}
