/* Which names exist at a place in a script, as far as its text alone tells: processes, files, and
 * in each process mappings and descriptors. A child begins with those of its parent. */
#ifndef VMSCOPE_SCENARIO_NAMES_H
#define VMSCOPE_SCENARIO_NAMES_H

#include "scenario/script.h"

/* Where a name stands in the text. */
struct name_place {
    struct place at;
    unsigned length;
};

/* Of the statement that is being parsed. */
struct name_places {
    struct name_place process, name, other, fd, target, second;
};

enum symbol_kind { SYMBOL_MAPPING, SYMBOL_FD, SYMBOL_HEAP /* from malloc */ };

struct symbol {
    char name[NAME_MAX_BYTES + 1];
    enum symbol_kind kind;
    uint64_t pages, page_size; /* of a mapping; 0: not known */
    bool unbounded;     /* pages outside are allowed: it grows, or its size is not told */
    size_t file;        /* of a descriptor: which file of the script, from 1; 0: none */
    unsigned line;      /* of its statement */
};

struct name_process {
    char name[NAME_MAX_BYTES + 1];
    unsigned ended;     /* the line that ended it, or 0 */
    bool exited;        /* by `exit`, and nobody has waited for it */
    struct symbol *v;   /* owned */
    size_t count, capacity;
};

struct name_file {
    char name[NAME_MAX_BYTES + 1];
    uint8_t kind;       /* enum file_kind */
    uint64_t size;
};

struct names {
    struct name_process *processes; /* owned; "main" is the first */
    size_t process_count, process_capacity;
    struct name_file *files;        /* owned */
    size_t file_count, file_capacity;

    /* The last statement made or changed this one: undone if an error is expected of it. */
    size_t changed_process;
    struct symbol changed_before; /* name "": it was not there */
    char changed[NAME_MAX_BYTES + 1]; /* "": nothing */
    size_t changed_file;              /* or the size of this file, from 1; 0: none */
    uint64_t size_before;
};

/* 0 or -ENOMEM. */
int names_init(struct names *n);
void names_deinit(struct names *n);

bool names_has_mapping(const struct names *n, const char *process, const char *name);

/* Checks the names that a statement uses and adds those that it makes. 0, -ENOMEM, or -EINVAL with
 * *e set. */
int names_statement(struct names *n, const struct statement *st, const struct name_places *at,
                    struct script_error *e);

#endif
