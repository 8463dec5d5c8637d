"""A refusal that stands: nothing is bought inside its interval, whatever the rules; freed money is used at once."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from naived.core.amount import SCALE, Money, Price, parse_money, parse_price
from naived.core.orders.intent import Side
from naived.core.strategy.leader import EVERY
from naived.core.strategy.sizing import terms_of
from naived.core.strategy.standing import Standing, lacking
from naived.core.strategy.trader import step_trader
from naived.core.strategy.trader_state import Note, Place, Traded, Trader, Waiting
from naived.core.strategy.view import Funds, SymbolView
from tests.naived.core.strategy.test_trader import VIEW
from tests.support.engine import Workbench, workbench
from tests.support.market import FEES, START, Exchange, filters, info, settings, trade

SHORT = Funds(room=parse_money("199"), limited="no room: 801 of 1000 (max-exposure)")


def strict() -> Exchange:
    """One that takes no order worth less than 300."""
    return Exchange(info(filters(notional="300")), FEES.buy)


def refused(view: SymbolView, terms: Trader, last: Price) -> list[Standing] | None:
    """What is said of how long the refusal stands; None if the buy is placed."""
    _, commands = step_trader(terms, Traded(replace(trade("1"), price=last)), view)
    if any(type(command) is Place for command in commands):
        return None
    return [command for command in commands if type(command) is Standing]


@given(
    last=st.integers(1, 10**4) | st.integers(10**6, 10**13),
    tick=st.sampled_from([1, 10**4, 10**6, 10**8]),
    step=st.sampled_from([1, 10**3, 10**4, 10**8]),
    least=st.sampled_from([1, 10**4, 10**7, 10**9]),
    notional=st.integers(0, 3 * 10**10),
    budget=st.integers(10**6, 10**12),
    chunks=st.integers(1, 7),
    buy_down=st.sampled_from(["0", "0.0001", "0.5"]),
    room=st.integers(0, 10**12),
    lowest=st.none() | st.integers(1, 10**13),
    money=st.none() | st.integers(-(10**9), 10**12),
    quote=st.none() | st.integers(-(10**9), 10**12),
    among=st.lists(st.integers(0, 10**6), min_size=12, max_size=12),
)
def test_no_trade_inside_the_interval_buys(
    last: int,
    tick: int,
    step: int,
    least: int,
    notional: int,
    budget: int,
    chunks: int,
    buy_down: str,
    room: int,
    lowest: int | None,
    money: int | None,
    quote: int | None,
    among: list[int],
) -> None:
    """Neither with these funds nor with any others that still lack what is least."""
    rules = replace(
        filters(), tick_size=tick, min_price=tick, max_price=0, step_size=step, min_quantity=max(least, step),
        max_quantity=0, min_notional=notional, max_notional=0,
    )  # fmt: skip
    wanted = replace(settings(chunks=chunks, buy_down=buy_down), budget=Money(budget))
    fresh = Trader("ETHUSDT", 1, terms_of(wanted, FEES), Waiting(), START, START)
    view = replace(VIEW, filters=rules, room=Money(min(room, budget)), lowest_sell=lowest)
    view = replace(view, funds=Funds(quote=quote, room=money, limited="no room"))  # type: ignore[arg-type]
    for stands in refused(view, fresh, Price(last)) or ():
        assert stands.low < last < stands.high
        others = [view.funds]
        if stands.least is not None:
            assert lacking(stands.least, view.funds)
            most = Money(stands.least - 1)
            others = [Funds(room=most, limited="no room"), Funds(quote=most)]
        inside = range(stands.low + 1, stands.high)
        prices = {inside[0], inside[-1], *(inside[each % len(inside)] for each in among)}
        for price in prices:
            for funds in others:
                assert refused(replace(view, funds=funds), fresh, Price(price)) is not None, (price, stands)


def with_funds(of: Workbench, price: str, funds: Funds) -> list[str]:
    """A trade while the account has these funds; what came of it in words."""
    of.last = parse_price(price)
    of.exchange.trade(of.last, of.now)
    before = len(of.exchange.orders)
    notes = [
        each.message
        for each in of.step(Traded(trade(price, of.now, of.exchange.trades), funds)).notes
        if isinstance(each, Note)
    ]
    of.settle()
    buys = (order.intent for order in of.exchange.orders[before:] if order.intent.side is Side.BUY)
    return notes + [f"buys at {intent.price / SCALE:g}" for intent in buys]


def test_while_the_account_has_no_room_a_trade_nearby_changes_nothing_and_room_is_used_at_once() -> None:
    of = workbench(settings(buy_down="0"))
    (refusal,) = with_funds(of, "2000", SHORT)
    assert refusal.endswith(SHORT.limited)
    assert of.engine.band == (parse_price("1800"), parse_price("2200") + 1)
    least = of.leader.least
    assert least is not None
    assert parse_money("199.7") < least < parse_money("200"), "a chunk, less one step at the highest price"
    before = of.leader
    assert with_funds(of, "1999", replace(SHORT, room=Money(0))) == []
    assert of.leader is before
    assert with_funds(of, "1999", Funds(room=parse_money("200"))) == ["buys at 1999"]
    assert of.leader.standing is None


def test_far_from_the_price_of_the_refusal_it_is_said_anew_with_the_numbers_of_then() -> None:
    of = workbench(settings(buy_down="0", chunks=5), exchange=strict())
    (refusal,) = with_funds(of, "2000", Funds())
    assert "the least budget is 1500" in refusal
    assert (of.engine.band, of.leader.least) == ((parse_price("1800"), parse_price("2200") + 1), None)
    assert with_funds(of, "1700", Funds()) == []
    assert of.engine.band == (parse_price("1530"), parse_price("1870") + 1)


def test_new_settings_and_new_rules_end_it() -> None:
    of = workbench(settings(buy_down="0"), exchange=strict())
    with_funds(of, "2000", Funds())
    assert of.engine.band != EVERY
    of.direct(of.leader.desired.status, settings(buy_down="0", budget="1600"))
    assert of.engine.band == EVERY
    assert with_funds(of, "2000", Funds()) == ["buys at 2000"]


def test_a_sell_in_the_way_stands_for_higher_prices_only() -> None:
    view = replace(VIEW, lowest_sell=parse_price("2683.53"))
    fresh = Trader("ETHUSDT", 1, terms_of(settings(), FEES), Waiting(), START, START)
    last = parse_price("2683.80")
    assert refused(view, fresh, last) == [Standing(last - 1, last * 11 // 10 + 1)]
    assert refused(view, fresh, parse_price("2683.70")) is None
