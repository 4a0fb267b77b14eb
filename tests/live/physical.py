#!/usr/bin/env python3
"""The physical side: what frames are used for, against a reading of kpageflags of our own and the
kernel's counters; the watched process's frames; the kernel view against vmallocinfo.

unprivileged: yes
"""
import array
import collections
import os
import re
import resource
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib import kernel
from lib.compare import before_colon, in_every, vmscope
from lib.tap import Tap, end_by_exception, need_program
from lib.target import Target, VMSCOPE

UNIT = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def size(text):
    return float(text[:-1]) * UNIT[text[-1]] if text[-1].isalpha() else float(text)


def screen(pid, keys, dims="130x60"):
    status, out, err = vmscope("attach", "--screen", dims, "--keys", keys, pid)
    if status or err:
        raise RuntimeError(f"status {status}: {err}")
    return out.decode()


def view(pid, name, dims="130x60"):
    """The frame of a view by its name, whatever its number is."""
    keys = "<Wait>"
    for _ in range(20):
        frame = screen(pid, keys + "<Wait>", dims)
        if re.search(rf"\b{name}\b.*\[live\]", frame.split("\n")[0]):
            return frame
        keys += "<Tab>"
    raise RuntimeError(f"no view {name}")


def uses(frame):
    part = frame[frame.index("all memory"):]
    return {m[1].strip(): size(m[2]) for m in
            re.finditer(r"[█·] ([a-zA-Z ]+?) +([0-9.]+[KMGT]?) +[0-9.]+%", part)}


def own_count():
    """Bytes of frames that are free, anonymous, in slab, page tables: by flags alone."""
    frames = collections.Counter()
    with open("/proc/kpageflags", "rb") as f:
        while data := f.read(1 << 20):
            frames.update(array.array("Q", data[:len(data) // 8 * 8]))

    def bytes_where(condition):
        return sum(n for flags, n in frames.items() if condition(flags)) * 4096
    return {"free": bytes_where(lambda flags: flags >> 10 & 1),
            "anon": bytes_where(lambda flags: flags >> 12 & 1 and not flags >> 21 & 1),
            "slab": bytes_where(lambda flags: flags >> 7 & 1 and not flags >> 10 & 1),
            "page tables": bytes_where(lambda flags: flags >> 26 & 1)}


def sleeper():
    code = "import mmap; m = mmap.mmap(-1, 64 << 20); m[:] = bytes(64 << 20); " \
           "print('ready', flush=True); input()"
    target = Target([sys.executable, "-c", code], stdin=subprocess.PIPE)
    target.wait_line(b"ready")
    return target.stop()


def near(what, found, wanted, slack):
    return [] if abs(found - wanted) <= max(slack, wanted * 0.1) else \
        [f"{what}: {found / 2**20:.1f}M shown, {wanted / 2**20:.1f}M counted"]


def frames_of_the_machine():
    """Other programs go on meanwhile: what they change leaves room for a tenth and 64M. vmscope is
    in its own picture, and no longer there when we count."""
    with sleeper() as target:
        frame = view(target.pid, "physical")
        shown, counted = uses(frame), own_count()
    bad = near("free", shown.get("free", 0), counted["free"], 256 << 20)
    itself = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
    bad += near("anonymous", shown.get("anon", 0) + shown.get("anon large", 0), counted["anon"],
                (64 << 20) + itself)
    bad += near("slab", shown.get("slab", 0), counted["slab"], 32 << 20)
    bad += near("page tables", shown.get("page tables", 0), counted["page tables"], 8 << 20)
    total = sum(shown.values())
    with open("/proc/zoneinfo", encoding="ascii") as f:
        present = sum(int(n) for n in re.findall(r"present +(\d+)", f.read())) * 4096
    return bad + near("all uses together", total, present, 64 << 20)


def frames_of_the_process():
    with sleeper() as target:
        frame = view(target.pid, "physical")
        own = set()
        entries = kernel.Entries(target.pid)
        for r in kernel.maps(target.pid):
            for _, piece in entries.pieces(r.start, r.end):
                if not isinstance(piece, (int, type(None))):
                    own |= {e & ((1 << 55) - 1) for e in piece if e >> 63}
        entries.close()
    shown = size(re.search(r"this process maps ([0-9.]+[KMG]?) of it", frame)[1])
    return [] if abs(shown - len(own) * 4096) < 0.05 * shown else [f"frames: {shown} shown, {len(own)} counted"]


def kernels_own():
    with sleeper() as target:
        frame = view(target.pid, "kernel")
        text = kernel.read_bytes("/proc/vmallocinfo").decode()
    stacks = re.search(r"kernel_clone +vmalloc +(\d+)", frame)
    counted = len(re.findall(r" kernel_clone\+.*vmalloc", text))
    bad = [] if stacks and abs(int(stacks[1]) - counted) <= max(16, counted // 3) else \
        [f"kernel_clone: {stacks and stacks[1]} shown, {counted} in vmallocinfo"]
    return bad + ([] if "direct map" in frame and "kmap" in frame else ["no words on the direct map"])


def unprivileged():
    with sleeper() as target:
        physical, own = view(target.pid, "physical"), view(target.pid, "kernel")
    bad = []
    if "kpageflags" not in physical or "run with sudo" not in physical:
        bad.append(f"physical does not say why: {physical.splitlines()[:3]}")
    if "vmallocinfo" not in own or "slab" not in own:
        bad.append(f"kernel does not say why: {own.splitlines()[:8]}")
    return bad


def main():
    tap = Tap()
    end_by_exception()
    need_program(VMSCOPE)
    if os.access("/proc/kpageflags", os.R_OK):
        for title, test in (("uses of all frames, as flags say", frames_of_the_machine),
                            ("frames of the watched process", frames_of_the_process),
                            ("the kernel's own areas", kernels_own)):
            tap.run(title, lambda test=test: in_every(test, before_colon))
    else:
        tap.run("unprivileged: the reason, and no zeros", unprivileged)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
