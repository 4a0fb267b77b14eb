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
        run|attach|step|play|check|snap|faults|record|replay|diff|export|doctor)
            echo "${COMP_WORDS[i]}"
            return
            ;;
        esac
    done
}

_vmscope()
{
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command words
    local commands='run attach step snap faults check play doctor'
    local options='--engine --no-follow --counters --heat --evidence --disagreements --pid --user --output --format --delay --count --color --ascii --no-mouse
        --proc-root --screen --keys --cpu-limit --help --version'
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
        [[ $command == snap ]] && words+=' csv'
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
        [[ -z $command || $command == @(run|attach|snap) ]] && options+=' --family'
        [[ $command == snap ]] && options+=' --pages --huge --residency --stats'
        [[ $command == check ]] && options+=' --repeat --limit --format-only --junit'
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
    elif [[ -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur")
    elif [[ $command == attach ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_vmscope_pids)" -- "$cur")
    elif [[ $command == check || $command == play ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -X '!*.vms' -- "$cur"; compgen -d -- "$cur")
    elif [[ $command == run || $prev == -- ]]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    fi
}

complete -F _vmscope vmscope
