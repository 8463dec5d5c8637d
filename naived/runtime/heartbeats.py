"""Which nodes live: one whose heartbeat stood still for a whole lease is gone, whatever the database's clock says.

That is counted on this machine's clock of elapsed time, between the looks of this process. The database's clock may
be set, and a failover takes the one of another machine; it is asked only about a node whose heartbeat this process
has neither seen changing nor standing still for a lease.
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from naived.nodes import Cluster, NodeInfo, View


class _Beat(Struct, frozen=True):
    """A heartbeat (ms), seen first at ``since`` (s); ``changed``: another one was seen before."""

    heartbeat: int
    since: float
    changed: bool


class Heartbeats:
    """``clock`` (s) runs through a suspend of the machine."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._seen: dict[str, _Beat] = {}

    async def look(self) -> View:
        """What there is now; symbols of nodes that are gone are free. Raises JournalError, FencedError."""
        began = self._clock()
        view = await self._cluster.look()
        nodes = {name: self._judged(node, began) for name, node in view.nodes.items()}
        free = view.symbols - sum(node.symbols for node in nodes.values())
        return replace(view, nodes=nodes, free=free)

    def _judged(self, node: NodeInfo, began: float) -> NodeInfo:
        seen = self._seen.get(node.name)
        if seen is None or seen.heartbeat != node.heartbeat:
            seen = self._seen[node.name] = _Beat(node.heartbeat, self._clock(), seen is not None)
        # It stood still at least from after the first look that saw it until before this one.
        still = max(0.0, began - seen.since) >= (node.until - node.heartbeat) / 1000
        live = not still and (seen.changed or node.live)
        return replace(node, live=live, symbols=node.symbols if live else 0)
