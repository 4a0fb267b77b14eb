/* What came of scenarios, as TAP and as JUnit. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "cli/check_parts.h"

enum { NAME_MAX_SHOWN = 400 };

/* "scenarios/x.vms", or with the round behind it; escaped. */
static void name_of(const struct check_item *item, char out[NAME_MAX_SHOWN])
{
    size_t n = text_escape(out, NAME_MAX_SHOWN - 20, item->file, strlen(item->file));
    if (item->round)
        snprintf(out + n, NAME_MAX_SHOWN - n, " (run %u)", item->round);
}

/* In TAP a # begins a directive. */
static void put_tap(struct buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == '#' || *text == '\\')
            buf_putc(b, '\\');
        buf_putc(b, *text);
    }
}

static void print_tap(struct check_report *r, const struct check_item *item, char letter,
                      const char *line, const char *expected, const char *found)
{
    char name[NAME_MAX_SHOWN];
    bool bad = letter == CHECK_FAIL || letter == CHECK_BROKEN;
    bool skip = letter == CHECK_SKIP || letter == CHECK_NOT_RUN;
    name_of(item, name);
    r->failed += bad;
    r->skipped += skip;
    buf_printf(&r->tap, "%s %u - ", bad ? "not ok" : "ok", ++r->number);
    put_tap(&r->tap, name);
    if (strcmp(line, "0"))
        buf_printf(&r->tap, ":%s", line);
    buf_puts(&r->tap, ": expected ");
    put_tap(&r->tap, expected);
    buf_puts(&r->tap, skip ? " # SKIP " : ", found ");
    if (skip)
        buf_puts(&r->tap, found);
    else
        put_tap(&r->tap, found);
    buf_putc(&r->tap, '\n');
}

static void flush(struct check_report *r)
{
    if (!r->error)
        r->error = r->tap.error ? r->tap.error : io_write(r->fd, r->tap.data, r->tap.len);
    buf_clear(&r->tap);
}

static void print_line(struct check_report *r, const struct check_item *item, char *text)
{
    char *field[4] = {text, NULL, NULL, NULL};
    for (unsigned i = 1; i < 4; i++) {
        char *tab = strchr(field[i - 1], '\t');
        if (!tab)
            return;
        *tab = '\0';
        field[i] = tab + 1;
    }
    print_tap(r, item, field[0][0], field[1], field[2], field[3]);
}

void check_report_lines(struct check_report *r, struct check_item *item)
{
    char *at, *newline;
    while (item->printed < item->lines.len) {
        at = item->lines.data + item->printed;
        newline = memchr(at, '\n', item->lines.len - item->printed);
        if (!newline)
            break;
        char *copy = strndup(at, (size_t)(newline - at));
        if (copy)
            print_line(r, item, copy);
        else
            r->error = -ENOMEM;
        free(copy);
        item->printed += (size_t)(newline - at) + 1;
    }
    flush(r);
}

/* --- JUnit --- */

static void put_xml(struct buf *b, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        switch (text[i]) {
        case '<':
            buf_puts(b, "&lt;");
            break;
        case '>':
            buf_puts(b, "&gt;");
            break;
        case '&':
            buf_puts(b, "&amp;");
            break;
        case '"':
            buf_puts(b, "&quot;");
            break;
        default:
            buf_putc(b, text[i]);
        }
}

static void put_case(struct buf *b, const char *name, const char *line, size_t len)
{
    const char *end = line + len, *number = line + 2;
    const char *expected = memchr(number, '\t', len - 2);
    const char *found = expected ? memchr(expected + 1, '\t', (size_t)(end - expected - 1)) : NULL;
    if (!found)
        return;
    buf_puts(b, "    <testcase classname=\"");
    put_xml(b, name, strlen(name));
    buf_printf(b, "\" name=\"line %.*s: ", (int)(expected - number), number);
    put_xml(b, expected + 1, (size_t)(found - expected - 1));
    const char *tag = *line == CHECK_PASS ? NULL
                    : *line == CHECK_SKIP || *line == CHECK_NOT_RUN ? "skipped" : "failure";
    if (tag) {
        buf_printf(b, "\"><%s message=\"", tag);
        put_xml(b, found + 1, (size_t)(end - found - 1));
        buf_puts(b, "\"/></testcase>\n");
    } else {
        buf_puts(b, "\"/>\n");
    }
}

static void put_suite(struct check_report *r, const struct check_item *item)
{
    char name[NAME_MAX_SHOWN];
    const char *at = item->lines.data, *end = at + item->lines.len;
    name_of(item, name);
    buf_puts(&r->junit, "  <testsuite name=\"");
    put_xml(&r->junit, name, strlen(name));
    buf_printf(&r->junit, "\" time=\"%.3f\">\n",
               (double)(item->ended_ns - item->started_ns) / 1e9);
    while (at && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline)
            break;
        put_case(&r->junit, name, at, (size_t)(newline - at));
        at = newline + 1;
    }
    buf_puts(&r->junit, "  </testsuite>\n");
}

int check_report_junit(struct check_report *r, const char *path)
{
    static const char head[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
    static const char tail[] = "</testsuites>\n";
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int rc = r->junit.error;
    if (fd < 0)
        return -errno;
    if (!rc)
        rc = io_write(fd, head, sizeof head - 1);
    if (!rc && r->junit.len)
        rc = io_write(fd, r->junit.data, r->junit.len);
    if (!rc)
        rc = io_write(fd, tail, sizeof tail - 1);
    return close(fd) && !rc ? -errno : rc;
}

/* --- the ends --- */

static void add_line(struct check_item *item, char letter, const char *expected,
                     const char *found)
{
    buf_printf(&item->lines, "%c\t0\t%s\t%s\n", letter, expected, found);
}

void check_report_end(struct check_report *r, struct check_item *item)
{
    char text[120];
    if (item->lines.error)
        add_line(item, CHECK_BROKEN, "what the scenario came to", "out of memory");
    else if (item->killed)
        add_line(item, CHECK_BROKEN, "an end within its time", "it went on, and was ended");
    else if (WIFSIGNALED(item->status)) {
        snprintf(text, sizeof text, "vmscope was ended by SIG%s",
                 sigabbrev_np(WTERMSIG(item->status)) ? sigabbrev_np(WTERMSIG(item->status)) : "?");
        add_line(item, CHECK_BROKEN, "the scenario to be run", text);
    } else if (WEXITSTATUS(item->status) > EXIT_FAILED) {
        snprintf(text, sizeof text, "vmscope ended with status %d", WEXITSTATUS(item->status));
        add_line(item, CHECK_BROKEN, "the scenario to be run", text);
    } else if (!item->lines.len) {
        add_line(item, item->status ? CHECK_BROKEN : CHECK_PASS, "the scenario to be run",
                 item->status ? "it was not" : "it was");
    }
    check_report_lines(r, item);
    put_suite(r, item);
    buf_deinit(&item->lines);
    item->printed = 0;
}

int check_report_finish(struct check_report *r)
{
    buf_printf(&r->tap, "1..%u\n# %u passed, %u failed, %u skipped\n", r->number,
               r->number - r->failed - r->skipped, r->failed, r->skipped);
    flush(r);
    return r->error;
}
