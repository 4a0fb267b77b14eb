#!/usr/bin/env python3
"""vmscope faults --callers against a program with frame pointers that says beforehand who calls
whom; as an ordinary user too, which the perf engine allows.
unprivileged: yes"""
import collections
import csv
import io
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.tap import Skip, Tap  # noqa: E402
from lib.target import HELPERS, VMSCOPE  # noqa: E402
from lib.terminal import Terminal  # noqa: E402

KNOWN = os.path.join(HELPERS, "callers_known")
CHAIN_MAX = 124


def run(*options):
    """What the program said, and what vmscope wrote."""
    with tempfile.NamedTemporaryFile() as out:
        done = subprocess.run([VMSCOPE, "faults", "-o", out.name, *options],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace"))
        with open(out.name, encoding="utf-8") as f:
            return done.stdout.decode().splitlines(), f.read()


def follow(engine, *options):
    said, written = run("-f", "jsonl", "--engine", engine, *options, "--", KNOWN)
    records = [json.loads(line) for line in written.splitlines()]
    if records[-1]["engine"] != engine:
        raise Skip(f"no {engine}: {records[-1]['why']}")
    return said, records


def expectations(said):
    for line in said:
        words = line.split()
        if words and words[0] == "expect":
            yield int(words[1], 16), words[2], words[3:]


def faults_at(records, address):
    return [r for r in records if r["type"] == "fault" and int(r["addr"], 16) == address]


def function(frame):
    return str(frame["symbol"]).split("+")[0]


def chain(fault):
    """Function names, innermost first, up to main."""
    names = [function(fault)] + [function(c) for c in fault["callers"]]
    return names[:names.index("main") + 1] if "main" in names else names


def wrong_chain(kind, names, fault):
    if kind == "deep":
        return len(fault["callers"]) != CHAIN_MAX or any(n != "deep" for n in chain(fault))
    if kind == "broken":
        return fault["callers"] != [] or function(fault) != "broken"
    return chain(fault) != names


def known(engine, kernel):
    """Each fault has its callers, and one whose frame pointer leads nowhere has none."""
    said, records = follow(engine, "--callers")
    wrong = [f"lost {records[-1]['lost']}"] if records[-1]["lost"] else []
    count = 0
    for address, kind, names in expectations(said):
        seen = faults_at(records, address)
        if kind == "absent":
            wrong += [f"a fault that the program did not make: {seen}"] if seen else []
            continue
        if kind == "kernel" and not kernel:
            continue
        count += 1
        if len(seen) != 1 or wrong_chain(kind, names, seen[0]):
            wrong.append(f"{kind} {names}: {[chain(s) for s in seen]}")
    summary = records[-1]["callers"]
    told = sum(r["type"] == "fault" and r["callers"] is not None for r in records)
    if count < 14 or summary["lost"] or not summary["broken"] or summary["chains"] < told:
        wrong.append(f"{count} faults, {told} chains, {summary}")
    return wrong


def sources(engine):
    """Each caller has the line of its call."""
    said, records = follow(engine, "--callers")
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "helpers",
                           "callers_known.c"), encoding="utf-8") as f:
        text = f.read().splitlines()
    wrong, looked = [], 0
    for address, kind, names in expectations(said):
        if kind != "chain":
            continue
        for callee, caller in zip(names[:-1], faults_at(records, address)[0]["callers"]):
            file, line = caller["source"].split(":")
            looked += 1
            if file != "callers_known.c" or f"{callee}(" not in text[int(line) - 1]:
                wrong.append(f"{callee} called at {caller}: {text[int(line) - 1]}")
    return wrong or ([] if looked == 4 * 3 + 1 else [f"{looked} callers"])


def folded(engine):
    """The same chains, outermost first, with their counts."""
    said, written = run("-f", "folded", "--engine", engine, "--callers", "--", KNOWN)
    expected = collections.Counter(";".join(reversed(names)) + ";do_anonymous_page"
                                   for _, kind, names in expectations(said) if kind == "chain")
    seen = collections.Counter()
    for line in written.splitlines():
        stack, count = line.rsplit(" ", 1)
        if ";main;" in ";" + stack:
            seen[re.sub(r"^.*?(?=(?<![^;])main;)", "", stack)] += int(count)
    return [f"{stack}: {seen[stack]} times, not {n}" for stack, n in expected.items()
            if seen[stack] != n]


def other_formats(engine):
    """CSV has the chain in one column, the table below its fault."""
    said, written = run("-f", "csv", "--engine", engine, "--callers", "--", KNOWN)
    rows = {int(r["addr"], 16): r for r in csv.DictReader(io.StringIO(written)) if r["addr"]}
    chains = [(a, n) for a, kind, n in expectations(said) if kind == "chain"]
    wrong = []
    for address, names in chains:
        row = rows[address]["callers"].split(";")
        if [r.split("+")[0] for r in row][:len(names) - 1] != names[1:]:
            wrong.append(f"csv: {names} but {row}")
    said, written = run("--engine", engine, "--callers", "--", KNOWN)
    below = re.findall(r" inner\+\S+ callers_known\.c:\d+\n +<- (.*)", written)
    seen = [[w.split("+")[0] for w in line.split(" <- ")] for line in below]
    expected = [n for _, kind, n in expectations(said) if kind == "chain"]
    if [s[:len(n) - 1] for s, n in zip(seen, expected)] != [n[1:] for n in expected]:
        wrong.append(f"table: {seen}")
    return wrong


def not_asked(engine):
    """Without the option there are none, with the reason."""
    _, records = follow(engine)
    wrong = [r for r in records if r["type"] == "fault" and r["callers"] is not None][:1]
    summary = records[-1]
    if summary["callers"] is not None or not summary["callers_why"]:
        wrong.append(str(summary))
    return wrong


def by_poll():
    """An engine that sees no fault says so."""
    summary = follow("poll", "--callers")[1][-1]
    return [] if summary["callers"] is None and "poll" in summary["callers_why"] else [str(summary)]


def without_frame_pointers():
    """A program of Debian's, built without them: chains are short, and whatever they name calls. The
    kernel's own walk reads more than there is; nothing of it comes out as a fault or a loss."""
    _, written = run("-f", "jsonl", "--callers", "--", "/bin/ls", "/")
    records = [json.loads(line) for line in written.splitlines()]
    summary = records[-1]
    low = [r for r in records if r["type"] == "fault" and int(r["addr"], 16) < 4096]
    odd = [c for r in records if r["type"] == "fault" for c in r["callers"] or []
           if int(c["addr"], 16) < 4096]
    return ([f"{summary['lost']} lost"] if summary["lost"] else []) + low[:2] + odd[:2]


def on_screen(engine):
    """The chain stands under the fault in Explain."""
    going = tempfile.NamedTemporaryFile()  # the command ends with this file
    os.chmod(going.name, 0o644)
    command = [VMSCOPE, "run", "--engine", engine, "--callers", "--", KNOWN, going.name]
    with going, Terminal(command, rows=50, cols=120) as t:
        t.wait_text(b"live")
        t.send(b"4finner\r")
        t.wait_text(b"inner+")
        t.send(b"\r")
        for name in (b"called by", b"middle+", b"outer+", b"main+"):
            t.wait_text(name)
        t.send(b"q")
    return []


def main():
    tap = Tap()
    root = not os.geteuid()
    for engine in ("bpf", "perf") if root else ("perf",):
        tap.run(f"{engine}: every fault has its callers", lambda e=engine: known(e, root))
        tap.run(f"{engine}: a caller has the line of its call", lambda e=engine: sources(e))
        tap.run(f"{engine}: whole chains are counted", lambda e=engine: folded(e))
        tap.run(f"{engine}: table and CSV have them too", lambda e=engine: other_formats(e))
        tap.run(f"{engine}: none is told unless asked for", lambda e=engine: not_asked(e))
        tap.run(f"{engine}: they are on the screen", lambda e=engine: on_screen(e))
    tap.run("poll says that it cannot", by_poll)
    tap.run("nothing is made up of a program without frame pointers", without_frame_pointers)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
