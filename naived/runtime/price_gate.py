"""Filters public trades: only a price outside a symbol's band reaches its engine. The session calls ``trade``.

A trade inside the band costs two comparisons.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from naived.core.amount import AmountError, Price, parse_quantity
from naived.core.market import Trade
from naived.core.strategy.leader import NONE

log = structlog.get_logger()


def _nothing(_trade: Trade) -> None:
    """The callback of a gate whose symbol is not configured."""


@dataclass(slots=True)
class PriceGate:
    """One symbol's last price and its time (exchange ms), and the band inside which a trade changes nothing."""

    on_breakout: Callable[[Trade], object] = _nothing
    low: int = NONE[0]
    high: int = NONE[1]
    price: Price | None = None
    time: int | None = None


class PriceGates:
    """The gates by symbol."""

    def __init__(self) -> None:
        self._gates: dict[str, PriceGate] = {}

    def gate(self, symbol: str) -> PriceGate:
        """The symbol's gate, made at the first call."""
        return self._gates.setdefault(symbol, PriceGate())

    def trade(self, symbol: str, trade_id: int, price: Price, quantity: str, time: int) -> None:
        gate = self._gates.get(symbol)
        if gate is None:
            return
        gate.price = price
        gate.time = time
        if gate.low < price < gate.high:
            return
        try:
            trade = Trade(trade_id, price, parse_quantity(quantity), time)
        except AmountError as error:
            log.warning("unreadable trade", symbol=symbol, why=str(error))
            return
        gate.on_breakout(trade)
