#!/usr/bin/env python3
"""Huge pages: `snap --huge` against what the helper made, against a count of our own from raw frame
flags, and against the kernel's statistics of folios by size.

unprivileged: yes
"""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../helpers"))

from lib import kernel
from lib.compare import before_colon, in_every, snap, vmscope
from lib.kernel import PAGE, kpf
from lib.tap import Skip, Tap, end_by_exception, need_program
from lib.target import HELPERS, Target, VMSCOPE
from machine import Machine

THP = "/sys/kernel/mm/transparent_hugepage"
BLOCK = 2 << 20
NOBODY = 65534
SIZES = [1 << s for s in range(14, 21)]  # 16 KiB to 1 MiB


class Huge(Target):
    """target_huge with its mappings by name."""

    def __init__(self, *specs, **kw):
        super().__init__([os.path.join(HELPERS, "target_huge"), *specs],
                         stdin=subprocess.PIPE, **kw)
        self.at, self.absent = {}, {}
        while True:
            words = self.line().decode().split()
            if not words:
                raise RuntimeError("target_huge ended")
            if words[0] == "ready":
                break
            if words[1] == "absent":
                self.absent[words[0]] = " ".join(words[2:])
            else:
                self.at[words[0]] = (int(words[1], 16), int(words[2], 16))


def nr_anon(size):
    return int(kernel.read_bytes(f"{THP}/hugepages-{size // 1024}kB/stats/nr_anon"))


def region_of(shot, span):
    """The numbers of the mapping [start, end), which may be several regions."""
    parts = [r for r in shot["regions"]
             if int(r["start"], 16) >= span[0] and int(r["end"], 16) <= span[1]]
    return parts[0]["huge"] if len(parts) == 1 else None


def by_order(huge):
    return {s["order"]: (s["bytes"], s.get("folios"), s.get("partial")) for s in huge["small"]}


def counted(pid, span):
    """{order: (bytes, folios, partial)} of what entries of a page map, from raw entries and flags."""
    entries, frames = kernel.Entries(pid), kernel.Frames()
    sizes, heads = {}, {}
    for address, piece in entries.pieces(*span):
        for i, entry in enumerate(piece if not isinstance(piece, (int, type(None))) else []):
            if not entry >> 63:
                continue
            frame = entry & ((1 << 55) - 1)
            order = frames.order(frame)
            sizes[order] = sizes.get(order, 0) + PAGE
            if order:
                head = frame >> order << order
                heads.setdefault(order, {}).setdefault(head, 0)
                heads[order][head] += 1
    entries.close()
    frames.close()
    return {o: (n, len(heads[o]) if o else None,
                sum(met < 1 << o for met in heads[o].values()) if o else None)
            for o, n in sizes.items()}


def set_mode(name, mode):
    """Of a setting that the machine's keeper puts back."""
    with open(f"{THP}/{name}", "w", encoding="utf-8") as f:
        f.write(mode)


def one_size(size, n):
    """Only this size is on: the kernel would take the largest that fits."""
    spec, order = f"folios:{size}:{n}", (size // PAGE).bit_length() - 1
    before = nr_anon(size)
    with Huge(spec) as target:
        bad, now = [], nr_anon(size)
        shot = snap(target.pid, "--huge")
        found = by_order(region_of(shot, target.at[spec]))
        raw = counted(target.pid, target.at[spec])
        if found != raw or found != {order: (n * size, n, 0)}:
            bad.append(f"{spec}: {found}, counted {raw}")
        if now - before != n:
            bad.append(f"{spec}: the kernel counts {now - before} more folios")
        wanted = {s["order"]: s["nr_anon"] for s in shot["thp"]["sizes"]}.get(order)
        if wanted != now:
            bad.append(f"{spec}: thp says {wanted} folios in all, the kernel {now}")
        if by_order(shot["totals"]["huge"]).get(order, (0,))[1] < n:
            bad.append(f"{spec}: totals {shot['totals']['huge']}")
    return bad


def each_size():
    bad = []
    set_mode("enabled", "never")
    for size in SIZES:
        set_mode(f"hugepages-{size // 1024}kB/enabled", "never")
    for i, size in enumerate(SIZES):
        set_mode(f"hugepages-{size // 1024}kB/enabled", "madvise")
        bad += one_size(size, 10 + i)
        set_mode(f"hugepages-{size // 1024}kB/enabled", "never")
    set_mode("enabled", "madvise")
    return bad


STATS = ("nr_anon", "nr_anon_partially_mapped", "split_deferred")


def stats_of_all():
    return {size: tuple(int(kernel.read_bytes(f"{THP}/hugepages-{size // 1024}kB/stats/{name}"))
                        for name in STATS) for size in SIZES}


def deferred():
    """The machine's numbers are the kernel's, with two folios at least that wait to be split."""
    with Huge("holed:2") as target:
        end = time.monotonic() + 60
        while time.monotonic() < end:  # others may change them at any time
            before = stats_of_all()
            shot = snap(target.pid, "--huge")
            if before == stats_of_all():
                break
        else:
            return ["the machine's numbers never stood still"]
        told = {s["bytes"]: tuple(s[name] for name in STATS) for s in shot["thp"]["sizes"]
                if s["bytes"] in before}
        waiting = sum(s["nr_anon_partially_mapped"] or 0 for s in shot["thp"]["sizes"])
        ever = sum(s["split_deferred"] or 0 for s in shot["thp"]["sizes"])
    return [] if told == before and waiting >= 2 and ever >= 2 else [f"{told}, wanted {before}"]


def whole_blocks():
    specs = ["thp:3", "holed:2", "plain:2", "refused:1", "empty:4", "collapsed:1"]
    with Huge(*specs) as target:
        shot = snap(target.pid, "--huge")
        bad = []
        smaps = {r.start: r.fields for r in kernel.smaps(target.pid)}

        def blocks(spec, **wanted):
            huge = region_of(shot, target.at[spec])
            found = {k: n for k, n in huge["blocks"].items() if n}
            if found != wanted:
                bad.append(f"{spec}: blocks {found}, wanted {wanted}")
            if huge["pmd"] != smaps[target.at[spec][0]]["AnonHugePages"]:
                bad.append(f"{spec}: pmd {huge['pmd']}")
            return by_order(huge)
        if blocks("thp:3", huge=3):
            bad.append("thp:3: something is mapped by small entries")
        if blocks("holed:2", holes=2) != {9: (2 * (BLOCK - PAGE), 2, 2)}:
            bad.append(f"holed:2: {by_order(region_of(shot, target.at['holed:2']))}")
        if blocks("plain:2", unadvised=2) != {0: (2 * BLOCK, None, None)}:
            bad.append("plain:2: not all of small pages")
        blocks("refused:1", refused=1)
        blocks("empty:4", empty=4)
        blocks("collapsed:1", huge=1)
        closed = [r["huge"]["blocks"] for r in shot["regions"] if r["perms"] == "---p"
                  and r["huge"]["blocks"]["closed"]]
        if not closed:
            bad.append("the neighbours are not told as closed")
    return bad


def pool():
    with Huge("pool:2") as target:
        if target.absent:
            raise Skip(str(target.absent))
        huge = region_of(snap(target.pid, "--huge"), target.at["pool:2"])
        return [] if huge["hugetlb"] == [{"order": 9, "bytes": 2 * BLOCK}] and not huge["small"] \
            else [str(huge)]


def pool_without_privilege():
    """Without frame flags their size is not known; they are no transparent huge pages."""
    with Huge("pool:2", user=NOBODY) as target:
        if target.absent:
            raise Skip(str(target.absent))
        huge = region_of(snap(target.pid, "--huge", user=NOBODY), target.at["pool:2"])
        return [] if huge["pmd"] == 0 and huge["unread"] == 2 * BLOCK else [str(huge)]


def another_program():
    """Whatever a program of others has: our count and the raw one agree, mapping by mapping."""
    code = "import mmap; m = mmap.mmap(-1, 8 << 20); m.madvise(14); m[:] = bytes(8 << 20); " \
           "print('ready', flush=True); input()"
    with Target([sys.executable, "-c", code], stdin=subprocess.PIPE) as target:
        target.wait_line(b"ready")
        target.stop()
        shot = snap(target.pid, "--huge", "--pages")
        bad = []
        for r in shot["regions"]:
            if r["kind"] in ("vvar", "vsyscall", "vdso", "device") or r["huge"]["pmd"]:
                continue
            span = (int(r["start"], 16), int(r["end"], 16))
            zero = sum(run["pages"] for run in r["runs"] if run["state"] in ("zero", "huge-zero"))
            found, raw = by_order(r["huge"]), counted(target.pid, span)
            if zero:
                raw = {o: n for o, n in raw.items() if o} if not found.get(0) else raw
                raw.pop(0, None)
                found.pop(0, None)
            if found != raw:
                bad.append(f"{r['start']} {r['name']}: {found}, counted {raw}")
    return bad


def unprivileged():
    """Folio orders need frames; what smaps and SCAN tell is still there, and nothing reads 0."""
    with Huge("refused:2") as target:
        shot = snap(target.pid, "--huge")
        huge = region_of(shot, target.at["refused:2"])
        bad = []
        if shot["can"]["pfn"]:
            raise Skip("frames can be seen here")
        if huge["small"] or huge["unread"] != 2 * BLOCK:
            bad.append(f"small pages: {huge}")
        status, out, err = vmscope("snap", "--huge", "-p", target.pid)
        if status or err or b"not seen: " not in out:
            bad.append(f"the table does not say what is not seen: {out[:200]}")
    return bad


def main():
    tap = Tap()
    end_by_exception()
    need_program(VMSCOPE)
    if os.geteuid():
        tap.run("unprivileged: orders are unread, not zero", unprivileged)
        return tap.finish()
    def often(test):
        """The kernel's counts are the machine's, and large folios can be had only where free memory
        lies together."""
        return lambda: in_every(test, before_colon, 6)
    with Machine(hugetlb=4, thp=True):
        tap.run("folios of each size are counted, as the kernel counts them", often(each_size))
        tap.run("blocks of 2 MiB, and why they are not huge", often(whole_blocks))
        tap.run("what waits to be split, on the whole machine", deferred)
        tap.run("pages of the hugetlb pool", pool)
        tap.run("pages of the pool as an ordinary user sees them", pool_without_privilege)
        tap.run("another program, mapping by mapping", often(another_program))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
