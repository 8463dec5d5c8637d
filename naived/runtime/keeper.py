"""Which symbols of a shared database this node trades: it renews, claims and gives back their leases.

``app.py`` runs it:

    a third of a lease   every lease is renewed, with the heartbeat of the node
    two thirds           without a renewal nothing is placed any more (``trust.py``)
    a second             what nobody has, or a node that is gone (``heartbeats.py``), is claimed: as much as is this
                         node's share at once, the rest bit by bit
    ten seconds          of symbols beyond the share a few are given away, if another node has less than its own

While another node reaches the exchange, one that does not, or not yet, takes no symbol, and after a lease it gives
its own away (``reach.py``).

A claimed symbol is loaded after the claim is committed (``adoption.py``), and begun as after a crash; no renewal
waits for that. One whose lease is another node's ends here at once. What was not renewed in time, and that nobody
claimed, goes on as it is: its epoch shows that nobody else had it.

A node that is drained takes a symbol only for a verb, and only while no other one takes any: what is asked becomes
durable, nothing is placed, and the next round gives the symbol to nobody.
"""

import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping

import structlog
import trio

from naived.core.engine import Blocked, BlockedBy
from naived.core.orders.state import State
from naived.nodes import (
    NOBODY,
    Cluster,
    FencedError,
    LeaseLostError,
    NodeInfo,
    StartLostError,
    View,
    idle,
    owners,
    takers,
)
from naived.ports import Journal, JournalError, OrderGateway
from naived.runtime.adoption import Adoption
from naived.runtime.heartbeats import Heartbeats
from naived.runtime.reach import Reach
from naived.runtime.supervisor import Supervisor, doubt_orders
from naived.runtime.symbol_task import Symbol
from naived.runtime.trust import Trust

_LOOK = 1.0  # seconds between two looks at what the other nodes do
_BITS = 20  # of the symbols, one more than a twentieth is taken beyond the share, or given away, at a time
_BALANCE = 10.0  # seconds between two hand-overs for the balance
_UNWANTED = 5  # looks at free symbols until a node takes some beyond its share: others come first
_REPLACED = "the database was replaced: no order is placed before every symbol is compared"
_NAMED = 3  # symbols of which that tells that they are awaited
_START_LOST = (
    "the database was replaced by one that does not know this process: its start is among the lost commits. "
    "naived ends: start it again"
)
_FORGOTTEN = (
    "the database does not know this node any more: nothing was heard of it for long. naived ends: start it again"
)
_HAND_OVER = 10.0  # seconds that the answers in flight of a symbol are awaited before it is given back

log = structlog.get_logger()


class Keeper:
    """``clock`` (s) runs through a suspend of the machine. ``exchange_away``: see ``Reach``.

    ``reconcile``: see ``Adoption``; ``left`` is told of each that is not ours any more.
    """

    def __init__(
        self,
        cluster: Cluster,
        journal: Journal,
        supervisor: Supervisor,
        exchange: OrderGateway,
        clock: Callable[[], float],
        reconcile: Callable[[], None],
        compare: Callable[[str, Callable[[], bool], dict[str, str]], Awaitable[None]],
        left: Callable[[Symbol], None],
        exchange_away: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.cluster = cluster
        self.view = View({}, 0, 0)
        self.away: str | None = None  # why the leases cannot be renewed now
        self.adoption = Adoption(journal, supervisor, reconcile, self._adopted)
        self._supervisor = supervisor
        self._exchange = exchange
        self._compare = compare
        self._left = left
        self.heartbeats = Heartbeats(cluster, clock)
        self.reach = Reach(cluster.member, exchange_away)
        self.trust = Trust(cluster.member.lease / 1000, clock)
        self.began = trio.Event()  # the first round that takes symbols is over: what is ours is known, or why not
        self._turn = trio.Lock()
        self._wanted: set[str] = set()  # symbols that requests want to have
        self._server: str | None = None  # what the database continued when it was looked at last
        self._comparing: str | None = None  # the server on which symbols are being compared
        self._awaited: dict[str, str] = {}  # why symbols of ours could not be compared, by symbol
        self._leaving: list[Symbol] = []  # to be handed over, which the next round begins
        self._seen_free = 0  # looks in a row that found free symbols
        self._balance_at = trio.current_time() + _BALANCE

    async def run(self) -> None:
        """Run until cancelled; raises StartLostError."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.trust.guard, self._supervisor.symbols)
            nursery.start_soon(self.adoption.run)
            first = True
            while True:
                try:
                    async with self._turn:
                        await self._round(nursery)
                    self.away = None
                except FencedError as error:
                    self.adoption.keep(NOBODY)
                    self._end(self._supervisor.symbols.keys())
                    self._tell(str(error))
                    if (unknown := await _unknown(self.cluster, self._server)) is not None:
                        raise StartLostError(unknown) from error
                except JournalError as error:
                    self._tell(str(error))
                if first and not self.reach.waiting:
                    nursery.start_soon(self._begin)
                    first = False
                await self.reach.pause(_LOOK)

    async def _begin(self) -> None:
        """The first rounds are over: wait until what they claimed is loaded, or why it is not is known."""
        for name in list(self.adoption.names):
            with contextlib.suppress(JournalError):
                await self.adoption.done(name)
        self.began.set()

    async def own(self, name: str) -> Symbol | None:
        """Take a symbol that was perhaps never configured; None if another node has it, or is to take it.

        Raises JournalError. Those that are wanted by the time it is somebody's turn are claimed together.
        """
        self._wanted.add(name)
        me = self.cluster.member.name
        async with self._turn:
            wanted, self._wanted = self._wanted.difference(self._supervisor.symbols, self.adoption.names), set()
            try:
                if wanted:
                    self.view = await self.reach.look(self.heartbeats)  # it may have been drained a moment ago
                    # Where this node gives its own away they only become known: another one takes them.
                    most = 0 if _takes_none(self.view, me) else len(wanted)
                    self.adoption.take(await self.cluster.claim(most, wanted, _gone(self.view, me)))
            except BaseException:
                self._wanted |= wanted
                raise
        await self.adoption.done(name)
        return self._supervisor.symbols.get(name)

    async def leave(self) -> None:
        """Give all symbols back, behind the last commit; without an answer they end with their time."""
        try:
            await self.cluster.leave()
        except JournalError as error:
            log.warning("leases not given back", error=str(error))

    def _tell(self, why: str) -> None:
        if why != self.away:
            log.warning("leases not renewed", error=why)
        self.away = why

    # Rounds

    async def _round(self, nursery: trio.Nursery) -> None:
        if self.trust.due or self.reach.news:
            await self._renew()
        self.view = await self.reach.look(self.heartbeats)
        self._exchange.sharers = max(1, owners(list(self.view.nodes.values())))
        me = self.view.nodes.get(self.cluster.member.name)
        if me is None or not self.trust.held:
            return
        await self._look_at_server(nursery)
        self._seen_free = self._seen_free + 1 if self.view.free else 0
        leaving: list[Symbol] = []
        if me.draining or self.reach.lost:
            leaving = list(self._supervisor.symbols.values())
        elif not _takes_none(self.view, me.name):
            room = _room(self.view, me, patient=self._seen_free <= _UNWANTED)
            if self.view.free and room:
                self.adoption.take(await self.cluster.claim(room, gone=_gone(self.view, me.name)))
            if trio.current_time() >= self._balance_at:
                self._balance_at = trio.current_time() + _BALANCE
                # Those with the fewest orders first.
                known = sorted(self._supervisor.symbols.values(), key=lambda symbol: len(symbol.engine.orders))
                leaving = known[: surplus(self.view, me)]
        self._leaving += [symbol for symbol in leaving if not symbol.leaving]
        for symbol in self._leaving:
            _block(symbol, self.view)
            nursery.start_soon(self._hand_over, symbol)
        self._leaving.clear()

    async def _look_at_server(self, nursery: trio.Nursery) -> None:
        """If the database was replaced by one that may lack commits, load all anew, and compare before orders."""
        server, before = self.view.server, self._server
        doubtful = server != self.view.accepted
        self.trust.doubt = doubt(self.view, self.cluster.member.name, self._awaited) if doubtful else None
        if before is None:
            await self.cluster.reenter()  # what this process wrote before may have been lost with another server
            self._server = server
        elif server != before or (doubtful and server != self._comparing):
            log.error("the database was replaced", server=server, before=before, accepted=self.view.accepted)
            ours = [*self._supervisor.symbols, *self.adoption.names]
            self.adoption.keep(NOBODY)
            self._end(self._supervisor.symbols.keys())
            await self.cluster.reenter()
            await self.cluster.release(ours)
            self._server, self._comparing = server, None
        if not doubtful:
            self._comparing = None
        elif self._comparing is None:
            self._comparing, self._awaited = server, {}

            def accepted() -> bool:
                return self.view.server != server or self.view.accepted == server

            nursery.start_soon(self._compare, server, accepted, self._awaited)

    async def _renew(self) -> None:
        began, away = self.trust.now(), self.reach.away
        ours = await self.cluster.renew(away)
        self.trust.renewed(began)
        self.reach.told(away)
        known = self._supervisor.symbols
        lost = [name for name, symbol in known.items() if ours.get(name) != symbol.epoch or _is_lost(symbol)]
        self._end(lost)
        self.adoption.keep(ours)
        # A claim whose answer was lost is ours all the same; so is what was not certain while it was written.
        self.adoption.take({name: epoch for name, epoch in ours.items() if name not in known})

    def _end(self, names: Collection[str]) -> None:
        """Their leases are another node's: nothing of them is done here any more."""
        for name in list(names):
            self._left(self._supervisor.drop(name))
            log.warning("symbol lost to another node", symbol=name)

    def _adopted(self, symbol: Symbol) -> None:
        """A node that gives its symbols away places nothing of one that it took for a verb.

        Where the database may lack commits, its orders are what it says only once they were asked for.
        """
        if self.view.server != self.view.accepted:
            doubt_orders(symbol)
        if _is_drained(self.view, self.cluster.member.name):
            _block(symbol, self.view)
            self._leaving.append(symbol)

    async def _hand_over(self, symbol: Symbol) -> None:
        """No new order begins: await the answers in flight, and give the symbol back."""
        with trio.move_on_after(_HAND_OVER):
            while symbol.behind or any(order.state is State.INTENDED for order in symbol.engine.resting):
                await symbol.news.wait()
        async with self._turn:
            if symbol.gone:
                return
            self._left(self._supervisor.drop(symbol.name))
            try:
                await self.cluster.release((symbol.name,))
            except JournalError as error:  # it ends with its time
                log.warning("lease not given back", symbol=symbol.name, error=str(error))
            else:
                log.info("symbol handed over", symbol=symbol.name)


def doubt(view: View, name: str, awaited: Mapping[str, str]) -> str:
    """Why nothing is placed, and which symbols are awaited; ``awaited``: why those of the node of this name are."""
    whys = {
        symbol: awaited.get(symbol) if node == name else f"node {node} has it" if node else "no node has it"
        for symbol, node in view.uncompared.items()
    }
    # First those of which it is known what is wrong.
    order = sorted(whys, key=lambda symbol: (view.uncompared[symbol] != name or symbol not in awaited, symbol))
    told = [symbol if whys[symbol] is None else f"{symbol} ({whys[symbol]})" for symbol in order[:_NAMED]]
    more = f" and {len(order) - _NAMED} more" if len(order) > _NAMED else ""
    return f"{_REPLACED}; awaited: {', '.join(told)}{more}" if told else _REPLACED


def _is_lost(symbol: Symbol) -> bool:
    return isinstance(symbol.failed, LeaseLostError)


def _block(symbol: Symbol, view: View) -> None:
    """It is to be handed over: no new order of it begins."""
    drained = idle(view.nodes.values())
    reason = "it is handed over to another node"
    if drained is not None:
        reason = f"every node that lives is drained, so that none takes it, until: naivectl nodes undrain {drained}"
    symbol.leaving = True
    symbol.offer(Blocked(BlockedBy.LEASE, reason))


def _is_drained(view: View, name: str) -> bool:
    """Does the node of this name give its symbols away?"""
    me = view.nodes.get(name)
    return me is not None and me.draining


def _gone(view: View, name: str) -> Mapping[str, int]:
    """The nodes that are gone, but the one of this name, with the heartbeat that was the last."""
    others = [node for node in view.nodes.values() if node.name != name]
    return {node.name: node.heartbeat for node in others if not node.live}


def _takes_none(view: View, name: str) -> bool:
    """Does the node of this name leave symbols to others, of which at least one takes some?"""
    taking = [node.name for node in takers(view.nodes.values())]
    return bool(taking) and name in view.nodes and name not in taking


def _share(view: View) -> int:
    """How many symbols a node should have."""
    return -(-view.symbols // max(1, len(takers(view.nodes.values()))))


async def _unknown(cluster: Cluster, known: str | None) -> str | None:
    """Why the database does not know this process, if that is so.

    Another server is in the place of the ``known`` one, or, where none is, of the one that was compared with; or
    the row of this node is gone.
    """
    try:
        view = await cluster.look()
    except JournalError:
        return None
    if view.server != (known or view.accepted):
        return _START_LOST
    return None if cluster.member.name in view.nodes else _FORGOTTEN


def _room(view: View, me: NodeInfo, *, patient: bool) -> int:
    """How many free symbols to take now: the share that is missing; beyond it a few that no other node takes."""
    alone = len(takers(view.nodes.values())) <= 1
    beyond = 0 if patient and not alone else 1 + view.symbols // _BITS
    return max(_share(view) - me.symbols, beyond)


def surplus(view: View, me: NodeInfo) -> int:
    """How many symbols to give away now: none while the others have about as many."""
    others = [node for node in takers(view.nodes.values()) if node.name != me.name]
    if view.free or not others:
        return 0
    fewest, share = min(node.symbols for node in others), _share(view)
    # A difference of one, or of a twentieth of the share, moves nothing: what moves is not traded for a moment.
    if me.symbols - fewest <= max(1, share // _BITS):
        return 0
    return max(0, min(me.symbols - share, 1 + view.symbols // _BITS))
