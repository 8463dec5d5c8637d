import pytest

from naived.core.amount import format_amount, parse_money, parse_price, parse_quantity
from naived.simulator.errors import ApiError
from naived.simulator.order import OrderType
from naived.simulator.rules import affordable, altered, check, check_open, check_position, coarser, halted
from naived.simulator.symbols import listing
from tests.support.simulator import ETH, new


def test_a_halt_and_coarser_steps_show_in_the_row_and_in_the_rules() -> None:
    assert halted(ETH).row["status"] == "HALT"
    assert not halted(ETH).info.trading
    coarse = coarser(ETH)
    assert format_amount(coarse.info.filters.tick_size) == "0.1"
    assert format_amount(coarse.info.filters.step_size) == "0.001"
    assert coarse.row["filters"][0]["tickSize"] == "0.10000000"
    assert format_amount(ETH.info.filters.tick_size) == "0.01"


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


@pytest.mark.parametrize(
    ("side", "price", "quantity", "failed"),
    [
        ("buy", "3000.01", "1", "PERCENT_PRICE"),
        ("sell", "3000.01", "1", "PERCENT_PRICE"),
        ("sell", "999.99", "1", "PERCENT_PRICE"),
        ("buy", "2000", "0.004", "MIN_NOTIONAL"),
        ("buy", "3000", "1", None),
        ("sell", "1000", "1", None),
    ],
)
def test_older_filters_bind_by_their_own_names(side: str, price: str, quantity: str, failed: str | None) -> None:
    old = listing(
        {
            **ETH.row,
            "filters": [
                {"filterType": "PERCENT_PRICE", "multiplierUp": "1.5", "multiplierDown": "0.5", "avgPriceMins": 5},
                {"filterType": "MIN_NOTIONAL", "minNotional": "10", "avgPriceMins": 5, "applyToMarket": True},
            ],
        }
    )
    if failed is None:
        check(old, new(side, price, quantity), AVERAGE)
        return
    with pytest.raises(ApiError) as caught:
        check(old, new(side, price, quantity), AVERAGE)
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


def test_altered_rules_show_in_the_row_and_bind() -> None:
    changed = altered(ETH, {"tickSize": "0.1", "stepSize": "1", "minNotional": "30", "status": "BREAK"})
    assert (changed.row["status"], changed.info.trading) == ("BREAK", False)
    assert format_amount(changed.info.filters.tick_size) == "0.1"
    by_type = {item["filterType"]: item for item in changed.row["filters"]}
    assert by_type["LOT_SIZE"]["stepSize"] == "1.00000000"
    assert by_type["NOTIONAL"]["minNotional"] == "30.00000000"
    assert by_type["PRICE_FILTER"]["maxPrice"] == "1000000.00000000"


def test_a_rule_that_the_symbol_has_not_yet_is_added() -> None:
    bare = listing({**ETH.row, "filters": []})
    changed = altered(bare, {"maxPosition": "0.15", "maxQty": "3"})
    assert [item["filterType"] for item in changed.row["filters"]] == ["MAX_POSITION", "LOT_SIZE"]
    check_position(changed, parse_quantity("0.15"))
    with pytest.raises(ApiError, match=r"-2010.*Filter failure: MAX_POSITION"):
        check_position(changed, parse_quantity("0.15000001"))
    check_position(ETH, parse_quantity("1000000"))


def test_a_bound_on_notional_keeps_the_old_filters_least() -> None:
    old = listing({**ETH.row, "filters": [{"filterType": "MIN_NOTIONAL", "minNotional": "10"}]})
    changed = altered(old, {"maxNotional": "500"}).info.filters
    assert (format_amount(changed.min_notional), format_amount(changed.max_notional)) == ("10", "500")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tickSize", "-1"),
        ("maxQty", "1e3"),
        ("minQty", "nan"),
        ("status", "trading"),
        ("maxPosition", "0.123456789"),
    ],
)
def test_a_rule_that_is_no_rule_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ApiError, match=rf"-1130.*{name}"):
        altered(ETH, {name: value})
