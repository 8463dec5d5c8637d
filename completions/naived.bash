# Made by `python -m naivectl.completion`; do not edit.
_naived_offer() { # FLAG= WORDS WORD
    mapfile -t COMPREPLY < <(compgen -W "$2" -- "$3")
    COMPREPLY=("${COMPREPLY[@]/#/$1}")
}
_naived_paths() { # FLAG= -f|-d WORD
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$2" -- "${3/#\~\//$HOME/}")
    COMPREPLY=("${COMPREPLY[@]/#/$1}")
}
_naived() {
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
            --config|--database|--exchange|--exchange-url|--api-key-file|--api-secret-file|--recv-window|--grace|--log-format|--log-level|--metrics-listen|--node|--lease|--currency|--listen|--tape|--random-walk|--seed|--speed|--exchange-info|--balance|--fee|--ledger|--api-key|--api-secret|--api-public-key|--chunks|--budget|--buy-down|--profit|--rebuy|--reprice|--max-deviation|--spacing|--floor|--ceiling|--fall-guard|--stop-loss|--stop-slippage|--max-exposure|--reserve|--max-daily-loss|--max-drawdown|--latency|--html|--csv|--orders|--split|--search|--jobs|--dask|--top|--write|--to) ((index++)) ;;
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
        --config|--socket|--api-key-file|--api-secret-file|--exchange-info|--ledger|--api-public-key|--tape|--html|--csv|--orders|--write) _naived_paths "$prefix" -f "$word"; return ;;
        --home|--to) _naived_paths "$prefix" -d "$word"; return ;;
        --database|--exchange-url|--recv-window|--grace|--metrics-listen|--node|--lease|--currency|--listen|--tape|--random-walk|--seed|--speed|--balance|--fee|--api-key|--api-secret|--chunks|--budget|--buy-down|--profit|--rebuy|--reprice|--max-deviation|--spacing|--floor|--ceiling|--fall-guard|--stop-loss|--stop-slippage|--max-exposure|--reserve|--max-daily-loss|--max-drawdown|--latency|--split|--search|--jobs|--dask|--top) :; return ;;
        --exchange) _naived_offer "$prefix" "simulator paper testnet demo binance" "$word"; return ;;
        --log-format) _naived_offer "$prefix" "console json" "$word"; return ;;
        --log-level) _naived_offer "$prefix" "debug info warning error" "$word"; return ;;
    esac
    [[ -z $prefix ]] || return
    case "$verb" in
        "") options="--version --config --home --socket --database --exchange --exchange-url --api-key-file --api-secret-file --live --recv-window --grace --log-format --log-level --metrics-listen --node --lease --currency" ;;
        run) options="--config --home --socket --database --exchange --exchange-url --api-key-file --api-secret-file --live --recv-window --grace --log-format --log-level --metrics-listen --node --lease --currency" ;;
        check) options="--config --home --socket --database --exchange --exchange-url --api-key-file --api-secret-file --live --recv-window --grace --log-format --log-level --metrics-listen --node --lease --currency --json" ;;
        simulate) options="--config --listen --tape --random-walk --seed --speed --loop --hold --exchange-info --balance --fee --ledger --no-limits --api-key --api-secret --api-public-key" ;;
        backtest) options="--config --tape --chunks --budget --buy-down --profit --rebuy --reprice --max-deviation --spacing --floor --ceiling --fall-guard --stop-loss --stop-slippage --max-exposure --reserve --max-daily-loss --max-drawdown --fee --latency --exchange-info --html --csv --orders --no-cache --json" ;;
        sweep) options="--config --tape --chunks --budget --buy-down --profit --rebuy --reprice --max-deviation --spacing --floor --ceiling --fall-guard --stop-loss --stop-slippage --max-exposure --reserve --max-daily-loss --max-drawdown --fee --latency --exchange-info --split --search --seed --jobs --dask --top --html --write --no-cache --json" ;;
        record) options="--to --config --exchange --exchange-url --log-format --log-level" ;;
        replay) options="--diff --config --home --database --exchange --tape --fee --latency --exchange-info --json" ;;
    esac
    if [[ $word == -* ]]; then
        _naived_offer "" "--help $options" "$word"
    elif [[ -z $verb ]]; then
        _naived_offer "" "run check simulate backtest sweep record replay" "$word"
    else
        case "$verb:$count" in
            backtest:0) _naived_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            sweep:0) _naived_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            record:*) _naived_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
            replay:*) _naived_offer "" "$(naivectl "${place[@]}" __symbols "$verb" 2>/dev/null)" "${word^^}" ;;
        esac
    fi
}
complete -F _naived naived
