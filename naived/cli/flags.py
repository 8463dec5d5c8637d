"""Flags that several commands have; what they mean is in ``config.py`` and ``parsing.py``."""

from typing import Annotated

import typer

_Text = str | None

ConfigFile = Annotated[_Text, typer.Option("--config", metavar="FILE", help="a TOML file with these options")]
Home = Annotated[_Text, typer.Option(metavar="DIR", help="socket, lock, databases [~/.local/state/naived]")]
Socket = Annotated[_Text, typer.Option(metavar="PATH", help="the control socket [HOME/control.sock]")]
Database = Annotated[
    _Text, typer.Option(metavar="URL", help="sqlite:///PATH or postgresql://... [sqlite:///HOME/EXCHANGE.db]")
]
Exchange = Annotated[
    _Text, typer.Option(metavar="NAME", help="simulator, paper, testnet, demo or binance [simulator]")
]
ExchangeUrl = Annotated[
    _Text,
    typer.Option(
        metavar="URL",
        help="simulator: one in another process, ws://127.0.0.1:PORT; paper: where prices come from",
    ),
]
ApiKeyFile = Annotated[_Text, typer.Option(metavar="FILE", help="the API key; mode 0600")]
ApiSecretFile = Annotated[
    _Text, typer.Option(metavar="FILE", help="its HMAC secret, or Ed25519 private key in PEM; mode 0600")
]
Live = Annotated[bool, typer.Option("--live", help="yes, real money: needed for --exchange binance")]
RecvWindow = Annotated[_Text, typer.Option(metavar="DUR", help="how long the exchange may accept an order [5s]")]
Grace = Annotated[_Text, typer.Option(metavar="DUR", help="how long after that an order may still turn up [60s]")]
LogFormat = Annotated[
    _Text, typer.Option(metavar="FORM", help="console or json [console on a terminal, else json]")
]
MetricsListen = Annotated[
    _Text, typer.Option(metavar="HOST:PORT", help="serve metrics for Prometheus here: 127.0.0.1:9464")
]
Node = Annotated[_Text, typer.Option(metavar="NAME", help="among those that share a database [the host's name]")]
Lease = Annotated[
    _Text, typer.Option(metavar="DUR", help="how long a node that is gone keeps its symbols, about [30s]")
]
Currency = Annotated[_Text, typer.Option(metavar="ASSET", help="the account's limits are amounts in it [USDT]")]
LogLevel = Annotated[_Text, typer.Option(metavar="LEVEL", help="debug, info, warning or error [info]")]

# A symbol's settings, and the rest of a backtest.
Tape = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE...", help="public trades or aggTrades: .csv, .csv.gz, .zip; several in any order"),
]
Chunks = Annotated[_Text, typer.Option(metavar="N", help="the most traders [5]")]
Budget = Annotated[_Text, typer.Option(metavar="AMOUNT", help="quote money for all of them [1000]")]
BuyDown = Annotated[_Text, typer.Option(metavar="RATE", help="a buy is this far below the price [0.0001]")]
Profit = Annotated[_Text, typer.Option(metavar="RATE", help="what a cycle earns after both fees [0.001]")]
Rebuy = Annotated[_Text, typer.Option(metavar="RATE", help="one more trader when the price fell so far [0.006]")]
Reprice = Annotated[_Text, typer.Option(metavar="RATE", help="a buy follows a price that rose so far [0.01]")]
MaxDeviation = Annotated[
    _Text, typer.Option(metavar="RATE", help="a trade further away has to be confirmed [0.1]; 0: never")
]
Spacing = Annotated[
    _Text, typer.Option(metavar="RATE", help="the least distance from every living buy [0]; 0: none")
]
Floor = Annotated[_Text, typer.Option(metavar="PRICE", help="no buy below it [none]")]
Ceiling = Annotated[_Text, typer.Option(metavar="PRICE", help="no buy above it [none]")]
FallGuard = Annotated[
    _Text, typer.Option(metavar="RATE/DUR", help="no buy while the price fell by more within, as 5%/10m [none]")
]
StopLoss = Annotated[_Text, typer.Option(metavar="RATE", help="sell at a loss this far below the cost [0: off]")]
StopSlippage = Annotated[
    _Text, typer.Option(metavar="RATE", help="how far below the trade such a sell may go [0.005]")
]
Fee = Annotated[_Text, typer.Option(metavar="RATE", help="of the asset received [0.001]")]
MaxExposure = Annotated[_Text, typer.Option(metavar="AMOUNT", help="the account's: the most tied up [none]")]
Reserve = Annotated[_Text, typer.Option(metavar="AMOUNT", help="the account's: of the budget never spent [none]")]
MaxDailyLoss = Annotated[
    _Text, typer.Option(metavar="AMOUNT", help="the account's: lost since 00:00 UTC, halts for the day [none]")
]
MaxDrawdown = Annotated[
    _Text, typer.Option(metavar="AMOUNT", help="the account's: lost since the peak, halts for good [none]")
]
Latency = Annotated[
    _Text, typer.Option(metavar="DUR", help="from a decision to its arrival at the exchange, as in 50ms [0ms]")
]
ExchangeInfo = Annotated[_Text, typer.Option(metavar="FILE", help="Binance exchangeInfo JSON")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="neither read nor write the cache of parsed tapes")]
Machine = Annotated[bool, typer.Option("--json", help="one JSON document")]
