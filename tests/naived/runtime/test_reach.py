"""A node without the exchange gives its symbols to one that has it, and takes none."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio.testing import MockClock

from naived.nodes import Member, NodeInfo, View, takers
from naived.runtime.reach import Reach
from tests.support.exchange import ExchangeDouble
from tests.support.runtime import LEASE, Naived, World

CUT = "the cable is cut"
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


def test_nodes_without_the_exchange_take_symbols_where_no_node_has_it() -> None:
    cut, drained, gone = a_node("a", away=CUT), a_node("b", draining=True), a_node("c", live=False)
    assert takers([cut, drained, gone]) == [cut]
    assert takers([cut, drained, gone, a_node("d")]) == [a_node("d")]
    assert takers([drained, gone]) == []


# Two nodes


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
