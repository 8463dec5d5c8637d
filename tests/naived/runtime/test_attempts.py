"""Whether an attempt takes a slot of the order limit."""

import pytest
from trio.testing import MockClock

from naived.core.orders.intent import Side
from naived.core.orders.state import STALE, State
from naived.runtime.attempts import next_attempt
from tests.support.database import intent, order
from tests.support.exchange import ExchangeDouble


class Slots(ExchangeDouble):
    """It has slots without end."""

    taken = 0

    def admit(self, side: Side) -> int | None:
        self.taken += 1
        return self.now()


@pytest.mark.parametrize(
    ("side", "age", "taken"),
    [(Side.BUY, STALE, 1), (Side.BUY, STALE + 1, 0), (Side.SELL, STALE + 1, 1)],
)
async def test_a_buy_that_is_abandoned_takes_no_slot(clock: MockClock, side: Side, age: int, taken: int) -> None:
    exchange = Slots()
    waits = order(intent(side=side), state=State.NOT_PLACED, attempt=0, decided_at=exchange.now() - age)
    attempt = next_attempt(exchange, waits, 5_000, 3)
    assert attempt is not None
    assert (attempt.timestamp, attempt.recv_window, attempt.epoch) == (exchange.now(), 5_000, 3)
    assert exchange.taken == taken
