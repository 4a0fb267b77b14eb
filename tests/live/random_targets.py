#!/usr/bin/env python3
"""Truth on memory that nobody designed: processes made by random mm system calls, with children
that share it, stopped and compared as in truth.py. Arguments: first seed and number of seeds."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../helpers")]

from lib import compare  # noqa: E402
from lib.tap import Tap, end_by_exception, need_program  # noqa: E402
from lib.target import HELPERS, VMSCOPE, Target, stop  # noqa: E402
from machine import Machine  # noqa: E402

CALLS = 600


def complaints(pid):
    snapshot = compare.snap(pid, "--pages")
    bad = compare.shape(snapshot)
    bad += compare.against_smaps(snapshot, pid)
    bad += compare.against_rollup(snapshot, pid)
    with compare.RawPicture(pid) as before:
        snapshot = compare.snap(pid, "--pages")
        with compare.RawPicture(pid) as after:
            bad += compare.against_sums(snapshot, before, after)
            bad += compare.against_pages(snapshot, before, after)
    return bad


def one(seed, seen):
    with Target([os.path.join(HELPERS, "target_random"), str(seed), str(CALLS)]) as target:
        pids = [target.pid]
        while True:
            word, pid = target.line().split()
            if word == b"ready":
                break
            pids.append(int(pid))
        for pid in pids:
            stop(pid)
        bad = []
        for pid in pids:
            bad += [f"process {pids.index(pid)}: {c}"
                    for c in compare.in_every(lambda pid=pid: complaints(pid))]
            for r in compare.snap(pid, "--pages")["regions"]:
                seen.update(run["state"] for run in r["runs"])
        return bad


def main():
    tap = Tap()
    end_by_exception()
    need_program(VMSCOPE)
    if os.geteuid() != 0:
        tap.skip("random targets", "raw page frames need root")
        return tap.finish()
    first = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 6
    seen = set()
    with Machine(swap=True, thp=True) as machine:
        for seed in range(first, first + number):
            tap.run(f"seed {seed}: regions, sums and pages equal the kernel's",
                    lambda: one(seed, seen))
        want = {"anon-exclusive", "anon-shared", "file", "shmem", "zero", "guard"}
        if machine.has.get("swap"):
            want |= {"swapped", "shmem-swapped"}
        missing = want - seen if number >= 6 else set()
        tap.result(not missing, "the seeds between them make most states", [f"none: {missing}"])
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
