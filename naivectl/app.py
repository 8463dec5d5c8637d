"""The command line of `naivectl`: every verb, its options and their help. Completions are generated from it."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated

import typer
from typer.models import CommandInfo

from naivectl import guards, nodes, offline, queries, rows, setting, shells
from naivectl.asking import (
    ask,
    change,
    confirmed,
    page_params,
    report,
    symbol_params,
    timeout_text,
    wait_params,
)
from naivectl.client import Document, Failure, call
from naivectl.flags import (
    All,
    Csv,
    Limit,
    Since,
    Symbol,
    Symbols,
    Timeout,
    Wait,
    Yes,
)
from naivectl.invocation import Invocation
from naivectl.render import to_json

app = typer.Typer(
    name="naivectl",
    help="Steer the trading daemon naived.",
    add_completion=False,  # static files are a hundred times faster: see completion.py
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback with locals would show what was typed
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Cancel(StrEnum):
    NONE = "none"
    BUYS = "buys"
    ALL = "all"


class Goal(StrEnum):
    OFF = "off"
    TRADING = "trading"
    DRAINED = "drained"


def perform(arguments: Sequence[str], *, machine: bool, verb: str | None = None) -> int:
    """Run a command line that begins with its global options; returns its exit code.

    Raises Failure, and KeyboardInterrupt.

    For a program (``machine``) a usage error is a Failure too; else it is printed on stderr. ``verb`` is the one
    that is asked for, if it is known.
    """
    every = app.registered_commands
    # Typer reads the signatures of all commands that it knows, which takes longer than a verb does.
    app.registered_commands = [command for command in every if verb == _name(command)] or every
    try:
        code = app(list(arguments), prog_name="naivectl", standalone_mode=False)
    except typer.TyperException as error:
        if machine:
            raise Failure("usage", error.format_message(), "see: naivectl --help", 2) from error
        error.show()  # type: ignore[attr-defined]
        return 2
    except typer.Abort:
        return 130
    finally:
        app.registered_commands = every
    if code == 130:  # what Typer makes of Ctrl-C
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _name(command: CommandInfo) -> str:
    return command.name or getattr(command.callback, "__name__", "").replace("_", "-")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # deferred: slow, and nothing else needs it

        print(f"naivectl {version('naived')}")
        raise typer.Exit


@app.callback()
def invoke(
    context: typer.Context,
    socket: Annotated[str | None, typer.Option(metavar="PATH", help="The control socket.")] = None,
    home: Annotated[str | None, typer.Option(metavar="DIR", help="The daemon's home.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="A JSON document a line, where a verb streams.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing on success.")] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="The version of this program.")
    ] = False,
) -> None:
    context.obj = Invocation(socket, home, json, jsonl, quiet)


app.command(epilog="Example: naivectl start ETHUSDT BTCUSDT --budget 500 --chunks 5")(setting.start)


@app.command(epilog="Example: naivectl stop ETHUSDT --cancel buys")
def stop(
    context: typer.Context,
    symbols: Symbols = None,
    all: All = False,
    cancel: Annotated[Cancel, typer.Option(help="Which of our open orders to cancel.")] = Cancel.NONE,
    yes: Yes = False,
    wait: Wait = True,
    timeout: Timeout = None,
) -> int:
    """Stop at once, and name the orders that stay open."""
    params = {**symbol_params("stop", symbols, all), "cancel": cancel.value}
    waiting = wait_params("stop", wait, timeout)
    if cancel is Cancel.ALL and not (yes or confirmed(context.obj, "stop", params)):
        return 1
    return change(context, "stop", {**params, **waiting})


@app.command(epilog="Example: naivectl shutdown --all --wait --timeout 1h")
def shutdown(
    context: typer.Context,
    symbols: Symbols = None,
    all: All = False,
    keep_buys: Annotated[bool, typer.Option("--keep-buys", help="Let open buys rest until they fill.")] = False,
    yes: Yes = False,
    wait: Wait = False,
    timeout: Timeout = None,
) -> int:
    """Let every open trade finish, start none, then end by itself."""
    which = symbol_params("shutdown", symbols, all)
    if not (yes or confirmed(context.obj, "shutdown", which)):  # the stop-loss of one that is off acts again
        return 1
    return change(context, "shutdown", {**which, **wait_params("shutdown", wait, timeout), "keep_buys": keep_buys})


@app.command(epilog="Example: naivectl status --live")
def status(
    context: typer.Context,
    symbols: Symbols = None,
    live: Annotated[bool, typer.Option("--live", help="Redraw until interrupted.")] = False,
) -> int:
    """What every symbol is doing, and of a named one all."""
    return queries.status(context.obj, symbols or (), live=live)


app.command(epilog="Example: naivectl settings ETHUSDT --profit 0.2%")(setting.settings)


@app.command(epilog="Example: naivectl orders ETHUSDT --since 1h")
def orders(
    context: typer.Context, symbols: Symbols = None, limit: Limit = None, since: Since = None, csv: Csv = False
) -> int:
    """Every order and its state, oldest first."""
    return rows.query(context.obj, "orders", page_params(symbols, limit, since), as_csv=csv)


@app.command(epilog="Example: naivectl trades --csv --since 2026-11-01T00:00:00Z > trades.csv")
def trades(
    context: typer.Context, symbols: Symbols = None, limit: Limit = None, since: Since = None, csv: Csv = False
) -> int:
    """Finished cycles with their profit after fees, oldest first."""
    return rows.query(context.obj, "trades", page_params(symbols, limit, since), as_csv=csv)


@app.command(epilog="Example: naivectl events -f ETHUSDT")
def events(
    context: typer.Context,
    symbols: Symbols = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they happen.")] = False,
    limit: Limit = None,
    since: Since = None,
) -> int:
    """What happened, one line each."""
    if not follow:
        return rows.query(context.obj, "events", page_params(symbols, limit, since))
    if since:
        raise typer.BadParameter("--follow takes --limit, not --since")
    invocation: Invocation = context.obj
    if invocation.json and not invocation.jsonl:
        raise typer.BadParameter("--follow has no end, and --json is one document; take --jsonl, one a line")
    return rows.follow(invocation, symbols or (), limit)


@app.command(epilog="Example: naivectl wait ETHUSDT --for drained --timeout 1h")
def wait(
    context: typer.Context,
    goal: Annotated[
        Goal, typer.Option("--for", help="drained: off, nothing of ours open, no coins but lots too small to sell.")
    ],
    symbols: Symbols = None,
    all: All = False,
    timeout: Timeout = None,
) -> int:
    """Wait until every symbol reaches the state."""
    params = {**symbol_params("wait", symbols, all), "for": goal.value, "timeout": timeout_text("wait", timeout)}
    return report(context.obj, ask(context, "wait", params))


@app.command("is-trading", epilog="Example: naivectl is-trading ETHUSDT || naivectl start ETHUSDT")
def is_trading(context: typer.Context, symbol: Symbol) -> int:
    """Exit with 0 if it is trading, else with 3."""
    return queries.is_trading(context.obj, symbol)


@app.command(epilog="Example: naivectl resolve ETHUSDT dhb7j56t --adopt")
def resolve(
    context: typer.Context,
    symbol: Symbol,
    order: Annotated[str | None, typer.Argument(metavar="CLIENT_ORDER_ID", show_default=False)] = None,
    all: Annotated[bool, typer.Option("--all", help="Every order of the symbol that is held.")] = False,
    adopt: Annotated[bool, typer.Option("--adopt", help="Take the order back, and sell what it bought.")] = False,
    ignore: Annotated[bool, typer.Option("--ignore", help="Write it off and forget it.")] = False,
    yes: Yes = False,
) -> int:
    """End a quarantine or a hold."""
    if all == (order is not None):
        raise typer.BadParameter("resolve needs a CLIENT_ORDER_ID, or --all for every order of the symbol")
    if adopt == ignore:
        raise typer.BadParameter("resolve needs --adopt or --ignore")
    params: Document = {"symbols": [symbol], "action": "adopt" if adopt else "ignore"}
    params = {**params, "all": True} if all else {**params, "client_order_id": order}
    if not (yes or confirmed(context.obj, "resolve", params)):
        return 1
    return change(context, "resolve", params)


@app.command(epilog="Example: naivectl explain ETHUSDT")
def explain(context: typer.Context, symbol: Symbol) -> int:
    """Why a symbol buys and sells now, or does not."""
    from naivectl.reasons import explanation  # deferred, here and below: few verbs say so much

    return _show(context.obj, call(context.obj.sockets(), "explain", {"symbols": [symbol]}), explanation)


@app.command(epilog="Example: naivectl why ETHUSDT dhb7j56t")
def why(
    context: typer.Context,
    symbol: Symbol,
    order: Annotated[str, typer.Argument(metavar="CLIENT_ORDER_ID", show_default=False)],
) -> int:
    """One order's life, from its decision to its end.

    Any beginning of its id is enough, without the tag, that no other order has."""
    from naivectl.reasons import life

    document = call(context.obj.sockets(), "why", {"symbols": [symbol], "client_order_id": order})
    return _show(context.obj, document, life)


def _show(invocation: Invocation, document: Document, lines: Callable[[Document], list[str]]) -> int:
    if invocation.machine:
        print(to_json(document))
    elif not invocation.quiet:
        print("\n".join(lines(document)))
    return 0


@app.command(epilog="Example: naivectl forget ETHUSDT")
def forget(context: typer.Context, symbols: Symbols = None, all: All = False, yes: Yes = False) -> int:
    """Take symbols that are off out of status.

    Their lots are written off, their history stays."""
    params = symbol_params("forget", symbols, all)
    if not (yes or confirmed(context.obj, "forget", params)):
        return 1
    return change(context, "forget", params)


@app.command(epilog="Example: naivectl --json version")
def version(context: typer.Context) -> int:
    """The versions of client and daemon."""
    return queries.version(context.obj)


@app.command(epilog="Example: naivectl ping && echo it answers")
def ping(context: typer.Context) -> int:
    """Does the daemon answer?"""
    return queries.ping(context.obj)


@app.command()
def metrics(context: typer.Context) -> int:
    """Figures for Prometheus, as text."""
    return queries.metrics(context.obj)


guards.add_to(app)
nodes.add_to(app)
offline.add_to(app)
shells.add_to(app)
