#!/usr/bin/env python3
"""vmscope play, headless: what each key does, and that what is shown is what the scenario did. The
processes are real; expected pictures are written down here from what the statements must do.

unprivileged: yes"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from lib.tap import Skip, Tap, end_by_exception, need_program  # noqa: E402
from lib.target import ROOT, VMSCOPE, wait_for  # noqa: E402
from lib.tmux import Tmux  # noqa: E402

BEST = ("--engine", "auto")
LESSON = """\
title "A lesson"
about "About it."
map a 16K rw private anon
write a[1] 7
expect minor 1
expect a present 1
note "A child comes."
fork child
expect a exclusive 0
child: write a[1] 8
expect minor 1
child: write a[0]
"""
STEPS = 6


class Files:
    """A directory with scenarios."""

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="vmscope-play.")
        return self

    def __exit__(self, *unused):
        shutil.rmtree(self.dir, ignore_errors=True)

    def write(self, text, name="lesson.vms", mode=0o644):
        path = f"{self.dir}/{name}"
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path


def play(path, keys, size="100x30", env=None, options=()):
    """The last frame, as lines. Engine perf begins faster than bpf; what its faults lack is asked
    of BEST."""
    engine = [] if "--engine" in options else ["--engine", "perf"]
    run = subprocess.run([VMSCOPE, "play", "--screen", size, "--keys", keys, *engine, *options,
                          *([path] if path else [])], capture_output=True, text=True,
                         timeout=300, stdin=subprocess.DEVNULL, check=False,
                         env={**os.environ, **(env or {})})
    if run.returncode or run.stderr:
        raise AssertionError(f"status {run.returncode}: {run.stderr}")
    return run.stdout.split("\n")


SEEN = {}


def frame(text, keys, fresh=False, **kw):
    """The last frame; what was asked before is not run again, unless it must be fresh."""
    key = (text, keys, repr(kw))
    if fresh or key not in SEEN:
        with Files() as files:
            SEEN[key] = play(files.write(text), keys, **kw)
    return SEEN[key]


def right(lines):
    """What stands right of the script."""
    return [line.split("│", 1)[1].rstrip() for line in lines if "│" in line]


def marked(lines):
    """The number of the line with the pointer."""
    found = [re.match(r"[>?]\s*(\d+) ", line) for line in lines]
    return [int(m[1]) for m in found if m]


def joined(lines):
    return " ".join(" ".join(lines).split())


def want(lines, *texts):
    """Complaints about texts that are not in the frame, nor right of the script, blanks apart."""
    places = (joined(lines), joined(right(lines)))
    return [f"no {text!r} in:\n" + "\n".join(lines) for text in texts
            if not any(text in place for place in places)]


def same(a, b):
    return [] if a == b else ["frames differ:", *a, "---", *b]


def cells(lines, process, mapping="a"):
    """The cells of a mapping, and the marks below them."""
    rows = right(lines)
    name = None
    for i, row in enumerate(rows):
        m = re.match(r" (\S*)\s+(\S+)\s+([^\s\w]{4})", row)
        name = (m[1] or name) if m else name
        if m and name == process and m[2] == mapping:
            start = m.start(3)
            marks = rows[i + 1][start:]
            return m[3], marks if re.fullmatch(r"[ ^]*", marks) else ""
    raise AssertionError(f"no picture of {process} in:\n" + "\n".join(lines))


# --- the steps ---

def test_beginning():
    lines = frame(LESSON, "")
    wrong = want(lines, f"lesson.vms step 0 of {STEPS}", "[now]", "A lesson About it.")
    return wrong + ([] if not marked(lines) else ["a step is marked at the beginning"])


def test_picture():
    lines = frame(LESSON, "nn")
    wrong = want(lines, f"step 2 of {STEPS}", "2 held", "write a[1] 7 ok; 1 minor fault, 0 major")
    if marked(lines) != [4]:
        wrong.append(f"the pointer is at {marked(lines)}")
    if cells(lines, "main") != ("·█··", " ^"):
        wrong.append(f"the picture is {cells(lines, 'main')}")
    return wrong


def test_note_stays():
    lines = frame(LESSON, "nnnn")
    return want(lines, "A child comes.", "fork child ok")


def test_copy_on_write():
    lines = frame(LESSON, "nnnnn", options=BEST)
    wrong = want(lines, "child: write a[1] 8", "1 minor fault")
    if os.geteuid() == 0:
        wrong += want(lines, "predicted do_wp_page copy", "observed do_wp_page")
    for process, picture in (("main", ("·█··", "")), ("child", ("·█··", " ^"))):
        if cells(lines, process) != picture:
            wrong.append(f"{process}: {cells(lines, process)}")
    return wrong


def test_sharing_is_seen():
    lines = frame(LESSON, "nnnn")
    found = [cells(lines, "main")[0], cells(lines, "child")[0]]
    return [] if found == ["·▓··", "·▓··"] else [f"pictures {found}"]


def test_end():
    lines = frame(LESSON, "n" * (STEPS + 1))
    return want(lines, f"step {STEPS} of {STEPS}", "[end]", "the end; r plays it again")


# --- the past ---

def test_back():
    now, past = frame(LESSON, "nnnnn"), frame(LESSON, "nnnnnb")
    wrong = want(past, f"step 4 of {STEPS}", "[past: step 5 is now]", "fork child")
    if cells(now, "child")[0] != "·█··" or cells(past, "child")[0] != "·▓··":
        wrong.append(f"child now {cells(now, 'child')}, before {cells(past, 'child')}")
    if marked(past) != [8]:
        wrong.append(f"the pointer is at {marked(past)}")
    verdict = [line.split("│")[0] for line in past if line.lstrip().startswith("11 ")]
    if not verdict or "ok" in verdict[0]:
        wrong.append(f"what comes later has a verdict already: {verdict}")
    return wrong


def test_back_and_forth_is_now():
    return same(frame(LESSON, "nnnnn"), frame(LESSON, "nnnnnbbbbbbbnnnnn"))


def test_beginning_and_now_keys():
    return same(frame(LESSON, "nnnnn<Home><End>"), frame(LESSON, "nnnnn")) + \
        want(frame(LESSON, "nnn<Home>"), "step 0", "[past: step 3 is now]")


def test_the_past_is_not_run_again():
    text = "repeat 3\nmap a 4K rw private anon\nwrite a 1\nend\n"
    return want(frame(text, "nnnnbbbnnnnn"), "step 6 of 6")


def test_restart():
    return same(frame(LESSON, ""), frame(LESSON, "nnnnnr")) + \
        same(frame(LESSON, "nn"), frame(LESSON, "nnnnnrnn"))


def test_go_to_line():
    return same(frame(LESSON, "g10<Enter>"), frame(LESSON, "nnnn")) + \
        same(frame(LESSON, "g9<Enter>"), frame(LESSON, "nnnn")) + \
        want(frame(LESSON, "gx<Enter>"), "a number of a line is needed") + \
        same(frame(LESSON, "g10<Esc>"), frame(LESSON, ""))


def test_auto():
    return same(frame(LESSON, "a<Wait><Wait>a"), frame(LESSON, "nn")) + \
        want(frame(LESSON, "a<Wait>"), "step 1", "[auto, 2 s]") + \
        want(frame(LESSON, "++a"), "[auto, 0.5 s]")


def test_same_again():
    frames = [frame(LESSON, "nnnnn", fresh=True) for _ in range(3)]
    return same(frames[0], frames[1]) + same(frames[0], frames[2])


# --- what does not hold ---

def test_failed_expectation():
    lines = frame("map a 16K rw private anon\nwrite a\nexpect minor 5\n", "nn")
    return want(lines, "expect minor 5", "FAIL", "line 3: expected", "found 4 minor",
                "some FAILED")


def test_unexpected_failure():
    lines = frame("map a 16K rw shared fd 77\nmap b 4K r private anon\n", "n")
    return want(lines, "EBADF", "Nothing expects this failure", "FAIL")


def test_signal():
    lines = frame("map a 8K r private anon\nwrite a[1]\nexpect signal SIGSEGV SEGV_ACCERR\n", "nn")
    return want(lines, "SIGSEGV SEGV_ACCERR", "1 held")


def test_cannot_run():
    lines = frame("needs kernel 99.1\nmap a 4K r private anon\n", "n")
    return want(lines, "this scenario cannot run here", "99.1", "[stopped]")


# --- the quiz ---

def test_quiz():
    asked = frame(LESSON, "z")
    wrong = want(asked, "quiz on")
    lines = frame(LESSON, "zn")
    wrong += want(lines, "How will it end?") + ([] if marked(lines) == [3] else ["no mark at 3"])
    lines = frame(LESSON, "znan")
    wrong += want(lines, "quiz 1 of 1", "How many page faults")
    wrong += want(frame(LESSON, "znan1<Enter>a"), "you said 1 fault: right")
    wrong += want(frame(LESSON, "znbn2<Enter><Esc>"), "quiz 0 of 2", "you said 2 faults: it was 1")
    wrong += want(frame(LESSON, "znb"), "you said EINVAL: it was ok")
    if os.geteuid() == 0:
        wrong += want(frame(LESSON, "znan1<Enter>a", options=BEST), "quiz 3 of 3",
                      "you said do_anonymous_page: right")
        wrong += want(frame(LESSON, "znan1<Enter>b", options=BEST), "quiz 2 of 3",
                      "you said do_wp_page copy: it was do_anonymous_page")
    return wrong


def test_quiz_score():
    return want(frame("map a 4K r private anon\n", "znan"), "of the quiz 1 of 1 were right")


# --- editing, choosing ---

def test_edit():
    with Files() as files:
        path = files.write(LESSON)
        editor = files.write('#!/bin/sh\nsed -i "s/A lesson/Another one $1/" "$2"\n', "ed", 0o755)
        return want(play(path, "nne", env={"EDITOR": editor, "VISUAL": ""}),
                    f"step 0 of {STEPS}", "Another one +4")


def test_edit_a_mistake():
    with Files() as files:
        path = files.write(LESSON)
        editor = files.write('#!/bin/sh\nsed -i "s/private anon/privat anon/" "$2"\n', "ed", 0o755)
        lines = play(path, "nne", env={"VISUAL": editor}, size="140x30")
        return want(lines, ":3:14: expected how it is shared", "^^^^^^", f"step 2 of {STEPS}")


def test_editor_fails():
    with Files() as files:
        path = files.write(LESSON)
        return want(play(path, "ne", env={"VISUAL": "", "EDITOR": "false"}), "the editor failed",
                    f"step 1 of {STEPS}")


def test_list():
    directory = f"{ROOT}/scenarios"
    names = sorted(n for n in os.listdir(directory) if n.endswith(".vms"))
    lines = play(None, "", size="120x60")
    wrong = want(lines, f"{len(names)} scenarios")
    for name in names:
        with open(f"{directory}/{name}", encoding="utf-8") as f:
            title = re.search(r'^title "(.*)"$', f.read(), re.M)[1]
        wrong += want(lines, f"{name[:-4]} {title}")
    return wrong + want(play(None, "j<Enter>"), f"{names[1]} step 0") + \
        want(play(None, "<Enter>l"), f"{len(names)} scenarios")


def test_shipped_by_name():
    return want(play("10-copy-on-write", ""), "10-copy-on-write.vms step 0")


def test_shipped_hold():
    """As in check: looking at the pages after each step changes nothing, and loses nothing."""
    if os.geteuid() != 0:
        raise Skip("most of them need root")
    wrong = []
    for name in ("10-copy-on-write", "18-deadly-faults", "20-dirty-and-young"):
        lines = play(name, "g9999<Enter>", options=BEST)
        wrong += want(lines[:1], "held [end]")
        checked = subprocess.run([VMSCOPE, "check", f"{ROOT}/scenarios/{name}.vms"], text=True,
                                 capture_output=True, timeout=300, check=False)
        held = len(re.findall(r"^ok .*$", checked.stdout, re.M))
        wrong += want(lines[:1], f"{held} held")
    return wrong


def test_help():
    lines = frame(LESSON, "?")
    wrong = want(lines, "step forward", "restart", "leave help")
    return wrong + same(frame(LESSON, "n?<Esc>"), frame(LESSON, "n"))


def test_small():
    wrong = []
    for size in ("20x5", "40x10", "69x20", "80x24", "250x70"):
        cols, rows = map(int, size.split("x"))
        lines = frame(LESSON, "nnnnn", size=size)
        if len(lines) > rows + 1 or max(map(len, lines)) > cols:
            wrong.append(f"the frame is not {size}")
    return wrong + want(frame(LESSON, "n", size="19x4"), "needs 20x5")


def test_ascii():
    text = "\n".join(frame(LESSON, "nnnnn", options=["--ascii"]))
    return [] if text.isascii() else ["not only ASCII"]


# --- usage ---

def test_usage():
    wrong = []
    for words, status, said in ((["/nonexistent.vms"], 2, "cannot read the scenario"),
                                (["a", "b"], 2, "one word too many"),
                                ([f"{ROOT}/scenarios/10-copy-on-write.vms"], 1,
                                 "play needs a terminal")):
        run = subprocess.run([VMSCOPE, "play", *words], capture_output=True, text=True,
                             timeout=300, stdin=subprocess.DEVNULL, check=False)
        if run.returncode != status or said not in run.stderr:
            wrong.append(f"{words}: {run.returncode} {run.stderr}")
    with Files() as files:
        path = files.write("map a 4K rw privat\n")
        run = subprocess.run([VMSCOPE, "play", path], capture_output=True, text=True, timeout=300,
                             stdin=subprocess.DEVNULL, check=False)
        lines = run.stderr.split("\n")
        if run.returncode != 2 or not lines[0].startswith(f"{path}:1:13: expected") or \
                lines[2] != " " * 16 + "^" * 6:
            wrong.append(f"a mistake: {run.returncode} {run.stderr}")
    return wrong


def test_format_only():
    with Files() as files:
        path = files.write("map  a 16384 rw private anon # x\n\nread a[0:1]\n")
        run = subprocess.run([VMSCOPE, "check", "--format-only", path], capture_output=True,
                             text=True, timeout=300, check=False)
        good = run.stdout == "map a 16K rw private anon  # x\n\nread a[0]\n"
        return [] if good and not run.returncode else [run.stdout, run.stderr]


# --- a terminal ---

def stages_of(pid):
    """The processes that it has started, by any of its threads: the stages among them."""
    found = []
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/children", encoding="ascii") as f:
            found += [int(p) for p in f.read().split()]
    if not found:
        raise AssertionError("there are no stages")
    return found


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def on_terminal(test):
    with Files() as files:
        with Tmux(f'"{VMSCOPE}" play "{files.write(LESSON)}"', cols=100, rows=30) as t:
            t.wait_text("step 0 of")
            t.keys("n", "n", "n", "n")
            t.wait_text("step 4 of")
            return test(t)


def quit_by_key(t):
    stages = stages_of(t.pid())
    t.keys("q")
    status, wrong = t.ended()
    if status != "status 0":
        wrong.append(f"ended with {status}")
    return wrong + [f"{p} is left" for p in stages if alive(p)]


def killed(t):
    stages = stages_of(t.pid())
    os.kill(t.pid(), signal.SIGKILL)
    wait_for(lambda: not any(alive(p) for p in stages), "the end of the stages")
    return []


def terminated(t):
    stages = stages_of(t.pid())
    os.kill(t.pid(), signal.SIGTERM)
    status, wrong = t.ended()
    if status != f"status {128 + signal.SIGTERM}":
        wrong.append(f"ended with {status}")
    return wrong + [f"{p} is left" for p in stages if alive(p)]


# The process that shall write is stopped; and what is waited for never comes.
STUCK = ("map a 4K rw private anon\nfork c\nkill c SIGSTOP\nc: write a\n",
         "map a 4K rw private anon\nfork c\nread a\nuntil a anon 1 within 600\n")


def quit_while_stuck(key, script):
    """Neither waits for the statement, whose limit is 10 seconds or more. Whoever waited for it would
    do so each time: of several, one quick end is proof."""
    slow = []
    for _ in range(4):
        seconds, left = seconds_to_quit(key, script)
        if left:
            return left
        if seconds < 5:
            return []
        slow.append(seconds)
    return [f"it took {slow} s"]


def seconds_to_quit(key, script):
    """How long it takes to quit, and the stages that are left then."""
    with Files() as files:
        with Tmux(f'"{VMSCOPE}" play "{files.write(script)}"', cols=100, rows=30) as t:
            t.wait_text("step 0 of")
            t.keys("n")
            t.wait_text("step 1 of")
            t.keys("n")
            t.wait_text("step 2 of")
            t.keys("n", "n")
            stages = stages_of(t.pid())
            t.wait_text("[running]")
            player, begun = t.pid(), time.monotonic()
            t.keys(key)
            wait_for(lambda: not alive(player), "the end")
            seconds = time.monotonic() - begun
            return seconds, [f"{p} is left" for p in stages if alive(p)]


def auto_plays(t):
    t.keys("+", "+", "+", "a")
    t.wait_text("the end; r plays it again")
    return want(t.text().split("\n"), f"step {STEPS} of {STEPS}", "[end]")


TESTS = [
    ("the beginning: title and about", test_beginning),
    ("a step: pointer, result, picture and marks", test_picture),
    ("a note stays until the next one", test_note_stays),
    ("copy on write: both pictures, predicted and observed", test_copy_on_write),
    ("pages shared by fork", test_sharing_is_seen),
    ("the end", test_end),
    ("step back: the picture of the step before", test_back),
    ("back and forth again is now", test_back_and_forth_is_now),
    ("to the beginning and back to now", test_beginning_and_now_keys),
    ("going forward in the past runs nothing", test_the_past_is_not_run_again),
    ("restart", test_restart),
    ("run to a line", test_go_to_line),
    ("playing by itself", test_auto),
    ("the same keys give the same frame", test_same_again),
    ("an expectation that does not hold", test_failed_expectation),
    ("a failure that nothing expects", test_unexpected_failure),
    ("a signal", test_signal),
    ("a scenario that cannot run here", test_cannot_run),
    ("the quiz asks and marks", test_quiz),
    ("the score at the end", test_quiz_score),
    ("edit and reload", test_edit),
    ("an edit with a mistake leaves the run alone", test_edit_a_mistake),
    ("an editor that fails", test_editor_fails),
    ("the list of shipped scenarios", test_list),
    ("a shipped scenario by its name", test_shipped_by_name),
    ("shipped scenarios hold here too", test_shipped_hold),
    ("help", test_help),
    ("small and large screens", test_small),
    ("only ASCII", test_ascii),
    ("bad usage", test_usage),
    ("check --format-only", test_format_only),
    ("on a terminal: quit", lambda: on_terminal(quit_by_key)),
    ("on a terminal: killed, and nothing is left", lambda: on_terminal(killed)),
    ("on a terminal: ended by a signal", lambda: on_terminal(terminated)),
    ("on a terminal: q during a statement that hangs", lambda: quit_while_stuck("q", STUCK[0])),
    ("on a terminal: ^C during a statement that hangs", lambda: quit_while_stuck("C-c", STUCK[0])),
    ("on a terminal: q while it is waited for something", lambda: quit_while_stuck("q", STUCK[1])),
    ("on a terminal: plays to the end by itself", lambda: on_terminal(auto_plays)),
]


def main():
    end_by_exception()
    need_program(VMSCOPE)
    tap = Tap()
    for what, test in TESTS:
        tap.run(what, test)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
