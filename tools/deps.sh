#!/bin/sh
# Makes sure that the Debian packages for the given purposes are there: build, demo, check, bench.
# Root gets what is missing installed; anyone else is told the one command to run.
set -eu

packages() {
    case $1 in
    build) echo gcc libc6-dev make pkg-config libncurses-dev libelf-dev libdw-dev libproc2-dev libpfm4-dev ;;
    optional-build) echo libbpf-dev clang ;; # the bpf engine
    demo) ;;
    check) echo clang libclang-rt-14-dev libcmocka-dev libjansson-dev python3 tmux \
        mandoc jq procps util-linux mount kmod ncurses-term redis-tools sqlite3 ;;
    bench) echo python3 procps smem ;;
    *) echo "deps.sh: unknown purpose '$1' (build, demo, check, bench)" >&2; exit 2 ;;
    esac
}

wanted=
optional=
for purpose in "${@:-build}"; do
    list=$(packages "$purpose")
    wanted="$wanted $list"
    [ "$purpose" != build ] || optional=$(packages optional-build)
done

if ! command -v dpkg-query >/dev/null; then
    echo "deps.sh: this is no Debian: please see to the counterparts of" >&2
    echo "  $wanted $optional" | fmt >&2
    exit 0
fi

is_installed() {
    dpkg-query -W -f '${db:Status-Abbrev}\n' "$1" 2>/dev/null | grep -q '^.i'
}

missing=
for package in $wanted; do
    case " $missing " in *" $package "*) continue ;; esac
    is_installed "$package" || missing="$missing $package"
done
# Root gets what is optional too; nobody is stopped for its lack.
for package in $([ "$(id -u)" != 0 ] || echo $optional); do
    case " $missing " in *" $package "*) continue ;; esac
    is_installed "$package" || missing="$missing $package"
done
missing=${missing# }
[ -n "$missing" ] || exit 0

command="apt-get install --yes --no-install-recommends $missing"
if [ "$(id -u)" != 0 ]; then
    echo "Some packages are missing. Please run:" >&2
    echo "  sudo $command" >&2
    exit 1
fi
echo "Installing: $missing" >&2
export DEBIAN_FRONTEND=noninteractive
# Lists may be absent or stale on a fresh machine: fetch them when the first try fails.
# shellcheck disable=SC2086
$command >/dev/null 2>&1 </dev/null || { apt-get update -qq && $command </dev/null; } >&2
