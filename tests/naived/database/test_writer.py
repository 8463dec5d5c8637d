import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from naived.database import writer as writer_module
from naived.database.store import Outcome, Work
from naived.database.writer import GROUP, HANGING, REFUSING, Submit, Writer, inline, writer_thread
from naived.ports import ConflictError, JournalError, Unit, UnwrittenError


class GatedStore:
    """A store whose every group waits at a gate; ``outcome`` says what becomes of a work."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.gate = threading.Event()
        self.arrived = threading.Event()
        self.lost: str | None = None
        self.down: str | None = None  # why it takes nothing

    def look(self) -> None:
        """Its database is always in its place."""

    def apply(self, works: Sequence[Work]) -> list[Outcome]:
        self.arrived.set()
        assert self.gate.wait(30)
        self.groups.append([self.name(work) for work in works])
        return [self.outcome(self.name(work)) for work in works]

    def outcome(self, name: str) -> Outcome:
        if self.down is not None:
            return UnwrittenError(self.down)
        return ConflictError(name) if name.startswith("refused") else None

    @staticmethod
    def name(work: Any) -> str:
        return str(work.symbol)


@pytest.fixture
def store() -> GatedStore:
    return GatedStore()


@pytest.fixture
async def writer(store: GatedStore) -> AsyncIterator[Writer]:
    async with writer_thread(store) as writer:  # type: ignore[arg-type]
        yield writer
        store.gate.set()


@pytest.fixture
def submit(writer: Writer) -> Submit:
    return writer.submit


async def busy(store: GatedStore, submit: Submit, nursery: trio.Nursery) -> None:
    """One unit is at the gate: whatever follows has to wait."""
    nursery.start_soon(submit, Unit("first"))
    await trio.to_thread.run_sync(store.arrived.wait)


async def test_units_that_wait_share_the_next_commit_in_the_order_of_their_calls(
    store: GatedStore, submit: Submit
) -> None:
    called: list[str] = []

    async def call(name: str) -> None:
        called.append(name)
        await submit(Unit(name))

    async with trio.open_nursery() as nursery:
        await busy(store, submit, nursery)
        for number in range(50):
            nursery.start_soon(call, str(number))
        await trio.testing.wait_all_tasks_blocked()
        store.gate.set()
    assert store.groups == [["first"], called]


async def test_a_group_is_bounded(store: GatedStore, submit: Submit) -> None:
    async with trio.open_nursery() as nursery:
        await busy(store, submit, nursery)
        for number in range(GROUP + 1):
            nursery.start_soon(submit, Unit(str(number)))
        await trio.testing.wait_all_tasks_blocked()
        store.gate.set()
    assert [len(group) for group in store.groups] == [1, GROUP, 1]


async def test_only_the_caller_of_a_refused_unit_hears_of_it(store: GatedStore, submit: Submit) -> None:
    heard: dict[str, str] = {}

    async def call(name: str) -> None:
        try:
            await submit(Unit(name))
        except ConflictError as error:
            heard[name] = str(error)
        else:
            heard[name] = "written"

    async with trio.open_nursery() as nursery:
        await busy(store, submit, nursery)
        for name in ("one", "refused", "two"):
            nursery.start_soon(call, name)
        await trio.testing.wait_all_tasks_blocked()
        store.gate.set()
    assert heard == {"one": "written", "refused": "refused", "two": "written"}


async def test_a_unit_that_was_handed_in_is_not_abandoned_when_its_task_is_cancelled(
    store: GatedStore, submit: Submit
) -> None:
    known: list[str] = []

    async def call() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await submit(Unit("cancelled"))
            known.append("written")
            await trio.lowlevel.checkpoint()
            known.append("went on")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        await trio.to_thread.run_sync(store.arrived.wait)
        assert known == []
        store.gate.set()
    assert known == ["written"]


async def test_more_than_the_bound_is_refused_at_once(
    store: GatedStore, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "WAITING", 2)
    async with trio.open_nursery() as nursery:
        await busy(store, submit, nursery)
        nursery.start_soon(submit, Unit("second"))
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(JournalError, match="does not keep up: 2 changes wait"):
            await submit(Unit("third"))
        store.gate.set()
    await submit(Unit("fourth"))
    assert store.groups == [["first"], ["second"], ["fourth"]]


async def test_the_oldest_work_says_that_the_database_hangs_until_it_has_its_outcome(
    store: GatedStore, writer: Writer, mock_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        await busy(store, writer.submit, nursery)
        assert writer.hanging() is None
        mock_clock.jump(HANGING - 1)
        nursery.start_soon(writer.submit, Unit("second"))
        await trio.testing.wait_all_tasks_blocked()
        assert writer.hanging() is None
        mock_clock.jump(1)
        assert writer.hanging() == (
            "the database does not answer: a change has been waiting for it for more than 5 s"
        )
        store.gate.set()
    assert writer.hanging() is None


async def test_many_young_works_are_no_hang(store: GatedStore, writer: Writer, mock_clock: MockClock) -> None:
    store.gate.set()
    for number in range(3):
        await writer.submit(Unit(str(number)))
        mock_clock.jump(HANGING)
        assert writer.hanging() is None


async def until(done: Callable[[], bool]) -> None:
    while not done():
        await trio.lowlevel.checkpoint()


async def test_a_database_that_refuses_at_once_is_told_and_asked_until_it_takes_something(
    store: GatedStore, writer: Writer, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_LOOK", 0.001)
    store.gate.set()
    store.down = "disk is full"
    with pytest.raises(UnwrittenError):
        await writer.submit(Unit("first"))
    assert writer.hanging() is None  # what is repeated at once may be written
    mock_clock.jump(REFUSING)
    assert writer.hanging() == "disk is full"
    store.down = "connection refused"
    await until(lambda: writer.hanging() == "connection refused")
    store.down = None
    await until(lambda: writer.hanging() is None)
    asked = len(store.groups)
    await writer.submit(Unit("second"))
    assert store.groups == [["first"], *([[""]] * (asked - 1)), ["second"]]


async def test_what_hung_before_it_was_refused_is_told_at_once(
    store: GatedStore, writer: Writer, mock_clock: MockClock
) -> None:
    store.down = "the server has not answered for 12 s"
    with pytest.RaisesGroup(UnwrittenError):
        async with trio.open_nursery() as nursery:
            await busy(store, writer.submit, nursery)
            mock_clock.jump(HANGING)
            store.gate.set()
    assert writer.hanging() == store.down


async def test_a_unit_that_is_refused_alone_says_nothing_of_the_database(
    store: GatedStore, writer: Writer, mock_clock: MockClock
) -> None:
    store.gate.set()
    with pytest.raises(ConflictError):
        await writer.submit(Unit("refused"))
    mock_clock.jump(REFUSING)
    assert writer.hanging() is None


async def test_a_bug_reaches_those_who_wait_and_the_thread_goes_on(store: GatedStore, submit: Submit) -> None:
    store.gate.set()
    with pytest.raises(JournalError, match="bug in naived") as caught:
        await submit("no unit at all")  # type: ignore[arg-type]
    assert isinstance(caught.value.__cause__, AttributeError)
    await submit(Unit("next"))
    assert store.groups == [["next"]]


async def test_closing_waits_for_what_was_handed_in(store: GatedStore) -> None:
    written: list[str] = []
    async with trio.open_nursery() as nursery:
        async with writer_thread(store) as writer:  # type: ignore[arg-type]

            async def call(name: str) -> None:
                await writer.submit(Unit(name))
                written.append(name)

            nursery.start_soon(call, "first")
            await trio.to_thread.run_sync(store.arrived.wait)
            nursery.start_soon(call, "second")
            await trio.testing.wait_all_tasks_blocked()
            store.gate.set()
        assert store.groups == [["first"], ["second"]]
    assert sorted(written) == ["first", "second"]
    with pytest.raises(JournalError, match="closed"):
        await writer.submit(Unit("too late"))


async def test_inline_the_same_happens_without_a_thread(store: GatedStore) -> None:
    store.gate.set()
    submit = inline(store)  # type: ignore[arg-type]
    before = threading.active_count()
    await submit(Unit("one"))
    with pytest.raises(ConflictError):
        await submit(Unit("refused"))
    assert store.groups == [["one"], ["refused"]]
    assert threading.active_count() == before
