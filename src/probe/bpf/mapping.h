/* Reports mappings as the kernel has them: all of a program at its exec, and what a call has just
 * mapped of a file. So nobody has to read them later, when the process may have gone on or ended.
 * Included by events.bpf.c, behind what it uses of the ring. */
#ifndef VMSCOPE_PROBE_BPF_MAPPING_H
#define VMSCOPE_PROBE_BPF_MAPPING_H

#include <bpf/bpf_core_read.h>

struct qstr {
    const unsigned char *name;
} __attribute__((preserve_access_index));

struct hlist_bl_node {
    struct hlist_bl_node **pprev;
} __attribute__((preserve_access_index));

struct dentry {
    struct dentry *d_parent;
    struct qstr d_name;
    struct hlist_bl_node d_hash;
} __attribute__((preserve_access_index));

struct vfsmount {
    struct dentry *mnt_root;
    int mnt_flags;
} __attribute__((preserve_access_index));

struct mount {
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
    struct vfsmount mnt;
} __attribute__((preserve_access_index));

struct super_block {
    unsigned int s_dev;
    unsigned long s_magic;
    unsigned long s_iflags;
} __attribute__((preserve_access_index));

struct inode {
    unsigned short i_mode;
    unsigned int i_flags;
    unsigned long i_ino;
    long long i_size;
    struct super_block *i_sb;
} __attribute__((preserve_access_index));

struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
} __attribute__((preserve_access_index));

struct file_operations {
    void *mmap, *mmap_prepare;
} __attribute__((preserve_access_index));

struct file {
    unsigned int f_mode;
    const struct file_operations *f_op;
    struct inode *f_inode;
    struct path f_path;
} __attribute__((preserve_access_index));

typedef struct {
    void *vdso;
} __attribute__((preserve_access_index)) mm_context_t;

struct mm_struct {
    unsigned long start_brk, brk, start_stack;
    mm_context_t context;
} __attribute__((preserve_access_index));

struct vm_area_struct {
    unsigned long vm_start, vm_end, vm_flags, vm_pgoff;
    struct mm_struct *vm_mm;
    struct file *vm_file;
} __attribute__((preserve_access_index));

/* Since Linux 6.7. */
struct bpf_iter_task_vma {
    uint64_t opaque[1];
} __attribute__((aligned(8)));
extern int bpf_iter_task_vma_new(struct bpf_iter_task_vma *it, struct task_struct *task,
                                 uint64_t address) __weak __ksym;
extern struct vm_area_struct *bpf_iter_task_vma_next(struct bpf_iter_task_vma *it) __weak __ksym;
extern void bpf_iter_task_vma_destroy(struct bpf_iter_task_vma *it) __weak __ksym;

enum { PART_MAX = 64, PATH_PARTS = 24 };

/* Room for a path, and for one part more than fits. */
struct path_room {
    char text[WIRE_NAME + PART_MAX];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, uint32_t);
    __type(value, struct path_room);
} paths SEC(".maps");

/* On the way from a file up to the root. */
struct climb {
    struct dentry *d;
    struct mount *m;
    uint32_t at; /* bytes of parts so far */
    bool arrived;
};

static long climb_step(uint32_t i, struct climb *c)
{
    uint32_t zero = 0;
    struct path_room *room = bpf_map_lookup_elem(&paths, &zero);
    struct dentry *d = c->d, *up = BPF_CORE_READ(d, d_parent);
    struct mount *m = c->m;
    (void)i;
    if (!room)
        return 1;
    if (d == BPF_CORE_READ(m, mnt.mnt_root)) {
        struct mount *above = BPF_CORE_READ(m, mnt_parent);
        c->d = BPF_CORE_READ(m, mnt_mountpoint);
        c->m = above;
        if (above != m)
            return 0;
        c->arrived = true;
        return 1;
    }
    if (c->at > WIRE_NAME)
        return 1;
    long n = bpf_probe_read_kernel_str(room->text + c->at, PART_MAX, BPF_CORE_READ(d, d_name.name));
    if (n <= 1 || n >= PART_MAX)
        return 1;
    c->at += (uint32_t)n;
    c->d = up;
    if (d != up)
        return 0;
    c->arrived = true;
    return 1;
}

/* The parts of the path of a file, each with its NUL, the last one first. Their bytes; 0 if there
 * is no room for it. */
static __always_inline uint32_t path_parts(const struct path *path)
{
    struct climb c = {.d = BPF_CORE_READ(path, dentry)};
    c.m = (void *)BPF_CORE_READ(path, mnt) - bpf_core_field_offset(struct mount, mnt);
    bpf_loop(PATH_PARTS, climb_step, &c, 0);
    return c.arrived && c.at < WIRE_NAME + PART_MAX ? c.at : 0;
}

static __always_inline uint8_t special_of(const struct vm_area_struct *vma)
{
    const struct mm_struct *mm = vma->vm_mm;
    enum { PFNMAP = 0x400, IO = 0x4000 };
    if (vma->vm_start <= mm->start_stack && vma->vm_end >= mm->start_stack)
        return WIRE_STACK;
    if (vma->vm_start < mm->brk && vma->vm_end > mm->start_brk)
        return WIRE_HEAP;
    if (vma->vm_start == (unsigned long)mm->context.vdso)
        return WIRE_VDSO;
    return vma->vm_flags & (PFNMAP | IO) ? WIRE_VVAR : WIRE_PLAIN;
}

static __always_inline void put_text(uint64_t position, const struct path_room *room,
                                     uint32_t bytes)
{
    for (uint32_t i = 0; i < WIRE_NAME_SLOTS && i * 32 < bytes; i++) {
        struct wire_name *w = (void *)slot_at(position + i);
        if (!w)
            return;
        w->lap = 0;
        __builtin_memcpy(w->text, room->text + i * 32, 32);
    }
}

static __always_inline void report_mapping(uint64_t task, const struct vm_area_struct *vma,
                                           uint16_t flags)
{
    struct wire_cpu *cpu = this_cpu();
    const struct file *file = vma->vm_file;
    uint32_t bytes = 0, zero = 0;
    uint64_t position;
    struct path_room *room = bpf_map_lookup_elem(&paths, &zero);
    if (!room)
        return;
    if (file)
        bytes = path_parts(&file->f_path);
    if (!take(cpu, EVENT_MAPPING, WIRE_MAPPING_SLOTS + (bytes + 31) / 32, &position))
        return;
    struct wire *w = slot_at(position);
    struct wire_args *place = (void *)slot_at(position + 1), *of = (void *)slot_at(position + 2);
    if (!w || !place || !of)
        return;
    fill(w, cpu->now_ns, task, EVENT_MAPPING);
    w->detail = file ? WIRE_PLAIN : special_of(vma);
    w->flags = flags;
    w->a = vma->vm_start;
    w->b = vma->vm_end;
    place->lap = of->lap = 0;
    place->v[0] = vma->vm_flags;
    place->v[1] = vma->vm_pgoff << 12;
    place->v[2] = file ? file->f_inode->i_ino : 0;
    place->v[3] = file ? file->f_inode->i_sb->s_dev : 0;
    of->v[0] = file ? (uint64_t)file->f_inode->i_size : 0;
    of->v[1] = file ? file->f_inode->i_sb->s_magic : 0;
    of->v[2] = file ? file->f_inode->i_mode : 0;
    bool deleted = file && !BPF_CORE_READ(file, f_path.dentry, d_hash.pprev);
    of->v[3] = bytes | (deleted ? WIRE_DELETED : 0);
    put_text(position + WIRE_MAPPING_SLOTS, room, bytes);
    finish(w, position);
}

/* What has just been mapped at this address. */
static __always_inline void report_mapping_at(uint64_t id, struct task_struct *task,
                                              uint64_t address)
{
    struct bpf_iter_task_vma it;
    if (!bpf_iter_task_vma_new)
        return;
    bpf_iter_task_vma_new(&it, task, address);
    const struct vm_area_struct *vma = bpf_iter_task_vma_next(&it);
    if (vma)
        report_mapping(id, vma, 0);
    bpf_iter_task_vma_destroy(&it);
}

/* All mappings of a new program, and their end. Where they cannot be had, nothing is reported. */
static __always_inline void report_all_mappings(uint64_t id, struct task_struct *task)
{
    struct bpf_iter_task_vma it;
    const struct vm_area_struct *vma;
    uint64_t position;
    bool any = false;
    if (!bpf_iter_task_vma_new)
        return;
    bpf_iter_task_vma_new(&it, task, 0);
    while ((vma = bpf_iter_task_vma_next(&it))) {
        report_mapping(id, vma, WIRE_AT_EXEC);
        any = true;
    }
    bpf_iter_task_vma_destroy(&it);
    if (!any)
        return;
    struct wire_cpu *cpu = this_cpu();
    if (!take(cpu, EVENT_MAPPING, 1, &position))
        return;
    struct wire *w = slot_at(position);
    if (!w)
        return;
    fill(w, cpu->now_ns, id, EVENT_MAPPING);
    w->flags = WIRE_LAST;
    finish(w, position);
}

#endif
