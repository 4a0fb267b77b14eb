"""The settings of the machine that scenarios change, as they are while nobody changes them."""
import fcntl
import glob
import os
import re

LOCK = "/run/lock/vmscope-machine.lock"
THP = "/sys/kernel/mm/transparent_hugepage"
SETTINGS = ["/proc/sys/vm/nr_hugepages", "/proc/sys/vm/nr_overcommit_hugepages",
            *sorted(f"/sys/kernel/mm/ksm/{name}" for name in
                    ("run", "pages_to_scan", "sleep_millisecs", "use_zero_pages")),
            *sorted(path for path in glob.glob(f"{THP}/**/*", recursive=True)
                    if re.search(r"(enabled|defrag|use_zero_page|max_ptes_\w+|_to_scan)$", path)),
            *sorted(glob.glob("/sys/block/zram*/disksize"))]


def text_of(path):
    """What a file holds; "" when it is not there."""
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


class Locked:
    """While this is held, nobody who keeps the rules changes the machine; to get it is to wait for
    the end of who does, and of putting back."""

    def __enter__(self):
        os.makedirs(os.path.dirname(LOCK), mode=0o1777, exist_ok=True)
        self.file = open(LOCK, "a", encoding="ascii")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *unused):
        self.file.close()


def snapshot():
    settings = {path: text_of(path) for path in SETTINGS}
    settings["/proc/swaps"] = [line.split()[0] for line in text_of("/proc/swaps").splitlines()[1:]]
    return settings


def locked_snapshot():
    """Only for root: the lock is root's."""
    with Locked():
        return snapshot()


def differences(before, after):
    return [f"{what}: was {before.get(what)!r}, is {after.get(what)!r}"
            for what in sorted(before.keys() | after.keys()) if before.get(what) != after.get(what)]


def mounts_below(directory):
    return [line for line in text_of("/proc/self/mounts").splitlines() if directory in line]
