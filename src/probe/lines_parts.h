/* Parts of lines.c: debug information by libdw, finding the file that holds it, and the maps of JIT
 * compilers. Private to lines*.c and their tests. */
#ifndef VMSCOPE_PROBE_LINES_PARTS_H
#define VMSCOPE_PROBE_LINES_PARTS_H

#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* What is used of libdw, which is loaded when it is first needed; the headers give the types. */
struct dw {
    __typeof__(dwarf_begin_elf) *begin_elf;
    __typeof__(dwarf_end) *end;
    __typeof__(dwarf_get_units) *get_units;
    __typeof__(dwarf_ranges) *ranges;
    __typeof__(dwarf_getsrc_die) *getsrc_die;
    __typeof__(dwarf_lineno) *lineno;
    __typeof__(dwarf_linesrc) *linesrc;
    __typeof__(dwelf_elf_gnu_build_id) *build_id;
    __typeof__(dwelf_elf_gnu_debuglink) *debuglink;
};
/* NULL with *why set when it is not installed. */
const struct dw *dw_load(const char **why);

/* The line tables of one file. */
struct debug_lines;
/* Takes fd over, whatever comes of it. 0, or negative errno with *why set: -ENODATA when the file
 * holds no debug information. The file must be one that object_read accepts. */
int debug_lines_open(const struct dw *dw, int fd, struct debug_lines **out, const char **why);
void debug_lines_close(struct debug_lines *d); /* NULL is fine */
size_t debug_lines_bytes(const struct debug_lines *d);
/* The line of an address as linked; *file is good until close. */
bool debug_lines_find(struct debug_lines *d, uint64_t address, const char **file, int *line);

/* Opens the file with the debug information of another, which is open as fd and mapped under this
 * name. A descriptor, or negative errno. */
int debug_file_open(const struct dw *dw, int process_fd, int fd, const char *name);

/* The symbols of a JIT compiler. */
struct jit_map;
/* Parses lines such as "7f3a40000000 1c0 LazyCompile:~add t.js:1"; those that make no sense are
 * left out. Of two with one address the later is right. 0 or -ENOMEM. */
int jit_map_parse(const char *bytes, size_t len, struct jit_map **out);
void jit_map_destroy(struct jit_map *m); /* NULL is fine */
/* "name+0x1c", escaped; "" if there is none. */
void jit_map_symbol(const struct jit_map *m, uint64_t address, char *out, size_t cap);
/* Reads /tmp/perf-PID.map of a process if *seen is not what it is already; -ENOENT when there is
 * none that may be trusted, -EALREADY when it has not changed. */
int jit_map_read(int process_fd, int pid, struct stat *seen, struct jit_map **out);

#endif
