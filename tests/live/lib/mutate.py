"""Scenarios with every expectation turned into one that must not hold."""
import re

OTHER_PERMS = {"r": "-", "w": "-", "x": "-", "-": "x", "p": "s", "s": "p"}
NEGATED = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
SWAPPED = {"same-frame": "different-frame", "different-frame": "same-frame",
           "new-frame": "kept-frame", "kept-frame": "new-frame",
           "vmflag": "no-vmflag", "no-vmflag": "vmflag", "copy": "reuse", "reuse": "copy"}
CODES = {"SEGV_MAPERR": "SEGV_ACCERR", "SEGV_ACCERR": "SEGV_MAPERR", "BUS_ADRERR": "BUS_ADRALN",
         "SI_KERNEL": "SEGV_ACCERR"}
NUMBER = re.compile(r"(?:(==|!=|<=|>=|<|>) *)?([+-]?\d\w*)$")


def other_number(text):
    """`5` becomes `6`, `-4K` `-5K`; `>= 5` becomes `< 5`."""
    op, number = NUMBER.search(text).groups()
    at = NUMBER.search(text).start()
    if op:
        return f"{text[:at]}{NEGATED[op]} {number}"
    if number.startswith("0x"):
        return f"{text[:at]}{int(number, 16) ^ 1:#x}"
    sign, digits, unit = re.fullmatch(r"([+-]?)(\d+)([KMGT]?)", number).groups()
    limit = 256 if " byte " in text else None
    value = int(digits) + 1
    return f"{text[:at]}{sign}{value % limit if limit else value}{unit}"


def other(expectation):
    """An expectation, without `expect`, made false where it was true."""
    words = expectation.split()
    if words[0] == "ok":
        return "signal SIGTRAP"
    if words[0] == "errno":
        return "errno " + ("EXDEV" if words[1] != "EXDEV" else "EPERM")
    if words[0] == "signal":
        if len(words) > 2:
            return f"signal {words[1]} {CODES[words[2]]}"
        return "signal " + ("SIGBUS" if words[1] != "SIGBUS" else "SIGSEGV")
    if words[0] in ("path", "observed"):
        if "x" in words:
            return other_number(expectation)
        if words[-1] in SWAPPED:
            return " ".join(words[:-1] + [SWAPPED[words[-1]]])
        return words[0] + " do_numa_page"
    if words[0] in SWAPPED:
        return " ".join([SWAPPED[words[0]]] + words[1:])
    if words[1] in ("vmflag", "no-vmflag"):
        return " ".join([words[0], SWAPPED[words[1]]] + words[2:])
    if words[1] == "perms":
        return f"{words[0]} perms {OTHER_PERMS[words[2][0]] if words[2][0] != '-' else 'r'}{words[2][1:]}"
    if words[1] == "name":
        return f'{words[0]} name "something else"'
    return other_number(expectation)


def mutations(text):
    """(line number, the line made false) of every expectation of a script."""
    for number, line in enumerate(text.splitlines(), 1):
        found = re.fullmatch(r"(\s*(?:\w+: )?expect )([^#]*?)\s*(?:#.*)?", line)
        if found:
            yield number, found[1] + other(found[2])


def all_mutated(text):
    """The script with all of them made false, and the numbers of their lines."""
    lines, numbers = text.splitlines(), []
    for number, line in mutations(text):
        lines[number - 1] = line
        numbers.append(number)
    return "\n".join(lines) + "\n", numbers
