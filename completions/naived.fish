# Made by `python -m naivectl.completion`; do not edit.
function __naived_read # sets what of the command line says where the daemon is, and its other plain words
    set -g __naived_place
    set -g __naived_plain
    set -l words (commandline -opc)
    set -e words[1]
    set -l flag
    for word in $words
        if test -n "$flag"
            contains -- $flag --home --socket
            and set -a __naived_place $flag (string replace -r '^~/' "$HOME/" -- $word)
            set flag
            continue
        end
        switch $word
            case '--home=*' '--socket=*'
                set -a __naived_place (string replace '=~/' "=$HOME/" -- $word)
            case '--config' '--home' '--socket' '--database' '--exchange' '--exchange-url' '--api-key-file' '--api-secret-file' '--recv-window' '--grace' '--log-format' '--log-level' '--metrics-listen' '--node' '--lease' '--currency' '--listen' '--tape' '--random-walk' '--seed' '--speed' '--exchange-info' '--balance' '--fee' '--ledger' '--api-key' '--api-secret' '--api-public-key' '--chunks' '--budget' '--buy-down' '--profit' '--rebuy' '--reprice' '--max-deviation' '--spacing' '--floor' '--ceiling' '--fall-guard' '--stop-loss' '--stop-slippage' '--max-exposure' '--reserve' '--max-daily-loss' '--max-drawdown' '--latency' '--html' '--csv' '--orders' '--split' '--search' '--jobs' '--dask' '--top' '--write' '--to'
                set flag $word
            case '-*'
            case '*'
                set -a __naived_plain $word
        end
    end
end
function __naived_at # VERB [COUNT]: is it this verb, with so many words after it?
    __naived_read
    test "$__naived_plain[1]" = "$argv[1]"
    and begin
        test (count $argv) -eq 1
        or test (count $__naived_plain) -eq (math $argv[2] + 1)
    end
end
function __naived_symbols
    naivectl $__naived_place __symbols $__naived_plain[1] 2>/dev/null
end
function __naived_orders
    naivectl $__naived_place __orders $__naived_plain[1..2] (commandline -ct) 2>/dev/null
end
function __naived_nodes
    naivectl $__naived_place __nodes 2>/dev/null
end
complete -c naived -f
complete -c naived -n '__naived_at ""' -a run -d 'The daemon, in the foreground'
complete -c naived -n '__naived_at ""' -a check -d 'Look at everything that `run` with the same options needs, and say what to do; changes nothing'
complete -c naived -n '__naived_at ""' -a simulate -d 'The exchange simulator as a process of its own; prints its URL'
complete -c naived -n '__naived_at ""' -a backtest -d 'What a symbol\'s settings would have earned on recorded trades: the engine that trades live, over a tape'
complete -c naived -n '__naived_at ""' -a sweep -d 'Backtest every combination of settings, best first, each also on trades that it was not chosen on'
complete -c naived -n '__naived_at ""' -a record -d 'Record public trades into files of a day, in the layout of data.binance.vision, until a signal ends it'
complete -c naived -n '__naived_at ""' -a replay -d 'Hold the journal against a backtest of what `naived record` wrote; exits 1 if they differ'
complete -c naived -n '__naived_at ""' -l version -d 'print the version and exit'
complete -c naived -n '__naived_at ""' -l config -r -F -d 'a TOML file with these options'
complete -c naived -n '__naived_at ""' -l home -x -a '(__fish_complete_directories (commandline -ct))' -d 'socket, lock, databases [~/.local/state/naived]'
complete -c naived -n '__naived_at ""' -l socket -r -F -d 'the control socket [HOME/control.sock]'
complete -c naived -n '__naived_at ""' -l database -x -d 'sqlite:///PATH or postgresql://... [sqlite:///HOME/EXCHANGE.db]'
complete -c naived -n '__naived_at ""' -l exchange -x -a 'simulator\t paper\t testnet\t demo\t binance\t' -d 'simulator, paper, testnet, demo or binance [simulator]'
complete -c naived -n '__naived_at ""' -l exchange-url -x -d 'simulator: one in another process, ws://127.0.0.1:PORT; paper: where prices come from'
complete -c naived -n '__naived_at ""' -l api-key-file -r -F -d 'the API key; mode 0600'
complete -c naived -n '__naived_at ""' -l api-secret-file -r -F -d 'its HMAC secret, or Ed25519 private key in PEM; mode 0600'
complete -c naived -n '__naived_at ""' -l live -d 'yes, real money: needed for --exchange binance'
complete -c naived -n '__naived_at ""' -l recv-window -x -d 'how long the exchange may accept an order [5s]'
complete -c naived -n '__naived_at ""' -l grace -x -d 'how long after that an order may still turn up [60s]'
complete -c naived -n '__naived_at ""' -l log-format -x -a 'console\t json\t' -d 'console or json [console on a terminal, else json]'
complete -c naived -n '__naived_at ""' -l log-level -x -a 'debug\t info\t warning\t error\t' -d 'debug, info, warning or error [info]'
complete -c naived -n '__naived_at ""' -l metrics-listen -x -d 'serve metrics for Prometheus here: 127.0.0.1:9464'
complete -c naived -n '__naived_at ""' -l node -x -d 'among those that share a database [the host\'s name]'
complete -c naived -n '__naived_at ""' -l lease -x -d 'how long a node that is gone keeps its symbols, about [30s]'
complete -c naived -n '__naived_at ""' -l currency -x -d 'the account\'s limits are amounts in it [USDT]'
complete -c naived -n '__naived_at run' -l config -r -F -d 'a TOML file with these options'
complete -c naived -n '__naived_at run' -l home -x -a '(__fish_complete_directories (commandline -ct))' -d 'socket, lock, databases [~/.local/state/naived]'
complete -c naived -n '__naived_at run' -l socket -r -F -d 'the control socket [HOME/control.sock]'
complete -c naived -n '__naived_at run' -l database -x -d 'sqlite:///PATH or postgresql://... [sqlite:///HOME/EXCHANGE.db]'
complete -c naived -n '__naived_at run' -l exchange -x -a 'simulator\t paper\t testnet\t demo\t binance\t' -d 'simulator, paper, testnet, demo or binance [simulator]'
complete -c naived -n '__naived_at run' -l exchange-url -x -d 'simulator: one in another process, ws://127.0.0.1:PORT; paper: where prices come from'
complete -c naived -n '__naived_at run' -l api-key-file -r -F -d 'the API key; mode 0600'
complete -c naived -n '__naived_at run' -l api-secret-file -r -F -d 'its HMAC secret, or Ed25519 private key in PEM; mode 0600'
complete -c naived -n '__naived_at run' -l live -d 'yes, real money: needed for --exchange binance'
complete -c naived -n '__naived_at run' -l recv-window -x -d 'how long the exchange may accept an order [5s]'
complete -c naived -n '__naived_at run' -l grace -x -d 'how long after that an order may still turn up [60s]'
complete -c naived -n '__naived_at run' -l log-format -x -a 'console\t json\t' -d 'console or json [console on a terminal, else json]'
complete -c naived -n '__naived_at run' -l log-level -x -a 'debug\t info\t warning\t error\t' -d 'debug, info, warning or error [info]'
complete -c naived -n '__naived_at run' -l metrics-listen -x -d 'serve metrics for Prometheus here: 127.0.0.1:9464'
complete -c naived -n '__naived_at run' -l node -x -d 'among those that share a database [the host\'s name]'
complete -c naived -n '__naived_at run' -l lease -x -d 'how long a node that is gone keeps its symbols, about [30s]'
complete -c naived -n '__naived_at run' -l currency -x -d 'the account\'s limits are amounts in it [USDT]'
complete -c naived -n '__naived_at check' -l config -r -F -d 'a TOML file with these options'
complete -c naived -n '__naived_at check' -l home -x -a '(__fish_complete_directories (commandline -ct))' -d 'socket, lock, databases [~/.local/state/naived]'
complete -c naived -n '__naived_at check' -l socket -r -F -d 'the control socket [HOME/control.sock]'
complete -c naived -n '__naived_at check' -l database -x -d 'sqlite:///PATH or postgresql://... [sqlite:///HOME/EXCHANGE.db]'
complete -c naived -n '__naived_at check' -l exchange -x -a 'simulator\t paper\t testnet\t demo\t binance\t' -d 'simulator, paper, testnet, demo or binance [simulator]'
complete -c naived -n '__naived_at check' -l exchange-url -x -d 'simulator: one in another process, ws://127.0.0.1:PORT; paper: where prices come from'
complete -c naived -n '__naived_at check' -l api-key-file -r -F -d 'the API key; mode 0600'
complete -c naived -n '__naived_at check' -l api-secret-file -r -F -d 'its HMAC secret, or Ed25519 private key in PEM; mode 0600'
complete -c naived -n '__naived_at check' -l live -d 'yes, real money: needed for --exchange binance'
complete -c naived -n '__naived_at check' -l recv-window -x -d 'how long the exchange may accept an order [5s]'
complete -c naived -n '__naived_at check' -l grace -x -d 'how long after that an order may still turn up [60s]'
complete -c naived -n '__naived_at check' -l log-format -x -a 'console\t json\t' -d 'console or json [console on a terminal, else json]'
complete -c naived -n '__naived_at check' -l log-level -x -a 'debug\t info\t warning\t error\t' -d 'debug, info, warning or error [info]'
complete -c naived -n '__naived_at check' -l metrics-listen -x -d 'serve metrics for Prometheus here: 127.0.0.1:9464'
complete -c naived -n '__naived_at check' -l node -x -d 'among those that share a database [the host\'s name]'
complete -c naived -n '__naived_at check' -l lease -x -d 'how long a node that is gone keeps its symbols, about [30s]'
complete -c naived -n '__naived_at check' -l currency -x -d 'the account\'s limits are amounts in it [USDT]'
complete -c naived -n '__naived_at check' -l json -d 'one JSON document'
complete -c naived -n '__naived_at simulate' -l config -r -F -d 'a TOML file with these options'
complete -c naived -n '__naived_at simulate' -l listen -x -d 'where to serve [127.0.0.1:0]'
complete -c naived -n '__naived_at simulate' -l tape -x -d 'publish these trades: .csv, .csv.gz, .zip'
complete -c naived -n '__naived_at simulate' -l random-walk -x -d 'publish a walk from this price'
complete -c naived -n '__naived_at simulate' -l seed -x -d 'the walks\' seed'
complete -c naived -n '__naived_at simulate' -l speed -x -d 'pace of tapes and walks [1]'
complete -c naived -n '__naived_at simulate' -l loop -d 'begin tapes again at their end'
complete -c naived -n '__naived_at simulate' -l hold -d 'publish nothing until sim.play'
complete -c naived -n '__naived_at simulate' -l exchange-info -r -F -d 'Binance exchangeInfo JSON'
complete -c naived -n '__naived_at simulate' -l balance -x -d 'what the account has [USDT=100000]'
complete -c naived -n '__naived_at simulate' -l fee -x -d 'of the asset received [0.001]'
complete -c naived -n '__naived_at simulate' -l ledger -r -F -d 'SQLite file that survives restarts'
complete -c naived -n '__naived_at simulate' -l no-limits -d 'report rate limits, do not enforce them'
complete -c naived -n '__naived_at simulate' -l api-key -x -d 'the only key accepted'
complete -c naived -n '__naived_at simulate' -l api-secret -x -d 'check HMAC signatures with it'
complete -c naived -n '__naived_at simulate' -l api-public-key -r -F -d 'check Ed25519 signatures with this PEM file'
complete -c naived -n '__naived_at backtest 0' -a '(__naived_symbols)'
complete -c naived -n '__naived_at backtest' -l config -r -F -d 'a TOML file with these options'
complete -c naived -n '__naived_at backtest' -l tape -r -F -d 'public trades or aggTrades: .csv, .csv.gz, .zip; several in any order'
complete -c naived -n '__naived_at backtest' -l chunks -x -d 'the most traders [5]'
complete -c naived -n '__naived_at backtest' -l budget -x -d 'quote money for all of them [1000]'
complete -c naived -n '__naived_at backtest' -l buy-down -x -d 'a buy is this far below the price [0.0001]'
complete -c naived -n '__naived_at backtest' -l profit -x -d 'what a cycle earns after both fees [0.001]'
complete -c naived -n '__naived_at backtest' -l rebuy -x -d 'one more trader when the price fell so far [0.006]'
complete -c naived -n '__naived_at backtest' -l reprice -x -d 'a buy follows a price that rose so far [0.01]'
complete -c naived -n '__naived_at backtest' -l max-deviation -x -d 'a trade further away has to be confirmed [0.1]; 0: never'
complete -c naived -n '__naived_at backtest' -l spacing -x -d 'the least distance from every living buy [0]; 0: none'
complete -c naived -n '__naived_at backtest' -l floor -x -d 'no buy below it [none]'
complete -c naived -n '__naived_at backtest' -l ceiling -x -d 'no buy above it [none]'
complete -c naived -n '__naived_at backtest' -l fall-guard -x -d 'no buy while the price fell by more within, as 5%/10m [none]'
complete -c naived -n '__naived_at backtest' -l stop-loss -x -d 'sell at a loss this far below the cost [0: off]'
complete -c naived -n '__naived_at backtest' -l stop-slippage -x -d 'how far below the trade such a sell may go [0.005]'
complete -c naived -n '__naived_at backtest' -l max-exposure -x -d 'the account\'s: the most tied up [none]'
complete -c naived -n '__naived_at backtest' -l reserve -x -d 'the account\'s: of the budget never spent [none]'
complete -c naived -n '__naived_at backtest' -l max-daily-loss -x -d 'the account\'s: lost since 00:00 UTC, halts for the day [none]'
complete -c naived -n '__naived_at backtest' -l max-drawdown -x -d 'the account\'s: lost since the peak, halts for good [none]'
complete -c naived -n '__naived_at backtest' -l fee -x -d 'of the asset received [0.001]'
complete -c naived -n '__naived_at backtest' -l latency -x -d 'from a decision to its arrival at the exchange, as in 50ms [0ms]'
complete -c naived -n '__naived_at backtest' -l exchange-info -r -F -d 'Binance exchangeInfo JSON'
complete -c naived -n '__naived_at backtest' -l html -r -F -d 'write a page with charts'
complete -c naived -n '__naived_at backtest' -l csv -r -F -d 'write the finished cycles'
complete -c naived -n '__naived_at backtest' -l orders -r -F -d 'write every order, as JSON'
complete -c naived -n '__naived_at backtest' -l no-cache -d 'neither read nor write the cache of parsed tapes'
complete -c naived -n '__naived_at backtest' -l json -d 'one JSON document'
complete -c naived -n '__naived_at sweep 0' -a '(__naived_symbols)'
complete -c naived -n '__naived_at sweep' -l config -r -F -d 'a TOML file with these options'
complete -c naived -n '__naived_at sweep' -l tape -r -F -d 'public trades or aggTrades: .csv, .csv.gz, .zip; several in any order'
complete -c naived -n '__naived_at sweep' -l chunks -x -d 'the most traders [5]'
complete -c naived -n '__naived_at sweep' -l budget -x -d 'quote money for all of them [1000]'
complete -c naived -n '__naived_at sweep' -l buy-down -x -d 'a buy is this far below the price [0.0001]'
complete -c naived -n '__naived_at sweep' -l profit -x -d 'what a cycle earns after both fees [0.001]'
complete -c naived -n '__naived_at sweep' -l rebuy -x -d 'one more trader when the price fell so far [0.006]'
complete -c naived -n '__naived_at sweep' -l reprice -x -d 'a buy follows a price that rose so far [0.01]'
complete -c naived -n '__naived_at sweep' -l max-deviation -x -d 'a trade further away has to be confirmed [0.1]; 0: never'
complete -c naived -n '__naived_at sweep' -l spacing -x -d 'the least distance from every living buy [0]; 0: none'
complete -c naived -n '__naived_at sweep' -l floor -x -d 'no buy below it [none]'
complete -c naived -n '__naived_at sweep' -l ceiling -x -d 'no buy above it [none]'
complete -c naived -n '__naived_at sweep' -l fall-guard -x -d 'no buy while the price fell by more within, as 5%/10m [none]'
complete -c naived -n '__naived_at sweep' -l stop-loss -x -d 'sell at a loss this far below the cost [0: off]'
complete -c naived -n '__naived_at sweep' -l stop-slippage -x -d 'how far below the trade such a sell may go [0.005]'
complete -c naived -n '__naived_at sweep' -l max-exposure -x -d 'the account\'s: the most tied up [none]'
complete -c naived -n '__naived_at sweep' -l reserve -x -d 'the account\'s: of the budget never spent [none]'
complete -c naived -n '__naived_at sweep' -l max-daily-loss -x -d 'the account\'s: lost since 00:00 UTC, halts for the day [none]'
complete -c naived -n '__naived_at sweep' -l max-drawdown -x -d 'the account\'s: lost since the peak, halts for good [none]'
complete -c naived -n '__naived_at sweep' -l fee -x -d 'of the asset received [0.001]'
complete -c naived -n '__naived_at sweep' -l latency -x -d 'from a decision to its arrival at the exchange, as in 50ms [0ms]'
complete -c naived -n '__naived_at sweep' -l exchange-info -r -F -d 'Binance exchangeInfo JSON'
complete -c naived -n '__naived_at sweep' -l split -x -d 'of the time to choose on; the rest tests it [0.7]'
complete -c naived -n '__naived_at sweep' -l search -x -d 'draw N points instead of running all'
complete -c naived -n '__naived_at sweep' -l seed -x -d 'of the search; the same draws the same [0]'
complete -c naived -n '__naived_at sweep' -l jobs -x -d 'processes [one for each core]'
complete -c naived -n '__naived_at sweep' -l dask -x -d 'run on this Dask scheduler\'s workers'
complete -c naived -n '__naived_at sweep' -l top -x -d 'how many of the best to show [10]'
complete -c naived -n '__naived_at sweep' -l html -r -F -d 'write a page with heat maps'
complete -c naived -n '__naived_at sweep' -l write -r -F -d 'write the best settings, for naivectl settings --from'
complete -c naived -n '__naived_at sweep' -l no-cache -d 'neither read nor write the cache of parsed tapes'
complete -c naived -n '__naived_at sweep' -l json -d 'one JSON document'
complete -c naived -n '__naived_at record' -a '(__naived_symbols)'
complete -c naived -n '__naived_at record' -l to -x -a '(__fish_complete_directories (commandline -ct))' -d 'where the files go; needed'
complete -c naived -n '__naived_at record' -l config -r -F -d 'a TOML file with these options'
complete -c naived -n '__naived_at record' -l exchange -x -a 'simulator\t paper\t testnet\t demo\t binance\t' -d 'simulator, paper, testnet, demo or binance [simulator]'
complete -c naived -n '__naived_at record' -l exchange-url -x -d 'simulator: one in another process, ws://127.0.0.1:PORT; paper: where prices come from'
complete -c naived -n '__naived_at record' -l log-format -x -a 'console\t json\t' -d 'console or json [console on a terminal, else json]'
complete -c naived -n '__naived_at record' -l log-level -x -a 'debug\t info\t warning\t error\t' -d 'debug, info, warning or error [info]'
complete -c naived -n '__naived_at replay' -a '(__naived_symbols)'
complete -c naived -n '__naived_at replay' -l diff -d 'show what was decided otherwise, and why'
complete -c naived -n '__naived_at replay' -l config -r -F -d 'a TOML file with these options'
complete -c naived -n '__naived_at replay' -l home -x -a '(__fish_complete_directories (commandline -ct))' -d 'socket, lock, databases [~/.local/state/naived]'
complete -c naived -n '__naived_at replay' -l database -x -d 'sqlite:///PATH or postgresql://... [sqlite:///HOME/EXCHANGE.db]'
complete -c naived -n '__naived_at replay' -l exchange -x -a 'simulator\t paper\t testnet\t demo\t binance\t' -d 'simulator, paper, testnet, demo or binance [simulator]'
complete -c naived -n '__naived_at replay' -l tape -r -F -d 'public trades or aggTrades: .csv, .csv.gz, .zip; several in any order'
complete -c naived -n '__naived_at replay' -l fee -x -d 'of the asset received [0.001]'
complete -c naived -n '__naived_at replay' -l latency -x -d 'from a decision to its arrival at the exchange, as in 50ms [0ms]'
complete -c naived -n '__naived_at replay' -l exchange-info -r -F -d 'Binance exchangeInfo JSON'
complete -c naived -n '__naived_at replay' -l json -d 'one JSON document'
