"""A step's rows are one commit; whoever waits for it learns whether it is durable."""

import pytest
import trio
from msgspec.structs import replace

from naived.core.engine import Question
from naived.core.orders.state import State
from naived.core.strategy.settings import DesiredState, Status
from naived.ports import Event, JournalError, Unit
from naived.runtime import commit as commits
from naived.runtime.commit import Commit, CommitQueue
from tests.support.database import buying, intent, order, trader
from tests.support.market import settings


def plain(*, number: int, note: str) -> Commit:
    row = replace(trader(), number=number, rebuy_notified=note == "later")
    unit = Unit("ETHUSDT", traders=(row,), events=(Event(1_000, "ETHUSDT", "test", note),))
    return Commit(unit, (note,), (), ())


async def test_a_commit_is_durable_once_it_was_committed() -> None:
    commit = Commit(Unit("ETHUSDT"), (), (), ())
    commit.committed = True
    commit.done.set()
    with trio.fail_after(1):
        await commit.durable()


async def test_a_commit_that_was_dropped_may_or_may_not_be_there() -> None:
    queue = CommitQueue()
    commit = queue.append(plain(number=1, note="first"))
    queue.drop()
    assert not queue
    with pytest.raises(JournalError):
        await commit.durable()


async def test_a_queue_takes_only_so_many_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "_MOST_PENDING", 2)
    queue = CommitQueue()
    apart = [plain(number=1, note=note) for note in ("first", "second", "third")]
    for commit in apart:
        commit.unit = replace(commit.unit, request=(commit.sends[0], "true"))  # has a transaction of its own
    for commit in apart[:2]:
        assert queue.append(commit) is commit
    with pytest.raises(OverflowError, match="2 commits of ETHUSDT wait"):
        queue.append(apart[2])
    assert [queue.pop(), queue.pop()] == apart[:2]


async def test_a_wait_ends_when_something_is_queued_or_was_since_the_last_one(autojump_clock: object) -> None:
    queue = CommitQueue()
    queue.append(plain(number=1, note="first"))
    began = trio.current_time()
    await queue.wait(60)
    assert trio.current_time() == began
    await queue.wait(60)
    assert trio.current_time() == began + 60


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


def test_of_two_units_the_later_one_says_whether_the_market_is_closed() -> None:
    first, unchanged, later = (plain(number=number, note="") for number in (1, 2, 3))
    first.unit, later.unit = replace(first.unit, closed_at=5), replace(later.unit, closed_at=0)
    assert first.absorb(unchanged)
    assert first.unit.closed_at == 5
    assert first.absorb(later)
    assert first.unit.closed_at == 0


def test_what_two_units_ask_is_asked_once() -> None:
    first, later = plain(number=1, note="first"), plain(number=2, note="later")
    first.questions, later.questions = (Question.COINS,), (Question.RULES, Question.COINS)
    assert first.absorb(later)
    assert first.questions == (Question.COINS, Question.RULES)


def test_what_a_trader_was_before_its_new_buy_is_written_by_itself() -> None:
    """The buy may be left out with the row of its trader, which says that the buy before it has ended."""
    ended = Unit("ETHUSDT", traders=(trader(),), orders=(order(state=State.CANCELLED, order_id=7),))
    decided = Unit("ETHUSDT", traders=(buying(seq=2),), orders=(order(intent(seq=2)),))
    for other, later, together in (
        (ended, decided, False),
        (decided, replace(decided, orders=(order(intent(seq=2), cancelling=True),)), False),
        (ended, replace(decided, traders=(buying(2),), orders=(order(intent(2)),)), True),
        (ended, replace(decided, orders=(order(intent(seq=2), order_id=8, state=State.OPEN),)), True),
        (decided, replace(ended, orders=(order(intent(seq=2), state=State.ABANDONED),)), True),
    ):
        assert Commit(other, (), (), ()).absorb(Commit(later, (), (), ())) == together


def test_a_status_and_an_answer_keep_a_transaction_of_their_own() -> None:
    for apart in ({"request": ("id", "true")}, {"desired": DesiredState(settings(), Status.OFF, keep_buys=False)}):
        special = plain(number=1, note="special")
        special.unit = replace(special.unit, **apart)
        assert not plain(number=2, note="plain").absorb(special)
        assert not special.absorb(plain(number=2, note="plain"))


def test_one_commit_takes_in_only_so_much() -> None:
    commit = plain(number=1, note="first")
    taken = 0
    while commit.absorb(plain(number=1, note="more")):
        taken += 1
        assert taken < 10_000
    assert taken == 500
