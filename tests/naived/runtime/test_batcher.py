"""Many questions at once are one; none is answered by what was asked before it."""

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from naived.ports import ExchangeError
from naived.runtime.batcher import Batcher


class Oracle:
    """Takes a second to answer; ``asked`` are the questions as they went out."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.failing = False
        self.batcher = Batcher(self._put)

    async def _put(self, keys: Sequence[str]) -> int:
        self.asked.append(list(keys))
        number = len(self.asked)
        await trio.sleep(1)
        if self.failing:
            raise ExchangeError("no answer")
        return number


async def test_who_asks_at_the_same_time_is_answered_by_one_question(clock: MockClock) -> None:
    oracle, answers = Oracle(), list[int]()

    async def ask(key: str) -> None:
        answers.append(await oracle.batcher.ask(key))

    async with trio.open_nursery() as nursery:
        for key in "abc":
            nursery.start_soon(ask, key)
    assert [sorted(keys) for keys in oracle.asked] == [["a", "b", "c"]]
    assert answers == [1, 1, 1]


async def test_an_answer_is_never_older_than_its_question(clock: MockClock) -> None:
    oracle, answers = Oracle(), dict[str, int]()

    async def ask(key: str, at: float) -> None:
        await trio.sleep(at)
        answers[key] = await oracle.batcher.ask(key)

    async with trio.open_nursery() as nursery:
        for key, at in (("first", 0), ("during", 0.3), ("also", 0.6), ("afterwards", 5)):
            nursery.start_soon(ask, key, at)
    assert answers == {"first": 1, "during": 2, "also": 2, "afterwards": 3}
    assert oracle.asked == [["first"], ["during", "also"], ["afterwards"]]


async def test_a_failure_is_everybodys_and_the_next_question_is_asked_anew(clock: MockClock) -> None:
    oracle, failures = Oracle(), 0
    oracle.failing = True

    async def ask(key: str) -> None:
        nonlocal failures
        with pytest.raises(ExchangeError, match="no answer"):
            await oracle.batcher.ask(key)
        failures += 1

    async with trio.open_nursery() as nursery:
        for key in "abc":
            nursery.start_soon(ask, key)
    assert (failures, len(oracle.asked)) == (3, 1)
    oracle.failing = False
    assert await oracle.batcher.ask("d") == 2


async def test_who_gives_up_while_it_asks_for_all_leaves_nobody_behind(clock: MockClock) -> None:
    scopes: dict[trio.lowlevel.Task, trio.CancelScope] = {}
    asked, answers = list[list[str]](), list[str]()

    async def put(keys: Sequence[str]) -> str:
        asked.append(list(keys))
        if len(asked) == 1:
            scopes[trio.lowlevel.current_task()].cancel()
        await trio.sleep(1)
        return "answer"

    batcher = Batcher(put)

    async def ask(key: str) -> None:
        with trio.CancelScope() as scope:
            scopes[trio.lowlevel.current_task()] = scope
            answers.append(await batcher.ask(key))

    async with trio.open_nursery() as nursery:
        for key in "abc":
            nursery.start_soon(ask, key)
    assert answers == ["answer"] * 2
    assert [sorted(keys) for keys in asked] == [["a", "b", "c"]] * 2


async def test_who_asks_soon_after_another_shares_a_question_with_the_next(clock: MockClock) -> None:
    asked: list[int] = []

    async def put(keys: Sequence[int]) -> int:
        asked.append(len(keys))
        return 0

    batcher = Batcher(put)
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(300):
            nursery.start_soon(batcher.ask, number)
            await trio.sleep(0.01)
    assert trio.current_time() - begun < 4
    assert sum(asked) == 300
    assert len(asked) <= 14


async def test_a_few_questions_in_a_row_do_not_wait(clock: MockClock) -> None:
    async def put(keys: Sequence[int]) -> int:
        return 0

    batcher = Batcher(put)
    begun = trio.current_time()
    for number in range(4):
        await batcher.ask(number)
    assert trio.current_time() == begun
