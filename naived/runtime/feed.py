"""Public trades, and the two comparisons that keep an ordinary one from costing anything."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from naived.core.amount import AmountError, Price, parse_quantity
from naived.core.leader import NONE
from naived.core.market import Trade

log = structlog.get_logger()


def _nothing(_trade: Trade) -> None:
    """A lane that nobody listens to."""


@dataclass(slots=True)
class Lane:
    """One symbol's trades: the last price for ``status``, and the band inside which nothing can happen."""

    act: Callable[[Trade], None] = _nothing
    low: int = NONE[0]
    high: int = NONE[1]
    price: Price | None = None
    time: int | None = None


class Feed:
    """Routes trades to symbols; a trade inside its symbol's band is two comparisons and no more."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    def lane(self, symbol: str) -> Lane:
        """The symbol's lane, made at the first call."""
        return self._lanes.setdefault(symbol, Lane())

    def trade(self, symbol: str, trade_id: int, price: Price, quantity: str, time: int) -> None:
        lane = self._lanes.get(symbol)
        if lane is None:
            return
        lane.price = price
        lane.time = time
        if lane.low < price < lane.high:
            return
        try:
            trade = Trade(trade_id, price, parse_quantity(quantity), time)
        except AmountError as error:
            log.warning("unreadable trade", symbol=symbol, why=str(error))
            return
        lane.act(trade)
