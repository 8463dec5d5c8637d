"""Whose fees count as those of other symbols."""

from collections.abc import Sequence

from trio.testing import MockClock

from naived.core.amount import Amount, Quantity
from naived.runtime.fee_losses import FeeLosses
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
