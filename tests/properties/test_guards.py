"""What keeps a symbol from buying, on any market: it holds no sell back, and its end lets the next buy through."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from naived.core.amount import Price
from naived.core.orders.intent import Side
from naived.core.orders.report import Answer, Refusal, Refused
from naived.core.risk import Halt, HaltedBy
from naived.core.strategy.leader_events import Halted, Informed
from naived.core.strategy.settings import Status
from naived.core.strategy.trader_state import Holding, Selling
from tests.properties.test_money import balanced, begin, joins, on_tick, quick, symbols
from tests.support.engine import Frame
from tests.support.ledger import Audited
from tests.support.market import info


@dataclass
class Limited(Audited):
    """``full``: the account's limit leaves no room for any buy."""

    full: bool = False

    def arrive(self, frame: Frame) -> Answer:
        if self.full and self.journal.orders[frame.client_order_id].intent.side is Side.BUY:
            return Refused(Refusal.LIMIT, 0, "the account's limit leaves no room (max-exposure)")
        return super().arrive(frame)


Guard: TypeAlias = Callable[[Limited, bool, int], None]  # set it, or lift it again; the price that it began with


def halted(by: HaltedBy, *, keep_buys: bool, account: bool) -> Guard:
    def guard(of: Limited, on: bool, _price: int) -> None:
        of.step(Halted(Halt("because", by, of.now, keep_buys) if on else None, account))

    return guard


def bounded(name: str, share: int) -> Guard:
    """A floor or a ceiling, in thousandths of the price."""

    def guard(of: Limited, on: bool, price: int) -> None:
        bound = Price(max(price * share // 1_000, 1)) if on else None
        of.direct(Status.ON, replace(of.leader.settings, **{name: bound}))

    return guard


def full(of: Limited, on: bool, _price: int) -> None:
    of.full = on


GUARDS = {
    **{
        f"{by} {'keeps' if keep_buys else 'ends'} buys of {'all' if account else 'one'}": halted(
            by, keep_buys=keep_buys, account=account
        )
        for by in HaltedBy
        for keep_buys in (False, True)
        for account in (False, True)
    },
    "floor": bounded("floor", 20_000),
    "ceiling": bounded("ceiling", 50),
    "limit": full,
}


def move(of: Audited, price: int, first: int, percent: int) -> int:
    """Trade at ``percent`` of this price, between a tenth of the first one and ten times that."""
    price = on_tick(min(max(price * percent // 100, first // 10), first * 10), of)
    of.market(price)
    return price


def sells(of: Audited, numbers: frozenset[int]) -> list[tuple[int, int, int, int, int]]:
    """Each sell of these traders: trader, sequence, price, quantity and what of it was sold."""
    orders = [order for order in of.journal.orders.values() if order.intent.side is Side.SELL]
    return sorted(
        (o.intent.trader, o.intent.seq, o.intent.price, o.intent.quantity, o.executed)
        for o in orders
        if o.intent.trader in numbers
    )


def holding(of: Audited) -> set[int]:
    """Traders that have coins and do not offer them."""
    return {trader.number for trader in of.traders if isinstance(trader.phase, Holding)}


percents = st.lists(st.integers(80, 125), min_size=3, max_size=25)


@quick
@given(start=symbols(), before=percents, after=percents, guard=st.sampled_from(sorted(GUARDS)))
def test_no_guard_delays_a_sell_and_a_lifted_one_lets_the_next_chance_through(
    start: tuple[int, Audited], before: list[int], after: list[int], guard: str
) -> None:
    first, drawn = start
    make = drawn.leader.settings, drawn.exchange.fee, drawn.exchange.rules.filters, drawn.exchange.fee_asset
    free, guarded = (Limited(of.engine, of.exchange) for of in (begin(*make), begin(*make)))
    price = first
    for percent in before:
        price, _ = (move(of, price, first, percent) for of in (free, guarded))
    selling = frozenset(trader.number for trader in guarded.traders if isinstance(trader.phase, Selling))
    GUARDS[guard](guarded, True, first)
    guarded.settle()
    bought = sum(order.intent.side is Side.BUY for order in guarded.exchange.orders)
    for percent in after:
        price, _ = (move(of, price, first, percent) for of in (free, guarded))
        assert sells(guarded, selling) == sells(free, selling)
        assert holding(guarded) <= holding(free)
    assert sum(order.intent.side is Side.BUY for order in guarded.exchange.orders) == bought
    balanced(guarded)
    GUARDS[guard](guarded, False, first)
    fine = replace(guarded.exchange.rules.filters, tick_size=Price(max(price // 10**6, 1)))
    guarded.exchange.rules = info(fine)
    guarded.step(Informed(guarded.exchange.rules, guarded.leader.fees))
    guarded.now += 70_000
    guarded.settle()
    joins(guarded, price)
    balanced(guarded)
