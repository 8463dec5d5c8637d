"""Which node trades a symbol while the database's clock is set, or its journal is slow."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import sqlalchemy as sa
import trio
from trio.testing import MockClock

from naived.database.cluster import Transactions
from naived.database.leases import Seat
from naived.ports import JournalError
from tests.support.exchange import ExchangeDouble
from tests.support.runtime import LEASE, Naived, World

STEP = 3_600_000  # ms by which the clock is set
NAMES = {"ETHUSDT", "BTCUSDT"}


def set_clock(patch: pytest.MonkeyPatch, step: int) -> None:
    """That of the database, ahead or back by ``step`` ms."""
    now = Seat.now

    def shifted(seat: Seat, connection: sa.Connection, later: int = 0) -> sa.ColumnElement[object]:
        return now(seat, connection, later + step)

    patch.setattr(Seat, "now", shifted)


@asynccontextmanager
async def killed(world: World) -> AsyncIterator[Naived]:
    """Beta runs, and has seen alpha, which had all symbols and was killed a moment ago."""
    async with world.naived(node="beta") as beta:
        async with world.naived(node="alpha", suspends=False) as alpha:
            await alpha.start(*NAMES)
            await trio.sleep(2)
            assert set(alpha.supervisor.symbols) == NAMES
        yield beta


async def states(naived: Naived) -> dict[str, tuple[str, int]]:
    return {node["name"]: (node["state"], node["symbols"]) for node in (await naived.call("nodes"))["nodes"]}


async def test_a_node_that_is_gone_loses_its_symbols_when_the_databases_clock_is_set_back(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with killed(world) as beta:
        set_clock(monkeypatch, -STEP)
        assert not beta.supervisor.symbols
        await trio.sleep(LEASE / 1000 + 3)
        assert set(beta.supervisor.symbols) == NAMES
        assert await states(beta) == {"alpha": ("away", 0), "beta": ("live", 2)}


async def test_a_node_that_is_gone_gets_no_symbol_when_the_databases_clock_is_set_back(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with killed(world) as beta:
        await trio.sleep(LEASE / 1000 + 3)
        set_clock(monkeypatch, -STEP)
        for _ in range(25):
            await trio.sleep(1)
            assert await states(beta) == {"alpha": ("away", 0), "beta": ("live", 2)}


@pytest.mark.parametrize("step", [-STEP, STEP])
async def test_a_node_that_lives_keeps_its_symbols_when_the_databases_clock_is_set(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    async with world.naived(node="alpha") as alpha:
        await alpha.start("ETHUSDT")
        async with world.naived(node="beta") as beta:
            await beta.start("BTCUSDT")
            await trio.sleep(LEASE / 2000)  # each has seen the other's heartbeat change
            set_clock(monkeypatch, step)
            for _ in range(LEASE // 1000 + 3):
                await trio.sleep(1)
                assert await states(beta) == await states(alpha) == {"alpha": ("live", 1), "beta": ("live", 1)}
                assert (set(alpha.supervisor.symbols), set(beta.supervisor.symbols)) == ({"ETHUSDT"}, {"BTCUSDT"})
                assert (alpha.state("ETHUSDT"), beta.state("BTCUSDT")) == ("trading", "trading")


async def test_after_an_outage_of_the_database_each_node_goes_on_with_its_symbols_but_one_that_died(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.exchange = ExchangeDouble("ETHUSDT", "BTCUSDT", "SOLUSDT")
    run, away = Transactions._run, False

    def unless_away(transactions: Transactions, work: Callable[[sa.Connection], object]) -> object:
        if away:
            raise JournalError("the database is away")
        return run(transactions, work)

    monkeypatch.setattr(Transactions, "_run", unless_away)
    async with world.naived(node="alpha") as alpha:
        await trio.sleep(0.5)  # they look at different moments
        async with world.naived(node="beta") as beta:
            async with world.naived(node="gamma", suspends=False) as gamma:
                await alpha.start("ETHUSDT")
                await beta.start("BTCUSDT")
                await gamma.start("SOLUSDT")
                await trio.sleep(LEASE / 1000 + 3)  # each has seen what the others renewed last
                away = True
            await trio.sleep(2 * LEASE / 1000)
            away = False
            epochs = alpha.symbol("ETHUSDT").epoch, beta.symbol("BTCUSDT").epoch
            await trio.sleep(LEASE / 1000 + 2)
            assert epochs == (alpha.symbol("ETHUSDT").epoch, beta.symbol("BTCUSDT").epoch)
            assert "SOLUSDT" in alpha.supervisor.symbols.keys() | beta.supervisor.symbols.keys()


async def test_a_journal_that_is_slow_holds_up_what_was_claimed_and_no_renewal(
    world: World, clock: MockClock
) -> None:
    names = [f"A{number:02}USDT" for number in range(12)]
    world.exchange = ExchangeDouble("XRPUSDT", *names)
    async with world.naived(node="alpha") as alpha:
        keeper = alpha.service.keeper
        assert keeper is not None
        await alpha.start(*names, chunks=1)
        alpha.journal.delay = 3.0
        for name in names:  # each commits its buy: the queue takes longer than a lease
            alpha.exchange.trade("2000", name)
        await keeper.cluster.claim(0, {"XRPUSDT"})  # another node gave it back
        for _ in range(LEASE // 1000):
            await trio.sleep(1)
            assert keeper.trust.held
        assert "XRPUSDT" not in alpha.supervisor.symbols
        await alpha.until(lambda: "XRPUSDT" in alpha.supervisor.symbols, LEASE / 1000)
        assert set(alpha.supervisor.symbols) == {"XRPUSDT", *names}


def by_hand(world: World, statement: str) -> None:
    """A person changes the database."""
    engine = sa.create_engine(world.url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


async def test_a_row_that_cannot_be_read_keeps_its_own_symbol_alone_from_being_traded(
    world: World, clock: MockClock
) -> None:
    other = World(ExchangeDouble(*NAMES), world.url)
    async with world.naived(node="beta") as beta:
        async with other.naived(node="alpha", suspends=False) as alpha:
            await alpha.start(*NAMES)
            await trio.sleep(2)
            assert set(alpha.supervisor.symbols) == NAMES
        by_hand(world, "UPDATE settings SET chunks = 'many' WHERE symbol = 'ETHUSDT'")
        await beta.until(lambda: set(beta.supervisor.symbols) == NAMES, LEASE / 1000 + 5)
        await beta.until(lambda: beta.state("BTCUSDT") == "trading")
        reason = beta.reason("ETHUSDT")
        assert reason is not None
        assert "symbol ETHUSDT: chunks is 'many'. Was it changed by hand" in reason
        assert beta.state("ETHUSDT") == "degraded"
        daemon = (await beta.call("status"))["daemon"]
        assert (daemon["state"], daemon["reason"]) == ("degraded", reason)
        refused = (await beta.ask("stop"))["error"]
        assert (refused["kind"], "chunks is 'many'" in refused["message"]) == ("database_unavailable", True)
        by_hand(world, "UPDATE settings SET chunks = 3 WHERE symbol = 'ETHUSDT'")
        await beta.until(lambda: beta.state("ETHUSDT") == "trading", 10)
        assert beta.symbol("ETHUSDT").desired.settings.chunks == 3


async def test_limits_that_cannot_be_read_are_told(world: World, clock: MockClock) -> None:
    async with world.naived(node="alpha") as alpha:
        await alpha.call("limits", max_exposure="1000")
        await alpha.until(lambda: alpha.service.state == "ready")
        by_hand(world, "UPDATE limits SET max_exposure = 'much'")
        await alpha.until(lambda: alpha.service.state == "degraded")
        assert "table limits" in str(alpha.service.reason)
        by_hand(world, "UPDATE limits SET max_exposure = '1000'")
        await alpha.until(lambda: alpha.service.state == "ready")


@pytest.mark.parametrize("later", [0.0, 2.0])
async def test_a_drained_node_places_nothing_of_a_symbol_that_it_takes_for_a_verb(
    world: World, clock: MockClock, later: float
) -> None:
    async with world.naived(node="alpha") as alpha:
        await alpha.until(lambda: alpha.service.session.ready.is_set())
        await alpha.call("nodes", drain="alpha")
        await trio.sleep(later)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(alpha.ask, "start", timeout="5s"))
            for _ in range(60):
                await alpha.trade("2000")
            assert not alpha.supervisor.symbols
        assert await alpha.orders() == []
        await alpha.call("nodes", undrain="alpha")
        await alpha.until(lambda: alpha.supervisor.symbols and alpha.state() == "trading", 20)
        await alpha.trade("2000")
        assert [order["side"] for order in await alpha.orders()] == ["buy"]
