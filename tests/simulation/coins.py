"""Whose coins are sold, and for how much: the exchange's fills alone say what each trader bought and what it cost.

A sell brings at least the floor of its trader's own coins: what they cost, with the profit and the fee that the
trader was made with. Whatever it offers beyond these coins is taken from what ended traders left, and the floor of
those is not above its price either.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from naived.core.amount import SCALE
from naived.simulator.order import Order, TimeInForce

# A trader's profit interval and its fee for sells.
Terms = Callable[[int], tuple[int, int]]


@dataclass
class Batch:
    """What one trader bought: ``net`` of the fees that were taken in coins, for ``cost``; ``rest`` is not sold."""

    net: int = 0
    cost: int = 0
    rest: int = 0

    def floor(self, profit: int, fee: int) -> int:
        """The lowest price for these coins, without rounding to a tick."""
        return -(-self.cost * (SCALE + profit) * SCALE // (self.net * (SCALE - fee)))


class Coins:
    """The coins of one symbol; ``terms`` tells the terms of its traders."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._batches: dict[int, Batch] = {}

    @property
    def unsold(self) -> Mapping[int, Batch]:
        """By trader."""
        return {number: batch for number, batch in self._batches.items() if batch.rest > 0}

    @property
    def total(self) -> int:
        return sum(batch.rest for batch in self._batches.values())

    def bought(self, trader: int, net: int, cost: int) -> None:
        batch = self._batches.setdefault(trader, Batch())
        batch.net += net
        batch.cost += cost
        batch.rest += net

    def sold(self, trader: int, quantity: int, price: int, free: Collection[int]) -> None:
        """Its own coins first, then of the ``free`` ones those with the highest floor that ``price`` allows."""
        for batch in self._in_turn(trader, price, free):
            taken = min(batch.rest, quantity)
            batch.rest -= taken
            quantity -= taken
        if quantity:  # sold without having been bought, which is blamed elsewhere
            self._batches.setdefault(trader, Batch()).rest -= quantity

    def _in_turn(self, trader: int, price: int, free: Collection[int]) -> list[Batch]:
        own = [self._batches[trader]] if trader in self._batches else []
        floors = {number: self._floor(number) for number in self.unsold if number in free and number != trader}
        order = sorted(floors, key=lambda number: (floors[number] > price, -floors[number]))
        return [*own, *(self._batches[number] for number in order)]

    def _floor(self, trader: int) -> int:
        return self._batches[trader].floor(*self._terms(trader))

    def too_cheap(
        self,
        trader: int,
        order: Order,
        resting: Sequence[tuple[int, Order]],
        free: Collection[int],
        stop_loss: int,
    ) -> str | None:
        """Why this new sell of a trader gives coins away below their price; None if it does not.

        ``resting`` are the other open sells, with their traders; ``free`` the traders that have ended.
        With a ``stop_loss`` (a rate, the least there was) an IOC order may sell below, if it lies so far below the
        average cost.
        """
        own = self._batches.get(trader)
        stopped = (
            stop_loss
            and order.time_in_force is TimeInForce.IOC
            and own is not None
            and order.price * own.net <= own.cost * (SCALE - stop_loss)
        )
        if own is not None and own.rest > 0 and order.price < self._floor(trader) and not stopped:
            return f"at {order.price}, its own coins are not sold below {self._floor(trader)}"
        floors = {number: self._floor(number) for number in self.unsold if number in free}
        sells = [(each.price, self._beyond(number, each.remaining)) for number, each in resting]
        sells.append((order.price, self._beyond(trader, order.quantity)))
        for price, _ in sells:
            wanted = sum(extra for at, extra in sells if at <= price)
            there = sum(self._batches[number].rest for number, floor in floors.items() if floor <= price)
            if wanted > there:
                return f"at {order.price}: {wanted} coins of lots are offered up to {price}, {there} may be"
        return None

    def _beyond(self, trader: int, quantity: int) -> int:
        """What of this quantity are not the trader's own coins."""
        batch = self._batches.get(trader)
        return max(0, quantity - (batch.rest if batch is not None else 0))
