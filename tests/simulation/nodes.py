"""Several nodes on one database and one exchange account, in one world.

The journal is one SQLite file in WAL that all nodes write, each transaction of theirs in one step between two of
trio's, so none sees another's half; its leases are judged by one clock, as a server's are. What is asked, a person
asks at any node. Besides what befalls a single naived, nodes are stopped and go on (SIGSTOP, SIGCONT), are cut from
the database and not from the exchange, and the other way round, and are drained; the database is replaced by one
that lacks the last commits.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch

import trio

from naived.control import bulletin, errands, relay
from naived.core.amount import parse_money
from naived.nodes import Member
from naived.runtime import account, keeper
from naived.websocket import ConnectError
from tests.simulation.daemon import exchange_time
from tests.simulation.failover import Failovers, Standby
from tests.simulation.machine import Machine
from tests.simulation.oracle import WatchedExchange
from tests.simulation.plan import SYMBOLS, Plan, swarm
from tests.simulation.process import Disk, Guarded, Process
from tests.simulation.stopping import inside, stoppable
from tests.simulation.world import Outcome, World, run

NAMES = ("alpha", "beta", "gamma")
LEASE = 12_000  # ms: the shortest that naived takes is 9 s, with its window of 5 s
_LOOK = 0.2  # seconds between two looks at who has a symbol
_TAKEOVER = 2 * LEASE / 1000 + 2.0  # seconds without an owner after a fault: two leases, and the looks of a node
_NOTICED = 8.0  # seconds until every node knows of a failover; until then an earlier owner may have a lease again
_SINGLE = 40.0  # seconds that a single fault lasts
_ERRANDS = 1.5  # seconds between two looks for what other nodes ask; naived looks five times as often
_NEWS = 4.0  # seconds between two looks at what other nodes say; naived looks four times as often
_RESTING = 15.0  # seconds between two of either while nobody asks for anything
_RESTING_LOOK = 2.0  # and between two at what other nodes do: a third of a lease is a multiple of it
_STALLED_AT = (
    "ahead of a commit",
    "ahead of a commit open",
    "ahead of a commit fill",
    "ahead of a commit buy intent",
    "ahead of the answer to a renewal",
)
_STOPPED_AT = (
    *_STALLED_AT,
    "ahead of a renewal",
    "ahead of the answer to a claim",
    "buy intent: after",
    "sell intent: after",
    "send order.place: before",
    "send order.place: before",
    "send order.cancel: before",
    "answer order.place",
    "report TRADE",
    "fill: before",
)


@dataclass(frozen=True)
class NodesPlan(Plan):
    """``nodes`` of them. ``stops``, ``cuts``, ``drains``, ``failovers``: mean seconds between two; None: none.

    ``cap``: the account's limit, in whole USDT, that somebody sets after ``cap_at`` seconds, or before anything is
    started. ``singles``: what befalls the node that has the first symbol, so many seconds after the start: one
    fault at a time, nothing else.
    ``stops_at``: seams at which a node is stopped, ``lengths``: for how many seconds, at least and at most.
    """

    nodes: int = 2
    stops: float | None = None
    cuts: float | None = None
    drains: float | None = None
    failovers: float | None = None
    cap: int | None = None
    cap_at: float = 0.0
    singles: tuple[tuple[float, str], ...] = ()
    stops_at: tuple[str, ...] = _STOPPED_AT
    lengths: tuple[float, float] = (0.1, 40.0)


@dataclass
class Troubles:
    """What befell nodes, by name; ``gaps``: seconds between two looks that found an owner of a symbol."""

    befell: dict[str, int] = field(default_factory=dict)
    gaps: list[float] = field(default_factory=list)

    def note(self, what: str) -> None:
        self.befell[what] = self.befell.get(what, 0) + 1


def singles(seed: int = 1) -> NodesPlan:
    """Two nodes, one fault at a time: each time another node has what the first one had, within two leases."""
    kinds = ("stopped", "killed", "cut from the database", "drained", "cut from the exchange")
    return NodesPlan(
        seed,
        SYMBOLS[:2],
        minutes=5.5,
        requests=20.0,
        singles=tuple((30.0 + 60 * number, kind) for number, kind in enumerate(kinds)),
    )


def stalling(seed: int) -> NodesPlan:
    """Two nodes, one symbol, and again and again the one that has it stands still for longer than its lease."""
    return NodesPlan(
        seed,
        SYMBOLS[:1],
        minutes=4,
        settings={"chunks": 3, "rebuy": "0.002"},
        requests=30.0,
        whims=("start", "settings"),
        stops=12.0,
        stops_at=_STALLED_AT,
        lengths=(16.0, 50.0),
        cap=600,
    )


def behind(seed: int) -> NodesPlan:
    """The same, ahead of the commit of an answer, until the order that it is about has often been executed."""
    return replace(stalling(seed), minutes=8, stops_at=("ahead of a commit open",), lengths=(20.0, 100.0))


def renewing(seed: int) -> NodesPlan:
    """The same, ahead of the answer to a renewal."""
    return replace(stalling(seed), stops_at=("ahead of the answer to a renewal",))


def late(seed: int) -> NodesPlan:
    """The same, ahead of a send or behind it, until its order was looked for; some wait inside the exchange."""
    return replace(
        stalling(seed), minutes=8, stops_at=("send order.place: before", "send order.place: after"),
        lengths=(30.0, 130.0), tail=0.3, cap=None,
    )  # fmt: skip


def capped(seed: int) -> NodesPlan:
    """Two nodes, two symbols, and a limit that leaves room for one of them."""
    return replace(stalling(seed), symbols=SYMBOLS[:2], stops=None, cap=400)


def failing_over(seed: int) -> NodesPlan:
    """Two nodes, two symbols that trade often, and a database that is replaced as soon as all is compared."""
    return replace(
        stalling(seed), symbols=SYMBOLS[:2], minutes=8, whims=Plan.whims, requests=60.0, stops=None, cap=None,
        tail=0.3, failovers=20.0,
    )  # fmt: skip


def scarce(seed: int) -> NodesPlan:
    """The same, where orders often wait for a slot of the limit, and their symbols are stopped meanwhile."""
    return replace(failing_over(seed), slots=4, requests=15.0)


def nodes_swarm(seed: int) -> NodesPlan:
    """As ``swarm``, with two or three nodes; other hands and wild numbers are left to worlds of one node."""
    random = Random(f"nodes {seed}")
    plan = swarm(seed)
    given = {each.name: getattr(plan, each.name) for each in fields(Plan)}
    given |= {"hands": (), "wild": 0.0, "faults": tuple(f for f in plan.faults if f["kind"] not in _BY_HAND)}
    nodes = 2 if random.random() < 0.7 else 3
    if plan.slots is not None:
        given["slots"] = plan.slots * nodes  # which they share
    return NodesPlan(
        **given,
        nodes=nodes,
        stops=random.uniform(10, 60) if random.random() < 0.8 else None,
        cuts=random.uniform(15, 90) if random.random() < 0.6 else None,
        drains=random.uniform(20, 90) if random.random() < 0.4 else None,
        cap=random.randint(100, 1500) if random.random() < 0.5 else None,
        cap_at=random.choice((0.0, random.uniform(10, 120))),
        failovers=random.uniform(60, 180) if random.random() < 0.4 else None,
    )


_BY_HAND = ("manual_amend",)


class NodeProcess(Process):
    """Can be stopped, by ``stop`` at a seam that is in ``stops_at``, and be cut from the exchange."""

    def __init__(self, *given: Any, stop: Callable[["NodeProcess"], None], stops_at: set[str]) -> None:
        super().__init__(*given)
        self.cut_until = 0.0  # trio's time
        self._stop = stop
        self._stops_at = stops_at

    def pass_by(self, seam: str) -> None:
        super().pass_by(seam)
        for name in sorted(self._stops_at):
            if name in self._named(seam) and not self.tasks.stopped:
                self._stops_at.remove(name)
                self._stop(self)
                return

    async def ahead(self, of: str) -> None:
        what = f" {self._committing}" if of == "of a commit" else ""
        self.pass_by(f"ahead {of}{what}")
        await trio.lowlevel.checkpoint()

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[Guarded]:
        if trio.current_time() < self.cut_until:
            await trio.lowlevel.checkpoint()
            raise ConnectError("no route to the exchange")
        async with super().connect(url) as guarded:
            yield guarded

    def cut(self, seconds: float, *, told: bool) -> None:
        """From the exchange; ``told``: its connections end, else nothing comes any more."""
        self.cut_until = trio.current_time() + seconds
        for end in self._ends:
            end.sever(told=told)


class NodesWorld(World):
    def __init__(self, plan: NodesPlan, *given: Any) -> None:
        self.troubles = Troubles()
        self._nodes = plan
        self._disks = [replace(plan.disk, befell={}) for _ in range(plan.nodes)]
        self._stops_at: set[str] = set()
        self._drained: set[str] = set()
        self._asking = Random(f"asked {plan.seed}")
        self._lengths = Random(f"lengths {plan.seed}")
        super().__init__(plan, *given)
        self._oracle.several = True
        self._standby = Standby(self._database)
        watchers = self._oracle, self._durable, self._person
        self._failovers = Failovers(
            self._standby, self._machines, self._disks, *watchers, self.troubles.note, self.trace
        )

    def _make_machines(self) -> Sequence[Machine]:
        return [self._machine(name, disk) for name, disk in zip(NAMES, self._disks, strict=False)]

    def _machine(self, name: str, disk: Disk) -> Machine:
        def make(random: Random) -> Process:
            given = self._network, self._doom, disk, random, exchange_time, self._oracle.blame
            return NodeProcess(*given, stop=self._stop, stops_at=self._stops_at)

        return Machine(self._site(f"{self._nodes.seed} {name}", make), Member(name, "0.1.0", LEASE))

    def _asked(self) -> Machine:
        """Any that answers; a person who gets no answer goes to another one."""
        answering = [machine for machine in self._machines if machine.answers]
        return self._asking.choice(answering or list(self._machines))

    def _victim(self, random: Random) -> Process | None:
        return random.choice(self._machines).process

    async def live(self) -> None:
        with stoppable(), self._standby.in_place(), _looking(_ERRANDS, _NEWS):
            async with trio.open_nursery() as self._outside:
                await super().live()
                self._outside.cancel_scope.cancel()

    def close(self) -> None:
        self._standby.close()
        super().close()

    # The faulty phase

    async def _ask_around(self) -> None:
        if not self._nodes.cap_at:
            await self._limit()
        await super()._ask_around()

    async def _limit(self) -> None:
        """Set the account's limit; once that is acknowledged it binds every buy that is decided anywhere."""
        cap = self._nodes.cap
        await trio.sleep_until(self._nodes.cap_at)
        while cap is not None and self._oracle.cap is None:
            losses = self._oracle.losses
            if await self.ask("limits", {"max_exposure": str(cap)}) is not None and losses == self._oracle.losses:
                self._oracle.cap, self._oracle.cap_since = int(parse_money(str(cap))), exchange_time()
            await trio.sleep(_LOOK)

    def _troubles(self) -> Iterable[Callable[[], Awaitable[None]]]:
        plan = self._nodes
        kinds = {
            "stops": self._stop_one,
            "cuts": self._cut_one,
            "drains": self._drain_one,
            "failovers": self._fail_over,
        }
        for name, do in kinds.items():
            mean = getattr(plan, name)
            if mean is not None:
                yield partial(self._now_and_then, name, mean, do)
        yield self._watch
        if plan.cap_at:
            yield self._limit
        if plan.singles:
            yield self._one_by_one

    async def _now_and_then(self, name: str, mean: float, do: Callable[[Random], Awaitable[None]]) -> None:
        random = Random(f"{name} {self._nodes.seed}")
        while True:
            await trio.sleep(random.expovariate(1 / mean))
            await do(random)

    async def _stop_one(self, random: Random) -> None:
        """At a seam where much is at stake, or between two steps."""
        if random.random() < 0.7:
            self._stops_at.add(random.choice(self._nodes.stops_at))
            return
        process = random.choice(self._machines).process
        if isinstance(process, NodeProcess) and not process.tasks.stopped and not process.dead:
            self._stop(process)

    def _stop(self, process: NodeProcess) -> None:
        others = (machine.process for machine in self._machines if machine.process is not process)
        if self._healed or all(p is None or p.tasks.stopped for p in others):
            return  # one always goes on
        seconds = self._lengths.uniform(*self._nodes.lengths)
        self.troubles.note("stopped" if seconds * 1000 < LEASE else "stopped beyond the lease")
        self.trace("stopped", f"{seconds:.1f} s")
        self._stops_at.clear()
        process.tasks.stop()
        with inside(None):
            self._outside.start_soon(self._go_on, process, seconds)

    async def _go_on(self, process: NodeProcess, seconds: float) -> None:
        try:
            await trio.sleep(seconds)
        finally:  # a process that stands still would never end
            if process.tasks.stopped:
                process.tasks.go_on()

    async def _cut_one(self, random: Random) -> None:
        index = random.randrange(len(self._machines))
        process, seconds = self._machines[index].process, random.uniform(1, 3 * LEASE / 1000)
        if random.random() < 0.5:
            self.troubles.note("cut from the database")
            self._disks[index].away_until = trio.current_time() + seconds
        elif isinstance(process, NodeProcess):
            self.troubles.note("cut from the exchange")
            process.cut(seconds, told=random.random() < 0.5)

    async def _drain_one(self, random: Random) -> None:
        """One gives all away, and takes some again after a while; never all nodes at once."""
        name = random.choice([machine.name for machine in self._machines])
        if self._drained:
            return
        self._drained.add(name)  # also without an answer: it may be done
        if await self.ask("nodes", {"drain": name}) is not None:
            self.troubles.note("drained")
        await trio.sleep(random.uniform(5, 40))
        if await self.ask("nodes", {"undrain": name}) is not None:
            self._drained.discard(name)

    async def _fail_over(self, random: Random) -> None:
        if self._failovers.accepted:
            await self._failovers.fail_over(random)

    async def _one_by_one(self) -> None:
        for at, what in self._nodes.singles:
            await trio.sleep_until(at)
            index, machine = next(
                each for each in enumerate(self._machines) if _has(each[1], self._nodes.symbols[0])
            )
            process = machine.process
            assert isinstance(process, NodeProcess)
            self.trace(what, machine.name)
            self.troubles.note(what)
            if what == "stopped":
                process.tasks.stop()
                self._outside.start_soon(self._go_on, process, _SINGLE)
            elif what == "cut from the database":
                self._disks[index].away_until = trio.current_time() + _SINGLE
            elif what == "cut from the exchange":
                process.cut(_SINGLE, told=True)
            elif what == "drained":
                await self.ask("nodes", {"drain": machine.name})
                await trio.sleep(_SINGLE)
                await self.ask("nodes", {"undrain": machine.name})
            else:
                process.die(what)
        await trio.sleep_forever()

    async def _watch(self) -> None:
        """Two nodes never trust that they have the same symbol; after a single fault one has it soon."""
        since = dict.fromkeys(self._nodes.symbols, math.inf)
        while True:
            await trio.sleep(_LOOK)
            now = trio.current_time()
            for symbol in self._nodes.symbols:
                owners = [machine for machine in self._machines if _has(machine, symbol)]
                if len(owners) > 1 and now > self._failovers.last + _NOTICED:
                    names = " and ".join(machine.name for machine in owners)
                    self._oracle.blame(28, f"{symbol} is traded by {names}")
                if any(map(_trades, owners)):
                    self.troubles.gaps.append(max(0.0, now - since[symbol]))
                    since[symbol] = now
                elif self._nodes.singles and now - since[symbol] > _TAKEOVER:
                    self._oracle.blame(30, f"nobody has had {symbol} since {since[symbol]:.1f} s, at {now:.1f} s")
                    since[symbol] = math.inf

    # The healed phase

    async def _rest(self) -> None:
        with _looking(_RESTING, _RESTING), patch.object(keeper, "_LOOK", _RESTING_LOOK):
            await super()._rest()

    async def _heal(self) -> None:
        self._healed = True
        self._doom.spare()
        self._stops_at.clear()
        for disk in self._disks:
            disk.heal()
        for machine in self._machines:
            if isinstance(machine.process, NodeProcess):
                machine.process.cut_until = 0.0
                if machine.process.tasks.stopped:
                    machine.process.tasks.go_on()
        await self._until(lambda: self._up, "every node runs")
        await self._until(lambda: self._up and not self._failovers.away, "every node renews its leases")
        # A failover may have lost what ended a drain, and with every node drained nobody compares.
        for name in sorted(machine.name for machine in self._machines):
            while await self.ask("nodes", {"undrain": name}) is None:  # noqa: ASYNC110 - there is no event for it
                await trio.sleep(1)
        await self._until(lambda: self._failovers.accepted, "every symbol is compared after the failover")
        await super()._heal()

    @property
    def _lossy(self) -> bool:
        return bool(self._oracle.losses)

    def _recovered(self, seconds: float) -> None:
        if self._failovers.accepted:  # until then orders may lack their rows
            super()._recovered(seconds)

    def _conclude(self, exchange: WatchedExchange) -> None:
        super()._conclude(exchange)
        for disk in self._disks:
            for kind, number in disk.befell.items():
                self.outcome.faults[kind] = self.outcome.faults.get(kind, 0) + number
        self.outcome.faults |= self.troubles.befell


@contextmanager
def _looking(errand: float, news: float) -> Iterator[None]:
    """Seconds between two looks: half of a seed went by with looks at what has not changed."""
    with ExitStack() as rarely:
        rarely.enter_context(patch.object(errands, "_EVERY", errand))
        for module, name in ((bulletin, "_EVERY"), (relay, "_EVERY"), (account, "_FOLLOWING")):
            rarely.enter_context(patch.object(module, name, news))
        yield


def _has(machine: Machine, symbol: str) -> bool:
    """Does this node hold the symbol for its own now?"""
    naived = machine.naived
    if naived is None or naived.keeper is None or not machine.answers:
        return False
    return symbol in naived.supervisor.symbols and naived.keeper.trust.certain


def _trades(owner: Machine) -> bool:
    """Can this owner do anything for its symbols?"""
    running = owner.process is not None and not owner.process.tasks.stopped
    return running and owner.naived is not None and owner.naived.session.away is None


def live(plan: Plan, tell: Callable[[str], None] | None = None) -> Outcome:
    """As ``run``, in the world that the plan is for."""
    return run(plan, tell, NodesWorld if isinstance(plan, NodesPlan) else None)
