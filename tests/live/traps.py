#!/usr/bin/env python3
"""What a naive memory viewer gets wrong, one test a trap: each title names the rule, each test
first makes sure that the trap is really there."""
import hashlib
import itertools
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../helpers")]

from lib import compare, kernel  # noqa: E402
from lib.compare import PAGE, runs_in_full, snap, vmscope  # noqa: E402
from lib.tap import Skip, Tap, end_by_exception, need_program  # noqa: E402
from lib.target import DEADLINE, HELPERS, VMSCOPE, StatesTarget, Target  # noqa: E402
from machine import Machine  # noqa: E402

NOBODY = 65534


class Picture:
    """A stopped target_states, what vmscope says of it, and what the raw bits are."""

    def __init__(self, target, pid=None):
        self.target = target
        self.pid = pid or target.pid
        self.json = snap(self.pid, "--pages")

    def regions(self, name):
        if name in self.target.absent:
            raise Skip(self.target.absent[name])
        state = self.target.states[name]
        return [r for r in self.json["regions"] if state.start < int(r["end"], 16)
                and int(r["start"], 16) < state.end]

    def region(self, name):
        return self.regions(name)[0]

    def runs(self, name):
        return [run for r in self.regions(name) for run in runs_in_full(r)]

    def shape(self, name):
        """[[state, pages], ...] in order."""
        out = []
        for run in self.runs(name):
            if out and out[-1][0] == run["state"]:
                out[-1][1] += run["pages"]
            else:
                out.append([run["state"], run["pages"]])
        return out

    def entries(self, name):
        state = self.target.states[name]
        source = kernel.Entries(self.pid)
        try:
            out = []
            for _, piece in source.pieces(state.start, state.end):
                out += [0] * piece if isinstance(piece, int) else list(piece or [])
            return out
        finally:
            source.close()


def expect(*pairs):
    """Complaints for (what, found, expected) triples that differ."""
    return [f"{what} is {found!r}, expected {wanted!r}" for what, found, wanted in pairs
            if found != wanted]


def steady(test, picture):
    """The complaints about this picture that are also those about each new one: pages of files are
    written back, dropped and mapped by others at any moment."""
    pictures = itertools.chain([picture], iter(lambda: Picture(picture.target), None))
    return compare.in_every(lambda: test(next(pictures)), lambda c: c.partition(" is ")[0])


def marker_is_not_swap(p):
    bad = []
    for name, guards, markers in (("mark_guard", 8, 0), ("mark_uffd_wp", 0, 10),
                                  ("mark_uffd_wp_shmem", 0, 10)):
        r = p.region(name)
        swap_bits = sum(1 for e in p.entries(name) if e & kernel.PM_SWAP)
        bad += expect((f"{name}: entries with bit 62", swap_bits, guards + markers),
                      (f"{name}: swap", r["swap"], 0),
                      (f"{name}: guard", r["guard"], guards * PAGE),
                      (f"{name}: swapped pages",
                       sum(n for s, n in p.shape(name) if "swapped" in s), 0))
    return bad


def shmem_swap(p):
    bad = []
    for name, pages in (("swap_shmem_all", 32), ("swap_shmem_part", 16), ("swap_shmem_anon", 4),
                        ("swap_shmem_window", 8), ("swap_shmem_private", 12)):
        out = sum(n for s, n in p.shape(name) if s == "shmem-swapped")
        bad += expect((f"{name}: swap", p.region(name)["swap"], pages * PAGE),
                      (f"{name}: shmem-swapped pages", out, pages),
                      (f"{name}: any entry with bit 62",
                       any(e & kernel.PM_SWAP for e in p.entries(name)), False))
    bad += expect(("swap of a read-only private mapping, pages below its own too",
                   p.region("swap_shmem_private_ro")["swap"], 16 * PAGE))
    vmswap = int(kernel.status(p.pid)["VmSwap"].split()[0]) * 1024
    if p.json["totals"]["swap"] <= vmswap:
        bad.append(f"total swap {p.json['totals']['swap']} is not above VmSwap {vmswap}")
    return bad


def zero_pages(p):
    small, big = p.entries("anon_zero"), p.entries("thp_zero")
    return expect(
        ("bit 61 of a zero page", bool(small[0] & kernel.PM_FILE), False),
        ("bit 61 of the huge zero page", bool(big[0] & kernel.PM_FILE), True),
        ("states of anon_zero", p.shape("anon_zero")[0], ["zero", 3]),
        ("states of thp_zero", p.shape("thp_zero")[0], ["huge-zero", 512]),
        ("zero of anon_zero", p.region("anon_zero")["zero"], 7 * PAGE),
        ("zero of thp_zero", p.region("thp_zero")["zero"], 512 * PAGE),
        ("resident of thp_zero", p.region("thp_zero")["resident"], 0),
        ("file of thp_zero", p.region("thp_zero")["file"], 0),
        ("pmd_mapped of thp_zero", p.region("thp_zero")["pmd_mapped"], 0),
        ("resident of anon_zero", p.region("anon_zero")["resident"], PAGE))


def has_attr(p, name, attr, among=None):
    """The set of answers over present pages: {True}, {False} or both."""
    return {attr in (run.get("attrs") or []) for run in p.runs(name)
            if run["state"] in (among or kernel.STATES_PRESENT)}


def exclusive_is_not_writable(p):
    files = [r for r in p.json["regions"] if r["kind"] == "file" and r["file"]]
    with compare.RawPicture(p.pid) as raw:
        marked = sum(1 for pages in raw.pages for _, _, f in pages
                     if f.state == "file" and kernel.kpf(f.flags, "owner_2"))
    if not marked:
        raise Skip("no file page here has the flag OWNER_2")
    return expect(
        ("exclusive after the sharer died", has_attr(p, "anon_cow_dead", "exclusive"), {True}),
        ("writable after the sharer died",
         has_attr(p, "anon_cow_dead", "anon-exclusive"), {False}),
        ("writable when never shared", has_attr(p, "anon_exclusive", "anon-exclusive"), {True}),
        ("file pages called anon-exclusive",
         sum(run["pages"] for r in files for run in r["runs"]
             if run["state"] == "file" and "anon-exclusive" in run["attrs"]), 0))


def raw_of(p, name):
    state = p.target.states[name]
    region = next(r for r in kernel.smaps(p.pid) if r.start == state.start)
    entries, frames = kernel.Entries(p.pid), kernel.Frames()
    try:
        yield region, entries, frames
    finally:
        entries.close()
        frames.close()


def large_is_not_pmd(p):
    bad = expect(("pmd_mapped of thp_pmd", p.region("thp_pmd")["pmd_mapped"], 4 << 20),
                 ("pmd_mapped of thp_partial", p.region("thp_partial")["pmd_mapped"], 0))
    sizes = [n for n in p.target.states if n.startswith("mthp_")]
    if not sizes:
        raise Skip("no mTHP size to be had")
    for name in sizes + ["thp_partial", "file_shared_one_byte"]:
        bad += expect((f"pmd_mapped of {name}", p.region(name)["pmd_mapped"], 0),
                      (f"attribute pmd-mapped of {name}", has_attr(p, name, "pmd-mapped"), {False}),
                      (f"attribute large of {name}", has_attr(p, name, "large"), {True}))
    return bad


def one_byte_dirties_a_folio(p):
    facts = [f for r, e, k in raw_of(p, "file_shared_one_byte")
             for _, _, f in kernel.pages_of(p.pid, r, e, k) if f.frame]
    if len(facts) < 2:
        raise Skip("this file system has no large folios")
    present = sum(n for s, n in p.shape("file_shared_one_byte") if s == "file")
    dirty = sum(run["pages"] for run in p.runs("file_shared_one_byte")
                if "dirty" in (run.get("attrs") or []))
    raw_dirty = sum(1 for f in facts if kernel.kpf(f.flags, "dirty"))
    return expect(("pages mapped by one write", present, len(facts)),
                  ("pages dirtied by one write", dirty, raw_dirty))


def dirty_is_the_frames(p):
    with compare.RawPicture(p.pid) as raw:
        dirty = sum(n for pages in raw.pages for _, n, f in pages
                    if f.state in kernel.STATES_RSS and kernel.kpf(f.flags, "dirty"))
    runs = [run for r in p.json["regions"] for run in r["runs"]]
    return expect(
        ("dirty of synced file pages that were only read",
         has_attr(p, "file_private_read", "dirty"), {False}),
        ("dirty pages in all", sum(run["pages"] for run in runs if "dirty" in run["attrs"]
                                   and run["state"] in kernel.STATES_RSS), dirty),
        ("attributes that this kernel cannot tell",
         {a for run in runs for a in run["attrs"]} & {"soft-dirty", "written", "idle"}, set()))


def one_mmap_is_not_one_mapping(p):
    return expect(("regions of two merged mappings", len(p.regions("anon_merged")), 1),
                  ("pages of two merged mappings", p.region("anon_merged")["size"], 16 * PAGE),
                  ("regions of a huge page with one page protected",
                   len(p.regions("thp_protected")), 3),
                  ("regions after remap_file_pages", len(p.regions("file_remapped")), 3))


def pages_that_pagemap_leaves_out(p):
    bad = []
    for name, states in (("special_vsyscall", {"unknown", "device"}), ("special_vvar", {"device"}),
                         ("special_perf", {"device"})):
        found = {s for s, _ in p.shape(name)}
        if not found <= states:
            bad.append(f"{name} is {found}, expected {states}")
        bad += expect((f"resident of {name}", p.region(name)["resident"], 0))
    return bad


def counts_are_mappings(p):
    bad = expect(("mapcounts of a page mapped six times",
                  {r["mapcount"] for r in p.runs("shmem_six_times") if r["state"] == "shmem"}, {6}),
                 ("exclusive", p.region("shmem_six_times")["exclusive"], 0))
    with StatesTarget("--only", "anon_exclusive", "--threads", "6") as threads:
        q = Picture(threads)
        bad += expect(("mapcounts in seven threads",
                       {r["mapcount"] for r in q.runs("anon_exclusive")}, {1}),
                      ("exclusive in seven threads",
                       q.region("anon_exclusive")["exclusive"], 64 * PAGE))
    return bad


def stolen_hugetlb(_):
    with StatesTarget("--only", "hugetlb_stolen") as target:
        parent, child = Picture(target), Picture(target, target.children["robbed"])
        return expect(("the parent's page", parent.region("hugetlb_stolen")["hugetlb"], 2 << 20),
                      ("exclusive", parent.region("hugetlb_stolen")["exclusive"], 2 << 20),
                      ("the child's page", child.region("hugetlb_stolen")["hugetlb"], 0),
                      ("the child's states", child.shape("hugetlb_stolen"), [["absent", 512]]))


def fork_copies_no_shared_entries(p):
    child = Picture(p.target, p.target.children["sharer"])
    return expect(
        ("the child's shared memory", child.shape("shmem_across_fork"),
         [["absent", 6], ["shmem", 4], ["absent", 6]]),
        ("the parent's", p.shape("shmem_across_fork"), [["shmem", 8], ["absent", 8]]),
        ("the child's never written private file", child.shape("file_across_fork"),
         [["absent", 16]]),
        ("the child's copied anonymous memory", child.shape("anon_cow"), p.shape("anon_cow")))


def stack_grows_by_a_fault(p):
    state = p.target.states["anon_grows_down"]
    r = p.region("anon_grows_down")
    return expect(("start", int(r["start"], 16), state.start), ("pages", r["size"], 13 * PAGE),
                  ("states", p.shape("anon_grows_down"),
                   [["anon-exclusive", 1], ["absent", 11], ["anon-exclusive", 1]]))


def footprint(pid):
    """All that a reader could disturb."""
    entries = kernel.Entries(pid)
    regions = kernel.smaps(pid)
    digest = hashlib.sha256()
    own = [r for r in regions if not compare.common_region(r)]
    for r in own:
        for address, piece in entries.pieces(r.start, r.end):
            digest.update(f"{address:x}".encode())
            digest.update(piece.tobytes() if hasattr(piece, "tobytes") else str(piece).encode())
    entries.close()
    stat, status = kernel.stat(pid), kernel.status(pid)
    return {"mappings": [r.label for r in regions],
            "Rss": sum(r.smaps("Rss") for r in regions),
            "Referenced": sum(r.smaps("Referenced") for r in own),
            "Swap": sum(r.smaps("Swap") for r in regions),
            "VmPTE": status["VmPTE"], "minor faults": stat[10], "major faults": stat[12],
            "user time": stat[14], "system time": stat[15], "state": stat[3],
            "tracer": status["TracerPid"],
            "switches": (status["voluntary_ctxt_switches"],
                         status["nonvoluntary_ctxt_switches"]),
            "page-table entries": digest.hexdigest()}


def settled(pid):
    """The footprint once it stands still: a target goes to sleep some time after it says so."""
    last, deadline = footprint(pid), time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        os.sched_yield()
        now = footprint(pid)
        if now == last and now.get("state", "S") != "R":
            return now
        last = now
    return last


def watching_changes_nothing(pid):
    """What others do to its pages (reclaim, compaction) is another thing each time."""
    return compare.in_every(lambda: changes(pid), lambda c: c.partition(" was ")[0], 5)


def changes(pid):
    before = settled(pid)
    for options in ([], ["--pages"], ["--residency"]):
        for form in ("json", "csv", "table"):
            for _ in range(5):
                status, _, err = vmscope("snap", "-f", form, *options, "-p", pid)
                if status:
                    return [f"snap failed: {err!r}"]
    for command in (["attach", "-n", "4", "-d", "0.02", pid],
                    ["attach", "--screen", "100x40", "--keys",
                     "<Wait>jj<Enter><Enter><Wait>G<Wait>", pid]):
        status, _, err = vmscope(*command)
        if status:
            return [f"{command} failed: {err!r}"]
    after = footprint(pid)
    return [f"{what} was {before[what]!r}, is {after[what]!r}" for what in before
            if before[what] != after[what]]


ONLY = ("anon_untouched,anon_exclusive,anon_cow,anon_cow_dead,anon_zero,anon_prot_none,mark_guard,"
        "mark_locked,mark_ksm,file_private_written,file_shared_dirty,shmem_anon,shmem_memfd,"
        "shmem_six_times,thp_pmd,thp_zero,thp_partial,swap_anon,swap_shmem_part,"
        "swap_shmem_private")
# What an ordinary user cannot know of its own process; everything else must be right.
MAY_BE_UNKNOWN = {"locked", "ksm"}


def readable_by_all():
    done = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                           "test", "-x", VMSCOPE], check=False)
    if done.returncode:
        raise Skip("other users cannot reach the program here")


def without_privilege():
    readable_by_all()
    with StatesTarget("--only", ONLY, user=NOBODY) as target:
        return compare.in_every(lambda: unlike_root(target.pid), attempts=5)


def unlike_root(pid):
    full = snap(pid, "--pages")
    mine = snap(pid, "--pages", user=NOBODY)
    bad = expect(("can see frames", mine["can"]["pfn"], False),
                 ("can see flags", mine["can"]["kpageflags"], False),
                 ("can see counts", mine["can"]["kpagecount"], False))
    for a, b in zip(mine["regions"], full["regions"]):
        free = ("exclusive", "shared") if compare.common(a["name"], a["kind"] == "file") else ()
        for m in compare.SUMS:
            if a[m] is None and m in MAY_BE_UNKNOWN or m in free:
                continue
            if a[m] != b[m]:
                bad.append(f"{compare.label(a)}: {m} is {a[m]}, root sees {b[m]}")
        bad += runs_without_privilege(a, b)
    return bad


def runs_without_privilege(a, b):
    bad = []
    if any(run["pfn"] is not None for run in a["runs"]):
        bad.append(f"{compare.label(a)}: a frame number out of nowhere")
    mine, full = by_page(a), by_page(b)
    for page, run in mine.items():
        root = full[page]
        # Frame flags tell KSM, and only root may ask a file of shared memory what it has in swap.
        plain = {"ksm": "anon-shared", "shmem-swapped": "absent"}.get(root["state"])
        if run["state"] not in (root["state"], plain, "present", "unknown"):
            bad.append(f"{compare.label(a)} {page:#x}: {run['state']}, root sees {root['state']}")
        if run["mapcount"] not in (None, 1) or run["mapcount"] == 1 and \
                "exclusive" not in run["attrs"]:
            bad.append(f"{compare.label(a)} {page:#x}: mapcount {run['mapcount']}")
    return bad[:10]


def by_page(region):
    return {run["first"] + i: run for run in runs_in_full(region) for i in range(run["pages"])}


def someone_elses_process():
    readable_by_all()
    with StatesTarget("--only", "anon_exclusive") as target:
        bad = []
        for command in (["snap", "-p", target.pid], ["snap", "-f", "json", "-p", target.pid],
                        ["attach", target.pid]):
            status, out, err = vmscope(*command, user=NOBODY)
            bad += expect((f"{command}: status", status, 1), (f"{command}: output", out, b""),
                          (f"{command}: lines of error", err.count(b"\n"), 1))
            if str(target.pid).encode() not in err or b"ermi" not in err:
                bad.append(f"the error does not say what and why: {err!r}")
    return bad


def never_still():
    bad = []
    with Target([os.path.join(HELPERS, "target_churn")]) as target:
        target.wait_line(b"ready")
        for i in range(40):
            options = ["--pages"] if i % 2 else []
            shot = snap(target.pid, *options)
            bad += compare.shape(shot)
            for r in shot["regions"]:
                size = int(r["end"], 16) - int(r["start"], 16)
                bad += [f"{compare.label(r)}: {m} {r[m]} above its size {size}"
                        for m in compare.SUMS if r[m] is not None and r[m] > size and m != "swap"]
                if options and sum(run["pages"] for run in runs_in_full(r)) * PAGE != size:
                    bad.append(f"{compare.label(r)}: runs do not fit the region")
        bad += expect(("the target", kernel.stat(target.pid)[3] in "RSD", True))
    return bad


def main():
    tap = Tap()
    end_by_exception()
    need_program(VMSCOPE)
    if os.geteuid() != 0:
        tap.skip("traps", "raw page frames need root")
        return tap.finish()
    with Machine(hugetlb=16, swap=True, ksm=True, thp=True):
        with StatesTarget() as target:
            p = Picture(target)
            for title, test in (
                    ("F1: guard and userfaultfd markers have bit 62 and are not swapped",
                     marker_is_not_swap),
                    ("F2: swapped shared memory shows although its entries are empty", shmem_swap),
                    ("F3: zero pages, small and huge, are neither resident nor file", zero_pages),
                    ("F4: exclusive does not mean writable without a fault",
                     exclusive_is_not_writable),
                    ("F7: a large folio is not PMD-mapped", large_is_not_pmd),
                    ("F8: one byte written maps and dirties a whole folio",
                     one_byte_dirties_a_folio),
                    ("F9: dirty is the frame's flag, not soft-dirty and not WRITTEN",
                     dirty_is_the_frames),
                    ("F10: one mmap is not one mapping", one_mmap_is_not_one_mapping),
                    ("F11: vsyscall, vvar and perf rings", pages_that_pagemap_leaves_out),
                    ("F12: map counts count mappings, not processes or threads",
                     counts_are_mappings),
                    ("F13: hugetlb page stolen from a child", stolen_hugetlb),
                    ("F14: fork copies no entries of shared and unwritten file mappings",
                     fork_copies_no_shared_entries),
                    ("F19: a mapping that grew by a fault", stack_grows_by_a_fault)):
                tap.run(title, lambda: steady(test, p))
            tap.run("F6: watching a stopped process changes nothing in it",
                    lambda: watching_changes_nothing(target.pid))
            os.kill(target.children["sharer"], 18)
            tap.run("F6: watching a sleeping process changes nothing in it",
                    lambda: watching_changes_nothing(target.children["sharer"]))
        tap.run("F17: without privilege the own process shows what can be known, and ? else",
                without_privilege)
    tap.run("F17: another user's process is refused in one clear line", someone_elses_process)
    tap.run("F18: a target whose mappings never stand still", never_still)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
