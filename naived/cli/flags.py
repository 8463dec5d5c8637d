"""The flags of ``naived run``, which ``naived check`` has too; what they mean is in ``config.py``."""

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
LogLevel = Annotated[_Text, typer.Option(metavar="LEVEL", help="debug, info, warning or error [info]")]
