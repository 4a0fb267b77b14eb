/* Writes expectations, and compares as they do. */
#include "model/path.h"
#include "scenario/parse.h"

static const char *const compare_names[] = {"==", "!=", "<", "<=", ">", ">="};

const char *compare_name(enum compare op)
{
    return compare_names[op];
}

bool compare_holds(enum compare op, int64_t found, int64_t wanted)
{
    switch (op) {
    case CMP_EQ:
        return found == wanted;
    case CMP_NE:
        return found != wanted;
    case CMP_LT:
        return found < wanted;
    case CMP_LE:
        return found <= wanted;
    case CMP_GT:
        return found > wanted;
    default:
        return found >= wanted;
    }
}

static void format_op(enum compare op, struct buf *out)
{
    if (op != CMP_EQ)
        buf_printf(out, " %s", compare_name(op));
}

static void format_count(const struct expect *x, struct buf *out)
{
    format_op(x->op, out);
    buf_printf(out, " %lld", (long long)x->n);
}

static void format_bytes(const struct expect *x, struct buf *out)
{
    format_op(x->op, out);
    buf_putc(out, ' ');
    format_size((uint64_t)x->n, out);
}

static void format_delta(const struct expect *x, struct buf *out)
{
    format_op(x->op, out);
    buf_putc(out, ' ');
    format_change(x->n, out);
}

static void format_times(const struct expect *x, struct buf *out)
{
    if (x->n >= 0) {
        buf_puts(out, " x");
        format_count(x, out);
    }
}

static void format_path(const struct expect *x, struct buf *out)
{
    buf_printf(out, " %s", path_name(x->path));
    if (x->how)
        buf_printf(out, " %s", words_name(&words_how, x->how));
    format_times(x, out);
}

static void format_states(const struct expect *x, struct buf *out)
{
    for (unsigned i = 0; i < x->state_count; i++) {
        const struct state_count *c = &x->states[i];
        buf_printf(out, "%s %s", i ? "," : "", words_name(&words_state, c->state));
        format_op((enum compare)c->op, out);
        buf_printf(out, " %lld", (long long)c->n);
    }
}

static void format_signal(const struct expect *x, struct buf *out)
{
    buf_printf(out, " %s%s%s", words_name(&words_signal, x->number), x->code_name[0] ? " " : "",
               x->code_name);
}

static void format_hugepages(const struct expect *x, struct buf *out)
{
    buf_printf(out, " %s", words_name(&words_hugepages, x->which));
    format_op(x->op, out);
    buf_printf(out, " %+lld", (long long)x->n);
}

static void format_file(const struct expect *x, struct buf *out)
{
    bool size = x->kind == EX_FILE_SIZE;
    buf_puts(out, size ? " size" : " byte");
    if (size)
        format_bytes(x, out);
    else
        format_count(x, out);
}

/* The mapping stands before the word. */
static bool is_property(enum expect_kind kind)
{
    return kind == EX_PAGES || (kind >= EX_REGIONS && kind <= EX_ORDER) || kind == EX_SIZE ||
           kind == EX_OFFSET || kind == EX_SMAPS || kind == EX_BYTE;
}

/* What stands behind the word of a property. */
static void format_property(const struct expect *x, struct buf *out)
{
    switch (x->kind) {
    case EX_VMFLAG:
    case EX_NO_VMFLAG:
        buf_printf(out, " %s", x->vmflag);
        break;
    case EX_PERMS:
        buf_printf(out, " %s", x->perms);
        break;
    case EX_NAME:
        format_string(x->text, out);
        break;
    case EX_SMAPS:
        buf_printf(out, " %s", x->text);
        format_bytes(x, out);
        break;
    case EX_SIZE:
    case EX_OFFSET:
        format_bytes(x, out);
        break;
    case EX_PAGES:
        format_states(x, out);
        break;
    default: /* EX_REGIONS, EX_MAPCOUNT, EX_ORDER, EX_BYTE */
        format_count(x, out);
        break;
    }
}

/* What stands behind the word of another kind. */
static void format_rest(const struct expect *x, struct buf *out)
{
    switch (x->kind) {
    case EX_ERRNO:
        buf_printf(out, " %s", words_name(&words_errno, x->number));
        break;
    case EX_SIGNAL:
        format_signal(x, out);
        break;
    case EX_FAULTS:
    case EX_MINOR:
    case EX_MAJOR:
        format_count(x, out);
        break;
    case EX_PATH:
        format_path(x, out);
        break;
    case EX_OBSERVED:
        buf_printf(out, " %s", x->text);
        format_times(x, out);
        break;
    case EX_MOVED:
        format_bytes(x, out);
        break;
    case EX_FILE_SIZE:
    case EX_FILE_BYTE:
        format_file(x, out);
        break;
    case EX_HUGEPAGES:
        format_hugepages(x, out);
        break;
    case EX_COUNTER:
    case EX_MACHINE:
        format_delta(x, out);
        break;
    default:
        break;
    }
}

static const char *head_word(const struct expect *x)
{
    if (x->kind == EX_COUNTER)
        return words_name(&words_counter, x->which);
    if (x->kind == EX_MACHINE)
        return words_name(&words_machine, x->which);
    return expect_word(x->kind == EX_FILE_SIZE ? EX_FILE_BYTE : x->kind);
}

void format_expect(const struct statement *st, struct buf *out)
{
    const struct expect *x = &st->expect;
    if (is_property(x->kind)) {
        format_target(&x->a, out);
        if (x->kind != EX_PAGES)
            buf_printf(out, " %s", expect_word(x->kind));
        format_property(x, out);
    } else {
        buf_printf(out, " %s", head_word(x));
        if (x->a.name[0])
            format_target(&x->a, out);
        if (x->b.name[0])
            format_target(&x->b, out);
        format_rest(x, out);
    }
}

void format_until(const struct statement *st, struct buf *out)
{
    format_expect(st, out);
    if (st->size)
        buf_printf(out, " within %llu", (unsigned long long)st->size);
}
