"""A command on a screen of tmux: what it shows as text, and how it ends."""
import os
import shutil
import subprocess
import tempfile

from .tap import Skip
from .target import wait_for



class Tmux:
    """Runs a command of the shell; `with` ends it. `dir` is a directory of its own."""

    def __init__(self, command, cols=80, rows=24):
        self.command, self.cols, self.rows = command, cols, rows

    def __enter__(self):
        if not shutil.which("tmux"):
            raise Skip("tmux is not installed")
        self.dir = tempfile.mkdtemp(prefix="vmscope-tmux.")
        self.socket = f"{self.dir}/tmux"
        script = (f'stty -a >"{self.dir}/before"; {self.command}; echo "status $?" >"{self.dir}/ended"; '
                  f'stty -a >"{self.dir}/after"; read wait')
        env = {k: v for k, v in os.environ.items() if k not in ("TMUX", "TERM")}
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(self.cols), "-y",
                  str(self.rows), "sh", "-c", script, env=env)
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
            return wait_for(lambda: what in self.text(), what)
        except TimeoutError as e:
            raise TimeoutError(f"{e}; the screen:\n{self.text()}") from e

    def _read(self, name):
        try:
            with open(f"{self.dir}/{name}", encoding="utf-8") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def ended(self):
        """How the command ended, as "status 0"; and complaints about the terminal it leaves."""
        wait_for(lambda: self._read("after"), "the command to end")
        same = self._read("before") == self._read("after")
        return self._read("ended").strip(), [] if same else ["the terminal is not as it was"]

    def pid(self):
        """Of the command, the shell's only child."""
        shell = int(self.tmux("display-message", "-p", "#{pane_pid}"))

        def child():
            with open(f"/proc/{shell}/task/{shell}/children", encoding="ascii") as f:
                return [int(p) for p in f.read().split()]
        return wait_for(child, "the shell's child")[0]
