/* Names of keys and the search for what a key is bound to. */
#include "ui/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

/* Of several names of one key the first is the one that keys_name gives. */
static const struct {
    const char *name;
    int key;
} names[] = {
    {"Up", KEY_CODE_UP},         {"Down", KEY_CODE_DOWN},     {"Left", KEY_CODE_LEFT},
    {"Right", KEY_CODE_RIGHT},   {"PgUp", KEY_CODE_PGUP},     {"PgDn", KEY_CODE_PGDN},
    {"Home", KEY_CODE_HOME},     {"End", KEY_CODE_END},       {"Tab", KEY_CODE_TAB},
    {"BackTab", KEY_CODE_BACKTAB}, {"S-Tab", KEY_CODE_BACKTAB}, {"Enter", KEY_CODE_ENTER},
    {"CR", KEY_CODE_ENTER},      {"Esc", KEY_CODE_ESC},       {"Backspace", KEY_CODE_BACKSPACE},
    {"BS", KEY_CODE_BACKSPACE},  {"Wait", KEY_CODE_WAIT},     {"Space", ' '},
    {"lt", '<'},
};

enum { NAME_N = sizeof names / sizeof *names };

/* Characters that make a control character with Ctrl: letters and \ ] ^ _ (Ctrl-[ is Esc). */
static bool control_of(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z' && c != '|') || (c >= '\\' && c <= '_');
}

static int key_of_name(const char *name, size_t len)
{
    for (size_t i = 0; i < NAME_N; i++)
        if (strlen(names[i].name) == len && !strncasecmp(names[i].name, name, len))
            return names[i].key;
    if (len == 3 && !strncasecmp(name, "C-", 2) && control_of(name[2]))
        return KEY_CTRL(name[2]);
    if (len >= 2 && len <= 3 && (name[0] | 0x20) == 'f') {
        const char *p = name + 1;
        uint64_t n;
        if (text_dec(&p, name + len, &n) && p == name + len && n >= 1 && n <= 12)
            return KEY_CODE_F1 + (int)n - 1;
    }
    return KEY_CODE_NONE;
}

int keys_of_char(uint32_t c)
{
    switch (c) {
    case '\t':
        return KEY_CODE_TAB;
    case '\r':
    case '\n':
        return KEY_CODE_ENTER;
    case 0x1b:
        return KEY_CODE_ESC;
    case 0x7f:
        return KEY_CODE_BACKSPACE;
    default:
        return (int)c;
    }
}

/* False for C1 controls and for characters that hide or reorder others: no keyboard sends them. */
static bool is_shown(const char *utf8, size_t len)
{
    char out[16];
    return text_escape(out, sizeof out, utf8, len) == len && !memcmp(out, utf8, len);
}

static int refuse(struct err *e, const char *text, size_t len)
{
    char shown[64];
    text_escape(shown, sizeof shown, text, len);
    return err_set(e, -EINVAL,
                   "\"%s\" is no key: names are <Enter> <Esc> <Up> <PgDn> <F1> <C-l> <Wait> "
                   "<Tab> <Space>, and <lt> for <",
                   shown);
}

int keys_next(const char **text, int *key, struct err *e)
{
    const char *s = *text;
    size_t len = strlen(s);
    int found = KEY_CODE_NONE;
    if (*s == '<') {
        const char *end = strchr(s, '>');
        if (end)
            found = key_of_name(s + 1, (size_t)(end - s - 1));
        if (found == KEY_CODE_NONE)
            return refuse(e, s, end ? (size_t)(end - s + 1) : len);
        *text = end + 1;
    } else if (len) {
        uint32_t c;
        size_t n = text_utf8_decode(s, len, &c);
        if (!n || (n > 1 && !is_shown(s, n)))
            return refuse(e, s, n ? n : 1);
        found = keys_of_char(c);
        *text = s + n;
    }
    *key = found;
    return 0;
}

const char *keys_name(char out[KEY_NAME_MAX], int key)
{
    char utf8[4];
    for (size_t i = 0; i < NAME_N; i++)
        if (names[i].key == key) {
            snprintf(out, KEY_NAME_MAX, "<%s>", names[i].name);
            return out;
        }
    if (key >= KEY_CODE_F1 && key <= KEY_CODE_F12)
        snprintf(out, KEY_NAME_MAX, "<F%d>", key - KEY_CODE_F1 + 1);
    else if (key > 0 && key < 0x20)
        snprintf(out, KEY_NAME_MAX, "<C-%c>", key < 0x1b ? key + 0x60 : key + 0x40);
    else if (key > 0 && key < KEY_CODE_FIRST)
        snprintf(out, KEY_NAME_MAX, "%.*s", (int)text_utf8_encode(utf8, (uint32_t)key), utf8);
    else
        snprintf(out, KEY_NAME_MAX, "<%d>", key);
    return out;
}

const struct binding *binding_find(const struct binding *table, int key)
{
    for (const struct binding *b = table; b->label; b++)
        for (size_t i = 0; i < sizeof b->keys / sizeof *b->keys && b->keys[i]; i++)
            if (b->keys[i] == key)
                return b;
    return NULL;
}
