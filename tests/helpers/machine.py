#!/usr/bin/env python3
"""Prepares the machine for the live tests, and always puts it back.

    with Machine(hugetlb=16, swap=True, ksm=True, thp=True) as machine:
        ... machine.has["swap"], machine.why["swap"] ...

    machine.py [--hugetlb N] [--gigantic N] [--swap] [--ksm] [--thp] [--quiet] -- COMMAND...

Each setting is a file below /sys whose old value is kept; swap is a zram device, used only when
it is idle, and no swap area of others is touched. Signals that end a Python program end this one
by an exception, so that `finally` runs; should it be killed, a helper process that waits for the
end of a pipe puts the machine back. One run at a time holds the machine, by a lock file.
"""
import argparse
import ctypes
import fcntl
import os
import re
import signal
import subprocess
import sys

SYS_MM = "/sys/kernel/mm"
LOCK = "/run/lock/vmscope-machine.lock"


def read(path):
    with open(path) as f:
        return f.read().strip()


def chosen(path):
    """The value of a setting, also when the file lists all values with [one] chosen."""
    text = read(path)
    found = re.search(r"\[([^]]*)\]", text)
    return found.group(1) if found else text


def write(path, value):
    with open(path, "w") as f:
        f.write(str(value))


def swaps():
    with open("/proc/swaps") as f:
        return [line.split()[0] for line in f.readlines()[1:]]


class Machine:
    def __init__(self, hugetlb=0, gigantic=0, swap=False, ksm=False, thp=False, quiet=True,
                 swap_mb=256):
        self.want = dict(hugetlb=hugetlb, gigantic=gigantic, swap=swap, ksm=ksm, thp=thp,
                         quiet=quiet)
        self.swap_mb = swap_mb
        self.undo = []  # callables, last first
        self.has = {}
        self.why = {}
        self.lock = None
        self.helper_end = None
        self.handlers = {}

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            self.handlers[number] = signal.signal(number, self._end)
        try:
            self._take_lock()
            for what, amount in self.want.items():
                if amount:
                    self._try(what, amount)
            self._start_helper()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        self._put_back()
        if self.helper_end is not None:
            os.write(self.helper_end, b"done")
            os.close(self.helper_end)
            os.waitpid(self.helper, 0)
            self.helper_end = None
        if self.lock is not None:
            self.lock.close()
            self.lock = None
        for number, old in self.handlers.items():
            signal.signal(number, old)
        self.handlers = {}

    @staticmethod
    def _end(number, _frame):
        raise SystemExit(128 + number)

    def _take_lock(self):
        """Only root makes the file; an ordinary user changes nothing anyway."""
        if os.geteuid() == 0:
            os.makedirs(os.path.dirname(LOCK), mode=0o1777, exist_ok=True)
            self.lock = open(LOCK, "a")
            fcntl.flock(self.lock, fcntl.LOCK_EX)

    def _put_back(self):
        while self.undo:
            try:
                self.undo.pop()()
            except (OSError, subprocess.SubprocessError) as e:
                print(f"# machine not put back: {e}", file=sys.stderr)

    def _start_helper(self):
        """A process that outlives a kill of this one just long enough to put things back."""
        if not self.undo:
            return
        end, self.helper_end = os.pipe()
        sys.stdout.flush()
        self.helper = os.fork()
        if self.helper:
            os.close(end)
            return
        os.setsid()
        os.close(self.helper_end)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if os.read(end, 4) == b"":
            self._put_back()
        os._exit(0)

    def _try(self, what, amount):
        try:
            getattr(self, "_" + what)(amount)
            self.has[what] = True
        except (OSError, subprocess.SubprocessError, RuntimeError) as e:
            self.has[what] = False
            self.why[what] = str(e)

    def _set(self, path, value):
        old = chosen(path)
        if old == str(value):
            return
        write(path, value)
        self.undo.append(lambda: write(path, old))

    def _pool(self, size_kb, amount):
        path = f"{SYS_MM}/hugepages/hugepages-{size_kb}kB/nr_hugepages"
        old = int(read(path))
        if old >= amount:
            return
        write(path, amount)
        self.undo.append(lambda: write(path, old))
        if int(read(path)) < amount:
            raise RuntimeError(f"only {read(path)} of {amount} huge pages to be had")

    def _hugetlb(self, amount):
        self._pool(2048, amount)

    def _gigantic(self, amount):
        self._pool(1048576, amount)

    def _swap(self, _amount):
        if swaps():
            return
        device, block = "/dev/zram0", "/sys/block/zram0"
        if not os.path.exists(block):
            subprocess.run(["modprobe", "-q", "zram"], check=False, stderr=subprocess.DEVNULL)
        if int(read(f"{block}/disksize")) != 0:
            raise RuntimeError("zram0 is in use")
        self.undo.append(lambda: write(f"{block}/reset", 1))
        write(f"{block}/disksize", f"{self.swap_mb}M")
        subprocess.run(["mkswap", device], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        subprocess.run(["swapon", device], check=True)
        self.undo.append(lambda: subprocess.run(["swapoff", device], check=True))

    def _ksm(self, _amount):
        self._set(f"{SYS_MM}/ksm/pages_to_scan", 5000)
        self._set(f"{SYS_MM}/ksm/sleep_millisecs", 10)
        self._set(f"{SYS_MM}/ksm/run", 1)

    def _thp(self, _amount):
        base = f"{SYS_MM}/transparent_hugepage"
        self._set(f"{base}/enabled", "madvise")
        self._set(f"{base}/defrag", "madvise")
        self._set(f"{base}/use_zero_page", 1)
        self._set(f"{base}/shmem_enabled", "advise")
        for name in sorted(os.listdir(base)):
            path = f"{base}/{name}/enabled"
            if name.startswith("hugepages-") and os.path.exists(path):
                if name != f"hugepages-{self._pmd_kb()}kB":
                    self._set(path, "madvise")

    def _quiet(self, _amount):
        """khugepaged leaves pages as they are: it would collapse a huge page with holes."""
        for name, value in (("max_ptes_none", 0), ("max_ptes_shared", 0), ("max_ptes_swap", 0),
                            ("pages_to_scan", 1)):
            self._set(f"{SYS_MM}/transparent_hugepage/khugepaged/{name}", value)

    @staticmethod
    def _pmd_kb():
        return int(read(f"{SYS_MM}/transparent_hugepage/hpage_pmd_size")) // 1024


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--hugetlb", type=int, default=0, metavar="N")
    options.add_argument("--gigantic", type=int, default=0, metavar="N")
    options.add_argument("--swap", action="store_true")
    options.add_argument("--ksm", action="store_true")
    options.add_argument("--thp", action="store_true")
    options.add_argument("--quiet", action="store_true")
    options.add_argument("command", nargs="+")
    args = options.parse_args()
    with Machine(args.hugetlb, args.gigantic, args.swap, args.ksm, args.thp,
                 args.quiet) as machine:
        for what, why in machine.why.items():
            print(f"# no {what}: {why}", file=sys.stderr)
        return subprocess.run(args.command, check=False, preexec_fn=die_with_parent).returncode


if __name__ == "__main__":
    status = main()
    sys.exit(status if status >= 0 else 128 - status)
