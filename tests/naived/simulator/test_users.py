import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from naived.simulator.errors import ApiError
from naived.simulator.faults import Fault, Switchboard
from naived.simulator.order import Event
from naived.simulator.streams import Outbox
from naived.simulator.users import Subscriptions, Users
from tests.support.simulator import exchange, new, print_trade


class Heard(Outbox):
    def __init__(self) -> None:
        super().__init__()
        self.frames: list[dict[str, Any]] = []

    def send(self, frame: str) -> None:
        self.frames.append(json.loads(frame))

    def kinds(self) -> list[str]:
        """Execution types of reports, ``position`` for balances."""
        return [frame["event"].get("x", "position") for frame in self.frames]


class World:
    """A user data stream with one listener; what was put off is in ``delayed``."""

    def __init__(self) -> None:
        self.consumed: list[str] = []
        self.faults = Switchboard(Random(1), self.consumed.append)
        self.delayed: list[tuple[float, Callable[[], None]]] = []
        self.users = Users(self.faults, lambda seconds, call: self.delayed.append((seconds, call)))
        self.heard = Heard()
        self.subscriptions = self.users.add(self.heard)
        self.subscriptions.open(by_session=True)

    def arm(self, kind: str, seconds: float | None = None, symbol: str | None = None) -> None:
        self.faults.arm(Fault(kind, None, symbol, 1, seconds, -1007, 1.0))


def taker_events() -> tuple[Event, ...]:
    """NEW, position, TRADE, position."""
    engine = exchange()
    print_trade(engine, "2683.80")
    events = engine.place(new("buy", "2700", "0.1")).events
    engine.ledger.close()
    return events


EVENTS = taker_events()


def test_every_event_is_told_in_order_to_every_subscription() -> None:
    world = World()
    other = Heard()
    silent = Heard()
    world.users.add(silent)
    world.users.add(other).open(by_session=False)
    world.users.publish(EVENTS)
    assert world.heard.kinds() == other.kinds() == ["NEW", "position", "TRADE", "position"]
    assert {frame["subscriptionId"] for frame in world.heard.frames} == {0}
    assert silent.frames == []
    world.users.remove(other)
    world.users.publish(EVENTS)
    assert len(other.frames) == 4


@pytest.mark.parametrize(
    ("kind", "at_once", "in_the_end"),
    [
        ("report_missing", ["position", "TRADE", "position"], ["position", "TRADE", "position"]),
        (
            "report_duplicate",
            ["NEW", "NEW", "position", "TRADE", "position"],
            ["NEW", "NEW", "position", "TRADE", "position"],
        ),
        (
            "report_late",
            ["position", "TRADE", "position"],
            ["position", "TRADE", "position", "NEW"],
        ),
        (
            "report_reorder",
            ["position", "TRADE", "NEW", "position"],
            ["position", "TRADE", "NEW", "position"],
        ),
    ],
)
def test_a_report_goes_wrong_once_as_armed(kind: str, at_once: list[str], in_the_end: list[str]) -> None:
    world = World()
    world.arm(kind)
    world.users.publish(EVENTS)
    assert world.heard.kinds() == at_once
    for _, call in world.delayed:
        call()
    assert world.heard.kinds() == in_the_end
    assert world.consumed == [kind]


def test_a_held_report_that_nothing_overtakes_goes_out_all_the_same() -> None:
    world = World()
    world.arm("report_reorder")
    world.users.publish(EVENTS[:2])
    assert world.heard.kinds() == ["position"]
    [(_, release)] = world.delayed
    release()
    assert world.heard.kinds() == ["position", "NEW"]


def test_a_late_report_is_as_late_as_asked() -> None:
    world = World()
    world.arm("report_late", seconds=7.5)
    world.users.publish(EVENTS)
    assert [seconds for seconds, _ in world.delayed] == [7.5]


def test_a_fault_of_another_symbols_reports_waits() -> None:
    world = World()
    world.arm("report_missing", symbol="BTCUSDT")
    world.users.publish(EVENTS)
    assert len(world.heard.frames) == 4


def test_one_subscription_is_active_at_a_time_and_ids_are_not_reused() -> None:
    subscriptions = Subscriptions()
    assert subscriptions.open(by_session=True) == 0
    with pytest.raises(ApiError, match="-2035"):
        subscriptions.open(by_session=False)
    assert subscriptions.close(0) == [0]
    with pytest.raises(ApiError, match="-2036"):
        subscriptions.close(0)
    assert subscriptions.open(by_session=False) == 1
    assert subscriptions.logout() == []
    assert list(subscriptions) == [1]
    assert subscriptions.close(None) == [1]
    assert subscriptions.close(None) == []
    assert subscriptions.open(by_session=True) == 2
    assert subscriptions.logout() == [2]
    assert list(subscriptions) == []


def test_the_ids_of_a_session_run_out() -> None:
    subscriptions = Subscriptions()
    for _ in range(65_536):
        subscriptions.close(subscriptions.open(by_session=True))
    with pytest.raises(ApiError, match=r"-2042, 'Maximum subscription ID reached for this connection\.'"):
        subscriptions.open(by_session=True)
