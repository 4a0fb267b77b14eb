#!/usr/bin/env python3
"""What vmscope says is what the kernel says: snapshots of stopped targets, for every region and in
total, against smaps, smaps_rollup and raw pagemap, kpageflags and kpagecount."""
import os
import shutil
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../helpers")]

from lib import compare, tables  # noqa: E402
from lib.tap import Skip, Tap, end_by_exception, need_program  # noqa: E402
from lib.target import VMSCOPE, StatesTarget, Target, python, wait_for  # noqa: E402
from machine import Machine  # noqa: E402

tap = Tap()


def raw_compare(pid):
    with compare.RawPicture(pid) as before:
        snapshot = compare.snap(pid, "--pages")
        with compare.RawPicture(pid) as after:
            return (compare.against_sums(snapshot, before, after) +
                    compare.against_pages(snapshot, before, after))


class Shots:
    """Snapshots of a stopped process, without and with pages; taken anew after a complaint."""

    def __init__(self, pid):
        self.pid = pid
        self.taken = {}

    def __getitem__(self, name):
        if name not in self.taken:
            self.taken[name] = compare.snap(self.pid, *(["--pages"] if name == "pages" else []))
        return self.taken[name]

    def judge(self, title, complaints_of):
        def attempt():
            complaints = complaints_of(self)
            if complaints:
                self.taken = {}
            return complaints
        tap.run(title, lambda: compare.in_every(attempt))


def judge(title, pid):
    """All comparisons for one stopped process; its snapshots."""
    shots = Shots(pid)
    for what, complaints_of in (
            ("a snapshot adds up",
             lambda s: compare.shape(s["plain"]) + compare.shape(s["pages"])),
            ("every region equals smaps", lambda s: compare.against_smaps(s["plain"], pid)),
            ("the totals equal smaps_rollup", lambda s: compare.against_rollup(s["plain"], pid)),
            ("every page and sum equals raw pagemap, kpageflags and kpagecount",
             lambda s: raw_compare(pid)),
            ("--pages changes no sum", lambda s: compare.differences(s["plain"], s["pages"])),
            ("csv agrees with json", lambda s: tables.csv_agrees(pid, s["plain"])),
            ("the table agrees with json", lambda s: tables.table_agrees(pid, s["plain"]))):
        shots.judge(f"{title}: {what}", complaints_of)
    return shots


def states(title, *options, every_state=False):
    with StatesTarget(*options) as target:
        shots = judge(title, target.pid)
        for state in target.states.values():
            shots.judge(f"{title}: {state.name} is as it was made",
                        lambda s, state=state: compare.of_state(s["pages"], state))
        if every_state:
            for name, why in target.absent.items():
                tap.skip(f"{title}: {name} is as it was made", why)
        for name, pid in target.children.items():
            judge(f"{title}, child {name}", pid)


def bash():
    script = ("a=(); for i in {1..20000}; do a+=(\"line $i of some text\"); done; "
              "( sleep 1000 ) & echo ready; wait")
    with Target(["bash", "-c", script]) as target:
        target.wait_line(b"ready")
        target.stop()
        judge("bash", target.pid)


PYTHON = """
import json, mmap, os, sqlite3, subprocess, sys, threading, zlib
keep = [str(i) * 10 for i in range(100000)]
m = mmap.mmap(-1, 1 << 22)
m[:1 << 20] = b"x" * (1 << 20)
f = open(sys.executable, "rb")
g = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
sum(g[::4096])
if os.fork() == 0:
    threading.Event().wait()
def work():
    zlib.compress(os.urandom(1 << 20))
    working.wait()
    threading.Event().wait()
working = threading.Barrier(int(sys.argv[1]))
for i in range(int(sys.argv[1]) - 1):
    threading.Thread(target=work).start()
working.wait()
del keep[::7]
print("ready", flush=True)
threading.Event().wait()
"""


def python3(threads):
    with Target([python(), "-c", PYTHON, str(threads)]) as target:
        target.wait_line(b"ready")
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(target.pid)],
                                  capture_output=True, text=True, check=False).stdout.split()
        try:
            target.stop()
            judge("python3" if threads < 2 else f"python3 with {threads} threads", target.pid)
        finally:
            for pid in children:
                os.kill(int(pid), 9)


def command(*words):
    out = b"*%d\r\n" % len(words)
    for w in words:
        w = w if isinstance(w, bytes) else str(w).encode()
        out += b"$%d\r\n%s\r\n" % (len(w), w)
    return out


def connected(path):
    """A connection, or None: the socket has its name before the server listens."""
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(path)
        return s
    except (FileNotFoundError, ConnectionRefusedError):
        s.close()
        return None


def redis():
    # Debian's redis-tools holds the server too, under another name, and starts no service.
    program = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    if not program:
        tap.skip("redis-server under load", "redis-tools is not installed")
        return
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "socket")
        server = os.path.join(d, "redis-server")
        os.symlink(program, server)
        with Target([server, "--port", "0", "--unixsocket", path, "--dir", d, "--save", "",
                     "--appendonly", "no"], cwd=d) as target:
            with wait_for(lambda: connected(path), "the server's socket") as s:
                f = s.makefile("rb")
                s.sendall(b"".join(command("SET", f"key:{i}", os.urandom(i % 3000).hex())
                                   for i in range(2000)))
                for _ in range(2000):
                    f.readline()
                s.sendall(b"".join(command("DEL", f"key:{i}") for i in range(0, 2000, 3)))
                for _ in range(0, 2000, 3):
                    f.readline()
                target.stop()
                judge("redis-server under load", target.pid)


def sqlite():
    if not shutil.which("sqlite3"):
        tap.skip("sqlite3 with a mapped database", "sqlite3 is not installed")
        return
    with tempfile.TemporaryDirectory(dir="/var/tmp") as d:
        with Target(["sqlite3", os.path.join(d, "db")], stdin=subprocess.PIPE) as target:
            target.process.stdin.write(
                b"pragma mmap_size=268435456; create table t(a, b);\n"
                b"with recursive n(i) as (select 1 union all select i+1 from n where i<20000)\n"
                b"insert into t select i, hex(randomblob(50)) from n;\n"
                b"select count(*) from t where b like '%ABC%'; select 'ready';\n")
            target.process.stdin.flush()
            target.wait_line(b"ready")
            target.stop()
            judge("sqlite3 with a mapped database", target.pid)


def main():
    end_by_exception()
    need_program(VMSCOPE)
    if os.geteuid() != 0:
        tap.skip("truth", "raw page frames need root")
        return tap.finish()
    with Machine(quiet=True):
        states("states, machine as it is")
    states("states, eight threads", "--threads", "8", "--only", "anon_exclusive,anon_holes")
    bash()
    python3(1)
    python3(8)
    redis()
    sqlite()
    with Machine(hugetlb=16, gigantic=1, swap=True, ksm=True, thp=True):
        states("states, all made possible", every_state=True)
        states("states, hugetlb stolen", "--only", "hugetlb_stolen")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
