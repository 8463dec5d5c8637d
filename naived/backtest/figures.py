"""What a trader asks of a backtest, in the order of asking: rows of figures for the terminal, pipes and the page.

Amounts are exact integers of 10^-8; how many digits are shown is the caller's choice.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from statistics import median_low

from naived.backtest.result import Result
from naived.control.protocol import format_time
from naived.core.amount import SCALE, Money, format_amount

Writer = Callable[[int], str]
"""Writes an amount of the quote asset."""

_AMOUNTS = ("budget", "floor", "ceiling")  # settings that are no rates
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000  # ms


class Tone(StrEnum):
    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Row:
    """``amount`` is a number with its unit, or another short text; ``note`` puts it in relation."""

    name: str
    amount: str
    note: str = ""
    tone: Tone = Tone.PLAIN


def title(result: Result) -> str:
    """The symbol and its period: ``ETHUSDT, 2025-01-01 00:00 to 2025-01-31 23:59 UTC, 31d 0h``."""
    began, ended = map(minute, (result.began, result.ended))
    return f"{result.setup.rules.info.symbol}, {began} to {ended} UTC, {span(result.ended - result.began)}"


def minute(at: int) -> str:
    """``2025-01-01 00:00``, of ms since 1970."""
    return format_time(at)[:16].replace("T", " ")


def settings(result: Result) -> str:
    """What was backtested: ``chunks 5, budget 1000, ... fee 0.1%``, what is off left out."""
    setup = result.setup
    values = setup.settings
    words = []
    for name in values.__struct_fields__:
        value = getattr(values, name)
        if value and (name != "stop_slippage" or values.stop_loss):
            words.append(f"{name.replace('_', '-')} {_setting(name, value)}")
    words.append(f"fee {format_amount(setup.fee * 100)}%")
    if setup.latency:
        words.append(f"latency {setup.latency} ms")
    return ", ".join(words)


def _setting(name: str, value: object) -> str:
    if name == "chunks" or not isinstance(value, int):
        return "none" if value is None else str(value)
    return format_amount(value) if name in _AMOUNTS else f"{format_amount(value * 100)}%"


def rows(result: Result, money: Writer) -> Iterator[Row]:
    """All figures, what is asked first first."""
    info = result.setup.rules.info
    quote, budget = info.quote, result.setup.settings.budget or Money(0)
    profit, unrealized = result.profit, result.unrealized
    together = Money(profit + unrealized)

    def of_budget(part: int) -> str:
        return f"{percent(part, budget)} of the budget"

    yield Row("profit after fees", f"{signed(profit, money)} {quote}", of_budget(profit), tone(profit))
    yield Row("unrealised", f"{signed(unrealized, money)} {quote}", _held(result, money), tone(unrealized))
    yield Row("both together", f"{signed(together, money)} {quote}", of_budget(together), tone(together))
    hold = result.buy_and_hold
    bought = f"{of_budget(hold)}, from {format_amount(result.first_price)} to {format_amount(result.last_price)}"
    yield Row("buy and hold", f"{signed(hold, money)} {quote}", bought, tone(hold))
    fall = result.max_drawdown
    yield Row("largest drawdown", f"{signed(-fall, money)} {quote}", of_budget(-fall), tone(-fall))
    yield Row("most tied up", f"{money(result.max_tied_up)} {quote}", of_budget(result.max_tied_up))
    yield Row("fees", f"{money(result.fees)} {quote}", "in the figures above")
    lasted = result.ended - result.began
    yield Row("time in market", percent(result.in_market, lasted), f"{span(result.in_market)} of {span(lasted)}")
    yield Row("cycles", f"{len(result.cycles):,}", _times(result))
    yield Row("orders", f"{len(result.orders):,}", f"{len(result.fills):,} filled")
    if result.halts:
        first, last = result.halts[0], result.ended_by
        end = "" if last is None else f"; nothing is bought from {minute(last.since)} UTC on: nobody resumes"
        yield Row("halts", f"{len(result.halts):,}", f"the first: {first.reason}{end}", Tone.BAD)
    yield Row("trades", f"{result.trades_scanned:,}", _speed(result), Tone.QUIET)


def tone(amount: int) -> Tone:
    return Tone.GOOD if amount > 0 else Tone.BAD if amount < 0 else Tone.PLAIN


def _held(result: Result, money: Writer) -> str:
    """What is held at the end, its cost, and what it would bring at the last price after the fee."""
    if not result.held:
        return "nothing is held at the end"
    worth = Money(result.held_cost + result.unrealized)
    held = f"{format_amount(result.held)} {result.setup.rules.info.base}"
    return f"{held} held, cost {money(result.held_cost)}, worth {money(worth)}"


def cycle_times(result: Result) -> list[int]:
    """How long (ms) each cycle took, from its trader's start."""
    return [trader.since - trader.started_at for trader in result.cycles]


def _times(result: Result) -> str:
    times = cycle_times(result)
    if not times:
        return "none has finished"
    return f"median {span(median_low(times))}, longest {span(max(times))}"


def _speed(result: Result) -> str:
    seconds = result.scan_seconds
    rate = f", {count(int(result.trades_scanned / seconds))} a second" if seconds > 0 else ""
    return f"{seconds:.2f} s{rate}; read in {result.load_seconds:.2f} s"


def exact(amount: int) -> str:
    """With all digits, as in JSON."""
    return format_amount(amount)


def rounded(budget: Money | None) -> Writer:
    """With ``places`` and a mark for thousands."""

    def written(amount: int) -> str:
        return f"{Decimal(amount).scaleb(-8):,.{decimals}f}"

    decimals = places(budget)
    return written


def places(budget: Money | None) -> int:
    """As many decimals as two digits of a cycle's profit need."""
    digits = len(str((budget or 0) // SCALE).lstrip("0"))
    return min(8, max(2, 6 - digits)) if budget else 2


def signed(amount: int, money: Writer) -> str:
    """With its sign, but for what is shown as nothing."""
    text = money(abs(amount))
    if not text.strip("0.,"):
        return text
    return f"+{text}" if amount > 0 else f"-{text}"


def percent(part: int, whole: int) -> str:
    """Two decimals, rounded half away from zero: ``1.23%``; ``-`` of nothing."""
    if not whole:
        return "-"
    hundredths = (abs(part) * 20_000 + whole) // (2 * whole)
    sign = "-" if part < 0 and hundredths else ""
    return f"{sign}{hundredths // 100:,}.{hundredths % 100:02}%"


def count(number: int) -> str:
    """Three digits and a word: ``12.3 million``."""
    for size, word in ((10**9, "billion"), (10**6, "million"), (10**3, "thousand")):
        if number >= size:
            value = number / size
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {word}"
    return str(number)


def span(milliseconds: int) -> str:
    """The two largest units of a time: ``3d 4h``, ``1h 12m``, ``45s``, ``0.3s``."""
    if milliseconds < 10 * _SECOND:
        return f"{milliseconds // 100 / 10:.1f}s"
    if milliseconds < _MINUTE:
        return f"{milliseconds // _SECOND}s"
    if milliseconds < _HOUR:
        return f"{milliseconds // _MINUTE}m {milliseconds // _SECOND % 60}s"
    if milliseconds < _DAY:
        return f"{milliseconds // _HOUR}h {milliseconds // _MINUTE % 60}m"
    return f"{milliseconds // _DAY}d {milliseconds // _HOUR % 24}h"
