#!/usr/bin/env python3
"""What stands behind mappings: the page cache against fincore(1) and against the faults that the
target then has; KSM and locks against smaps.

unprivileged: yes
"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib import kernel
from lib.compare import before_colon, in_every, vmscope
from lib.tap import Skip, Tap, end_by_exception, need_program
from lib.target import Target, VMSCOPE

PAGE = 4096
PAGES = 2048
UNIT = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

# Maps its argument, touches pages 100 to 103, and then one page for each line of its input, of which
# it prints the faults, minor and major.
TOUCHER = """
import mmap, resource, sys
f = open(sys.argv[1], "rb")
m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
m.madvise(mmap.MADV_RANDOM)
for i in range(100, 104):
    m[i * 4096]
print("ready", flush=True)
for line in sys.stdin:
    at = int(line) * 4096
    a = resource.getrusage(resource.RUSAGE_SELF)
    m[at]
    b = resource.getrusage(resource.RUSAGE_SELF)
    print(b.ru_minflt - a.ru_minflt, b.ru_majflt - a.ru_majflt, flush=True)
"""


def screen(pid, keys):
    status, out, err = vmscope("attach", "--screen", "140x50", "--keys", keys, pid)
    if status or err:
        raise RuntimeError(f"status {status}: {err}")
    return out.decode()


def view(pid, name, before="<Wait>"):
    keys = before
    for _ in range(20):
        frame = screen(pid, keys + "<Wait><Wait>")
        if re.search(rf"\b{name}\b.*\[live\]", frame.split("\n")[0]):
            return frame
        keys += "<Tab>"
    raise RuntimeError(f"no view {name}")


class CachedFile:
    """A file of PAGES pages of which none is in memory, on a file system that has a disk."""

    def __enter__(self):
        self.file = tempfile.NamedTemporaryFile(dir=os.environ.get("TMPDIR", "/var/tmp"))
        self.file.write(os.urandom(PAGES * PAGE))
        self.file.flush()
        os.fsync(self.file.fileno())
        os.posix_fadvise(self.file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        os.posix_fadvise(self.file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self.target = Target([sys.executable, "-c", TOUCHER, self.file.name], stdin=subprocess.PIPE)
        self.target.wait_line(b"ready")
        return self

    def __exit__(self, *unused):
        self.target.end()
        self.file.close()

    def region(self):
        ino = os.fstat(self.file.fileno()).st_ino
        return next(r for r in kernel.maps(self.target.pid) if r.inode == ino)

    def cached(self):
        """Pages in memory, as mincore(2) of a mapping of our own says by fincore(1)."""
        out = subprocess.run(["fincore", "-n", "-b", "-o", "PAGES", self.file.name], check=True,
                             capture_output=True, text=True).stdout
        return int(out)

    def touch(self, page):
        self.target.process.stdin.write(f"{page}\n".encode())
        self.target.process.stdin.flush()
        return tuple(int(n) for n in self.target.line().split())


def row_of(frame, start):
    found = re.search(rf"^[> ] {start:x} +(.*)$", frame, re.M)
    return found[1].split() if found else None


def number(text):
    return float(text[:-1]) * UNIT[text[-1]] if text[-1].isalpha() else float(text)


def page_cache():
    with CachedFile() as f:
        # Read by read(2), so in memory but mapped by nobody.
        os.pread(f.file.fileno(), PAGE, 500 * PAGE)
        f.target.stop()
        wanted, start = f.cached(), f.region().start
        if wanted > PAGES // 2:
            raise Skip("the file system keeps the file in memory")
        row = row_of(view(f.target.pid, "backing"), start)
    if not row:
        return ["the mapping is not listed"]
    size, here, cached = (number(n) if n != "." else 0 for n in row[:3])
    bad = []
    if size != PAGES * PAGE or cached != wanted * PAGE:
        bad.append(f"{row}: fincore says {wanted} pages")
    if here < 4 * PAGE or here > cached:
        bad.append(f"{row}: 4 pages were touched")
    return bad


def first_access():
    """The page view foretells a minor or a major fault, and so it comes."""
    with CachedFile() as f:
        os.pread(f.file.fileno(), PAGE, 500 * PAGE)
        start = f.region().start
        if f.cached() > PAGES // 2:
            raise Skip("the file system keeps the file in memory")
        bad = []
        for page, word in ((500, "minor"), (1500, "major")):
            frame = screen(f.target.pid, f"/{start + page * PAGE:#x}<Enter>3<Wait><Wait>")
            said = re.search(r"the first access .*?(minor|major) fault", frame)
            if not said or said[1] != word:
                bad.append(f"page {page}: {said and said[0]}")
            minor, major = f.touch(page)
            if (major > 0) != (word == "major") or minor + major == 0:
                bad.append(f"page {page}: {minor} minor, {major} major faults came")
        return bad


def unprivileged():
    """The cache of one's own file may be asked; of a file of the system it may not."""
    with CachedFile() as f:
        start = f.region().start
        f.target.stop()
        frame = view(f.target.pid, "backing")
        row = row_of(frame, start)
    libc = [line for line in frame.splitlines() if "libc.so" in line]
    if not row or not libc:
        return [f"rows missing: {frame[:300]}"]
    return [] if "not known" in frame else ["it does not say what is not known"]


def main():
    tap = Tap()
    end_by_exception()
    need_program(VMSCOPE)
    if os.geteuid():
        tap.run("unprivileged: what cannot be asked is said", unprivileged)
        return tap.finish()
    # Memory that others need may take a file's pages at any moment.
    for title, test in (("pages in memory but not mapped, as fincore counts them", page_cache),
                        ("minor or major: foretold, and so it comes", first_access)):
        tap.run(title, lambda test=test: in_every(test, before_colon, 6))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
