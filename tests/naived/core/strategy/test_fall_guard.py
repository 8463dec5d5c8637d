"""The fall guard on an engine at work: nothing is bought into a fall, and it ends when the high leaves the span."""

import pytest
from msgspec.structs import replace

from naived.core.amount import parse_price
from naived.core.engine import Question
from naived.core.orders.intent import Side
from naived.core.price_guards import Peak, parse_fall_guard
from naived.core.strategy.leader_events import Recalled
from naived.core.strategy.settings import Settings, Status
from naived.core.strategy.summary import held_back
from naived.core.strategy.trader_state import Traded, Woke
from tests.support.engine import Workbench, check, workbench
from tests.support.market import settings, trade

PLAIN = settings(chunks=3, budget="600", buy_down="0", rebuy="0.001", reprice="0")
SECOND = 1_000


def guarded(text: str = "5%/1m", plain: Settings = PLAIN) -> Settings:
    return replace(plain, fall_guard=parse_fall_guard(text))


def limits(of: Workbench) -> list[str]:
    return [f"{order.intent.price / 10**8:g}" for order in of.exchange.orders if order.intent.side is Side.BUY]


def notes(of: Workbench) -> list[str]:
    return [note.message for note in of.journal.notes if note.kind == "waits"]


def test_nothing_is_bought_while_the_price_fell_by_more_than_the_rate() -> None:
    of = workbench(guarded())
    of.market("2000", "1900")  # 5 %, not more
    assert limits(of) == ["2000", "1900"]
    of.market("1899.99", "1850")
    assert limits(of) == ["2000", "1900"]
    assert notes(of) == ["ETHUSDT: the price fell too far within 1m: from 2000 to 1850 USDT (fall-guard 0.05)"]
    check(of)


def test_it_ends_when_the_high_leaves_the_span_and_the_next_trade_buys() -> None:
    of = workbench(guarded())
    of.market("2000", "1890")
    assert limits(of) == ["2000"]
    wakes = of.leader.wakes_at
    assert wakes is not None
    assert 59 * SECOND <= wakes - of.now <= 60 * SECOND
    assert of.engine.band == (-1, parse_price("1900"))
    of.now = wakes
    of.step(Woke())
    assert held_back(of.leader, of.last) == (
        "waits for the next trade: the price fell too far within 1m at the last one"
    )
    of.trade("1890")
    of.settle()
    assert limits(of) == ["2000", "1890"]
    check(of)


def test_a_price_back_in_reach_of_the_high_buys_at_once() -> None:
    of = workbench(guarded())
    of.market("2000", "1850", "1899.99")
    assert limits(of) == ["2000"]
    of.market("1900")
    assert limits(of) == ["2000", "1900"]


def test_a_slow_fall_through_many_slots_is_told_once() -> None:
    of = workbench(guarded(plain=settings(chunks=100, budget="6000", buy_down="0", rebuy="0.001", reprice="0")))
    for step in range(240):
        of.market(f"{2000 - step * 3}")
        check(of)
    assert len(notes(of)) == 1
    assert len(limits(of)) > 20


def test_prices_that_are_not_known_hold_back_every_buy_and_are_asked_for() -> None:
    of = workbench(guarded())
    of.now += SECOND
    of.last = trade("2000").price
    unknown = Peak(None, of.now + 10 * SECOND)
    changes = of.step(Traded(trade("2000", of.now), peak=unknown))
    assert changes.questions == [Question.HIGHS]
    assert of.leader.wakes_at == unknown.until
    why = held_back(of.leader, of.last)
    assert why == "the prices of the last 1m are not known yet: the fall guard cannot tell"
    of.step(Recalled())
    of.market("2000")
    assert limits(of) == ["2000"]


def test_setting_and_changing_it_asks_for_the_prices_and_taking_it_away_lets_the_next_trade_buy() -> None:
    of = workbench(PLAIN)
    of.direct(Status.ON, guarded())
    assert of.journal.questions == [Question.HIGHS]
    of.market("2000", "1800")
    assert limits(of) == ["2000"]
    of.direct(Status.ON, PLAIN)
    of.market("1800")
    assert limits(of) == ["2000", "1800"]


def test_sells_go_on_while_it_blocks() -> None:
    of = workbench(guarded())
    of.market("2000", "1999", "1800")
    (sell,) = of.exchange.open(Side.SELL)
    of.market(sell.intent.price + 1)
    assert of.exchange.base == 0


@pytest.mark.parametrize("text", ["5%", "5%/", "/1m", "5%/1d", "0/1m", "1/1m", "5%/0s", "5%/900h", "x/1m", ""])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_fall_guard(text)


def test_none_takes_it_away_and_its_text_can_be_read_again() -> None:
    assert parse_fall_guard("none") is None
    guard = parse_fall_guard("2.5%/90s")
    assert str(guard) == "0.025/90s"
    assert parse_fall_guard(str(guard)) == guard
