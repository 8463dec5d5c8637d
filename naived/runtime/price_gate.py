"""Filters public trades: only a price outside a symbol's band reaches its engine. The session calls ``trade``.

A trade inside the band costs two comparisons, and the check that it is no bad print; with a fall guard one more.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from naived.core.amount import AmountError, Money, Price, parse_quantity
from naived.core.losses import STALE
from naived.core.market import Trade
from naived.core.price_check import PriceCheck
from naived.core.price_guards import FallGuard, Peak
from naived.core.recent_high import RecentHigh
from naived.core.strategy.leader import NONE, Band
from naived.core.strategy.settings import Settings

_QUIET = 60_000  # ms between two calls of ``on_suspect``: each writes an event

log = structlog.get_logger()


def _nothing(_: object) -> None:
    """The callback of a gate whose symbol is not configured."""


def _never(_: Money) -> bool:
    return False


def _checked() -> PriceCheck:
    return PriceCheck(Settings().max_deviation)


@dataclass(slots=True)
class PriceGate:
    """One symbol's last believed price, and the band inside which a trade changes nothing.

    With a ``least`` that holds only while the account's funds are ``lacking`` it. ``on_suspect`` is called with a
    price that is not believed yet, at most once a minute. ``recent`` is what a fall guard looks at.
    """

    on_breakout: Callable[[Trade], object] = _nothing
    on_suspect: Callable[[Price], object] = _nothing
    low: int = NONE[0]
    high: int = NONE[1]
    least: Money | None = None
    lacking: Callable[[Money], bool] = _never
    check: PriceCheck = field(default_factory=_checked)
    recent: RecentHigh | None = None
    suspected_at: int = 0
    lost_at: int = 0  # ms of the newest trade of any symbol when trades of this one were missed last
    cut: str | None = None  # why there is no subscription; None: there is one, or it was not tried yet
    unheard: str | None = None  # why trades do not come as they should, in words; ``hearing.py`` says so

    @property
    def price(self) -> Price | None:
        """The last believed price; at first the one that the exchange told."""
        return self.check.price

    @property
    def time(self) -> int | None:
        """When the trade of that price was (exchange ms); None for a price that was told."""
        return self.check.time

    def guard(self, fall_guard: FallGuard | None) -> None:
        """Keep the highest prices that this guard needs, from now on."""
        span = None if fall_guard is None else fall_guard.span
        if span != (None if self.recent is None else self.recent.span):
            self.recent = None if span is None else RecentHigh(span)

    def bound(self, band: Band, least: Money | None = None) -> None:
        (self.low, self.high), self.least = band, least

    def lost(self) -> None:
        """Trades of the symbol were missed."""
        if self.recent is not None:
            self.recent.forget()

    def forget(self) -> None:
        """What was seen may be long ago."""
        self.check.forget()
        self.lost()
        self.cut = None

    def peak(self, now: int) -> Peak | None:
        """The highest trade of the fall guard's span; None without such a guard. ``now`` is exchange ms."""
        return None if self.recent is None else self.recent.peak(now)


class PriceGates:
    """The gates by symbol."""

    def __init__(self) -> None:
        self._gates: dict[str, PriceGate] = {}
        self._began = self._heard_at = 0  # exchange ms of the first and the newest trade of any symbol

    def gate(self, symbol: str) -> PriceGate:
        """The symbol's gate, made at the first call."""
        return self._gates.setdefault(symbol, PriceGate())

    def lost(self, symbol: str, why: str | None) -> None:
        """Trades of the symbol were missed: there is no subscription, and ``why``; None: it has begun."""
        gate = self.gate(symbol)
        if why is None or gate.cut is None:
            gate.lost()
            gate.lost_at = self._heard_at
        gate.cut = why

    def is_quiet(self, gate: PriceGate) -> bool:
        """Was there no trade of its symbol for a minute, though there were of others?"""
        since = max(gate.time or 0, gate.lost_at, self._began)
        return self._heard_at - since > STALE

    def trade(self, symbol: str, trade_id: int, price: Price, quantity: str, time: int) -> None:
        gate = self._gates.get(symbol)
        if gate is None:
            return
        self._began = self._began or time
        self._heard_at = time
        if not gate.check.believes(price, time):
            if time - gate.suspected_at >= _QUIET:
                gate.suspected_at = time
                gate.on_suspect(price)
            return
        if gate.recent is not None:
            gate.recent.trade(price, time)
        if gate.low < price < gate.high and (gate.least is None or gate.lacking(gate.least)):
            return
        try:
            trade = Trade(trade_id, price, parse_quantity(quantity), time)
        except AmountError as error:
            log.warning("unreadable trade", symbol=symbol, why=str(error))
            return
        gate.on_breakout(trade)
