"""A node goes on with a database that lost its last commits: nothing is placed twice, no coin is uncounted."""

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
import trio
from trio.testing import MockClock

from naived.core.amount import parse_price, parse_quantity
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import OrderStatus, Report
from naived.core.strategy.summary import owned
from naived.database import server
from naived.database.cluster import SqlCluster
from naived.nodes import StartLostError, View
from naived.ports import Event, Unit
from naived.runtime.keeper import doubt
from tests.support.runtime import FENCE, LEASE, Naived, World

NAMES = ("ETHUSDT", "BTCUSDT")
PATIENCE = FENCE + 60  # seconds


def copy(world: World, to: str) -> None:
    """What a standby has at this moment."""
    with closing(sqlite3.connect(_path(world))) as journal, closing(sqlite3.connect(to)) as standby:
        journal.backup(standby)


def promote(world: World, standby: str) -> None:
    """The standby takes the place of the database, whose server was another one."""
    for end in ("-wal", "-shm"):
        Path(_path(world) + end).unlink(missing_ok=True)
    Path(standby).replace(_path(world))
    with closing(sqlite3.connect(_path(world))) as journal, journal:
        journal.execute("UPDATE deployment SET server = 'another'")


def _path(world: World) -> str:
    return world.url.removeprefix("sqlite:///")


async def trading(naived: Naived, *names: str) -> None:
    await naived.until(
        lambda: all(name in naived.supervisor.symbols and naived.state(name) == "trading" for name in names),
        PATIENCE,
    )


async def placed_behind_the_copy(world: World, naived: Naived, standby: str) -> None:
    """A buy waits for its slot in the copy, and is open since."""
    await naived.start(*NAMES, chunks=1)
    world.exchange.throttled_until = world.exchange.now() + 2_000
    await naived.trade("2000")
    assert naived.order_states() == ["not_placed"]
    copy(world, standby)
    await naived.until(lambda: naived.order_states() == ["open"])


def counted(world: World, naived: Naived) -> None:
    """The books have every coin of the account, and no order twice."""
    for name in NAMES:
        engine = naived.symbol(name).engine
        market = world.exchange.markets[name]
        assert owned(engine.leader).quantity == market.base
        assert {each.id for each in market.open()} == {order.order_id for order in engine.resting}
    ids = [request.client_order_id for request in world.exchange.wire]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("seed", range(12))
async def test_wherever_the_commits_end_a_node_finds_its_orders_and_goes_on(
    world: World, clock: MockClock, tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    standby = str(tmp_path / "standby.db")
    prices = {"ETHUSDT": 2000.0, "BTCUSDT": 60000.0}

    async def walk(naived: Naived, steps: int) -> None:
        for _ in range(steps):
            name = random.choice(NAMES)
            prices[name] *= 1 + random.uniform(-0.008, 0.008)
            await naived.trade(f"{prices[name]:.2f}", symbol=name)

    async with world.naived(node="alpha", suspends=random.random() < 0.5) as naived:
        await naived.start(*NAMES, chunks=random.choice((1, 3)))
        await walk(naived, random.randrange(25))
        copy(world, standby)
        await walk(naived, random.choice((1, 3, 10, 30)))
        counted(world, naived)
    promote(world, standby)
    sent = len(world.exchange.wire)
    async with world.naived(node="beta") as naived:
        noticed = naived.exchange.now()
        await trading(naived, *NAMES)
        await trio.sleep(5)
        counted(world, naived)
        await walk(naived, 20)
        assert all(request.timestamp > noticed + FENCE * 1000 for request in world.exchange.wire[sent:])
        await trio.sleep(5)
        counted(world, naived)


async def test_what_fits_no_decision_stays_in_quarantine_over_a_restart(
    world: World, clock: MockClock, tmp_path: Path
) -> None:
    standby = str(tmp_path / "standby.db")
    intent = OrderIntent("ETHUSDT", 1, Side.SELL, 1, parse_price("9000"), parse_quantity("0.5"))
    async with world.naived(node="alpha") as naived:
        await naived.start()
        copy(world, standby)
        world.exchange.markets["ETHUSDT"].base += intent.quantity
        world.exchange.plant(f"n1{naived.journal.real.tag}-lost", intent)
    promote(world, standby)
    for _ in range(2):
        async with world.naived(node="alpha") as naived:
            await naived.until(
                lambda: "ETHUSDT" in naived.supervisor.symbols and naived.state() == "quarantined", PATIENCE
            )
            assert "no trader has coins that it sells at this price" in (naived.reason() or "")
    async with world.naived(node="alpha") as naived:
        await naived.until(lambda: "ETHUSDT" in naived.supervisor.symbols, PATIENCE)
        assert (await naived.ask("resolve", all=True, action="ignore"))["changed"] is True
        await trading(naived, "ETHUSDT")
        assert world.exchange.wire == []


async def test_an_order_whose_row_says_that_it_was_not_placed_is_asked_for(
    world: World, clock: MockClock, tmp_path: Path
) -> None:
    standby = str(tmp_path / "standby.db")
    async with world.naived(node="alpha") as naived:
        await placed_behind_the_copy(world, naived, standby)
        await naived.trade("1990")
        assert naived.phases() == ["selling"]
    promote(world, standby)
    async with world.naived(node="alpha") as naived:
        await trading(naived, *NAMES)
        assert naived.phases() == ["selling"]
        await naived.trade("1995")
        counted(world, naived)


@pytest.mark.parametrize("cancelled", [True, False])
async def test_what_a_stop_finds_not_placed_before_all_is_compared_may_have_been_sent(
    world: World, clock: MockClock, tmp_path: Path, cancelled: bool
) -> None:
    """Found by simulated seeds: it was abandoned at once, and the exchange had it, or had filled it."""
    standby, exchange = str(tmp_path / "standby.db"), world.exchange
    async with world.naived(node="alpha") as naived:
        await placed_behind_the_copy(world, naived, standby)
        (buy,) = exchange.open()
        exchange.fill(buy, buy.rest // 2)
    promote(world, standby)
    if cancelled:
        exchange.cancel_by_hand(buy)
    async with world.naived(node="alpha") as naived:
        await naived.until(lambda: "ETHUSDT" in naived.supervisor.symbols, PATIENCE)
        stopped = await naived.ask("stop", cancel="all", timeout="1s")
        assert [order["state"] for order in stopped["open_orders"]] in (["unknown"], ["open"])
        await naived.until(lambda: naived.state() == "off", PATIENCE)
        assert not exchange.open()
        assert owned(naived.symbol().engine.leader).quantity == exchange.markets["ETHUSDT"].base > 0


@pytest.mark.parametrize("replaced", [True, False])
async def test_a_node_whose_start_is_lost_or_forgotten_ends_so_that_it_is_started_again(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    ended: ExceptionGroup[StartLostError] | None = None
    try:
        async with world.naived(node="alpha") as naived:
            await naived.start()
            with closing(sqlite3.connect(_path(world))) as journal, journal:
                journal.execute("DELETE FROM nodes")
            if replaced:
                monkeypatch.setattr(server, "_FILE", "another")
            await trio.sleep(LEASE / 1000)
    except* StartLostError as group:
        ended = group
    assert ended is not None
    assert ("replaced" in str(ended.exceptions)) is replaced
    async with world.naived(node="alpha") as naived:
        await trading(naived, "ETHUSDT")


async def test_a_node_whose_name_another_process_took_does_not_end(world: World, clock: MockClock) -> None:
    """Started again it would take the symbols back, and so would the other one, without an end."""
    async with world.naived(node="alpha") as naived:
        await naived.start()
        with closing(sqlite3.connect(_path(world))) as journal, journal:
            journal.execute("UPDATE nodes SET epoch = epoch + 1")
        await trio.sleep(LEASE / 1000)
        assert naived.supervisor.symbols == {}


async def test_a_lost_buy_is_its_traders_though_the_settings_that_allowed_it_are_lost_too(
    world: World, clock: MockClock, tmp_path: Path
) -> None:
    standby = str(tmp_path / "standby.db")
    async with world.naived(node="alpha") as naived:
        await naived.start()
        await naived.ask("settings", budget="50", chunks=1)
        copy(world, standby)
        await naived.ask("settings", budget="1000", chunks=1)
        await naived.trade("2000")
        assert naived.phases() == ["buying"]
    promote(world, standby)
    async with world.naived(node="alpha") as naived:
        await trading(naived, "ETHUSDT")
        assert naived.phases() == ["buying"]
        assert len(world.exchange.wire) == 1
        await naived.trade("1990")
        await naived.until(lambda: len(world.exchange.open(side=Side.SELL)) == 1)
        assert owned(naived.symbol().engine.leader).quantity == world.exchange.markets["ETHUSDT"].base


async def test_a_symbol_of_which_all_is_lost_is_claimed_though_its_buy_was_filled_while_it_waited(
    world: World, clock: MockClock, tmp_path: Path
) -> None:
    standby = str(tmp_path / "standby.db")
    async with world.naived(node="alpha") as naived:
        await naived.start("BTCUSDT")
        copy(world, standby)
        await naived.start("ETHUSDT")
        await naived.trade("2000")
        assert naived.phases() == ["buying"]
    promote(world, standby)
    async with world.naived(node="alpha") as naived:
        await naived.until(lambda: naived.supervisor.symbols.keys() == {"BTCUSDT"}, 60)
        await naived.trade("1990")
        assert world.exchange.open() == []
        await naived.until(lambda: "ETHUSDT" in naived.supervisor.symbols, PATIENCE)
        await trading(naived, "BTCUSDT")
        assert owned(naived.symbol("ETHUSDT").engine.leader).quantity == world.exchange.markets["ETHUSDT"].base


@pytest.mark.parametrize("finds", [False, True])
async def test_an_order_that_was_sent_and_cancelled_behind_the_last_commit_is_found_by_its_number(
    world: World, clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finds: bool
) -> None:
    """Its row says that it was not placed; our cancel gave it another id, and the first one may find nothing."""
    standby = str(tmp_path / "standby.db")
    exchange, ask = world.exchange, world.exchange.order

    async def order(
        symbol: str, *, order_id: int | None = None, client_order_id: str | None = None
    ) -> Report | None:
        report = await ask(symbol, order_id=order_id, client_order_id=client_order_id)
        hidden = report is not None and report.status is OrderStatus.CANCELED and order_id is None and not finds
        return None if hidden else report

    monkeypatch.setattr(exchange, "order", order)
    async with world.naived(node="alpha") as naived:
        await naived.start()
        exchange.throttled_until = exchange.now() + 3000
        await naived.trade("2000")
        assert naived.order_states() == ["not_placed"]
        copy(world, standby)
        await trio.sleep(4)
        (there,) = exchange.open()
        exchange.fill(there, there.rest // 2)
        await naived.ask("stop", cancel="all")
        assert there.status is OrderStatus.CANCELED
        await trio.sleep(5)
    promote(world, standby)
    async with world.naived(node="alpha") as naived:
        await trading(naived, "ETHUSDT")
        await trio.sleep(60)
        assert owned(naived.symbol().engine.leader).quantity == exchange.markets["ETHUSDT"].base


async def test_what_a_node_wrote_before_its_first_look_may_be_lost(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by a simulated seed: it took the new server for its first, and could write nothing any more."""
    look, looks = SqlCluster.look, trio.Event()

    async def late(cluster: SqlCluster) -> View:
        await looks.wait()
        return await look(cluster)

    monkeypatch.setattr(SqlCluster, "look", late)
    async with world.naived(node="alpha") as naived:
        with closing(sqlite3.connect(":memory:")) as standby:
            with closing(sqlite3.connect(_path(world))) as journal:
                journal.backup(standby)
            await naived.journal.commit(Unit("", events=(Event(naived.exchange.now(), None, "test", "lost"),)))
            with closing(sqlite3.connect(_path(world))) as journal:
                standby.backup(journal)
        looks.set()
        await naived.start("ETHUSDT")
        await naived.trade("2000")
        assert world.exchange.open(side=Side.BUY)


@pytest.mark.parametrize("lost", [True, False])
async def test_a_lost_buy_that_a_person_cancelled_is_known_by_its_number(
    world: World, clock: MockClock, lost: bool
) -> None:
    """Found by a simulated seed: the exchange lists it under the id of that cancel, now or after the failover."""
    exchange = world.exchange
    async with world.naived(node="alpha") as naived:
        await naived.start(*NAMES, chunks=1)
        with closing(sqlite3.connect(":memory:")) as standby:
            with closing(sqlite3.connect(_path(world))) as journal:
                journal.backup(standby)
            await naived.trade("2000")
            (buy,) = exchange.open()
            exchange.fill(buy, buy.rest // 2)
            if lost:
                exchange.cancel_by_hand(buy)
                await naived.until(lambda: naived.phases() == ["selling"])
            with closing(sqlite3.connect(_path(world))) as journal, journal:
                standby.backup(journal)
                journal.execute("UPDATE deployment SET server = 'another'")
        await naived.until(lambda: not naived.supervisor.symbols, PATIENCE)
        if not lost:
            await naived.until(lambda: "ETHUSDT" in naived.supervisor.symbols, PATIENCE)
            exchange.cancel_by_hand(buy)
        await trading(naived, *NAMES)
        await trio.sleep(5)
        counted(world, naived)
        assert owned(naived.symbol().engine.leader).quantity == exchange.markets["ETHUSDT"].base > 0


async def test_a_row_that_cannot_be_read_is_named_as_what_all_symbols_wait_for(
    world: World, clock: MockClock, tmp_path: Path
) -> None:
    standby = str(tmp_path / "standby.db")
    async with world.naived(node="alpha", suspends=False) as naived:
        await naived.start(*NAMES)
        await naived.trade("2000")
        copy(world, standby)
    promote(world, standby)
    async with world.naived(node="beta") as naived:
        with closing(sqlite3.connect(_path(world))) as journal, journal:
            ((began,),) = journal.execute("SELECT started_at FROM traders WHERE symbol = 'ETHUSDT'").fetchall()
            journal.execute("UPDATE traders SET started_at = 'x' WHERE symbol = 'ETHUSDT'")
        await trio.sleep(LEASE / 1000 + PATIENCE)
        assert naived.state("BTCUSDT") == "degraded"
        reason = naived.reason("BTCUSDT") or ""
        assert reason.startswith(
            "the database was replaced: no order is placed before every symbol is compared; awaited: ETHUSDT ("
            "the database holds what this version cannot read: table traders, symbol ETHUSDT: "
        )
        sent = len(world.exchange.wire)
        await naived.trade("60000", symbol="BTCUSDT")
        assert len(world.exchange.wire) == sent
        with closing(sqlite3.connect(_path(world))) as journal, journal:
            journal.execute("UPDATE traders SET started_at = ? WHERE symbol = 'ETHUSDT'", (began,))
        await trading(naived, *NAMES)


async def test_a_symbol_of_which_the_exchange_does_not_answer_is_named_on_every_node(
    world: World, clock: MockClock, tmp_path: Path
) -> None:
    standby = str(tmp_path / "standby.db")
    async with world.naived(node="alpha") as naived:
        await naived.start(*NAMES)
        copy(world, standby)
    promote(world, standby)
    world.exchange.faults.refused = {("orders_since", "ETHUSDT")}
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        nodes = {"alpha": alpha, "beta": beta}
        await trio.sleep(LEASE / 1000 + PATIENCE)
        (owner,) = [name for name, node in nodes.items() if "ETHUSDT" in node.supervisor.symbols]
        wait = "the database was replaced: no order is placed before every symbol is compared; awaited: ETHUSDT "
        assert nodes[owner].reason() == f"{wait}(orders_since: -1121 Invalid symbol.)"
        (other,) = [node for node in nodes.values() if "BTCUSDT" in node.supervisor.symbols]
        assert other is not nodes[owner]
        assert other.reason("BTCUSDT") == f"{wait}(node {owner} has it)"
        world.exchange.faults.refused = set()
        await trading(nodes[owner], "ETHUSDT")
        await trading(other, "BTCUSDT")


def test_three_of_the_symbols_that_are_awaited_are_named_first_those_of_which_it_is_known_why() -> None:
    uncompared = {"ADAUSDT": "beta", "BTCUSDT": "alpha", "ETHUSDT": "alpha", "SOLUSDT": None, "XRPUSDT": "alpha"}
    view = View({}, 5, 0, "new", "old", uncompared)
    said = doubt(view, "alpha", {"XRPUSDT": "refused", "ADAUSDT": "it was ours once"})
    assert said.endswith("; awaited: XRPUSDT (refused), ADAUSDT (node beta has it), BTCUSDT and 2 more")
    assert doubt(View({}, 5, 0, "new", "old", {"SOLUSDT": None}), "alpha", {}).endswith("SOLUSDT (no node has it)")
    assert doubt(View({}, 0, 0, "new", "old"), "alpha", {}).endswith("every symbol is compared")
