from dataclasses import replace

import pytest

from naived.core.amount import parse_price, parse_quantity
from naived.core.order import Intent, OrderStatus, Side
from naived.core.placement import LIVE, TERMINAL, Need, Placement, State, need
from tests.core_market import START

INTENT = Intent("ETHUSDT", 1, Side.BUY, 1, parse_price("2683.53"), parse_quantity("0.0745"))
PLACEMENT = Placement(INTENT, "n1test-a", None, 1, START, START, START)
SOME = parse_quantity("0.04")


@pytest.mark.parametrize(
    ("placement", "needed"),
    [
        (PLACEMENT, Need.ADMIT),
        (replace(PLACEMENT, state=State.INTENDED), None),
        (replace(PLACEMENT, state=State.UNKNOWN), Need.ASK),
        (replace(PLACEMENT, state=State.UNKNOWN, cancelling=True), Need.ASK),
        (replace(PLACEMENT, state=State.OPEN), None),
        (replace(PLACEMENT, state=State.OPEN, cancelling=True), Need.CANCEL),
        (replace(PLACEMENT, state=State.OPEN, reported=SOME, cancelling=True), Need.FILLS),
        (replace(PLACEMENT, state=State.PARTIALLY_FILLED, reported=SOME, executed=SOME), None),
        (replace(PLACEMENT, state=State.PARTIALLY_FILLED, reported=INTENT.quantity, executed=SOME), Need.FILLS),
        (replace(PLACEMENT, state=State.ABANDONED), None),
        (replace(PLACEMENT, state=State.ABANDONED, order_id=1), Need.CANCEL),
        (replace(PLACEMENT, state=State.ABANDONED, order_id=1, final=OrderStatus.CANCELED), None),
        (replace(PLACEMENT, state=State.QUARANTINED, order_id=1, reported=SOME), None),
        (replace(PLACEMENT, state=State.FILLED), None),
    ],
)
def test_a_placement_needs_one_thing_at_a_time(placement: Placement, needed: Need | None) -> None:
    assert need(placement) is needed


def test_what_was_never_admitted_has_no_deadline() -> None:
    assert PLACEMENT.deadline is None
    assert replace(PLACEMENT, timestamp=START, recv_window=5_000).deadline == START + 5_000


def test_an_order_is_live_or_has_ended_or_waits_for_us_or_for_a_person() -> None:
    assert set(State) - LIVE - TERMINAL == {State.NOT_PLACED, State.QUARANTINED}
    assert not LIVE & TERMINAL
