"""Which order is ours though the exchange lists it under another id."""

import pytest
from msgspec.structs import replace

from naived.core.amount import Quantity, parse_price, parse_quantity
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus, Report
from naived.runtime.placed_ids import PlacedIds
from tests.support.market import START

DAY = 24 * 3_600_000
PRICE, QUANTITY = parse_price("2000"), parse_quantity("0.1")
OURS = Report("ETHUSDT", 7, "ours", Side.BUY, PRICE, QUANTITY, OrderStatus.NEW, Quantity(0), START, START)
LISTED = replace(OURS, client_order_id="web_1")


def noted(*reports: Report) -> PlacedIds:
    ids = PlacedIds()
    for report in reports:
        ids.note(report)
    return ids


def test_an_order_that_was_open_is_known_by_its_number() -> None:
    assert noted(OURS).restore(LISTED) == OURS
    assert PlacedIds().restore(LISTED) == LISTED


@pytest.mark.parametrize("change", [{"order_id": 8}, {"symbol": "BTCUSDT"}, {"created": START + 2_000}])
def test_another_order_is_not_taken_for_it(change: dict[str, object]) -> None:
    """A number may be given again: on a testnet that began anew."""
    other = replace(LISTED, **change)
    assert noted(OURS).restore(other) == other


@pytest.mark.parametrize(
    ("status", "executed", "kept"),
    [
        (OrderStatus.CANCELED, 5, True),  # a person's cancel renamed it, and it bought something
        (OrderStatus.CANCELED, 0, False),
        (OrderStatus.FILLED, 5, False),  # an amendment was told before, under its first id
        (OrderStatus.EXPIRED, 5, False),
    ],
)
def test_of_those_that_ended_only_what_may_be_looked_for_is_kept(
    status: OrderStatus, executed: int, kept: bool
) -> None:
    ids = noted(OURS, replace(OURS, status=status, executed=Quantity(executed)))
    assert (ids.restore(LISTED) == OURS) is kept


def test_an_amended_order_stays_known_after_it_was_filled_under_its_new_id() -> None:
    amended = replace(OURS, quantity=parse_quantity("0.05"), amended=True)
    assert noted(OURS, amended).restore(LISTED).client_order_id == "ours"


def test_what_was_placed_more_than_a_day_before_the_latest_is_forgotten() -> None:
    later = replace(OURS, order_id=8, created=START + DAY + 1)
    ids = noted(OURS, later)
    assert ids.restore(LISTED) == LISTED
    assert ids.restore(replace(later, client_order_id="web_2")) == later
