#!/usr/bin/env python3
"""vmscope check: the shipped scenarios hold on this machine, each of their expectations can fail,
mistakes are told, and nothing is left behind. unprivileged: yes"""
import glob
import os
import random
import re
import resource
import select
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from lib.mutate import all_mutated  # noqa: E402
from lib.settings import differences, locked_snapshot, mounts_below  # noqa: E402
from lib.tap import Skip, Tap, end_by_exception, need_program  # noqa: E402
from lib.target import adopt_orphans, reap_descendants  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(HERE))
VMSCOPE = os.environ.get("VMSCOPE", os.path.join(ROOT, "build", "vmscope"))
SCENARIOS = sorted(glob.glob(os.path.join(ROOT, "scenarios", "*.vms")))
need_program(VMSCOPE)
ROUNDS = 3
with open(VMSCOPE, "rb") as program:
    SANITIZED = b"__asan_init" in program.read()
if SANITIZED:  # its malloc is another one, and it is slow
    SCENARIOS = [p for p in SCENARIOS if "heap" not in p]
    ROUNDS = 1
LIMIT = 60  # seconds of CPU time for all of them together
is_root = os.geteuid() == 0


def check(*arguments, timeout=600):
    """(exit status, standard output, standard error)"""
    done = subprocess.run([VMSCOPE, "check", *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def results(out):
    """(good, file, line, text, reason of a skip or None) of every line of TAP."""
    pattern = re.compile(r"(not )?ok \d+ - (.*?\.vms)(?: \(run \d+\))?(?::(\d+))?: "
                         r"(.*?)(?: # SKIP (.*))?$")
    for line in out.splitlines():
        found = pattern.match(line)
        if found:
            yield not found[1], found[2], int(found[3] or 0), found[4], found[5]


def script(text):
    f = tempfile.NamedTemporaryFile("w", suffix=".vms", delete=False)
    with f:
        f.write(text)
    return f.name


def cpu_of_children():
    """Seconds; other than those of a clock they do not depend on who else has work to do."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


# --- they hold ---

def hold_as_root():
    """All hold, nothing is skipped; three times in a row, within the limit."""
    begun = cpu_of_children()
    status, out, err = check("--repeat", str(ROUNDS), *SCENARIOS)
    seconds = (cpu_of_children() - begun) / ROUNDS
    bad = [line for line in out.splitlines() if line.startswith("not ok") or "# SKIP" in line]
    if status:
        bad.append(f"exit status {status}: {err}")
    if seconds > LIMIT:
        bad.append(f"one round took {seconds:.1f} s")
    return bad + plan_complaints(out) + untold(out)


def hold_as_nobody():
    """Nothing fails; what is skipped says why; and not everything is."""
    status, out, err = check(*SCENARIOS)
    bad = [line for line in out.splitlines() if line.startswith("not ok")]
    seen = list(results(out))
    if status:
        bad.append(f"exit status {status}: {err}")
    if not any(good and reason is None for good, _, _, _, reason in seen):
        bad.append("nothing was judged")
    bad += [f"{file}:{line} is skipped without a reason" for _, file, line, _, reason in seen
            if reason is not None and len(reason) < 8]
    return bad + plan_complaints(out) + untold(out)


def plan_complaints(out):
    """One line for each expectation of each file, and a plan that agrees."""
    planned = re.search(r"^1\.\.(\d+)$", out, re.M)
    said = len(re.findall(r"^(?:not )?ok ", out, re.M))
    if not planned or int(planned[1]) != said:
        return [f"the plan is {planned and planned[1]}, but {said} lines came"]
    return []


def untold(out):
    """There is a line of TAP for each line that expects something."""
    bad = []
    told = {(file, line) for _, file, line, _, _ in results(out)}
    whole = {file for _, file, line, _, reason in results(out) if not line and reason}
    for file in SCENARIOS:
        if file in whole:
            continue
        with open(file, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                if re.match(r"\s*(\w+: )?expect ", line) and (file, number) not in told:
                    bad.append(f"{file}:{number} is not told of")
    return bad


def usual_form():
    """check --format-only prints each as it is shipped, and its own output as it is."""
    bad = []
    for path in SCENARIOS:
        with open(path, encoding="utf-8") as f:
            shipped = f.read()
        status, out, err = check("--format-only", path)
        if status or out != shipped:
            bad.append(f"{os.path.basename(path)} is not in its usual form {err}")
    return bad


def formatted_twice():
    """What it prints of scripts in other forms it prints once more as it is."""
    bad = []
    for path in sorted(glob.glob(os.path.join(HERE, "language", "*.vms"))):
        _, once, err = check("--format-only", path)
        copy = script(once)
        _, twice, _ = check("--format-only", copy)
        os.unlink(copy)
        if not once or once != twice:
            bad.append(f"{os.path.basename(path)}: {err}")
    return bad


# --- each can fail ---

def mutated():
    """Every expectation, made false, fails at its line: none is empty."""
    files, wanted = {}, {}
    for path in SCENARIOS:
        with open(path, encoding="utf-8") as f:
            text, lines = all_mutated(f.read())
        copy = script(text)
        files[copy] = os.path.basename(path)
        wanted[copy] = set(lines)
    try:
        status, out, err = check(*files)
    finally:
        for copy in files:
            os.unlink(copy)
    bad = [] if status == 1 else [f"exit status {status}: {err}"]
    for good, file, line, text, reason in results(out):
        if not good or reason is not None:
            wanted[file].discard(line)
            if reason is not None and not line:
                wanted[file] = set()
        if good and reason is None and line in wanted[file]:
            bad.append(f"{files[file]}:{line} holds though it was made false: {text}")
            wanted[file].discard(line)
        if reason is not None and is_root:
            bad.append(f"{files[file]}:{line} is skipped: {reason}")
    bad += [f"{files[file]}:{line} was never judged" for file, lines in wanted.items()
            for line in sorted(lines)]
    return bad


def with_unconfirmed(text):
    """The script with an `expect observed` behind each path that has none, and their lines."""
    lines, numbers, seen = [], [], set()
    steps = re.split(r"\n(?!\n|expect |note |pause)", text)
    for step in steps:
        seen = set(re.findall(r"^expect observed (\w+)", step, re.M))
        for line in step.split("\n"):
            lines.append(line)
            path = re.match(r"expect path (\w+)", line)
            if path and path[1] not in seen:
                lines.append("expect observed " + path[1])
                numbers.append(len(lines))
    return "\n".join(lines), numbers


def confirmed():
    """Where a path is predicted and not confirmed, the kernel shows nothing of it, ever: the claim
    of doc/INTERNALS.md (Evidence), and what would be shown is not left out."""
    if not is_root:
        raise Skip("call chains need root")
    files, held = {}, {}
    for path in SCENARIOS:
        with open(path, encoding="utf-8") as f:
            text, numbers = with_unconfirmed(f.read())
        if numbers:
            copy = script(text)
            files[copy] = os.path.basename(path)
            held.update({(copy, n): 0 for n in numbers})
    try:
        _, out, err = check("--repeat", "3", *files)
    finally:
        for copy in files:
            os.unlink(copy)
    judged = set()
    for good, file, line, text, reason in results(out):
        if (file, line) in held:
            judged.add((file, line))
            held[file, line] += good and reason is None
    bad = [f"{files[file]}: {line} was never judged {err}" for file, line in set(held) - judged]
    return bad + [f"{files[file]}: what is predicted could be confirmed (line {line} of the copy)"
                  for (file, line), n in held.items() if n == 3]


# --- mistakes ---

MISTAKES = [  # script, line, column, what the message says
    ("frobnicate a\n", 1, 1, "no statement"),
    ("map a 4Q rw private anon\n", 1, 7, "size"),
    ("map a 4K rq private anon\n", 1, 10, "protection"),
    ("read a\n", 1, 6, "a"),
    ("map a 16K rw private anon\nread a[4]\n", 2, 6, "4 pages"),
    ("map a 16K rw private anon\nexpect a presnt 3\n", 2, 10, "presnt"),
    ("title \"no end\n", 1, 7, ""),
    ("map a 16K rw private anon\nexpect errno EFOO\n", 2, 14, "EFOO"),
    ("repeat 3\nmap a 4K rw private anon\n", 1, 1, "end"),
    ("child: read a\n", 1, 1, "child"),
    ("file f 8K\nopen d f rw\ntruncate d 8Q\n", 3, 12, "size"),
    ("swapoff\n", 1, 1, "needs swap"),
]


def mistakes():
    """One clear message with the place and a caret; nothing is run."""
    bad = []
    for text, line, column, says in MISTAKES:
        path = script(text)
        status, out, err = check(path)
        os.unlink(path)
        lines = err.splitlines()
        if status != 2 or out:
            bad.append(f"{text!r}: status {status}, output {out!r}")
        if not lines or not lines[0].startswith(f"{path}:{line}:{column}: ") or says not in lines[0]:
            bad.append(f"{text!r}: {err!r}")
        elif len(lines) != 3 or not re.fullmatch(r" *\^+", lines[2]):
            bad.append(f"{text!r}: no caret in {err!r}")
    return bad


def missing_file():
    status, out, err = check("/nonexistent.vms")
    good = status == 2 and not out and err.count("\n") == 1 and "/nonexistent.vms" in err
    return [] if good else [f"status {status}, {out!r}, {err!r}"]


# --- ends ---

def endless():
    """A scenario that loops is ended by its limit."""
    path = script("map a 16K rw private anon\nrepeat 1000000000\nwrite a\nadvise a dontneed\nend\n"
                  "expect ok\n")
    status, out, _ = check("--limit", "1", path)
    os.unlink(path)
    return [] if status == 1 and "not ok" in out else [f"status {status}: {out}"]


def failing_action():
    """An action that fails, and of which nobody expected that, fails the scenario there."""
    path = script("map a 16K rw private anon\nunmap a\nread a\nmap b 4K rw private anon\nexpect ok\n")
    status, out, _ = check(path)
    os.unlink(path)
    seen = [(good, line) for good, _, line, _, _ in results(out)]
    return [] if status == 1 and seen == [(False, 3)] else [f"status {status}: {out}"]


def machine_now():
    """An ordinary user changes nothing, and others may."""
    return locked_snapshot() if is_root else {}


def left_behind(before):
    """Temporary files go to a directory of the test's own."""
    files = [f"{name} is left" for name in os.listdir(os.environ["TMPDIR"])
             if name.startswith("vmscope-")]
    return differences(before, machine_now()) + mounts_below(os.environ["TMPDIR"]) + files


def killed():
    """Killed at any moment, everything is put back soon."""
    if not is_root:
        raise Skip("an ordinary user changes nothing")
    machine = [p for p in SCENARIOS if re.search(r"^needs (hugetlb|swap|ksm|thp)",
                                                 open(p, encoding="utf-8").read(), re.M)]
    adopt_orphans()  # the stages, and who keeps the machine
    before, bad = machine_now(), []
    rng = random.Random(4)
    for path in machine + random.Random(5).sample(SCENARIOS, 4):
        p = subprocess.Popen([VMSCOPE, "check", path], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        select.select([], [], [], rng.uniform(0.02, 0.6))  # a random moment, not a condition
        p.send_signal(rng.choice([signal.SIGKILL, signal.SIGTERM]))
        p.wait()
        bad += [f"{os.path.basename(path)}: {text}"
                for text in reap_descendants() + left_behind(before)]
        if bad:
            break
    return bad


def junit():
    """The JUnit file has what TAP has."""
    import xml.etree.ElementTree as ET
    path = script("map a 16K rw private anon\nwrite a[0]\nexpect a present 1\nexpect a present 2\n")
    with tempfile.NamedTemporaryFile(suffix=".xml") as f:
        check("--junit", f.name, path)
        tree = ET.parse(f.name)
    os.unlink(path)
    cases = tree.findall(".//testcase")
    failed = tree.findall(".//testcase/failure")
    return [] if len(cases) == 2 and len(failed) == 1 else [f"{len(cases)} cases, {len(failed)} failed"]


def main():
    end_by_exception()
    with tempfile.TemporaryDirectory(prefix="scenarios.") as directory:
        os.chmod(directory, 0o755)
        os.environ["TMPDIR"] = tempfile.tempdir = directory
        return test_all()


def test_all():
    tap = Tap()
    before = machine_now()
    if is_root:
        tap.run(f"the shipped scenarios hold, rounds: {ROUNDS}", hold_as_root)
    else:
        tap.run("what an ordinary user can run holds, the rest says why not", hold_as_nobody)
    tap.run("the shipped scenarios are in their usual form", usual_form)
    tap.run("the usual form stays as it is", formatted_twice)
    tap.run("every expectation, made false, fails at its line", mutated)
    tap.run("what evidence can confirm is confirmed", confirmed)
    tap.run("mistakes are told with a caret", mistakes)
    tap.run("a file that is not there", missing_file)
    tap.run("what loops is ended", endless)
    tap.run("an action that fails fails the scenario", failing_action)
    tap.run("JUnit", junit)
    tap.run("killed at any moment, nothing is left", killed)
    tap.run("the machine is as it was", lambda: left_behind(before))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
