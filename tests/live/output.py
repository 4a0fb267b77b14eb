#!/usr/bin/env python3
"""Where the output of each command goes, and what happens where it cannot go.
unprivileged: yes"""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../helpers")]

from lib.tap import Tap, end_by_exception, need_program  # noqa: E402
from lib.target import VMSCOPE, Target, python  # noqa: E402

tap = Tap()
SCENARIO = os.path.join(HERE, "../../scenarios/05-anonymous-private.vms")
FAULTING = ("import mmap, time\nprint('ready', flush=True)\n"
            "while True:\n    m = mmap.mmap(-1, 1 << 20)\n    m[0] = 1\n    m.close()\n"
            "    time.sleep(0.005)\n")


def commands(pid):
    """Each prints something and then ends with status 0."""
    return (["snap", "-p", pid], ["snap", "-f", "json", "--pages", "-p", pid],
            ["snap", "-f", "csv", "-p", pid], ["snap", "--family", "-p", pid],
            ["snap", "--huge", "-p", pid], ["attach", "-n", "1", pid],
            ["attach", "--screen", "80x24", pid], ["doctor"], ["doctor", "-f", "json"],
            ["faults", "--engine", "poll", "--", "true"],
            ["faults", "--engine", "poll", "-f", "jsonl", "--", "true"],
            ["step", "--", "true"], ["check", SCENARIO], ["check", "--format-only", SCENARIO],
            ["play", "--screen", "80x24", SCENARIO], ["--help"], ["snap", "--help"],
            ["--version"])


def run(words, shell_end, **how):
    """Through a shell, which can close descriptors."""
    return subprocess.run(["sh", "-c", f'exec "$0" "$@" {shell_end}', VMSCOPE, *words],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False,
                          **how)


def with_sleeper(test):
    def body():
        with Target(["sleep", "1000"]) as target:
            return test(str(target.pid))
    return body


def refused(words, done, why):
    if done.returncode == 1 and done.stderr.count(b"\n") == 1 and why in done.stderr and \
            done.stderr.startswith(b"vmscope: cannot write to "):
        return []
    return [f"{words}: status {done.returncode}, {done.stderr!r}"]


def full(pid):
    bad = []
    for words in commands(pid):
        bad += refused(words, run(words, ">/dev/full"), b"No space left")
    words = ["attach", "-n", "1", "-o", "/dev/full", pid]
    return bad + refused(words, run(words, ""), b"No space left")


def closed(pid):
    return [c for words in commands(pid)
            for c in refused(words, run(words, ">&-"), b"Bad file descriptor")]


def files(pid):
    bad = []
    with tempfile.TemporaryDirectory() as d:
        for words in commands(pid):
            path = os.path.join(d, "out")
            done = run([words[0], "-o", path, *words[1:]], "")
            size = os.path.getsize(path) if os.path.exists(path) else 0
            if done.returncode or done.stdout or done.stderr or not size:
                bad.append(f"{words}: status {done.returncode}, {size} bytes, {done.stdout!r}, "
                           f"{done.stderr!r}")
            if size:
                os.unlink(path)
    return bad


def no_message_in_a_file(pid):
    """A file that was opened in the place of a closed standard error got what was meant for it."""
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "out")
        done = run(["snap", "--stats", "-f", "json", "-o", path, "-p", pid], "0<&- 1>&- 2>&-")
        with open(path, encoding="utf-8") as f:
            text = f.read()
    json.loads(text)
    return [] if done.returncode == 0 else [f"status {done.returncode}"]


def nobody_there():
    """Of a captured process nothing can be followed: that is said, and it ends."""
    with tempfile.TemporaryDirectory() as d:
        os.mkdir(os.path.join(d, "2147483647"))
        for name, text in (("maps", "1000-2000 rw-p 00000000 00:00 0\n"),
                           ("stat", "2147483647 (x) S 1" + " 0" * 48 + "\n"), ("status", "")):
            with open(os.path.join(d, "2147483647", name), "w", encoding="ascii") as f:
                f.write(text)
        done = run(["faults", "--proc-root", d, "-p", "2147483647"], "")
    if done.returncode == 1 and done.stderr.count(b"\n") == 1:
        return []
    return [f"status {done.returncode}, {done.stderr!r}"]


def headless_engine():
    with Target([python(), "-c", FAULTING]) as target:
        target.wait_line(b"ready")
        for seconds in (0.2, 2, 20):  # in which the target may not get its turn
            done = run(["attach", "--engine", "perf", "-d", str(seconds), "--screen", "100x20",
                        "--keys", "4<Wait><Wait>", str(target.pid)], "")
            text = done.stdout.decode()
            if "do_" in text and f" {target.pid} " in text:
                return []
    return [text]


def main():
    end_by_exception()
    need_program(VMSCOPE)
    for title, test in (("a full disk is told in one line", with_sleeper(full)),
                        ("so is a standard output that is closed", with_sleeper(closed)),
                        ("-o holds for every command", with_sleeper(files)),
                        ("messages do not get into the file",
                         with_sleeper(no_message_in_a_file)),
                        ("faults of a process that is not there", nobody_there),
                        ("a screen without a terminal follows faults too", headless_engine)):
        tap.run(title, test)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
