#!/usr/bin/env python3
"""A read of /proc may block for long. Here it does for ever: maps is a FIFO that nobody writes. The
screen is there all the same, says that it waits, and answers keys and signals.

unprivileged: yes"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from lib.tap import Skip, Tap, end_by_exception  # noqa: E402
from lib.target import ROOT, VMSCOPE, wait_for  # noqa: E402

PID = 111
DUMP = f"{ROOT}/tests/dumps/states"
KEYS_HELP = "Keys everywhere"


class Screen:
    """vmscope in a terminal of tmux, on a /proc whose maps is a FIFO."""

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="vmscope-fifo.")
        self.socket = f"{self.dir}/tmux"
        process = f"{self.dir}/proc/{PID}"
        os.makedirs(process)
        for name in ("stat", "status"):
            shutil.copyfile(f"{DUMP}/{name}", f"{process}/{name}")
        self.fifo = f"{process}/maps"
        os.mkfifo(self.fifo)
        script = (f'"{VMSCOPE}" attach -p {PID} --proc-root "{self.dir}/proc"; '
                  f'echo "status $?" >"{self.dir}/ended"; read wait')
        env = {k: v for k, v in os.environ.items() if k not in ("TMUX", "TERM")}
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24",
                  "sh", "-c", script, env=env)
        return self

    def __exit__(self, *unused):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False,
                       stderr=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def tmux(self, *words, **kw):
        return subprocess.run(["tmux", "-S", self.socket, *words], check=True,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, **kw).stdout

    def text(self):
        return self.tmux("capture-pane", "-p")

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def wait_text(self, what):
        try:
            return wait_for(lambda: what in self.text(), what, 20)
        except TimeoutError as e:
            raise TimeoutError(f"{e}; the screen:\n{self.text()}") from e

    def ended(self):
        def status():
            try:
                with open(f"{self.dir}/ended", encoding="ascii") as f:
                    return f.read().strip()
            except FileNotFoundError:
                return ""
        return wait_for(status, "vmscope to end", 20)

    def pid(self):
        """Of vmscope, the shell's only child."""
        shell = int(self.tmux("display-message", "-p", "#{pane_pid}"))

        def child():
            with open(f"/proc/{shell}/task/{shell}/children", encoding="ascii") as f:
                return [int(p) for p in f.read().split()]
        return wait_for(child, "the shell's child")[0]


def screen_says_that_it_waits():
    with Screen() as s:
        s.wait_text("wait")


def keys_are_answered():
    with Screen() as s:
        s.wait_text("q quit")
        s.keys("?")
        s.wait_text(KEYS_HELP)
        s.keys("Escape")
        wait_for(lambda: KEYS_HELP not in s.text(), "the help to go", 20)
        s.keys("/", "a", "b", "c")
        s.wait_text("search: abc")


def q_ends_it():
    with Screen() as s:
        s.wait_text("q quit")
        s.keys("q")
        status = s.ended()
        return [] if status == "status 0" else [f"ended with {status}"]


def sigterm_ends_it():
    with Screen() as s:
        s.wait_text("q quit")
        os.kill(s.pid(), signal.SIGTERM)
        status = s.ended()
        return [] if status == f"status {128 + signal.SIGTERM}" else [f"ended with {status}"]


def an_answer_is_shown():
    with Screen() as s:
        s.wait_text("q quit")
        # Opening to write waits for the reader; it is there already, or comes with the first read.
        fd = wait_for(lambda: open_writer(s.fifo), "a reader of the FIFO", 20)
        os.write(fd, b"7f5000000000-7f5000010000 rw-p 00000000 00:00 0    [anon:come-late]\n")
        os.close(fd)
        s.wait_text("come-late")


def open_writer(path):
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return 0


def main():
    end_by_exception()
    tap = Tap()
    for title, test in (("the screen says that it waits", screen_says_that_it_waits),
                        ("keys are answered", keys_are_answered),
                        ("q ends it", q_ends_it),
                        ("SIGTERM ends it", sigterm_ends_it),
                        ("an answer that comes late is shown", an_answer_is_shown)):
        def checked(test=test):
            if not shutil.which("tmux"):
                raise Skip("tmux is not installed")
            return test()
        tap.run(f"maps is a FIFO: {title}", checked)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
