# Made by `python -m naivectl.completion`; do not edit.
_naivectl() {
    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" verb="" options="" index
    local place=()
    for ((index = 1; index < COMP_CWORD; index++)); do
        case "${COMP_WORDS[index]}" in
            --socket|--home)
                place+=("${COMP_WORDS[index]}" "${COMP_WORDS[index+1]}")
                ((index++)) ;;
            --socket|--home|--chunks|--budget|--buy-down|--profit|--rebuy|--reprice|--max-deviation|--timeout|--cancel|--limit|--since|--for) ((index++)) ;;
            -*) ;;
            *) [[ -n $verb ]] || verb="${COMP_WORDS[index]}" ;;
        esac
    done
    case "$before" in
        --socket) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
        --home) mapfile -t COMPREPLY < <(compgen -d -- "$word"); return ;;
        --cancel) mapfile -t COMPREPLY < <(compgen -W "none buys all" -- "$word"); return ;;
        --for) mapfile -t COMPREPLY < <(compgen -W "off trading drained" -- "$word"); return ;;
        --socket|--home|--chunks|--budget|--buy-down|--profit|--rebuy|--reprice|--max-deviation|--timeout|--cancel|--limit|--since|--for) COMPREPLY=(); return ;;
    esac
    case "$verb" in
        start) options="--all --chunks --budget --buy-down --profit --rebuy --reprice --max-deviation --dry-run --wait --no-wait --timeout" ;;
        stop) options="--all --cancel --yes --wait --no-wait --timeout" ;;
        shutdown) options="--all --keep-buys --wait --no-wait --timeout" ;;
        status) options="--live" ;;
        settings) options="--all --chunks --budget --buy-down --profit --rebuy --reprice --max-deviation" ;;
        orders) options="--limit --since --csv" ;;
        trades) options="--limit --since --csv" ;;
        events) options="--follow -f --limit --since" ;;
        wait) options="--for --all --timeout" ;;
        is-trading) options="" ;;
        resolve) options="--all --adopt --ignore --yes" ;;
        explain) options="" ;;
        why) options="" ;;
        forget) options="--all --yes" ;;
        version) options="" ;;
        ping) options="" ;;
        schema) options="" ;;
        catalogue) options="" ;;
    esac
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "--socket --home --json --jsonl --quiet -q --version --help $options" -- "$word")
    elif [[ -z $verb ]]; then
        mapfile -t COMPREPLY < <(compgen -W "start stop shutdown status settings orders trades events wait is-trading resolve explain why forget version ping schema catalogue" -- "$word")
    elif [[ " ping version " != *" $verb "* ]]; then
        local symbols; symbols="$(naivectl "${place[@]}" __symbols 2>/dev/null)"
        mapfile -t COMPREPLY < <(compgen -W "$symbols" -- "${word^^}")
    fi
}
complete -F _naivectl naivectl
