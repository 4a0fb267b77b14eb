/* Lines and summaries of faults. */
#include "report/faults.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "model/counts.h"

static const char *access_name(const struct event *e)
{
    static const char *const names[] = {"?", "read", "write", "exec"};
    return names[e->fault.access < 4 ? e->fault.access : 0];
}

static const char *mode_name(const struct event *e)
{
    static const char *const names[] = {"?", "user", "kernel"};
    return names[e->fault.mode < 3 ? e->fault.mode : 0];
}

static const char *how_name(const struct path_verdict *v)
{
    static const char *const names[] = {"", "copy", "reuse"};
    return names[v->how < 3 ? v->how : 0];
}

/* "do_wp_page copy", with a question mark when it is not sure. */
static void path_text(const struct path_verdict *v, char *out, size_t cap)
{
    const char *how = how_name(v);
    snprintf(out, cap, "%s%s%s%s", path_name(v->path), *how ? " " : "", how, v->sure ? "" : " ?");
}

static void region_text(const struct fault_entry *e, char *out, size_t cap)
{
    text_escape(out, cap, e->region, strnlen(e->region, sizeof e->region));
}

static const char *observed_how(const struct fault_entry *e)
{
    static const char *const names[] = {"", "copy", "reuse"};
    return observation_tells(&e->observed) && e->observed.how < 3 ? names[e->observed.how] : "";
}

/* "agrees", "NOT: do_cow_fault", "-": nothing was to be seen. */
static void evidence_text(const struct fault_entry *e, char *out, size_t cap)
{
    char seen[128];
    observation_text(&e->observed, seen, sizeof seen);
    switch (e->observed.agreement) {
    case AGREES:
        snprintf(out, cap, "agrees");
        break;
    case DISAGREES:
    case AGREEMENT_CORRECTED:
        snprintf(out, cap, "NOT: %s", seen);
        break;
    case AGREEMENT_UNPREDICTED:
        snprintf(out, cap, "%s", seen);
        break;
    default:
        snprintf(out, cap, "%s", e->observed.agreement == AGREEMENT_LOST ? "lost" : "-");
    }
}

/* Why there is no chain of callers though one was asked for; "" if there is one. */
static const char *callers_why(const struct event *ev)
{
    switch (ev->fault.callers) {
    case CALLERS_NONE:
        return "no program called: the kernel was in execve, or its own thread";
    case CALLERS_LOST:
        return "lost: there was no room";
    default:
        return "";
    }
}

void faults_table_head(bool evidence, struct buf *out)
{
    buf_printf(out, "%-15s %7s %16s %-5s %-6s %-20s %-28s ", "time", "tid", "address", "what",
               "mode", "region", "path");
    buf_puts(out, evidence ? "evidence               at\n" : "at\n");
}

static const char *error_name(const struct event *e)
{
    bool failed = e->call.result < 0 && e->call.result > -4096;
    const char *name = failed ? strerrorname_np((int)-e->call.result) : NULL;
    return name ? name : "";
}

static void table_call(const struct event *e, const struct fault_site *site, struct buf *out)
{
    unsigned args = e->call.has_args ? mm_call_args((enum mm_call)e->call.call) : 0;
    const char *end = e->call.has_args ? ")" : "...)";
    buf_printf(out, "%s(", mm_call_name(e->call.call));
    for (unsigned i = 0; i < args; i++)
        buf_printf(out, "%s%#" PRIx64, i ? ", " : "", e->call.args[i]);
    if (e->call.result < 0 && e->call.result > -4096)
        buf_printf(out, "%s = %" PRId64 " %s", end, e->call.result, error_name(e));
    else
        buf_printf(out, "%s = %#" PRIx64, end, (uint64_t)e->call.result);
    if (site->why[0])
        buf_printf(out, "  %s%s", site->sure ? "" : "perhaps: ", site->why);
    buf_putc(out, '\n');
}

/* Below the fault: who called, innermost first. */
static void table_callers(const struct event *ev, const struct fault_site *site, struct buf *out)
{
    const char *why = callers_why(ev);
    if (ev->fault.callers == CALLERS_UNASKED)
        return;
    buf_printf(out, "%25s", "");
    for (unsigned i = 0; i < site->callers_n; i++) {
        const struct fault_caller *c = &site->callers[i];
        if (c->symbol[0])
            buf_printf(out, " <- %s%s%s", c->symbol, *c->source ? " " : "", c->source);
        else
            buf_printf(out, " <- %#" PRIx64, c->ip);
    }
    if (!site->callers_n)
        buf_printf(out, " <- ? %s", *why ? why : "no frame pointer leads to a caller");
    buf_putc(out, '\n');
}

void faults_table_line(const struct fault_entry *e, const struct fault_site *site, bool evidence,
                       struct buf *out)
{
    const struct event *ev = &e->event;
    buf_printf(out, "%8" PRIu64 ".%06" PRIu64 " %7" PRId32 " ", ev->t_ns / 1000000000,
               ev->t_ns / 1000 % 1000000, ev->tid);
    if (ev->type == EVENT_CALL) {
        table_call(ev, site, out);
        return;
    }
    char path[64], region[64 * 4], seen[160];
    path_text(&e->verdict, path, sizeof path);
    region_text(e, region, sizeof region);
    buf_printf(out, "%16" PRIx64 " %-5s %-6s %-20.20s %-28s ", ev->fault.address, access_name(ev),
               mode_name(ev), region[0] ? region : "-", path);
    evidence_text(e, seen, sizeof seen);
    if (evidence)
        buf_printf(out, "%-22s ", seen);
    if (site->symbol[0])
        buf_printf(out, "%s %s\n", site->symbol, site->source);
    else
        buf_printf(out, "%#" PRIx64 "\n", ev->fault.ip);
    table_callers(ev, site, out);
}

void faults_csv_head(struct buf *out)
{
    buf_puts(out, "type,t_ns,pid,tid,addr,ip,access,protection,mode,region,path,how,symbol,source,"
                  "name,result,observed,agreement,pages,count,callers\n");
}

static void quoted(const char *text, struct buf *out)
{
    buf_putc(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            buf_putc(out, '"');
        buf_putc(out, *text);
    }
    buf_putc(out, '"');
}

static const char *known_or_empty(const char *name)
{
    return strcmp(name, "?") ? name : "";
}

static void csv_callers(const struct fault_site *site, struct buf *out)
{
    for (unsigned i = 0; i < site->callers_n; i++) {
        const struct fault_caller *c = &site->callers[i];
        if (!i)
            buf_putc(out, '"');
        for (const char *s = c->symbol; *s; s++)
            buf_printf(out, *s == '"' ? "\"\"" : "%c", *s);
        if (!c->symbol[0])
            buf_printf(out, "0x%" PRIx64, c->ip);
        buf_putc(out, i + 1 < site->callers_n ? ';' : '"');
    }
    buf_putc(out, '\n');
}

void faults_csv_line(const struct fault_entry *e, const struct fault_site *site, struct buf *out)
{
    static const char *const known[] = {"no", "yes", ""};
    const struct event *ev = &e->event;
    char region[64 * 4], seen[128];
    bool call = ev->type == EVENT_CALL;
    buf_printf(out, "%s,%" PRIu64 ",%" PRId32 ",%" PRId32 ",", call ? "call" : "fault", ev->t_ns,
               ev->pid, ev->tid);
    if (call) {
        buf_printf(out, ",,,,,,,,,,%s,%" PRId64 ",,,,,\n", mm_call_name(ev->call.call),
                   ev->call.result);
        return;
    }
    region_text(e, region, sizeof region);
    buf_printf(out, "0x%" PRIx64 ",0x%" PRIx64 ",%s,%s,%s,", ev->fault.address, ev->fault.ip,
               known_or_empty(access_name(ev)),
               known[ev->fault.protection < 3 ? ev->fault.protection : 2],
               known_or_empty(mode_name(ev)));
    quoted(region, out);
    buf_printf(out, ",%s,%s,", path_name(e->verdict.path), how_name(&e->verdict));
    quoted(site->symbol, out);
    buf_putc(out, ',');
    quoted(site->source, out);
    buf_puts(out, ",,,");
    observation_text(&e->observed, seen, sizeof seen);
    if (!observation_tells(&e->observed))
        seen[0] = '\0';
    quoted(seen, out);
    buf_printf(out, ",%s,,,", agreement_name(e->observed.agreement));
    csv_callers(site, out);
}

void faults_csv_counted(const struct fault_entry *e, struct buf *out)
{
    const struct event *ev = &e->event;
    char region[64 * 4];
    region_text(e, region, sizeof region);
    buf_printf(out, "heat,%" PRIu64 ",%" PRId32 ",,0x%" PRIx64 ",,,,,", ev->t_ns, ev->pid,
               ev->heat.address);
    quoted(region, out);
    buf_printf(out, ",,,,,,,,,%" PRIu64 ",%" PRIu64 ",\n", ev->heat.pages, ev->heat.count);
}

void faults_table_counted(const struct fault_entry *e, struct buf *out)
{
    const struct event *ev = &e->event;
    char region[64 * 4];
    region_text(e, region, sizeof region);
    buf_printf(out, "%8" PRIu64 ".%06" PRIu64 " %7" PRId32 " %16" PRIx64
                    " counted      %-20.20s %" PRIu64 " on each of %" PRIu64 " page%s\n",
               ev->t_ns / 1000000000, ev->t_ns / 1000 % 1000000, ev->pid, ev->heat.address,
               region[0] ? region : "-", ev->heat.count, ev->heat.pages,
               ev->heat.pages == 1 ? "" : "s");
}

void faults_jsonl_counted(const struct fault_entry *e, struct buf *out)
{
    const struct event *ev = &e->event;
    struct json j;
    json_init(&j, out);
    json_open_object(&j);
    json_put_string(json_key(&j, "type"), "heat");
    json_put_u64(json_key(&j, "t_ns"), ev->t_ns);
    json_put_i64(json_key(&j, "pid"), ev->pid);
    json_put_hex(json_key(&j, "addr"), ev->heat.address);
    json_put_u64(json_key(&j, "pages"), ev->heat.pages);
    json_put_u64(json_key(&j, "count"), ev->heat.count);
    json_put_string(json_key(&j, "region"), e->region);
    json_close_object(&j);
    buf_putc(out, '\n');
}

static void put_or_null(struct json *j, const char *key, const char *text)
{
    json_key(j, key);
    if (*text && strcmp(text, "?"))
        json_put_string(j, text);
    else
        json_put_null(j);
}

static void jsonl_observed(struct json *j, const struct fault_entry *e,
                           const struct fault_site *site)
{
    json_key(j, "observed");
    if (observation_tells(&e->observed)) {
        json_open_array(j);
        for (unsigned i = 0; i < e->observed.count; i++)
            json_put_string(j, observed_name(e->observed.seen[i]));
        json_close_array(j);
    } else {
        json_put_null(j);
    }
    put_or_null(j, "observed_how", observed_how(e));
    put_or_null(j, "agreement", agreement_name(e->observed.agreement));
    put_or_null(j, "stack", observation_tells(&e->observed) && site->stack ? site->stack : "");
}

static void jsonl_callers(struct json *j, const struct event *ev, const struct fault_site *site)
{
    json_key(j, "callers");
    if (ev->fault.callers != CALLERS_TOLD) {
        json_put_null(j);
        if (ev->fault.callers)
            json_put_string(json_key(j, "callers_why"), callers_why(ev));
        return;
    }
    json_open_array(j);
    for (unsigned i = 0; i < site->callers_n; i++) {
        json_open_object(j);
        json_put_hex(json_key(j, "addr"), site->callers[i].ip);
        put_or_null(j, "symbol", site->callers[i].symbol);
        put_or_null(j, "source", site->callers[i].source);
        json_close_object(j);
    }
    json_close_array(j);
}

static void jsonl_fault(struct json *j, const struct fault_entry *e, const struct fault_site *site)
{
    const struct event *ev = &e->event;
    json_put_hex(json_key(j, "addr"), ev->fault.address);
    json_put_hex(json_key(j, "ip"), ev->fault.ip);
    put_or_null(j, "access", access_name(ev));
    json_key(j, "protection");
    if (ev->fault.protection == NOT_KNOWN)
        json_put_null(j);
    else
        json_put_bool(j, ev->fault.protection == KNOWN_YES);
    put_or_null(j, "mode", mode_name(ev));
    json_put_string(json_key(j, "region"), e->region);
    json_put_string(json_key(j, "path"), path_name(e->verdict.path));
    put_or_null(j, "how", how_name(&e->verdict));
    json_put_bool(json_key(j, "sure"), e->verdict.sure);
    jsonl_observed(j, e, site);
    put_or_null(j, "symbol", site->symbol);
    put_or_null(j, "source", site->source);
    jsonl_callers(j, ev, site);
}

static void jsonl_call(struct json *j, const struct event *ev, const struct fault_site *site)
{
    json_put_string(json_key(j, "name"), mm_call_name(ev->call.call));
    json_key(j, "args");
    if (ev->call.has_args) {
        json_open_array(j);
        for (unsigned i = 0; i < mm_call_args((enum mm_call)ev->call.call); i++)
            json_put_u64(j, ev->call.args[i]);
        json_close_array(j);
    } else {
        json_put_null(j);
    }
    json_key(j, "result");
    if (ev->call.result < 0 && ev->call.result > -4096)
        json_put_i64(j, ev->call.result);
    else
        json_put_hex(j, (uint64_t)ev->call.result);
    put_or_null(j, "error", error_name(ev));
    put_or_null(j, "why", site->why);
    json_key(j, "sure");
    if (site->why[0])
        json_put_bool(j, site->sure);
    else
        json_put_null(j);
}

void faults_jsonl_line(const struct fault_entry *e, const struct fault_site *site, struct buf *out)
{
    const struct event *ev = &e->event;
    struct json j;
    json_init(&j, out);
    json_open_object(&j);
    json_put_string(json_key(&j, "type"), ev->type == EVENT_CALL ? "call" : "fault");
    json_put_u64(json_key(&j, "t_ns"), ev->t_ns);
    json_put_i64(json_key(&j, "pid"), ev->pid);
    json_put_i64(json_key(&j, "tid"), ev->tid);
    if (ev->type == EVENT_CALL)
        jsonl_call(&j, ev, site);
    else
        jsonl_fault(&j, e, site);
    json_close_object(&j);
    buf_putc(out, '\n');
}

void faults_folded_frame(const char *text, struct buf *out)
{
    for (; *text; text++)
        buf_putc(out, *text == ';' || *text == ' ' ? '_' : *text);
}

static void put_count(struct json *j, const char *key, uint64_t n)
{
    json_key(j, key);
    if (n == UINT64_MAX)
        json_put_null(j);
    else
        json_put_u64(j, n);
}

static void jsonl_evidence(struct json *j, const struct fault_log *l,
                           const struct engine_state *engine)
{
    json_key(j, "evidence");
    if (l && engine->evidence) {
        json_open_object(j);
        json_put_u64(json_key(j, "agrees"), l->agreed[AGREES]);
        json_put_u64(json_key(j, "disagrees"), l->agreed[DISAGREES]);
        json_put_u64(json_key(j, "corrected"), l->agreed[AGREEMENT_CORRECTED]);
        json_put_u64(json_key(j, "none"), l->agreed[AGREEMENT_NONE]);
        json_put_u64(json_key(j, "unpredicted"), l->agreed[AGREEMENT_UNPREDICTED]);
        json_put_u64(json_key(j, "faults_lost"), l->agreed[AGREEMENT_LOST]);
        json_put_u64(json_key(j, "samples"), engine->samples);
        json_put_u64(json_key(j, "samples_lost"), engine->samples_lost);
        json_put_u64(json_key(j, "samples_loose"), l->loose);
        json_close_object(j);
    } else {
        json_put_null(j);
    }
    put_or_null(j, "evidence_why", engine->evidence_why);
}

static void jsonl_chains(struct json *j, const struct engine_state *engine,
                         const struct fault_counts *counts)
{
    json_key(j, "callers");
    if (engine->callers) {
        json_open_object(j);
        json_put_u64(json_key(j, "chains"), engine->chains);
        json_put_u64(json_key(j, "lost"), engine->callers_lost);
        json_put_u64(json_key(j, "broken"), counts->broken);
        json_close_object(j);
    } else {
        json_put_null(j);
    }
    put_or_null(j, "callers_why", *engine->callers_why ? engine->callers_why
                                  : engine->callers    ? ""
                                                       : "not asked for: --callers");
}

static void jsonl_counts(struct json *j, const struct perf_counts *c)
{
    json_open_array(json_key(j, "counters"));
    for (unsigned i = 0; i < c->count; i++) {
        const struct perf_count *p = &c->v[i];
        json_open_object(j);
        json_put_string(json_key(j, "name"), p->name);
        put_count(j, p->is_time ? "ns" : "count", p->known ? p->value : UINT64_MAX);
        json_put_bool(json_key(j, "at_least"), c->partial);
        json_put_bool(json_key(j, "extrapolated"), p->scaled);
        put_or_null(j, "why", p->why);
        json_close_object(j);
    }
    json_close_array(j);
}

void faults_jsonl_summary(const struct fault_log *l, const struct engine_state *engine,
                          const struct fault_counts *counts, struct buf *out)
{
    struct json j;
    json_init(&j, out);
    json_open_object(&j);
    json_put_string(json_key(&j, "type"), "summary");
    json_put_string(json_key(&j, "engine"), engine->name);
    json_put_u64(json_key(&j, "faults"), l ? l->faults : 0);
    json_put_u64(json_key(&j, "calls"), l ? l->calls : 0);
    json_put_u64(json_key(&j, "unsure"), l ? l->unsure : 0);
    json_put_u64(json_key(&j, "lost"), engine->lost);
    if (engine->heat_faults) {
        json_put_u64(json_key(&j, "heat_faults"), engine->heat_faults);
        json_put_u64(json_key(&j, "heat_told"), l ? l->counted : 0);
    }
    jsonl_evidence(&j, l, engine);
    jsonl_chains(&j, engine, counts);
    put_count(&j, "minor", counts->minor);
    put_count(&j, "major", counts->major);
    put_count(&j, "cpu_ns", counts->cpu_ns);
    put_count(&j, "voluntary_switches", counts->waits);
    put_count(&j, "involuntary_switches", counts->preempted);
    if (counts->perf)
        jsonl_counts(&j, counts->perf);
    put_or_null(&j, "blind", engine->blind);
    put_or_null(&j, "why", engine->why);
    json_close_object(&j);
    buf_putc(out, '\n');
}

static void table_evidence(const struct fault_log *l, const struct engine_state *engine,
                           struct buf *out)
{
    if (engine->evidence_why[0])
        buf_printf(out, "no evidence: %s\n", engine->evidence_why);
    if (!l || !engine->evidence)
        return;
    buf_printf(out, "evidence of %" PRIu64 " kernel call chains:\n", engine->samples);
    buf_printf(out, "%10" PRIu64 "  paths confirmed\n", l->agreed[AGREES]);
    buf_printf(out, "%10" PRIu64 "  without evidence: the kernel showed nothing that tells\n",
               l->agreed[AGREEMENT_NONE]);
    if (l->agreed[AGREEMENT_UNPREDICTED])
        buf_printf(out, "%10" PRIu64 "  seen, but nothing was predicted\n",
                   l->agreed[AGREEMENT_UNPREDICTED]);
    if (l->agreed[AGREEMENT_LOST] || engine->samples_lost)
        buf_printf(out, "%10" PRIu64 "  that may have lost some: %" PRIu64 " call chains were lost\n",
                   l->agreed[AGREEMENT_LOST], engine->samples_lost);
    if (l->agreed[AGREEMENT_CORRECTED])
        buf_printf(out, "%10" PRIu64 "  corrected: another path than predicted without certainty\n",
                   l->agreed[AGREEMENT_CORRECTED]);
    buf_printf(out, "%10" PRIu64 "  disagreements\n", l->agreed[DISAGREES]);
}

static void table_chains(const struct engine_state *engine, const struct fault_counts *counts,
                         struct buf *out)
{
    if (engine->callers_why[0])
        buf_printf(out, "no callers: %s\n", engine->callers_why);
    if (engine->callers)
        buf_printf(out, "chains of callers: %" PRIu64 " told, %" PRIu64 " of them cut where something is no "
                        "caller, %" PRIu64 " lost\n",
                   engine->chains, counts->broken, engine->callers_lost);
}

static void table_counts(const struct perf_counts *c, struct buf *out)
{
    char text[1024];
    unsigned next = 0;
    buf_printf(out, "counted: %s\n", counts_known(c, text, sizeof text));
    while (counts_unknown(c, &next, text, sizeof text))
        buf_printf(out, "not counted: %s\n", text);
}

static void table_usage(const struct fault_counts *c, struct buf *out)
{
    if (c->cpu_ns != UINT64_MAX)
        buf_printf(out, "%.3f s of processor time", (double)c->cpu_ns / 1e9);
    if (c->waits != UINT64_MAX && c->preempted != UINT64_MAX)
        buf_printf(out, "%s%" PRIu64 " context switches because it waited, %" PRIu64
                        " because it had to",
                   c->cpu_ns == UINT64_MAX ? "" : ", ", c->waits, c->preempted);
    if (c->cpu_ns != UINT64_MAX || (c->waits != UINT64_MAX && c->preempted != UINT64_MAX))
        buf_putc(out, '\n');
}

void faults_table_summary(const struct fault_log *l, const struct engine_state *engine,
                          const struct fault_counts *counts, struct buf *out)
{
    buf_printf(out, "\n%" PRIu64 " faults and %" PRIu64 " calls by %s, %" PRIu64 " lost",
               l ? l->faults : 0, l ? l->calls : 0, engine->name, engine->lost);
    if (counts->minor != UINT64_MAX)
        buf_printf(out, "; the kernel counted %" PRIu64 " minor and %" PRIu64 " major",
                   counts->minor, counts->major);
    else
        buf_puts(out, "; the kernel's own count is not known");
    buf_putc(out, '\n');
    table_usage(counts, out);
    if (engine->heat_faults)
        buf_printf(out, "%10" PRIu64 "  faults were only counted, %" PRIu64 " of them by page\n",
                   engine->heat_faults, l ? l->counted : 0);
    if (engine->blind[0])
        buf_printf(out, "not seen by %s: %s\n", engine->name, engine->blind);
    if (engine->why[0])
        buf_printf(out, "no better engine: %s\n", engine->why);
    for (unsigned p = 0; l && p < PATH_N; p++)
        for (unsigned h = 0; h < 3; h++) {
            const struct path_verdict v = {.path = (uint8_t)p, .how = (uint8_t)h, .sure = true};
            char path[64];
            path_text(&v, path, sizeof path);
            if (l->by_path[p][h])
                buf_printf(out, "%10" PRIu64 "  %s\n", l->by_path[p][h], path);
        }
    if (l && l->unsure)
        buf_printf(out, "%10" PRIu64 "  of them not sure: something was not known\n", l->unsure);
    table_evidence(l, engine, out);
    table_chains(engine, counts, out);
    if (counts->perf)
        table_counts(counts->perf, out);
}
