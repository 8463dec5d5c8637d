"""What a journal tells of the settings, the status and the halts of the past."""

import itertools
from dataclasses import replace as changed

import pytest
from msgspec.structs import replace

from naived.backtest.past_asked import asked, halted_at
from naived.core.orders.intent import Side
from naived.core.risk import NO_HALTS, HaltedBy
from naived.core.strategy.leader_events import Halted
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.sizing import terms_of
from naived.core.strategy.trader_state import Trader, Waiting
from naived.database.history import History
from naived.database.queries import Life
from naived.ports import Event
from tests.support.database import SYMBOL, TERMS, desired, intent, order

OLD, NEW = Settings(chunks=3, budget=TERMS.budget), Settings(chunks=7, budget=TERMS.budget)
BEGAN = 1_000


def said(at: int, message: str, kind: str = "desired", symbol: str | None = SYMBOL) -> Event:
    return Event(at, symbol, kind, message)


def history(traders: list[tuple[Settings, list[int]]], *events: Event) -> History:
    """Each trader by its settings and the times of its buys."""
    lives = tuple(
        Life(Trader(SYMBOL, number, terms_of(settings, TERMS.fees), Waiting(), at[0], at[0], buys=len(at)), None)
        for number, (settings, at) in enumerate(traders, 1)
    )
    orders = tuple(
        order(intent(number, Side.BUY, seq), created_at=time)
        for number, (_, at) in enumerate(traders, 1)
        for seq, time in enumerate(at, 1)
    )
    return History(SYMBOL, desired(), lives, orders, events, lives, asked=9_000)


def told(of: History) -> list[tuple[int, int, Status]]:
    return [(at, each.desired.settings.chunks, each.desired.status) for at, each in asked(of, BEGAN)]


ON = said(1, "on")


def test_the_newest_settings_that_a_trader_decided_with_are_those_of_the_beginning() -> None:
    assert told(history([(OLD, [10]), (NEW, [900])], ON)) == [(BEGAN, 7, Status.ON)]


def test_settings_change_when_a_person_asked_before_the_first_buy_that_has_them() -> None:
    found = told(history([(OLD, [10]), (NEW, [1_500])], ON, said(1_200, "settings changed")))
    assert found == [(BEGAN, 3, Status.ON), (1_200, 7, Status.ON)]


def test_a_trader_that_buys_again_keeps_its_settings_and_says_nothing_of_newer_ones() -> None:
    found = told(history([(OLD, [10, 800, 1_900]), (NEW, [1_500])], ON, said(1_200, "settings changed")))
    assert found == [(BEGAN, 3, Status.ON), (1_200, 7, Status.ON)]


def test_settings_are_those_of_now_where_nothing_was_asked_for_since() -> None:
    of = changed(history([(OLD, [10]), (OLD, [1_500])], ON), desired=DesiredState(NEW, Status.ON), asked=None)
    assert told(of) == [(BEGAN, 7, Status.ON)]
    assert told(changed(of, events=())) == [(BEGAN, 3, Status.ON)]  # anything may have been asked for


@pytest.mark.parametrize(
    ("asked_at", "events", "expected"),
    [
        pytest.param(1_700, [said(1_700, "settings changed")], [(1_700, 9)], id="settings"),
        pytest.param(1_700, [said(1_600, "off"), said(1_700, "on")], [(1_700, 9)], id="a start"),
        pytest.param(
            1_800,
            [said(1_600, "settings changed"), said(1_700, "off"), said(1_800, "on")],
            [(1_600, 9)],
            id="settings before a start",
        ),
        pytest.param(9_000, [said(1_700, "settings changed")], [], id="not the last ones"),
    ],
)
def test_settings_of_now_count_from_when_they_were_asked_for_though_nobody_bought_with_them(
    asked_at: int, events: list[Event], expected: list[tuple[int, int]]
) -> None:
    now = DesiredState(Settings(chunks=9, budget=TERMS.budget), Status.ON)
    of = changed(history([(OLD, [10, 1_500])], ON, *events), desired=now, asked=asked_at)
    found = told(of)
    changes = [(at, chunks) for (_, before, _), (at, chunks, _) in itertools.pairwise(found) if chunks != before]
    assert (found[0], changes) == ((BEGAN, 3, Status.ON), expected)


def test_a_stop_does_not_change_settings() -> None:
    events = said(1_100, "settings changed"), said(1_200, "off"), said(1_300, "shutdown")
    found = told(history([(OLD, [10]), (NEW, [1_500])], ON, *events))
    assert found[:2] == [(BEGAN, 3, Status.ON), (1_100, 7, Status.ON)]


def test_without_a_trader_the_settings_are_those_of_now() -> None:
    of = history([], ON, said(1_100, "shutdown"), said(1_200, "drained: off"))
    chunks = of.desired.settings.chunks
    assert told(of) == [(BEGAN, chunks, Status.ON), (1_100, chunks, Status.SHUTDOWN), (1_200, chunks, Status.OFF)]


def test_without_events_of_before_it_was_on_if_it_had_traders() -> None:
    assert told(history([(OLD, [10])])) == [(BEGAN, 3, Status.ON)]
    assert (
        asked(History(SYMBOL, DesiredState(OLD, Status.ON), (), (), ()), BEGAN)[0][1].desired.status is Status.OFF
    )
    assert told(history([(OLD, [10])], said(5, "off"))) == [(BEGAN, 3, Status.OFF)]


def test_halts_of_before_are_in_force_and_those_of_later_come_and_go() -> None:
    own, account = said(10, "ETHUSDT: halted", "halted"), said(20, "all", "halted", None)
    halts, later = halted_at([own, account], BEGAN)
    assert (halts.own and halts.own.reason, halts.account and halts.account.reason) == ("ETHUSDT: halted", "all")
    assert not halts.ends_buy(accepted=True)
    assert later == []
    over = said(30, "not halted", "resumed"), said(40, "not halted", "resumed", None)
    assert halted_at([own, account, *over], BEGAN) == (NO_HALTS, [])
    _, later = halted_at([replace(own, at=1_001), replace(account, at=1_002), replace(over[1], at=1_003)], BEGAN)
    assert [(at, event.account, event.halt is not None) for at, event in later] == [
        (1_001, False, True),
        (1_003, True, True),  # after the trades of the millisecond in which it was written
        (1_004, True, False),
    ]
    assert isinstance(later[0][1], Halted)


def test_a_stop_loss_of_before_has_halted_it_and_a_later_one_is_found_again() -> None:
    stopped = said(10, "the stop-loss of ETHUSDT-1", "stop-loss")
    halts, _ = halted_at([stopped], BEGAN)
    assert halts.own is not None
    assert halts.own.by is HaltedBy.LIMIT
    assert halted_at([replace(stopped, at=1_001)], BEGAN) == (NO_HALTS, [])
