#!/usr/bin/env python3
"""vmscope faults against a program that says beforehand which faults it is going to make."""
import itertools
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.tap import Skip, Tap  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VMSCOPE = os.path.join(ROOT, "build", "vmscope")
KNOWN = os.path.join(ROOT, "build", "tests", "helpers", "faults_known")
# The program ends with huge pages: whether the kernel has one to give, and when khugepaged comes by,
# is not ours to say on a machine that others use.
HUGE = {"huge_anonymous", "huge_forked", "small_first"}
# What events alone cannot tell: the size of a file, the ioctls of userfaultfd.
UNTOLD = {"sigbus", "uffd"}


def follow(*options):
    """The lines of the program, and the records of vmscope."""
    with tempfile.NamedTemporaryFile() as out:
        done = subprocess.run([VMSCOPE, "faults", "-f", "jsonl", "-o", out.name, *options],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace"))
        with open(out.name, encoding="utf-8") as f:
            return done.stdout.decode().splitlines(), [json.loads(line) for line in f]


def expectations(lines):
    names = ("seq", "addr", "access", "path", "how", "function", "line", "pid", "also")
    for line in lines:
        if line.startswith("expect "):
            yield dict(zip(names, line.split()[1:]))


def known_faults(state):
    """Every announced fault is seen once, in order, at its address, with its access."""
    arena = next(line.split()[1:] for line in state["said"] if line.startswith("arena "))
    low, high = (int(word, 16) for word in arena)
    every = list(expectations(state["said"]))
    expected = list(itertools.takewhile(lambda e: e["function"] not in HUGE, every))
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
    return [f"{e} but {r['path']} {r['how']}" for e, r in state["pairs"]
            if r["sure"] and e["path"] not in UNTOLD
            and (e["path"], e["how"]) != (r["path"], r["how"] or "-")]


def known_paths(state):
    """A path that is given as sure is the right one."""
    return wrong_paths(state)[:5]


def known_when_busy():
    """The same while both processors have other things to do, so that events come in late."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
             for _ in range(os.cpu_count() or 1)]
    try:
        for _ in range(10):
            state = {}
            state["said"], state["records"] = follow("--", KNOWN)
            wrong = known_faults(state) or wrong_paths(state)
            if wrong:
                return wrong[:5]
        return []
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def known_places(state):
    """The function and the line are those of the program. They are not known when it ended before
    its mappings could be read: that may happen on a busy machine, but not every time."""
    for _ in range(8):
        named = [(e, r) for e, r in state["pairs"] if e["function"] != "-" and r["mode"] == "user"]
        wrong = [f"{e['function']}:{e['line']} but {r['symbol']} {r['source']}" for e, r in named
                 if r["symbol"] is not None and (r["symbol"].split("+")[0] != e["function"]
                                                 or r["source"] != f"faults_known.c:{e['line']}")]
        unknown = sum(r["symbol"] is None for _, r in named)
        if wrong or not unknown:
            return wrong[:5]
        state["said"], state["records"] = follow("--", KNOWN)
        complaints = known_faults(state)
        if complaints:
            return complaints
    return [f"{unknown} places are not known, in 8 runs"]


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
    tap.run("every announced fault is seen, in order", lambda: known_faults(state))
    tap.run("a path that is sure is right", lambda: known_paths(state))
    tap.run("and so it is on a busy machine", known_when_busy)
    tap.run("functions and lines are the program's", lambda: known_places(state))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
