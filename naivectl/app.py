"""The command line of `naivectl`: every verb, its options and their help. Completions are generated from it."""

import sys
import uuid
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from naivectl import queries, rows
from naivectl.client import SILENCE, Document, Failure, call
from naivectl.flags import (
    All,
    Budget,
    BuyDown,
    Chunks,
    Limit,
    MaxDeviation,
    Profit,
    Rebuy,
    Reprice,
    Since,
    Symbol,
    Symbols,
    Timeout,
    Wait,
    Yes,
)
from naivectl.invocation import Invocation
from naivectl.render import finish, on_terminal, sentence, settings_table, show
from naived.control.protocol import TIMEOUTS, parse_duration

app = typer.Typer(
    name="naivectl",
    help="Steer the trading daemon naived.",
    add_completion=False,  # static files are a hundred times faster: see completion.py
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback with locals would show what was typed
    rich_markup_mode=None,
)

_CHANGE_TIMEOUT = 60.0  # seconds for a change that waits only for its commit and a query to the exchange


class Cancel(StrEnum):
    NONE = "none"
    BUYS = "buys"
    ALL = "all"


class Goal(StrEnum):
    OFF = "off"
    TRADING = "trading"
    DRAINED = "drained"


def perform(arguments: Sequence[str], *, machine: bool) -> int:
    """Run a command line that begins with its global options; returns its exit code, raises Failure.

    For a program (``machine``) a usage error is a Failure too; else it is printed on stderr.
    """
    try:
        code = app(list(arguments), prog_name="naivectl", standalone_mode=False)
    except typer.TyperException as error:
        if machine:
            raise Failure("usage", error.format_message(), "see: naivectl --help", 2) from error
        error.show()  # type: ignore[attr-defined]
        return 2
    except typer.Abort:
        return 130
    return code if isinstance(code, int) else 0


@app.callback()
def invoke(
    context: typer.Context,
    socket: Annotated[str | None, typer.Option(metavar="PATH", help="The control socket.")] = None,
    home: Annotated[str | None, typer.Option(metavar="DIR", help="The daemon's home.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="A JSON document a line, where a verb streams.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing on success.")] = False,
) -> None:
    context.obj = Invocation(socket, home, json, jsonl, quiet)


@app.command()
def start(
    context: typer.Context,
    symbols: Symbols = None,
    all: All = False,
    chunks: Chunks = None,
    budget: Budget = None,
    buy_down: BuyDown = None,
    profit: Profit = None,
    rebuy: Rebuy = None,
    reprice: Reprice = None,
    max_deviation: MaxDeviation = None,
    wait: Wait = True,
    timeout: Timeout = None,
) -> int:
    """Begin trading, and go on after every reboot."""
    settings = _given(
        chunks=chunks,
        budget=budget,
        buy_down=buy_down,
        profit=profit,
        rebuy=rebuy,
        reprice=reprice,
        max_deviation=max_deviation,
    )
    return _change(
        context,
        "start",
        {**_symbol_params("start", symbols, all), **_wait_params("start", wait, timeout), **settings},
    )


@app.command()
def stop(
    context: typer.Context,
    symbols: Symbols = None,
    all: All = False,
    cancel: Annotated[Cancel, typer.Option(help="Which of our open orders to cancel.")] = Cancel.NONE,
    yes: Yes = False,
    wait: Wait = True,
    timeout: Timeout = None,
) -> int:
    """Stop at once and list the orders that stay open at the exchange."""
    params = {**_symbol_params("stop", symbols, all), "cancel": cancel.value}
    waiting = _wait_params("stop", wait, timeout)
    if cancel is Cancel.ALL and not (yes or _confirmed(context.obj, "stop", params)):
        return 1
    return _change(context, "stop", {**params, **waiting})


@app.command()
def shutdown(
    context: typer.Context,
    symbols: Symbols = None,
    all: All = False,
    keep_buys: Annotated[bool, typer.Option("--keep-buys", help="Let open buys rest until they fill.")] = False,
    wait: Wait = False,
    timeout: Timeout = None,
) -> int:
    """Let every open trade finish, start none, then end by itself."""
    which = _symbol_params("shutdown", symbols, all)
    return _change(
        context, "shutdown", {**which, **_wait_params("shutdown", wait, timeout), "keep_buys": keep_buys}
    )


@app.command()
def status(
    context: typer.Context,
    symbols: Symbols = None,
    live: Annotated[bool, typer.Option("--live", help="Redraw until interrupted.")] = False,
) -> int:
    """What every symbol is doing; of a named symbol also its traders."""
    return queries.status(context.obj, symbols or (), live=live)


@app.command()
def settings(
    context: typer.Context,
    symbols: Symbols = None,
    all: All = False,
    chunks: Chunks = None,
    budget: Budget = None,
    buy_down: BuyDown = None,
    profit: Profit = None,
    rebuy: Rebuy = None,
    reprice: Reprice = None,
    max_deviation: MaxDeviation = None,
) -> int:
    """Show the settings, or change them for new traders."""
    changes = _given(
        chunks=chunks,
        budget=budget,
        buy_down=buy_down,
        profit=profit,
        rebuy=rebuy,
        reprice=reprice,
        max_deviation=max_deviation,
    )
    if changes:
        return _change(context, "settings", {**_symbol_params("settings", symbols, all), **changes})
    invocation: Invocation = context.obj
    document = call(invocation.sockets(), "settings", {"symbols": symbols or []})
    if not (invocation.machine or invocation.quiet):
        _show_settings(invocation, document, one=len(symbols or ()) == 1)
    return finish(invocation, document)


def _show_settings(invocation: Invocation, document: Document, *, one: bool) -> None:
    results = [row for row in document["results"] if not row.get("error")]
    if on_terminal() and (results or not one):
        from naivectl.human import show_settings  # deferred: it draws with Rich

        show_settings(invocation.sockets(), results, one=one)
    elif not on_terminal():
        show([settings_table(results)])


@app.command()
def orders(context: typer.Context, symbols: Symbols = None, limit: Limit = None, since: Since = None) -> int:
    """Every order and its state, oldest first."""
    return rows.query(context.obj, "orders", _page_params(symbols, limit, since))


@app.command()
def trades(context: typer.Context, symbols: Symbols = None, limit: Limit = None, since: Since = None) -> int:
    """Finished cycles with their profit after fees, oldest first."""
    return rows.query(context.obj, "trades", _page_params(symbols, limit, since))


@app.command()
def events(
    context: typer.Context,
    symbols: Symbols = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they happen.")] = False,
    limit: Limit = None,
    since: Since = None,
) -> int:
    """What happened, one line each."""
    if not follow:
        return rows.query(context.obj, "events", _page_params(symbols, limit, since))
    if since:
        raise typer.BadParameter("--follow takes --limit, not --since")
    invocation: Invocation = context.obj
    if invocation.json and not invocation.jsonl:
        raise typer.BadParameter("--follow has no end, and --json is one document; take --jsonl, one a line")
    return rows.follow(invocation, symbols or (), limit)


@app.command()
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
    params = {**_symbol_params("wait", symbols, all), "for": goal.value, "timeout": _timeout("wait", timeout)}
    return _report(context.obj, _ask(context, "wait", params))


@app.command("is-trading")
def is_trading(context: typer.Context, symbol: Symbol) -> int:
    """Exit with 0 if it is trading, else with 3."""
    return queries.is_trading(context.obj, symbol)


@app.command()
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
    if ignore and not (yes or _confirmed(context.obj, "resolve", params)):
        return 1
    return _change(context, "resolve", params)


@app.command()
def version(context: typer.Context) -> int:
    """The versions of client and daemon."""
    return queries.version(context.obj)


@app.command()
def ping(context: typer.Context) -> int:
    """Does the daemon answer?"""
    return queries.ping(context.obj)


@app.command()
def metrics(context: typer.Context) -> int:
    """Figures about the daemon and its symbols, as text for Prometheus."""
    return queries.metrics(context.obj)


@app.command("__symbols", hidden=True)
def symbols_of(context: typer.Context) -> int:
    """The symbols, for shells to complete with."""
    return queries.symbols(context.obj)


def _symbol_params(verb: str, symbols: Sequence[str] | None, all: bool) -> Document:
    if all == bool(symbols):
        raise typer.BadParameter(f"{verb} needs a SYMBOL, or --all for every symbol")
    return {"all": True} if all else {"symbols": list(symbols or ())}


def _given(**values: Any) -> Document:
    return {name: value for name, value in values.items() if value is not None}


def _timeout(verb: str, text: str | None) -> str:
    if text is None:
        seconds = TIMEOUTS[verb]
        return "none" if seconds is None else f"{seconds:.0f}s"
    if text != "none":
        try:
            parse_duration(text)
        except ValueError as error:
            raise typer.BadParameter(f"--timeout {error}") from error
    return text


def _wait_params(verb: str, wait: bool, timeout: str | None) -> Document:
    return {"wait": wait, "timeout": _timeout(verb, timeout)}


def _patience(params: Document) -> float | None:
    """Seconds to wait for the answer, None for no limit: the wait that was asked for, and time to answer."""
    timeout = params.get("timeout")
    if timeout is None or (timeout == "none" and not params.get("wait", True)):
        return _CHANGE_TIMEOUT
    return None if timeout == "none" else SILENCE + parse_duration(timeout)


def _page_params(symbols: Sequence[str] | None, limit: int | None, since: str | None) -> Document:
    try:
        start = since and rows.since(since)
    except ValueError as error:
        raise typer.BadParameter(f"--since {error}") from error
    return _given(symbols=list(symbols or ()), limit=limit, since=start)


def _ask(context: typer.Context, method: str, params: Document) -> Document:
    """The answer of a daemon, which may start or suspend for as long as the verb may wait."""
    timeout, patience = params.get("timeout", "none"), _patience(params)
    door = patience if timeout == "none" else parse_duration(timeout)
    return call(context.obj.sockets(), method, params, patience, door)


def _change(context: typer.Context, method: str, params: Document) -> int:
    """Request a change with a new request id, so that a repeated request is done once."""
    params = {**params, "request_id": str(uuid.uuid4())}
    return _report(context.obj, _ask(context, method, params))


def _confirmed(invocation: Invocation, method: str, params: Document) -> bool:
    """Ask on a terminal whether to lose what the request would lose; True where nothing is lost or nobody is there.

    The daemon tells it in a dry run, which changes nothing.
    """
    if invocation.machine or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    document = call(invocation.sockets(), method, {**params, "dry_run": True}, _CHANGE_TIMEOUT)
    losing = [result for result in document["results"] if result.get("lost") or result.get("unsold")]
    if not losing:
        return True
    for result in losing:
        print(sentence(result))
    print("Go on? [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    print("nothing changed")
    return False


def _report(invocation: Invocation, document: Document) -> int:
    if not (invocation.machine or invocation.quiet):
        for result in document["results"]:
            if not result.get("error"):
                print(sentence(result))
    return finish(invocation, document)
