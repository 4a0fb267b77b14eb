#!/usr/bin/env python3
"""A scenario changes the machine only while it runs: however it ends, the pool of huge pages, swap,
KSM, THP, mounts and temporary files are as before, and none of its processes is left."""
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from lib.settings import (Locked, differences, locked_snapshot, mounts_below,  # noqa: E402
                          snapshot, text_of)
from lib.tap import Skip, Tap, end_by_exception, need_program  # noqa: E402
from lib.target import VMSCOPE, adopt_orphans, reap_descendants, wait_for  # noqa: E402

NEEDS = {"hugetlb": "needs hugetlb 4", "swap": "needs swap", "ksm": "needs ksm", "thp": "needs thp"}
FILES = """file f 64K
file t 64K tmpfs
file h 4M hugetlbfs
file ao 64K append-only
open fd f rw
map a 64K rw shared fd fd
write a
"""
# A process that was stopped does not answer: the statement hangs until its time is over.
HANG = """map s 4M rw private anon
write s
fork child
kill child SIGSTOP
child: exit
"""


def descendants(pid):
    children = text_of(f"/proc/{pid}/task/{pid}/children").split()
    found = [int(child) for child in children]
    for child in list(found):
        found += descendants(child)
    return found


class Scenario:
    """vmscope check of a script, with a directory of its own for temporary files."""

    def __init__(self, script, limit=600):
        self.dir = tempfile.mkdtemp(prefix="vmscope-machine.")
        self.tmp = f"{self.dir}/tmp"
        os.mkdir(self.tmp)
        self.path = f"{self.dir}/test.vms"
        with open(self.path, "w", encoding="utf-8") as f:
            f.write('title "test"\n' + script)
        self.limit = limit

    def __enter__(self):
        env = dict(os.environ, TMPDIR=self.tmp)
        self.shm = set(os.listdir("/dev/shm"))
        self.process = subprocess.Popen(
            [VMSCOPE, "check", "--limit", str(self.limit), self.path], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.stdout.close()
        self.process.wait()
        reap_descendants()
        shutil.rmtree(self.dir, ignore_errors=True)

    def hangs(self):
        """True once the last process was stopped: all that the script changes is changed."""
        for pid in descendants(self.process.pid):
            stat = text_of(f"/proc/{pid}/stat")
            if stat and stat.rsplit(")", 1)[1].split()[0] in "Tt":
                return True
        if self.process.poll() is not None:
            raise RuntimeError(f"vmscope ended: {self.process.stdout.read()!r}")
        return False

    def complaints(self, before):
        """What is left after the end, once the keeper is gone, which is a child of ours by then."""
        left = reap_descendants()
        left += [f"left in TMPDIR: {name}" for name in os.listdir(self.tmp)] + mounts_below(self.tmp)
        left += [f"left in /dev/shm: {name}" for name in set(os.listdir("/dev/shm")) - self.shm
                 if name.startswith("vmscope-") and self.owns(f"/dev/shm/{name}")]
        return left + differences(before, locked_snapshot())

    def owns(self, path):
        """Made since, and still there although nobody holds the lock: ours, or somebody's who runs
        now and will remove it."""
        try:
            wait_for(lambda: not os.path.exists(path), path)
        except TimeoutError:
            return True
        return False


def killed_by(number, whom="vmscope"):
    before = locked_snapshot()
    script = "needs root\n" + "\n".join(NEEDS.values()) + "\n" + FILES + HANG
    with Scenario(script) as s:
        wait_for(s.hangs, "the scenario to hang")
        during = differences(before, snapshot())
        files = [name for name in os.listdir(s.tmp) if mounts_below(s.tmp)]
        pid = s.process.pid if whom == "vmscope" else runner_of(s)
        os.kill(pid, number)
        s.process.wait()
        changed = [what for what in ("ksm/run", "nr_hugepages", "/proc/swaps",
                                     "max_ptes_none") if not any(what in line for line in during)]
        complaints = [f"not changed while it ran: {what}" for what in changed]
        if not files:
            complaints.append("no files or no mount while it ran")
        return complaints + s.complaints(before)


def runner_of(scenario):
    """The child of vmscope that runs the scenario."""
    return descendants(scenario.process.pid)[0]


def killed_early():
    """At any time from its start on, also between two changes."""
    before = locked_snapshot()
    chance = random.Random(4)
    script = "needs root\n" + "\n".join(NEEDS.values()) + "\n" + FILES + HANG
    complaints = []
    for _ in range(15):
        with Scenario(script) as s:
            select.select([], [], [], chance.uniform(0, 0.25))  # a random moment
            s.process.kill()
            s.process.wait()
            complaints += s.complaints(before)
    return complaints


def ends_by_itself():
    before = locked_snapshot()
    script = "needs root\n" + "\n".join(NEEDS.values()) + "\n" + FILES
    with Scenario(script) as s:
        out = s.process.communicate(timeout=300)[0]
        if s.process.returncode != 0:
            return [f"status {s.process.returncode}", out]
        left = os.listdir(s.tmp)
        return [f"left before vmscope ended: {left}"] if left else s.complaints(before)


def limit_is_over():
    before = locked_snapshot()
    with Scenario("needs root\nneeds ksm\n" + FILES + HANG, limit=2) as s:
        out = s.process.communicate(timeout=300)[0]
        good = s.process.returncode == 1 and "not ok" in out
        return ([] if good else [f"status {s.process.returncode}", out]) + s.complaints(before)


def nothing_without_needs():
    """Only `needs` changes settings."""
    before = locked_snapshot()
    with Scenario(HANG) as s:
        wait_for(s.hangs, "the scenario to hang")
        with Locked():
            during = differences(before, snapshot())
        s.process.kill()
        s.process.wait()
        return during + s.complaints(before)


def keeper_is_killed():
    """Then vmscope puts the machine back itself."""
    before = locked_snapshot()
    with Scenario("needs root\nneeds ksm\nneeds hugetlb 4\n" + FILES + HANG) as s:
        wait_for(s.hangs, "the scenario to hang")
        family = descendants(s.process.pid)
        keepers = [pid for pid in family
                   if text_of(f"/proc/{pid}/comm").strip() == "vmscope-keeper"]
        for pid in keepers:
            os.kill(pid, signal.SIGKILL)
        for pid in set(family) - set(keepers):
            os.kill(pid, signal.SIGCONT)
        out = s.process.communicate(timeout=300)[0]
        complaints = [] if len(keepers) == 1 and s.process.returncode == 0 else [out]
        return complaints + s.complaints(before)


def main():
    end_by_exception()
    adopt_orphans()
    need_program(VMSCOPE)
    tap = Tap()
    for title, test in (
            ("the scenario ends by itself", ends_by_itself),
            ("vmscope is killed", lambda: killed_by(signal.SIGKILL)),
            ("vmscope is terminated", lambda: killed_by(signal.SIGTERM)),
            ("vmscope is interrupted", lambda: killed_by(signal.SIGINT)),
            ("the process that runs the scenario is killed",
             lambda: killed_by(signal.SIGKILL, "runner")),
            ("vmscope is killed at any time", killed_early),
            ("the time of the scenario is over", limit_is_over),
            ("the keeper is killed", keeper_is_killed),
            ("without needs no setting is changed", nothing_without_needs)):
        def checked(test=test):
            if os.geteuid() != 0:
                raise Skip("only root can change the machine")
            return test()
        tap.run(f"the machine is put back: {title}", checked)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
