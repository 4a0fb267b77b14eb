"""Test Anything Protocol: counted results, a plan at the end, an exit status."""
import os
import signal
import sys
import traceback


class Skip(Exception):
    """Raised inside a test that cannot run here; its text is the reason."""


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def result(self, good, what, details=()):
        self.count += 1
        if not good:
            self.failed += 1
        print(f"{'ok' if good else 'not ok'} {self.count} - {plain(what)}")
        if not good:
            for line in list(details)[:20]:
                print(f"#   {plain(line)}")
            if len(details) > 20:
                print(f"#   ... and {len(details) - 20} more")
        sys.stdout.flush()
        return good

    def skip(self, what, why):
        self.count += 1
        print(f"ok {self.count} - {plain(what)} # SKIP {plain(why)}", flush=True)

    def run(self, what, test):
        """Calls test(), which returns a list of complaints (or None), raises Skip, or fails."""
        try:
            complaints = test() or []
        except Skip as e:
            self.skip(what, e)
            return
        except Exception:  # a broken test is a failed test, and the others still run
            complaints = traceback.format_exc().splitlines()
            complaints = complaints[-1:] + complaints[-7:-1]
        self.result(not complaints, what, complaints)

    def finish(self):
        print(f"1..{self.count}")
        if self.failed:
            print(f"# {self.failed} of {self.count} failed")
        return 1 if self.failed else 0


def need_program(path):
    """Without the program there is nothing to test: says so and ends."""
    if not os.access(path, os.X_OK):
        print(f"Bail out! {plain(path)} is not built")
        sys.exit(1)


def plain(text):
    """Nothing that a terminal or a TAP reader would act on."""
    return "".join(c if c.isprintable() and c != "#" else f"\\x{ord(c):02x}" for c in str(text))


def end_by_exception():
    """Signals that would end the program raise instead, so that `finally` runs."""
    def end(number, _frame):
        raise SystemExit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end)
