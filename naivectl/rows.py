"""`orders`, `trades`, `events`: pages joined into one document, and events as they happen."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from naivectl.client import Document, Failure, call, garbled, stream
from naivectl.invocation import Invocation
from naivectl.render import complain, event_line, on_terminal, rows_table, show, to_json
from naived.control.protocol import format_time, parse_duration, parse_time

_TAIL = 10  # events that `events -f` begins with, as `tail -f` does
_PAGE_TIMEOUT = 60.0  # seconds for a page: a database with the rows of years may need long


def since(text: str) -> str:
    """An RFC 3339 time, or a duration ago (``2h``), as a time of `format_time`; raises ValueError."""
    try:
        moment = int((time.time() - parse_duration(text)) * 1000)
    except ValueError:
        moment = parse_time(text)
    return format_time(max(0, moment))  # nothing happened before 1970


def pages(invocation: Invocation, method: str, params: Document) -> Document:
    """All rows of all pages as one document; ``limit`` counts over all pages. Raises Failure."""
    params = dict(params)
    rows: list[Document] = []
    while True:
        page = call(invocation.sockets(), method, params, _PAGE_TIMEOUT)
        rows += page[method]
        if page.get("next") is None:
            return {"v": 1, method: rows}
        if not page[method] or page["next"] <= params.get("after", -1):
            raise garbled("its pages do not end")
        params["after"] = page["next"]
        if "limit" in params:
            params["limit"] -= len(page[method])
            if params["limit"] <= 0:
                return {"v": 1, method: rows}


def query(invocation: Invocation, method: str, params: Document, *, as_csv: bool = False) -> int:
    """Print the rows, oldest first; raises Failure."""
    if as_csv and invocation.machine:
        raise Failure("usage", "--csv and --json are two forms of one answer; take one of them", None, 2)
    document = pages(invocation, method, params)
    if as_csv:
        from naivectl.reasons import write_csv  # deferred: most do not need it

        write_csv(method, document[method])
    elif invocation.machine:
        print(to_json(document))
    elif not invocation.quiet:
        if on_terminal():
            from naivectl.human import show_rows  # deferred: it draws with Rich

            show_rows(invocation.sockets(), method, document[method], params.get("since"))
        else:
            _print_rows(method, document[method])
    return 0


def _print_rows(method: str, rows: Sequence[Document]) -> None:
    if method != "events":
        show([rows_table(method, rows)])
        return
    for event in rows:
        print(event_line(event))


def follow(invocation: Invocation, symbols: Sequence[str], limit: int | None) -> int:
    """Print the newest events, then each as it happens, until interrupted."""
    params = {"symbols": list(symbols), "follow": True, "limit": limit or _TAIL}
    show = _printer()
    with suppress(KeyboardInterrupt):  # Ctrl-C is the normal way to end it
        for item in stream(invocation.sockets(), "events", params):
            if invocation.machine:
                print(to_json(item), flush=True)
            elif gap := item.get("gap"):
                complain(f"events {gap['from']} to {gap['to']} were missed", None)
            else:
                show(item)
                sys.stdout.flush()
    return 0


def _printer() -> Callable[[Document], None]:
    """What prints one event."""
    if not on_terminal():
        return lambda event: print(event_line(event))
    from naivectl.human import EventPrinter  # deferred: it draws with Rich

    return EventPrinter().show
