#!/usr/bin/env python3
"""vmscope faults against a program that says beforehand which faults it is going to make."""
import collections
import itertools
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.tap import Skip, Tap  # noqa: E402
from lib.target import HELPERS, VMSCOPE  # noqa: E402
from lib.terminal import Terminal  # noqa: E402
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers"))
from machine import Machine  # noqa: E402

KNOWN = os.path.join(HELPERS, "faults_known")
# The program ends with huge pages; these need a prepared machine.
HUGE = {"huge_anonymous", "huge_forked", "small_first"}
# What events alone do not settle: whether a child that has not done anything yet is there still, or
# one that copies a page has done so; what KSM has merged.
OPEN = {"ksm", "parent_copies", "child_copies", "huge_forked"}


def follow(*options):
    """The lines of the program, and the records of vmscope."""
    with tempfile.NamedTemporaryFile() as out:
        done = subprocess.run([VMSCOPE, "faults", "-f", "jsonl", "-o", out.name, *options],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace"))
        with open(out.name, encoding="utf-8") as f:
            return done.stdout.decode().splitlines(), [json.loads(line) for line in f]


def expectations(lines):
    names = ("seq", "addr", "access", "path", "how", "function", "source", "pid", "also")
    for line in lines:
        if line.startswith("expect "):
            yield dict(zip(names, line.split()[1:]))


def known_faults(state, without=frozenset()):
    """Every announced fault is seen once, in order, at its address, with its access."""
    arena = next(line.split()[1:] for line in state["said"] if line.startswith("arena "))
    low, high = (int(word, 16) for word in arena)
    every = list(expectations(state["said"]))
    expected = list(itertools.takewhile(lambda e: e["function"] not in without, every))
    outside = {int(e["addr"], 16) >> 12 for e in expected}
    seen = [r for r in state["records"] if r["type"] == "fault"
            and (low <= int(r["addr"], 16) < high or int(r["addr"], 16) >> 12 in outside)]
    if len(expected) < len(every):
        seen = seen[:len(expected)]
    state["pairs"] = list(zip(expected, seen))
    wrong = [f"{e} but {r}" for e, r in state["pairs"]
             if int(e["addr"], 16) >> 12 != int(r["addr"], 16) >> 12 or e["access"] != r["access"]]
    if len(seen) != len(expected):
        wrong.append(f"expected {len(expected)} faults, saw {len(seen)}")
    return wrong[:5]


def wrong_paths(state):
    """Every path is the right one, and is given as sure, but for those that cannot be."""
    return [f"{e} but {r['path']} {r['how']}, sure: {r['sure']}" for e, r in state["pairs"]
            if (e["path"], e["how"]) != (r["path"], r["how"] or "-")
            or not r["sure"] and e["function"] not in OPEN]


def wrong_places(state):
    """Process, function and line are those of the program; the kernel's own access is the caller's
    of the system call."""
    wrong = [f"pid {e['pid']} but {r['pid']}" for e, r in state["pairs"]
             if int(e["pid"]) != r["pid"]]
    return wrong + [f"{e['function']} {e['source']} but {r['symbol']} {r['source']}"
                    for e, r in state["pairs"] if e["function"] != "-"
                    and (str(r["symbol"]).split("+")[0] != e["function"]
                         or r["source"] != e["source"])]


def wrong_modes(state):
    """Only read(2) makes the kernel fault, and the processor's word on what was there fits."""
    there = {"do_wp_page": True, "do_huge_pmd_wp_page": True, "do_anonymous_page": False,
             "do_read_fault": False, "do_cow_fault": False, "do_shared_fault": False,
             "sigbus": False, "do_swap_page": False, "do_huge_pmd_anonymous_page": False}
    return [f"{e} but {r['mode']} {r['protection']}" for e, r in state["pairs"]
            if (r["mode"] == "kernel") != (e["function"] == "in_kernel")
            or r["protection"] != there.get(e["path"], r["protection"])]


def known_when_busy():
    """The same while both processors have other things to do, so that events come in late."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
             for _ in range(os.cpu_count() or 1)]
    try:
        for _ in range(10):
            state = {}
            state["said"], state["records"] = follow("--", KNOWN)
            wrong = known_faults(state, HUGE) or wrong_paths(state) or wrong_places(state)
            if wrong:
                return wrong[:5]
        return []
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def on_screen():
    """The views name the function and the line, also of a program that has ended: asked for when they
    are shown, by a worker."""
    at = next(e for e in expectations(follow("--", KNOWN)[0]) if e["function"] != "-")
    # The command stays, and outlives the screen: it ends with this test.
    stays = ["sh", "-c", f"{KNOWN} >/dev/null; exec tail -f --pid={os.getpid()} /dev/null"]
    with Terminal([VMSCOPE, "run", "--engine", "bpf", "--", *stays], rows=50, cols=200) as t:
        t.wait_text(b"live")
        t.send(b"4f" + at["function"].encode() + b"+\r")
        t.wait_text(b"faults_known.c:")
        t.send(b"q")
    return []


def counters():
    """Perf counts the faults that the engine tells of, but for those that end in a signal (and, of
    those that are tried again, what may come in between)."""
    records = follow("--counters", "--", KNOWN)[1]
    summary, ends = records[-1], ("bad_area", "bad_access", "sigbus")
    count = {c["name"]: c for c in summary["counters"]}
    wrong = [c for c in count.values() if c.get("count", c.get("ns")) is None and not c["why"]]
    counted = sum(count[f"{kind} faults"]["count"] for kind in ("minor", "major"))
    faults = sum(r["type"] == "fault" and r["path"] not in ends for r in records)
    if abs(counted - faults) > 10:
        wrong.append(f"perf counted {counted} faults, the engine told of {faults}")
    if not 0 < count["CPU time"]["ns"] < 10**10 or not count["context switches"]["count"]:
        wrong.append(f"{count['CPU time']}, {count['context switches']}")
    return wrong


def usage():
    """Processor time and context switches without any event: of work that is known."""
    work = ("import os, time\nfor i in range(50): time.sleep(0.001)\n"
            "while os.times().user < 0.3: pass\n")
    records = follow("--engine", "poll", "--", sys.executable, "-S", "-c", work)[1]
    wrong, summary = [], records[-1]
    if not 0.25e9 < summary["cpu_ns"] < 5e9:
        wrong.append(f"0.3 s of work took {summary['cpu_ns']} ns")
    if not 50 <= summary["voluntary_switches"] < 5000 or summary["involuntary_switches"] is None:
        wrong.append(f"slept 50 times: {summary}")
    return wrong


def usage_of_running():
    """The same of a process that was there before, and is still there when we stop."""
    with open(VMSCOPE, "rb") as program:
        if b"__asan_init" in program.read():
            raise Skip("under a sanitizer the symbols of python take minutes")
    work = ("import mmap, time\nwhile True:\n time.sleep(0.001)\n m = mmap.mmap(-1, 1 << 20)\n"
            " m[::4096] = bytes(256)\n m.close()\n")
    with subprocess.Popen([sys.executable, "-S", "-c", work]) as p:
        try:
            summary = follow("--engine", "bpf", "-n", "5000", "-p", str(p.pid))[1][-1]
        finally:
            p.kill()
    wrong = [f"no {name}: {summary}" for name in
             ("minor", "cpu_ns", "voluntary_switches", "involuntary_switches")
             if summary[name] is None]
    return wrong or ([] if summary["minor"] > 4000 and summary["voluntary_switches"] > 5
                     else [str(summary)])


def known_huge():
    """The kinds with huge pages, on a machine where they are given on advice and khugepaged rests."""
    with Machine(thp=True) as machine:
        if not machine.has.get("thp"):
            raise Skip(machine.why.get("thp", "no huge pages here"))
        state = {}
        state["said"], state["records"] = follow("--", KNOWN)
    return (known_faults(state) or wrong_paths(state) or wrong_places(state))[:5]


def known_prepared(kind, **wish):
    """A kind that needs a prepared machine. What a userfaultfd has write-protected no event tells:
    there a verdict may be wrong, and must be unsure."""
    with Machine(thp=True, **wish) as machine:
        lacks = [what for what in ("thp", *wish) if not machine.has.get(what)]
        if lacks:
            raise Skip(machine.why.get(lacks[0], f"no {lacks[0]} here"))
        state = {}
        state["said"], state["records"] = follow("--", KNOWN, kind)
    if any(line.startswith(f"skip {kind}") for line in state["said"]):
        raise Skip(next(line for line in state["said"] if line.startswith(f"skip {kind}")))
    wrong = known_faults(state) or wrong_places(state)
    asked = [(e, r) for e, r in state["pairs"] if (e["path"], e["access"]) == ("uffd", "write")]
    state["pairs"] = [pair for pair in state["pairs"] if pair not in asked]
    wrong += wrong_paths(state) + [f"{e} but sure of {r['path']}" for e, r in asked if r["sure"]]
    return wrong[:5]


def place_of(e):
    return int(e["addr"], 16) >> 12, int(e["pid"])


def known_by_perf():
    """Perf events do not tell the access; what is predicted is right, or unsure."""
    state = {}
    state["said"], state["records"] = follow("--engine", "perf", "--", KNOWN)
    if state["records"][-1]["engine"] != "perf":
        raise Skip(state["records"][-1]["why"])
    return wrong_by_perf(state)


def wrong_by_perf(state):
    """Order, place, function and line of every fault in user mode; the path where it is sure."""
    low, high = (int(word, 16) for line in state["said"] if line.startswith("arena ")
                 for word in line.split()[1:])
    expected = itertools.takewhile(lambda e: e["function"] not in HUGE, expectations(state["said"]))
    expected = [e for e in expected if low <= int(e["addr"], 16) < high
                and e["function"] != "in_kernel"]
    seen = [r for r in state["records"] if r["type"] == "fault" and r["mode"] == "user"
            and low <= int(r["addr"], 16) < high]
    state["pairs"] = list(zip(expected, seen))
    wrong = [f"{e} but {r}" for e, r in state["pairs"]
             if place_of(e) != (int(r["addr"], 16) >> 12, r["pid"])
             or r["sure"] and (e["path"], e["how"]) != (r["path"], r["how"] or "-")]
    if len(seen) < len(expected):
        wrong.append(f"expected {len(expected)} faults, saw {len(seen)}")
    return (wrong or wrong_places(state))[:5]


def counted_by_page():
    """Where faults are only counted, each page and process has as many as were announced."""
    said, records = follow("--engine", "bpf", "--heat", "--", KNOWN)
    low, high = (int(word, 16) for line in said if line.startswith("arena ")
                 for word in line.split()[1:])
    expected = collections.Counter(place_of(e) for e in expectations(said)
                                   if low <= int(e["addr"], 16) < high)
    seen, all_counted = collections.Counter(), 0
    for r in (r for r in records if r["type"] == "heat"):
        all_counted += r["pages"] * r["count"]
        first = int(r["addr"], 16) >> 12
        for page in range(first, first + r["pages"]):
            if low >> 12 <= page < high >> 12:
                seen[page, r["pid"]] += r["count"]
    wrong = [f"page {page:#x} of {pid}: {expected[page, pid]} announced, {seen[page, pid]} counted"
             for page, pid in expected | seen if expected[page, pid] != seen[page, pid]]
    if any(r["type"] == "fault" for r in records):
        wrong.append("a fault was told by itself")
    if not 0 < all_counted == records[-1]["heat_told"] <= records[-1]["heat_faults"]:
        wrong.append(f"{all_counted} told in lines, {records[-1]}")
    return wrong[:5]


def known_unprivileged():
    """An ordinary user sees the same, without calls and so without certainty; all places are named."""
    done = subprocess.run([VMSCOPE, "faults", "-f", "jsonl", "--", KNOWN],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
                          user=65534, group=65534, extra_groups=[], cwd="/")
    state = {"said": done.stderr.decode().splitlines(),
             "records": [json.loads(line) for line in done.stdout.decode().splitlines()]}
    summary, faults = state["records"][-1], [r for r in state["records"] if r["type"] == "fault"]
    if summary["engine"] != "perf":
        raise Skip(summary["why"])
    wrong = [f"sure: {r}" for r in faults if r["sure"]]
    wrong += [f"nothing is known of {r}" for r in faults if r["path"] == "unknown"
              and not r["symbol"]]
    if "root" not in summary["why"] or "mm calls" not in summary["blind"]:
        wrong.append(f"not said: {summary}")
    return (wrong or wrong_by_perf(state))[:5]


def engine_foretold():
    """A snapshot names the engine that following takes then, for root and for an ordinary user."""
    wrong = []
    for user in (0, 65534):
        who = {"user": user, "group": user, "extra_groups": [], "cwd": "/"}
        with subprocess.Popen(["/bin/sleep", "1000"], **who) as target:
            try:
                last = [subprocess.run([VMSCOPE, *args], stdout=subprocess.PIPE, timeout=300,
                                       stderr=subprocess.DEVNULL, check=True, **who)
                        .stdout.decode().splitlines()[-1]
                        for args in (("snap", "-f", "json", "-p", str(target.pid)),
                                     ("faults", "-f", "jsonl", "--", "/bin/true"))]
            finally:
                target.kill()
        told, taken = json.loads(last[0])["can"]["faults"], json.loads(last[1])["engine"]
        if told != taken:
            wrong.append(f"user {user}: told {told}, taken {taken}")
    return wrong


def main():
    tap = Tap()
    if os.geteuid():
        tap.run("known faults", lambda: (_ for _ in ()).throw(Skip("needs root for the bpf engine")))
        return tap.finish()
    state = {}
    state["said"], state["records"] = follow("--", KNOWN)
    summary = state["records"][-1]
    if summary["engine"] != "bpf":
        tap.run("known faults", lambda: (_ for _ in ()).throw(Skip(f"no bpf: {summary['why']}")))
        return tap.finish()
    tap.run("no event is lost", lambda: [f"lost {summary['lost']}"] if summary["lost"] else [])
    tap.run("every announced fault is seen, in order", lambda: known_faults(state, HUGE))
    tap.run("every path is right and sure", lambda: wrong_paths(state)[:5])
    tap.run("processes, functions and lines are the program's", lambda: wrong_places(state)[:5])
    tap.run("mode and protection fit", lambda: wrong_modes(state)[:5])
    tap.run("and so it is with huge pages", known_huge)
    tap.run("and so it is with the pool of huge pages",
            lambda: known_prepared("hugetlb", hugetlb=4))
    tap.run("and so it is with swap", lambda: known_prepared("swap", swap=True))
    tap.run("and so it is with pages that KSM merged", lambda: known_prepared("ksm", ksm=True))
    tap.run("and so it is with userfaultfd, or unsure", lambda: known_prepared("uffd"))
    tap.run("perf events tell the same", known_by_perf)
    tap.run("and so they do for an ordinary user", known_unprivileged)
    tap.run("and so it is on a busy machine", known_when_busy)
    tap.run("counted by page only, each page has its faults", counted_by_page)
    tap.run("a snapshot tells which engine is taken", engine_foretold)
    tap.run("functions and lines are on the screen", on_screen)
    tap.run("counters agree with the kernel's own", counters)
    tap.run("processor time and context switches are always counted", usage)
    tap.run("and of a running process", usage_of_running)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
