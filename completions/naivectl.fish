# Made by `python -m naivectl.completion`; do not edit.
function __naivectl_read # sets what of the command line says where the daemon is, and its other plain words
    set -g __naivectl_place
    set -g __naivectl_plain
    set -l words (commandline -opc)
    set -e words[1]
    set -l flag
    for word in $words
        if test -n "$flag"
            contains -- $flag --home --socket
            and set -a __naivectl_place $flag (string replace -r '^~/' "$HOME/" -- $word)
            set flag
            continue
        end
        switch $word
            case '--home=*' '--socket=*'
                set -a __naivectl_place (string replace '=~/' "=$HOME/" -- $word)
            case '--socket' '--home' '--chunks' '--budget' '--buy-down' '--profit' '--rebuy' '--reprice' '--max-deviation' '--spacing' '--floor' '--ceiling' '--fall-guard' '--stop-loss' '--stop-slippage' '--from' '--timeout' '--cancel' '--limit' '--since' '--for' '--reason' '--max-exposure' '--reserve' '--max-daily-loss' '--max-drawdown'
                set flag $word
            case '-*'
            case '*'
                set -a __naivectl_plain $word
        end
    end
end
function __naivectl_at # VERB [COUNT]: is it this verb, with so many words after it?
    __naivectl_read
    test "$__naivectl_plain[1]" = "$argv[1]"
    and begin
        test (count $argv) -eq 1
        or test (count $__naivectl_plain) -eq (math $argv[2] + 1)
    end
end
function __naivectl_symbols
    naivectl $__naivectl_place __symbols $__naivectl_plain[1] 2>/dev/null
end
function __naivectl_orders
    naivectl $__naivectl_place __orders $__naivectl_plain[1..2] (commandline -ct) 2>/dev/null
end
function __naivectl_nodes
    naivectl $__naivectl_place __nodes 2>/dev/null
end
complete -c naivectl -f
complete -c naivectl -l socket -r -F -d 'The control socket'
complete -c naivectl -l home -x -a '(__fish_complete_directories (commandline -ct))' -d 'The daemon\'s home'
complete -c naivectl -l json -d 'One JSON document'
complete -c naivectl -l jsonl -d 'A JSON document a line, where a verb streams'
complete -c naivectl -l quiet -d 'Print nothing on success'
complete -c naivectl -s q -d 'Print nothing on success'
complete -c naivectl -n '__naivectl_at ""' -a start -d 'Begin trading, and go on after every reboot'
complete -c naivectl -n '__naivectl_at ""' -a stop -d 'Stop at once, and name the orders that stay open'
complete -c naivectl -n '__naivectl_at ""' -a shutdown -d 'Let every open trade finish, start none, then end by itself'
complete -c naivectl -n '__naivectl_at ""' -a status -d 'What every symbol is doing, and of a named one all'
complete -c naivectl -n '__naivectl_at ""' -a settings -d 'Show the settings, or change them for new traders'
complete -c naivectl -n '__naivectl_at ""' -a orders -d 'Every order and its state, oldest first'
complete -c naivectl -n '__naivectl_at ""' -a trades -d 'Finished cycles with their profit after fees, oldest first'
complete -c naivectl -n '__naivectl_at ""' -a events -d 'What happened, one line each'
complete -c naivectl -n '__naivectl_at ""' -a wait -d 'Wait until every symbol reaches the state'
complete -c naivectl -n '__naivectl_at ""' -a is-trading -d 'Exit with 0 if it is trading, else with 3'
complete -c naivectl -n '__naivectl_at ""' -a resolve -d 'End a quarantine or a hold'
complete -c naivectl -n '__naivectl_at ""' -a explain -d 'Why a symbol buys and sells now, or does not'
complete -c naivectl -n '__naivectl_at ""' -a why -d 'One order\'s life, from its decision to its end'
complete -c naivectl -n '__naivectl_at ""' -a forget -d 'Take symbols that are off out of status'
complete -c naivectl -n '__naivectl_at ""' -a version -d 'The versions of client and daemon'
complete -c naivectl -n '__naivectl_at ""' -a ping -d 'Does the daemon answer?'
complete -c naivectl -n '__naivectl_at ""' -a metrics -d 'Figures for Prometheus, as text'
complete -c naivectl -n '__naivectl_at ""' -a halt -d 'Buy nothing, sell on; without a symbol the whole account'
complete -c naivectl -n '__naivectl_at ""' -a limits -d 'Show the limits of the account, or change them'
complete -c naivectl -n '__naivectl_at ""' -a resume -d 'End a halt; without a symbol that of the account'
complete -c naivectl -n '__naivectl_at ""' -a nodes -d 'The nodes that share the database'
complete -c naivectl -n '__naivectl_at ""' -a schema -d 'Print the JSON Schema of what --json prints'
complete -c naivectl -n '__naivectl_at ""' -a catalogue -d 'Print all verbs, options, exit codes and kinds of errors'
complete -c naivectl -n '__naivectl_at ""' -a completion -d 'Print the completion script of naivectl and naived'
complete -c naivectl -n '__naivectl_at ""' -l version -d 'The version of this program'
complete -c naivectl -n '__naivectl_at start' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at start' -l all -d 'Every configured symbol'
complete -c naivectl -n '__naivectl_at start' -l chunks -x -d 'Traders at most'
complete -c naivectl -n '__naivectl_at start' -l budget -x -d 'Quote money for the symbol'
complete -c naivectl -n '__naivectl_at start' -l buy-down -x -d 'Buy this much below the last trade'
complete -c naivectl -n '__naivectl_at start' -l profit -x -d 'Earn this much after fees'
complete -c naivectl -n '__naivectl_at start' -l rebuy -x -d 'Buy again when the price fell so far'
complete -c naivectl -n '__naivectl_at start' -l reprice -x -d 'Give up a buy when the price rose so far; 0: never'
complete -c naivectl -n '__naivectl_at start' -l max-deviation -x -d 'A trade further away has to be confirmed; 0: off'
complete -c naivectl -n '__naivectl_at start' -l spacing -x -d 'No buy nearer than this to another living one; 0: off'
complete -c naivectl -n '__naivectl_at start' -l floor -x -d 'No buy below this price'
complete -c naivectl -n '__naivectl_at start' -l ceiling -x -d 'No buy above this price'
complete -c naivectl -n '__naivectl_at start' -l fall-guard -x -d 'No buy while the price fell by more within: 5%/10m'
complete -c naivectl -n '__naivectl_at start' -l stop-loss -x -d 'Sell at a loss so far below the cost; 0: off'
complete -c naivectl -n '__naivectl_at start' -l stop-slippage -x -d 'Such a sell may go this far below the trade [0.005]'
complete -c naivectl -n '__naivectl_at start' -l from -r -F -d 'Settings that naived sweep --write wrote; flags win'
complete -c naivectl -n '__naivectl_at start' -l yes -d 'Do not ask before something is lost'
complete -c naivectl -n '__naivectl_at start' -l dry-run -d 'Say what it would do, and change nothing'
complete -c naivectl -n '__naivectl_at start' -l wait -d 'Wait until it is done, or return when the request is stored'
complete -c naivectl -n '__naivectl_at start' -l no-wait -d 'Wait until it is done, or return when the request is stored'
complete -c naivectl -n '__naivectl_at start' -l timeout -x -d 'How long to wait: 500ms, 5s, 2m, 1h'
complete -c naivectl -n '__naivectl_at stop' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at stop' -l all -d 'Every configured symbol'
complete -c naivectl -n '__naivectl_at stop' -l cancel -x -a 'none\t buys\t all\t' -d 'Which of our open orders to cancel'
complete -c naivectl -n '__naivectl_at stop' -l yes -d 'Do not ask before something is lost'
complete -c naivectl -n '__naivectl_at stop' -l wait -d 'Wait until it is done, or return when the request is stored'
complete -c naivectl -n '__naivectl_at stop' -l no-wait -d 'Wait until it is done, or return when the request is stored'
complete -c naivectl -n '__naivectl_at stop' -l timeout -x -d 'How long to wait: 500ms, 5s, 2m, 1h'
complete -c naivectl -n '__naivectl_at shutdown' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at shutdown' -l all -d 'Every configured symbol'
complete -c naivectl -n '__naivectl_at shutdown' -l keep-buys -d 'Let open buys rest until they fill'
complete -c naivectl -n '__naivectl_at shutdown' -l yes -d 'Do not ask before something is lost'
complete -c naivectl -n '__naivectl_at shutdown' -l wait -d 'Wait until it is done, or return when the request is stored'
complete -c naivectl -n '__naivectl_at shutdown' -l no-wait -d 'Wait until it is done, or return when the request is stored'
complete -c naivectl -n '__naivectl_at shutdown' -l timeout -x -d 'How long to wait: 500ms, 5s, 2m, 1h'
complete -c naivectl -n '__naivectl_at status' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at status' -l live -d 'Redraw until interrupted'
complete -c naivectl -n '__naivectl_at settings' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at settings' -l all -d 'Every configured symbol'
complete -c naivectl -n '__naivectl_at settings' -l chunks -x -d 'Traders at most'
complete -c naivectl -n '__naivectl_at settings' -l budget -x -d 'Quote money for the symbol'
complete -c naivectl -n '__naivectl_at settings' -l buy-down -x -d 'Buy this much below the last trade'
complete -c naivectl -n '__naivectl_at settings' -l profit -x -d 'Earn this much after fees'
complete -c naivectl -n '__naivectl_at settings' -l rebuy -x -d 'Buy again when the price fell so far'
complete -c naivectl -n '__naivectl_at settings' -l reprice -x -d 'Give up a buy when the price rose so far; 0: never'
complete -c naivectl -n '__naivectl_at settings' -l max-deviation -x -d 'A trade further away has to be confirmed; 0: off'
complete -c naivectl -n '__naivectl_at settings' -l spacing -x -d 'No buy nearer than this to another living one; 0: off'
complete -c naivectl -n '__naivectl_at settings' -l floor -x -d 'No buy below this price'
complete -c naivectl -n '__naivectl_at settings' -l ceiling -x -d 'No buy above this price'
complete -c naivectl -n '__naivectl_at settings' -l fall-guard -x -d 'No buy while the price fell by more within: 5%/10m'
complete -c naivectl -n '__naivectl_at settings' -l stop-loss -x -d 'Sell at a loss so far below the cost; 0: off'
complete -c naivectl -n '__naivectl_at settings' -l stop-slippage -x -d 'Such a sell may go this far below the trade [0.005]'
complete -c naivectl -n '__naivectl_at settings' -l from -r -F -d 'Settings that naived sweep --write wrote; flags win'
complete -c naivectl -n '__naivectl_at settings' -l yes -d 'Do not ask before something is lost'
complete -c naivectl -n '__naivectl_at orders' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at orders' -l limit -x -d 'The newest N only'
complete -c naivectl -n '__naivectl_at orders' -l since -x -d 'RFC 3339, or a duration ago: 2h'
complete -c naivectl -n '__naivectl_at orders' -l csv -d 'Comma-separated, with a heading'
complete -c naivectl -n '__naivectl_at trades' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at trades' -l limit -x -d 'The newest N only'
complete -c naivectl -n '__naivectl_at trades' -l since -x -d 'RFC 3339, or a duration ago: 2h'
complete -c naivectl -n '__naivectl_at trades' -l csv -d 'Comma-separated, with a heading'
complete -c naivectl -n '__naivectl_at events' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at events' -l follow -d 'Go on as they happen'
complete -c naivectl -n '__naivectl_at events' -s f -d 'Go on as they happen'
complete -c naivectl -n '__naivectl_at events' -l limit -x -d 'The newest N only'
complete -c naivectl -n '__naivectl_at events' -l since -x -d 'RFC 3339, or a duration ago: 2h'
complete -c naivectl -n '__naivectl_at wait' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at wait' -l for -x -a 'off\t trading\t drained\t' -d 'drained: off, nothing of ours open, no coins but lots too small to sell'
complete -c naivectl -n '__naivectl_at wait' -l all -d 'Every configured symbol'
complete -c naivectl -n '__naivectl_at wait' -l timeout -x -d 'How long to wait: 500ms, 5s, 2m, 1h'
complete -c naivectl -n '__naivectl_at is-trading 0' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at resolve 0' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at resolve 1' -a '(__naivectl_orders)'
complete -c naivectl -n '__naivectl_at resolve' -l all -d 'Every order of the symbol that is held'
complete -c naivectl -n '__naivectl_at resolve' -l adopt -d 'Take the order back, and sell what it bought'
complete -c naivectl -n '__naivectl_at resolve' -l ignore -d 'Write it off and forget it'
complete -c naivectl -n '__naivectl_at resolve' -l yes -d 'Do not ask before something is lost'
complete -c naivectl -n '__naivectl_at explain 0' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at why 0' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at why 1' -a '(__naivectl_orders)'
complete -c naivectl -n '__naivectl_at forget' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at forget' -l all -d 'Every configured symbol'
complete -c naivectl -n '__naivectl_at forget' -l yes -d 'Do not ask before something is lost'
complete -c naivectl -n '__naivectl_at halt' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at halt' -l reason -x -d 'Why, in your words'
complete -c naivectl -n '__naivectl_at halt' -l keep-buys -d 'Let open buys rest until they fill'
complete -c naivectl -n '__naivectl_at limits' -l max-exposure -x -d 'Most tied up over all symbols'
complete -c naivectl -n '__naivectl_at limits' -l reserve -x -d 'Free money that no buy spends'
complete -c naivectl -n '__naivectl_at limits' -l max-daily-loss -x -d 'Lost since 00:00 UTC: halts until the next day'
complete -c naivectl -n '__naivectl_at limits' -l max-drawdown -x -d 'Lost since the peak: halts until resume'
complete -c naivectl -n '__naivectl_at resume' -a '(__naivectl_symbols)'
complete -c naivectl -n '__naivectl_at nodes 0' -a 'drain undrain'
complete -c naivectl -n '__naivectl_at nodes 1' -a '(__naivectl_nodes)'
complete -c naivectl -n '__naivectl_at schema 0' -a 'catalogue error events events-follow explain forget halt limits metrics nodes orders ping resolve resume settings shutdown start status status-live stop trades version wait why'
complete -c naivectl -n '__naivectl_at completion 0' -a 'bash zsh fish'
