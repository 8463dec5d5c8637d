from collections.abc import Iterator
from dataclasses import replace

import pytest
from msgspec import structs

from naived.core.amount import format_amount, parse_amount, parse_price, parse_rate
from naived.core.orders.report import OrderStatus
from naived.simulator.account import Account
from naived.simulator.ledger import Ledger
from naived.simulator.order import Executed, Execution, Order, Position
from naived.simulator.step import Market, Step
from tests.support.simulator import NOW, exchange, new


@pytest.fixture
def resting() -> Iterator[tuple[Market, Account, Ledger, Order]]:
    engine = exchange()
    order = engine.place(new("buy", "2600", "0.1")).order
    yield engine.market("ETHUSDT"), engine.account, engine.ledger, order
    engine.ledger.close()


def begin(market: Market, account: Account, ledger: Ledger, *, half: bool = False) -> Step:
    return Step(
        market,
        account,
        ledger,
        NOW + 5,
        fee_rate=parse_rate("0.001"),
        fee_asset=None,
        partly=lambda symbol: half,
    )


def test_nothing_is_durable_or_off_the_book_before_the_commit(
    resting: tuple[Market, Account, Ledger, Order],
) -> None:
    market, account, ledger, order = resting
    step = begin(market, account, ledger)
    filled = step.fill(order, order.price, maker=True)
    assert (filled.status, filled.updated) == (OrderStatus.FILLED, NOW + 5)
    assert ledger.history.order("ETHUSDT", 1) == order
    assert market.open == {1: order}
    events = step.commit()
    assert ledger.history.order("ETHUSDT", 1) == filled
    assert (market.open, market.by_client_id, market.book.through(parse_price("1"))) == ({}, {}, [])
    report, position = events
    assert isinstance(report, Executed)
    assert (report.kind, report.id) == (Execution.TRADE, 2)
    assert isinstance(position, Position)
    assert [(asset, format_amount(b.free), format_amount(b.locked)) for asset, b in position.balances] == [
        ("ETH", "0.0999", "0"),
        ("USDT", "99740", "0"),
    ]


def test_a_half_fill_stays_on_the_book_with_what_remains(resting: tuple[Market, Account, Ledger, Order]) -> None:
    market, account, ledger, order = resting
    step = begin(market, account, ledger, half=True)
    part = step.fill(order, order.price, maker=True)
    done = step.done(part)
    assert (done.order.status, [f.quantity for f in done.fills]) == (
        OrderStatus.PARTIALLY_FILLED,
        [order.quantity // 2],
    )
    assert market.open == {1: part}
    assert market.book.through(parse_price("1")) == [1]


def test_a_single_step_of_quantity_is_never_halved() -> None:
    engine = exchange(partly=lambda symbol: True)
    listing = engine.market("ETHUSDT").listing
    free = structs.replace(listing.info.filters, min_notional=0)
    engine.list(replace(listing, info=structs.replace(listing.info, filters=free)))
    engine.place(new("buy", "2600", "0.0001"))
    engine.trade("ETHUSDT", parse_price("2599"), parse_amount("1"))  # type: ignore[arg-type]
    found = engine.find("ETHUSDT", 1, None)
    assert found is not None
    assert found.status is OrderStatus.FILLED
    engine.ledger.close()
