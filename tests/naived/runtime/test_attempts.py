"""When an order may be tried, and whether that takes a slot of the order limit."""

import pytest
from trio.testing import MockClock

from naived.core.orders.intent import Side
from naived.core.orders.state import STALE, State
from naived.runtime.attempts import backoff, next_attempt, unsendable
from tests.support.database import intent, order
from tests.support.exchange import ExchangeDouble


class Slots(ExchangeDouble):
    """It has slots without end, and an answer of it takes ``round_trip`` ms."""

    taken = 0
    round_trip = 0

    def admit(self, side: Side) -> int | None:
        self.taken += 1
        return self.now()

    def latest(self) -> int:
        return self.now() + self.round_trip


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


@pytest.mark.parametrize(("window", "least"), [(5_000, 4_000), (60_000, 59_000), (1_000, 800), (100, 80)])
async def test_what_could_not_arrive_in_time_takes_no_slot(clock: MockClock, window: int, least: int) -> None:
    exchange = Slots()
    waits = order(intent(side=Side.SELL), state=State.NOT_PLACED, attempt=0)
    exchange.round_trip = least - 1
    assert unsendable(exchange, window) is None
    assert next_attempt(exchange, waits, window, 1) is not None
    exchange.round_trip = least
    why = f"an answer of the exchange takes {least} ms, too long for a recv-window of {window} ms"
    assert unsendable(exchange, window) == why
    assert next_attempt(exchange, waits, window, 1) is None
    assert exchange.taken == 1


@pytest.mark.parametrize(
    ("tried", "since", "seconds"),
    [
        (0, 0, 0),
        (0, 10, 0),
        (40, 10, 0.03),
        (3_000, 0, 3),
        (3_000, 4_000, 0),
        (9_000, 1_000, 4),
        (9_000, -9_000, 5),
    ],
)
def test_the_pause_behind_a_frame_that_was_not_sent_grows(tried: int, since: int, seconds: float) -> None:
    made = order(state=State.NOT_PLACED, attempt=0)
    unsent = order(state=State.NOT_PLACED, attempt=0, timestamp=made.created_at + tried)
    assert backoff(unsent, made.created_at + tried + since, 5) == seconds


def test_an_order_of_which_no_frame_was_made_does_not_pause() -> None:
    assert backoff(order(state=State.NOT_PLACED, attempt=0, timestamp=None, recv_window=None), 0, 5) == 0
