import trio

from naived.database.together import Jointly, Together
from naived.ports import JournalError


class Reads:
    """A database that is asked; each query takes a second."""

    def __init__(self):
        self.queries = []
        self.away = False

    async def __call__(self, keys):
        self.queries.append(list(keys))
        await trio.sleep(1)
        if self.away:
            raise JournalError("away")
        return {key: key.upper() for key in keys if key != "unknown"}


async def test_what_many_ask_at_the_same_moment_is_one_query(autojump_clock):
    reads, found = Reads(), {}
    together = Together(reads)

    async def ask(key):
        found[key] = await together.ask(key)

    async with trio.open_nursery() as nursery:
        for key in ("a", "b", "unknown"):
            nursery.start_soon(ask, key)
    assert found == {"a": "A", "b": "B", "unknown": None}
    assert reads.queries == [["a", "b", "unknown"]]


async def test_a_question_that_comes_during_a_query_is_in_the_next_one(autojump_clock):
    reads = Reads()
    together = Together(reads)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(together.ask, "a")
        await trio.sleep(0.5)
        assert await together.ask("b") == "B"
    assert reads.queries == [["a"], ["b"]]


async def test_a_failure_is_told_to_all_that_asked_together_and_ends_with_them(autojump_clock):
    reads, failed = Reads(), []
    together = Together(reads)
    reads.away = True

    async def ask(key):
        try:
            await together.ask(key)
        except JournalError as error:
            failed.append((key, str(error)))

    async with trio.open_nursery() as nursery:
        for key in ("a", "b", "c"):
            nursery.start_soon(ask, key)
    assert sorted(failed) == [("a", "away"), ("b", "away"), ("c", "away")]
    assert reads.queries == [["a", "b", "c"]]
    reads.away = False
    assert await together.ask("a") == "A"


async def test_whoever_stops_asking_leaves_the_query_to_the_others(autojump_clock):
    reads, found = Reads(), []
    together = Together(reads)

    async def stay():
        found.append(await together.ask("c"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(together.ask, "a")
        await trio.sleep(0.1)
        async with trio.open_nursery() as impatient:
            for _ in range(20):  # one of them sends the query
                impatient.start_soon(together.ask, "b")
            nursery.start_soon(stay)
            await trio.sleep(1)
            impatient.cancel_scope.cancel()
    assert found == ["C"]
    assert reads.queries[:2] == [["a"], ["b", "c"]]


class Writes:
    """A database that is written to; each transaction takes a second."""

    def __init__(self):
        self.transactions = []

    async def __call__(self, values):
        self.transactions.append(list(values))
        await trio.sleep(1)


async def test_what_many_write_at_the_same_moment_is_one_transaction_in_the_order_in_which_they_came(
    autojump_clock,
):
    writes = Writes()
    jointly = Jointly(writes)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(jointly.put, "first")
        await trio.sleep(0.1)
        for value in ("d", "a", "c", "a"):
            nursery.start_soon(jointly.put, value)
            await trio.sleep(0.1)
    assert writes.transactions == [["first"], ["d", "a", "c", "a"]]


async def test_who_gives_up_before_it_is_sent_writes_nothing(autojump_clock):
    writes = Writes()
    jointly = Jointly(writes)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(jointly.put, "first")
        await trio.sleep(0.1)
        nursery.start_soon(jointly.put, "second")
        with trio.move_on_after(0.5):
            await jointly.put("given up")
    assert writes.transactions == [["first"], ["second"]]
