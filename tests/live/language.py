#!/usr/bin/env python3
"""vmscope check: every form of the language in small scripts that were predicted by hand
(tests/live/language), odd bytes in a file, and expectations that do not hold. unprivileged: yes"""
import glob
import os
import re
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from lib.tap import Tap, end_by_exception  # noqa: E402
from scenarios import SANITIZED, check, is_root, results, script  # noqa: E402

SCRIPTS = sorted(glob.glob(os.path.join(HERE, "language", "*.vms")))
if SANITIZED:  # mlockall would bring in all of its shadow memory
    SCRIPTS = [p for p in SCRIPTS if os.path.basename(p) != "lock.vms"]
FALSE = """map a 16K rw private anon
write a
expect a anon 5
expect faults != 4
expect path do_wp_page copy
expect path do_anonymous_page x 3
expect a[0] byte 9
expect rss +4K
expect a perms r--p
expect a name "x"
expect a vmflag ht
expect errno ENOMEM
expect signal SIGSEGV
expect a regions 2
expect a size 4K
expect a smaps Rss 0
"""
FALSE_OF_FRAMES = """expect a[0] mapcount 2
expect a[0] order 9
expect same-frame a[0] a[1]
expect different-frame a[0] a[0]
expect kept-frame a[0]
expect observed do_wp_page
"""
ODD = {
    "tabs and carriage returns": b"\tmap\ta\t16K\trw\tprivate\tanon\r\n\twrite a\t# c\r\n"
                                 b"\texpect\ta\tanon\t4\r\n",
    "no line end": b"map a 4K rw private anon\nwrite a\nexpect a anon 1",
    "UTF-8": 'title "Grüße, 世界 — „copy“"\n# комментарий\nmap a 4K rw private anon\nwrite a\n'
             'expect a anon 1\n'.encode(),
    "long lines": b'title "' + b"x" * 50000 + b'"\nmap a 4K rw private anon # ' + b"y" * 100000 +
                  b"\nwrite a\nexpect a anon 1\n",
    "spaces": b"map a 16K rw private anon\nfork kid\nkid : read a[ 0 : 2 ]\n"
              b"expect kid : a [1] zero==1#x\n",
}
EMPTY = {"nothing": b"", "comments": b"# nothing\n\n   \n", "a title": b'title "x"\n'}


def hold():
    """As an ordinary user what needs more is skipped, with the reason; nothing fails."""
    status, out, err = check(*SCRIPTS)
    seen = list(results(out))
    bad = [line for line in out.splitlines() if line.startswith("not ok")]
    bad += [f"{file}:{line} is skipped: {reason}" for _, file, line, _, reason in seen
            if reason is not None and (is_root or len(reason) < 8)]
    if status:
        bad.append(f"exit status {status}: {err}")
    if len({file for _, file, _, _, _ in seen}) != len(SCRIPTS):
        bad.append("not every script is told of")
    return bad


def do_not_hold():
    text = FALSE + (FALSE_OF_FRAMES if is_root else "")
    path = script(text)
    status, out, _ = check(path)
    os.unlink(path)
    failed = {line for good, _, line, _, _ in results(out) if not good}
    wanted = {n for n, line in enumerate(text.splitlines(), 1) if line.startswith("expect")}
    return [] if status == 1 and failed == wanted else [f"status {status}, failed: {sorted(failed)}"]


def odd(content, expectations):
    with tempfile.NamedTemporaryFile(suffix=".vms") as f:
        f.write(content)
        f.flush()
        os.chmod(f.name, 0o644)
        status, out, err = check(f.name)
    good = f"1..{max(expectations, 1)}\n# {max(expectations, 1)} passed, 0 failed" in out
    return [] if status == 0 and good else [f"status {status}", out[:300], err[:300]]


def one_message_of_a_long_line():
    """The line is 27,000 characters long; the message is one of few, with a caret under the word."""
    path = script("map a 4K rw private anon " + "populate " * 3000 + "annon\n")
    status, _, err = check(path)
    os.unlink(path)
    lines = err.splitlines()
    good = status == 2 and len(lines) == 3 and max(map(len, lines)) < 250
    return [] if good and re.search(r"annon$", lines[1]) and \
        lines[2].index("^") == lines[1].rindex("annon") else [f"status {status}", err[:600]]


def main():
    end_by_exception()
    with tempfile.TemporaryDirectory(prefix="language.") as directory:
        os.chmod(directory, 0o755)
        os.environ["TMPDIR"] = tempfile.tempdir = directory
        tap = Tap()
        tap.run(f"what was predicted by hand holds: {len(SCRIPTS)} scripts", hold)
        tap.run("what does not hold fails", do_not_hold)
        for name, content in ODD.items():
            tap.run(f"a file with {name}", lambda c=content: odd(c, 1))
        for name, content in EMPTY.items():
            tap.run(f"a file with {name} only", lambda c=content: odd(c, 0))
        tap.run("a mistake in a long line", one_message_of_a_long_line)
        return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
