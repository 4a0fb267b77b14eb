/* What an ELF file says about the bytes that it holds: sections and symbols by file offset. The
 * file is foreign and may be damaged or hostile: it is read with pread (never mapped, or truncating
 * it would kill us), sizes are bounded, and what makes no sense is left out. */
#ifndef VMSCOPE_PROBE_OBJECT_H
#define VMSCOPE_PROBE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct object; /* holds no descriptor */

/* Looks at the header only: 0 if libelf may be let at the file, or -ENOEXEC with *why set. */
int object_check(int fd, const char **why);

/* Reads the tables of an open file; fd stays the caller's. 0, -ENOMEM, or -ENOEXEC with *why set to
 * a static sentence. */
int object_read(int fd, struct object **out, const char **why);

/* The same of an image in memory, which is only needed during the call. */
int object_read_image(const char *image, size_t size, struct object **out, const char **why);

void object_destroy(struct object *o); /* NULL is fine */

size_t object_bytes(const struct object *o); /* heap that it holds */
bool object_has_symbols(const struct object *o);

/* The address, as linked, of a byte of the file that is mapped with these REGION_R|W|X permissions.
 * Where two segments share a file page, the one with these permissions. False: in no segment. */
bool object_address(const struct object *o, uint64_t file_offset, unsigned perms, uint64_t *out);

/* The section that holds an address, or else the first that begins in the `len` bytes from it;
 * escaped, "" if there is none. */
void object_section(const struct object *o, uint64_t address, uint64_t len, char *out, size_t cap);

/* The symbol that holds an address, "main+0x1c", or else the first that begins in the `len` bytes
 * from it, "main at +0x40"; escaped, "" if there is none. */
void object_symbol(const struct object *o, uint64_t address, uint64_t len, char *out, size_t cap);

#endif
