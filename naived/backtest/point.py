"""One point of a sweep, on the part of the tape that settings are chosen on, and on the rest."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from naived.backtest import documents
from naived.backtest.result import Rules, Setup
from naived.backtest.run import backtest
from naived.backtest.tape import Tape
from naived.backtest.trading import BacktestError
from naived.control.protocol import format_time
from naived.core.amount import Money, Price, Rate
from naived.core.risk import NO_LIMITS, Limits
from naived.core.strategy.formulas import Fees
from naived.core.strategy.settings import Settings
from naived.core.strategy.sizing import misfit, terms_of, unfit
from naived.core.strategy.trader import cause

Halves: TypeAlias = tuple[Tape, Tape | None]
"""In sample; out of sample, None if the tape is not split."""

# Of the summary of a backtest: what is the same for all points, or takes another time at each run.
_COMMON = ("v", "symbol", "base", "quote", "settings", "limits", "fee", "latency_ms", "warnings")
_TIMINGS = ("load_seconds", "scan_seconds")


@dataclass(frozen=True, slots=True)
class Terms:
    """What all points have in common; ``latency`` is ms, ``limits`` are those of the account."""

    rules: Rules
    fee: Rate
    latency: int
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True)
class Figures:
    """``score`` is the profit, realised and not; ``summary`` has fields of ``naived backtest --json``.

    ``halted``: since when nothing was bought any more, and why.
    """

    score: Money
    drawdown: Money
    summary: dict[str, Any]
    halted: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a point earned. ``reason``: why it has no figures, or bought nothing more, in sample or out of it."""

    in_sample: Figures | None
    out_of_sample: Figures | None = None
    reason: str | None = None


def run(halves: Halves, settings: Settings, terms: Terms) -> Outcome:
    """Backtest a point; each part begins without coins."""
    first, rest = halves
    setup = Setup(terms.rules, settings, terms.fee, terms.latency, terms.limits)
    chosen = _figures(first, setup)
    if isinstance(chosen, str):
        return Outcome(None, None, chosen)
    later = None if rest is None else _figures(rest, setup)
    out = later if isinstance(later, str) else None if later is None else later.halted
    said = [chosen.halted, None if out is None else f"out of sample: {out}"]
    reason = "; ".join(each for each in said if each is not None) or None
    return Outcome(chosen, None if isinstance(later, str) else later, reason)


def _figures(tape: Tape, setup: Setup) -> Figures | str:
    """What a backtest finds, or why the settings cannot trade here."""
    refused = _unfit(tape, setup)
    if refused is not None:
        return refused
    try:
        result = backtest(tape, setup)
    except BacktestError as error:
        return str(error)
    summary = documents.summary(result)
    for name in (*_COMMON, *_TIMINGS):
        summary.pop(name, None)
    halt = result.ended_by
    halted = None if halt is None else f"halted at {format_time(halt.since)}: {cause(halt.reason)}"
    return Figures(Money(result.profit + result.unrealized), result.max_drawdown, summary, halted)


def _unfit(tape: Tape, setup: Setup) -> str | None:
    """Why ``naivectl start`` would refuse the settings at the first price: a share is too small or too large."""
    settings, info = setup.settings, setup.rules.info
    terms = terms_of(settings, Fees(setup.fee, setup.fee))
    price = Price(int(tape.parts[0].prices[0]))
    failed = unfit(terms, price, terms.budget, terms.chunks, info.filters)
    if failed not in ("NOTIONAL", "LOT_SIZE"):
        return None
    return misfit(failed, terms, price, info.filters, info.quote)
