#!/usr/bin/python3
"""Measures vmscope beside bare kernel reads and other tools, and prints one table.

Everything that is compared runs in turn, A B A B ..., in this one run; figures are medians. A
bound that is missed says "over" and is no failure: the exit status is 0 unless something could
not be run. doc/BENCH.md says how to read it."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from measure import (ROOT, Failed, Target, busy, machine, median, note, pace, ratio, screen,
                     screen_in_background, tool, words)

DOWN, UP, PGDN, PGUP, CTRL_L = "\x1bOB", "\x1bOA", "\x1b[6~", "\x1b[5~", "\x0c"
UI_READY = ["quit", "[stack]"]  # footer and picture
MS, MIB = 1e6, 1 << 20


class Bench:
    def __init__(self, args):
        self.vmscope = args.vmscope
        self.quick = args.quick
        self.over, self.failed = 0, []

    def rounds(self, n):
        return max(3, n // 3) if self.quick else n

    def row(self, what, value, bound=None, ok=None, unit="ms", digits=2):
        """One line: what, figure, bound, and whether the figure is inside it."""
        limit = verdict = ""
        if bound is not None:
            inside = ok if ok is not None else value <= bound
            limit = "<= %g" % bound if ok is None else bound
            verdict = "ok" if inside else "OVER"
            self.over += not inside
        print("  %-56s %9.*f %-5s %-12s %s" % (what, digits, value, unit, limit, verdict))
        sys.stdout.flush()

    def wall(self, what, runs, bound=None):
        """Wall time of whole processes; the best run beside the median tells noise from cost."""
        self.row("%s (best %.2f)" % (what, min(r.wall for r in runs) / MS),
                 runs.of("wall") / MS, bound)

    def inside(self, what, runs, name, bound=None):
        """The same of a NAME=NS that the program itself reports."""
        self.row("%s (best %.2f)" % (what, min(r.words[name] for r in runs) / MS),
                 runs.word(name) / MS, bound)

    def at_least(self, what, value, bound, unit="x", digits=2):
        self.row(what, value, ">= %g" % bound, value >= bound, unit, digits)

    def snap(self, target, *options):
        return [self.vmscope, "snap", "--stats", *options, "-p", target.pid]

    def live(self, target, delay):
        return [self.vmscope, "attach", "-d", str(delay), target.pid]


def compare_full(b, shape, bound):
    with Target(*shape) as t:
        ours, floor = pace(b.rounds(15), b.snap(t, "--format", "table"),
                           [tool("floor"), "-e", "full", t.pid])
        peer = shutil.which("page-types")
        peers = pace(3, [peer, "-p", t.pid], [peer, "-p", t.pid, "-L", "-M"]) if peer else []
    b.wall("vmscope snap, exec to exit", ours)
    for name, runs in zip(("page-types -p (flags)", "page-types -p -L -M (and counts)"), peers):
        b.wall(name, runs)
    b.wall("bare kernel reads, exec to exit", floor)
    b.row("  ratio of the two processes", ratio(ours, floor), bound, unit="x")
    sample = ours.word("wall_ns")
    if sample:
        b.inside("sampling inside vmscope", ours, "wall_ns")
        b.inside("bare kernel reads, themselves", floor, "sum_ns")
        b.row("  ratio of the two", median([a.words["wall_ns"] / f.words["sum_ns"]
                                            for a, f in zip(ours, floor)]), bound, unit="x")
        b.row("CPU time of that sampling, all threads", ours.word("cpu_ns") / MS)
    parts = ["%s %.2f" % (k[:-3], floor.word(k) / MS) for k in floor[-1].words
             if k.endswith("_ns") and k != "sum_ns"]
    note("bare reads by part, ms: " + "  ".join(parts))
    if ours[-1].said:
        note("vmscope's last run: " + ours[-1].said)


def bench_full(b):
    print("full: state, exclusive, frame flags, map counts of every page")
    print("  1 GiB of 4K pages")
    compare_full(b, ("dense", "1G"), 1.15)
    print("  the same, touched at random: neighbours have far-apart frames")
    compare_full(b, ("dense", "1G", "random"), None)
    print("  9 processes that share 1 GiB: every page needs its map count")
    compare_full(b, ("workers", 8, "1G"), None)
    if not shutil.which("page-types"):
        note("page-types (tools/mm of the kernel; no Debian package) is not installed: left out")


def family_of(pid):
    with open("/proc/%s/task/%s/children" % (pid, pid), encoding="ascii") as f:
        return [pid] + f.read().split()


def bench_family(b):
    for shape, name in (((64, "1G"), "share 1 GiB"),
                        ((64, "1G", 4096), "share it but for every 64th page"),
                        ((64, "1G", 4096, "random"),
                         "share it but for 4096 pages, others in each; frames far apart")):
        print("family: a full picture of a process and 64 workers that " + name)
        with Target("workers", *shape) as t:
            ours, floor = pace(b.rounds(9), [b.vmscope, "snap", "--family", "--stats", "-o",
                                             "/dev/null", "-p", t.pid],
                               [tool("floor"), "-e", "family", *family_of(t.pid)])
        reads = [f.words["sum_ns"] - f.words["sort_ns"] for f in floor]
        b.wall("vmscope snap --family, exec to exit", ours)
        b.inside("reading, inside vmscope", ours, "wall_ns")
        b.row("bare reads of the kernel, each frame once", median(reads) / MS)
        b.row("  ratio of the two", median([a.words["wall_ns"] / r for a, r in zip(ours, reads)]),
              1.5, unit="x")
        b.row("  ratio of the whole process to the bare reads",
              median([a.wall / r for a, r in zip(ours, reads)]), 1.5, unit="x")
        b.row("vmscope's own memory, peak", ours.of("rss") / 1024, unit="MiB", digits=1)


def bench_residency(b):
    print("residency: which pages are there, against cat /proc/PID/smaps")
    for order in ((), ("random",)):
        with Target("dense", "1G", *order) as t:
            ours, floor, smaps, rollup = pace(
                b.rounds(21), b.snap(t, "--residency"), [tool("floor"), "-e", "scan", t.pid],
                ["cat", "/proc/%s/smaps" % t.pid], ["cat", "/proc/%s/smaps_rollup" % t.pid])
            peers = [["pmap", "-XX", t.pid]] if shutil.which("pmap") else []
            peers += [["smem", "-P", "bench/target"]] if shutil.which("smem") else []
            others = pace(3, *peers) if peers else []
        name = "1 GiB of 4K pages" + (", touched at random" if order else "")
        print("  " + name)
        b.wall("vmscope snap --residency, exec to exit", ours)
        b.wall("cat smaps, exec to exit", smaps)
        b.at_least("  times faster", ratio(smaps, ours), 4)
        if ours.word("wall_ns"):
            b.inside("sampling inside vmscope", ours, "wall_ns")
        b.inside("bare PAGEMAP_SCAN, itself", floor, "sum_ns")
        b.wall("bare PAGEMAP_SCAN, exec to exit", floor)
        b.wall("cat smaps_rollup (no mappings), exec to exit", rollup)
        for command, runs in zip(peers, others):
            b.wall(" ".join(command[:2]) + " (no pages), exec to exit", runs)


def bounded(b, shape, bound, rounds):
    """A full picture with an absolute bound on the time spent sampling."""
    with Target(*shape) as t:
        ours, floor = pace(b.rounds(rounds), b.snap(t, "--format", "table"),
                           [tool("floor"), "-e", "full", t.pid])
    sample = ours.word("wall_ns")
    if sample:
        b.inside("sampling inside vmscope", ours, "wall_ns", bound)
    else:
        b.wall("vmscope snap, exec to exit (no sampling time given)", ours, bound)
    b.wall("vmscope snap, exec to exit", ours)
    b.inside("bare kernel reads, themselves", floor, "sum_ns")
    return ours


def bench_thp(b):
    print("thp: full picture of 4 GiB of 2M pages")
    bounded(b, ("thp", "4G"), 5, 15)


def bench_sparse(b):
    print("sparse: full picture of 4 GiB, every 64th page touched")
    compare_full(b, ("sparse64", "4G"), None)


def bench_reserve(b):
    for how in ((), ("contiguous",)):
        where = "in one block" if how else "in 64 blocks"
        print("reserve: full picture of 1 TiB reserved, 1 GiB touched " + where)
        ours = bounded(b, ("reserve", "1T", "1G", *how), 60, 9)
        b.row("vmscope's own memory, peak", ours.of("rss") / 1024, 32, unit="MiB", digits=1)


def bench_maps(b):
    print("maps: full picture of 40,000 mappings")
    ours = bounded(b, ("maps", 40000), 60, 9)
    b.row("vmscope's own memory, peak", ours.of("rss") / 1024, unit="MiB", digits=1)


def bench_small(b):
    print("small: a process with nothing of its own")
    with Target("small") as t:
        ours, floor, smaps = pace(b.rounds(151), b.snap(t, "--format", "table"),
                                  [tool("floor"), "-e", "full", t.pid],
                                  ["cat", "/proc/%s/smaps" % t.pid])
        version, = pace(b.rounds(51), [b.vmscope, "--version"])
    b.wall("vmscope snap, exec to exit", ours, 2)
    b.wall("  of it: start and end of the program (--version)", version)
    b.wall("bare kernel reads, exec to exit", floor)
    b.wall("cat smaps, exec to exit", smaps)


def bench_first(b):
    print("first: from exec to a complete first frame, 100x30, small target")
    with Target("small") as t, Target("dense", "1G") as big:
        tools = [("vmscope", b.live(t, 1), UI_READY, None, 30),
                 ("vmscope, target of 1 GiB", b.live(big, 1), UI_READY, None, None),
                 ("htop -p", ["htop", "-p", t.pid], ["Quit"], "\x1b[21~", None),
                 ("top -p", ["top", "-p", t.pid], ["COMMAND"], "q", None)]
        tools = [x for x in tools if shutil.which(x[1][0])]
        runs = {x[0]: [] for x in tools}
        for _ in range(b.rounds(9) + 1):
            for name, command, wait, leave, _ in tools:
                runs[name].append(screen("100x30", command, wait=wait, leave=leave))
    for name, _, _, _, bound in tools:
        b.row(name, median([r["first_ns"] for r in runs[name][1:]]) / MS, bound)


def keys(b, t, keys_, presses):
    """Figures of pressing these keys by turns, while no sample disturbs."""
    r = screen("250x70", b.live(t, 60), wait=UI_READY, settle=0.5, keys=keys_,
               presses=presses)
    n = r["keys"]
    return {k: r["key_" + k] / n for k in ("cpu_ns", "bytes")} | {"answer": r["key_answer_ns"]}


def bench_redraw(b):
    print("redraw: a screen of 250x70, 1 GiB of 4K pages touched at random")
    with Target("dense", "1G", "random") as t:
        n = b.rounds(60)
        cursor, page = keys(b, t, [DOWN, UP], n), keys(b, t, [PGDN, PGUP], n)
        view, repaint = keys(b, t, ["\t"], n), keys(b, t, [CTRL_L], n)
        few, many = (pace(b.rounds(9), [b.vmscope, "attach", "--screen", "250x70", "--keys",
                                        "<Down><Up>" * n, t.pid])[0].of("cpu") for n in (0, 200))
        idle = screen("250x70", b.live(t, 0.1), wait=UI_READY, settle=2,
                      idle=2 if b.quick else 5)
    b.row("one step of the cursor, CPU, under a terminal", cursor["cpu_ns"] / MS, 2)
    b.row("one page down or up, CPU", page["cpu_ns"] / MS, 2)
    b.row("another view, CPU", view["cpu_ns"] / MS, 2)
    b.row("repaint of everything (^L), CPU", repaint["cpu_ns"] / MS, 2)
    b.row("one step of the cursor, CPU, without a terminal", (many - few) / 400 / MS, 2)
    b.row("one step of the cursor, key to first byte of answer", cursor["answer"] / MS)
    print("changed: bytes sent, screen of 250x70")
    whole = repaint["bytes"]
    b.row("repaint of everything (^L)", whole, unit="B", digits=0)
    refresh = idle["idle_bytes"] / max(1, idle["idle_ns"] / 1e8)
    tenth = round(whole / 10)
    b.row("one refresh, target idle", refresh, tenth, unit="B", digits=0)
    b.row("one step of the cursor", cursor["bytes"], tenth, unit="B", digits=0)


def bench_idle(b):
    print("idle: watching 1 GiB of 4K pages that do not change, 10 times a second")
    with Target("dense", "1G") as t:
        for size in ("100x30", "250x70"):
            r = screen(size, b.live(t, 0.1), wait=UI_READY, settle=2,
                       idle=5 if b.quick else 12)
            b.row("CPU, of one core, screen " + size, 100 * r["idle_cpu_ns"] / r["idle_ns"], 2,
                  unit="%")
            note("wrote %.0f bytes/s in %.1f writes/s" % (
                r["idle_bytes"] * 1e9 / r["idle_ns"], r["idle_writes"] * 1e9 / r["idle_ns"]))


def watched(b, t, seconds, command):
    """Figures of the loop target while `command` runs under a terminal, or nothing does."""
    live = command and screen_in_background("100x30", command, wait=UI_READY, settle=seconds + 30)
    time.sleep(0.7 if live else 0.1)
    if live and live.poll() is not None:
        raise Failed("vmscope ended while it watched: " + live.stdout.read().strip())
    t.figures()
    time.sleep(seconds)
    figures = t.figures()
    if live:
        live.terminate()
        said = words(live.communicate()[0])
        if "first_ns" not in said:
            raise Failed("vmscope never showed the target that it was to watch")
    return figures


def bench_harmless(b):
    pairs, seconds = (3, 1.5) if b.quick else (7, 2.5)
    for piece, size in (("64K", "pieces of 64 KiB"), ("64M", "pieces of 64 MiB")):
        print("harmless: a target that loops mmap, touch, munmap in 2 GiB, " + size)
        bare, seen = [], []
        with Target("loop", "2G", piece) as t:
            watched(b, t, 0.5, None)
            for _ in range(pairs):
                bare.append(watched(b, t, seconds, None))
                seen.append(watched(b, t, seconds, b.live(t, 0.1)))
        middle = lambda runs, k: median([r[k] for r in runs])
        rates = [s["rate"] / r["rate"] for s, r in zip(seen, bare)]
        spread = [r["rate"] / middle(bare, "rate") for r in bare]
        b.at_least("speed while watched at 10 Hz, of bare", median(rates), 0.97, digits=3)
        note("best watched run of best bare run: %.3f" % (
            max(r["rate"] for r in seen) / max(r["rate"] for r in bare)))
        note("bare runs among themselves: %.3f to %.3f; watched: %.3f to %.3f" % (
            min(spread), max(spread), min(rates), max(rates)))
        for k, name in (("p50", "median"), ("p99", "99%"), ("p999", "99.9%")):
            b.row("mmap/munmap call, %s, bare" % name, middle(bare, k) / 1e3, unit="us", digits=0)
            limit = middle(bare, k) / 1e3 + 1000 if k == "p999" else None
            b.row("mmap/munmap call, %s, watched" % name, middle(seen, k) / 1e3,
                  limit and round(limit), unit="us", digits=0)
        b.row("longest call of a run, bare (median of runs)", middle(bare, "max") / 1e3,
              unit="us", digits=0)
        b.row("longest call of a run, watched (median of runs)", middle(seen, "max") / 1e3,
              round(middle(bare, "max") / 1e3 + 1000), unit="us", digits=0)
        if piece == "64K":
            note("calls above 1 ms in all runs: bare %d, watched %d, of %d and %d" % tuple(
                sum(r[k] for r in runs) for k in ("over_1ms", "calls") for runs in (bare, seen)))


def elapsed(command):
    """What bench/faults says of each repetition, in ns; the first one warms up."""
    out = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, text=True, check=True,
                         timeout=300).stdout
    return [int(n) for n in out.split()][1:]


def summary_of(command):
    """(elapsed times, summary) of `vmscope faults -f jsonl`, whose lines go to a pipe."""
    end, pipe = os.pipe()
    with subprocess.Popen(["tail", "-n", "1"], stdin=end, stdout=subprocess.PIPE) as last:
        os.close(end)
        with subprocess.Popen([str(c) for c in command[:2]] + ["-o", "/dev/fd/%d" % pipe] +
                              [str(c) for c in command[2:]], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, pass_fds=[pipe]) as p:
            os.close(pipe)
            # What the command prints goes to stderr when lines go to stdout, else to stdout.
            out, err = p.communicate(timeout=300)
        line = last.communicate()[0]
    times = [int(n) for n in (out or err).split() if n.isdigit()][1:]
    return times, json.loads(line)


def is_attached(pid):
    """Whether the process has BPF programs attached: links among its descriptors."""
    try:
        fds = os.listdir("/proc/%d/fd" % pid)
        return any("bpf_link" in os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in fds)
    except OSError:
        return False


def beside_another(b, work):
    """Elapsed times while vmscope counts the faults of another process: what it costs that BPF
    programs are attached at all."""
    with Target("dense", "1M") as other:
        with subprocess.Popen([b.vmscope, "faults", "--engine", "bpf", "--heat", "-f", "jsonl",
                               "-o", "/dev/null", "-p", other.pid], stderr=subprocess.DEVNULL) as p:
            try:
                while not is_attached(p.pid) and p.poll() is None:
                    time.sleep(0.01)
                return elapsed(work)
            finally:
                p.terminate()


def followed(b, engine, work):
    """(elapsed times, summary or None) of the work, followed in one of the ways."""
    if engine == "beside":
        return beside_another(b, work), None
    options = {"heat": ["--engine", "bpf", "--heat"],
               "callers": ["--engine", "bpf", "--callers"],
               "perf callers": ["--engine", "perf", "--callers"]}.get(engine, ["--engine", engine])
    return summary_of([b.vmscope, "faults", "-f", "jsonl", *options, "--", *work])


def follow(b, what, shape, bounds):
    """The same work bare and followed in each way, in turn."""
    rounds = 3 if b.quick else 7
    work = [tool("faults"), "-r", "2", *shape]
    bare, seen, said = [], {e: [] for e in bounds}, {}
    for _ in range(rounds):
        for engine in bounds:
            bare.append(median(elapsed(work)))
            times, said[engine] = followed(b, engine, work)
            seen[engine].append(median(times) / bare[-1])
    print("%s (bare %.1f ms)" % (what, median(bare) / MS))
    for engine, bound in bounds.items():
        name = {"beside": "bpf attached, following another process",
                "heat": "followed by bpf, counting only",
                "callers": "followed by bpf, with callers",
                "perf callers": "followed by perf, with callers"}.get(engine, "followed by " + engine)
        b.row("%s, of bare (best %.3f)" % (name, min(seen[engine])), median(seen[engine]), bound,
              unit="x", digits=3)
        s = said[engine]
        if s:
            note("%s: %d faults told, %d lost, %d only counted%s" % (
                engine, s["faults"], s["lost"], s.get("heat_faults", 0),
                ", %(chains)d chains, %(lost)d of them lost" % s["callers"] if s.get("callers") else ""))
    return median(bare)


def peers_of_faults(b, shape):
    """What others cost on the same work."""
    perf = shutil.which("perf")
    if not perf:
        return
    work = [tool("faults"), "-r", "2", *shape]
    for name, options in (("perf record -e page-faults -c 1 -d",
                           ["record", "-q", "-e", "page-faults", "-c", "1", "-d", "-o", "/dev/null"]),
                          ("perf record -e page-faults -c 1 -g",
                           ["record", "-q", "-e", "page-faults", "-c", "1", "-g", "-o", "/dev/null"]),
                          ("perf trace -F all",
                           ["trace", "-F", "all", "--no-syscalls", "-o", "/dev/null"])):
        try:
            with_it = median(elapsed([perf, *options, "--", *work]))
            b.row(name + ", of bare", with_it / median(elapsed(work)), unit="x", digits=2)
        except (subprocess.SubprocessError, ValueError) as e:
            note("%s cannot be run here: %s" % (name, str(e)[:60]))


def bench_faults(b):
    n = 200000 if b.quick else 1000000
    print("faults: 1,000,000 first touches of 4K pages, in one burst")
    follow(b, "a burst of touches", ["touch", n],
           {"bpf": 1.10, "heat": 1.03, "beside": None, "perf": 1.5, "callers": None,
            "perf callers": None})
    peers_of_faults(b, ["touch", n // 10])
    follow(b, "mmap, 16 touches, munmap", ["mmap", n // 16], {"bpf": 1.10})
    follow(b, "mmap and munmap of one untouched page", ["calls", n // 4], {"bpf": None})


def bench_step(b):
    n = 100000
    print("step: %d faults, each a stop, without a screen" % n)
    work = [str(w) for w in (tool("faults"), "-w", n, "touch", n)]
    stops = []
    for _ in range(2 if b.quick else 5):
        bare = int(subprocess.run(work, stdout=subprocess.PIPE, text=True, check=True).stdout)
        p = subprocess.run([b.vmscope, "step", "-f", "jsonl", "-o", "/dev/null", "--", *work],
                           stdout=subprocess.PIPE, text=True, check=True, timeout=300)
        stops.append((int(p.stdout) - bare) / n / 1e3)
    b.row("a stop, above the bare fault", median(stops), 40, unit="us", digits=1)


BENCHES = [("small", bench_small), ("first", bench_first), ("full", bench_full),
           ("family", bench_family), ("residency", bench_residency), ("thp", bench_thp),
           ("sparse", bench_sparse), ("reserve", bench_reserve), ("maps", bench_maps), ("redraw", bench_redraw),
           ("idle", bench_idle), ("faults", bench_faults),
           ("step", bench_step), ("harmless", bench_harmless)]


def warm_up():
    """Memory that the host has taken back costs several times more to touch."""
    with Target("thp", "5G"):
        pass


def arguments():
    names = ", ".join(n for n, _ in BENCHES)
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--quick", action="store_true", help="a third of the runs")
    p.add_argument("--only", action="append", metavar="NAME", help="one of: " + names)
    p.add_argument("--vmscope", default=os.path.join(ROOT, "build", "vmscope"), metavar="PATH")
    args = p.parse_args()
    unknown = set(args.only or ()) - {n for n, _ in BENCHES}
    if unknown:
        p.error("no benchmark named " + ", ".join(sorted(unknown)))
    return args


def main():
    args = arguments()
    b = Bench(args)
    print(machine())
    began = time.monotonic()
    others = busy()
    if others > 10:
        print("other programs use %.0f%% of the CPUs: trust ratios and best runs more than medians"
              % others)
    warm_up()
    for name, bench in BENCHES:
        if args.only and name not in args.only:
            continue
        try:
            bench(b)
        except (Failed, OSError, subprocess.SubprocessError, ValueError, KeyError) as e:
            b.failed.append(name)
            print("  could not run %s: %s: %s" % (name, type(e).__name__, e))
    print("%.0f s; %d over their bound; could not run: %s" % (
        time.monotonic() - began, b.over, ", ".join(b.failed) or "none"))
    return 1 if b.failed else 0


if __name__ == "__main__":
    sys.exit(main())
