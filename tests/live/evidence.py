#!/usr/bin/env python3
"""vmscope faults --evidence: what the kernel's call chains show, against a program that says
beforehand which way each of its faults goes, and against programs that do not."""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "helpers"))
from faults import KNOWN, expectations  # noqa: E402
from lib.compare import vmscope  # noqa: E402
from lib.tap import Skip, Tap  # noqa: E402
from lib.target import VMSCOPE  # noqa: E402
from machine import Machine  # noqa: E402

# What leaves a trace in the kernel, and what none: the zero page, and pages that are only made
# writable. (The first write to a shared file asks the file system, which may allocate.)
SHOWN = {("do_anonymous_page", "write", "-"), ("do_read_fault", "read", "-"),
         ("do_read_fault", "exec", "-"), ("do_cow_fault", "write", "-"),
         ("do_shared_fault", "write", "-"), ("do_wp_page", "write", "copy"),
         ("bad_area", "read", "-"), ("bad_area", "write", "-"), ("bad_access", "read", "-"),
         ("bad_access", "write", "-"), ("sigbus", "read", "-"), ("sigbus", "write", "-")}
SHOWN_PREPARED = {"thp": {("do_huge_pmd_anonymous_page", "write", "-"),
                          ("do_huge_pmd_wp_page", "write", "-")},
                  "swap": {("do_swap_page", "read", "-"), ("do_swap_page", "write", "-")}}
UNSEEN_IN = {"anonymous": ("do_anonymous_page", "read"), "child_copies": ("do_wp_page", "reuse")}


def follow(*command, options=()):
    """What the program said, the records, and the complaints."""
    with tempfile.NamedTemporaryFile() as out:
        done = subprocess.run([VMSCOPE, "faults", "--evidence", "-f", "jsonl", "-o", out.name,
                               *options, "--", *command], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=300)
        with open(out.name, encoding="utf-8") as f:
            return (done.stdout.decode().splitlines(), [json.loads(line) for line in f],
                    done.stderr.decode(errors="replace"))


def pairs(said, records):
    """Announced faults and those seen, in order."""
    low, high = (int(word, 16) for line in said if line.startswith("arena ")
                 for word in line.split()[1:])
    expected = list(expectations(said))
    pages = {int(e["addr"], 16) >> 12 for e in expected}
    seen = [r for r in records if r["type"] == "fault"
            and (low <= int(r["addr"], 16) < high or int(r["addr"], 16) >> 12 in pages)]
    if len(expected) != len(seen):
        raise RuntimeError(f"expected {len(expected)} faults, saw {len(seen)}")
    return list(zip(expected, seen))


# Where userfaultfd is asked.
UFFD_FROM = {"do_anonymous_page", "do_wp_page"}


def is_announced(e, r):
    if e["path"] == "uffd":
        return set(r["observed"]) <= UFFD_FROM
    return e["path"] in r["observed"] and (e["path"] != "do_wp_page"
                                           or r["observed_how"] in (None, e["how"]))


def announced(state):
    """What the kernel showed is what the program announced, whatever vmscope had predicted."""
    return [f"{e} but {r['observed']} {r['observed_how']}: {r['stack']}" for e, r in state["pairs"]
            if r["observed"] is not None and not is_announced(e, r)]


def shown(state):
    """Each kind that leaves a trace was seen as such."""
    found = {(e["path"], e["access"], e["how"]) for e, r in state["pairs"]
             if r["observed"] is not None and e["path"] in r["observed"]}
    wanted = set(SHOWN)
    for what, kinds in SHOWN_PREPARED.items():
        wanted |= kinds if state["has"].get(what) else set()
    return [f"never seen: {kind}" for kind in sorted(wanted - found)]


def unseen(state):
    """Where there is nothing to see, nothing is claimed."""
    wrong = []
    for function, (path, how) in UNSEEN_IN.items():
        faults = [r for e, r in state["pairs"] if e["function"] == function
                  and e["path"] == path and how in (e["access"], e["how"])]
        wrong += [f"{function}: no such fault"] if not faults else []
        wrong += [f"{function}: {r}" for r in faults
                  if r["observed"] is not None or r["agreement"] != "none"]
    return wrong


def agreement(records):
    """No disagreement; the summary counts what the lines say."""
    summary, faults = records[-1], [r for r in records if r["type"] == "fault"]
    wrong = [f"disagrees: {r}" for r in faults if r["agreement"] == "disagrees"][:5]
    for name in ("agrees", "disagrees", "none", "corrected", "unpredicted"):
        count = sum(r["agreement"] == name for r in faults)
        if count != summary["evidence"][name]:
            wrong.append(f"{name}: {count} lines, but the summary says {summary['evidence'][name]}")
    if sum(r["agreement"] is None for r in faults) or not summary["evidence"]["agrees"]:
        wrong.append(f"no evidence: {summary}")
    return wrong


def nothing_lost(records):
    evidence = records[-1]["evidence"]
    return [f"lost: {evidence}"] if evidence["samples_lost"] or evidence["faults_lost"] else []


POPULATE = """
import mmap, os
m = mmap.mmap(-1, 1 << 20)
m[0] = 1
big = mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
pid = os.fork()
if not pid:
    os._exit(0)
os.waitpid(pid, 0)
m[4096] = 1
"""


def outside_faults():
    """Pages that populate and fork allocate are not taken for those of the fault before."""
    _, records, _ = follow(sys.executable, "-c", POPULATE)
    faults = [r for r in records if r["type"] == "fault"]
    wrong = [f"not of a fault: {r['stack']}" for r in faults if r["stack"] and
             (not r["stack"].startswith("exc_page_fault;") or "populate" in r["stack"]
              or "copy_page_range" in r["stack"])]
    populated = sum(r["type"] == "call" and r["name"] == "mmap" and r["args"][1] == 32 << 20
                    for r in records)
    if populated != 1:
        wrong.append("the populated mapping was not seen")
    if records[-1]["evidence"]["samples"] > 6 * len(faults):
        wrong.append(f"{records[-1]['evidence']['samples']} samples of {len(faults)} faults")
    return wrong[:5]


def in_order():
    """Faults that wait for evidence come out in the order of time all the same."""
    _, records, _ = follow(sys.executable, "-c", "import threading\n"
                           "def f():\n  for i in range(50): bytearray(1 << 20)\n"
                           "t = [threading.Thread(target=f) for _ in range(4)]\n"
                           "[x.start() for x in t]; [x.join() for x in t]\n")
    times = [r["t_ns"] for r in records if r["type"] != "summary"]
    wrong = [] if times == sorted(times) else ["the lines are out of order"]
    return wrong + nothing_lost(records) + agreement(records)


def only_disagreements():
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run([VMSCOPE, "faults", "--disagreements", "-f", "jsonl", "-o", out.name, "--",
                        KNOWN], stdout=subprocess.PIPE, check=True, timeout=300)
        with open(out.name, encoding="utf-8") as f:
            records = [json.loads(line) for line in f]
    wrong = [str(r) for r in records[:-1] if r["type"] != "fault"
             or r["agreement"] not in ("disagrees", "corrected")]
    if not records[-1]["evidence"]:
        wrong.append("no summary of evidence")
    return wrong


def without_privilege():
    """One line says why there is none; the faults are told all the same."""
    _, out, err = vmscope("faults", "--evidence", "-f", "jsonl", "--", "/bin/true", user=65534)
    lines = [line for line in err.decode().splitlines() if "evidence" in line]
    records = [json.loads(line) for line in out.decode().splitlines()]
    wrong = [] if len(lines) == 1 and "root" in lines[0] else [f"said: {err.decode()}"]
    if not records or records[-1]["evidence"] is not None or not records[-1]["evidence_why"]:
        wrong.append(f"summary: {records[-1:]}")
    if any(r.get("observed") for r in records):
        wrong.append("something was observed")
    return wrong


def known(tap, state):
    with Machine(hugetlb=8, swap=True, ksm=True, thp=True, swap_mb=64) as machine:
        state["has"] = machine.has
        kinds = [k for k in ("hugetlb", "swap", "ksm") if machine.has.get(k)] + ["uffd"]
        said, state["records"], _ = follow(KNOWN, *kinds)
    state["pairs"] = pairs(said, state["records"])
    tap.run("known faults: no sample is lost", lambda: nothing_lost(state["records"]))
    tap.run("known faults: what is seen was announced", lambda: announced(state))
    tap.run("known faults: every kind that can be seen is", lambda: shown(state))
    tap.run("known faults: where nothing can be seen, nothing is", lambda: unseen(state))
    tap.run("known faults: no disagreement", lambda: agreement(state["records"]))


def main():
    tap = Tap()
    why = "needs root for the bpf engine"
    if not os.geteuid():
        why = follow("/bin/true")[1][-1]["evidence_why"]
    if why:
        tap.run("evidence", lambda: (_ for _ in ()).throw(Skip(why)))
        return tap.finish()
    known(tap, {})
    tap.run("populate and fork make no evidence", outside_faults)
    tap.run("order is kept", in_order)
    tap.run("only disagreements", only_disagreements)
    tap.run("without privilege", without_privilege)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
