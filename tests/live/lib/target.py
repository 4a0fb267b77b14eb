"""Programs to look at: started, brought to a known point, stopped, and always ended."""
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
import urllib.parse
from dataclasses import dataclass, field

from . import kernel

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
BUILD = os.environ.get("VMSCOPE_BUILD", os.path.join(ROOT, "build"))
VMSCOPE = os.environ.get("VMSCOPE", os.path.join(BUILD, "vmscope"))
HELPERS = os.environ.get("HELPERS", os.path.join(BUILD, "tests/helpers"))
DEADLINE = 240


def wait_for(condition, what, seconds=DEADLINE):
    """Polls until condition() is true and returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited in vain for {what}")
        select.select([], [], [], 0.005)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def adopt_orphans():
    """From now on descendants whose parent ends become our children."""
    ctypes.CDLL(None).prctl(36, 1)


def reap_descendants(seconds=DEADLINE):
    """Waits for the end of all descendants, adopted ones too; complaints about those that go on."""
    end = time.monotonic() + seconds
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        while True:
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return []
            left = end - time.monotonic()
            if left <= 0:
                own = f"/proc/self/task/{os.getpid()}/children"
                return [f"process {pid} goes on" for pid in kernel.read_bytes(own).decode().split()]
            signal.sigtimedwait({signal.SIGCHLD}, left)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def reaped_status(process):
    """How a Popen child ended, for people."""
    code = process.wait()
    return f"signal {-code}" if code < 0 else f"status {code}"


def tasks(pid):
    return [int(t) for t in os.listdir(f"/proc/{pid}/task")]


def task_state(pid, tid):
    try:
        text = kernel.read_bytes(f"/proc/{pid}/task/{tid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return b""
    return text.rpartition(b") ")[2][:1]


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: all(task_state(pid, t) in (b"T", b"t", b"Z", b"") for t in tasks(pid)),
             f"process {pid} to stop")


class Target:
    """A child process. `with` ends it."""

    def __init__(self, command, user=None, env=None, cwd=None, stdin=subprocess.DEVNULL):
        if user is not None:
            command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups",
                       "--"] + command
        self.process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, env=env, cwd=cwd,
                                        start_new_session=True, preexec_fn=die_with_parent)
        self.pid = self.process.pid
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.end()

    def end(self):
        if self.process.returncode is None:  # not reaped: its pid still names its group alone
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        for f in (self.process.stdin, self.process.stdout):
            if f:
                f.close()

    def line(self, seconds=DEADLINE):
        """One line of its output; b"" at the end. The descriptor is read unbuffered, so that
        select tells the truth."""
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.process.stdout], [], [], seconds)
            if not ready:
                raise TimeoutError(f"no output from {self.process.args}")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                break
            self.pending += data
        line, end, self.pending = self.pending.partition(b"\n")
        return line + end

    def wait_line(self, wanted, seconds=DEADLINE):
        while True:
            line = self.line(seconds)
            if not line:
                raise RuntimeError(f"{self.process.args}: {reaped_status(self.process)}")
            if line.startswith(wanted):
                return line

    def stop(self):
        stop(self.pid)
        return self


@dataclass
class State:
    """One line of target_states."""
    name: str
    start: int
    end: int
    runs: list = field(default_factory=list)  # (set of states, n); empty: any
    attrs: list = field(default_factory=list)  # (wanted, name, first, n)
    flags: list = field(default_factory=list)  # (wanted, flag)
    perms: str = None
    kind: str = None
    mapcount: int = None
    shown: bytes = None
    split: bool = False

    @classmethod
    def parse(cls, line):
        name, start, end, *tokens = line.split()
        state = cls(name, int(start, 16), int(end, 16))
        for token in tokens:
            key, _, value = token.partition("=")
            if key == "run":
                what, _, n = value.partition("*")
                state.runs.append((set(what.split("|")), int(n)))
            elif key in ("attr", "noattr"):
                what, _, where = value.partition("@")
                first, _, n = where.partition("+")
                state.attrs.append((key == "attr", what, int(first), int(n)))
            elif key in ("vmflag", "no-vmflag"):
                state.flags.append((key == "vmflag", value))
            elif key == "name":
                state.shown = urllib.parse.unquote_to_bytes(value)
            elif key == "mapcount":
                state.mapcount = int(value)
            elif key == "split":
                state.split = True
            elif key in ("perms", "kind"):
                setattr(state, key, value)
            elif token != "runs=any":
                raise ValueError(f"token {token}")
        return state


class StatesTarget(Target):
    """target_states, stopped, with what it said about itself."""

    def __init__(self, *options, user=None):
        super().__init__([os.path.join(HELPERS, "target_states"), *options], user=user)
        self.states, self.absent, self.children = {}, {}, {}
        try:
            self._listen()
        except BaseException:
            self.end()
            raise

    def _listen(self):
        while True:
            line = self.line().decode()
            if not line:
                raise RuntimeError(f"target_states: {reaped_status(self.process)}")
            word, *rest = line.split()
            if word == "ready":
                break
            if word == "absent":
                self.absent[rest[0]] = " ".join(rest[1:])
            elif word == "child":
                self.children[rest[0]] = int(rest[1])
            else:
                state = State.parse(line)
                self.states[state.name] = state
        stop(self.pid)
        for pid in self.children.values():
            stop(pid)


def python():
    return sys.executable
