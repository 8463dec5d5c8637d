"""Whose fees count as those of other symbols."""

from collections.abc import Sequence

import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.core.amount import Amount, Quantity
from naived.runtime.fee_losses import FeeLosses, owned
from naived.runtime.symbol_task import Symbol
from tests.support.runtime import World


async def test_a_symbol_whose_rules_are_not_read_is_judged_by_its_name(world: World, clock: MockClock) -> None:
    asked: list[tuple[str, Sequence[str]]] = []

    async with world.naived() as naived:
        await naived.start()
        for name in ("BTCETH", "ETHBTC", "SOLUSDT"):
            naived.supervisor.configure(name)

        async def fees_paid(asset: str, symbols: Sequence[str], since: int) -> Amount:
            asked.append((asset, sorted(symbols)))
            return Amount(0)

        naived.journal.fees_paid = fees_paid  # type: ignore[method-assign]
        losses = FeeLosses(naived.journal, naived.supervisor.symbols)
        assert not await losses.booked(naived.symbol(), Quantity(1))
        assert asked == [("ETH", ["BTCETH", "ETHBTC", "ETHUSDT"])]


async def test_coins_that_another_symbol_booked_meanwhile_are_booked_once(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000", "1990")
        await naived.trade("2000", "1990", symbol="BTCUSDT")
        one, other = naived.symbol("ETHUSDT"), naived.symbol("BTCUSDT")
        leader = other.engine.leader
        other.engine = replace(other.engine, leader=replace(leader, info=replace(leader.info, base="ETH")))
        for symbol in (one, other):  # their sells are taken back, so that coins can be missing
            await naived.ask("stop", symbol.name, cancel="all")
        symbols, missing = naived.supervisor.symbols, Quantity(10**6)
        before = owned(symbols, one)

        async def fees_paid(asset: str, names: Sequence[str], since: int) -> Amount:
            await trio.sleep(0.01)
            return Amount(missing)

        naived.journal.fees_paid = fees_paid  # type: ignore[method-assign]
        booked: list[bool] = []
        losses = FeeLosses(naived.journal, symbols)

        async def book(symbol: Symbol) -> None:
            booked.append(await losses.booked(symbol, missing))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(book, one)
            nursery.start_soon(book, other)
        assert booked == [True, True]
        assert owned(symbols, one) == before - missing
