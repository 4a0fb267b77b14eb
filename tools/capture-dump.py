#!/usr/bin/env python3
"""Captures what /proc says about a process as a dump in text form (see tests/dumps/expand).

usage: tools/capture-dump.py PID DIR       best as root, and with the process stopped

What tells about this machine is taken out: paths below home and temporary directories lose all but
their last part, the owner becomes user 1000, device and inode numbers and frame numbers are counted
anew (frames that are neighbours stay so). The pages of a process that runs on may change meanwhile.
"""
import os
import re
import struct
import sys

PAGE = 4096
BITS = {55: "soft-dirty", 56: "exclusive", 57: "uffd-wp", 58: "guard", 61: "file", 63: "present"}
FLAGS = ("locked error referenced uptodate dirty lru active slab writeback reclaim buddy mmap anon "
         "swapcache swapbacked compound_head compound_tail huge unevictable hwpoison nopage ksm "
         "thp offline zero_page idle pgtable").split()
HIGH = {32: "reserved", 33: "mlocked", 34: "owner_2", 35: "private", 36: "private_2"}
NAMES = {**dict(enumerate(FLAGS)), **HIGH}
NOISE = ("referenced", "active", "idle", "private", "private_2", "reclaim")  # differ every time
PUBLIC = ("/usr/", "/lib", "/bin/", "/sbin/", "/etc/", "/dev/", "/memfd:", "/SYSV", "/anon_hugepage")


class Counter:
    """Gives things numbers in the order of their appearance."""

    def __init__(self, first):
        self.seen, self.next = {}, first

    def __call__(self, thing):
        if thing not in self.seen:
            self.seen[thing] = self.next
            self.next += 1
        return self.seen[thing]


def read(path):
    with open(path, "rb") as f:
        return f.read()


def anonymous_path(name):
    text = name.decode(errors="surrogateescape")
    if text.startswith("/") and not text.startswith(PUBLIC):
        text = "/home/user/" + text.rsplit("/", 1)[1]
    return text.encode(errors="surrogateescape")


def clean_maps(text, inodes, devices):
    out = []
    for line in text.split(b"\n"):
        m = re.match(rb"([0-9a-f]+-[0-9a-f]+ \S{4} [0-9a-f]+) (\S+) (\d+)( *)(.*)$", line)
        if m:
            device, inode = m[2], m[3]
            if inode != b"0" and m[5].startswith((b"/usr/", b"/home/")):
                inode = b"%d" % inodes((device, inode))
                device = b"fe:%02x" % devices(device)
            line = b"%s %s %s" % (m[1], device, inode)
            name = anonymous_path(m[5])
            line = line.ljust(73) + name if name else line + b" "
        out.append(line)
    return b"\n".join(out)


def regions(maps):
    for line in maps.split(b"\n"):
        m = re.match(rb"([0-9a-f]+)-([0-9a-f]+) ", line)
        if m and int(m[1], 16) < 1 << 47:
            yield int(m[1], 16) // PAGE, int(m[2], 16) // PAGE


def entries(pid, maps):
    """[(page, entry)] of all that is not zero."""
    found = []
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as f:
        for first, end in regions(maps):
            while first < end:
                data = os.pread(f.fileno(), min(end - first, 65536) * 8, first * 8)
                values = struct.unpack(f"<{len(data) // 8}Q", data)
                found += [(first + i, v) for i, v in enumerate(values) if v]
                first += len(values) or end
    return found


def renumber(frames):
    """Old frame number to new, ascending; a gap of any size becomes a gap of one."""
    new, at, last = {}, 0x1000, None
    for pfn in sorted(frames):
        at += 1 if last is not None and pfn == last + 1 else 2
        new[pfn], last = at, pfn
    return new


def runs(items, follows):
    """Joins (index, value) pairs to (index, count, value)."""
    out = []
    for index, value in items:
        if out and index == out[-1][0] + out[-1][1] and follows(out[-1][2], out[-1][1], value):
            out[-1][1] += 1
        else:
            out.append([index, 1, value])
    return out


def entry_words(value):
    words = [name for bit, name in BITS.items() if value >> bit & 1]
    low = value & ((1 << 55) - 1)
    if value >> 63:
        words.append(f"pfn={low:x}")
    elif value >> 58 & 1:
        words = ["guard"]
    elif value >> 62 & 1:
        words.append(f"swap={low & 31:x}:{low >> 5:x}")
    return " ".join(words)


def flag_words(value):
    names = [NAMES.get(bit, hex(1 << bit)) for bit in range(64) if value >> bit & 1]
    return " ".join(n for n in names if n not in NOISE and not n.startswith("0x"))


def save(path, text):
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())


def frame_file(name, frames):
    with open(f"/proc/{name}", "rb", buffering=0) as f:
        return {pfn: struct.unpack("<Q", os.pread(f.fileno(), 8, pfn * 8))[0] for pfn in frames}


def save_frames(out, new):
    words = {pfn: flag_words(v) for pfn, v in frame_file("kpageflags", new).items()}
    counts = frame_file("kpagecount", new)
    for name, values in (("kpageflags", words), ("kpagecount", counts)):
        joined = runs([(new[pfn], values[pfn]) for pfn in sorted(new)], lambda a, n, b: a == b)
        save(f"{out}/{name}.txt", "".join(f"{i:x} {n} {v}\n" for i, n, v in joined))


def save_pages(pid, maps, out):
    try:
        pages = entries(pid, maps)
    except PermissionError:
        save(f"{out}/pagemap.txt", "none\n")
        return
    mask = (1 << 55) - 1
    new = renumber({v & mask for _, v in pages if v >> 63 and v & mask})
    pages = [(p, v & ~mask | new.get(v & mask, 0) if v >> 63 else v) for p, v in pages]
    step = lambda a, n, b: b == (a + n if a >> 63 and a & mask else a + 32 * n
                                 if a >> 62 & 1 and not a >> 58 & 1 else a)
    save(f"{out}/pagemap.txt", "".join(f"{p * PAGE:x} {n} {entry_words(v)}\n"
                                       for p, n, v in runs(pages, step)))
    if new and os.access("/proc/kpageflags", os.R_OK):
        save_frames(out, new)


def save_status(pid, out):
    status = read(f"/proc/{pid}/status")
    status = re.sub(rb"(?m)^(Uid|Gid):.*$", rb"\1:\t1000\t1000\t1000\t1000", status)
    status = re.sub(rb"(?m)^(Groups):.*$", rb"\1:\t1000", status)
    keep = re.findall(rb"(?m)^(?:Name|Umask|State|Tgid|Pid|PPid|Uid|Gid|Groups|Kthread|Vm\w+|Rss\w+"
                      rb"|Hugetlb\w+|Threads|CoreDumping|THP_enabled):.*\n", status)
    save(f"{out}/status", b"".join(keep))
    save(f"{out}/stat", read(f"/proc/{pid}/stat"))


def main(argv):
    if len(argv) != 2 or not argv[0].isdigit():
        print(__doc__, file=sys.stderr)
        return 2
    pid, out = int(argv[0]), argv[1]
    os.makedirs(out, exist_ok=True)
    inodes, devices = Counter(100), Counter(0)
    raw = read(f"/proc/{pid}/maps")
    save(f"{out}/maps", clean_maps(raw, inodes, devices))
    save(f"{out}/smaps", clean_maps(read(f"/proc/{pid}/smaps"), inodes, devices))
    save_status(pid, out)
    save_pages(pid, raw, out)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except OSError as error:
        print(f"capture-dump: {error}", file=sys.stderr)
        sys.exit(1)
