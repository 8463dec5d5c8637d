"""Bugs that several nodes could have, for ``mutants.mutated``; worlds of ``nodes_swarm`` have to catch them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
import trio
from msgspec.structs import replace

from naived.database import fence, leases, store
from naived.ports import Unit
from naived.runtime import keeper
from naived.runtime.keeper import Keeper
from naived.runtime.lost_commits import LostCommits
from naived.runtime.trust import Trust
from tests.simulation import daemon
from tests.simulation.mutants import MUTANTS, Change
from tests.simulation.nodes import NodesPlan, behind, capped, failing_over, late, renewing, scarce, stalling
from tests.simulation.process import Process


def _epoch_unchecked() -> Sequence[Change]:
    return [(fence, "check", lambda unit, ours: None)]


def _counted_from_after_the_renewal() -> Sequence[Change]:
    renewed = Trust.renewed
    return [(Trust, "renewed", lambda self, _began: renewed(self, self._clock()))]


def _clock_stands_still_with_the_process() -> Sequence[Change]:
    def lazy(process: Process) -> Callable[[], float]:
        return lambda: trio.current_time() - process.tasks.missed

    return [(daemon, "steady", lazy)]


def _live_leases_are_claimed() -> Sequence[Change]:
    claim = leases.claim

    def greedy(seat: Any, connection: sa.Connection, **given: Any) -> Any:
        others = leases.nodes.c.name != seat.member.name
        beats = connection.execute(sa.select(leases.nodes.c.name, leases.nodes.c.heartbeat).where(others))
        return claim(seat, connection, **{**given, "gone": {name: heartbeat for name, heartbeat in beats}})

    return [(leases, "claim", greedy)]


def _exposure_counted_before() -> Sequence[Change]:
    return [(store, "within_limit", lambda _connection, unit: (unit, None))]


def _placed_before_all_is_compared() -> Sequence[Change]:
    check, look = fence.check, Keeper._look_at_server

    async def bold(self: Keeper, nursery: trio.Nursery) -> None:
        await look(self, nursery)
        self.trust.doubt = None

    def hasty(unit: Unit, ours: Mapping[str, fence.Held]) -> None:
        check(unit, {symbol: replace(held, placing=True) for symbol, held in ours.items()})

    return [(fence, "check", hasty), (Keeper, "_look_at_server", bold)]


def _orders_without_rows_unread() -> Sequence[Change]:
    return [(LostCommits, "_matters", lambda self, report: False)]


def _rows_of_lost_commits_believed() -> Sequence[Change]:
    """What the rows call not placed is not asked for, though the commit that admitted it is lost."""
    return [(keeper, "doubt_orders", lambda symbol: None)]


def _frames_of_lost_rows_not_awaited() -> Sequence[Change]:
    async def at_once(self: LostCommits) -> int:
        await trio.lowlevel.checkpoint()
        return self._exchange.now()

    return [(LostCommits, "_wait", at_once)]


NODE_MUTANTS: Mapping[str, Callable[[], Sequence[Change]]] = {
    "epoch-unchecked": _epoch_unchecked,
    "counted-from-after-the-renewal": _counted_from_after_the_renewal,
    "clock-stands-still-with-the-process": _clock_stands_still_with_the_process,
    "live-leases-are-claimed": _live_leases_are_claimed,
    "exposure-counted-before": _exposure_counted_before,
    "placed-before-all-is-compared": _placed_before_all_is_compared,
    "orders-without-rows-unread": _orders_without_rows_unread,
    "rows-of-lost-commits-believed": _rows_of_lost_commits_believed,
    "frames-of-lost-rows-not-awaited": _frames_of_lost_rows_not_awaited,
    # A takeover that believes "does not exist" at once, and one that signs again at the send.
    "no-fence": MUTANTS["no-fence"],
    "fresh-signature": MUTANTS["fresh-signature"],
}
# The worlds in which they show soon.
HUNTING: Mapping[str, Callable[[int], NodesPlan]] = {
    **dict.fromkeys(NODE_MUTANTS, stalling),
    "epoch-unchecked": behind,
    "counted-from-after-the-renewal": renewing,
    "exposure-counted-before": capped,
    "placed-before-all-is-compared": failing_over,
    "orders-without-rows-unread": failing_over,
    "rows-of-lost-commits-believed": scarce,
    "frames-of-lost-rows-not-awaited": failing_over,
    "no-fence": late,
    "fresh-signature": late,
}
