"""Prices: a walk that is steered from target to target, later to wherever what rests is filled, and then down."""

from random import Random

import trio

from naived.core.amount import Price, parse_quantity
from naived.core.orders.intent import Side
from naived.simulator.exchange import Exchange
from naived.simulator.server import Simulation

_PARTS = 100_000
_STEP = 200  # of so many parts of the price, at most, towards the target
_STRIDE = 10  # parts of the way to what rests far away, of which a step is one
_FALL = 15_000  # of so many parts of the price, the whole fall
_NOISE = 200
_REACH = 2_000  # how far from its anchor a target may lie
_QUANTITY = parse_quantity("1")


class Market:
    """A symbol's public trades.

    ``mode``: ``wander``, ``rest``, ``rise`` above every sell, ``drain``: buys too, ``fall`` from there and rest.
    ``slower``: how many times as long as usual a fall takes.
    """

    def __init__(self, symbol: str, anchor: Price, tick: int, random: Random, slower: int = 1) -> None:
        self.mode = "wander"
        self.symbol = symbol
        self._anchor = anchor
        self._tick = tick
        self._price = anchor
        self._target = anchor
        self._random = random
        self._slower = slower
        self._bottom: Price | None = None  # of a fall

    async def run(self, simulation: Simulation, exchange: Exchange) -> None:
        while True:
            await trio.sleep(self._random.uniform(0.3, 3))
            match self.mode:
                case "wander":
                    self._wander()
                case "rise" | "drain":
                    self._visit(exchange, drain=self.mode == "drain")
                case "fall":
                    self._fall()
                case _:
                    continue
            simulation.publish(self.symbol, self._price, _QUANTITY)

    def _wander(self) -> None:
        random, step = self._random, self._price * _STEP // _PARTS
        if abs(self._target - self._price) <= step:
            self._target = Price(self._anchor + self._anchor * random.randint(-_REACH, _REACH) // _PARTS)
        noise = self._price * _NOISE // _PARTS
        drift = step if self._target > self._price else -step
        self._move(self._price + drift + random.randint(-noise, noise))

    def _visit(self, exchange: Exchange, *, drain: bool) -> None:
        """A step up while anything is offered above, then a step down while anybody bids below; else stay."""
        if self.symbol not in exchange.markets:
            return
        resting = exchange.markets[self.symbol].open.values()
        offers = [order.price for order in resting if order.side is Side.SELL]
        bids = [order.price for order in resting if order.side is Side.BUY]
        step = self._price * _STEP // _PARTS
        if offers:
            above = max(offers) + self._tick
            self._move(min(above, self._price + max(step, (above - self._price) // _STRIDE)))
        elif drain and bids:
            below = min(bids) - self._tick
            self._move(max(below, self._price - max(step, (self._price - below) // _STRIDE)))

    def _fall(self) -> None:
        if self._bottom is None:
            self._bottom = Price(self._price - self._price * _FALL // _PARTS)
        if self._price > self._bottom:
            self._move(self._price - self._price * _STEP // (_PARTS * self._slower))
        else:
            self.mode, self._bottom = "rest", None

    def _move(self, price: int) -> None:
        self._price = Price(max(price // self._tick, 1) * self._tick)
