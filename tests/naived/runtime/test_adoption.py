"""What was claimed is loaded behind the claim, and adopted only while the claim holds."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.ports import CorruptError, Journal, JournalError, SymbolRecord
from naived.runtime.adoption import Adoption
from naived.runtime.supervisor import Supervisor
from naived.runtime.symbol_task import blank


class SlowJournal:
    """Each load takes a second, and finds the number of cycles that there were when it began."""

    def __init__(self) -> None:
        self.loads: list[str | None] = []
        self.cycles = 0
        self.away = False
        self.corrupt: str | None = None

    async def load(self, symbol: str | None = None) -> Sequence[SymbolRecord]:
        self.loads.append(symbol)
        cycles = self.cycles
        await trio.sleep(1)
        if self.away:
            raise JournalError("away")
        if self.corrupt is not None and symbol in (None, self.corrupt):
            raise CorruptError(f"a row of {self.corrupt}")
        return [replace(blank(name), cycles=cycles) for name in ("A", "B") if symbol in (None, name)]


Adopted = list[tuple[str, int, int]]  # name, epoch, cycles
UNREAD = -1


@pytest.fixture
def journal() -> SlowJournal:
    return SlowJournal()


@pytest.fixture
def adopted() -> Adopted:
    return []


@pytest.fixture
def adoption(nursery: trio.Nursery, clock: MockClock, journal: SlowJournal, adopted: Adopted) -> Adoption:
    def adopt(record: SymbolRecord, epoch: int, unread: JournalError | None = None) -> Any:
        adopted.append((record.symbol, epoch, record.cycles if unread is None else UNREAD))

    supervisor: Any = SimpleNamespace(adopt=adopt)
    adoption = Adoption(cast(Journal, journal), cast(Supervisor, supervisor), lambda: None, lambda _: None)
    nursery.start_soon(adoption.run)
    return adoption


async def over(adoption: Adoption) -> None:
    while adoption.names:
        await adoption.done(next(iter(adoption.names)))


async def test_what_is_claimed_during_a_load_is_loaded_by_the_next_one(
    adoption: Adoption, journal: SlowJournal, adopted: Adopted
) -> None:
    adoption.take({"A": 1})
    await trio.sleep(0.5)
    adoption.take({"A": 1, "B": 2, "new": 2})
    await over(adoption)
    assert adopted == [("A", 1, 0), ("B", 2, 0), ("new", 2, 0)]
    assert journal.loads == ["A", "B", "new"]


async def test_of_many_the_whole_journal_is_loaded_once(
    adoption: Adoption, journal: SlowJournal, adopted: Adopted
) -> None:
    adoption.take(dict.fromkeys("ABCDEFGHI", 1))
    await over(adoption)
    assert [name for name, *_ in adopted] == list("ABCDEFGHI")
    assert journal.loads == [None]


Then = Callable[[Adoption], None]


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (lambda adoption: adoption.keep({}), []),
        (lambda adoption: adoption.keep({"A": 2}), []),
        (lambda adoption: adoption.keep({"A": 1}), [("A", 1, 0)]),
        (lambda adoption: adoption.take({"A": 2}), [("A", 2, 7)]),
        # As after a failover: what is loaded meanwhile is of the server of before.
        (lambda adoption: (adoption.keep({}), adoption.take({"A": 1})), [("A", 1, 7)]),
    ],
)
async def test_what_was_lost_or_claimed_anew_is_not_adopted_as_it_was(
    adoption: Adoption, journal: SlowJournal, adopted: Adopted, then: Then, expected: Adopted
) -> None:
    adoption.take({"A": 1})
    await trio.sleep(0.5)
    journal.cycles = 7
    then(adoption)
    await over(adoption)
    await trio.sleep(2)
    assert adopted == expected


async def test_whoever_waits_is_told_that_it_could_not_be_loaded_and_it_may_be_taken_again(
    adoption: Adoption, journal: SlowJournal, adopted: Adopted
) -> None:
    journal.away = True
    adoption.take({"A": 1})
    with pytest.raises(JournalError, match="away"):
        await adoption.done("A")
    await adoption.done("A")  # it is not claimed any more
    assert (list(adoption.names), adopted) == ([], [])
    journal.away = False
    adoption.take({"A": 1})
    await adoption.done("A")
    assert adopted == [("A", 1, 0)]


@pytest.mark.parametrize("others", ["", "CDEFGHIJ"])
async def test_a_row_that_cannot_be_read_keeps_no_other_symbol_from_being_adopted(
    adoption: Adoption, journal: SlowJournal, adopted: Adopted, others: str
) -> None:
    journal.corrupt, journal.cycles = "A", 3
    adoption.take(dict.fromkeys("AB" + others, 1))
    await over(adoption)
    assert adopted == [("A", 1, UNREAD), ("B", 1, 3), *((name, 1, 0) for name in others)]


async def test_a_row_of_a_symbol_of_another_node_keeps_none_from_being_adopted(
    adoption: Adoption, journal: SlowJournal, adopted: Adopted
) -> None:
    journal.corrupt, journal.cycles = "Z", 3
    adoption.take(dict.fromkeys("ABCDEFGHI", 1))
    await over(adoption)
    assert adopted[:2] == [("A", 1, 3), ("B", 1, 3)]
