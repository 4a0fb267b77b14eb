/* What the descriptor of a failed mmap is, from the file behind it, in the same moment: what any of its
 * threads does with it later does not matter. Included by events.bpf.c behind mapping.h. */
#ifndef VMSCOPE_PROBE_BPF_DESCRIPTOR_H
#define VMSCOPE_PROBE_BPF_DESCRIPTOR_H

struct fdtable {
    unsigned int max_fds;
    struct file **fd;
} __attribute__((preserve_access_index));

struct files_struct {
    struct fdtable *fdt;
} __attribute__((preserve_access_index));

struct shmem_inode_info {
    unsigned int seals;
    struct inode vfs_inode;
} __attribute__((preserve_access_index));

/* Of linux/fs.h and linux/mount.h, which are not for user space. */
enum {
    MODE_READ = 1, MODE_WRITE = 2, MODE_PATH = 0x4000, INODE_APPEND = 4, INODE_SWAPFILE = 0x100,
    MOUNT_NOEXEC = 4, SUPER_NOEXEC = 2, SEAL_WRITE = 8, SEAL_FUTURE_WRITE = 16,
};
enum { MAGIC_SHMEM = 0x01021994, MAGIC_HUGETLB = 0x958458f6 };

static __always_inline uint16_t inode_facts(const struct inode *inode)
{
    uint64_t magic = BPF_CORE_READ(inode, i_sb, s_magic);
    uint32_t flags = BPF_CORE_READ(inode, i_flags), seals = 0;
    uint16_t is = 0;
    if (magic == MAGIC_SHMEM && bpf_core_field_exists(((struct shmem_inode_info *)0)->seals)) {
        const struct shmem_inode_info *info =
            (const void *)inode - bpf_core_field_offset(struct shmem_inode_info, vfs_inode);
        seals = BPF_CORE_READ(info, seals);
    }
    is |= flags & INODE_APPEND ? CALL_FILE_APPEND_ONLY : 0;
    is |= flags & INODE_SWAPFILE ? CALL_FILE_SWAP : 0;
    is |= magic == MAGIC_HUGETLB ? CALL_FILE_HUGETLB : 0;
    is |= seals & (SEAL_WRITE | SEAL_FUTURE_WRITE) ? CALL_FILE_SEALED : 0;
    return is;
}

static __always_inline bool is_mappable(const struct file_operations *op)
{
    if (BPF_CORE_READ(op, mmap))
        return true;
    return bpf_core_field_exists(op->mmap_prepare) && BPF_CORE_READ(op, mmap_prepare);
}

/* As flags of its record. */
static __always_inline uint16_t file_facts(const struct task_struct *task, uint32_t number)
{
    const struct fdtable *table = BPF_CORE_READ(task, files, fdt);
    struct file *file = NULL;
    if (!table)
        return 0;
    if (number < BPF_CORE_READ(table, max_fds) &&
        bpf_probe_read_kernel(&file, sizeof file, BPF_CORE_READ(table, fd) + number))
        return 0;
    uint32_t mode = file ? BPF_CORE_READ(file, f_mode) : MODE_PATH;
    if (mode & MODE_PATH)
        return WIRE_FILE;
    uint16_t is = CALL_FILE_OPEN | inode_facts(BPF_CORE_READ(file, f_inode));
    is |= mode & MODE_READ ? CALL_FILE_READABLE : 0;
    is |= mode & MODE_WRITE ? CALL_FILE_WRITABLE : 0;
    is |= is_mappable(BPF_CORE_READ(file, f_op)) ? CALL_FILE_MAPPABLE : 0;
    if (BPF_CORE_READ(file, f_path.mnt, mnt_flags) & MOUNT_NOEXEC ||
        BPF_CORE_READ(file, f_inode, i_sb, s_iflags) & SUPER_NOEXEC)
        is |= CALL_FILE_NOEXEC;
    return WIRE_FILE | is << WIRE_FILE_SHIFT;
}

#endif
