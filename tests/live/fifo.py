#!/usr/bin/env python3
"""A read of /proc may block for long. Here it does for ever: maps is a FIFO that nobody writes. The
screen is there all the same, says that it waits, and answers keys and signals.

unprivileged: yes"""
import os
import shutil
import signal
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from lib.tap import Skip, Tap, end_by_exception  # noqa: E402
from lib.target import ROOT, VMSCOPE, wait_for  # noqa: E402
from lib.tmux import Tmux  # noqa: E402

PID = 111
DUMP = f"{ROOT}/tests/dumps/states"
KEYS_HELP = "leave help"


class Screen(Tmux):
    """vmscope in a terminal of tmux, on a /proc whose maps is a FIFO."""

    def __init__(self):
        super().__init__("")

    def __enter__(self):
        self.root = tempfile.mkdtemp(prefix="vmscope-fifo.")
        process = f"{self.root}/proc/{PID}"
        os.makedirs(process)
        for name in ("stat", "status"):
            shutil.copyfile(f"{DUMP}/{name}", f"{process}/{name}")
        self.fifo = f"{process}/maps"
        os.mkfifo(self.fifo)
        self.command = f'"{VMSCOPE}" attach -p {PID} --proc-root "{self.root}/proc"'
        return super().__enter__()

    def __exit__(self, *unused):
        super().__exit__()
        shutil.rmtree(self.root, ignore_errors=True)


def screen_says_that_it_waits():
    with Screen() as s:
        s.wait_text("wait")


def keys_are_answered():
    with Screen() as s:
        s.wait_text("q quit")
        s.keys("?")
        s.wait_text(KEYS_HELP)
        s.keys("Escape")
        wait_for(lambda: KEYS_HELP not in s.text(), "the help to go")
        s.keys("/", "a", "b", "c")
        s.wait_text("search: abc")


def q_ends_it():
    with Screen() as s:
        s.wait_text("q quit")
        s.keys("q")
        status, wrong = s.ended()
        return wrong + ([] if status == "status 0" else [f"ended with {status}"])


def sigterm_ends_it():
    with Screen() as s:
        s.wait_text("q quit")
        os.kill(s.pid(), signal.SIGTERM)
        status, wrong = s.ended()
        good = status == f"status {128 + signal.SIGTERM}"
        return wrong + ([] if good else [f"ended with {status}"])


def an_answer_is_shown():
    with Screen() as s:
        s.wait_text("q quit")
        # Opening to write waits for the reader; it is there already, or comes with the first read.
        fd = wait_for(lambda: open_writer(s.fifo), "a reader of the FIFO")
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
