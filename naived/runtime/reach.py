"""Whether this node reaches the exchange, and is to give its symbols to a node that does; ``keeper.py`` asks.

A node without the exchange keeps what it has for as long as no other node reaches it. It gives its symbols away
once it did not reach the exchange for a whole lease while another node did all the time: so an outage for all moves
nothing, though some are back sooner. Time counts as for heartbeats, while each could say what is so.

A process that was just started is not connected yet. It takes no symbol that a node with the exchange can have, but
tells the others only after some seconds: they leave it what it had before, so that a usual restart moves nothing.
"""

from collections.abc import Callable

import structlog
import trio
from msgspec.structs import replace

from naived.nodes import Member, View
from naived.runtime.heartbeats import Heartbeats

_EARLY = 5.0  # seconds in which a node connects usually; as long others take no more than their share (keeper.py)
_POLL = 0.05  # seconds; a symbol that nobody has waits for it, once after a start

log = structlog.get_logger()


class Reach:
    """``away`` says why this process does not reach the exchange now, None: it does.

    ``waiting``: it was just started, and takes no symbol before it is connected.
    """

    def __init__(self, member: Member, away: Callable[[], str | None]) -> None:
        self._member = member
        self._away = away
        self._early = True  # no session answered yet, and the others are not told of it
        self._told = False  # was it away at the last renewal?
        self._since: float | None = None  # it is away and another node is not, in counted s
        self.lost = False  # are its symbols to be given away?
        self.waiting = False

    @property
    def away(self) -> str | None:
        """Why the exchange is away, as the other nodes are told."""
        return None if self._early else self._away()

    @property
    def news(self) -> bool:
        """Do the other nodes not know yet what is so?"""
        return (self.away is not None) != self._told

    def told(self, why: str | None) -> None:
        """A renewal said this."""
        self._told = why is not None

    async def look(self, heartbeats: Heartbeats) -> View:
        """What there is now, with what is so here. Raises JournalError, FencedError."""
        return self.judged(await heartbeats.look(), heartbeats.counted)

    def judged(self, view: View, counted: float) -> View:
        """The view with what is so here; ``counted``: the s that count, up to this view."""
        why, name = self._away(), self._member.name
        others = [node for node in view.nodes.values() if node.live and not node.draining and node.name != name]
        alone = all(node.exchange_away is not None for node in others)
        self._early = self._early and why is not None and counted < _EARLY
        self.waiting = self._early and not alone
        if why is None or alone:
            self._since = None
        elif self._since is None:
            self._since = counted
        lost = self._since is not None and counted - self._since >= self._member.lease / 1000
        if lost and not self.lost:
            log.warning("the symbols are given to nodes that reach the exchange", reason=why)
        self.lost = lost
        me = view.nodes.get(name)
        return view if me is None else replace(view, nodes={**view.nodes, name: replace(me, exchange_away=why)})

    async def pause(self, seconds: float) -> None:
        """Until the next look; that comes sooner where the first session answers meanwhile."""
        with trio.move_on_after(seconds):
            while not self.waiting or self._away() is not None:  # noqa: ASYNC110 - there is no event for it
                await trio.sleep(_POLL if self.waiting else seconds)
