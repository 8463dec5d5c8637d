import pytest
from msgspec.structs import replace

from naived.core.amount import parse_money, parse_price, parse_quantity, parse_rate
from naived.core.market import describe, least_sell, most_sell, refusal
from naived.core.orders.intent import Side
from tests.support.market import ETH, filters


def failed(
    price: str, quantity: str, side: Side = Side.BUY, reference: str | None = None, **more: int
) -> str | None:
    return refusal(
        filters(**more),  # type: ignore[arg-type]
        side,
        parse_price(price),
        parse_quantity(quantity),
        None if reference is None else parse_price(reference),
    )


@pytest.mark.parametrize(
    ("price", "quantity", "name"),
    [
        ("2683.53", "0.0745", None),
        ("2683.535", "0.0745", "PRICE_FILTER"),
        ("1000000", "0.0001", None),
        ("1000000.01", "0.0001", "PRICE_FILTER"),
        ("2683.53", "0.07451", "LOT_SIZE"),
        ("0.01", "9000000", None),
        ("0.01", "9000000.0001", "LOT_SIZE"),
        ("50000", "0.0001", None),
        ("49999.99", "0.0001", "NOTIONAL"),
        ("900000", "10", None),
        ("900000.01", "10", "NOTIONAL"),
    ],
)
def test_an_order_fails_the_filter_whose_bound_it_passes(price: str, quantity: str, name: str | None) -> None:
    assert failed(price, quantity) == name


def test_a_bound_of_zero_is_off() -> None:
    open_ended = {"min_price": 0, "max_price": 0, "min_quantity": 0, "max_quantity": 0, "min_notional": 0}
    assert failed("0.01", "0.0001", **open_ended) is None
    assert failed("90000000", "0.0001", **open_ended) is None


def test_nothing_at_no_price_is_no_order_whatever_the_bounds_say() -> None:
    open_ended = {"min_price": 0, "min_quantity": 0, "min_notional": 0}
    assert failed("0", "1", **open_ended) == "PRICE_FILTER"
    assert failed("1", "0", **open_ended) == "LOT_SIZE"


@pytest.mark.parametrize(
    ("side", "price", "name"),
    [
        (Side.BUY, "80", None),
        (Side.BUY, "79.99", "PERCENT_PRICE_BY_SIDE"),
        (Side.BUY, "110", None),
        (Side.BUY, "110.01", "PERCENT_PRICE_BY_SIDE"),
        (Side.SELL, "90", None),
        (Side.SELL, "89.99", "PERCENT_PRICE_BY_SIDE"),
        (Side.SELL, "500", None),
        (Side.SELL, "500.01", "PERCENT_PRICE_BY_SIDE"),
    ],
)
def test_each_side_has_its_own_distance_from_the_reference_price(side: Side, price: str, name: str | None) -> None:
    limits = {
        "bid_down": parse_rate("0.8"),
        "bid_up": parse_rate("1.1"),
        "ask_down": parse_rate("0.9"),
        "ask_up": parse_rate("5"),
    }
    assert failed(price, "1", side, "100", **limits) == name
    assert failed(price, "1", side, None, **limits) is None


@pytest.mark.parametrize(
    ("reference", "up", "most"), [("100", "1.2", "120"), ("100.01", "1.2", "120.01"), ("100", None, None)]
)
def test_the_highest_price_that_a_sell_may_ask(reference: str, up: str | None, most: str | None) -> None:
    rules = replace(ETH, ask_up=None if up is None else parse_rate(up))
    assert most_sell(rules, parse_price(reference)) == (None if most is None else parse_price(most))
    assert most_sell(rules, None) is None


@pytest.mark.parametrize(
    ("reference", "down", "least"),
    [("100", "0.9", "90"), ("100.01", "0.9", "90.01"), ("100", None, "0"), (None, "0.9", "0")],
)
def test_the_lowest_price_that_a_sell_may_ask(reference: str | None, down: str | None, least: str) -> None:
    rules = replace(ETH, ask_down=None if down is None else parse_rate(down))
    assert least_sell(rules, None if reference is None else parse_price(reference)) == parse_price(least)


def test_a_distance_that_is_not_limited_is_not_checked() -> None:
    assert failed("1", "9", Side.SELL, "1000000") is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("PRICE_FILTER", "a price is a multiple of 0.01 between 0.01 and 1000000"),
        ("LOT_SIZE", "a quantity is a multiple of 0.0001 between 0.0001 and 9000000"),
        ("NOTIONAL", "an order is worth at least 5 and at most 9000000"),
        ("PERCENT_PRICE_BY_SIDE", "the price is too far from the exchange's reference price"),
    ],
)
def test_a_filter_is_described_with_its_bounds(name: str, words: str) -> None:
    assert describe(ETH, name) == words


def test_the_notional_is_compared_exactly_and_not_after_rounding() -> None:
    rules = filters(tick="0.00000001", step="0.00000001", notional="0.00000001")
    price, quantity = parse_price("0.00009999"), parse_quantity("0.0001")  # 0.000000009999: would round up to it
    assert rules.min_notional == parse_money("0.00000001")
    assert refusal(rules, Side.BUY, price, quantity, None) == "NOTIONAL"
