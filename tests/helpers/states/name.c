/* Files whose names try to break out of a line, a terminal, a table or a JSON string. */
#include "states.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void percent(char *out, const char *bytes)
{
    for (; *bytes; bytes++) {
        unsigned char c = (unsigned char)*bytes;
        if (c > ' ' && c < 0x7f && c != '%')
            *out++ = (char)c;
        else
            out += sprintf(out, "%%%02X", c);
    }
    *out = '\0';
}

/* maps shows a newline as \012 and everything else as it is. */
static void as_in_maps(char *out, const char *bytes)
{
    for (; *bytes; bytes++) {
        if (*bytes == '\n')
            out += sprintf(out, "\\012");
        else
            *out++ = *bytes;
    }
    *out = '\0';
}

static void map_named(const char *name, const char *leaf, bool unlinked)
{
    char path[512], shown[1024], coded[3100];
    int fd = make_file(leaf, 2);
    if (fd < 0) {
        state_failed(name, "file");
        return;
    }
    snprintf(path, sizeof path, "%s/%s", disk_dir(), leaf);
    if (unlinked) {
        unlink(path);
        strcat(path, " (deleted)");
    }
    char *at = place_map(name, 2 * page_bytes, 0, PROT_READ, MAP_PRIVATE, fd);
    close(fd);
    if (!at)
        return;
    read_pages(at, 0, 2);
    as_in_maps(shown, path);
    percent(coded, shown);
    state_made(name, at, 2 * page_bytes, "run=file*2 kind=file name=%s", coded);
}

static void name_newline(const char *name)
{
    map_named(name, "one\n7f0000000000-7f0000001000 rw-p 00000000 00:00 0\ntwo", false);
}

static void name_escape(const char *name)
{
    map_named(name, "red\033[31m\033]0;title\007\033[2J\r\b\t\x7f\x01", false);
}

static void name_c1(const char *name)
{
    map_named(name, "c1 \xc2\x9b""31m \xc2\x90 end", false);
}

static void name_spaces(const char *name)
{
    map_named(name, "  two  spaces ", false);
}

static void name_utf8(const char *name)
{
    map_named(name, "na\xc3\xafve \xe6\xbc\xa2\xe5\xad\x97 \xf0\x9f\x98\x80", false);
}

static void name_direction(const char *name)
{
    map_named(name, "right \xe2\x80\xaetfel\xe2\x80\xac zero\xe2\x80\x8bwidth", false);
}

static void name_not_utf8(const char *name)
{
    map_named(name, "bad \xff\xfe \xc3( \xed\xa0\x80 end", false);
}

static void name_quotes(const char *name)
{
    map_named(name, "quote \" back \\ slash \\012 comma, <b>&amp; 'x' =1+1", false);
}

static void name_deleted(const char *name)
{
    map_named(name, "gone", true);
}

static void name_says_deleted(const char *name)
{
    map_named(name, "still here (deleted)", false);
}

static void name_brackets(const char *name)
{
    map_named(name, "[heap]", false);
}

static void name_long(const char *name)
{
    char leaf[256];
    memset(leaf, 'x', 250);
    leaf[250] = '\0';
    map_named(name, leaf, false);
}

const struct maker makers_name[] = {
    {"name_newline", name_newline, AFTER_FORK},
    {"name_escape", name_escape, AFTER_FORK},
    {"name_c1", name_c1, AFTER_FORK},
    {"name_spaces", name_spaces, AFTER_FORK},
    {"name_utf8", name_utf8, AFTER_FORK},
    {"name_direction", name_direction, AFTER_FORK},
    {"name_not_utf8", name_not_utf8, AFTER_FORK},
    {"name_quotes", name_quotes, AFTER_FORK},
    {"name_deleted", name_deleted, AFTER_FORK},
    {"name_says_deleted", name_says_deleted, AFTER_FORK},
    {"name_brackets", name_brackets, AFTER_FORK},
    {"name_long", name_long, AFTER_FORK},
    {0},
};
