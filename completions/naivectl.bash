# Made by `python -m naivectl.completion`; do not edit.
_naivectl_offer() { # FLAG= WORDS WORD
    mapfile -t COMPREPLY < <(compgen -W "$2" -- "$3")
    COMPREPLY=("${COMPREPLY[@]/#/$1}")
}
_naivectl_paths() { # FLAG= -f|-d WORD
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$2" -- "${3/#\~\//$HOME/}")
    COMPREPLY=("${COMPREPLY[@]/#/$1}")
}
_naivectl() {
    local word before="" prefix="" verb="" count=0 symbol="" options="" index piece
    local words=() place=()
    # bash takes --home=DIR for three words; here it is one again.
    for ((index = 1; index <= COMP_CWORD; index++)); do
        piece="${COMP_WORDS[index]}"
        if ((${#words[@]})) && [[ ($piece == = && ${words[-1]} == --*) || ${words[-1]} == --*= ]]; then
            words[-1]+="$piece"
        else
            words+=("$piece")
        fi
    done
    COMPREPLY=()
    word="${words[-1]}"
    for ((index = 0; index < ${#words[@]} - 1; index++)); do
        before="${words[index]}"
        case "$before" in
            --home=*|--socket=*) # quotes are still in its words
                before=${before//[\"\'\\]/}
                place+=("${before/=\~\//=$HOME/}") ;;
            --home|--socket)
                ((++index))
                piece=${words[index]//[\"\'\\]/}
                place+=("$before" "${piece/#\~\//$HOME/}") ;;
            --chunks|--budget|--buy-down|--profit|--rebuy|--reprice|--max-deviation|--spacing|--floor|--ceiling|--fall-guard|--stop-loss|--stop-slippage|--from|--timeout|--cancel|--limit|--since|--for|--reason|--max-exposure|--reserve|--max-daily-loss|--max-drawdown) ((index++)) ;;
            -*) ;;
            *)
                if [[ -z $verb ]]; then verb="$before"; else ((count++)); fi
                if ((count == 1)) && [[ -z $symbol ]]; then symbol="$before"; fi ;;
        esac
    done
    before=""
    if [[ $word == --*=* ]]; then
        before="${word%%=*}"
        word="${word#*=}"
        [[ $COMP_WORDBREAKS == *=* ]] || prefix="$before="
    elif ((${#words[@]} > 1)); then
        before="${words[-2]}"
    fi
    case "$before" in
        --socket|--from) _naivectl_paths "$prefix" -f "$word"; return ;;
        --home) _naivectl_paths "$prefix" -d "$word"; return ;;
        --chunks|--budget|--buy-down|--profit|--rebuy|--reprice|--max-deviation|--spacing|--floor|--ceiling|--fall-guard|--stop-loss|--stop-slippage|--timeout|--limit|--since|--reason|--max-exposure|--reserve|--max-daily-loss|--max-drawdown) :; return ;;
        --cancel) _naivectl_offer "$prefix" "none buys all" "$word"; return ;;
        --for) _naivectl_offer "$prefix" "off trading drained" "$word"; return ;;
    esac
    [[ -z $prefix ]] || return
    case "$verb" in
        "") options="--version" ;;
        start) options="--all --chunks --budget --buy-down --profit --rebuy --reprice --max-deviation --spacing --floor --ceiling --fall-guard --stop-loss --stop-slippage --from --yes --dry-run --wait --no-wait --timeout" ;;
        stop) options="--all --cancel --yes --wait --no-wait --timeout" ;;
        shutdown) options="--all --keep-buys --yes --wait --no-wait --timeout" ;;
        status) options="--live" ;;
        settings) options="--all --chunks --budget --buy-down --profit --rebuy --reprice --max-deviation --spacing --floor --ceiling --fall-guard --stop-loss --stop-slippage --from --yes" ;;
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
        metrics) options="" ;;
        halt) options="--reason --keep-buys" ;;
        limits) options="--max-exposure --reserve --max-daily-loss --max-drawdown" ;;
        resume) options="" ;;
        nodes) options="" ;;
        schema) options="" ;;
        catalogue) options="" ;;
        completion) options="" ;;
    esac
    if [[ $word == -* ]]; then
        _naivectl_offer "" "--socket --home --json --jsonl --quiet -q --help $options" "$word"
    elif [[ -z $verb ]]; then
        _naivectl_offer "" "start stop shutdown status settings orders trades events wait is-trading resolve explain why forget version ping metrics halt limits resume nodes schema catalogue completion" "$word"
    else
        case "$verb:$count" in
            start:*) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            stop:*) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            shutdown:*) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            status:*) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            settings:*) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            orders:*) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            trades:*) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            events:*) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            wait:*) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            is-trading:0) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            resolve:0) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            resolve:1) _naivectl_offer "" "$(naivectl "${place[@]}" __orders "$verb" "$symbol" ${word:+"$word"} 2>/dev/null)" "$word" ;;
            explain:0) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            why:0) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            why:1) _naivectl_offer "" "$(naivectl "${place[@]}" __orders "$verb" "$symbol" ${word:+"$word"} 2>/dev/null)" "$word" ;;
            forget:*) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            halt:*) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            resume:*) _naivectl_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            nodes:0) _naivectl_offer "" "drain undrain" "$word" ;;
            nodes:1) _naivectl_offer "" "$(naivectl "${place[@]}" __nodes 2>/dev/null)" "$word" ;;
            schema:0) _naivectl_offer "" "catalogue error events events-follow explain forget halt limits metrics nodes orders ping resolve resume settings shutdown start status status-live stop trades version wait why" "$word" ;;
            completion:0) _naivectl_offer "" "bash zsh fish" "$word" ;;
        esac
    fi
}
complete -F _naivectl naivectl
