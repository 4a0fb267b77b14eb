/* The mappings of one address space as a list that can be edited: region tables are immutable and
 * copying one of 40,000 regions for each mmap would be slow. Sorted, in chunks, so that an edit
 * moves one chunk at most. Private to spaces. */
#ifndef VMSCOPE_MODEL_SPACES_VMAS_H
#define VMSCOPE_MODEL_SPACES_VMAS_H

#include "model/region.h"

/* What events say of a mapping that a sample's table has no field for. */
enum vma_mark {
    VMA_BACKING = 1 << 0, /* of a descriptor: what it refers to is not known before a sample */
    VMA_MERGED = 1 << 1,  /* made of neighbours that the kernel may still keep apart */
    VMA_WROTE = 1 << 2,   /* an anonymous page was made in it: fork copies its page table */
    VMA_NEW = 1 << 3,     /* made by a call that was seen, all of it known since */
};

struct vma {
    struct region r;  /* its smaps is not used; name points into the base table or is a literal */
    uint64_t vmflags; /* as in region_smaps */
    uint64_t known;   /* which of vmflags are known */
    unsigned marks;   /* enum vma_mark */
};

struct vmas;

/* A place in the list: a vma, or the end. Valid until the next edit. */
struct vma_pos {
    size_t chunk;
    unsigned index;
};

/* The regions of a table, whose names stay borrowed: a reference is kept. `flags_of` says what is
 * known of the flags of each. NULL when out of memory. */
typedef void vmas_flags_fn(void *ctx, const struct region *r, struct vma *v);
struct vmas *vmas_from(struct region_table *base, vmas_flags_fn *flags_of, void *ctx);
struct vmas *vmas_ref(struct vmas *v);
void vmas_unref(struct vmas *v); /* NULL is fine */
/* A list of its own for who holds *v: a copy if others hold it too. 0 or -ENOMEM. */
int vmas_own(struct vmas **v);

/* The first vma that ends above address; vmas_at gives NULL past the last. */
struct vma_pos vmas_seek(const struct vmas *v, uint64_t address);
struct vma *vmas_at(const struct vmas *v, struct vma_pos pos);
struct vma_pos vmas_next(const struct vmas *v, struct vma_pos pos);

/* Editing; each returns 0 or -ENOMEM. */
int vmas_cut(struct vmas *v, uint64_t start, uint64_t end);     /* unmaps the range */
int vmas_add(struct vmas *v, const struct vma *vma);            /* its range must be free */
int vmas_split(struct vmas *v, uint64_t address);               /* a boundary there */
void vmas_merge(struct vmas *v, uint64_t start, uint64_t end);  /* joins equal neighbours */

size_t vmas_count(const struct vmas *v);
/* The list as a table with one reference, or NULL. */
struct region_table *vmas_table(const struct vmas *v);

#endif
