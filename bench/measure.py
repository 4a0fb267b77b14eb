"""What the benchmark measures with: targets, interleaved runs, programs under a pseudo-terminal."""

import os
import re
import signal
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BENCH = os.path.join(ROOT, "build", "bench")


class Failed(Exception):
    """Something could not be run."""


def tool(name):
    return os.path.join(BENCH, name)


def words(line):
    """{"a": 1.0} from "x: a=1 b=2"; words that are no number are left out."""
    return {k: float(v) for k, v in re.findall(r"(\w+)=(-?[\d.]+)\b", line)}


def median(values):
    return statistics.median(values)


class Target:
    """A running build/bench/target; a context manager."""

    def __init__(self, *shape):
        self.shape = [str(s) for s in shape]

    def __enter__(self):
        self.process = subprocess.Popen([tool("target"), *self.shape], stdout=subprocess.PIPE,
                                        text=True)
        line = self.process.stdout.readline().split()
        if len(line) != 2 or line[0] != "ready":
            raise Failed("target " + " ".join(self.shape) + " did not become ready")
        self.pid = line[1]
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def figures(self):
        """Of a `loop` target: since the last call of this."""
        self.process.send_signal(signal.SIGUSR1)
        return words(self.process.stdout.readline())


class Run:
    """One run of a command, as pace reports it. Times in ns, rss in KiB."""

    def __init__(self, wall, cpu, rss, status, said):
        self.wall, self.cpu, self.rss, self.status = int(wall), int(cpu), int(rss), int(status)
        self.said, self.words = said, words(said)


class Runs(list):
    def of(self, what):
        return median([getattr(r, what) for r in self])

    def word(self, name):
        """Median of a NAME=NUMBER that the command said on stderr, or None."""
        found = [r.words[name] for r in self if name in r.words]
        return median(found) if found else None


def pace(rounds, *commands):
    """Runs the commands in turn, rounds times after one round that does not count."""
    argv = [tool("pace"), str(rounds + 1)]
    for i, c in enumerate(commands):
        argv += ([":::"] if i else []) + [str(a) for a in c]
    out = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout
    runs = [Runs() for _ in commands]
    for line in out.splitlines():
        figures, _, said = line.partition("\t")
        which, *rest = figures.split()
        runs[int(which)].append(Run(*rest, said))
    for r, c in zip(runs, commands):
        del r[0]
        bad = next((x for x in r if x.status != 0), None)
        if bad:
            raise Failed("%s: status %d: %s" % (" ".join(map(str, c)), bad.status, bad.said))
    return runs


def ratio(a, b, what="wall"):
    """Median of the ratios of runs that stood side by side."""
    return median([getattr(x, what) / getattr(y, what) for x, y in zip(a, b)])


def screen_argv(size, command, wait=(), settle=0, idle=0, keys=(), presses=0, leave=None):
    argv = [tool("screen")]
    for w in wait:
        argv += ["-w", w]
    for k in keys:
        argv += ["-k", k]
    argv += ["-s", str(settle), "-i", str(idle), "-n", str(presses)]
    if leave:
        argv += ["-q", leave]
    return argv + [size, *map(str, command)]


def screen(*args, **options):
    """Runs a program under a pseudo-terminal; the figures of build/bench/screen."""
    env = dict(os.environ, TERM="xterm-256color", LANG="C.UTF-8", LC_ALL="C.UTF-8")
    env.pop("NO_COLOR", None)
    argv = screen_argv(*args, **options)
    out = subprocess.run(argv, stdout=subprocess.PIPE, text=True, env=env, check=True).stdout
    figures = words(out)
    if "first_ns" not in figures:
        raise Failed(" ".join(map(str, args[1])) + ": no complete first frame; " + out.strip())
    return figures


def screen_in_background(*args, **options):
    env = dict(os.environ, TERM="xterm-256color", LANG="C.UTF-8", LC_ALL="C.UTF-8")
    return subprocess.Popen(screen_argv(*args, **options), stdout=subprocess.PIPE, text=True,
                            env=env)


def machine():
    uname = os.uname()
    with open("/proc/cpuinfo") as f:
        model = next((l.split(":")[1].strip() for l in f if l.startswith("model name")), "?")
    with open("/proc/meminfo") as f:
        memory = int(f.readline().split()[1]) >> 20
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled") as f:
            thp = re.search(r"\[(\w+)\]", f.read()).group(1)
    except (OSError, AttributeError):
        thp = "none"
    return "%s %s, %s, %d CPUs (%s), %d GiB, THP=%s, load %.2f, uid %d" % (
        uname.sysname, uname.release, uname.machine, os.cpu_count(), model, memory, thp,
        os.getloadavg()[0], os.geteuid())


def busy(seconds=1):
    """Share of all CPUs that others use, in percent."""
    def ticks():
        with open("/proc/stat") as f:
            v = [int(x) for x in f.readline().split()[1:9]]
        return sum(v), v[3] + v[4]
    total, idle = ticks()
    time.sleep(seconds)
    total2, idle2 = ticks()
    return 100 - 100 * (idle2 - idle) / max(1, total2 - total)


def note(text):
    print("    " + text)
    sys.stdout.flush()
