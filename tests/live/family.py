#!/usr/bin/env python3
"""Families: what processes share with their descendants, against raw pagemaps and smaps. Parts run
without privilege. unprivileged: yes"""
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from lib import kernel  # noqa: E402
from lib.compare import (PAGE, before_colon, in_every, snap, vmscope,  # noqa: E402
                         watched_region)
from lib.tap import Skip, Tap, need_program  # noqa: E402
from lib.target import HELPERS, VMSCOPE, Target, stop, wait_for  # noqa: E402
from lib.tmux import Tmux  # noqa: E402

FAMILY = os.path.join(HELPERS, "target_family")
NOBODY = 65534
PFN = (1 << 55) - 1


class Family(Target):
    """A running target_family."""

    def __init__(self, children=8, user=None):
        super().__init__([FAMILY, str(children)], user=user, stdin=subprocess.PIPE)
        self.maps, self.children = {}, []
        while (line := self.readline().split()) != ["ready"]:
            if line[0] == "map":
                self.maps[line[1]] = (int(line[2], 16), int(line[3]))
            elif line[0] == "child":
                self.children.append(int(line[2]))

    def readline(self):
        line = self.line()
        if not line:
            raise RuntimeError("target_family has ended")
        return line.decode()

    def command(self, *words):
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.process.stdin.flush()
        return self.readline().split()

    def pids(self):
        return [self.pid] + self.children


def frames(pid, start=0, pages=None):
    """The frames that a process maps, from its raw pagemap."""
    found = []
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as f:
        for region in kernel.maps(pid):
            lo, hi = region.start // PAGE, region.end // PAGE
            if pages is not None:
                lo, hi = max(lo, start // PAGE), min(hi, start // PAGE + pages)
            while lo < hi:
                n = min(hi - lo, 1 << 16)
                try:
                    data = os.pread(f.fileno(), n * 8, lo * 8)
                except (OSError, OverflowError):
                    break
                entries = memoryview(data).cast("Q")
                found += [e & PFN for e in entries if e >> 63]
                lo += n
    return set(found)


def by_pid(picture):
    return {p["pid"]: p for p in picture["processes"]}


def pairs_of(picture):
    return {frozenset((p["a"], p["b"])): p["shared"] for p in picture["pairs"]}


def family(pid, **options):
    return snap(pid, "--family", **options)


def differing_pairs(picture, pids):
    found = pairs_of(picture)
    maps = {pid: frames(pid) for pid in pids}
    bad = []
    for a, b in itertools.combinations(pids, 2):
        want = len(maps[a] & maps[b]) * PAGE
        if found.get(frozenset((a, b))) != want:
            bad.append(f"{a} and {b}: {found.get(frozenset((a, b)))}, raw pagemaps say {want}")
    if len(found) != len(pids) * (len(pids) - 1) // 2:
        bad.append(f"{len(found)} pairs of {len(pids)} processes")
    return bad


def private(pid):
    roll = kernel.rollup(pid)
    return roll["Private_Clean"] + roll["Private_Dirty"]


def differing_weights(pid, pids, user=None):
    """USS and PSS of all, in pictures each between two readings of smaps_rollup. Other programs, as
    they come and go, change how often libraries are mapped: a number that fits once is right, since a
    wrong one would never."""
    def own_share(p):
        """Without map counts it is smaps_rollup that vmscope reads, while it maps libraries itself:
        of a page that n others map, 1/n becomes 1/(n + 1), so at most half of it is missing."""
        if not user and os.geteuid() == 0:
            return 0
        return sum(r.smaps("Pss") for r in kernel.smaps(p) if watched_region(r)) // 2 + 1024

    def rollups():
        return {p: (private(p), kernel.rollup(p)["Rss"], kernel.rollup(p)["Pss"]) for p in pids}

    def attempt():
        before = rollups()
        picture = by_pid(family(pid, user=user))
        after = rollups()
        bad = []
        for p in pids:
            t = picture[p]["totals"]
            for name, x, y in zip(("uss", "resident"), before[p], after[p]):
                if t[name] not in (x, y):
                    bad.append(f"{name} of {p}: {t[name]}, smaps {x} and {y}")
            low, high = sorted((before[p][2], after[p][2]))
            # smaps_rollup rounds down to kilobytes.
            if t["pss"] is None or not low - own_share(p) <= t["pss"] < high + 1024:
                bad.append(f"pss of {p}: {t['pss']}, smaps_rollup {low} and {high}")
        return bad

    return in_every(attempt, before_colon, 100)


def shared_in(name, target, a, b):
    start, pages = target.maps[name]
    return len(frames(a, start, pages) & frames(b, start, pages))


def helper_is_right(t):
    """What the helper says it did, by raw pagemaps: the numbers below stand on it."""
    bad = []
    for i, a in enumerate(t.children):
        start, pages = t.maps["own"]
        expected = [("cow with the parent", shared_in("cow", t, t.pid, a), 64 - (i + 1)),
                    ("shm with the parent", shared_in("shm", t, t.pid, a), min(64, 4 * i + 4)),
                    ("own", len(frames(a, start, pages)), 10 + i)]
        for k, b in enumerate(t.children[:i]):
            expected.append((f"cow with {b}", shared_in("cow", t, a, b), 64 - (i + 1)))
            expected.append((f"shm with {b}", shared_in("shm", t, a, b), 4 * k + 4))
        bad += [f"child {i}: {what} {found}, expected {wanted}"
                for what, found, wanted in expected if found != wanted]
    return bad


def members(t):
    picture = family(t.pid)
    found = [(p["pid"], p["ppid"]) for p in picture["processes"]]
    wanted = [(t.pid, os.getpid())] + [(c, t.pid) for c in t.children]
    own = {p["pid"]: p["to_parent"] for p in picture["processes"]}
    bad = [] if sorted(found) == sorted(wanted) and found[0] == wanted[0] else [f"{found}"]
    parent = {n: frames(t.pid, *t.maps[n]) for n in t.maps}
    for i, c in enumerate(t.children):
        mine = {n: frames(c, *t.maps[n]) for n in t.maps}
        least = (i + 1) * PAGE
        if own[c]["own"] < least or own[c]["only_here"] < (10 + i) * PAGE:
            bad.append(f"child {i}: {own[c]}")
        if len(parent["cow"] - mine["cow"]) != i + 1:
            bad.append(f"child {i}: cow")
    heap = [d for d in picture["family"]["diverged"]
            if int(d["start"], 16) == t.maps["cow"][0]]
    if not heap or heap[0]["own"] != sum(range(1, 9)) * PAGE or heap[0]["processes"] != 8:
        bad.append(f"diverged: {heap}")
    if own[t.pid] is not None:
        bad.append("the root has no parent here")
    return bad


def divergence(t):
    """Child 3 writes 5 pages that all had in common."""
    before = family(t.pid)
    t.command("write", 3, 40, 5)
    after = family(t.pid)
    writer = t.children[3]
    bad = []
    for pair, shared in pairs_of(after).items():
        was = pairs_of(before)[pair]
        want = was - 5 * PAGE if writer in pair else was
        if shared != want:
            bad.append(f"{sorted(pair)}: {was} before, {shared} after")
    old, new = (by_pid(p)[writer]["totals"] for p in (before, after))
    if new["uss"] - old["uss"] != 5 * PAGE:
        bad.append(f"uss {old['uss']}, then {new['uss']}")
    return bad


def comings_and_goings(t):
    grandchild = int(t.command("fork", 2)[1])
    picture = family(t.pid)
    bad = [] if by_pid(picture)[grandchild]["ppid"] == t.children[2] else ["grandchild"]
    bad += differing_pairs(picture, t.pids() + [grandchild])
    t.command("end", 7)
    gone = t.children.pop()
    if gone in by_pid(family(t.pid)):
        bad.append("a process that ended is still listed")
    return bad


def formats(t):
    bad = []
    _, table, err = vmscope("snap", "--family", "-p", t.pid)
    for c in t.pids():
        if not any(line.split()[:1] == [str(c)] for line in table.decode().splitlines()):
            bad.append(f"no row of {c} in the table")
    _, csv, _ = vmscope("snap", "--family", "-f", "csv", "-p", t.pid)
    rows = [line.split(",") for line in csv.decode().splitlines()]
    if {len(r) for r in rows} != {len(rows[0])} or len(rows) != len(t.pids()) + 1:
        bad.append(f"csv has {[len(r) for r in rows]} fields")
    return bad + ([err.decode()] if err else [])


def on_screen(t):
    """The tree lists everybody; below, what a child has in common with its parent, by cell."""
    _, tree, err = vmscope("attach", "--family", "--screen", "120x30", "--keys", "jj", "-p", t.pid)
    rows = [line.replace(b">", b" ").split()[:1] for line in tree.splitlines()]
    bad = [f"no row of {p}" for p in t.pids() if [str(p).encode()] not in rows]
    _, maps, _ = vmscope("attach", "--family", "--ascii", "--screen", "200x60", "--keys",
                         "j<Enter>/%x<Enter>" % t.maps["cow"][0], "-p", t.pid)
    row = next((line for line in maps.decode().splitlines()
                if line[1:13] == "%012x" % t.maps["cow"][0]), "")
    # Child 0 wrote the first page before this test, and nobody else's writes are its own.
    if row[16:].split()[:2] != ["O" + "S" * 63] * 2:
        bad.append(f"cells of cow: {row!r}")
    return bad + ([err.decode()] if err else [])


def live(t):
    """What a child copies is in the columns OWN and NEW with the next sample. The one after that would
    take a whole delay in any case, so one quick answer of several is proof; when a sample was just
    being taken, the copies may come in two parts."""
    delay, copied, seen = 3.0, 40 * PAGE >> 10, []
    with Tmux(f'"{VMSCOPE}" attach --family -d {delay} --cpu-limit 50 {t.pid}', cols=120) as screen:
        def own_and_new(pid):
            rows = [line.split() for line in screen.text().splitlines()]
            return next((row[-4:-2] for row in rows if row[:1] == [str(pid)] and len(row) > 8), None)

        for i in (1, 2, 4, 5, 6, 7):
            pid = t.children[i]
            own = wait_for(lambda: (found := own_and_new(pid)) and found[1] == "." and found[0],
                           "a sample without copies")
            t.command("write", i, 20, 40)
            began = time.monotonic()
            wanted = f"{int(own[:-1]) + copied}K"
            new = wait_for(lambda: (found := own_and_new(pid)) and found[0] == wanted and found[1],
                           f"{wanted} as the own of {pid}")
            seen.append((time.monotonic() - began, new))
            if seen[-1][0] < delay and new == f"{copied}K":
                return []
    return [f"seconds and column NEW: {seen}"]


def unprivileged(t):
    picture = family(t.pid, user=NOBODY if os.geteuid() == 0 else None)
    bad = []
    if picture["pairs"] is not None or not picture["family"]["pairs_why"]:
        bad.append(f"pairs {picture['pairs']}, because {picture['family']['pairs_why']}")
    if picture["family"]["frames"] is not None:
        bad.append("frames of the family are not known without frame numbers")
    for p in picture["processes"]:
        zeros = [m for m in ("pss", "uss", "cow", "shared", "resident") if p["totals"][m] == 0]
        if zeros or p["to_parent"] is not None:
            bad.append(f"{p['pid']}: {zeros} {p['to_parent']}")
    if len(picture["processes"]) != len(t.pids()):
        bad.append(f"{len(picture['processes'])} processes")
    return bad


def foreign():
    """Somebody else's family: a reason, no zeros."""
    if os.geteuid():
        raise Skip("needs root to start a process of another user")
    with Family(1) as t:
        status, out, err = vmscope("snap", "--family", "-p", t.pid, user=NOBODY)
        return [] if status == 1 and not out and err.count(b"\n") == 1 else [f"{status} {err}"]


POOL = """
import multiprocessing, sys
data = bytearray(32 << 20)
def touch(i):
    data[i << 20:(i << 20) + (256 << 10)] = b"x" * (256 << 10)
    return i
if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    with multiprocessing.Pool(4) as pool:
        pool.map(touch, range(16), chunksize=1)
        print("ready", flush=True)
        sys.stdin.read()
"""


def pids_below(pid):
    out, todo = [], [pid]
    while todo:
        at = todo.pop()
        out.append(at)
        for task in os.listdir(f"/proc/{at}/task"):
            with open(f"/proc/{at}/task/{task}/children", encoding="ascii") as f:
                todo += map(int, f.read().split())
    return out


def check_all(pid):
    pids = pids_below(pid)
    for p in pids:
        stop(p)
    found = by_pid(family(pid))
    bad = [] if set(found) == set(pids) else [f"{sorted(found)}, children files say {pids}"]
    return bad + differing_pairs(family(pid), pids) + differing_weights(pid, pids)


def python_pool():
    with Target([sys.executable, "-c", POOL], stdin=subprocess.PIPE) as t:
        t.wait_line(b"ready")
        return check_all(t.pid)


def redis_saving():
    """BGSAVE: the child reads what the parent has; a key every 2 s keeps it there."""
    # Debian's redis-tools holds the server too, under another name, and starts no service.
    if not shutil.which("redis-check-rdb"):
        raise Skip("redis is not installed")
    with tempfile.TemporaryDirectory() as where:
        socket = os.path.join(where, "s")
        server = os.path.join(where, "redis-server")
        os.symlink(shutil.which("redis-check-rdb"), server)
        command = [server, "--port", "0", "--unixsocket", socket, "--dir", where,
                   "--save", "", "--rdb-key-save-delay", "2000000"]
        with Target(command) as t:
            def ask(*words):
                return subprocess.run(["redis-cli", "-s", socket, *words], capture_output=True,
                                      check=False).stdout
            wait_for(lambda: ask("ping").strip() == b"PONG", "redis to answer")
            ask("eval", "for i=1,20000 do redis.call('set','k'..i,string.rep('x',500)) end", "0")
            ask("bgsave")
            wait_for(lambda: len(pids_below(t.pid)) == 2, "redis to fork")
            return check_all(t.pid)


def main():
    need_program(VMSCOPE)
    need_program(FAMILY)
    tap = Tap()
    root = os.geteuid() == 0
    if root:
        with Family() as t:
            tap.run("the helper family is as it says", lambda: helper_is_right(t))
            tap.run("processes, their own copies, and where they diverged", lambda: members(t))
            tap.run("every pair shares what raw pagemaps say",
                    lambda: differing_pairs(family(t.pid), t.pids()))
            tap.run("USS is Private_* of smaps, PSS that of smaps_rollup",
                    lambda: differing_weights(t.pid, t.pids()))
            tap.run("a divergence is seen exactly", lambda: divergence(t))
            tap.run("table and CSV list each process", lambda: formats(t))
            tap.run("the views show the tree, and maps side by side", lambda: on_screen(t))
            tap.run("the tree shows a divergence with the next sample", lambda: live(t))
            tap.run("a grandchild comes, a child goes", lambda: comings_and_goings(t))
        tap.run("a python multiprocessing pool", python_pool)
        tap.run("redis during BGSAVE", redis_saving)
    with Family(user=NOBODY if root else None) as t:
        tap.run("without privilege: what cannot be known is null", lambda: unprivileged(t))
        tap.run("without privilege: USS and PSS are the kernel's own",
                lambda: differing_weights(t.pid, t.pids(), user=NOBODY if root else None))
    tap.run("without privilege: another's family is refused", foreign)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
