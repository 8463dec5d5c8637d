"""What nodes say of their symbols: this one's are told to the others, theirs are kept for ``status``.

An entry of ``status`` is published a second after it changed, ten where only its price did, and ahead of the
answer to what another node asked of it. The figures of another node are as it told them last; once nothing was
heard of that node for a lease, they say so. Of a symbol that is configured and of which no node has told yet, or
whose rows cannot be read, the status is known, from the journal.

An entry tells the other nodes more than ``status`` shows, by how it ends: its symbol is forgotten, or failed, so
that nothing of it goes on at the node that has it.
"""

import contextlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog
import trio

from naived.control.node_messages import undrain
from naived.control.protocol import encode_body, format_time
from naived.control.statuses import Statuses
from naived.nodes import Mailbox, NodeInfo, Told, idle
from naived.ports import JournalError
from naived.runtime.keeper import Keeper
from naived.runtime.symbol_task import Symbol

_EVERY = 1.0  # seconds between two looks
_PRICES = 10  # looks between two publications of what only its price changed
_FORGOTTEN = ',"forgotten":true}'  # how the entry of a forgotten symbol ends, for the other nodes
_FAILED = ',"failed":true}'  # the same of one that failed

log = structlog.get_logger()


@dataclass(slots=True)
class _Patched:
    """An entry of another node, and what it was made from."""

    made_from: tuple[object, ...]
    body: bytes


class Bulletin:
    """``symbols`` are this node's. ``told`` is what nodes said last, this one too, by symbol."""

    def __init__(self, mailbox: Mailbox, keeper: Keeper, symbols: Mapping[str, Symbol], statuses: Statuses) -> None:
        self._mailbox = mailbox
        self._keeper = keeper
        self._symbols = symbols
        self._statuses = statuses
        statuses.wished = lambda name: self._wishes.get(name)
        self.told: dict[str, Told] = {}
        self._owners: Mapping[str, str] = {}
        self._wishes: Mapping[str, str] = {}  # the status of each that is configured and not forgotten
        self._patched: dict[str, _Patched] = {}
        self._published: dict[str, tuple[bytes, object]] = {}
        self._heard_at = -math.inf  # when the others were read last
        self._telling, self._reading = trio.Lock(), trio.Lock()
        self.began = trio.Event()  # the other nodes were read once, or could not be

    async def run(self) -> None:
        """Run until cancelled."""
        look = 0
        while True:
            try:
                await self.publish(list(self._symbols.values()), prices=look % _PRICES == 0)
                await self.catch_up()
            except JournalError as error:
                log.warning("other nodes not heard", error=str(error))
            self.began.set()
            look += 1
            await trio.sleep(_EVERY)

    @property
    def deaf(self) -> bool:
        """Has this node not heard of the others for longer than a lease, or never?"""
        return self._keeper.trust.now() - self._heard_at > self._keeper.cluster.member.lease / 1000

    def names(self) -> Iterable[str]:
        """The symbols of other nodes, and of nobody, without those that are forgotten."""
        told = {name for name, told in self.told.items() if not _forgotten(told)}
        return [name for name in told.union(self._wishes) if name not in self._symbols]

    def knows(self, name: str) -> bool:
        """Is it, or was it last, a symbol of another node?"""
        return name not in self._symbols and (name in self.told or self.owner(name) is not None)

    def shown(self, name: str, unset: bytes, at: int) -> bytes:
        """What ``status`` says of a symbol that is not ours, as of ``at`` (ms) where nobody said anything.

        ``unset`` is the entry of one that was never configured.
        """
        status, deaf, node = self._wishes.get(name), self.deaf, self._owners.get(name)
        if (entry := self.entry(name)) is not None:
            return entry
        if status is None:
            return stamped(_unknown(unset) if deaf else unset, None, at)
        nodes = self._keeper.view.nodes
        info = None if node is None else nodes.get(node)
        return stamped(_untold(unset, status, node, info, idle(nodes.values()), deaf=deaf), node, at)

    def entry(self, name: str) -> bytes | None:
        """What its node says of a symbol of another node; None while nobody said anything, or since it is back."""
        told, status = self.told.get(name), self._wishes.get(name)
        if told is None or (status is not None and _forgotten(told)):
            return None
        nodes = self._keeper.view.nodes
        owner, node = self.owner(name), nodes.get(told.node)
        deaf = self.deaf
        live = node is not None and node.live and owner == told.node and not deaf
        heard = max(told.at, node.heartbeat) if node is not None and live else told.at
        last = heard if node is None else node.heartbeat
        drained = None if live or deaf or owner is not None else idle(nodes.values())
        made_from = (told.at, told.body, owner, live, deaf, last, drained, status)
        kept = self._patched.get(name)
        if kept is None or kept.made_from != made_from:
            body = _shown(told).encode()
            if not live:
                body = _degraded(told, status, told.node if deaf else owner, last, drained, deaf=deaf)
            kept = self._patched[name] = _Patched(made_from, stamped(body, told.node, heard))
        return kept.body

    def owner(self, name: str) -> str | None:
        """The node that has a symbol of another node; None if nobody has it."""
        owner = self._owners.get(name)
        if owner is None or owner == self._keeper.cluster.member.name:
            return None
        node = self._keeper.view.nodes.get(owner)
        return owner if node is None or node.live else None

    async def publish(self, symbols: Sequence[Symbol], *, prices: bool = False) -> None:
        """Tell what changed of these, which are ours; ``prices``: also where only that did. Raises JournalError."""
        async with self._telling:  # nothing older is told behind it
            changed: dict[str, tuple[bytes, object]] = {}
            for symbol, entry in zip(symbols, await self._statuses.entries(symbols), strict=True):
                ending = _FORGOTTEN if symbol.desired.forgotten else _FAILED if _stands(symbol) else "}"
                body = entry[:-1] + ending.encode()
                # With another epoch it was another node's meanwhile, which told something else of it.
                said = body, (symbol.epoch, ending, self._statuses.basis(symbol))
                before = self._published.get(symbol.name)
                if before is None or before[1] != said[1] or (prices and before[0] != body):
                    changed[symbol.name] = said
            if changed:
                await self._mailbox.tell({name: body.decode() for name, (body, _) in changed.items()})
                self._published |= changed
            for name in self._published.keys() - self._symbols.keys():
                del self._published[name]

    async def catch_up(self) -> None:
        """Read what the others have said by now; those who ask together share a reading. Raises JournalError."""
        asked = self._keeper.trust.now()
        async with self._reading:
            if self._heard_at <= asked:
                await self._read()

    async def learn(self, names: Iterable[str]) -> None:
        """Read the same if one of these may have been configured since; takes at most a second, and never fails."""
        if any(name not in self._symbols and name not in self._wishes for name in names):
            with contextlib.suppress(JournalError), trio.move_on_after(_EVERY):
                await self.catch_up()

    async def _read(self) -> None:
        began = self._keeper.trust.now()
        known = {name: told.at for name, told in self.told.items()}
        told, self._owners, self._wishes = await self._mailbox.told(known)
        self._heard_at = began
        for each in told:
            self.told[each.symbol] = each


def stamped(body: bytes, node: str | None, as_of: int) -> bytes:
    """An encoded entry with the node that has the symbol and the time (ms) as of which it is."""
    return b'%b,"node":%b,"as_of":"%b"}' % (body[:-1], json.dumps(node).encode(), format_time(as_of).encode())


def _stands(symbol: Symbol) -> bool:
    """Does nothing of it go on, not even a cancel? One that is faulted and was read since takes buys back."""
    return symbol.failed is not None or (symbol.fault is not None and not symbol.engine.informed)


def _forgotten(told: Told) -> bool:
    return told.body.endswith(_FORGOTTEN)


def failure(told: Told) -> str | None:
    """Why nothing of the symbol goes on at the node that told this; None if it does."""
    return (json.loads(told.body)["reason"] or "it failed") if told.body.endswith(_FAILED) else None


def _shown(told: Told) -> str:
    """The entry as its own node shows it."""
    for ending in (_FORGOTTEN, _FAILED):
        if told.body.endswith(ending):
            return f"{told.body.removesuffix(ending)}}}"
    return told.body


def _degraded(
    told: Told, status: str | None, owner: str | None, heard: int, drained: str | None, *, deaf: bool
) -> bytes:
    """``status`` is that of the journal, if it is known; ``deaf``: this node does not hear the others; ``drained``:
    one of the nodes, if all that live are.
    """
    entry, next_step = json.loads(_shown(told)), "naivectl nodes"
    reason = f"node {told.node} was last heard at {format_time(heard)}; figures as it told them"
    if deaf:
        reason = f"the database does not answer here: {reason}"
    elif owner is not None and owner != told.node:
        reason = f"node {owner} has just taken it from {told.node} and has said nothing yet"
    elif drained is not None:
        reason, next_step = f"no node has it, as all that live are drained: {reason}", undrain(drained)
    elif owner is None:
        reason = f"no node has it: {reason}"
    shown = {**entry, "status": status or entry["status"], "state": "degraded"}
    return encode_body({**shown, "reason": reason, "next_step": next_step})


def _untold(
    unset: bytes, status: str, node: str | None, info: NodeInfo | None, drained: str | None, *, deaf: bool
) -> bytes:
    """The entry of a symbol that is configured and of which no node has told: its figures are not known.

    ``node`` has it, or had it last; the rest as for ``_degraded``.
    """
    next_step = "naivectl nodes"
    if deaf:
        reason = "the database does not answer here, and no node had said anything of it before"
    elif node is not None and (info is None or info.live):
        reason = f"node {node} has it and has said nothing of it yet"
    else:
        reason = "no node has it, and none has said anything of it yet"
        if drained is not None:
            reason = "no node has it, as all that live are drained, and none has said anything of it yet"
            next_step = undrain(drained)
        if info is not None:
            reason += f": node {info.name}, which had it, was last heard at {format_time(info.heartbeat)}"
    shown = {**json.loads(unset), "status": status, "state": "degraded"}
    return encode_body({**shown, "reason": reason, "next_step": next_step})


def _unknown(unset: bytes) -> bytes:
    """The entry of a symbol of which nothing is known here while the other nodes are not heard."""
    reason = "the database does not answer here: it is not known whether another node has it"
    return encode_body({**json.loads(unset), "state": "degraded", "reason": reason, "next_step": "naivectl nodes"})
