"""What a least distance between buys (``--spacing``) does: the same walks with 0, 0.25, 0.5 and 1 rebuy of it.

The walks are the simulator's, each with another seed. A third of them falls by a fifth from the first trade to the
last, a third rises by as much.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle

from msgspec import structs

from naived.backtest.result import Result, Setup
from naived.backtest.run import backtest
from naived.backtest.tape import Tape
from naived.core.amount import SCALE, Money, Rate, format_amount, parse_price
from naived.core.orders.intent import Side
from naived.simulator.symbols import load
from naived.simulator.tape import walk
from tests.support.tape import BEGAN, setup, tape

_SHARES = (0, 25, 50, 100)  # percent of the rebuy interval
_WALKS = 9
_TRADES = 200_000  # of each: eleven hours at the simulator's pace
_DRIFTS = (-20, 0, 20)  # percent from the first trade to the last
FIRST = parse_price("2683.80")
_HOUR = 3_600_000  # ms


@dataclass
class Total:
    """What several backtests found together."""

    profit: int = 0
    unrealized: int = 0
    drawdown: int = 0
    tied_up: int = 0
    cycles: int = 0
    in_market: int = 0
    duration: int = 0
    entries: int = 0
    near: int = 0

    def add(self, found: Result) -> None:
        self.profit += found.profit
        self.unrealized += found.unrealized
        self.drawdown += found.max_drawdown
        self.tied_up += found.max_tied_up
        self.cycles += len(found.cycles)
        self.in_market += found.in_market
        self.duration += found.ended - found.began
        for distance in _distances(found):
            self.entries += 1
            self.near += distance * 4 < found.setup.settings.rebuy


def measure() -> Iterator[str]:
    tapes = [falling(seed, drift) for seed, drift in zip(range(_WALKS), cycle(_DRIFTS), strict=False)]
    plain = setup()
    for share in _SHARES:
        total = Total()
        wanted = _spaced(plain, share)
        for each in tapes:
            total.add(backtest(each, wanted))
        part = total.in_market * 100 // total.duration
        near = total.near * 100 // max(1, total.entries)
        yield (
            f"spacing {format_amount(wanted.settings.spacing):>6} ({share:3} % of the rebuy): "
            f"profit {whole(total.profit)}, unrealised {whole(total.unrealized)}, "
            f"drawdown {whole(total.drawdown)}, most tied up {whole(total.tied_up)}, {total.cycles} cycles, "
            f"{part} % of the time in the market, {near} % of the buys nearer than a quarter rebuy to another"
        )


def _spaced(plain: Setup, share: int) -> Setup:
    spacing = Rate(plain.settings.rebuy * share // 100)
    return replace(plain, settings=structs.replace(plain.settings, spacing=spacing))


def falling(seed: int, drift: int) -> Tape:
    """A walk of the simulator that ends ``drift`` percent away from where it began."""
    rules = load(None)[0]["ETHUSDT"].info.filters
    prices, times = [], []
    for number, trade in enumerate(itertools.islice(walk("ETHUSDT", FIRST, rules, seed), _TRADES)):
        level = trade.price * (100 * _TRADES + drift * number) // (100 * _TRADES)
        prices.append(level // rules.tick_size * rules.tick_size)
        times.append(BEGAN + trade.time // 1000)
    return tape(prices, times)


def _distances(found: Result) -> Iterator[int]:
    """How far each buy was from the nearest one not sold yet: a fraction of its price, times ``SCALE``."""
    orders = {order.order_id: order.intent for order in found.orders if order.order_id is not None}
    living: dict[int, int] = {}
    for fill in found.fills:
        intent = orders[fill.order_id]
        if intent.side is Side.SELL:
            living.pop(intent.trader, None)
            continue
        if living:
            yield min(abs(intent.price - other) for other in living.values()) * SCALE // intent.price
        living[intent.trader] = intent.price


def whole(amount: int) -> str:
    """An amount without what is behind the point."""
    return format_amount(Money(amount // SCALE * SCALE))
