"""A node without the exchange gives its symbols to one that has it, and takes none."""

import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from naived.core.amount import parse_price
from naived.core.orders.report import Report
from naived.nodes import Member, NodeInfo, View, takers
from naived.ports import ExchangeError, Sink
from naived.runtime.reach import Reach
from tests.support.exchange import ExchangeDouble
from tests.support.runtime import LEASE, Naived, World

CUT = "the cable is cut"
BANNED = "rate limit exceeded: nothing may be asked for 120 s"
NAMES = ("ADAUSDT", "BTCUSDT", "ETHUSDT", "SOLUSDT")


def a_node(
    name: str, *, away: str | None = None, live: bool = True, draining: bool = False, symbols: int = 0
) -> NodeInfo:
    return NodeInfo(name, live, draining, symbols, 0, LEASE, "0.1.0", away)


class Alpha:
    """Its view of itself and beta, which it looks at each second."""

    def __init__(self) -> None:
        self.away: str | None = None
        self.counted = 0.0
        self.beta = a_node("beta")
        self.reach = Reach(Member("alpha", "0.1.0", LEASE), lambda: self.away)

    def after(self, seconds: int) -> bool:
        """Are its symbols to be given away?"""
        for _ in range(max(1, seconds)):
            self.counted += bool(seconds)
            self.reach.judged(View({"alpha": a_node("alpha"), "beta": self.beta}, 2, 0), self.counted)
        return self.reach.lost


def test_symbols_are_given_away_after_a_whole_lease_without_the_exchange() -> None:
    alpha = Alpha()
    assert not alpha.after(100)
    alpha.away = CUT
    assert not alpha.after(30)
    assert alpha.after(1)
    alpha.away = None
    assert not alpha.after(0)


def test_each_moment_with_the_exchange_or_without_a_node_that_has_it_begins_the_lease_anew() -> None:
    alpha, beta = Alpha(), a_node("beta")
    without = [
        a_node("beta", away=CUT),
        a_node("beta", live=False),
        a_node("beta", draining=True),
    ]
    alpha.away = CUT
    for other in without:
        assert not alpha.after(30)
        alpha.beta = other
        assert not alpha.after(100)
        alpha.beta = beta
    alpha.away = None
    assert not alpha.after(1)
    alpha.away = "another reason"
    assert not alpha.after(30)
    assert alpha.after(1)


def test_time_that_does_not_count_for_heartbeats_does_not_count_here() -> None:
    alpha = Alpha()
    alpha.away = CUT
    for _ in range(100):
        assert not alpha.after(0)


def test_what_is_so_here_is_known_before_it_is_written() -> None:
    alpha = Alpha()
    assert not alpha.after(1)
    assert not alpha.reach.news
    alpha.away = CUT
    assert alpha.reach.news
    view = alpha.reach.judged(View({"alpha": a_node("alpha"), "beta": alpha.beta}, 2, 0), 0)
    assert [node.name for node in takers(view.nodes.values())] == ["beta"]
    alpha.reach.told(CUT)
    alpha.away = "another reason"
    assert not alpha.reach.news
    alpha.away = None
    assert alpha.reach.news


def test_a_node_that_starts_leaves_symbols_to_one_that_is_connected_and_tells_of_it_after_some_seconds() -> None:
    alpha = Alpha()
    alpha.away = "not connected yet"
    assert not alpha.after(4)
    assert (alpha.reach.waiting, alpha.reach.news) == (True, False)
    assert not alpha.after(2)
    assert (alpha.reach.waiting, alpha.reach.news, alpha.reach.away) == (False, True, alpha.away)
    assert not alpha.after(24)
    assert alpha.after(1)


def test_a_node_that_starts_alone_waits_for_nothing() -> None:
    alpha = Alpha()
    alpha.away = "not connected yet"
    alpha.beta = a_node("beta", live=False)
    assert not alpha.after(0)
    assert not alpha.reach.waiting


def test_nodes_without_the_exchange_take_symbols_where_no_node_has_it() -> None:
    cut, drained, gone = a_node("a", away=CUT), a_node("b", draining=True), a_node("c", live=False)
    assert takers([cut, drained, gone]) == [cut]
    assert takers([cut, drained, gone, a_node("d")]) == [a_node("d")]
    assert takers([drained, gone]) == []


# One node, and two


async def test_a_node_that_shares_nothing_says_as_well_whether_it_reaches_the_exchange(
    world: World, clock: MockClock
) -> None:
    """It does while it still reads its orders after an outage."""
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        session = naived.service.session

        async def away() -> object:
            return (await naived.call("nodes"))["nodes"][0]["exchange_away"]

        world.exchange.go_away(CUT)
        assert await away() == CUT
        world.exchange.come_back()
        await naived.until(lambda: session.unreached is None)
        assert session.away == CUT
        assert await away() is None


@asynccontextmanager
async def both(world: World) -> AsyncIterator[tuple[Naived, Naived]]:
    """Alpha and beta have two symbols each, which trade."""
    world.exchange = ExchangeDouble(*NAMES, "XRPUSDT")
    async with world.naived(node="beta") as beta, world.naived(node="alpha") as alpha:
        await beta.start(*NAMES[:2])
        await alpha.start(*NAMES[2:])
        await trio.sleep(LEASE / 1000)
        assert (counts(alpha, beta)) == (2, 2)
        yield alpha, beta


def cut(*naived: Naived) -> None:
    for each in naived:
        each.service.session.closed(CUT)


def mend(*naived: Naived) -> None:
    for each in naived:
        each.service.session.opened()


async def refusing_all(*_: object) -> None:
    await trio.sleep(0.01)
    raise ExchangeError(BANNED)


async def unconnected(exchange: ExchangeDouble, sink: Sink) -> None:
    await trio.sleep_forever()


def counts(*naived: Naived) -> tuple[int, ...]:
    return tuple(len(each.supervisor.symbols) for each in naived)


async def test_a_node_without_the_exchange_gives_its_symbols_away_and_takes_part_again_when_it_is_back(
    world: World, clock: MockClock
) -> None:
    async with both(world) as (alpha, beta):
        cut(alpha)
        await trio.sleep(LEASE / 1000 - 1)
        assert counts(alpha, beta) == (2, 2)
        await trio.sleep(5)
        assert counts(alpha, beta) == (0, 4)
        assert {beta.state(name) for name in NAMES} == {"trading"}
        await trio.sleep(2 * LEASE / 1000)
        assert counts(alpha, beta) == (0, 4)
        mend(alpha)
        await trio.sleep(LEASE / 1000)
        assert counts(alpha, beta) == (2, 2)
        assert {naived.state(name) for naived in (alpha, beta) for name in naived.supervisor.symbols} == {"trading"}


async def test_an_outage_of_the_exchange_for_all_moves_nothing_though_one_is_back_later(
    world: World, clock: MockClock
) -> None:
    async with both(world) as (alpha, beta):
        cut(alpha)
        await trio.sleep(15)
        cut(beta)
        await trio.sleep(4 * LEASE / 1000)
        mend(beta)
        await trio.sleep(LEASE / 1000 - 2)
        mend(alpha)
        await trio.sleep(LEASE / 1000)
        assert set(alpha.supervisor.symbols) == set(NAMES[2:])
        assert set(beta.supervisor.symbols) == set(NAMES[:2])


async def test_a_node_without_the_exchange_is_given_no_symbol_and_takes_none_for_a_verb(
    world: World, clock: MockClock
) -> None:
    world.exchange = ExchangeDouble(*NAMES, "XRPUSDT")
    async with world.naived(node="beta") as beta:
        await beta.start(*NAMES)
        async with world.naived(node="alpha") as alpha:
            await trio.sleep(2)
            cut(alpha)
            await trio.sleep(LEASE / 1000)
            assert counts(alpha, beta) == (0, 4)
            await alpha.start("XRPUSDT")
            assert counts(alpha, beta) == (0, 5)
            (warning,) = (await alpha.call("nodes", drain="beta"))["warnings"]
            assert warning == (
                f"no node that takes symbols reaches the exchange (alpha: {CUT}): what they have is not traded "
                "meanwhile"
            )
            away = {node["name"]: node["exchange_away"] for node in (await beta.call("nodes"))["nodes"]}
            assert away == {"alpha": CUT, "beta": None}
            assert (await alpha.call("nodes", undrain="beta"))["warnings"] == []


async def test_where_no_node_reaches_the_exchange_a_node_takes_what_another_one_left_and_says_why_it_waits(
    world: World, clock: MockClock
) -> None:
    async with world.naived(node="beta") as beta:
        async with world.naived(node="alpha") as alpha:
            await alpha.start()
            cut(beta)
            await trio.sleep(2)
            assert not beta.supervisor.symbols
        await beta.until(lambda: beta.supervisor.symbols)
        assert (beta.state(), beta.reason()) == ("degraded", f"the exchange is away: {CUT}")
        world.exchange.come_back()
        mend(beta)
        await beta.until(lambda: beta.state() == "trading")


async def test_a_symbol_of_which_the_exchange_does_not_answer_stops_itself_alone(
    world: World, clock: MockClock
) -> None:
    async with both(world) as (alpha, beta):
        world.exchange.faults.silent = {("open_orders", "SOLUSDT")}
        for _ in range(8):
            await trio.sleep(LEASE / 1000 / 2)
            assert counts(alpha, beta) == (2, 2)
            assert {alpha.state("ETHUSDT"), *(beta.state(name) for name in NAMES[:2])} == {"trading"}
        assert alpha.state("SOLUSDT") == "degraded"
        assert not alpha.symbol("SOLUSDT").engine.may_place
        nodes = (await beta.call("nodes"))["nodes"]
        assert {node["exchange_away"] for node in nodes} == {None}
        world.exchange.faults.silent = set()
        await alpha.until(lambda: alpha.state("SOLUSDT") == "trading", 61)


async def test_a_node_that_has_no_other_symbol_keeps_one_of_which_the_exchange_does_not_answer(
    world: World, clock: MockClock
) -> None:
    async with world.naived(node="beta") as beta, world.naived(node="alpha") as alpha:
        await alpha.start()
        await beta.start("BTCUSDT")
        world.exchange.faults.silent = {("open_orders", "ETHUSDT")}
        await trio.sleep(5 * LEASE / 1000)
        assert (set(alpha.supervisor.symbols), set(beta.supervisor.symbols)) == ({"ETHUSDT"}, {"BTCUSDT"})
        assert alpha.reason() == "the exchange says nothing of its orders: open_orders: not answered"


async def test_a_node_that_is_told_to_wait_is_away_though_its_session_is_open(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ExchangeDouble.open_orders, ExchangeDouble.account
    async with both(world) as (alpha, beta):
        # The double has one session for both: beta is told nothing, and alpha answered nothing.
        monkeypatch.setattr(beta.service.reconciler, "_exchange", copy.copy(world.exchange))
        for name, real in zip(("open_orders", "account"), asked, strict=True):
            monkeypatch.setattr(world.exchange, name, refusing_all)
            monkeypatch.setattr(beta.service.reconciler._exchange, name, partial(real, world.exchange))
        await alpha.until(lambda: alpha.service.session.unreached == BANNED, 70)
        assert alpha.service.session.away == BANNED
        await trio.sleep(LEASE / 1000 + 5)
        assert counts(alpha, beta) == (0, 4)
        monkeypatch.undo()
        await trio.sleep(LEASE / 1000)
        assert counts(alpha, beta) == (2, 2)


async def test_a_node_that_reads_many_orders_after_an_outage_keeps_its_symbols(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ExchangeDouble.order

    async def slow(exchange: ExchangeDouble, symbol: str, **given: Any) -> Report | None:
        await trio.sleep(LEASE / 1000)
        return await real(exchange, symbol, **given)

    async with both(world) as (alpha, beta):
        for name in NAMES:
            world.exchange.watched.add(name)
            await alpha.trade("2000", symbol=name)
            owner = alpha if name in alpha.supervisor.symbols else beta
            owner.service.session.trade(name, 10_000, parse_price("2000"), "1", world.exchange.now())
        await trio.sleep(1)
        cut(alpha, beta)
        world.exchange.faults.held = True
        for name in NAMES[2:]:
            (order,) = world.exchange.open(name)
            world.exchange.fill(order, order.rest)
        world.exchange.forget_reports()
        world.exchange.faults.held = False
        monkeypatch.setattr(ExchangeDouble, "order", slow)
        mend(alpha, beta)
        await trio.sleep(1)
        assert {beta.state(name) for name in NAMES[:2]} == {"trading"}
        assert alpha.service.session.unreached is None
        assert {alpha.state(name) for name in NAMES[2:]} == {"degraded"}
        for _ in range(5):
            await trio.sleep(LEASE / 1000 / 2)
            assert counts(alpha, beta) == (2, 2)
        assert {alpha.state(name) for name in NAMES[2:]} == {"trading"}


async def test_a_node_that_starts_without_the_exchange_leaves_what_it_had_to_one_that_has_it(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.naived(node="beta") as beta:
        async with world.naived(node="alpha", suspends=False) as alpha:
            await alpha.start("ETHUSDT", "BTCUSDT")
            assert counts(alpha, beta) == (2, 0)
        world.exchange._sink = beta.service.session  # the double has one session
        world.exchange.come_back()
        with monkeypatch.context() as hung:
            hung.setattr(ExchangeDouble, "run", unconnected)
            async with world.naived(node="alpha") as alpha:
                await beta.until(lambda: counts(alpha, beta) == (0, 2), 10)
                assert {beta.state(name) for name in ("ETHUSDT", "BTCUSDT")} <= {"trading", "starting"}
                await trio.sleep(5)
                away = {node["name"]: node["exchange_away"] for node in (await beta.call("nodes"))["nodes"]}
                assert away == {"alpha": "not connected yet", "beta": None}


async def test_a_node_that_starts_again_has_what_it_had_at_once(world: World, clock: MockClock) -> None:
    world.exchange = ExchangeDouble(*NAMES)
    async with world.naived(node="beta") as beta:
        await beta.start(*NAMES[:2])
        async with world.naived(node="alpha", suspends=False) as alpha:
            await alpha.start(*NAMES[2:])
        for _ in range(5):
            await trio.sleep(0.3)  # beta looks each second, at any moment of the start
            async with world.naived(node="alpha", suspends=False) as alpha:
                await alpha.until(lambda: set(alpha.supervisor.symbols) == set(NAMES[2:]), 0.3)
                await alpha.until(lambda: {alpha.state(name) for name in NAMES[2:]} == {"trading"}, 2)


async def test_a_lone_node_has_its_symbols_before_it_is_connected(world: World, clock: MockClock) -> None:
    async with world.naived(node="alpha") as alpha:
        await alpha.start()
    world.exchange.gone = "connection refused"
    async with world.naived(node="alpha") as alpha:
        await alpha.until(lambda: alpha.supervisor.symbols, 0.3)
