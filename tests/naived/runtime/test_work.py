"""A step's rows are one unit; whoever waits for it learns whether it is durable."""

from dataclasses import replace

import pytest
import trio

from naived.core.leader import Leader
from naived.core.settings import Status
from naived.core.strategy import Fees, Leftover
from naived.ports import Event, JournalError, Unit, Wish
from naived.runtime.work import Draft, Question, Work
from tests.core_market import FEES, info, settings
from tests.database_values import placement, trader

LEADER = Leader(info(), FEES, settings())


def draft() -> Draft:
    return Draft("ETHUSDT", 1_000, LEADER)


def test_a_step_that_changes_nothing_leaves_no_work() -> None:
    assert draft().work(LEADER) is None
    assert draft().work(replace(LEADER, fees=Fees(FEES.sell, FEES.buy), barred="memory only")) is None


def test_a_question_alone_is_work() -> None:
    asking = draft()
    asking.questions.append(Question.RULES)
    work = asking.work(LEADER)
    assert work is not None
    assert work.unit == Unit("ETHUSDT")


def test_only_what_changed_of_the_leader_is_written() -> None:
    work = draft().work(replace(LEADER, next_number=5))
    assert work is not None
    assert (work.unit.next_trader, work.unit.leftover) == (5, None)
    left = Leftover(info().filters.step_size)
    work = draft().work(replace(LEADER, leftover=left))
    assert work is not None
    assert (work.unit.next_trader, work.unit.leftover) == (None, left)


def test_a_unit_has_the_last_word_on_each_trader_and_order() -> None:
    filled = draft()
    order = placement()
    filled.traders[1] = trader()
    filled.placements[order.client_order_id] = order
    filled.sends.append(order.client_order_id)
    filled.note("test", "something happened")
    work = filled.work(LEADER)
    assert work is not None
    assert work.unit == Unit(
        "ETHUSDT",
        traders=(trader(),),
        placements=(order,),
        events=(Event(1_000, "ETHUSDT", "test", "something happened"),),
    )
    assert (work.sends, work.touched) == ((order.client_order_id,), (order.client_order_id,))


async def test_work_is_durable_once_it_was_committed() -> None:
    work = Work(Unit("ETHUSDT"), (), (), ())
    work.committed = True
    work.done.set()
    with trio.fail_after(1):
        await work.durable()


async def test_work_that_was_dropped_may_or_may_not_be_there() -> None:
    work = Work(Unit("ETHUSDT"), (), (), ())
    work.done.set()
    with pytest.raises(JournalError):
        await work.durable()


def plain(*, number: int, note: str) -> Work:
    step = draft()
    step.traders[number] = replace(trader(), number=number, rebuy_notified=note == "later")
    step.note("test", note)
    step.sends.append(note)
    work = step.work(LEADER)
    assert work is not None
    return work


def test_what_waits_takes_the_next_unit_in_and_the_newest_row_counts() -> None:
    first, again, other = (
        plain(number=1, note="first"),
        plain(number=1, note="later"),
        plain(number=2, note="other"),
    )
    assert first.absorb(other)
    assert first.absorb(again)
    assert [(each.number, each.rebuy_notified) for each in first.unit.traders] == [(2, False), (1, True)]
    assert [event.message for event in first.unit.events] == ["first", "other", "later"]
    assert first.sends == ("first", "other", "later")


def test_what_two_units_ask_is_asked_once() -> None:
    first, later = plain(number=1, note="first"), plain(number=2, note="later")
    first.questions, later.questions = (Question.COINS,), (Question.RULES, Question.COINS)
    assert first.absorb(later)
    assert first.questions == (Question.COINS, Question.RULES)


def test_a_wish_an_answer_and_a_fault_keep_a_transaction_of_their_own() -> None:
    for apart in ({"request": ("id", "true")}, {"wish": Wish(settings(), Status.OFF, keep_buys=False)}):
        special = plain(number=1, note="special")
        special.unit = replace(special.unit, **apart)
        assert not plain(number=2, note="plain").absorb(special)
        assert not special.absorb(plain(number=2, note="plain"))
    faulty = plain(number=1, note="faulty")
    faulty.fault = "refused"
    assert not faulty.absorb(plain(number=2, note="plain"))


def test_one_commit_takes_in_only_so_much() -> None:
    work = plain(number=1, note="first")
    taken = 0
    while work.absorb(plain(number=1, note="more")):
        taken += 1
        assert taken < 10_000
    assert taken == 500
