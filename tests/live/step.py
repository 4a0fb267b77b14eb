#!/usr/bin/env python3
"""Step mode: each event once and in order, the program as if it ran alone, nothing left behind.
unprivileged: yes"""
import collections
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import target  # noqa: E402
from lib.tap import Tap, need_program  # noqa: E402
from lib.tmux import Tmux  # noqa: E402

KNOWN = os.path.join(target.HELPERS, "step_known")
SECONDS = 300


def run(command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=SECONDS, check=False)


def step(command, *options):
    """How the stepped command ended, and the records."""
    with tempfile.TemporaryDirectory() as where:
        name = os.path.join(where, "out")
        done = run([target.VMSCOPE, "step", "-f", "jsonl", "-o", name, *options, "--", *command])
        if not os.path.exists(name):
            raise RuntimeError(done.stderr.decode(errors="replace"))
        with open(name, encoding="utf-8") as f:
            return done, [json.loads(line) for line in f]


def touches(text):
    """What each thread says it touched, in its order."""
    said = collections.defaultdict(list)
    for line in text.splitlines():
        if line.startswith("touch "):
            _, pid, tid, address = line.split()
            said[int(pid), int(tid)].append(int(address, 16))
    return said


def results(text):
    return [line for line in text.splitlines() if line.startswith("result ")]


def check_touches(said, records):
    wrong = []
    seen = collections.defaultdict(list)
    for r in records:
        if r["type"] == "fault":
            seen[r["pid"], r["tid"]].append(int(r["addr"], 16) & ~0xfff)
    for who, pages in said.items():
        known = set(pages)
        got = [a for a in seen[who] if a in known]
        if got != pages:
            wrong.append(f"thread {who}: {len(pages)} touched, {len(got)} seen"
                         f"{'' if sorted(got) != sorted(pages) else ', in another order'}")
    return wrong


def check_order(records):
    last, wrong = collections.defaultdict(int), []
    for r in records:
        if r["type"] != "summary":
            if r["t_ns"] < last[r["tid"]]:
                wrong.append(f"goes back in time: {r}")
            last[r["tid"]] = r["t_ns"]
    return wrong


def events_of_known(state):
    state["bare"] = run([KNOWN])
    state["done"], state["records"] = step([KNOWN])
    said = touches(state["done"].stdout.decode())
    wrong = check_touches(said, state["records"]) + check_order(state["records"])
    if len(said) != 6:  # the program, four threads, a child that becomes another program
        wrong.append(f"{len(said)} threads said what they touched")
    summary = state["records"][-1]
    if summary["lost"]:
        wrong.append(f"lost {summary['lost']}")
    return wrong


def calls_of_known(state):
    """Each mmap of the touched pages is there, before the faults."""
    if not any(r["type"] == "call" for r in state["records"]):
        return ["no calls at all"]
    wrong = []
    mapped = {}
    for i, r in enumerate(state["records"]):
        if r["type"] == "call" and r["name"] == "mmap" and isinstance(r["result"], str):
            mapped.setdefault((r["pid"], int(r["result"], 16)), []).append(i)
    for (pid, tid), pages in touches(state["done"].stdout.decode()).items():
        calls = [i for (p, start), where in mapped.items() for i in where
                 if p == pid and start <= pages[0] < start + (1 << 21)]
        faults = [i for i, r in enumerate(state["records"]) if r["type"] == "fault"
                  and r["tid"] == tid and int(r["addr"], 16) & ~0xfff == pages[0]]
        if not calls or not faults or min(calls) > min(faults):
            wrong.append(f"no mmap before the touches of thread {tid}")
    names = [r["name"] for r in state["records"] if r["type"] == "call"]
    if names.count("execve") != 2:
        wrong.append(f"{names.count('execve')} execve")
    return wrong


def sure_paths(state):
    """The target stands still while its mappings are read, so a first touch is known for sure."""
    said = touches(state["done"].stdout.decode())
    return [f"{r}" for r in state["records"] if r["type"] == "fault"
            and int(r["addr"], 16) & ~0xfff in said.get((r["pid"], r["tid"]), ())
            and (r["path"], r["sure"]) != ("do_anonymous_page", True)][:5]


def as_alone(state):
    bare, done = state["bare"], state["done"]
    wrong = []
    if bare.returncode != done.returncode:
        wrong.append(f"ended with {done.returncode}, alone with {bare.returncode}")
    if results(bare.stdout.decode()) != results(done.stdout.decode()):
        wrong += results(bare.stdout.decode()) + results(done.stdout.decode())
    return wrong


def blocked():
    """A program that blocks SIGTRAP never learns of ours, and each touch stops it."""
    command = [KNOWN, "blocked"]
    bare, (done, records) = run(command), step(command)
    wrong = check_touches(touches(done.stdout.decode()), records) + check_order(records)
    if bare.returncode != done.returncode or not results(bare.stdout.decode()):
        wrong.append(f"ended with {done.returncode}, alone with {bare.returncode}")
    if results(bare.stdout.decode()) != results(done.stdout.decode()):
        wrong += ["alone:", *results(bare.stdout.decode()), "stepped:",
                  *results(done.stdout.decode())]
    if records[-1]["lost"]:
        wrong.append(f"lost {records[-1]['lost']}")
    for pages, size in (1, "4.0K"), (4, "16K"):  # not one page more is there than it stopped at
        frame = screen("utouch<Enter>" + "t" * (pages - 1), command=command)
        if not re.search(rf"exclusive +{re.escape(size)}\b", frame):
            wrong.append(frame)
    return wrong


def same(command):
    def test():
        bare, (done, records) = run(command), step(command)
        wrong = []
        if bare.returncode != done.returncode:
            wrong.append(f"ended with {done.returncode}, alone with {bare.returncode}")
        if (bare.stdout, bare.stderr) != (done.stdout, done.stderr):
            wrong.append(f"{done.stdout!r} {done.stderr!r}, alone {bare.stdout!r} {bare.stderr!r}")
        if records[-1]["type"] != "summary" or not records[-1]["faults"]:
            wrong.append(f"no faults: {records[-1]}")
        return wrong
    return test


def screen(keys, *options, command=(KNOWN,), size="160x40"):
    done = run([target.VMSCOPE, "step", "--screen", size, "--keys", keys, *options, "--",
                *command])
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return done.stdout.decode()


def screens():
    """What the line above the footer says, for keys."""
    wanted = {
        "": "stopped at its first instruction",
        "s": r"stopped at call 1 of thread \d+: execve\(",
        "tt": r"stopped at fault 2 of thread \d+: .*[0-9a-f]+, do_",
        "ssss": r"stopped at fault 3 of thread",
        "tc": r"stopped at call 2 of thread \d+: ",
        "u9<Enter>": r"stopped at fault \d of thread|stopped at call \d of thread",
        "utouch<Enter>": r"stopped at fault \d+ of thread \d+: .*do_anonymous_page.* by touch\+",
        "u[stack]<Enter>": r"stopped at fault \d+ of thread \d+: .* in \[stack\]",
        "CC": "has ended",
    }
    wrong = []
    for keys, pattern in wanted.items():
        line = screen(keys).splitlines()[-2]
        if not re.search(pattern, line):
            wrong.append(f"{keys!r}: {line}")
    return wrong


def map_of_step():
    """The page that the fault was about is there on the map behind it, under the cursor."""
    frame = screen("utouch<Enter>t", command=(KNOWN, "second"))
    line = frame.splitlines()[-2]
    address = re.search(r"to ([0-9a-f]+),|access to ([0-9a-f]+)", line)
    if not address:
        return [line]
    page = int(address.group(1) or address.group(2), 16) & ~0xfff
    wrong = []
    if f"{page:_x}" not in frame.splitlines()[1]:
        wrong.append(f"the cursor is not at {page:x}")
    if "anon exclusive" not in frame:
        wrong.append("the page is not seen as anonymous")
    return wrong + (frame.splitlines() if wrong else [])


def map_of_child():
    """The map is that of the process of the event, or of the one that O keeps."""
    command = ("sh", "-c", f"{KNOWN} second; :")
    wrong = []
    frame = screen("utouch<Enter>", command=command).splitlines()
    header, where, what = frame[0], frame[1], frame[-2]
    named = re.search(r"step_known (\d+) ", header)
    event = re.search(r"of thread (\d+): .*to ([0-9a-f]+),", what)
    if not named or not event or named.group(1) != event.group(1):
        wrong.append(f"of the child: {header}; {what}")
    elif f"{int(event.group(2), 16) & ~0xfff:_x}" not in where:
        wrong.append(f"the cursor is elsewhere: {where}; {what}")
    frame = screen("Outouch<Enter>", command=command).splitlines()
    if not re.search(r"sh \d+ +only ", frame[0]) or \
            not re.search(r"of process \d+ \(not shown: O\)", frame[-2]):
        wrong.append(f"of the parent: {frame[0]}; {frame[-2]}")
    frame = screen("Outouch<Enter>O", command=command).splitlines()
    if "step_known" not in frame[0] or "only" in frame[0]:
        wrong.append(f"no longer of the parent alone: {frame[0]}")
    return wrong


def call_explained():
    """Of the call at which it stands the reason is on the screen, however small, and is certain."""
    command = (KNOWN, "refused")
    _, records = step(command)
    calls = [r for r in records if r["type"] == "call"]
    at = next(i for i, r in enumerate(calls) if r["name"] == "mmap" and r["result"] == -13)
    frame = screen("c" * (at + 1) + "5", command=command, size="80x24")
    wrong = [what for what in ("opened for writing?", " no: ", "EACCES: Permission denied")
             if what not in frame]
    if wrong or "perhaps" in frame:
        wrong.append(frame)
    call = calls[at]
    if call["error"] != "EACCES" or not call["sure"] or "opened for writing?" not in call["why"]:
        wrong.append(f"{call}")
    return wrong + [f"{r}" for r in calls if r["result"] == -22 and not r["why"]][:3]


def map_after_rest():
    """However long it stood before: what is shown is what the program has where it stands now."""
    command = f"exec {target.VMSCOPE} step -- {KNOWN} second"
    with Tmux(command) as t:
        t.wait_text("stopped at its first instruction")
        for n in range(1, 7):
            stood = time.monotonic()
            target.wait_for(lambda: time.monotonic() - stood > 0.6, "half a second to pass")
            t.keys("t")
            t.wait_text(f"stopped at fault {n} ")
            pid = int(re.search(r"of thread (\d+):", t.text()).group(1))
            with open(f"/proc/{pid}/status", encoding="ascii") as f:
                rss = int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
            t.wait_text(f"rss {rss}K ")  # the sample comes a moment after the event
        t.keys("q")


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(word) for word in f.read().split()]


def tracer_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
        return int(next(line for line in f if line.startswith("TracerPid:")).split()[1])


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as f:
            return f.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def killed(number, wanted, how="forever"):
    """vmscope is killed in the middle: the program goes on untraced to its own end."""
    def test():
        with tempfile.TemporaryDirectory() as where:
            os.chmod(where, 0o777)
            flag, done, out = (os.path.join(where, n) for n in ("flag", "done", "out"))
            vmscope = subprocess.Popen([target.VMSCOPE, "step", "-f", "csv", "-o", out,
                                        "--", KNOWN, how, flag, done],
                                       stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                target.wait_for(lambda: os.path.exists(out) and os.path.getsize(out) > wanted,
                                "events")
                pid = next(c for c in children_of(vmscope.pid) if comm(c) == "step_known")
            finally:
                vmscope.send_signal(number)
                vmscope.wait()
                vmscope.stderr.close()
            try:
                target.wait_for(lambda: tracer_of(pid) == 0, "the tracer to let go")
                with open(flag, "w", encoding="ascii"):
                    pass
                target.wait_for(lambda: os.path.exists(done), "the program to go on")
            except (TimeoutError, FileNotFoundError) as e:
                return [f"killed after {wanted} bytes: {e}"]
            finally:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        return []
    return test


def killed_often():
    wrong = []
    for _ in range(12):
        how = random.choice(("forever", "forever-blocked"))
        wrong += killed(signal.SIGKILL, random.randrange(20, 200000), how)()
    return wrong


def main():
    need_program(target.VMSCOPE)
    need_program(KNOWN)
    tap, state = Tap(), {}
    tap.run("each fault of threads, a child and a new program once, in order",
            lambda: events_of_known(state))
    tap.run("calls too, in their places", lambda: calls_of_known(state))
    tap.run("first touches are known for sure", lambda: sure_paths(state))
    tap.run("signals, timers, job control and the status are as alone", lambda: as_alone(state))
    tap.run("blocked signals stay as they were, and stop nothing late", blocked)
    tap.run("sh -c", same(["sh", "-c", "echo a; (exit 3) & wait $!; echo $?; exit 5"]))
    tap.run("python3", same([target.python(), "-c", "import json, threading; t = threading.Thread("
                             "target=print, args=(1,)); t.start(); t.join(); print(json)"]))
    tap.run("gcc -v", same(["gcc", "-v"]))
    tap.run("death by a signal", same(["sh", "-c", "kill -SEGV $$"]))
    tap.run("killed at any moment, it leaves the program to itself", killed_often)
    tap.run("ended by SIGTERM, too", killed(signal.SIGTERM, 20000))
    tap.run("the screen stops where it was asked to", screens)
    tap.run("the map shows what the fault did", map_of_step)
    tap.run("the map is of the process of the event", map_of_child)
    tap.run("a call that failed is explained where it stands", call_explained)
    tap.run("the map is of the moment of the stop", map_after_rest)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
