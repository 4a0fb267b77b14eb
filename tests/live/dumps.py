#!/usr/bin/env python3
"""Snapshots of the dumps in tests/dumps: sums agree with the smaps that was captured with them, runs
of pages with the text that the dump was made of, and what is no line of maps is dropped and counted.

unprivileged: yes"""
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from lib.tap import Tap, end_by_exception  # noqa: E402
from lib.target import ROOT, VMSCOPE, Target, python  # noqa: E402

DUMPS = f"{ROOT}/tests/dumps"
PAGE = 4096
SMAPS = {"Rss": "resident", "Anonymous": "anon", "Swap": "swap", "KSM": "ksm"}


class Proc:
    """Dumps, expanded into a stand-in for /proc."""

    def __enter__(self):
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.dir = tempfile.TemporaryDirectory(prefix="vmscope-dumps.", dir=place)
        self.pids = {}
        for name in sorted(os.listdir(DUMPS)):
            if os.path.isdir(f"{DUMPS}/{name}") and not name.startswith("_"):
                out = subprocess.run([f"{DUMPS}/expand", f"{self.dir.name}/{name}",
                                      f"{DUMPS}/{name}"], check=True, capture_output=True)
                self.pids[name] = int(out.stdout)
        return self

    def __exit__(self, *unused):
        self.dir.cleanup()

    def snap(self, name, *options):
        done = subprocess.run([VMSCOPE, "snap", "-p", str(self.pids[name]), "--proc-root",
                               f"{self.dir.name}/{name}", "--format", "json", *options],
                              capture_output=True, text=True, timeout=300, check=False)
        return done

    def picture(self, name):
        done = self.snap(name, "--pages")
        if done.returncode:
            raise RuntimeError(f"snap of {name}: {done.stderr}")
        return json.loads(done.stdout)


def smaps_of(name):
    """{start: {field: bytes}} and the sums."""
    regions, sums, now = {}, dict.fromkeys(SMAPS, 0), None
    with open(f"{DUMPS}/{name}/smaps", encoding="utf-8") as f:
        for line in f:
            head = re.match(r"([0-9a-f]+)-[0-9a-f]+ ", line)
            value = re.match(r"(\w+):\s+(\d+) kB", line)
            if head:
                now = regions.setdefault(int(head[1], 16), {})
            elif value and value[1] in SMAPS:
                now[value[1]] = int(value[2]) * 1024
                sums[value[1]] += now[value[1]]
    return regions, sums


def against_smaps(proc, name):
    shot = proc.picture(name)
    regions, sums = smaps_of(name)
    complaints = [f"total {field}: smaps {sums[field]}, vmscope {shot['totals'][ours]}"
                  for field, ours in SMAPS.items() if shot["totals"][ours] != sums[field]]
    for region in shot["regions"]:
        want = regions.pop(int(region["start"], 16), {})
        complaints += [f"{region['start']} {field}: smaps {value}, vmscope {region[SMAPS[field]]}"
                       for field, value in want.items() if region[SMAPS[field]] != value]
    return complaints + [f"{start:x} is missing" for start in regions]


def pages_of_text(name):
    """{address: words} of pagemap.txt."""
    pages = {}
    with open(f"{DUMPS}/{name}/pagemap.txt", encoding="utf-8") as f:
        for line in f:
            words = line.split("#")[0].split()
            for i in range(int(words[1]) if len(words) > 1 else 0):
                pages[int(words[0], 16) + i * PAGE] = words[2:]
    return pages


def frames_of_runs(shot):
    """{address: (state, pfn or None)} of every page that is there."""
    pages = {}
    for region in shot["regions"]:
        for run in region["runs"]:
            start = int(run["start"], 16)
            pfn = int(run["pfn"], 16) if run.get("pfn") else None
            if run["state"] not in ("absent", "device"):
                for i in range(run["pages"]):
                    pages[start + i * PAGE] = (run["state"], None if pfn is None else pfn + i)
    return pages


def against_text(proc, name):
    found, complaints = frames_of_runs(proc.picture(name)), []
    want = {a: w for a, w in pages_of_text(name).items() if w != ["0x420000000000001f"]}
    for address in sorted(set(want) ^ set(found)):
        complaints.append(f"{address:x}: text {want.get(address)}, vmscope {found.get(address)}")
    first = {}
    for address in sorted(set(want) & set(found)):
        words, (_state, pfn) = want[address], found[address]
        text = next((int(w[4:], 16) for w in words if w.startswith("pfn=")), None)
        if text is not None:
            # The words of a line name the first frame: count on from the line's first address.
            begin = first.setdefault(tuple(words), address)
            if pfn != text + (address - begin) // PAGE:
                complaints.append(f"{address:x}: frame {text:x} on from {begin:x}, vmscope {pfn}")
    return complaints


def states_are_named(proc):
    shot = proc.picture("states")
    want = {"[anon:anon]": "anon-exclusive", "[anon:cow]": "anon-shared", "[anon:zero]": "zero",
            "[anon:ksm]": "ksm", "[anon:swap]": "swapped", "[anon:guard]": "guard",
            "[anon:marker]": "absent", "/memfd:shmem (deleted)": "shmem", "/usr/share/file": "file"}
    complaints = []
    for region in shot["regions"]:
        states = {r["state"]: 0 for r in region["runs"]}
        for r in region["runs"]:
            states[r["state"]] += r["pages"]
        state = want.pop(region["name"], None)
        if state and states not in ({state: 16}, {} if state == "absent" else None):
            complaints.append(f"{region['name']}: {states}, not 16 pages {state}")
        if region["name"] == "[anon:mixed]" and states.get("anon-exclusive") != 256:
            complaints.append(f"mixed: {states}, not 256 of 4096 pages")
    return complaints + [f"{name} is missing" for name in want]


def garbage_is_counted(proc):
    shot = proc.picture("garbage")
    names = [r["name"] for r in shot["regions"]]
    starts = [int(r["start"], 16) for r in shot["regions"]]
    complaints = [] if starts == sorted(starts) else ["not in order"]
    complaints += [] if "/usr/bin/real" in names and len(names) == 6 else [f"regions: {names}"]
    table = subprocess.run([VMSCOPE, "snap", "-p", str(proc.pids["garbage"]), "--proc-root",
                            f"{proc.dir.name}/garbage"], capture_output=True, text=True,
                           check=False).stdout
    return complaints + ([] if "12 lines" in table else ["the table does not tell of 12 lines"])


def names_survive(proc):
    shot = proc.picture("names")
    with open(f"{DUMPS}/names/maps", "rb") as f:
        want = [line[73:].decode("utf-8", "replace") for line in f.read().split(b"\n") if line]
    found = [r["name"] for r in shot["regions"]]
    return [f"{w!r} came out as {g!r}" for w, g in zip(want, found) if w != g]


def nothing_is_unknown_as_zero(proc):
    shot = proc.picture("nopagemap")
    known = {"size", "unknown"}
    return [f"{where['name'] if 'name' in where else 'total'}: {k} is {v}, not null"
            for where in shot["regions"] + [shot["totals"]]
            for k, v in (where.get("totals") or where).items()
            if k in ("resident", "anon", "file", "swap", "exclusive") and v is not None
            and k not in known]


def gone_is_one_line(proc):
    done = proc.snap("zombie")
    if done.returncode == 1 and done.stderr.count("\n") == 1 and "ended" in done.stderr:
        return []
    return [f"status {done.returncode}", done.stderr]


def hugetlb_is_outside_rss(proc):
    totals = proc.picture("hugetlb")["totals"]
    want = {"hugetlb": 2048 * PAGE, "resident": 2 * PAGE, "anon": PAGE, "file": PAGE}
    return [f"{k}: {totals[k]}, not {v}" for k, v in want.items() if totals[k] != v]


LIVELY = """
import mmap, os
a = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
b = mmap.mmap(-1, 1 << 20)
for i in range(0, 1 << 20, 16384):
    a[i] = b[i] = 1
print("ready", flush=True)
os.read(0, 1)
"""


def a_capture_is_the_process(_proc):
    """A process captured, expanded and read again is what it was alive."""
    with Target([python(), "-c", LIVELY], stdin=subprocess.PIPE) as target, \
            tempfile.TemporaryDirectory(prefix="vmscope-capture.") as d:
        target.wait_line(b"ready")
        target.stop()
        subprocess.run([f"{ROOT}/tools/capture-dump.py", str(target.pid), f"{d}/dump"], check=True)
        subprocess.run([f"{DUMPS}/expand", f"{d}/proc", f"{d}/dump"], check=True,
                       stdout=subprocess.DEVNULL)
        shots = []
        for root in ("/proc", f"{d}/proc"):
            done = subprocess.run([VMSCOPE, "snap", "-p", str(target.pid), "--proc-root", root,
                                   "--format", "json"], check=True, capture_output=True)
            shots.append(json.loads(done.stdout))
    live, dump = ({r["start"]: r for r in s["regions"]} for s in shots)
    fields = ("end", "perms", "size", "resident", "anon", "file", "shmem", "swap", "kind")
    complaints = [f"{a}: {f} is {live[a][f]} alive, {dump[a][f]} in the dump"
                  for a in sorted(set(live) & set(dump)) for f in fields
                  if live[a][f] != dump[a][f]]
    return complaints + [f"{a} is in one of the two only" for a in sorted(set(live) ^ set(dump))]


def main():
    end_by_exception()
    tap = Tap()
    with Proc() as proc:
        for name in sorted(proc.pids):
            if os.path.exists(f"{DUMPS}/{name}/smaps"):
                tap.run(f"{name}: sums equal the captured smaps",
                        lambda: against_smaps(proc, name))
            if os.path.exists(f"{DUMPS}/{name}/pagemap.txt") and name != "nopagemap":
                tap.run(f"{name}: every page and frame is in the dump, and the other way round",
                        lambda: against_text(proc, name))
        for title, test in (("states: each region has its state", states_are_named),
                            ("garbage: dropped and counted", garbage_is_counted),
                            ("names: survive to JSON", names_survive),
                            ("nopagemap: unknown is null", nothing_is_unknown_as_zero),
                            ("zombie: one line on stderr", gone_is_one_line),
                            ("hugetlb: outside Rss", hugetlb_is_outside_rss),
                            ("a captured process is what it was alive",
                             a_capture_is_the_process)):
            tap.run(title, lambda: test(proc))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
