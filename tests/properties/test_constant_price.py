"""A market that does not move gives no reason to do anything twice."""

from hypothesis import given
from hypothesis import strategies as st

from naived.core.amount import Money, Price, Rate
from naived.core.orders.intent import Side
from naived.core.strategy.formulas import Fees, buy_price
from naived.core.strategy.settings import Settings
from tests.support.engine import check, check_quiet, workbench
from tests.support.market import ETH, TENTH, Exchange, info

rates = st.integers(1, 5_000_000).map(Rate)  # up to 5 %


@given(
    price=st.integers(100, 1_000_000).map(lambda cents: Price(cents * ETH.tick_size)),
    wanted=st.builds(
        Settings,
        chunks=st.integers(1, 5),
        budget=st.integers(10**8, 10**12).map(Money),
        buy_down=rates | st.just(Rate(0)),
        profit=rates,
        rebuy=rates,
        reprice=rates | st.just(Rate(0)),
    ),
    fee=st.sampled_from([Rate(0), TENTH]),
)
def test_at_a_constant_price_a_trader_buys_once_and_nothing_is_cancelled(
    price: Price, wanted: Settings, fee: Rate
) -> None:
    limit = buy_price(price, wanted.buy_down, ETH)
    cycle = workbench(wanted, Fees(fee, fee), Exchange(info(), fee))
    cycle.market(*[price] * 10)
    intents = [order.intent for order in cycle.journal.orders.values()]
    assert len({(intent.trader, intent.side) for intent in intents}) == len(intents)
    assert all(intent.side is Side.BUY or limit == price for intent in intents)
    assert not any(order.cancelling for order in cycle.journal.orders.values())
    check(cycle)
    check_quiet(cycle)
