# bash completion for vmscope(1)

_vmscope_pids()
{
    local dir
    for dir in /proc/[0-9]*; do
        echo "${dir#/proc/}"
    done
}

# The first word that is no option: the command.
_vmscope_command()
{
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        run|attach|step|play|check|snap|faults|doctor)
            echo "${COMP_WORDS[i]}"
            return
            ;;
        esac
    done
}

# What --help of a command lists.
_vmscope_options()
{
    local options='--output --help --version'
    case $1 in
    ''|run|attach)
        options+=' --engine --no-follow --counters --heat --evidence --callers --delay --count --family
            --cpu-limit --color --ascii --no-mouse --screen --keys'
        ;;&
    faults)
        options+=' --engine --no-follow --counters --heat --evidence --callers --disagreements --count'
        ;;&
    step)
        options+=' --no-follow --count --cpu-limit --color --ascii --no-mouse --screen --keys'
        ;;&
    play)
        options+=' --engine --color --ascii --no-mouse --screen --keys'
        ;;&
    check)
        options+=' --engine --repeat --limit --format-only --junit'
        ;;&
    snap)
        options+=' --delay --family --pages --huge --residency --stats'
        ;;&
    ''|attach|snap|faults)
        options+=' --pid --proc-root'
        ;;&
    run|step|snap|faults)
        options+=' --user'
        ;;&
    snap|faults|step|doctor)
        options+=' --format'
        ;;&
    doctor)
        options+=' --proc-root'
        ;;
    esac
    echo "$options"
}

_vmscope()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command words
    local commands='run attach step snap faults check play doctor'
    command=$(_vmscope_command)
    COMPREPLY=()

    case $prev in
    -p|--pid)
        mapfile -t COMPREPLY < <(compgen -W "$(_vmscope_pids)" -- "$cur")
        return
        ;;
    -u|--user)
        mapfile -t COMPREPLY < <(compgen -u -- "$cur")
        return
        ;;
    -o|--output|--junit)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    --proc-root)
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return
        ;;
    --engine)
        mapfile -t COMPREPLY < <(compgen -W 'auto bpf perf poll' -- "$cur")
        return
        ;;
    -f|--format)
        words='table json'
        [[ $command == snap ]] && words+=' csv svg'
        [[ $command == faults || $command == step ]] && words='table jsonl csv folded'
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        return
        ;;
    --color)
        mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$cur")
        return
        ;;
    --screen)
        mapfile -t COMPREPLY < <(compgen -W '80x24 100x30 250x70' -- "$cur")
        return
        ;;
    -d|--delay|-n|--count|--keys|--cpu-limit|--repeat|--limit)
        return
        ;;
    esac

    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_vmscope_options "$command")" -- "$cur")
    elif [[ -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur")
    elif [[ $command == attach ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_vmscope_pids)" -- "$cur")
    elif [[ $command == check || $command == play ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -X '!*.vms' -- "$cur"; compgen -d -- "$cur")
    elif [[ $command == @(run|step) || $prev == -- ]]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    fi
}

complete -F _vmscope vmscope
