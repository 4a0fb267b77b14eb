"""Compares a snapshot of vmscope with the kernel's own answers. Every function returns a list of
complaints, empty when all agrees."""
import functools
import json
import os
import re
import subprocess

from . import kernel
from .kernel import PAGE, STATES_ANON, STATES_PRESENT, STATES_RSS, kpf
from .target import VMSCOPE

SUMS = ("size resident anon file shmem swap zero ksm hugetlb pmd_mapped exclusive shared cow "
        "locked guard unknown").split()
PMD = ("AnonHugePages", "ShmemPmdMapped", "FilePmdMapped")
SMAPS = {"resident": ("Rss",), "anon": ("Anonymous",), "swap": ("Swap",), "pmd_mapped": PMD,
         "hugetlb": ("Private_Hugetlb", "Shared_Hugetlb"), "ksm": ("KSM",)}
# Attributes that do not change at random, and how to find them in frame flags.
FLAG_ATTRS = {"dirty": "dirty", "unevictable": "unevictable", "locked": "mlocked",
              "writeback": "writeback", "large": "thp", "swapcache": "swapcache"}


def vmscope(*args, user=None, env=None, timeout=300):
    """Runs vmscope; (exit status, stdout, stderr) as bytes."""
    command = [VMSCOPE, *map(str, args)]
    if user is not None:
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups",
                   "--"] + command
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=env,
                          timeout=timeout, check=False)
    return done.returncode, done.stdout, done.stderr


def snap(pid, *options, user=None):
    """The snapshot as a dict; a RuntimeError tells what went wrong."""
    status, out, err = vmscope("snap", "--format", "json", *options, "-p", pid, user=user)
    if status != 0 or err:
        raise RuntimeError(f"snap -p {pid}: status {status}, stderr {err!r}")
    return json.loads(out.decode("utf-8"))


@functools.lru_cache(maxsize=None)
def own_files():
    """Inodes of the files that vmscope itself maps: while it looks, it is one of their sharers."""
    ldd = subprocess.run(["ldd", VMSCOPE], capture_output=True, text=True, check=False).stdout
    paths = re.findall(r"/\S+", ldd) + [VMSCOPE]
    return {os.stat(p).st_ino for p in paths if os.path.exists(p)}


def in_every(compare_once, key=str, attempts=12):
    """The complaints that come of every attempt, by their key: other processes map and unmap shared
    files at any moment, and what they cause is another thing each time; what is wrong stays wrong."""
    remaining = None
    for _ in range(attempts):
        found = compare_once()
        again = {key(c) for c in found}
        remaining = found if remaining is None else [c for c in remaining if key(c) in again]
        if not remaining:
            break
    return remaining


def before_colon(complaint):
    """A key for complaints that begin with what they are about."""
    return complaint.partition(":")[0]


def common(name, kind_is_file):
    """Pages that processes outside the test map and unmap as they come and go: how exclusive they
    are changes from one reading to the next."""
    ours = "vmscope-states-" in name
    return kind_is_file and name.startswith("/") and not ours or name == "[vdso]"


def common_region(region):
    return common(text_of(region.name), region.inode != 0 and not region.shmem)


def watched_region(region):
    """Mapped by vmscope too."""
    return region.name == b"[vdso]" or region.inode in own_files() and common_region(region)


def differences(a, b):
    """Members whose sums differ between two readings, but for what other processes decide."""
    bad, loose = [], False
    for x, y in zip(a["regions"], b["regions"]):
        free = common(x["name"], x["kind"] == "file")
        loose |= free
        bad += [f"{label(x)}: {m} {x[m]} and {y[m]}" for m in SUMS
                if x[m] != y[m] and not (free and m in ("exclusive", "shared"))]
    return bad + [f"total {m}: {a['totals'][m]} and {b['totals'][m]}" for m in SUMS
                  if a["totals"][m] != b["totals"][m]
                  and not (loose and m in ("exclusive", "shared"))]


def text_of(name):
    """A name as the JSON has it: each byte that is no valid UTF-8 is U+FFFD."""
    text = name.decode("utf-8", "surrogateescape")
    return "".join("\ufffd" if "\udc80" <= c <= "\udcff" else c for c in text)


def label(region):
    return f"{region['start']}-{region['end']} {region['perms']} {region['name']!r}"


def shape(snapshot):
    """Whatever the target is, a snapshot has all members and adds up."""
    bad = []
    if snapshot.get("schema") != "vmscope.snapshot/1":
        bad.append(f"schema {snapshot.get('schema')}")
    for member in ("pid", "comm", "page_size", "sample", "can", "totals", "regions"):
        if member not in snapshot:
            bad.append(f"no member {member}")
    last = 0
    for r in snapshot["regions"]:
        missing = [m for m in SUMS if m not in r]
        if missing:
            bad.append(f"{label(r)}: no {missing}")
        if int(r["start"], 16) < last or int(r["end"], 16) <= int(r["start"], 16):
            bad.append(f"{label(r)}: out of order or overlapping")
        last = int(r["end"], 16)
    for m in SUMS:
        parts = [r.get(m) for r in snapshot["regions"]]
        whole = snapshot["totals"].get(m)
        if None in parts:
            if whole is not None and m != "swap":
                bad.append(f"total {m} is {whole} though a region's is unknown")
        elif whole != sum(parts):
            bad.append(f"total {m} is {whole}, the regions add up to {sum(parts)}")
    return bad


def against_smaps(snapshot, pid):
    """Ranges, permissions, names, flags and every sum that smaps tells."""
    wanted = kernel.smaps(pid)
    found = snapshot["regions"]
    if len(wanted) != len(found):
        return [f"{len(found)} regions, smaps has {len(wanted)}"]
    bad = []
    for r, s in zip(found, wanted):
        have = dict(start=int(r["start"], 16), end=int(r["end"], 16), perms=r["perms"],
                    offset=int(r["offset"], 16), dev=r["dev"], inode=r["inode"], name=r["name"])
        want = dict(start=s.start, end=s.end, perms=s.perms, offset=s.offset, dev=s.dev,
                    inode=s.inode, name=text_of(s.name))
        have["vmflags"], want["vmflags"] = sorted(r.get("vmflags") or []), sorted(s.vmflags)
        have["size"], want["size"] = r["size"], s.end - s.start
        for member, names in SMAPS.items():
            have[member], want[member] = r[member], s.smaps(*names)
        bad += [f"{s.label}: {m} is {have[m]!r}, the kernel says {want[m]!r}"
                for m in want if have[m] != want[m]]
    return bad


def against_rollup(snapshot, pid):
    rollup = kernel.rollup(pid)
    bad = []
    for member, names in SMAPS.items():
        want = sum(rollup.get(n, 0) for n in names)
        if snapshot["totals"][member] != want:
            bad.append(f"total {member} is {snapshot['totals'][member]}, smaps_rollup says {want}")
    return bad


class RawPicture:
    """Every page of a process as the raw bits tell it."""

    def __init__(self, pid, regions=None):
        self.pid = pid
        self.frames = kernel.Frames()
        self.regions = kernel.smaps(pid) if regions is None else regions
        entries = kernel.Entries(pid)
        try:
            self.pages = [kernel.pages_of(pid, r, entries, self.frames) for r in self.regions]
        finally:
            entries.close()

    def close(self):
        self.frames.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def sums_of(pages, region):
    """T of INTERFACES from raw bits, but for what smaps alone tells of swap under pages."""
    t = dict.fromkeys(SUMS, 0)
    t["size"] = region.end - region.start
    for _, n, facts in pages:
        size = n * PAGE
        if facts.state in STATES_RSS:
            t["resident"] += size
        if facts.state in STATES_ANON:
            t["anon"] += size
            t["cow"] += 0 if facts.exclusive else size
        if facts.state in STATES_PRESENT:
            t["exclusive" if facts.exclusive else "shared"] += size
        for member in ("file", "shmem", "ksm", "hugetlb", "guard"):
            t[member] += size if facts.state == member else 0
        t["zero"] += size if facts.state in ("zero", "huge-zero") else 0
        t["unknown"] += size if facts.state in ("unknown", "present") else 0
        t["locked"] += size if kpf(facts.flags, "mlocked") else 0
    return t


def against_sums(snapshot, raw, raw_after):
    """The sums that smaps does not tell, from raw bits."""
    bad = []
    for r, region, pages, again in zip(snapshot["regions"], raw.regions, raw.pages,
                                       raw_after.pages):
        want = sums_of(pages, region)
        if watched_region(region) or common_region(region) and want != sums_of(again, region):
            if r["exclusive"] + r["shared"] != want["exclusive"] + want["shared"]:
                bad.append(f"{region.label}: exclusive and shared do not add up")
            want["exclusive"], want["shared"] = r["exclusive"], r["shared"]
        for m in SUMS:
            if m in ("swap", "pmd_mapped"):
                continue
            if m == "unknown" and region.name == b"[vsyscall]":
                continue
            if r[m] != want[m]:
                bad.append(f"{region.label}: {m} is {r[m]}, raw bits say {want[m]}")
    return bad


def runs_in_full(region):
    """The runs of a region with the absent pages between them."""
    out, page, last = [], int(region["start"], 16) // PAGE, int(region["end"], 16) // PAGE
    absent = dict(state="absent", attrs=[], pfn=None, mapcount=None, order=None)
    for run in region["runs"]:
        start = int(run["start"], 16) // PAGE
        if start > page:
            out.append(dict(absent, first=page, pages=start - page))
        out.append(dict(run, first=start))
        page = start + run["pages"]
    if page < last:
        out.append(dict(absent, first=page, pages=last - page))
    return out


def page_complaints(run, at, facts, frames, watched):
    """One page `at` pages into a run against the raw facts of that page."""
    bad = []
    if run["state"] != facts.state and not (run["state"] in ("unknown", "device") and
                                            facts.state in ("unknown", "device")):
        return [f"state {run['state']}, raw bits say {facts.state}"]
    attrs = set(run.get("attrs") or [])
    if ("uffd-wp" in attrs) != facts.uffd_wp:
        bad.append(f"attribute uffd-wp is {'uffd-wp' in attrs}")
    if facts.state not in STATES_PRESENT or facts.frame is None:
        return bad
    if run["pfn"] is None or int(run["pfn"], 16) + at != facts.frame:
        bad.append(f"frame {run['pfn']} + {at}, pagemap says {facts.frame:#x}")
    if facts.state in STATES_RSS:
        bad += flag_complaints(run, attrs, facts, frames)
    if watched and facts.state == "file":
        return bad
    if ("exclusive" in attrs) != facts.exclusive:
        bad.append(f"attribute exclusive is {'exclusive' in attrs}")
    if run["mapcount"] is not None and run["mapcount"] != facts.count:
        bad.append(f"mapcount differs from kpagecount by {run['mapcount'] - facts.count:+d}")
    if not facts.exclusive and run["mapcount"] is None and "zero" not in facts.state:
        bad.append("mapcount is unknown though the page is not exclusive")
    return bad


def flag_complaints(run, attrs, facts, frames):
    bad = []
    flags = facts.flags
    for attr, bit in FLAG_ATTRS.items():
        if (attr in attrs) != kpf(flags, bit):
            bad.append(f"attribute {attr} is {attr in attrs}, flags are {flags:#x}")
    lazy = kpf(flags, "anon") and not kpf(flags, "swapbacked")
    if ("lazyfree" in attrs) != lazy:
        bad.append(f"attribute lazyfree is {'lazyfree' in attrs}, flags are {flags:#x}")
    # A huge page that a PMD maps carries the mark on its head alone.
    owner = flags
    if "pmd-mapped" in attrs and kpf(flags, "tail"):
        while kpf(owner, "tail"):
            owner = frames.flags(facts.frame & ~511)
            break
    owned = kpf(flags, "anon") and kpf(owner, "owner_2")
    if ("anon-exclusive" in attrs) != owned:
        bad.append(f"attribute anon-exclusive is {'anon-exclusive' in attrs}, flags {flags:#x}")
    if run.get("order") is not None and run["order"] != frames.order(facts.frame):
        bad.append(f"order {run['order']}, head and tails say {frames.order(facts.frame)}")
    return bad


def against_pages(snapshot, raw, raw_after=None):
    """Every run of --pages against raw bits, page by page. Pages whose raw facts differ between
    two readings, one before and one after the snapshot, are left out."""
    bad = []
    for i, (r, region, pages) in enumerate(zip(snapshot["regions"], raw.regions, raw.pages)):
        base = region.start // PAGE
        moving = set()
        if raw_after:
            moving = {a[0] for a, b in zip(pages, raw_after.pages[i]) if stable(a) != stable(b)}
        runs = iter(runs_in_full(r))
        run = next(runs)
        watched = watched_region(region)
        for index, n, facts in pages:
            while n > 0:
                while run["first"] + run["pages"] - base <= index:
                    run = next(runs)
                at = base + index - run["first"]
                step = min(n, run["pages"] - at)
                if index not in moving:
                    bad += [f"{region.label} page {index}: {c}"
                            for c in page_complaints(run, at, facts, raw.frames,
                                                     watched)]
                index, n = index + step, n - step
    return bad


def stable(item):
    index, n, facts = item
    noise = 1 << kernel.KPF["referenced"] | 1 << kernel.KPF["active"] | 1 << 5 | 1 << 0
    return index, n, facts.state, facts.frame, facts.exclusive, facts.flags & ~noise, facts.count


def of_state(snapshot, state):
    """What target_states knows about one of its mappings."""
    inside = [r for r in snapshot["regions"]
              if int(r["start"], 16) >= state.start and int(r["end"], 16) <= state.end]
    if not inside or (len(inside) != 1 and not state.split):
        return [f"{len(inside)} regions in {state.start:x}-{state.end:x}"]
    bad = []
    for r in inside:
        bad += region_of_state(r, state)
    runs = [run for r in inside for run in runs_in_full(r)]
    if state.runs:
        bad += states_of_state(runs, state)
    bad += attrs_of_state(runs, state)
    if state.mapcount is not None:
        wrong = {run["mapcount"] for run in runs if run["state"] in STATES_PRESENT}
        if wrong != {state.mapcount}:
            bad.append(f"map counts {wrong}, expected {state.mapcount}")
    return bad


def region_of_state(r, state):
    bad = []
    if state.perms and r["perms"] != state.perms:
        bad.append(f"perms {r['perms']}, expected {state.perms}")
    if state.kind and r["kind"] != state.kind:
        bad.append(f"kind {r['kind']}, expected {state.kind}")
    if state.shown is not None and r["name"] != text_of(state.shown):
        bad.append(f"name {r['name']!r}, expected {text_of(state.shown)!r}")
    for wanted, flag in state.flags:
        if (flag in r["vmflags"]) != wanted:
            bad.append(f"flag {flag} {'missing' if wanted else 'present'} in {r['vmflags']}")
    return bad


def states_of_state(runs, state):
    got = []
    for run in runs:
        if got and got[-1][0] == run["state"]:
            got[-1][1] += run["pages"]
        else:
            got.append([run["state"], run["pages"]])
    want = [("|".join(sorted(names)), n) for names, n in state.runs]
    good = len(got) == len(want) and all(
        g[0] in names and g[1] == n for g, (names, n) in zip(got, state.runs))
    return [] if good else [f"runs {got}, made {want}"]


def attrs_of_state(runs, state):
    bad = []
    for wanted, attr, first, n in state.attrs:
        low, high = state.start // PAGE + first, state.start // PAGE + first + n
        wrong = sum(max(0, min(high, run["first"] + run["pages"]) - max(low, run["first"]))
                    for run in runs if (attr in (run.get("attrs") or [])) != wanted)
        if wrong:
            bad.append(f"{wrong} of pages {first}+{n} "
                       f"{'lack' if wanted else 'have'} attribute {attr}")
    return bad
