"""For tests of the core: a second book of every coin, kept from the exchange's fills in exact fractions.

It knows nothing of the formulas of the product. ``Audited`` compares both after each step.
"""

from dataclasses import dataclass
from fractions import Fraction

from naived.core.amount import SCALE
from naived.core.engine import Changes, Engine, Event
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Fill
from naived.core.orders.state import LIVE, State
from naived.core.risk import HaltedBy
from naived.core.strategy.trader_state import Finished, Holding, Selling, Traded, Trader
from tests.support.engine import Workbench


def own_price(of: Workbench, trader: Trader) -> Fraction | None:
    """What its own coins must bring at least, a coin; None if it bought none itself."""
    buys = [
        order
        for order in of.journal.orders.values()
        if order.intent.trader == trader.number and order.intent.side is Side.BUY and order.fills
    ]
    if not buys or not trader.buys:
        return None
    cost, coins = spent([fill for order in buys for fill in order.fills], of)
    if coins <= 0:
        return None
    gain = 1 + Fraction(trader.terms.profit, SCALE)
    keeps = [1 - Fraction(rate, SCALE) for rate in (trader.terms.fees.buy, trader.terms.fees.sell)]
    limit = Fraction(buys[-1].intent.price)
    return max(limit * gain / (keeps[0] * keeps[1]), cost * SCALE / coins * gain / keeps[1])


def spent(fills: list[Fill], of: Workbench) -> tuple[Fraction, Fraction]:
    """Quote money paid and coins got for them, after fees."""
    info = of.exchange.rules
    cost = sum(fill.quote + (fill.fee if fill.fee_asset == info.quote else 0) for fill in fills)
    coins = sum(fill.quantity - (fill.fee if fill.fee_asset == info.base else 0) for fill in fills)
    return Fraction(cost), Fraction(coins)


def tied(of: Workbench) -> Fraction:
    """Quote money in positions, lots and live buys at their limits."""
    total = Fraction(sum(lot.cost for lot in of.leader.lots))
    for trader in of.traders:
        for order in of.journal.orders.values():
            if order.intent.trader == trader.number and order.intent.side is Side.BUY:
                total += spent(list(order.fills), of)[0]
                if order.state in LIVE or order.state is State.NOT_PLACED:
                    rest = order.intent.quantity - order.executed
                    total += Fraction(order.intent.price * rest, SCALE)
        if isinstance(trader.phase, Selling | Holding):
            total += trader.phase.carried.cost
    return total


@dataclass
class Audited(Workbench):
    """A workbench whose every step is compared with the second book."""

    def step(self, event: Event) -> Changes:
        before, orders = self.engine, set(self.journal.orders)
        ended = {trader.number for trader in self.finished}
        changes = super().step(event)
        for client_order_id in [each for each in self.journal.orders if each not in orders]:
            self._audit_order(self.journal.orders[client_order_id].intent)
        self._audit_stops(before, event)
        self._audit_lots(before, ended)
        return changes

    def _audit_order(self, intent: OrderIntent) -> None:
        if intent.side is Side.BUY:
            budget = self.leader.settings.budget
            assert budget is not None
            assert self.written_off or tied(self) <= budget
            return
        trader = self.journal.traders[intent.trader]
        if intent.ioc:
            assert trader.stop == intent.price
            return
        own = own_price(self, trader)
        assert own is None or intent.price >= own, f"{intent} is below {float(own)}"
        if isinstance(trader.phase, Selling):
            assert intent.price >= trader.phase.carried.price

    def _audit_stops(self, before: Engine, event: Event) -> None:
        """Nobody is stopped but by a trade at or below its average cost less the stop-loss, and that halts."""
        was = {trader.number: trader.stop for trader in before.leader.traders}
        for trader in self.traders:
            if trader.stop is None or was.get(trader.number) is not None:
                continue
            assert isinstance(event, Traded)
            buys = [each for each in self.journal.orders.values() if each.intent.trader == trader.number]
            cost, coins = spent(
                [fill for each in buys if each.intent.side is Side.BUY for fill in each.fills], self
            )
            reached = cost * SCALE / coins * (SCALE - self.leader.settings.stop_loss) / SCALE
            assert event.trade.price <= reached
            halt = self.leader.halts.own
            assert halt is not None
            assert halt.by is HaltedBy.LIMIT

    def _audit_lots(self, before: Engine, ended: set[int]) -> None:
        """No coin of a lot may become cheaper: what may be sold at a price or below grows only by what was left."""
        had = _priced(before)
        for trader in self.finished:
            phase = trader.phase
            if trader.number not in ended and isinstance(phase, Finished) and phase.dust.quantity > 0:
                own = own_price(self, trader)
                assert own is None or phase.dust.price >= own
                assert phase.dust.price >= phase.carried.price
                had.append((phase.dust.price, phase.dust.quantity))
        has = _priced(self.engine)
        for edge in {price for price, _ in has}:
            assert _upto(edge, has) <= _upto(edge, had), f"coins became cheaper: {had} {has}"


def _priced(engine: Engine) -> list[tuple[int, int]]:
    """Own price and quantity of all lots, and of those that sells carry."""
    carried = [
        trader.phase.carried for trader in engine.leader.traders if isinstance(trader.phase, Selling | Holding)
    ]
    return [(lot.price, lot.quantity) for lot in (*engine.leader.lots, *carried)]


def _upto(edge: int, lots: list[tuple[int, int]]) -> int:
    return sum(quantity for price, quantity in lots if price <= edge)
