import pytest

from naived.core.amount import format_amount, parse_money, parse_price, parse_quantity
from naived.simulator.errors import ApiError
from naived.simulator.order import OrderType
from naived.simulator.rules import affordable, check, check_open
from naived.simulator.symbols import coarser, halted
from tests.simulator_values import ETH, new

AVERAGE = (parse_price("2000") * 3, 3)


@pytest.mark.parametrize(
    ("side", "price", "failed"),
    [
        ("buy", "2400", None),
        ("buy", "2400.01", "PERCENT_PRICE_BY_SIDE"),
        ("buy", "1000", None),
        ("buy", "999.99", "PERCENT_PRICE_BY_SIDE"),
        ("sell", "4000", None),
        ("sell", "4000.01", "PERCENT_PRICE_BY_SIDE"),
        ("sell", "1600", None),
        ("sell", "1599.99", "PERCENT_PRICE_BY_SIDE"),
    ],
)
def test_a_price_stays_within_percent_of_the_average(side: str, price: str, failed: str | None) -> None:
    if failed is None:
        check(ETH, new(side, price, "1"), AVERAGE)
        return
    with pytest.raises(ApiError) as caught:
        check(ETH, new(side, price, "1"), AVERAGE)
    assert caught.value.message == f"Filter failure: {failed}"


def test_without_an_average_any_price_on_the_tick_will_do() -> None:
    check(ETH, new("buy", "999999.99", "1"), None)


def test_a_market_order_may_be_a_dust_below_the_least_notional_and_not_pass() -> None:
    check(ETH, new("buy", "0", "0.0025", type=OrderType.MARKET), AVERAGE)
    with pytest.raises(ApiError, match="NOTIONAL"):
        check(ETH, new("buy", "0", "0.0024", type=OrderType.MARKET), AVERAGE)


def test_too_many_open_orders_and_a_closed_market_are_the_engines_refusals() -> None:
    check_open(ETH, 199)
    with pytest.raises(ApiError, match=r"-2010.*MAX_NUM_ORDERS"):
        check_open(ETH, 200)
    with pytest.raises(ApiError, match=r"-2010.*Market is closed"):
        check_open(halted(ETH), 0)


def test_coarser_rules_refuse_what_was_fine() -> None:
    check(ETH, new("buy", "2000.01", "0.0101"), AVERAGE)
    with pytest.raises(ApiError, match="PRICE_FILTER"):
        check(coarser(ETH), new("buy", "2000.01", "0.0101"), AVERAGE)
    with pytest.raises(ApiError, match="LOT_SIZE"):
        check(coarser(ETH), new("buy", "2000.1", "0.0101"), AVERAGE)


def test_money_buys_whole_steps_only() -> None:
    assert format_amount(affordable(ETH, parse_money("100"), parse_price("2683.80"))) == "0.0372"
    with pytest.raises(ApiError, match="LOT_SIZE"):
        affordable(ETH, parse_money("0.1"), parse_price("2683.80"))
    assert parse_quantity("0.0372") * parse_price("2683.80") <= parse_money("100") * 10**8
