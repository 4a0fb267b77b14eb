/* The arguments of mm calls in words, and why they failed. */
#include <stdio.h>
#include <sys/mman.h>

#include "model/call_parts.h"

struct word {
    uint64_t bits;
    const char *name;
};

static const struct word protections[] = {
    {PROT_READ, "PROT_READ"}, {PROT_WRITE, "PROT_WRITE"}, {PROT_EXEC, "PROT_EXEC"},
    {PROT_GROWSDOWN, "PROT_GROWSDOWN"}, {PROT_GROWSUP, "PROT_GROWSUP"}, {0, "PROT_NONE"}};

static const struct word types[] = {
    {MAP_SHARED_VALIDATE, "MAP_SHARED_VALIDATE"}, {MAP_SHARED, "MAP_SHARED"},
    {MAP_PRIVATE, "MAP_PRIVATE"}, {DROPPABLE, "MAP_DROPPABLE"}, {0, "type 0"}};

static const struct word map_flags[] = {
    {MAP_FIXED, "MAP_FIXED"}, {MAP_FIXED_NOREPLACE, "MAP_FIXED_NOREPLACE"},
    {MAP_ANONYMOUS, "MAP_ANONYMOUS"}, {MAP_GROWSDOWN, "MAP_GROWSDOWN"},
    {MAP_DENYWRITE, "MAP_DENYWRITE"}, {MAP_LOCKED, "MAP_LOCKED"},
    {MAP_NORESERVE, "MAP_NORESERVE"}, {MAP_POPULATE, "MAP_POPULATE"},
    {MAP_NONBLOCK, "MAP_NONBLOCK"}, {MAP_STACK, "MAP_STACK"}, {MAP_HUGETLB, "MAP_HUGETLB"},
    {MAP_SYNC, "MAP_SYNC"}, {0, ""}};

static const struct word remap_words[] = {
    {MREMAP_MAYMOVE, "MREMAP_MAYMOVE"}, {MREMAP_FIXED, "MREMAP_FIXED"},
    {REMAP_DONTUNMAP, "MREMAP_DONTUNMAP"}, {0, "in place"}};

static const struct word advices[] = {
    {MADV_NORMAL, "MADV_NORMAL"}, {MADV_RANDOM, "MADV_RANDOM"},
    {MADV_SEQUENTIAL, "MADV_SEQUENTIAL"}, {MADV_WILLNEED, "MADV_WILLNEED"},
    {MADV_DONTNEED, "MADV_DONTNEED"}, {MADV_FREE, "MADV_FREE"}, {MADV_REMOVE, "MADV_REMOVE"},
    {MADV_DONTFORK, "MADV_DONTFORK"}, {MADV_DOFORK, "MADV_DOFORK"},
    {MADV_MERGEABLE, "MADV_MERGEABLE"}, {MADV_UNMERGEABLE, "MADV_UNMERGEABLE"},
    {MADV_HUGEPAGE, "MADV_HUGEPAGE"}, {MADV_NOHUGEPAGE, "MADV_NOHUGEPAGE"},
    {MADV_DONTDUMP, "MADV_DONTDUMP"}, {MADV_DODUMP, "MADV_DODUMP"},
    {MADV_WIPEONFORK, "MADV_WIPEONFORK"}, {MADV_KEEPONFORK, "MADV_KEEPONFORK"},
    {COLD, "MADV_COLD"}, {PAGEOUT, "MADV_PAGEOUT"},
    {POPULATE_READ_ADVICE, "MADV_POPULATE_READ"}, {POPULATE_WRITE_ADVICE, "MADV_POPULATE_WRITE"},
    {DONTNEED_LOCKED, "MADV_DONTNEED_LOCKED"}, {COLLAPSE, "MADV_COLLAPSE"},
    {MADV_HWPOISON, "MADV_HWPOISON"}, {GUARD_INSTALL, "MADV_GUARD_INSTALL"},
    {GUARD_REMOVE, "MADV_GUARD_REMOVE"}};

/* Text that is being put together. */
struct words {
    char *out;
    size_t cap, len;
};

static void say(struct words *w, const char *separator, const char *text)
{
    if (w->len < w->cap)
        w->len += (size_t)snprintf(w->out + w->len, w->cap - w->len, "%s%s",
                                   w->len ? separator : "", text);
}

static void say_number(struct words *w, const char *separator, const char *fmt, uint64_t n)
{
    char text[64];
    snprintf(text, sizeof text, fmt, (unsigned long long)n);
    say(w, separator, text);
}

/* Names of bits; the last name of the table, of no bit, stands for none. */
static void say_bits(struct words *w, const char *first, const struct word *table, uint64_t bits)
{
    const char *separator = first;
    bool none = !bits;
    for (; table->bits; table++)
        if (bits & table->bits) {
            say(w, separator, table->name);
            separator = "|";
            bits &= ~table->bits;
        }
    if (none && *table->name)
        say(w, separator, table->name);
    if (bits)
        say_number(w, separator, "%#llx", bits);
}

/* The name of one value. */
static void say_value(struct words *w, const char *separator, const struct word *table,
                      size_t count, const char *unknown, uint64_t value)
{
    for (size_t i = 0; i < count; i++)
        if (table[i].bits == value) {
            say(w, separator, table[i].name);
            return;
        }
    say_number(w, separator, unknown, value);
}

static void say_mmap(struct words *w, const uint64_t *args)
{
    const uint64_t type = 15;
    say_number(w, "", "%llu bytes", args[1]);
    say_bits(w, ", ", protections, args[2]);
    say_value(w, ", ", types, sizeof types / sizeof *types, "type %llu", args[3] & type);
    say_bits(w, "|", map_flags, args[3] & ~type);
    if (args[3] & MAP_ANONYMOUS)
        return;
    say_number(w, ", ", "descriptor %lld", (uint64_t)(int64_t)(int32_t)args[4]);
    say_number(w, ", ", "from %llu on", args[5]);
}

const char *call_words(char *out, size_t cap, const struct event *call)
{
    struct words w = {out, cap, 0};
    const uint64_t *args = call->call.args;
    out[0] = '\0';
    if (!call->call.has_args)
        return out;
    switch (call->call.call) {
    case CALL_MMAP:
        say_mmap(&w, args);
        break;
    case CALL_MPROTECT:
    case CALL_PKEY_MPROTECT:
        say_number(&w, "", "%llu bytes", args[1]);
        say_bits(&w, ", ", protections, args[2]);
        break;
    case CALL_MREMAP:
        say_number(&w, "", "%llu bytes", args[1]);
        say_number(&w, " ", "to become %llu", args[2]);
        say_bits(&w, ", ", remap_words, args[3]);
        break;
    case CALL_MADVISE:
        say_number(&w, "", "%llu bytes", args[1]);
        say_value(&w, ", ", advices, sizeof advices / sizeof *advices, "advice %llu", args[2]);
        break;
    case CALL_MUNMAP:
    case CALL_MLOCK:
    case CALL_MLOCK2:
    case CALL_MUNLOCK:
        say_number(&w, "", "%llu bytes", args[1]);
        break;
    default:
        break;
    }
    return out;
}

const char *call_why(char *out, size_t cap, const struct call_verdict *v)
{
    struct words w = {out, cap, 0};
    out[0] = '\0';
    for (unsigned i = 0; v->failed && i < v->steps; i++)
        if (v->step[i].mark != CALL_PASSED) {
            say(&w, "; or: ", v->step[i].question);
            say(&w, " ", v->step[i].answer);
        }
    return out;
}
