"""The ``naived`` command: reads its options, runs the daemon or the simulator, and exits with its code."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from naived.cli import flags
from naived.cli.extras import missing
from naived.cli.launch import launch
from naived.cli.options import UsageError
from naived.process.complaint import complain
from naived.process.config import ConfigError

_EPILOG = (
    "Every option but --json, --diff, --help and --version is also an environment variable (--exchange: "
    "NAIVED_EXCHANGE) and, but for --config, a key in --config FILE (TOML)."
)

app = typer.Typer(
    name="naived",
    help="Trade many Binance spot symbols with one simple strategy; `naivectl` steers it. Without a command: run.",
    epilog=_EPILOG,
    add_completion=False,
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they print local variables, secrets among them
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Text = str | None


def main() -> None:
    """``naived`` alone, or with options, is ``naived run``."""
    app(args=_with_command(sys.argv[1:]), prog_name="naived")


def _with_command(arguments: Sequence[str]) -> list[str]:
    first = arguments[0] if arguments else "-"
    if first.startswith("-") and first not in ("-h", "--help", "--version"):
        return ["run", *arguments]
    return _each_tape(arguments) if first in ("backtest", "replay", "sweep") else list(arguments)


def _each_tape(arguments: Sequence[str]) -> list[str]:
    """``--tape A B`` as ``--tape A --tape B``: a shell writes it for ``--tape *.zip``."""
    words: list[str] = []
    taking = False
    for word in arguments:
        if taking and not word.startswith("-"):
            words += ["--tape", word]
            continue
        taking = word == "--tape"
        if not taking:
            words.append(word)
    return words


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
    config: flags.ConfigFile = None,
    home: flags.Home = None,
    socket: flags.Socket = None,
    database: flags.Database = None,
    exchange: flags.Exchange = None,
    exchange_url: flags.ExchangeUrl = None,
    api_key_file: flags.ApiKeyFile = None,
    api_secret_file: flags.ApiSecretFile = None,
    live: flags.Live = False,
    recv_window: flags.RecvWindow = None,
    grace: flags.Grace = None,
    log_format: flags.LogFormat = None,
    log_level: flags.LogLevel = None,
    metrics_listen: flags.MetricsListen = None,
    node: flags.Node = None,
    lease: flags.Lease = None,
    currency: flags.Currency = None,
) -> None:
    """The daemon, in the foreground."""
    raise typer.Exit(launch(context.params))


@app.command(epilog=_EPILOG)
def check(
    context: typer.Context,
    config: flags.ConfigFile = None,
    home: flags.Home = None,
    socket: flags.Socket = None,
    database: flags.Database = None,
    exchange: flags.Exchange = None,
    exchange_url: flags.ExchangeUrl = None,
    api_key_file: flags.ApiKeyFile = None,
    api_secret_file: flags.ApiSecretFile = None,
    live: flags.Live = False,
    recv_window: flags.RecvWindow = None,
    grace: flags.Grace = None,
    log_format: flags.LogFormat = None,
    log_level: flags.LogLevel = None,
    metrics_listen: flags.MetricsListen = None,
    node: flags.Node = None,
    lease: flags.Lease = None,
    currency: flags.Currency = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """Look at everything that `run` with the same options needs, and say what to do; changes nothing."""
    from naived.cli.check import perform  # deferred: `naived run --help` needs no database

    raise typer.Exit(perform({**context.params, "json": None}, machine=json))


@app.command(epilog=_EPILOG)
def simulate(
    context: typer.Context,
    config: flags.ConfigFile = None,
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
    import trio  # deferred, as the simulator: a backtest and `naived run --help` need neither

    from naived.cli.simulate import load, serve
    from naived.process import logs

    try:
        wanted = load(context.params, os.environ)
        logs.configure("console" if sys.stderr.isatty() else "json", "info")
        trio.run(serve, wanted)
    except ConfigError as error:
        _refuse(error)


@app.command(epilog=_EPILOG)
def backtest(
    context: typer.Context,
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL")],
    config: flags.ConfigFile = None,
    tape: flags.Tape = None,
    chunks: flags.Chunks = None,
    budget: flags.Budget = None,
    buy_down: flags.BuyDown = None,
    profit: flags.Profit = None,
    rebuy: flags.Rebuy = None,
    reprice: flags.Reprice = None,
    max_deviation: flags.MaxDeviation = None,
    spacing: flags.Spacing = None,
    floor: flags.Floor = None,
    ceiling: flags.Ceiling = None,
    fall_guard: flags.FallGuard = None,
    stop_loss: flags.StopLoss = None,
    stop_slippage: flags.StopSlippage = None,
    max_exposure: flags.MaxExposure = None,
    reserve: flags.Reserve = None,
    max_daily_loss: flags.MaxDailyLoss = None,
    max_drawdown: flags.MaxDrawdown = None,
    fee: flags.Fee = None,
    latency: flags.Latency = None,
    exchange_info: flags.ExchangeInfo = None,
    html: Annotated[_Text, typer.Option(metavar="FILE", help="write a page with charts")] = None,
    csv: Annotated[_Text, typer.Option(metavar="FILE", help="write the finished cycles")] = None,
    orders: Annotated[_Text, typer.Option(metavar="FILE", help="write every order, as JSON")] = None,
    no_cache: flags.NoCache = False,
    json: flags.Machine = False,
) -> None:
    """What a symbol's settings would have earned on recorded trades: the engine that trades live, over a tape."""
    try:
        from naived.cli.backtest import perform  # deferred: it needs numpy, which the daemon does not
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        _refuse(missing("a backtest needs numpy", "backtest"))
    try:
        raise typer.Exit(perform(symbol, context.params, os.environ))
    except ConfigError as error:
        _refuse(error)


@app.command(
    epilog="A setting takes one value, a list as in 0.003,0.006, or a range FROM:TO:STEP as in 0.001:0.005:0.0005."
)
def sweep(
    context: typer.Context,
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL")],
    config: flags.ConfigFile = None,
    tape: flags.Tape = None,
    chunks: flags.Chunks = None,
    budget: flags.Budget = None,
    buy_down: flags.BuyDown = None,
    profit: flags.Profit = None,
    rebuy: flags.Rebuy = None,
    reprice: flags.Reprice = None,
    max_deviation: flags.MaxDeviation = None,
    spacing: flags.Spacing = None,
    floor: flags.Floor = None,
    ceiling: flags.Ceiling = None,
    fall_guard: flags.FallGuard = None,
    stop_loss: flags.StopLoss = None,
    stop_slippage: flags.StopSlippage = None,
    max_exposure: flags.MaxExposure = None,
    reserve: flags.Reserve = None,
    max_daily_loss: flags.MaxDailyLoss = None,
    max_drawdown: flags.MaxDrawdown = None,
    fee: flags.Fee = None,
    latency: flags.Latency = None,
    exchange_info: flags.ExchangeInfo = None,
    split: Annotated[
        _Text, typer.Option(metavar="SHARE|none", help="of the time to choose on; the rest tests it [0.7]")
    ] = None,
    search: Annotated[_Text, typer.Option(metavar="N", help="draw N points instead of running all")] = None,
    seed: Annotated[_Text, typer.Option(metavar="N", help="of the search; the same draws the same [0]")] = None,
    jobs: Annotated[_Text, typer.Option(metavar="N", help="processes [one for each core]")] = None,
    dask: Annotated[_Text, typer.Option(metavar="ADDRESS", help="run on this Dask scheduler's workers")] = None,
    top: Annotated[_Text, typer.Option(metavar="N", help="how many of the best to show [10]")] = None,
    html: Annotated[_Text, typer.Option(metavar="FILE", help="write a page with heat maps")] = None,
    write: Annotated[
        _Text, typer.Option(metavar="FILE", help="write the best settings, for naivectl settings --from")
    ] = None,
    no_cache: flags.NoCache = False,
    json: flags.Machine = False,
) -> None:
    """Backtest every combination of settings, best first, each also on trades that it was not chosen on."""
    try:
        from naived.cli.sweep import perform  # deferred: it needs numpy, which the daemon does not
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        _refuse(missing("a sweep needs numpy", "backtest"))
    try:
        raise typer.Exit(perform(symbol, context.params, os.environ))
    except ConfigError as error:
        _refuse(error)


@app.command(epilog=_EPILOG)
def record(
    context: typer.Context,
    symbol: Annotated[list[str], typer.Argument(metavar="SYMBOL...", help="such as ETHUSDT", show_default=False)],
    to: Annotated[_Text, typer.Option(metavar="DIR", help="where the files go; needed")] = None,
    config: flags.ConfigFile = None,
    exchange: flags.Exchange = None,
    exchange_url: flags.ExchangeUrl = None,
    log_format: flags.LogFormat = None,
    log_level: flags.LogLevel = None,
) -> None:
    """Record public trades into files of a day, in the layout of data.binance.vision, until a signal ends it."""
    from naived.cli.record import perform  # deferred: `naived run --help` needs no exchange

    raise typer.Exit(perform(symbol, {**context.params, "symbol": None}))


@app.command(epilog=_EPILOG)
def replay(
    context: typer.Context,
    symbols: Annotated[list[str] | None, typer.Argument(metavar="SYMBOL...", show_default=False)] = None,
    diff: Annotated[bool, typer.Option("--diff", help="show what was decided otherwise, and why")] = False,
    config: flags.ConfigFile = None,
    home: flags.Home = None,
    database: flags.Database = None,
    exchange: flags.Exchange = None,
    tape: flags.Tape = None,
    fee: flags.Fee = None,
    latency: flags.Latency = None,
    exchange_info: flags.ExchangeInfo = None,
    json: flags.Machine = False,
) -> None:
    """Hold the journal against a backtest of what `naived record` wrote; exits 1 if they differ."""
    if not diff:
        _refuse(UsageError("--diff is missing: say `naived replay --diff [SYMBOL]... --tape FILE...`"))
    try:
        from naived.cli.replay import perform  # deferred: it needs numpy, which the daemon does not
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        _refuse(missing("a replay needs numpy", "backtest"))
    try:
        raise typer.Exit(perform(symbols or (), context.params, os.environ))
    except ConfigError as error:
        _refuse(error)


def _refuse(error: ConfigError) -> NoReturn:
    complain(error)
    raise typer.Exit(error.exit_code)
