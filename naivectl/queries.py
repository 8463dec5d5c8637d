"""The most frequent verbs, used by people and by cron: they need no library except the standard one.

Each returns its exit code and raises Failure. `main` calls them without Typer where it can, `app` with it.
"""

import time
from collections.abc import Sequence
from contextlib import suppress

from naivectl.client import Document, Failure, call, stream
from naivectl.invocation import Invocation
from naivectl.render import complain, on_terminal, show, status_tables, to_json
from naivectl.table import clean
from naived.control.protocol import Code


def status(invocation: Invocation, symbols: Sequence[str], *, live: bool = False) -> int:
    """Print the symbols, and the traders of named ones."""
    params = {"symbols": list(symbols)}
    if live and invocation.jsonl:
        return _stream_status(invocation, params)
    if live and not invocation.machine and on_terminal():
        return _live(invocation, params)
    document = call(invocation.sockets(), "status", params)
    if invocation.machine:
        print(to_json(document))
    elif not invocation.quiet:
        _show(invocation, document, traders=bool(symbols))
    return 0


def _show(invocation: Invocation, document: Document, *, traders: bool) -> None:
    if on_terminal():
        from naivectl import human  # deferred: it draws with Rich

        if traders:
            human.show_symbols(invocation.sockets(), document)
        else:
            human.show_status(document)
        return
    show(status_tables(document, traders=traders))
    daemon = document.get("daemon", {})
    state, reason = daemon.get("state"), daemon.get("reason")
    if state != "ready" or reason:
        complain(f"naived is {clean(state)}" + (f": {clean(reason)}" if reason else ""), None)


def _stream_status(invocation: Invocation, params: Document) -> int:
    with suppress(KeyboardInterrupt):
        for document in stream(invocation.sockets(), "watch", params):
            print(to_json(document), flush=True)
    return 0


def _live(invocation: Invocation, params: Document) -> int:
    from naivectl.live import watch  # deferred: it draws with Rich

    with suppress(KeyboardInterrupt):  # Ctrl-C is the normal way to end it, also while naived starts
        return watch(invocation.sockets(), params)
    return 0


def is_trading(invocation: Invocation, symbol: str) -> int:
    """Returns 0 for `trading` without a halt, else 3, also for what is no symbol; prints nothing."""
    sockets = invocation.sockets()
    try:
        document = call(sockets, "status", {"symbols": [symbol]})
    except Failure as failure:
        if failure.exit not in (Code.UNKNOWN_SYMBOL.exit, Code.INVALID_PARAMS.exit):
            raise
        return 3
    halted = document["daemon"].get("halt")
    rows = document["symbols"]
    return (
        0 if rows and not halted and all(row["state"] == "trading" and not row.get("halt") for row in rows) else 3
    )


def ping(invocation: Invocation) -> int:
    """Does the daemon answer, and how fast?"""
    start = time.perf_counter()
    daemon = call(invocation.sockets(), "hello", {})
    milliseconds = f"{(time.perf_counter() - start) * 1000:.1f}".removesuffix(".0")  # as every decimal
    if invocation.machine:
        print(
            to_json({"v": 1, "pid": daemon.get("pid"), "state": daemon.get("state"), "milliseconds": milliseconds})
        )
    elif not invocation.quiet:
        state, pid = clean(daemon.get("state")), clean(daemon.get("pid"))
        print(f"naived answers in {milliseconds} ms: {state}, pid {pid}")
    return 0


def version(invocation: Invocation) -> int:
    """Print the versions of client and daemon; ours even without a daemon."""
    from importlib.metadata import version as installed  # deferred: slow, and nothing else needs it

    ours = installed("naived")
    if not invocation.machine and not invocation.quiet:
        print(f"naivectl {ours}", flush=True)
    daemon = call(invocation.sockets(), "hello", {})
    if invocation.machine:
        print(to_json({"v": 1, "client": ours, "daemon": daemon.get("server"), "proto": daemon.get("proto")}))
    elif not invocation.quiet:
        print(f"naived {clean(daemon.get('server'))}")
    return 0


def metrics(invocation: Invocation) -> int:
    """Print the daemon's figures as they are scraped; a control character in them is replaced."""
    document = call(invocation.sockets(), "metrics", {})
    if invocation.machine:
        print(to_json(document))
    elif not invocation.quiet:
        for line in document["text"].splitlines():
            print(clean(line))
    return 0
