"""Matching: the resting orders of one symbol, the matching rule, self-trade prevention.

The public market is the counterparty of every fill. A resting order fills at its own price when a public trade
goes strictly through it; a new order at or through the last price fills at the last price. A new order never trades
with resting orders of ours that its limit reaches: its self-trade prevention mode decides which order ends.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from naived.core.amount import Price, Quantity
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus
from naived.simulator.order import Order, StpMode

_MINUTE = 60_000  # milliseconds


class Book:
    """The ids of the resting orders of one symbol, by price, then age. ``Market`` holds the orders."""

    def __init__(self) -> None:
        # The best order is last, and at one price the oldest: the end of a list is read and removed in O(1).
        self._sides: dict[Side, list[tuple[int, int]]] = {Side.BUY: [], Side.SELL: []}

    def add(self, order: Order) -> None:
        insort(self._sides[order.side], _key(order.side, order.price, order.id))

    def remove(self, order: Order) -> None:
        keys = self._sides[order.side]
        del keys[bisect_left(keys, _key(order.side, order.price, order.id))]

    def through(self, price: Price) -> list[int]:
        """Ids of the orders that a public trade at ``price`` goes strictly through, best first."""
        found = []
        for rank, order_id in reversed(self._sides[Side.BUY]):
            if rank <= price:
                break
            found.append(-order_id)
        for rank, order_id in reversed(self._sides[Side.SELL]):
            if -rank >= price:
                break
            found.append(-order_id)
        return found

    def best(self, side: Side) -> int | None:
        """The id of the best order of a side."""
        keys = self._sides[side]
        return -keys[-1][1] if keys else None

    def meeting(self, side: Side, limit: Price) -> list[int]:
        """Ids of the resting orders that a new order of ``side`` reaches with ``limit``, best first."""
        found = []
        opposite = Side.SELL if side is Side.BUY else Side.BUY
        for rank, order_id in reversed(self._sides[opposite]):
            if not crosses(side, limit, Price(abs(rank))):
                break
            found.append(-order_id)
        return found


def _key(side: Side, price: Price, order_id: int) -> tuple[int, int]:
    return (price if side is Side.BUY else -price, -order_id)


def crosses(side: Side, limit: Price, price: Price) -> bool:
    """Is a limit at or through a price?"""
    return limit >= price if side is Side.BUY else limit <= price


@dataclass(frozen=True, slots=True)
class Prevented:
    """One prevented match: both orders after it, and the quantity that did not trade."""

    taker: Order
    maker: Order
    quantity: Quantity


def prevent(taker: Order, makers: Sequence[Order]) -> list[Prevented]:
    """Apply the taker's self-trade prevention to the orders of ours that it reaches, best first.

    The taker is open afterwards (it goes on matching) or ended; an unchanged order is the same object.
    """
    found: list[Prevented] = []
    for maker in makers:
        if taker.status.ended:
            break
        quantity = min(taker.remaining, maker.remaining)
        match taker.stp_mode:
            case StpMode.NONE:
                break
            case StpMode.EXPIRE_MAKER:
                maker = _expired(maker)
            case StpMode.EXPIRE_TAKER:
                taker = _expired(taker)
            case StpMode.EXPIRE_BOTH:
                taker, maker = _expired(taker), _expired(maker)
            case StpMode.DECREMENT | StpMode.TRANSFER:
                taker, maker = _decremented(taker, quantity), _decremented(maker, quantity)
            case _:
                assert_never(taker.stp_mode)
        found.append(Prevented(taker, maker, quantity))
    return found


def _expired(order: Order) -> Order:
    return replace(
        order,
        prevented=Quantity(order.prevented + order.remaining),
        status=OrderStatus.EXPIRED_IN_MATCH,
    )


def _decremented(order: Order, quantity: Quantity) -> Order:
    less = replace(order, prevented=Quantity(order.prevented + quantity))
    return less if less.remaining else replace(less, status=OrderStatus.EXPIRED_IN_MATCH)


class Average:
    """The volume-weighted average price of the last minutes, of which the current one is the last."""

    def __init__(self, minutes: int) -> None:
        self._minutes: deque[tuple[int, int, int]] = deque(maxlen=max(minutes, 1))  # minute, value, quantity

    def add(self, time: int, price: Price, quantity: Quantity) -> None:
        minute = time // _MINUTE
        if self._minutes and self._minutes[-1][0] == minute:
            _, value, total = self._minutes.pop()
            self._minutes.append((minute, value + price * quantity, total + quantity))
        else:
            self._minutes.append((minute, price * quantity, quantity))

    def price(self, time: int) -> tuple[int, int] | None:
        """Value and quantity whose quotient is the average; None if nothing traded."""
        oldest = time // _MINUTE - (self._minutes.maxlen or 1)
        rows = [row for row in self._minutes if row[0] > oldest]
        quantity = sum(row[2] for row in rows)
        return (sum(row[1] for row in rows), quantity) if quantity else None
