"""The verbs that keep naived from buying; each is of some symbols or, without one, of the whole account."""

from typing import Annotated

import typer

from naivectl.asking import CHANGE_TIMEOUT, change, given, request_id, warn
from naivectl.client import call
from naivectl.flags import Symbols, decimal_or_none
from naivectl.invocation import Invocation
from naivectl.render import limits_tables, on_terminal, show, to_json


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


def _limits(
    context: typer.Context,
    max_exposure: Annotated[
        str | None,
        typer.Option(metavar="AMOUNT|none", callback=decimal_or_none, help="Most tied up over all symbols."),
    ] = None,
    reserve: Annotated[
        str | None,
        typer.Option(metavar="AMOUNT|none", callback=decimal_or_none, help="Free money that no buy spends."),
    ] = None,
    max_daily_loss: Annotated[
        str | None,
        typer.Option(
            metavar="AMOUNT|none", callback=decimal_or_none, help="Lost since 00:00 UTC: halts until the next day."
        ),
    ] = None,
    max_drawdown: Annotated[
        str | None,
        typer.Option(
            metavar="AMOUNT|none", callback=decimal_or_none, help="Lost since the peak: halts until resume."
        ),
    ] = None,
) -> int:
    """Show the limits of the account, or change them."""
    params = given(
        max_exposure=max_exposure, reserve=reserve, max_daily_loss=max_daily_loss, max_drawdown=max_drawdown
    )
    invocation: Invocation = context.obj
    if params:
        params["request_id"] = request_id()
    document = call(invocation.sockets(), "limits", params, CHANGE_TIMEOUT)
    if invocation.machine:
        print(to_json(document))
    elif on_terminal() and not invocation.quiet:
        from naivectl.human import show_limits  # deferred: it draws with Rich

        show_limits(document)
    elif not invocation.quiet:
        show(limits_tables(document))
    if not (invocation.machine or invocation.quiet):
        warn(document)
    return 0


def add_to(app: typer.Typer) -> None:
    app.command("halt", epilog="Example: naivectl halt ETHUSDT --reason news")(_halt)
    app.command("limits", epilog="Example: naivectl limits --max-exposure 5000 --reserve 200")(_limits)
    app.command("resume", epilog="Example: naivectl resume ETHUSDT")(_resume)
