"""The verbs that keep naived from buying; each is of some symbols or, without one, of the whole account."""

from typing import Annotated

import typer

from naivectl.asking import change, given
from naivectl.flags import Symbols


def _halt(
    context: typer.Context,
    symbols: Symbols = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, in your words.")] = None,
    keep_buys: Annotated[bool, typer.Option("--keep-buys", help="Let open buys rest until they fill.")] = False,
) -> int:
    """Buy nothing, sell on; without a symbol the whole account."""
    return change(context, "halt", {"symbols": symbols or [], "keep_buys": keep_buys, **given(reason=reason)})


def _resume(context: typer.Context, symbols: Symbols = None) -> int:
    """End a halt; without a symbol that of the account."""
    return change(context, "resume", {"symbols": symbols or []})


def add_to(app: typer.Typer) -> None:
    app.command("halt", epilog="Example: naivectl halt ETHUSDT --reason news")(_halt)
    app.command("resume", epilog="Example: naivectl resume ETHUSDT")(_resume)
