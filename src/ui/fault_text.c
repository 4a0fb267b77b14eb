/* Faults and calls in words. */
#include "ui/fault_text.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const uint64_t ns_per_s = 1000 * 1000 * 1000;

uint64_t fault_oldest(const struct ui_state *ui)
{
    uint64_t ever = ui->faults ? ui->faults->entries : 0;
    return ever > FAULT_LOG_KEEP ? ever - FAULT_LOG_KEEP : 0;
}

const struct fault_entry *fault_entry(const struct ui_state *ui, uint64_t n)
{
    if (!ui->faults || n >= ui->entries || n < fault_oldest(ui))
        return NULL;
    return fault_log_at(ui->faults, ui->faults->entries - 1 - n);
}

char fault_access(const struct fault_entry *f)
{
    static const char letters[] = {
        [ACCESS_UNKNOWN] = '?', [ACCESS_READ] = 'r', [ACCESS_WRITE] = 'w', [ACCESS_EXEC] = 'x'};
    uint8_t access = f->event.fault.access;
    return access < sizeof letters ? letters[access] : '?';
}

const char *fault_path(char *out, size_t cap, enum path path, enum path_how how, bool sure)
{
    static const char *const hows[] = {
        [HOW_NONE] = "", [HOW_COPY] = " copy", [HOW_REUSE] = " reuse"};
    snprintf(out, cap, "%s%s%s", path_name(path), hows[how <= HOW_REUSE ? how : HOW_NONE],
             sure ? "" : " ?");
    return out;
}

enum color fault_color(enum path path)
{
    static const uint8_t colors[PATH_N] = {
        [PATH_UNKNOWN] = ROLE_UNKNOWN,     [PATH_ANONYMOUS] = ROLE_ANON,
        [PATH_HUGE_ANONYMOUS] = ROLE_ANON, [PATH_HUGE_WP] = ROLE_COW,
        [PATH_READ_FAULT] = ROLE_FILE,     [PATH_COW_FAULT] = ROLE_COW,
        [PATH_SHARED_FAULT] = ROLE_SHMEM,  [PATH_WP] = ROLE_COW,
        [PATH_SWAP] = ROLE_SWAP,           [PATH_HUGETLB] = ROLE_HUGETLB,
        [PATH_NUMA] = ROLE_DEVICE,         [PATH_EXPAND_STACK] = ROLE_ANON,
        [PATH_ACCESS_FLAGS] = ROLE_ZERO,   [PATH_UFFD] = ROLE_DEVICE,
        [PATH_BAD_AREA] = COLOR_ALERT,     [PATH_BAD_ACCESS] = COLOR_ALERT,
        [PATH_SIGBUS] = COLOR_ALERT,       [PATH_POPULATE] = ROLE_ANON,
    };
    return path < PATH_N ? (enum color)colors[path] : (enum color)ROLE_UNKNOWN;
}

const char *fault_region(char out[FAULT_NAME_MAX], const char *raw, size_t cap, uint64_t start)
{
    size_t len = strnlen(raw, cap);
    if (len)
        text_escape(out, FAULT_NAME_MAX, raw, len);
    else
        snprintf(out, FAULT_NAME_MAX, "%s", start ? "(anon)" : "(none)");
    return out;
}

/* The mapping of an instruction. A program that is over can be asked for nothing, and its pid may be
 * another's: of its mappings only files tell something. */
static const struct region *mapping_of(const struct spaces *spaces, pid_t pid, uint64_t program,
                                       uint64_t ip)
{
    bool runs = spaces_program(spaces, pid) == program;
    const struct region_table *regions =
        runs ? spaces_regions(spaces, pid) : spaces_past_regions(spaces, program);
    const struct region *r = regions ? region_table_at(regions, ip) : NULL;
    return r && (runs || r->kind == REGION_FILE) ? r : NULL;
}

/* What has no name is asked for again: a JIT compiler writes the names of its code later. */
static void ask_site(const struct ui_state *ui, pid_t pid, uint64_t program, uint64_t ip)
{
    const uint64_t again_ns = 2000000000;
    if (!ui->source->ask_symbol || !program)
        return;
    const struct region *r = mapping_of(model_spaces(ui->model), pid, program, ip);
    struct asked_site *asked = &ui->asked[(ip ^ program * 31) % ASKED_SITES_MAX];
    bool again = asked->program == program && asked->ip == ip;
    if (!r || (again && ui->now_ns < asked->t_ns + again_ns))
        return;
    if (ui->source->ask_symbol(ui->source->ctx, pid, program, ip, r))
        *asked = (struct asked_site){program, ip, ui->now_ns};
}

const struct site_answer *fault_site(const struct ui_state *ui, pid_t pid, uint64_t program,
                                     uint64_t ip)
{
    const struct symbols *symbols = model_symbols(ui->model);
    const struct site_answer *a = symbols ? symbols_find(symbols, program, ip) : NULL;
    if (symbols && ip && (!a || !a->symbol[0]))
        ask_site(ui, pid, program, ip);
    return a;
}

const char *fault_where(char out[FAULT_NAME_MAX], const struct ui_state *ui, pid_t pid,
                        uint64_t program, uint64_t ip, unsigned cols)
{
    const struct site_answer *a = fault_site(ui, pid, program, ip);
    if (!a || !a->symbol[0])
        snprintf(out, FAULT_NAME_MAX, ip ? "%llx" : "?", (unsigned long long)ip);
    else if (a->source[0] && text_columns(a->symbol) + 1 + text_columns(a->source) <= cols)
        snprintf(out, FAULT_NAME_MAX, "%s %s", a->symbol, a->source);
    else
        snprintf(out, FAULT_NAME_MAX, "%s", a->symbol);
    return out;
}

/* Small numbers are flags and counts as often as addresses: what has one digit needs no base. */
static size_t number(char *out, size_t cap, uint64_t n)
{
    return (size_t)snprintf(out, cap, n < 10 ? "%llx" : "0x%llx", (unsigned long long)n);
}

const char *fault_call(char out[FAULT_CALL_MAX], const struct event *e)
{
    const size_t cap = FAULT_CALL_MAX;
    size_t len = (size_t)snprintf(out, cap, "%s(", mm_call_name((enum mm_call)e->call.call));
    unsigned args = mm_call_args((enum mm_call)e->call.call);
    for (unsigned i = 0; e->call.has_args && i < args; i++) {
        len += (size_t)snprintf(out + len, cap - len, "%s", i ? ", " : "");
        len += number(out + len, cap - len, e->call.args[i]);
    }
    len += (size_t)snprintf(out + len, cap - len, e->call.has_args ? ")" : "?)");
    if (e->call.call == CALL_EXIT || e->call.call == CALL_EXIT_GROUP)
        return out;
    len += (size_t)snprintf(out + len, cap - len, " = ");
    int64_t result = e->call.result;
    const char *error = result < 0 && result > -4096 ? strerrorname_np((int)-result) : NULL;
    if (error)
        snprintf(out + len, cap - len, "-%s", error);
    else
        number(out + len, cap - len, (uint64_t)result);
    return out;
}

const char *fault_time(char out[32], const struct ui_state *ui, uint64_t t_ns, unsigned cols)
{
    bool before = t_ns < ui->first_event_ns;
    uint64_t ns = before ? ui->first_event_ns - t_ns : t_ns - ui->first_event_ns;
    snprintf(out, 32, "%s%llu.%06u", before ? "-" : "", (unsigned long long)(ns / ns_per_s),
             (unsigned)(ns % ns_per_s / 1000));
    if (cols < strlen(out))
        out[cols] = '\0';
    return out;
}
