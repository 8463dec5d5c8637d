"""A sample of the odd values in frames, the same each time; all are ``python -m tests.simulation --mutations``."""

from functools import cache

import pytest

from naived.binance import mapping
from tests.simulation.mutations import VALUES, Mutation, fields, live, mutations, sample

_RUNS = 12  # of a second each
_REPORT = "event executionReport TRADE"


@cache
def _every() -> list[Mutation]:
    return mutations(fields())


def test_every_kind_of_frame_that_naived_reads_is_in_the_list() -> None:
    kinds = {mutation.kind for mutation in _every()}
    answers = "time exchangeInfo account.status account.commission openOrders.status order.status myTrades"
    answers += " allOrders order.place order.cancel ticker.price userDataStream.subscribe.signature SUBSCRIBE"
    events = "executionReport NEW,executionReport TRADE,executionReport CANCELED,outboundAccountPosition"
    events += ",balanceUpdate,eventStreamTerminated,serverShutdown,trade"
    assert {f"answer {name}" for name in answers.split()} <= kinds
    assert {f"event {name}" for name in events.split(",")} <= kinds
    assert {"error order.place", "error order.status", "error time"} <= kinds
    assert len(_every()) >= 10_000


@pytest.mark.parametrize("number", range(_RUNS))
def test_an_odd_value_in_a_frame_costs_nothing_and_is_overcome_without_a_restart(number: int) -> None:
    mutation = sample(_every(), _RUNS, 9)[number]
    _, outcome, _ = live(mutation)
    assert outcome.violations == [], mutation


def test_a_border_that_believes_a_fill_without_its_cost_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    free = Mutation(_REPORT, ("event", "Y"), "zero", always=False)
    assert "zero" in VALUES
    monkeypatch.setattr(mapping, "_QUOTE_TOLERANCE", 1)
    _, outcome, made = live(free)
    assert made
    assert outcome.violations
