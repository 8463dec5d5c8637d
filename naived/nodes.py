"""What nodes that share one database know and ask of each other; the runtime and control use it.

A node has the symbols for which it holds a lease: a row with its name and an epoch that rises with every claim, for
as long as its heartbeat changes. Every commit of a symbol checks name and epoch in its transaction, so that a node
that lost a symbol can write nothing more of it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from naived.ports import ConflictError, EventRow, JournalError, SymbolRecord

NOBODY: Mapping[str, int] = {}


class LeaseLostError(ConflictError):
    """Another node has the symbol, or may have it: nothing of it is written here any more."""


class UncomparedError(ConflictError):
    """The database was replaced: nothing is placed before every symbol is compared. That ends by itself."""


class FencedError(JournalError):
    """Another process with the name of this node entered the database later: this one has no symbol any more."""


class StartLostError(JournalError):
    """The database was replaced by one that does not know this process, or forgot it: it cannot write any more."""


class Member(Struct, frozen=True):
    """How a node enters: its name, unique among them, its version, and how long its leases last (ms)."""

    name: str
    version: str
    lease: int


class NodeInfo(Struct, frozen=True):
    """``live``: its heartbeat is not older than its lease. ``symbols`` counts those that it has; times are ms.

    From ``heartbeat`` to ``until`` is its lease, or nothing before its first renewal and once it left.
    ``exchange_away``: why it does not reach the exchange, as it said with its last renewal; None: it does.
    """

    name: str
    live: bool
    draining: bool
    symbols: int
    heartbeat: int
    until: int
    version: str
    exchange_away: str | None = None


class View(Struct, frozen=True):
    """``nodes`` by name, gone ones too; ``symbols`` is how many there are, ``free`` how many nobody has.

    ``server`` is the history of commits that the database continues, ``accepted`` the one on which all symbols were
    compared with the exchange. Where they differ, the last commits may be lost; ``uncompared`` are the symbols that
    are awaited then, with the node that has each, gone or not.
    """

    nodes: Mapping[str, NodeInfo]
    symbols: int
    free: int
    server: str = ""
    accepted: str = ""
    uncompared: Mapping[str, str | None] = {}


class Unread(Struct, frozen=True):
    """A symbol of which a row cannot be read, and why."""

    symbol: str
    why: str


class Cluster(Protocol):
    """The leases and heartbeats of nodes, as one node sees them. Every call raises JournalError, FencedError."""

    @property
    def member(self) -> Member:
        """This node."""
        ...

    async def renew(self, exchange_away: str | None = None) -> Mapping[str, int]:
        """Beat, and renew every lease that is still ours; returns their epochs by symbol.

        With it this node says why it does not reach the exchange, None: it does.
        """
        ...

    async def claim(
        self, most: int, names: Collection[str] | None = None, gone: Mapping[str, int] = NOBODY
    ) -> Mapping[str, int]:
        """Take at most so many symbols that nobody has, with a new epoch each; returns those, by symbol.

        Only ``names`` where they are given, also ones that were never configured, which become known if they are
        not taken as well. Nobody has what belongs to one of the other nodes that are ``gone``, whose heartbeat is
        still the one given here.
        """
        ...

    async def reenter(self) -> None:
        """Go on writing on a server that lost commits of this process; what was submitted before is refused."""
        ...

    async def release(self, symbols: Collection[str]) -> None:
        """Give these back: anybody may claim them at once."""
        ...

    async def leave(self) -> None:
        """Give all back, and say that this node is gone."""
        ...

    async def look(self) -> View:
        """What there is now, by the database's clock; `Heartbeats` judges by what this process saw."""
        ...

    async def compared(self, symbol: str, epoch: int, server: str) -> None:
        """A symbol that is ours was compared with the exchange, on this server."""
        ...

    async def accept(self, server: str) -> None:
        """Place orders on this server, if every symbol was compared on it."""
        ...

    async def others(self, assets: Collection[str], ours: Collection[str]) -> Sequence[SymbolRecord | Unread]:
        """Symbols but ours with one of these base assets, or that may have one."""
        ...

    async def drain(self, name: str, wanted: bool) -> bool | None:
        """Have a node give its symbols away, or take some again; was that news? None: there is no such node."""
        ...


def owners(nodes: Sequence[NodeInfo]) -> int:
    """How many of the nodes live and are not drained."""
    return sum(node.live and not node.draining for node in nodes)


def takers(nodes: Iterable[NodeInfo]) -> Sequence[NodeInfo]:
    """The nodes that take symbols: live, not drained, and they reach the exchange, unless none of these does."""
    live = [node for node in nodes if node.live and not node.draining]
    return [node for node in live if node.exchange_away is None] or live


def idle(nodes: Iterable[NodeInfo]) -> str | None:
    """The name of a node that lives, if all that do are drained, so that nobody takes a symbol."""
    live = [node for node in nodes if node.live]
    return None if owners(live) or not live else live[0].name


class Told(Struct, frozen=True):
    """What ``node`` said of a symbol last, at ``at`` (ms): an entry of ``status``."""

    symbol: str
    node: str
    at: int
    body: str


class Errand(Struct, frozen=True):
    """A request about a symbol of another node; its owner carries it out. ``params`` is JSON text.

    ``changes``: it is to make a change, until ``done``: that is durable.
    """

    id: str
    symbol: str
    verb: str
    params: str
    asked_by: str
    changes: bool
    done: bool = False


class Resting(Struct, frozen=True):
    """The buys of a symbol that the exchange has, or may have; ``node`` has the symbol, gone or not."""

    symbol: str
    node: str | None
    buys: int
    cancelling: int  # of those


class Mailbox(Protocol):
    """What nodes tell and ask each other. Every call raises JournalError."""

    async def tell(self, bodies: Mapping[str, str]) -> None:
        """Say what is so of these symbols now; of one that is not ours any more nothing is said."""
        ...

    async def told(self, known: Mapping[str, int]) -> tuple[Sequence[Told], Mapping[str, str], Mapping[str, str]]:
        """What was said at another moment (ms) than is ``known`` by symbol; which node has which symbol; the
        status of every symbol that was configured and is not forgotten.
        """
        ...

    async def happened(self, behind: int | None) -> tuple[int, Sequence[EventRow]]:
        """The number of the newest event, and all events ``behind`` that number, oldest first; None: none."""
        ...

    async def ask(self, errand: Errand) -> None:
        """Make a request durable; one with this id that waits stays as it is, one that was answered waits anew."""
        ...

    async def errands(self, symbol: str = "") -> Sequence[Errand]:
        """The requests without an answer about symbols that are ours, in the order in which they were asked.

        Those about one ``symbol`` also where it is another node's, or nobody's.
        """
        ...

    async def answer(self, errand_id: str, text: str) -> None:
        """Answer one, the first time, unless its symbol is not ours any more: who has it answers."""
        ...

    async def withdraw(self, errand_id: str) -> None:
        """Nobody waits for the answer any more: drop the request, unless it changes something."""
        ...

    async def configured(self) -> Sequence[str]:
        """Every symbol that was configured, by any node, and is not forgotten."""
        ...

    async def answer_to(self, errand_id: str) -> tuple[bool, str | None] | None:
        """Is it done, and what was answered, if anything? None: there is no such request, or not any more."""
        ...

    async def resting(self) -> Sequence[Resting]:
        """Every symbol that has such buys, ordered by name, as the journal has them."""
        ...

    async def halted(self) -> Sequence[str]:
        """Every symbol that has a halt of its own, ordered by name."""
        ...
