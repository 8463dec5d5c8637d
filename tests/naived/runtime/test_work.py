"""A step's rows are one unit; whoever waits for it learns whether it is durable."""

from dataclasses import replace

import pytest
import trio

from naived.core.leader import Leader
from naived.core.strategy import Fees, Leftover
from naived.ports import Event, JournalError, Unit
from naived.runtime.work import Draft, Work
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
    asking.reread = True
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
    work = Work(Unit("ETHUSDT"), (), (), False)
    work.committed = True
    work.done.set()
    with trio.fail_after(1):
        await work.durable()


async def test_work_that_was_dropped_may_or_may_not_be_there() -> None:
    work = Work(Unit("ETHUSDT"), (), (), False)
    work.done.set()
    with pytest.raises(JournalError):
        await work.durable()
