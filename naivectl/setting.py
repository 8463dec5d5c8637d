"""The verbs that take the settings of symbols: ``start`` and ``settings``. They are commands of ``app``."""

from typing import Annotated

import typer

from naivectl import saved
from naivectl.asking import CHANGE_TIMEOUT, change, confirmed, given, symbol_params, wait_params, warn
from naivectl.client import Document, call
from naivectl.flags import (
    All,
    Budget,
    BuyDown,
    Ceiling,
    Chunks,
    FallGuard,
    Floor,
    MaxDeviation,
    Profit,
    Rebuy,
    Reprice,
    Spacing,
    StopLoss,
    StopSlippage,
    Symbols,
    Timeout,
    Wait,
    Yes,
)
from naivectl.invocation import Invocation
from naivectl.prose import say
from naivectl.render import complain, finish, on_terminal, sentence, settings_table, show

# Distances of prices: few people mean a tenth of the price, many a tenth of a percent.
_STEPS = ("buy_down", "profit", "rebuy", "reprice", "spacing")
_LARGE = "0.1"


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
    spacing: Spacing = None,
    floor: Floor = None,
    ceiling: Ceiling = None,
    fall_guard: FallGuard = None,
    stop_loss: StopLoss = None,
    stop_slippage: StopSlippage = None,
    source: saved.From = None,
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do, and change nothing.")] = False,
    wait: Wait = True,
    timeout: Timeout = None,
) -> int:
    """Begin trading, and go on after every reboot."""
    flags = given(
        chunks=chunks,
        budget=budget,
        buy_down=buy_down,
        profit=profit,
        rebuy=rebuy,
        reprice=reprice,
        max_deviation=max_deviation,
        spacing=spacing,
        floor=floor,
        ceiling=ceiling,
        fall_guard=fall_guard,
        stop_loss=stop_loss,
        stop_slippage=stop_slippage,
    )
    settings = saved.settings(context, source, symbols) | flags
    which = symbol_params("start", symbols, all)
    _doubt(context.obj, flags)
    if dry_run:
        return _plan(context.obj, which, settings)
    if not (yes or confirmed(context.obj, "start", {**which, **settings})):  # it may have a stop-loss already
        return 1
    return change(context, "start", {**which, **wait_params("start", wait, timeout), **settings})


def _doubt(invocation: Invocation, flags: Document) -> None:
    """Warn of a large fraction: somebody who means half a percent types 0.5."""
    if invocation.machine or invocation.quiet:
        return
    for name in _STEPS:
        text = flags.get(name, "%")
        if text.endswith("%"):
            continue
        from decimal import Decimal  # deferred: most command lines have no fraction

        if (rate := Decimal(text)) >= Decimal(_LARGE):
            flag = name.replace("_", "-")
            complain(
                f"warning: --{flag} {text} is {(rate * 100).normalize():f}%; for {text} percent type {text}%", None
            )


def _plan(invocation: Invocation, which: Document, settings: Document) -> int:
    params = {**which, **settings, "dry_run": True}
    document = call(invocation.sockets(), "start", params, CHANGE_TIMEOUT)
    if not (invocation.machine or invocation.quiet):
        for result in document["results"]:
            if not result.get("error"):
                if result.get("plan"):
                    from naivectl.reasons import planned  # deferred: few verbs say so much

                    print("\n".join(planned(result, settings)))
                if result.get("sells"):
                    say(sentence(result))
                warn(result)
    return finish(invocation, document)


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
    spacing: Spacing = None,
    floor: Floor = None,
    ceiling: Ceiling = None,
    fall_guard: FallGuard = None,
    stop_loss: StopLoss = None,
    stop_slippage: StopSlippage = None,
    source: saved.From = None,
    yes: Yes = False,
) -> int:
    """Show the settings, or change them for new traders."""
    flags = given(
        chunks=chunks,
        budget=budget,
        buy_down=buy_down,
        profit=profit,
        rebuy=rebuy,
        reprice=reprice,
        max_deviation=max_deviation,
        spacing=spacing,
        floor=floor,
        ceiling=ceiling,
        fall_guard=fall_guard,
        stop_loss=stop_loss,
        stop_slippage=stop_slippage,
    )
    changes = saved.settings(context, source, symbols) | flags
    if changes:
        _doubt(context.obj, flags)
        params = {**symbol_params("settings", symbols, all), **changes}
        if "stop_loss" in changes and not (yes or confirmed(context.obj, "settings", params)):
            return 1
        return change(context, "settings", params)
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
