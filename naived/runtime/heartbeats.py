"""Which nodes live: one whose heartbeat stood still for a whole lease is gone, whatever the database's clock says.

That is counted on this machine's clock of elapsed time, between the looks of this process. The database's clock may
be set, and a failover takes the one of another machine; it is asked only about a node whose heartbeat this process
has neither seen changing nor standing still for a lease.

Only time counts in which the node could have written: not that between two looks of which one failed, or that are
far apart, and not that of a look that took long. The database may have been away then, or this process, and the
whole machine with it, may have been stopped.
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from naived.nodes import Cluster, NodeInfo, View
from naived.ports import JournalError

_GAP = 5.0  # seconds: looks are a second apart; claims and hand-overs of many symbols may take some


class _Beat(Struct, frozen=True):
    """A heartbeat (ms), seen first when so many s had ``counted``; ``changed``: another one was seen before."""

    heartbeat: int
    counted: float
    changed: bool


class Heartbeats:
    """``clock`` (s) runs through a suspend of the machine. ``counted``: the seconds that count so far."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float]) -> None:
        self.counted = 0.0
        self._cluster = cluster
        self._clock = clock
        self._ended: float | None = None  # the last look, at this time of the clock; None: it failed
        self._seen: dict[str, _Beat] = {}

    async def look(self) -> View:
        """What there is now; symbols of nodes that are gone are free. Raises JournalError, FencedError."""
        began = self._clock()
        counted = self.counted + (0.0 if self._ended is None else _short(began - self._ended))
        try:
            view = await self._cluster.look()
        except JournalError:
            self._ended = None
            raise
        self._ended = self._clock()
        # Another look may have ended during this one.
        self.counted = max(self.counted, counted + _short(self._ended - began))
        nodes = {name: self._judged(node, counted) for name, node in view.nodes.items()}
        free = view.symbols - sum(node.symbols for node in nodes.values())
        return replace(view, nodes=nodes, free=free)

    def _judged(self, node: NodeInfo, began: float) -> NodeInfo:
        """``began``: how much had counted before the look."""
        seen = self._seen.get(node.name)
        if seen is None or seen.heartbeat != node.heartbeat:
            seen = self._seen[node.name] = _Beat(node.heartbeat, self.counted, seen is not None)
        # It stood still at least from after the first look that saw it until before this one.
        still = max(0.0, began - seen.counted) >= (node.until - node.heartbeat) / 1000
        live = not still and (seen.changed or node.live)
        return replace(node, live=live, symbols=node.symbols if live else 0)


def _short(seconds: float) -> float:
    """As many, unless that is a gap."""
    return seconds if 0 <= seconds <= _GAP else 0.0
