"""The fills that a journal has, for the fills of a replay: what was paid, in which asset, and in how many parts.

A replay fills an order whole and takes the fee of what is received. The exchange may have taken it in a third
asset, at another rate, or rounded it once for each part; what is left to sell depends on that.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from msgspec.structs import replace

from naived.core.amount import Amount
from naived.core.market import SymbolInfo
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill
from naived.core.orders.state import OrderState

_Decision: TypeAlias = tuple[Side, int, int]


class PastFills:
    """The fills of these orders of one symbol. Traders may have other numbers, so a decision is what it decided."""

    def __init__(self, orders: Iterable[OrderState], info: SymbolInfo) -> None:
        self._own = info.base, info.quote
        self._filled: defaultdict[_Decision, list[OrderState]] = defaultdict(list)
        for order in orders:
            if order.fills:
                self._filled[_decision(order)].append(order)
        self._all = [fill for alike in self._filled.values() for order in alike for fill in order.fills]

    def instead(self, order: OrderState, fill: Fill) -> Sequence[Fill]:
        """What the journal has instead of ``fill``, which executes all that is left of ``order``.

        An order that it does not have, or not filled whole, pays no fee where the fill nearest in time paid one in
        a third asset.
        """
        alike = self._filled.get(_decision(order), ())
        for theirs in sorted(alike, key=lambda each: abs(each.fills[-1].time - fill.time)):
            left = [each for each in theirs.fills if each not in order.fills]
            if sum(each.quantity for each in left) == fill.quantity:
                return left
        nearest = min(self._all, key=lambda each: abs(each.time - fill.time), default=fill)
        if nearest.fee_asset in self._own:
            return (fill,)
        return (replace(fill, fee=Amount(0), fee_asset=nearest.fee_asset),)


def _decision(order: OrderState) -> _Decision:
    return order.intent.side, order.intent.price, order.intent.quantity
