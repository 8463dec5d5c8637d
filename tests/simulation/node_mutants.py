"""Bugs that several nodes could have, for ``mutants.mutated``; worlds of ``nodes_swarm`` have to catch them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
import trio

from naived.database import fence, leases, store
from naived.database.schema import Instant
from naived.runtime.trust import Trust
from tests.simulation import daemon
from tests.simulation.mutants import MUTANTS, Change
from tests.simulation.nodes import NodesPlan, behind, capped, late, renewing, stalling
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
        ours = sa.update(leases.leases).where(leases.leases.c.node != seat.member.name)
        connection.execute(ours.values(until=sa.literal(0, Instant)))
        return claim(seat, connection, **given)

    return [(leases, "claim", greedy)]


def _exposure_counted_before() -> Sequence[Change]:
    return [(store, "within_limit", lambda _connection, unit: (unit, None))]


NODE_MUTANTS: Mapping[str, Callable[[], Sequence[Change]]] = {
    "epoch-unchecked": _epoch_unchecked,
    "counted-from-after-the-renewal": _counted_from_after_the_renewal,
    "clock-stands-still-with-the-process": _clock_stands_still_with_the_process,
    "live-leases-are-claimed": _live_leases_are_claimed,
    "exposure-counted-before": _exposure_counted_before,
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
    "no-fence": late,
    "fresh-signature": late,
}
