"""A symbol that was taken over with a row that cannot be read: what it holds, made and has at the exchange is not
known here, and it does not count as one that never did anything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import sqlalchemy as sa
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.control.protocol import Code, ControlError
from naived.core.amount import parse_money
from tests.support.exchange import ExchangeDouble
from tests.support.runtime import LEASE, Naived, World

ROW = "table traders, symbol ETHUSDT: Invalid isoformat string: 'then'"


def write(world: World, statement: str) -> None:
    """As a person does it."""
    engine = sa.create_engine(world.url)
    with engine.begin() as connection:
        assert connection.exec_driver_sql(statement).rowcount
    engine.dispose()


def read(world: World, statement: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(world.url)
    with engine.begin() as connection:
        found = [tuple(row) for row in connection.exec_driver_sql(statement)]
    engine.dispose()
    return found


def corrupt(world: World) -> None:
    write(world, "UPDATE traders SET started_at = 'then' WHERE symbol = 'ETHUSDT' AND phase != 'finished'")


def correct(world: World) -> None:
    write(world, "UPDATE traders SET started_at = since WHERE symbol = 'ETHUSDT' AND phase != 'finished'")


def heard_by(world: World, naived: Naived) -> None:
    """What the exchange tells goes to this one."""
    world.exchange._sink = naived.service.session
    world.exchange.come_back()


@asynccontextmanager
async def taken_over(world: World, *prices: str, cancel: str | None = None) -> AsyncIterator[Naived]:
    """Beta, after it, or another node, took ETHUSDT over, which traded at these prices, with a spoilt row."""
    async with world.naived(node="beta") as beta:
        async with world.naived(node="alpha", suspends=False) as alpha:
            await alpha.start("ETHUSDT")
            heard_by(world, alpha)
            await alpha.trade(*prices)
            await trio.sleep(70)
            if cancel is not None:
                await alpha.ask("stop", cancel=cancel)
            if alpha.service.funds.account.limits.of_losses:
                await trio.sleep(5)
        corrupt(world)
        heard_by(world, beta)
        await trio.sleep(LEASE / 1000 + 10)
        assert "ETHUSDT" not in beta.supervisor.symbols or beta.state() == "degraded"
        yield beta


async def test_coins_that_it_may_hold_are_not_spent_by_another_symbol(world: World, clock: MockClock) -> None:
    async with taken_over(world, "2683.8", "2680", cancel="all") as beta:
        await beta.view.account()
        funds = beta.service.funds
        assert funds.balances.of("ETH")
        left = funds.with_quote("ETH", None)
        assert left.quote is not None
        assert left.quote <= 0
        assert left.room is not None
        assert left.room < 0
        assert ROW in left.limited
        assert funds.with_quote("BTC", None).quote is None
        correct(world)
        await beta.until(lambda: beta.state() == "off", 10)
        assert funds.with_quote("ETH", None).quote == 0, "what it holds is known, and all there is"


async def test_it_counts_as_it_was_last_written_and_that_stays(world: World, clock: MockClock) -> None:
    async with taken_over(world, "2683.8", "2683", "2690", "2690.1", "2700", "2701") as beta:
        before = read(world, "SELECT * FROM gains"), read(world, "SELECT * FROM worth")
        ((_, quote, made, _),) = before[0]
        assert quote == "USDT"
        assert parse_money(str(made)) > 0
        await beta.call("limits", max_drawdown="0.15")
        await trio.sleep(90)
        limits = await beta.call("limits")
        assert limits["halt"] is None
        assert limits["now"]["value"] == made
        assert limits["now"]["drawdown"] == "0"
        assert limits["now"]["exposure"] == "199.92177851"
        ((name, why),) = ((each["symbol"], each["reason"]) for each in limits["now"]["doubtful"])
        assert name == "ETHUSDT"
        assert ROW in why
        assert (read(world, "SELECT * FROM gains"), read(world, "SELECT * FROM worth")) == before
        correct(world)
        await beta.until(lambda: beta.state() == "trading", 10)
        assert beta.symbol().engine.leader.cycles == 1


async def test_an_exposure_that_cannot_be_read_keeps_all_from_buying_and_nobody_from_selling(
    world: World, clock: MockClock
) -> None:
    async with world.naived(node="alpha") as alpha:
        await alpha.start("ETHUSDT", "BTCUSDT")
        await alpha.call("limits", max_exposure="10000")
        await alpha.trade("30000", "29900", symbol="BTCUSDT")
        assert alpha.phases("BTCUSDT") == ["selling"]
        await alpha.trade("2683.8")
        write(world, "UPDATE settings SET exposure = 'much' WHERE symbol = 'ETHUSDT'")
        for step in range(60):
            await alpha.trade(str(29_800 - 10 * step), symbol="BTCUSDT")
            await trio.sleep(10)
        assert alpha.phases("BTCUSDT") == ["selling", "waiting"]
        assert alpha.state("BTCUSDT") == "trading"
        assert "table settings, symbol ETHUSDT: 'much'" in (alpha.reason("BTCUSDT") or "")
        await alpha.trade("31000", "31001", symbol="BTCUSDT")
        assert alpha.symbol("BTCUSDT").engine.leader.cycles == 1
        write(world, "UPDATE settings SET exposure = '200' WHERE symbol = 'ETHUSDT'")
        await trio.sleep(2)
        await alpha.trade("31000", symbol="BTCUSDT")
        assert "buying" in alpha.phases("BTCUSDT")


VERBS: list[tuple[str, dict[str, object]]] = [
    ("wait", {"for": "off"}),
    ("wait", {"for": "drained"}),
    ("stop", {}),
    ("shutdown", {}),
    ("settings", {}),
    ("start", {"dry_run": True}),
    ("forget", {}),
    ("halt", {}),
    ("resume", {}),
    ("resolve", {"all": True, "action": "adopt"}),
]


async def test_verbs_say_why_nothing_of_it_is_known_and_its_status_is_that_of_the_journal(
    world: World, clock: MockClock
) -> None:
    async with taken_over(world, "2683.8") as beta:
        for verb, params in VERBS:
            result = await beta.ask(verb, **params)
            error = result["error"]
            assert error is not None, verb
            assert error["code"] == Code.DATABASE_UNAVAILABLE, verb
            assert ROW in error["message"], verb
            assert (result["status"], result["changed"]) == (None, False)
        with pytest.raises(ControlError, match="traders, symbol ETHUSDT") as told:
            await beta.call("explain", "ETHUSDT")
        assert told.value.code is Code.DATABASE_UNAVAILABLE
        (entry,) = (await beta.call("status"))["symbols"]
        assert (entry["status"], entry["state"], entry["tied_up"]) == ("on", "degraded", "199.922985")
        correct(world)
        await beta.until(lambda: beta.state() == "trading", 10)
        assert (await beta.ask("stop"))["error"] is None
        assert (await beta.ask("wait", **{"for": "off"}))["error"] is None


async def test_a_halt_names_its_buys_as_nobody_takes_them_back_at_any_node(world: World, clock: MockClock) -> None:
    async with world.naived(node="gamma") as gamma, taken_over(world, "2683.8") as beta:
        nodes = {"beta": beta, "gamma": gamma}
        (owner,) = (name for name, node in nodes.items() if "ETHUSDT" in node.supervisor.symbols)
        heard_by(world, nodes[owner])
        await trio.sleep(5)
        for node in nodes.values():
            (told,) = (await node.call("halt"))["results"]
            assert told["message"].endswith("halted: nothing is bought, sells go on")
            (warning,) = told["warnings"]
            assert warning.startswith("1 buy of ETHUSDT rests, not taken back now")
            assert f"node {owner} says: the database holds" in warning
            assert ROW in warning
            (entry,) = (await node.call("status", "ETHUSDT"))["symbols"]
            assert (entry["status"], entry["node"]) == ("on", owner)
            assert "failed" not in entry
        assert len(world.exchange.open("ETHUSDT")) == 1
        correct(world)
        await trio.sleep(10)
        assert world.exchange.open("ETHUSDT") == []
        (told,) = (await gamma.call("halt"))["results"]
        assert told["warnings"] == []


async def test_a_symbol_of_another_node_that_cannot_be_read_keeps_no_other_with_its_coin_from_trading(
    world: World, clock: MockClock
) -> None:
    exchange = ExchangeDouble("ETHUSDT", "ETHUSDC")
    market = exchange.markets["ETHUSDC"]
    market.rules = replace(market.rules, base="ETH", quote="USDC")
    world = World(exchange, world.url)
    async with world.naived(node="beta") as beta, world.naived(node="alpha") as alpha:
        await alpha.start("ETHUSDT")
        heard_by(world, alpha)
        await alpha.trade("2683.8")
        await beta.start("ETHUSDC")
        heard_by(world, beta)
        await trio.sleep(6)
        corrupt(world)
        await trio.sleep(6)
        await beta.ask("stop", "ETHUSDC")
        await beta.start("ETHUSDC", timeout="20s")
        assert beta.state("ETHUSDC") == "trading"
        left = beta.service.funds.with_quote("ETH", None)
        assert left.room is not None
        assert left.room < 0
        assert ROW in left.limited
        assert beta.service.funds.exposure == alpha.service.funds.exposure
        correct(world)
        await trio.sleep(6)
        assert beta.service.funds.with_quote("ETH", None).room is None
