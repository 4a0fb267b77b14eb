"""A program under a pseudo-terminal of our own."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from .target import DEADLINE, die_with_parent


# Bytes that are kept while a text is awaited: some whole screens, searched again and again.
LATEST = 1 << 18
SEQUENCE = re.compile(rb"\x1b(\[[0-9;?<>]*[ -/]*[@-~]|[()][0-9A-B]|[=>78]|\].*?\x07)")


def plain(data):
    """The text in the output; what curses sends between the parts of a word does not matter."""
    return SEQUENCE.sub(b"", data)


class Terminal:
    def __init__(self, command, rows=30, cols=100, env=None):
        self.output = b""
        self.status = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            self.become(command, rows, cols, env)

    @staticmethod
    def become(command, rows, cols, env):
        """In the child, which must never go on with the test, whatever fails."""
        try:
            die_with_parent()
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
            os.execvpe(command[0], command, dict(os.environ, TERM="xterm-256color", **(env or {})))
        finally:
            os._exit(127)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        os.close(self.fd)

    def pump(self, seconds=0.05):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return b""
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            data = b""
            select.select([], [], [], 0.01)
        self.output += data
        return data

    def wait_output(self, wanted):
        """Until `wanted` has been written since the last call; its place is forgotten."""
        end = time.monotonic() + DEADLINE
        while wanted not in self.output:
            if time.monotonic() > end:
                raise TimeoutError(f"{wanted!r} never came; last was {self.output[-200:]!r}")
            self.pump()
        self.output = self.output.partition(wanted)[2]

    def wait_text(self, wanted):
        """Until a text has been on the screen since the last call. Only what changes is sent, in
        pieces: ^L asks for the whole screen again and again."""
        asked = begun = time.monotonic()
        while wanted not in plain(self.output):
            now = time.monotonic()
            if now > begun + DEADLINE:
                raise TimeoutError(f"{wanted!r} never came; last was {plain(self.output)[-200:]!r}")
            if now > asked + 0.3:
                self.send(b"\x0c")
                asked = now
            self.pump()
            self.output = self.output[-LATEST:]
        self.output = b""

    def send(self, keys):
        os.write(self.fd, keys)

    def wait(self, keys=b""):
        """Waits for the end, typing `keys` again and again; the exit status, negative by signal."""
        end = time.monotonic() + DEADLINE
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                break
            if time.monotonic() > end:
                raise TimeoutError("the program does not end")
            if not self.pump() and keys:
                self.send(keys)
        return self.status
