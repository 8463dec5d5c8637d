"""The ``naived`` command: reads its options, runs the daemon or the simulator, and exits with its code."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, NoReturn

import trio
import typer

from naived.cli.launch import launch
from naived.process import logs
from naived.process.config import ConfigError

_EPILOG = (
    "Every option is also an environment variable (--exchange: NAIVED_EXCHANGE) and a key in --config FILE (TOML)."
)

app = typer.Typer(
    name="naived",
    help="Trade many Binance spot symbols with one simple strategy; `naivectl` steers it. Without a command: run.",
    epilog=_EPILOG,
    add_completion=False,
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they print local variables, secrets among them
)

_Text = str | None
_ConfigFile = Annotated[_Text, typer.Option("--config", metavar="FILE", help="a TOML file with these options")]


def main() -> None:
    """``naived`` alone, or with options, is ``naived run``."""
    app(args=_with_command(sys.argv[1:]), prog_name="naived")


def _with_command(arguments: Sequence[str]) -> list[str]:
    first = arguments[0] if arguments else "-"
    if first.startswith("-") and first not in ("--help", "--version"):
        return ["run", *arguments]
    return list(arguments)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"naived {version('naived')}")
        raise typer.Exit


@app.callback()
def _naived(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and exit")
    ] = False,
) -> None: ...


@app.command(epilog=_EPILOG)
def run(
    context: typer.Context,
    config: _ConfigFile = None,
    home: Annotated[
        _Text, typer.Option(metavar="DIR", help="socket, lock, databases [~/.local/state/naived]")
    ] = None,
    socket: Annotated[_Text, typer.Option(metavar="PATH", help="the control socket [HOME/control.sock]")] = None,
    database: Annotated[
        _Text, typer.Option(metavar="URL", help="sqlite:///PATH or postgresql://... [sqlite:///HOME/EXCHANGE.db]")
    ] = None,
    exchange: Annotated[
        _Text, typer.Option(metavar="NAME", help="simulator, paper, testnet, demo or binance [simulator]")
    ] = None,
    exchange_url: Annotated[
        _Text,
        typer.Option(
            metavar="URL",
            help="simulator: one in another process, ws://127.0.0.1:PORT; paper: where prices come from",
        ),
    ] = None,
    api_key_file: Annotated[_Text, typer.Option(metavar="FILE", help="the API key; mode 0600")] = None,
    api_secret_file: Annotated[
        _Text, typer.Option(metavar="FILE", help="its HMAC secret, or Ed25519 private key in PEM; mode 0600")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="yes, real money: needed for --exchange binance")] = False,
    recv_window: Annotated[
        _Text, typer.Option(metavar="DUR", help="how long the exchange may accept an order [5s]")
    ] = None,
    grace: Annotated[
        _Text, typer.Option(metavar="DUR", help="how long after that an order may still turn up [60s]")
    ] = None,
    log_format: Annotated[
        _Text, typer.Option(metavar="FORM", help="console or json [console on a terminal, else json]")
    ] = None,
    log_level: Annotated[_Text, typer.Option(metavar="LEVEL", help="debug, info, warning or error [info]")] = None,
) -> None:
    """The daemon, in the foreground."""
    raise typer.Exit(launch(context.params))


@app.command(epilog=_EPILOG)
def simulate(
    context: typer.Context,
    config: _ConfigFile = None,
    listen: Annotated[_Text, typer.Option(metavar="HOST:PORT", help="where to serve [127.0.0.1:0]")] = None,
    tape: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=FILE", help="publish these trades: .csv, .csv.gz, .zip")
    ] = None,
    random_walk: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=PRICE", help="publish a walk from this price")
    ] = None,
    seed: Annotated[_Text, typer.Option(metavar="N", help="the walks' seed")] = None,
    speed: Annotated[_Text, typer.Option(metavar="X|max", help="pace of tapes and walks [1]")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="begin tapes again at their end")] = False,
    hold: Annotated[bool, typer.Option("--hold", help="publish nothing until sim.play")] = False,
    exchange_info: Annotated[_Text, typer.Option(metavar="FILE", help="Binance exchangeInfo JSON")] = None,
    balance: Annotated[
        list[str] | None, typer.Option(metavar="ASSET=AMOUNT", help="what the account has [USDT=100000]")
    ] = None,
    fee: Annotated[_Text, typer.Option(metavar="RATE", help="of the asset received [0.001]")] = None,
    ledger: Annotated[_Text, typer.Option(metavar="FILE", help="SQLite file that survives restarts")] = None,
    no_limits: Annotated[bool, typer.Option("--no-limits", help="report rate limits, do not enforce them")] = False,
    api_key: Annotated[_Text, typer.Option(metavar="KEY", help="the only key accepted")] = None,
    api_secret: Annotated[_Text, typer.Option(metavar="SECRET", help="check HMAC signatures with it")] = None,
    api_public_key: Annotated[
        _Text, typer.Option(metavar="FILE", help="check Ed25519 signatures with this PEM file")
    ] = None,
) -> None:
    """The exchange simulator as a process of its own; prints its URL."""
    from naived.cli.simulate import load, serve  # deferred: `naived run --help` needs no simulator

    try:
        wanted = load(context.params, os.environ)
        logs.configure("console" if sys.stderr.isatty() else "json", "info")
        trio.run(serve, wanted)
    except ConfigError as error:
        _refuse(error)


def _refuse(error: ConfigError) -> NoReturn:
    logs.complain(error)
    raise typer.Exit(error.exit_code)
