from dataclasses import replace

import pytest

from naived.core.amount import Money, Price, Quantity, parse_price
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus
from naived.simulator.matching import Average, Book, crosses, prevent
from naived.simulator.order import Order, OrderType, StpMode, TimeInForce


def order(number: int, side: Side, price: int, quantity: int = 10, mode: StpMode = StpMode.NONE) -> Order:
    return Order(
        symbol="ETHUSDT",
        id=number,
        client_order_id=str(number),
        side=side,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price=Price(price),
        quantity=Quantity(quantity),
        quote_quantity=Money(0),
        stp_mode=mode,
        created=0,
        updated=0,
    )


def book(*orders: Order) -> Book:
    filled = Book()
    for one in orders:
        filled.add(one)
    return filled


BIDS = (order(1, Side.BUY, 100), order(2, Side.BUY, 102), order(3, Side.BUY, 102), order(4, Side.BUY, 101))
ASKS = (order(5, Side.SELL, 110), order(6, Side.SELL, 108), order(7, Side.SELL, 108))


@pytest.mark.parametrize(
    ("price", "expected"),
    [(102, []), (101, [2, 3]), (100, [2, 3, 4]), (99, [2, 3, 4, 1]), (108, []), (109, [6, 7]), (111, [6, 7, 5])],
)
def test_a_trade_reaches_only_what_it_prints_strictly_through_best_and_oldest_first(
    price: int, expected: list[int]
) -> None:
    assert book(*BIDS, *ASKS).through(Price(price)) == expected


@pytest.mark.parametrize(
    ("side", "limit", "expected"),
    [
        (Side.BUY, 107, []),
        (Side.BUY, 108, [6, 7]),
        (Side.BUY, 200, [6, 7, 5]),
        (Side.SELL, 103, []),
        (Side.SELL, 101, [2, 3, 4]),
    ],
)
def test_a_new_order_meets_what_its_limit_reaches(side: Side, limit: int, expected: list[int]) -> None:
    assert book(*BIDS, *ASKS).meeting(side, Price(limit)) == expected


def test_a_removed_order_is_met_no_more() -> None:
    emptied = book(*BIDS)
    emptied.remove(BIDS[1])
    assert emptied.through(Price(1)) == [3, 4, 1]


@pytest.mark.parametrize(
    ("side", "limit", "price", "expected"),
    [
        (Side.BUY, 100, 100, True),
        (Side.BUY, 99, 100, False),
        (Side.SELL, 100, 100, True),
        (Side.SELL, 101, 100, False),
    ],
)
def test_a_limit_at_the_price_crosses(side: Side, limit: int, price: int, expected: bool) -> None:
    assert crosses(side, Price(limit), Price(price)) is expected


EXPIRED, OPEN = OrderStatus.EXPIRED_IN_MATCH, OrderStatus.NEW


@pytest.mark.parametrize(
    ("mode", "taker_status", "maker_statuses", "taker_left"),
    [
        (StpMode.NONE, OPEN, [], 10),
        (StpMode.EXPIRE_MAKER, OPEN, [EXPIRED, EXPIRED], 10),
        (StpMode.EXPIRE_TAKER, EXPIRED, [OPEN], 0),
        (StpMode.EXPIRE_BOTH, EXPIRED, [EXPIRED], 0),
        (StpMode.DECREMENT, EXPIRED, [EXPIRED, OPEN], 0),
        (StpMode.TRANSFER, EXPIRED, [EXPIRED, OPEN], 0),
    ],
)
def test_the_takers_mode_says_which_of_two_own_orders_goes(
    mode: StpMode, taker_status: OrderStatus, maker_statuses: list[OrderStatus], taker_left: int
) -> None:
    taker = order(9, Side.BUY, 120, quantity=10, mode=mode)
    prevented = prevent(taker, [order(6, Side.SELL, 108, quantity=4), order(5, Side.SELL, 110, quantity=20)])
    last = prevented[-1].taker if prevented else taker
    assert (last.status, last.remaining) == (taker_status, taker_left)
    assert [match.maker.status for match in prevented] == maker_statuses


def test_decrement_takes_the_same_quantity_from_both() -> None:
    taker = order(9, Side.BUY, 120, quantity=10, mode=StpMode.DECREMENT)
    maker = replace(order(6, Side.SELL, 108, quantity=8), executed=Quantity(5))
    [match] = prevent(taker, [maker])
    assert (match.quantity, match.taker.remaining, match.taker.status) == (3, 7, OPEN)
    assert (match.maker.prevented, match.maker.status) == (3, EXPIRED)


def test_an_average_weighs_by_volume_and_forgets_after_its_minutes() -> None:
    average = Average(5)
    assert average.price(0) is None
    average.add(0, parse_price("100"), Quantity(1))
    average.add(59_999, parse_price("200"), Quantity(3))
    assert average.price(60_000) == (parse_price("700"), 4)
    average.add(299_999, parse_price("10"), Quantity(1))
    assert average.price(299_999) == (parse_price("710"), 5)
    assert average.price(300_000) == (parse_price("10"), 1)
    assert average.price(600_000) is None
