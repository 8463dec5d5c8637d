import pytest

from naived.core.amount import Money, Quantity, parse_money, parse_price, parse_quantity
from naived.core.order import Intent, Side
from naived.core.phase import (
    Bought,
    Buying,
    Finished,
    Hold,
    Holding,
    Phase,
    Selling,
    Sold,
    Terms,
    Trader,
    Waiting,
    position,
)
from naived.core.strategy import NO_LEFTOVER, Leftover
from tests.core_market import FEES, START, fill, settings

SETTINGS = settings()
TERMS = Terms(
    SETTINGS.budget or Money(0),
    SETTINGS.chunks,
    SETTINGS.buy_down,
    SETTINGS.profit,
    SETTINGS.rebuy,
    SETTINGS.reprice,
    FEES,
)
PRICE = "2683.53"
EMPTY = Bought(parse_price(PRICE))
BUY = Intent("ETHUSDT", 17, Side.BUY, 1, parse_price(PRICE), parse_quantity("0.0745"))
SELL = Intent("ETHUSDT", 17, Side.SELL, 1, parse_price("2689.45"), parse_quantity("0.0744"))


def trader(phase: Phase) -> Trader:
    return Trader("ETHUSDT", 17, TERMS, phase, START, START)


def test_a_trader_is_named_by_its_symbol_and_number() -> None:
    assert trader(Waiting()).id == "ETHUSDT-17"


def test_a_fee_in_the_bought_coin_lessens_what_was_bought() -> None:
    bought = EMPTY.book(fill(PRICE, "0.0745", "0.0000745", "ETH"), "ETH", "USDT")
    assert bought.net == parse_quantity("0.0744255")
    assert bought.cost == parse_money("199.922985")


def test_a_fee_in_quote_is_part_of_the_cost() -> None:
    bought = EMPTY.book(fill(PRICE, "0.0745", "0.2", "USDT"), "ETH", "USDT")
    assert bought.net == parse_quantity("0.0745")
    assert bought.cost == parse_money("200.122985")


def test_a_fee_in_a_third_asset_is_not_netted() -> None:
    bought = EMPTY.book(fill(PRICE, "0.0745", "0.00025", "BNB"), "ETH", "USDT")
    assert (bought.net, bought.cost) == (parse_quantity("0.0745"), parse_money("199.922985"))
    sold = Sold().book(fill("2689.45", "0.0744", "0.00025", "BNB"), "ETH", "USDT")
    assert sold == Sold(parse_quantity("0.0744"), parse_money("200.09508"))


def test_fills_of_a_sell_add_up() -> None:
    sold = Sold()
    for part in (fill("2689.45", "0.04", "0.1", "USDT"), fill("2689.45", "0.0344", "0.00001", "ETH")):
        sold = sold.book(part, "ETH", "USDT")
    assert sold == Sold(
        parse_quantity("0.0744"), parse_money("200.09508"), parse_money("0.1"), parse_quantity("0.00001")
    )


HELD = EMPTY.book(fill(PRICE, "0.0745"), "ETH", "USDT")
HALF = Sold(parse_quantity("0.03725"), parse_money("100"))


@pytest.mark.parametrize(
    ("phase", "owned"),
    [
        (Waiting(), NO_LEFTOVER),
        (Buying(BUY, EMPTY), NO_LEFTOVER),
        (Buying(BUY, HELD), Leftover(HELD.quantity, HELD.cost)),
        (Holding(HELD, Hold.STOPPED, "stopped", None), Leftover(HELD.quantity, HELD.cost)),
        (Selling(HELD, SELL, sold=HALF), Leftover(parse_quantity("0.03725"), parse_money("99.9614925"))),
        (
            Selling(HELD, SELL, carried=Leftover(parse_quantity("0.1"), parse_money("1"))),
            Leftover(parse_quantity("0.1745"), parse_money("200.922985")),
        ),
        (Finished(HELD, HALF, NO_LEFTOVER, NO_LEFTOVER, None), NO_LEFTOVER),
    ],
)
def test_a_position_is_what_is_held_and_its_share_of_the_cost(phase: Phase, owned: Leftover) -> None:
    assert position(trader(phase)) == owned


def test_a_buy_that_its_fee_ate_up_leaves_a_position_of_nothing() -> None:
    bought = Bought(parse_price(PRICE), Quantity(1), Money(1), Quantity(1))
    assert position(trader(Holding(bought, Hold.STOPPED, "stopped", None))) == Leftover(Quantity(0), Money(1))
