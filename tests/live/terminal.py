#!/usr/bin/env python3
"""vmscope on a real pseudo-terminal, as a job of a small shell of ours: it follows resizes, stops and
goes on, and whatever ends it, the terminal is as it was before. unprivileged: yes"""
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE]

from lib.tap import Skip, Tap, end_by_exception  # noqa: E402
from lib.target import DEADLINE, VMSCOPE, die_with_parent  # noqa: E402
from lib.terminal import plain  # noqa: E402

ENTER_SCREEN, LEAVE_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"
SHOW_CURSOR, HIDE_CURSOR = b"\x1b[?25h", b"\x1b[?25l"
MOUSE_ON, MOUSE_OFF = b"\x1b[?1006;1000h", b"\x1b[?1006;1000l"
MARK = b"[the shell]"  # what the shell of the test writes to the terminal after each change


class Job:
    """vmscope in the foreground of a terminal. A shell process of ours leads the session, so that
    stopping works; it reports each change of the job's state."""

    def __init__(self, args, cols=80, rows=24, env=None):
        self.master, slave = os.openpty()
        self.resize(cols, rows)
        self.modes = termios.tcgetattr(self.master)
        self.output = b""
        self.reports = b""
        report_read, report_write = os.pipe()
        control_read, self.control = os.pipe()
        self.shell = os.fork()
        if self.shell == 0:
            os.close(self.master)
            os.close(report_read)
            os.close(self.control)
            run_shell(slave, [VMSCOPE, *args], {**os.environ, "TERM": "xterm-256color",
                                                "LC_ALL": "C.UTF-8", **(env or {})},
                      report_write, control_read)
        os.close(slave)
        os.close(report_write)
        os.close(control_read)
        self.report = report_read
        self.pid = int(self.next_report().split()[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in (self.pid, self.shell):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os.waitpid(self.shell, 0)
        for fd in (self.master, self.report, self.control):
            os.close(fd)

    def resize(self, cols, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def pump(self, seconds):
        """Takes what arrives from either side; false when nothing did."""
        ready, _, _ = select.select([self.master, self.report], [], [], seconds)
        if self.master in ready:
            try:
                self.output += os.read(self.master, 65536)
            except OSError:  # nobody has the terminal open any more
                ready.remove(self.master)
        if self.report in ready:
            data = os.read(self.report, 4096)
            self.reports += data
            if not data:
                raise EOFError("the shell ended")
        return bool(ready)

    def until(self, condition, what):
        end = time.monotonic() + DEADLINE
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited in vain for {what}; last output: "
                                   f"{plain(self.output)[-300:]!r}")
            self.pump(0.2)

    def change(self):
        """How the job's state changed: 'stopped N', 'exit N' or 'signal N'. All that it wrote to the
        terminal until then has come: the shell wrote its mark after it."""
        report = self.next_report()
        self.until(lambda: MARK in self.output, "the mark of the shell")
        self.output = self.output.replace(MARK, b"")
        return report

    def next_report(self):
        self.until(lambda: b"\n" in self.reports, "the shell's report")
        line, _, self.reports = self.reports.partition(b"\n")
        return line.decode()

    def type(self, keys):
        os.write(self.master, keys)

    def expect(self, text, since=0):
        """Waits for text among what is sent after the first `since` bytes; how many bytes came so
        far. Only what changes is sent, in pieces: ^L asks for the whole screen again and again."""
        asked = begun = time.monotonic()
        while text not in plain(self.output[since:]):
            now = time.monotonic()
            if now > begun + DEADLINE:
                raise TimeoutError(f"waited in vain for {text!r}; last output: "
                                   f"{plain(self.output)[-300:]!r}")
            if now > asked + 0.2:
                self.type(b"\x0c")
                asked = now
            self.pump(0.1)
        return len(self.output)

    def foreground(self):
        os.write(self.control, b"f")

    def complaints(self):
        """What is not as it was before the job had the terminal."""
        found = []
        modes = termios.tcgetattr(self.master)
        if modes != self.modes:
            found.append(f"terminal modes are {modes}, were {self.modes}")
        for begin, end, what in ((ENTER_SCREEN, LEAVE_SCREEN, "the alternate screen is left on"),
                                 (HIDE_CURSOR, SHOW_CURSOR, "the cursor is left invisible"),
                                 (MOUSE_ON, MOUSE_OFF, "the mouse is left on")):
            if self.output.rfind(begin) > self.output.rfind(end):
                found.append(what)
        return found


def run_shell(tty, argv, env, report, control):
    """Never returns. Writes `pid N`, `stopped N`, `exit N`, `signal N`; `f` continues the job."""
    try:
        os.setsid()
        fcntl.ioctl(tty, termios.TIOCSCTTY, 0)
        for number in (signal.SIGTTOU, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGTSTP):
            signal.signal(number, signal.SIG_DFL)
        pid = os.fork()
        if pid == 0:
            become_job(tty, argv, env)
        os.write(report, f"pid {pid}\n".encode())
        while os.WIFSTOPPED(status := os.waitpid(pid, os.WUNTRACED)[1]):
            os.tcsetpgrp(tty, os.getpgrp())
            os.write(report, f"stopped {os.WSTOPSIG(status)}\n".encode())
            os.write(tty, MARK)
            os.read(control, 1)
            os.tcsetpgrp(tty, pid)
            os.killpg(pid, signal.SIGCONT)
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else \
            f"exit {os.WEXITSTATUS(status)}"
        os.write(report, f"{how}\n".encode())
        os.write(tty, MARK)  # fails when the terminal is gone
        os.read(control, 1)
    finally:
        os._exit(0)


def become_job(tty, argv, env):
    """The foreground job of the terminal."""
    os.setpgid(0, 0)
    os.tcsetpgrp(tty, os.getpgrp())
    for number in (signal.SIGTTOU, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for fd in (0, 1, 2):
        os.dup2(tty, fd)
    os.closerange(3, 100)
    os.execvpe(argv[0], argv, env)


class Target:
    """A process to look at: our own child, so that nobody needs a privilege."""

    def __enter__(self):
        self.process = subprocess.Popen(["sleep", "1000"], preexec_fn=die_with_parent)
        return str(self.process.pid)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def watch(target, *args, **options):
    job = Job(["-p", target, *args], **options)
    job.expect(b"[live]")
    return job


def test_quit():
    with Target() as target, watch(target) as job:
        if ENTER_SCREEN not in job.output:
            return ["it does not use the alternate screen"]
        job.type(b"q")
        how = job.change()
        return job.complaints() + ([] if how == "exit 0" else [how])


def test_resize():
    with Target() as target, watch(target) as job:
        for cols, rows, text in ((10, 3, b"needs 20x5"), (80, 24, b"[live]"), (1, 1, b"n"),
                                 (250, 70, b"[live]"), (20, 5, b"[live]"), (19, 40, b"needs 20x5"),
                                 (100, 30, b"[live]")):
            seen = len(job.output)
            job.resize(cols, rows)
            job.expect(text, seen)
        job.type(b"q")
        return job.complaints() if job.change() == "exit 0" else ["did not quit"]


def test_signal(number):
    with Target() as target, watch(target) as job:
        os.kill(job.pid, number)
        how = job.change()
        wanted = f"signal {int(number)}"
        return job.complaints() + ([] if how == wanted else [f"{how}, not {wanted}"])


def test_interrupt_key():
    with Target() as target, watch(target) as job:
        job.type(b"\x03")
        how = job.change()
        return job.complaints() + ([] if how == f"signal {int(signal.SIGINT)}" else [how])


def test_stop(stop):
    with Target() as target, watch(target) as job:
        for _ in range(2):
            stop(job)
            how = job.change()
            if how != f"stopped {int(signal.SIGTSTP)}":
                return [how]
            bad = job.complaints()
            seen = len(job.output)
            job.foreground()
            job.expect(b"[live]", seen)
            if bad or ENTER_SCREEN not in job.output[seen:]:
                return bad or ["the screen is not taken back"]
        job.type(b"q")
        how = job.change()
        return job.complaints() + ([] if how == "exit 0" else [how])


def test_stopped_hard():
    """SIGSTOP leaves no time to tidy up, but going on draws everything again."""
    with Target() as target, watch(target) as job:
        os.kill(job.pid, signal.SIGSTOP)
        job.change()
        seen = len(job.output)
        job.foreground()
        job.expect(b"[live]", seen)
        job.type(b"q")
        how = job.change()
        return job.complaints() + ([] if how == "exit 0" else [how])


def test_stuck_terminal():
    """Nobody reads the terminal: one signal waits for the frame, a second one does not."""
    with Target() as target, watch(target) as job:
        job.type(b"\x0c" * 50)
        end = time.monotonic() + DEADLINE
        while not job.reports and time.monotonic() < end:
            try:
                os.kill(job.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
            if select.select([job.report], [], [], 0.1)[0]:
                job.reports += os.read(job.report, 4096)
        how = job.next_report()
        return [] if how == f"signal {int(signal.SIGTERM)}" else [how]


def test_hangup():
    """The terminal goes away without a signal to us: the shell, which gets it, ignores it."""
    with Target() as target, watch(target) as job:
        os.close(job.master)
        job.master = os.open("/dev/null", os.O_RDWR)
        ready, _, _ = select.select([job.report], [], [], DEADLINE)
        how = os.read(job.report, 4096).decode() if ready else ""
        return [] if how.startswith(("exit ", "signal ")) else ["it goes on without a terminal"]


def test_colors(args, env, wanted):
    with Target() as target, watch(target, *args, env=env) as job:
        job.type(b"q")
        job.change()
        colored = re.search(rb"\x1b\[[0-9;]*[34][0-8][;m]", job.output.replace(b"\x1b[39;49m", b""))
        if bool(colored) != wanted:
            return [f"colours: {colored.group(0) if colored else None}"]
    return []


def test_type(name):
    if subprocess.run(["infocmp", name], capture_output=True, check=False).returncode != 0:
        raise Skip(f"no terminfo entry for {name}")
    with Target() as target, watch(target, env={"TERM": name}) as job:
        for view in b"2345":
            job.type(bytes([view]))
        job.type(b"\x1b")
        os.kill(job.pid, signal.SIGSEGV)
        how = job.change()
        return job.complaints() + ([] if how == f"signal {int(signal.SIGSEGV)}" else [how])


def test_locale():
    """Where the terminal is not said to know UTF-8, it gets ASCII only."""
    with Target() as target, watch(target, env={"LC_ALL": "C"}) as job:
        job.type(b"2")
        job.expect(b"RANGE")
        job.type(b"q")
        how = job.change()
        strange = [byte for byte in job.output if byte > 0x7e]
        return ([how] if how != "exit 0" else []) + ([repr(bytes(strange))] if strange else [])


def test_mouse():
    with Target() as target, watch(target) as job:
        job.expect(b"[live]")
        if MOUSE_ON not in job.output:
            return ["the mouse is not asked for"]
        job.type(b"2")
        seen = job.expect(b"RANGE")
        job.type(b"\x1b[<65;10;10M")
        job.until(lambda: b">" in plain(job.output[seen:]), "the wheel to move the selection")
        seen = len(job.output)
        job.type(b"M")
        job.until(lambda: MOUSE_OFF in job.output[seen:], "the mouse to be let go")
        job.type(b"q")
        job.change()
    with Target() as target, watch(target, "--no-mouse") as job:
        job.type(b"q")
        job.change()
        return ["the mouse is asked for"] if MOUSE_ON in job.output else []


def test_dumb():
    """A terminal that can do nothing gets plain text."""
    with Target() as target, Job(["-n", "1", "-p", target], env={"TERM": "dumb"}) as job:
        how = job.change()
        if how != "exit 0" or b"\x1b" in job.output or not job.output.strip():
            return [how, repr(job.output[:300])]
    return []


def main():
    end_by_exception()
    tap = Tap()
    tap.run("q quits and leaves the terminal as it was", test_quit)
    tap.run("the screen follows the size of the terminal, down to nothing", test_resize)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGSEGV,
                   signal.SIGABRT, signal.SIGBUS, signal.SIGFPE):
        tap.run(f"{number.name} ends it and leaves the terminal as it was",
                lambda n=number: test_signal(n))
    tap.run("^C ends it by SIGINT", test_interrupt_key)
    tap.run("^Z stops it, fg takes the screen back", lambda: test_stop(lambda j: j.type(b"\x1a")))
    tap.run("SIGTSTP stops it, fg takes the screen back",
            lambda: test_stop(lambda j: os.kill(j.pid, signal.SIGTSTP)))
    tap.run("after SIGSTOP everything is drawn again", test_stopped_hard)
    tap.run("a terminal that nobody reads does not keep it from ending", test_stuck_terminal)
    tap.run("it ends when the terminal is gone", test_hangup)
    tap.run("colours by default", lambda: test_colors([], {}, True))
    tap.run("no colours with NO_COLOR", lambda: test_colors([], {"NO_COLOR": "1"}, False))
    tap.run("no colours with --color never", lambda: test_colors(["--color", "never"], {}, False))
    tap.run("--color always beats NO_COLOR",
            lambda: test_colors(["--color", "always"], {"NO_COLOR": "1"}, True))
    for name in ("vt100", "linux", "xterm", "screen", "rxvt-unicode-256color", "xterm-mono"):
        tap.run(f"TERM={name}", lambda n=name: test_type(n))
    tap.run("ASCII in the C locale", test_locale)
    tap.run("the mouse: wheel, M, --no-mouse", test_mouse)
    tap.run("TERM=dumb gets no escape sequences", test_dumb)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
