"""The csv and table forms of a snapshot against its json form."""
import csv
import io
import re

from . import compare

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}
# Columns of the table, each the sum of these members.
COLUMNS = {"size": ["size"], "rss": ["resident"], "anon": ["anon"], "file": ["file"],
           "shmem": ["shmem"], "swap": ["swap"], "huge": ["pmd_mapped", "hugetlb"],
           "share": ["shared"], "cow": ["cow"]}


def output(form, pid, user=None):
    status, out, err = compare.vmscope("snap", "--format", form, "-p", pid, user=user)
    if status != 0 or err:
        raise RuntimeError(f"snap --format {form}: status {status}, stderr {err!r}")
    return out.decode("utf-8")


def csv_agrees(pid, snapshot):
    rows = list(csv.DictReader(io.StringIO(output("csv", pid), newline="")))
    total = [r for r in rows if r["kind"] == "total"]
    rows = [r for r in rows if r["kind"] != "total"]
    if len(total) != 1 or len(rows) != len(snapshot["regions"]):
        return [f"csv has {len(rows)} regions and {len(total)} totals"]
    for row in rows + total:
        row.update({m: int(row[m]) if row[m] else None for m in compare.SUMS})
    bad = [f"csv {m} is {row[m]}, json has {region[m]}"
           for row, region in zip(rows, snapshot["regions"])
           for m in ("start", "end", "perms", "offset", "dev", "kind") if row[m] != region[m]]
    return bad + compare.differences(dict(regions=rows, totals=total[0]), snapshot)


def agrees(text, value):
    """A rounded size such as 612M or 1.2G against bytes; ? against unknown."""
    if value is None or text == "?":
        return value is None and text == "?"
    number, unit = re.fullmatch(r"([\d.]+)([KMGTP]?)", text).groups()
    step = 0.1 if "." in number else 1
    return abs(value / UNITS[unit] - float(number)) <= 0.51 * step and (value == 0) == (text == "0")


def table_agrees(pid, snapshot):
    lines = output("table", pid).splitlines()
    heading = next(i for i, line in enumerate(lines) if line.startswith("range "))
    names = lines[heading].split()[2:-1]
    missing = [n for n in COLUMNS if n not in names]
    if missing:
        return [f"the table has no column {missing}"]
    rows = lines[heading + 1:]
    if len(rows) != len(snapshot["regions"]) + 1:
        return [f"the table has {len(rows)} rows"]
    bad = []
    loose = False
    for row, region in zip(rows, snapshot["regions"] + [snapshot["totals"]]):
        words = row.split()
        loose = loose or "name" in region and compare.common(region["name"], region["kind"] == "file")
        values = dict(zip(names, words[1:] if words[0] == "total" else words[2:]))
        for column, members in COLUMNS.items():
            parts = [region[m] for m in members]
            want = None if None in parts else sum(parts)
            free = column == "share" and loose
            if not free and not agrees(values[column], want):
                bad.append(f"table: {words[0]} {column} is {values[column]}, json has {want}")
    return bad
