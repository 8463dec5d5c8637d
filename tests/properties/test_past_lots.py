"""The lots of the past that a journal tells are those that the engine had, after any sequence of events."""

from typing import Any

from hypothesis import HealthCheck
from hypothesis import settings as bounds
from hypothesis.stateful import invariant

from naived.backtest.past_lots import lots_at
from naived.core.orders.intent import Side
from naived.core.strategy.lots import NO_LOT, Lot, Lots
from naived.core.strategy.trader_state import Finished, Holding, Selling, Trader
from naived.database.history import History
from naived.database.queries import Life, Offer
from tests.properties.test_any_sequence import AnySequence
from tests.support.engine import Workbench
from tests.support.market import filters


def _life(bench: Workbench, trader: Trader) -> Life:
    """What the rows of a trader and of its first two sells tell."""
    phase: Any = trader.phase
    orders = enumerate(bench.journal.orders.values())
    sells = [(each.intent, each.created_at, row) for row, each in orders if each.intent.trader == trader.number]
    offers = [
        Offer(at, row, intent.ioc) for intent, at, row in sells if intent.side is Side.SELL and intent.seq <= 2
    ]
    return Life(
        trader,
        trader.since if isinstance(phase, Finished) else None,
        getattr(phase, "bought", None),
        getattr(phase, "carried", NO_LOT),
        getattr(phase, "dust", NO_LOT),
        tuple(offers),
        getattr(phase, "reason", None),
    )


class Remembered(AnySequence):
    """The rules of the exchange stay: of earlier ones a journal knows nothing."""

    marks: list[tuple[int, Lots, dict[int, Lot]]]

    def change_rules(self, rules: Any, heard: bool) -> None:
        """No rule of this machine."""

    @invariant()
    def is_remembered(self) -> None:
        """Each event has milliseconds of its own; what is within one is tested where examples are."""
        if not hasattr(self, "bench"):
            return
        self.marks = getattr(self, "marks", [])
        self.bench.now += 1
        carried = {
            trader.number: trader.phase.carried
            for trader in self.bench.traders
            if isinstance(trader.phase, Holding | Selling) and trader.phase.carried
        }
        self.marks.append((self.bench.now, self.bench.leader.lots, carried))
        self.bench.now += 1

    def teardown(self) -> None:
        super().teardown()
        if not hasattr(self, "marks"):
            return
        leader, traders = self.bench.leader, sorted(self.bench.journal.traders.items())
        lives = tuple(_life(self.bench, trader) for _, trader in traders)
        history = History("ETHUSDT", leader.desired, (), (), (), lives, leader.lots, leader.owed)
        for now, lots, carried in self.marks:
            past = lots_at(history, now, filters())
            assert past.doubt is not None or (past.lots, past.carried) == (lots, carried)


Remembered.TestCase.settings = bounds(
    max_examples=30, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
test_lots_of_the_past_are_told_as_they_were_or_doubted = Remembered.TestCase
