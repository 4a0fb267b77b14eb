#!/bin/sh
# Proves the include rules of doc/INTERNALS.md: prints every #include that breaks them, and then
# exits 1. The tree to look at may be named (default: src).
set -eu
root=${1:-src}
[ -f "$root/main.c" ] || [ -d "$root/base" ] || { echo "$root: no sources here" >&2; exit 2; }

# shellcheck disable=SC2046
set -- $(find "$root" -name '*.[ch]' | sort)
status=0
awk -v root="$root/" '
BEGIN {
    may["base"] = " base "
    may["model"] = " base model "
    may["probe"] = may["record"] = may["report"] = may["ui"] = " base model "
    may["sampler"] = may["scenario"] = " base model probe "
    may["cli"] = " base model probe sampler record report scenario ui "
}
function offend(why) {
    printf "%s:%d: %s\n    %s\n", FILENAME, FNR, why, $0
    bad = 1
}
FNR == 1 {
    path = substr(FILENAME, length(root) + 1)
    layer = path ~ /\// ? substr(path, 1, index(path, "/") - 1) : "main"
    if (layer == "main" && path != "main.c" || layer != "main" && !(layer in may)) {
        printf "%s: in no layer\n", FILENAME
        bad = 1
    }
}
/^[ \t]*#[ \t]*include/ {
    name = $0
    sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
    if (name ~ /^[<"](n?curses|ncursesw|cursesw|term|termcap|panel|form|menu)([\/.]|$)/ &&
        path != "ui/term.c")
        offend("only ui/term.c includes curses")
    if (name !~ /^"/)
        next
    name = substr(name, 2)
    target = name ~ /\// ? substr(name, 1, index(name, "/") - 1) : ""
    if (!(target in may))
        offend("a header is named by its layer, as \"model/page.h\"")
    else if (layer != "main" && target != layer && !index(may[layer], " " target " "))
        offend(layer " may not include " target)
}
END { exit bad }
' "$@" || status=1
exit $status
