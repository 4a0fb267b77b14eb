"""The kernel's own answers about a process, read and decoded here and nowhere else: what vmscope
says is compared with this. Nothing is shared with vmscope on purpose."""
import array
import ctypes
import os
import re
from dataclasses import dataclass, field

PAGE = os.sysconf("SC_PAGESIZE")

PM_EXCLUSIVE, PM_UFFD_WP, PM_GUARD = 1 << 56, 1 << 57, 1 << 58
PM_FILE, PM_SWAP, PM_PRESENT = 1 << 61, 1 << 62, 1 << 63
PM_FRAME = (1 << 55) - 1
SWAP_TYPE_MARKER = 31

KPF = dict(referenced=2, dirty=4, active=6, writeback=8, mmap=11, anon=12, swapcache=13,
           swapbacked=14, head=15, tail=16, huge=17, unevictable=18, nopage=20, ksm=21, thp=22,
           zero_page=24, mlocked=33, owner_2=34)


def kpf(flags, name):
    return bool(flags >> KPF[name] & 1)


@dataclass
class Region:
    start: int
    end: int
    perms: str
    offset: int
    dev: str
    inode: int
    name: bytes
    fields: dict = field(default_factory=dict)   # smaps, bytes
    vmflags: list = field(default_factory=list)

    @property
    def pages(self):
        return (self.end - self.start) // PAGE

    @property
    def label(self):
        return f"{self.start:x}-{self.end:x} {self.perms} {self.name.decode(errors='replace')}"

    def smaps(self, *names):
        return sum(self.fields.get(n, 0) for n in names)

    @property
    def shmem(self):
        """Shared memory by its name or its device; hugetlb is not."""
        if "ht" in self.vmflags or not self.inode:
            return False
        return self.name == b"/dev/zero (deleted)" or self.name.startswith(
            (b"/memfd:", b"/SYSV", b"/dev/shm/"))


HEADER = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+)"
                    rb"(?: +(.*))?\Z", re.DOTALL)
FIELD = re.compile(rb"(\w+): +(\d+) kB\Z")


def read_bytes(path):
    with open(path, "rb") as f:
        return f.read()


def parse_regions(text):
    regions = []
    for line in text.split(b"\n"):
        header = HEADER.match(line)
        if header:
            start, end, perms, offset, dev, inode, _ = header.groups()
            # The name begins at a fixed column or after one blank, whichever is later.
            name = line[73:] if header.group(7) is not None else b""
            if header.group(7) is not None and not line[:73].endswith(b" "):
                name = header.group(7)
            regions.append(Region(int(start, 16), int(end, 16), perms.decode(), int(offset, 16),
                                  dev.decode(), int(inode), name))
            continue
        value = FIELD.match(line)
        if value:
            regions[-1].fields[value.group(1).decode()] = int(value.group(2)) * 1024
        elif line.startswith(b"VmFlags:"):
            regions[-1].vmflags = line[8:].decode().split()
    return regions


def smaps(pid):
    return parse_regions(read_bytes(f"/proc/{pid}/smaps"))


def maps(pid):
    return parse_regions(read_bytes(f"/proc/{pid}/maps"))


def rollup(pid):
    return parse_regions(read_bytes(f"/proc/{pid}/smaps_rollup"))[0].fields


def status(pid):
    out = {}
    for line in read_bytes(f"/proc/{pid}/status").decode(errors="replace").splitlines():
        key, _, value = line.partition(":")
        out[key] = value.strip()
    return out


def stat(pid):
    """Fields of /proc/PID/stat, numbered as in proc(5): stat(pid)[3] is the state."""
    text = read_bytes(f"/proc/{pid}/stat").decode(errors="replace")
    head, _, tail = text.rpartition(")")
    return [None] + [head.partition(" ")[0], head.partition("(")[2]] + tail.split()


class Entries:
    """pagemap of one process, in pieces; long stretches of zeros come out cheaply."""
    CHUNK = 1 << 21

    def __init__(self, pid):
        self.fd = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)

    def close(self):
        os.close(self.fd)

    def pieces(self, start, end):
        """Yields (address, array of entries), or (address, count) for pages that are all 0, or
        (address, None) where the kernel tells nothing."""
        page, last = start // PAGE, end // PAGE
        while page < last:
            want = min(self.CHUNK, last - page)
            data = os.pread(self.fd, want * 8, page * 8) if page < 1 << 60 else b""
            if not data:
                yield page * PAGE, None
                return
            n = len(data) // 8
            if data.count(0) == len(data):
                yield page * PAGE, n
            else:
                yield page * PAGE, array.array("Q", data[:n * 8])
            page += n


class Frames:
    """kpageflags and kpagecount, each with a window of the last read."""
    WINDOW = 512

    def __init__(self):
        self.files = {n: os.open(f"/proc/{n}", os.O_RDONLY) for n in ("kpageflags", "kpagecount")}
        self.cache = {}

    def close(self):
        for fd in self.files.values():
            os.close(fd)

    def _get(self, name, frame):
        base = frame // self.WINDOW
        window = self.cache.get((name, base))
        if window is None:
            data = os.pread(self.files[name], self.WINDOW * 8, base * self.WINDOW * 8)
            window = self.cache[(name, base)] = array.array("Q", data)
        at = frame - base * self.WINDOW
        return window[at] if at < len(window) else 0

    def flags(self, frame):
        return self._get("kpageflags", frame)

    def count(self, frame):
        return self._get("kpagecount", frame)

    def order(self, frame):
        """The order of the folio that holds this frame, from its head and its tails."""
        if not (kpf(self.flags(frame), "head") or kpf(self.flags(frame), "tail")):
            return 0
        head = frame
        while not kpf(self.flags(head), "head"):
            head -= 1
        n = 1
        while kpf(self.flags(head + n), "tail"):
            n += 1
        return n.bit_length() - 1 if n & (n - 1) == 0 else None


class CachestatRange(ctypes.Structure):
    _fields_ = [("off", ctypes.c_uint64), ("len", ctypes.c_uint64)]


def shmem_in_swap(pid, region, index):
    """True when page `index` of a mapping of shared memory is in swap: cachestat(2) on the mapped
    file calls that evicted. None when it cannot be asked."""
    try:
        fd = os.open(f"/proc/{pid}/map_files/{region.start:x}-{region.end:x}", os.O_RDONLY)
    except OSError:
        return None
    try:
        where = CachestatRange(region.offset + index * PAGE, PAGE)
        out = (ctypes.c_uint64 * 5)()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(ctypes.c_long(451), ctypes.c_int(fd), ctypes.byref(where), out, 0) != 0:
            return None
        return out[3] > 0
    finally:
        os.close(fd)


@dataclass(frozen=True)
class PageFacts:
    """What the raw bits of one present page say; n pages of these follow one another."""
    state: str
    frame: int = None        # of the first page
    exclusive: bool = False
    uffd_wp: bool = False
    flags: int = 0
    count: int = None
    swap: tuple = None


def decode_present(entry, frames):
    frame = entry & PM_FRAME
    exclusive, wp = bool(entry & PM_EXCLUSIVE), bool(entry & PM_UFFD_WP)
    if not frame:
        return PageFacts("present", None, exclusive, wp)
    flags, count = frames.flags(frame), frames.count(frame)
    if kpf(flags, "nopage"):
        state = "device"
    elif kpf(flags, "zero_page"):
        state = "huge-zero" if kpf(flags, "thp") else "zero"
    elif kpf(flags, "ksm"):
        state = "ksm"
    elif kpf(flags, "huge"):
        state = "hugetlb"
    elif kpf(flags, "anon"):
        state = "anon-exclusive" if exclusive else "anon-shared"
    else:
        state = "shmem" if kpf(flags, "swapbacked") else "file"
    return PageFacts(state, frame, exclusive, wp, flags, count)


def decode_entry(entry, frames):
    if entry & PM_GUARD:
        return PageFacts("guard")
    if entry & PM_PRESENT:
        return decode_present(entry, frames)
    wp = bool(entry & PM_UFFD_WP)
    if entry & PM_SWAP:
        if entry & 31 == SWAP_TYPE_MARKER:
            return PageFacts("absent", uffd_wp=wp)
        return PageFacts("swapped", uffd_wp=wp, swap=(entry & 31, (entry & PM_FRAME) >> 5))
    return PageFacts("absent", uffd_wp=wp)


def empty_state(region):
    if "pf" in region.vmflags:
        return "device"  # the walk of pagemap leaves these out
    return "absent"


def pages_of(pid, region, entries, frames):
    """The region as a list of (first page index, n, PageFacts); n > 1 only for pages without a
    frame that are alike."""
    out = []

    def add(index, n, facts):
        if out and facts.frame is None and out[-1][2] == facts and sum(out[-1][:2]) == index:
            out[-1] = (out[-1][0], out[-1][1] + n, facts)
        else:
            out.append((index, n, facts))

    swap_below = region.shmem and region.smaps("Swap") > 0
    empty = PageFacts(empty_state(region))
    for address, piece in entries.pieces(region.start, region.end):
        index = (address - region.start) // PAGE
        if piece is None:
            add(index, region.pages - index, PageFacts("unknown"))
        elif isinstance(piece, int) and not swap_below:
            add(index, piece, empty)
        else:
            values = [0] * piece if isinstance(piece, int) else piece
            for i, entry in enumerate(values, index):
                if entry:
                    add(i, 1, decode_entry(entry, frames))
                elif swap_below and shmem_in_swap(pid, region, i):
                    add(i, 1, PageFacts("shmem-swapped"))
                else:
                    add(i, 1, empty)
    return out


STATES_PRESENT = {"anon-exclusive", "anon-shared", "file", "shmem", "zero", "huge-zero", "ksm",
                  "hugetlb", "present"}
STATES_RSS = {"anon-exclusive", "anon-shared", "file", "shmem", "ksm", "present"}
STATES_ANON = {"anon-exclusive", "anon-shared", "ksm"}
