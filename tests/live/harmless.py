#!/usr/bin/env python3
"""vmscope does no harm: to what it watches, to what it starts, to the terminal; and no process,
however odd, makes it do worse than say so in one line."""
import os
import re
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../helpers")]

from lib import compare, elf32, kernel  # noqa: E402
from lib.compare import snap, vmscope  # noqa: E402
from lib.tap import Skip, Tap, end_by_exception, need_program  # noqa: E402
from lib.target import VMSCOPE, StatesTarget, Target, python, wait_for  # noqa: E402
from lib.terminal import Terminal  # noqa: E402

tap = Tap()
NOBODY = "65534"


def one_line(what, result, status=1):
    """A failure is its status, nothing on stdout, and one line on stderr for a person."""
    found, out, err = result
    bad = []
    if found != status:
        bad.append(f"{what}: status {found}, expected {status}")
    if out:
        bad.append(f"{what}: output {out[:200]!r}")
    if err.count(b"\n") != 1 or not err.startswith(b"vmscope: ") or unsafe(err):
        bad.append(f"{what}: error text {err!r}")
    return bad


# --- the target goes on ---

def answers(target):
    target.process.stdin.write(b"still there\n")
    target.process.stdin.flush()
    return target.line() == b"still there\n"


def unharmed(target):
    bad = []
    if not answers(target):
        bad.append("the target does not answer")
    status = kernel.status(target.pid)
    if status["TracerPid"] != "0":
        bad.append(f"the target is traced by {status['TracerPid']}")
    if status["State"][0] in "Tt":
        bad.append(f"the target is stopped: {status['State']}")
    return bad


def cat():
    return Target(["cat"], stdin=subprocess.PIPE)


def killed_while_attached():
    with cat() as target:
        with Target([VMSCOPE, "attach", "-d", "0.02", str(target.pid)]) as watcher:
            for _ in range(5):
                watcher.line()
            watcher.process.kill()
            watcher.process.wait()
        return unharmed(target)


def killed_on_screen():
    with cat() as target:
        with Terminal([VMSCOPE, "attach", "-d", "0.02", str(target.pid)]) as screen:
            screen.wait_output(b"\x1b[")
            screen.wait_text(b"[live]")
            os.kill(screen.pid, signal.SIGKILL)
            screen.wait()
        return unharmed(target)


def killed_while_running():
    """The command of `run` belongs to the user, not to its watcher."""
    command = "echo $$ >&2; exec cat"
    errors = tempfile.TemporaryFile()
    watcher = subprocess.Popen([VMSCOPE, "run", "-d", "0.02", "--", "sh", "-c", command],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
    pid = 0
    try:
        watcher.stdout.readline()
        wait_for(lambda: os.fstat(errors.fileno()).st_size > 0, "the child's pid")
        errors.seek(0)
        pid = int(errors.read().split()[0])
        watcher.kill()
        watcher.wait()
        state = kernel.stat(pid)[3]
        return [] if state in "RSD" else [f"the child's state is {state}"]
    finally:
        watcher.kill()
        watcher.wait()
        if pid:
            os.kill(pid, signal.SIGKILL)
        for f in (watcher.stdin, watcher.stdout, errors):
            f.close()


# --- run ---

def run(*command, options=(), **kwargs):
    return subprocess.run([VMSCOPE, "run", *options, "--", *command], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=300, check=False, **kwargs)


def statuses():
    bad = []
    for status in (0, 1, 3, 255):
        found = run("sh", "-c", f"exit {status}").returncode
        if found != status:
            bad.append(f"exit {status} came out as {found}")
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGUSR1):
        found = run("sh", "-c", f"kill -{int(number)} $$").returncode
        if found != -number:
            bad.append(f"{number.name} came out as {found}")
    return bad


def statuses_on_screen():
    bad = []
    for script, status in (("exit 7", 7), ("kill -9 $$", -9), ("sleep 0.1; exit 3", 3)):
        with Terminal([VMSCOPE, "run", "--", "sh", "-c", script]) as screen:
            found = screen.wait(b"q")
            if found != status:
                bad.append(f"{script} came out as {found}")
    return bad


def not_executable():
    with tempfile.TemporaryDirectory() as d:
        plain = os.path.join(d, "plain")
        with open(plain, "w") as f:
            f.write("\x7fnothing that could run")
        os.chmod(plain, 0o644)
        return [c for command, status in ((plain, 126), (d, 126), (os.path.join(d, "none"), 127),
                                          ("no-such-command-anywhere", 127),
                                          ("\x1b[31mred", 127))
                for c in one_line(f"run {command!r}", vmscope("run", "--", command), status)]


def bad_usage():
    return [c for args in (["run"], ["--no-such-option"], ["snap"], ["attach"],
                           ["snap", "-p", "abc"], ["snap", "-p", "\x1b[31m"], ["snap", "-p", "-1"],
                           ["snap", "-p", "1", "--format", "xml"], ["snap", "-p"],
                           ["no-such-command"], ["-p", "1", "-d", "never"],
                           ["-p", "1", "--screen", "0x0", "--keys", "q"])
            for c in one_line(args, vmscope(*args), 2)]


def descriptors():
    bad = []
    with open("/dev/null", "rb") as extra:
        for give in ((), (extra.fileno(),)):
            done = run("sh", "-c", "exec ls -l /proc/self/fd >&2", pass_fds=give)
            fds = {}
            for line in done.stderr.decode().splitlines():
                found = re.search(r" (\d+) -> (.*)$", line)
                if found and not found.group(2).endswith("/fd"):
                    fds[int(found.group(1))] = found.group(2)
            if set(fds) != {0, 1, 2}:
                bad.append(f"the command has {fds}")
    return bad


def identity(**how):
    done = run("sh", "-c", "cat /proc/self/status >&2", **how)
    fields = dict(line.split(":", 1) for line in done.stderr.decode().splitlines() if ":" in line)
    want = {"Uid": [NOBODY] * 4, "Gid": [NOBODY] * 4, "Groups": None, "CapInh": ["0" * 16],
            "CapPrm": ["0" * 16], "CapEff": ["0" * 16], "CapAmb": ["0" * 16]}
    bad = []
    for name, value in want.items():
        found = fields.get(name, "").split()
        if name == "Groups":
            if not set(found) <= {NOBODY}:
                bad.append(f"Groups {found}")
        elif found != value:
            bad.append(f"{name} {found}, expected {value}")
    return bad


def as_who_called_sudo():
    if os.geteuid() != 0:
        raise Skip("only root is called through sudo")
    env = dict(os.environ, SUDO_UID=NOBODY, SUDO_GID=NOBODY, SUDO_USER="nobody")
    return identity(env=env) + identity(options=["-u", "nobody"])


# --- odd processes ---

BIG = ("import mmap, sys\nm = mmap.mmap(-1, 96 << 20, flags=mmap.MAP_PRIVATE)\n"
       "for i in range(0, len(m), 4096): m[i] = 1\nprint('ready', flush=True)\n"
       "sys.stdin.read()\n")


def ends_while_read():
    bad, outcomes = [], set()
    for i in range(16):
        with Target([python(), "-c", BIG], stdin=subprocess.PIPE) as target:
            target.wait_line(b"ready")
            reader = subprocess.Popen([VMSCOPE, "snap", "-f", "json", "--pages", "-p",
                                       str(target.pid)], stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE)
            try:
                reader.wait(0.001 * i)  # killed at a different moment each time
            except subprocess.TimeoutExpired:
                pass
            target.process.kill()
            out, err = reader.communicate(timeout=300)
        outcomes.add(reader.returncode)
        if reader.returncode == 0 and not err:
            bad += compare.shape(compare.json.loads(out))
        else:
            bad += one_line(f"killed after {i} ms", (reader.returncode, out, err))
    return bad


def execs_for_ever():
    bad = []
    with tempfile.TemporaryDirectory() as d:
        script = os.path.join(d, "again")
        with open(script, "w") as f:
            f.write("#!/bin/sh\n[ $1 = 0 ] && echo ready\nexec \"$0\" 1\n")
        os.chmod(script, 0o755)
        with Target([script, "0"]) as target:
            target.wait_line(b"ready")
            for i in range(60):
                result = vmscope("snap", "-f", "json", *(["--pages"] if i % 2 else []), "-p",
                                 target.pid)
                if result[0] == 0 and not result[2]:
                    bad += compare.shape(compare.json.loads(result[1]))
                else:
                    bad += one_line("snap", result)
                if b"ended" in result[2]:
                    bad.append(f"the process has not ended: {result[2]!r}")
    return bad


def execs_while_watched():
    with Target(["sh", "-c", "read x; exec sleep 1000"], stdin=subprocess.PIPE) as target:
        with Target([VMSCOPE, "attach", "-d", "0.02", "-n", "60", str(target.pid)]) as watcher:
            for _ in range(5):
                watcher.line()
            target.process.stdin.write(b"\n")
            target.process.stdin.flush()
            wait_for(lambda: kernel.stat(target.pid)[2] == "sleep", "exec")
            while watcher.line():
                pass
            status = watcher.process.wait()
        return [] if status == 0 else [f"attach ended with {status}"]


def ends_while_watched():
    with cat() as target:
        with Target([VMSCOPE, "attach", "-d", "0.02", str(target.pid)]) as watcher:
            for _ in range(3):
                watcher.line()
            target.process.kill()
            while watcher.line():
                pass
            status = watcher.process.wait()
        return [] if status == 0 else [f"attach ended with {status}"]


def zombie():
    process = subprocess.Popen(["true"])
    try:
        wait_for(lambda: kernel.stat(process.pid)[3] == "Z", "a zombie")
        return [c for command in (["snap", "-p"], ["snap", "-f", "json", "-p"], ["attach"])
                for c in one_line(command, vmscope(*command, process.pid))]
    finally:
        process.wait()


def kernel_thread():
    if kernel.stat(2)[2] != "kthreadd":
        raise Skip("no kernel thread in this pid namespace")
    return [c for command in (["snap", "-p"], ["snap", "--pages", "-f", "json", "-p"], ["attach"])
            for c in one_line(command, vmscope(*command, 2))]


def no_such_process():
    process = subprocess.Popen(["true"])
    process.wait()
    return [c for command in (["snap", "-p"], ["snap", "-f", "json", "-p"], ["attach"])
            for c in one_line(command, vmscope(*command, process.pid))]


def process_of_32_bits():
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "program")
        elf32.write(path)
        try:
            target = Target([path])
        except OSError as e:
            raise Skip(f"this kernel runs no 32-bit program: {e}") from e
        with target:
            target.wait_line(b"ready")
            target.stop()
            shot = snap(target.pid, "--pages")
            bad = compare.shape(shot) + compare.against_smaps(shot, target.pid)
            if os.geteuid() == 0:
                with compare.RawPicture(target.pid) as raw:
                    bad += compare.against_pages(shot, raw)
            if shot["totals"]["anon"] < 3 * kernel.PAGE:
                bad.append(f"anon is {shot['totals']['anon']}")
            return bad


# --- foreign text ---

# Control characters but newline, and the characters that reorder or hide text.
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def unsafe(out):
    """What a terminal or a reader would stumble over in bytes of output, or None."""
    found = UNSAFE.search(out.decode("utf-8", "replace"))
    return repr(found.group()) if found else None


def every_output(pid):
    for form in ("table", "json", "csv"):
        for options in ([], ["--pages"]):
            yield ["snap", "-f", form, *options, "-p", pid]
    yield ["attach", "-n", "2", "-d", "0.02", pid]
    for keys in ("", "<Tab>", "<Tab>G", "2", "3", "/escape<Enter>", "/red<Enter><Enter><Enter>",
                 "/bad<Enter><Enter><Enter><Enter>", "fname<Enter>", "?"):
        yield ["attach", "--screen", "300x200", "--keys", keys, pid]


def hostile_names():
    with StatesTarget("--only", "name_newline,name_escape,name_c1,name_direction,name_not_utf8,"
                      "name_spaces,name_utf8,name_quotes,name_long") as target:
        bad = []
        for command in every_output(target.pid):
            status, out, err = vmscope(*command)
            found = unsafe(out) or unsafe(err)
            if status or found:
                bad.append(f"{command}: status {status}, found {found}, stderr {err!r}")
            elif b"red" not in out and command[0] == "snap" and "--pages" not in command:
                bad.append(f"{command}: the mapping does not show at all")
        return bad


HOSTILE = ("import ctypes, sys, time\n"
           "ctypes.CDLL(None).prctl(15, b'\\x1b[31m\\n\\xff) R 1', 0, 0, 0)\n"
           "print('ready', flush=True)\nsys.stdin.read()\n")


def hostile_comm():
    with Target([python(), "-c", HOSTILE,
                 "\x1b[2J\x1b]0;owned\x07", "\u202e\n\t"], stdin=subprocess.PIPE) as target:
        target.wait_line(b"ready")
        bad = []
        commands = list(every_output(target.pid))
        commands += [["--screen", "300x200", "--keys", "<Wait>"],
                     ["--screen", "300x200", "--keys", "/owned"], ["doctor"]]
        for command in commands:
            status, out, err = vmscope(*command)
            found = unsafe(out) or unsafe(err)
            if status or found:
                bad.append(f"{command}: status {status}, found {found}, stderr {err!r}")
        return bad


def unwritable_output():
    with cat() as target:
        bad = []
        with open("/dev/full", "wb") as full:
            for form in ("table", "json", "csv"):
                done = subprocess.run([VMSCOPE, "snap", "-f", form, "-p", str(target.pid)],
                                      stdout=full, stderr=subprocess.PIPE, check=False)
                bad += one_line(f"{form} to a full disk", (done.returncode, b"", done.stderr))
        return bad + one_line("-o /dev/full", vmscope("snap", "-o", "/dev/full", "-p", target.pid))


def main():
    end_by_exception()
    need_program(VMSCOPE)
    for title, test in (
            ("kill -9 of an attached vmscope leaves the target running and untraced",
             killed_while_attached),
            ("kill -9 of vmscope on a screen leaves the target running and untraced",
             killed_on_screen),
            ("kill -9 of vmscope run leaves the command running", killed_while_running),
            ("run ends as its command ended", statuses),
            ("run on a terminal ends as its command ended", statuses_on_screen),
            ("run: 126 cannot be executed, 127 not found, one line each", not_executable),
            ("bad usage: status 2 and one line", bad_usage),
            ("run leaks no descriptor into its command", descriptors),
            ("run under sudo, and run -u: the user's identity and no capability",
             as_who_called_sudo),
            ("a process that ends while it is read", ends_while_read),
            ("a process that execs without end", execs_for_ever),
            ("a process that execs while it is watched", execs_while_watched),
            ("a process that ends while it is watched", ends_while_watched),
            ("a zombie", zombie),
            ("a kernel thread", kernel_thread),
            ("a process that does not exist", no_such_process),
            ("a 32-bit process", process_of_32_bits),
            ("file names with escape sequences reach no output", hostile_names),
            ("a command name and arguments with escape sequences reach no output", hostile_comm),
            ("output that cannot be written", unwritable_output)):
        tap.run(title, test)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
