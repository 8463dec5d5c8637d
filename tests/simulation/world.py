"""One seed, lived through: a faulty phase, a healed one in which everything must converge, then the audit.

    run(plan)
    ├ the exchange         the real simulator, with the oracle inside its engine
    ├ one market a symbol  the prices
    ├ the keeper           starts naived, and starts it again when it has died
    ├ the person           asks over the control verbs
    └ the adversary        arms faults, kills, suspends; until the healing

Everything runs on trio's clock, which jumps; nothing here knows the real time.
"""

import gc
import hashlib
import math
import shutil
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any, cast
from unittest.mock import patch

import msgspec
import structlog
import trio
from trio.testing import MockClock

from naived.core.amount import parse_amount
from naived.core.orders.state import State
from naived.core.strategy.settings import Status
from naived.core.strategy.trader_state import Hold, Holding
from naived.core.strategy.traders import chunks_taken
from naived.database.journal import open_journal
from naived.runtime.actual_state import actual_state
from naived.runtime.symbol_task import Symbol
from naived.simulator.ledger import Ledger
from naived.simulator.server import SimulatorConfig, simulate
from naived.simulator.symbols import built_in, built_in_prices
from tests.simulation.audit import audit, read
from tests.simulation.daemon import KEY, SECRET, URL, Document, Naived, exchange_time
from tests.simulation.durable import Durable
from tests.simulation.hands import FEE_SYMBOL, Hands
from tests.simulation.machine import Machine, Site
from tests.simulation.market import Market
from tests.simulation.network import Network, Weather
from tests.simulation.oracle import Oracle, WatchedExchange
from tests.simulation.owner import Owner
from tests.simulation.person import Person, question
from tests.simulation.plan import LONGEST, Arm, Plan
from tests.simulation.process import Doom, Process
from tests.simulation.slowness import slow_database
from tests.simulation.wild import WildNumbers

TAG = "sims"
_JOURNAL = "journal.db"
_UID = 4711
_BALANCES = {"USDT": parse_amount("100000")}
_CROSSED = {"BTC": parse_amount("0.002")}  # and what there is for a symbol that is traded for BTC
_HEALED = 150.0  # seconds: a fence (65 s), its looks, and two reconciliations
_PATIENCE = 1800.0  # seconds in which everything must have converged
_AT_STAKE = (
    "buy intent: after",
    "send order.place: after",
    "answer order.place",
    "report TRADE",
    "fill: before",
    "sell intent: before",
    "sell intent: after",
    "send order.cancel: after",
    "again: after",
    "wish off: before",
    "wish on: before",
    "wish shutdown: before",
    "wish shutdown: after",
    "fill: within",
    "before its answer",
)
_SLOTS = 24  # orders in 10 s with which a fall takes its usual time
_MEMORY = 300.0  # seconds of trades that are in the exchange's reference price
_AGAIN = 15.0  # seconds in which a buy that was refused is decided again
_LOOK = 1.0  # seconds between two looks at whether it has
_NEW = 20_000  # objects that are made before garbage is looked for among them; a seed leaves little


@dataclass
class Outcome:
    """What came of one seed.

    ``visited`` are all seams in order, the first ``exposed`` of them before the healing. ``recoveries`` are seconds
    from a start of naived until the fate of every order is known.
    """

    seed: int
    digest: str = ""
    seconds: float = 0.0
    looks: int = 0
    orders: int = 0
    cycles: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    hands: dict[str, int] = field(default_factory=dict)
    deaths: list[str] = field(default_factory=list)
    visited: list[str] = field(default_factory=list)
    exposed: int = 0
    recoveries: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


def run(
    plan: Plan, tell: Callable[[str], None] | None = None, make: "Callable[..., World] | None" = None
) -> Outcome:
    """Live one seed; ``tell`` gets every line of the trace whose hash is the outcome's ``digest``.

    ``make`` makes another world than `World`.
    """
    random = Random(plan.seed)
    blank = _blank_journal()
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=_memory()) as home, _deterministic(plan.seed):
        shutil.copy(blank, Path(home) / _JOURNAL)
        world = (make or World)(plan, random, Path(home), tell)
        with _logged(world.trace), closing(world), slow_database():
            trio.run(world.live, clock=_clock())
        return world.outcome


class World:
    def __init__(self, plan: Plan, random: Random, home: Path, tell: Callable[[str], None] | None) -> None:
        self.outcome = Outcome(plan.seed)
        self._plan = plan
        self._random = random
        self._home = home
        self._database = home / _JOURNAL
        self._tell = tell
        self._hash = hashlib.blake2b(digest_size=16)
        self._network = Network(Random(f"network {plan.seed}"), self._see)
        self._doom = Doom(set(plan.crashes))
        self._disk = replace(plan.disk, befell={})
        self._oracle = Oracle(TAG, exchange_time, lied_to=bool(plan.wild))
        self._durable = Durable(self._oracle.rows, self._oracle.blame)
        self._person = Person(self._oracle, Random(f"person {plan.seed}"), self.ask, guarded=plan.guarded)
        owned = plan.owned
        self._owner = (
            Owner(self._oracle, Random(f"owned {plan.seed}"), self.ask, plan.symbols, owned) if owned else None
        )
        self._oracle.owned = owned is not None
        self._healed = False
        self._dice = Random(f"tail {plan.seed}")
        self._balances = _BALANCES | (_CROSSED if any(name.endswith("BTC") for name in plan.symbols) else {})
        self._wild = WildNumbers(plan.wild, Random(f"wild {plan.seed}"))
        self._machines = self._make_machines()
        if plan.wild:
            self._network.change = self._wild.change

    def trace(self, kind: str, text: str) -> None:
        if SECRET in text:
            self._oracle.blame(19, f"a secret is in a {kind}")
        line = f"{trio.current_time():.6f} {kind} {text.replace(str(self._home), 'HOME')}"
        self._hash.update(line.encode())
        if self._tell is not None:
            self._tell(line)

    def _see(self, direction: str, text: str) -> None:
        self.trace(direction, text)
        if '"method":"order.place"' in text:
            frame = msgspec.json.decode(text)
            if frame["method"] == "order.place":  # and not the arming of a fault for it
                self._oracle.asked(frame["params"])
        elif "Filter failure" in text and not self._may_be_refused(text):
            self._oracle.blame(22, f"the exchange refuses by filters that never changed: {text}")

    def _may_be_refused(self, text: str) -> bool:
        """Did rules change, or what naived read of them, or the reference price that some of them depend on?"""
        plan = self._plan
        changed = plan.wild or "rules" in plan.hands or any(fault["kind"] == "filters" for fault in plan.faults)
        return bool(changed) or ("PERCENT_PRICE" in text and "print" in plan.hands)

    async def live(self) -> None:
        ledger = self._home / "ledger.db"
        Ledger(ledger, _UID, self._balances).close()
        self._oracle.read(self._database)
        engines: list[WatchedExchange] = []

        def engine(*args: Any, **kwargs: Any) -> WatchedExchange:
            engines.append(WatchedExchange(*args, oracle=self._oracle, **kwargs))
            return engines[-1]

        config = SimulatorConfig(
            fed=True,
            seed=self._plan.seed,
            exchange_info=_rules(self._plan.slots),
            ledger=ledger,
            api_key=KEY,
            api_secret=SECRET,
        )
        async with trio.open_nursery() as nursery:
            start = partial(simulate, config, clock=exchange_time, listen=self._network.serve)
            simulation = await nursery.start(partial(start, engine=engine, tail=self._tail))
            (exchange,) = engines
            self._exchange = exchange
            plan = self._plan
            self._hands = Hands(
                plan.hands,
                plan.meddling,
                plan.minutes * 60,
                plan.symbols,
                exchange,
                simulation,
                self.trace,
                self._oracle.withdrew,
                Random(f"hands {plan.seed}"),
            )
            markets = [self._market(symbol, exchange) for symbol in self._plan.symbols]
            for market in markets:
                nursery.start_soon(market.run, simulation, exchange)
            if "fees" in plan.hands:
                nursery.start_soon(self._market(FEE_SYMBOL, exchange).run, simulation, exchange)
            for machine in self._machines:
                nursery.start_soon(machine.run)
            await self._faulty()
            for market in markets:
                market.mode = "rest"
            await self._heal()
            await self._converge(markets)
            await self._fall(markets)
            await self._come_back()
            self._audit(exchange)
            if any(SECRET.encode() in file.read_bytes() for file in self._home.glob(f"{_JOURNAL}*")):
                self._oracle.blame(19, "a secret is in the journal")
            self._conclude(exchange)
            nursery.cancel_scope.cancel()

    def close(self) -> None:
        """Whatever ended it."""
        self._oracle.close()

    def _audit(self, exchange: WatchedExchange) -> None:
        paid = self._hands.moved
        assets = self._balances.keys() | paid.keys()
        initial = {asset: self._balances.get(asset, 0) + paid[asset] for asset in assets}
        journal = read(f"sqlite:///{self._database}")
        audit(exchange.ledger, journal, initial, self._oracle.blame, self._hands.gone, lossy=self._lossy)

    def _tail(self, method: str) -> float:
        """Seconds in which an accepted order is nowhere to be found."""
        if method != "order.place" or self._healed or self._dice.random() >= self._plan.tail:
            return 0.0
        self.outcome.faults["tail"] = self.outcome.faults.get("tail", 0) + 1
        # What hides an order from questions counts from when it is placed; both together are as long as one fault.
        hidden = (arm["seconds"] for arm in self._arms if arm["kind"] == "not_found_lag")
        return self._dice.uniform(0, LONGEST - max(hidden, default=0.0))

    @property
    def _arms(self) -> Iterable[Arm]:
        """All faults of the exchange that may be armed."""
        return (*self._plan.faults, *(arm for _, arm in self._plan.script))

    def _market(self, symbol: str, exchange: WatchedExchange) -> Market:
        tick = exchange.markets[symbol].listing.info.filters.tick_size
        slots, random = self._plan.slots, Random(f"market {self._plan.seed} {symbol}")
        slower = 1 if slots is None else max(1, _SLOTS // slots)  # all buys of a fall need their slots
        return Market(symbol, built_in_prices()[symbol], tick, random, slower)

    def _conclude(self, exchange: WatchedExchange) -> None:
        outcome = self.outcome
        outcome.digest = self._hash.hexdigest()
        outcome.seconds = trio.current_time()
        outcome.orders = len(self._oracle.accepted)
        (row,) = self._oracle.rows("SELECT count(cycle) AS cycles FROM traders")
        outcome.cycles = row["cycles"]
        outcome.faults |= exchange.ledger.faults() | self._network.befell | self._disk.befell
        outcome.hands = {kind: number for kind, number in self._hands.done.items() if number}
        if self._owner is not None:
            outcome.hands |= {f"owner {verb}": self._owner.done.count(verb) for verb in set(self._owner.done)}
        for kind, number in (("amend", exchange.ledger.faults().get("manual_amend", 0)), ("wild", self._wild.made)):
            if number:
                outcome.hands[kind] = outcome.hands.get(kind, 0) + number
        outcome.deaths = self._doom.deaths
        outcome.visited = self._doom.visited
        outcome.violations = self._oracle.violations

    # naived

    def _make_machines(self) -> Sequence[Machine]:
        return (Machine(self._site(str(self._plan.seed), self._make_process)),)

    def _site(self, seed: str, make: Callable[[Random], Process]) -> Site:
        return Site(
            seed,
            self._database,
            make,
            self._wall,
            self._durable,
            self.trace,
            lambda naived: naived.settled(self._hands.gone),
            self._recovered,
        )

    def _make_process(self, random: Random) -> Process:
        return Process(self._network, self._doom, self._disk, random, exchange_time, self._oracle.blame)

    def _wall(self) -> float:
        """The machine's clock: wrong by so much, and after a while by as much the other way."""
        skew = self._plan.skew if trio.current_time() < self._plan.minutes * 30 else -self._plan.skew
        return exchange_time() / 1000 + skew

    def _recovered(self, seconds: float) -> None:
        self.outcome.recoveries.append(seconds)
        self._oracle.check_orphans(self._exchange)

    async def ask(self, method: str, params: Document) -> Document | None:
        """One control request; None if nobody was there, or died before the answer."""
        return await self._asked().ask(method, params)

    def _asked(self) -> Machine:
        """The machine at which a person sits."""
        return self._machines[0]

    def _victim(self, _random: Random) -> Process | None:
        """The process that dies between two steps."""
        return self._machines[0].process

    @property
    def _lossy(self) -> bool:
        """Did the database ever lose commits?"""
        return False

    @property
    def _up(self) -> bool:
        """Does every naived run?"""
        return all(machine.naived is not None for machine in self._machines)

    def _suspend(self) -> None:
        for machine in self._machines:
            machine.suspend()

    # The faulty phase

    async def _faulty(self) -> None:
        plan = self._plan
        self._network.weather = replace(plan.weather)
        with trio.move_on_after(plan.minutes * 60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._ask_around)
                nursery.start_soon(self._arm)
                nursery.start_soon(self._follow_script)
                nursery.start_soon(self._hands.run)
                if self._owner is not None:
                    nursery.start_soon(self._owner.run)
                if plan.looks is not None:
                    nursery.start_soon(self._look_around, plan.looks)
                for trouble in self._troubles():
                    nursery.start_soon(trouble)
                if plan.deaths is not None:
                    nursery.start_soon(self._kill, plan.deaths)
                if plan.suspends is not None:
                    nursery.start_soon(self._suspend_now_and_then, plan.suspends)
                await trio.sleep_forever()

    def _troubles(self) -> Iterable[Callable[[], Awaitable[None]]]:
        """What else goes wrong, until it is cancelled."""
        return ()

    async def _ask_around(self) -> None:
        while not self._up:  # noqa: ASYNC110 - there is no event for it
            await trio.sleep(_LOOK)
        if self._owner is not None:
            await self._owner.begin()
        for symbol in self._plan.symbols:
            await self._person.start(symbol, **self._plan.settings)
        if self._plan.stops_after is not None:
            await trio.sleep(self._plan.stops_after)
            for symbol in self._plan.symbols:
                await self._person.stop(symbol, "all")
        while self._plan.requests is not None:
            await trio.sleep(self._random.expovariate(1 / self._plan.requests))
            await self._person.follow_a_whim(self._random.choice(self._plan.symbols), self._plan.whims)

    async def _look_around(self, mean: float) -> None:
        """Whatever state the symbols are in, it can be told."""
        random = Random(f"looks {self._plan.seed}")
        while True:
            await trio.sleep(random.expovariate(1 / mean))
            method, params = question(random, random.choice(self._plan.symbols), self._oracle.rows)
            if await self.ask(method, params) is not None:
                self.outcome.looks += 1

    async def _arm(self) -> None:
        random = Random(f"faults {self._plan.seed}")
        while self._plan.faults:
            await trio.sleep(random.expovariate(1 / self._plan.every))
            await self._switch(random.choice(self._plan.faults))

    async def _follow_script(self) -> None:
        for at, fault in self._plan.script:
            await trio.sleep_until(at)
            await self._switch(fault)
        for at in self._plan.suspends_at:
            await trio.sleep_until(at)
            self._suspend()

    async def _switch(self, fault: Arm) -> None:
        """Ask the exchange's switchboard for a fault."""
        async with self._network.connect(f"{URL}/ws-api/v3", sheltered=True) as hand:
            await hand.send(msgspec.json.encode({"id": 1, "method": "sim.fault", "params": fault}).decode())
            answer = await hand.receive()
            while "event" in msgspec.json.decode(answer):  # a serverShutdown is told to the hand as well
                answer = await hand.receive()
            assert '"status":200' in answer, answer

    async def _kill(self, mean: float) -> None:
        """At a seam that is soon to come, at one where most is at stake, or between two steps."""
        random = Random(f"deaths {self._plan.seed}")
        while True:
            await trio.sleep(random.expovariate(1 / mean))
            match random.choice(("soon", "at stake", "at stake", "now")):
                case "soon":
                    self._doom.at.add(len(self._doom.visited) + random.randint(1, 40))
                case "at stake":
                    for fault in self._plan.faults:
                        if fault["kind"] == "not_found_lag":
                            await self._switch(fault)
                    self._doom.next.add(random.choice(_AT_STAKE))
                case _:
                    process = self._victim(random)
                    if process is not None:
                        process.die("between two steps")

    async def _suspend_now_and_then(self, mean: float) -> None:
        random = Random(f"suspends {self._plan.seed}")
        while True:
            await trio.sleep(random.expovariate(1 / mean))
            self._suspend()

    # The healed phase

    async def _rest(self) -> None:
        """Wait until nothing can be under way any more; nobody asks for anything, and no price moves."""
        await trio.sleep(_HEALED)

    async def _heal(self) -> None:
        self._healed = True
        self._network.weather = Weather()
        self._disk.heal()
        self._doom.spare()
        self.outcome.exposed = len(self._doom.visited)
        self._wild.over = True
        await self._switch({"kind": "clear"})
        self._hands.restore()
        self.trace("healed", "")
        await self._rest()

    async def _converge(self, markets: list[Market]) -> None:
        """Whatever was asked for must have come true; what a person alone can mend, a person mends."""
        await self._until(lambda: self._up, "naived runs")
        if self._owner is not None:
            await self._owner.heal()
        for symbol in self._wished:
            if self._fact(symbol)[1] == "quarantined" and self._was_robbed(symbol):
                await self._person.start(symbol)  # the coins are back, and are counted again
            if self._fact(symbol)[1] == "quarantined":
                # Nothing that a plan does lasts longer than the grace, so nothing may contradict itself.
                self._oracle.blame(21, f"{symbol} is quarantined: {self._reason(symbol)}")
            if self._held(symbol) and not self._cancelled_by_hand:
                self._oracle.blame(21, f"{symbol} is held as cancelled by hand, and nobody did that")
            if self._fact(symbol)[1] == "quarantined" or self._held(symbol):
                await self._person.resolve(symbol)
            if self._fact(symbol)[1] == "faulted":
                await self._person.start(symbol)
        for market in markets:
            market.mode = "drain" if self._fact(market.symbol)[0] == "shutdown" else "rise"
        await self._until(self._as_wished, "every symbol is as it was wished")
        for market in markets:
            market.mode = "rest"
        await trio.sleep(_LOOK)  # sells that were not placed are placed again once their symbol trades
        await self._until(self._settled, "every order's fate is known")

    async def _fall(self, markets: list[Market]) -> None:
        """The price falls through every rebuy: whatever is on takes all its chunks, or says why it does not."""
        if self._hands.done["print"]:
            await trio.sleep(_MEMORY)  # until then the exchange expires whatever would take an ordinary price
        for market in markets:
            market.mode = "fall"
        await self._until(lambda: self._fell(markets), "the price has fallen")
        await trio.sleep(_AGAIN)
        await self._until(self._settled, "every order's fate is known after the fall")
        await self._until(lambda: not self._limited, "orders may be placed again")
        for name in self._wished:
            silent = self._fact(name) == ("on", "trading") and self._reason(name) is None
            if silent and self._lacks_traders(name) and self._is_to_have_all(name):
                self._oracle.blame(26, f"{name} has fewer traders than chunks after a fall, and gives no reason")

    @property
    def _limited(self) -> bool:
        """Does an interval of a limit, or a wait that the exchange demanded, forbid orders?"""
        known = (self._known.get(name) for name in self._wished)
        return any(symbol is not None and symbol.context.exchange.remarks.limited for symbol in known)

    def _fell(self, markets: list[Market]) -> bool:
        """Is the fall over? For a symbol that has all its traders, or is to have none, it ends early."""
        for market in markets:
            if market.symbol not in self._wished or not self._lacks_traders(market.symbol):
                market.mode = "rest"
        return all(market.mode == "rest" for market in markets)

    def _lacks_traders(self, name: str) -> bool:
        if self._fact(name)[0] != "on":
            return False
        if name not in self._known:
            return True  # one node has given it away, and another one has not taken it yet
        engine = self._known[name].engine
        if any(order.state is State.NOT_PLACED for order in engine.orders.values()):
            return True  # a buy that waits for its slot may be given up as too late
        return chunks_taken(engine.leader.traders) < engine.leader.settings.chunks

    def _is_to_have_all(self, name: str) -> bool:
        """Could it buy during the whole fall?

        It could not if it goes by old rules, which it may for an hour, nor if a fall guard held it back: when that
        ends the fall is over, and nothing is traded any more.
        """
        leader = self._known[name].engine.leader
        rules = self._exchange.markets[name].listing.info.filters
        return leader.info.filters == rules and leader.settings.fall_guard is None

    @property
    def _known(self) -> Mapping[str, Symbol]:
        """The symbols of the running naived."""
        return {name: symbol for naived in self._running for name, symbol in naived.supervisor.symbols.items()}

    @property
    def _running(self) -> list[Naived]:
        return [machine.naived for machine in self._machines if machine.naived is not None]

    @property
    def _commits(self) -> int:
        return sum(naived.journal.commits for naived in self._running)

    async def _come_back(self) -> None:
        """One more start: it must find everything as it was, and have nothing to write."""
        self._suspend()
        await trio.sleep(_LOOK)
        await self._until(self._settled, "naived is back")
        await self._until(self._given_up, "no order of a delisted symbol is waited for")
        await self._rest()
        commits = self._commits
        await self._rest()
        if self._commits != commits:
            self._oracle.blame(13, f"{self._commits - commits} units were written while nothing happened")
        if not self._as_wished():
            self._oracle.blame(14, f"after a start: {self._described()}")
        for name in self._hands.gone & self._person.wishes.keys():
            status, state = self._fact(name)
            if status == "on" and self._reason(name) is None:
                self._oracle.blame(26, f"{name} is delisted, on and {state}, and gives no reason")
        for name, symbol in self._known.items():
            if symbol.desired.status is Status.OFF and (symbol.tended or symbol.engine.leader.active):
                self._oracle.blame(11, f"{name} is off, and has a task")

    def _as_wished(self) -> bool:
        """Is every symbol what it may be by its wishes, and settled in it? A drain is only done when it is off."""
        wanted = {("on", "trading"), ("off", "off")}
        return self._up and all(
            self._fact(symbol) in wanted and self._fact(symbol)[0] in wishes and self._kept(symbol)
            for symbol, wishes in self._wished.items()
        )

    @property
    def _wished(self) -> dict[str, set[str]]:
        """What is asked for of the symbols that are not delisted."""
        return {name: each for name, each in self._person.wishes.items() if name not in self._hands.gone}

    def _settled(self) -> bool:
        return self._up and all(naived.settled(self._hands.gone) for naived in self._running)

    def _given_up(self) -> bool:
        """The exchange tells nothing of the orders of a delisted symbol: they are quarantined, or ended before."""
        return not any(self._known[name].engine.resting for name in self._hands.gone if name in self._known)

    def _was_robbed(self, symbol: str) -> bool:
        """Were coins of it ever withdrawn?"""
        return self._exchange.markets[symbol].listing.info.base in self._hands.robbed

    def _fact(self, symbol: str) -> tuple[str, str]:
        """The durable status, and the state as the daemon tells it; one that it was never told of is off."""
        rows = self._oracle.rows("SELECT status FROM settings WHERE symbol = ?", symbol)
        status = rows[0]["status"] if rows else "off"
        return status, str(actual_state(self._known[symbol])[0]) if symbol in self._known else "off"

    def _reason(self, symbol: str) -> str | None:
        return actual_state(self._known[symbol])[1] if symbol in self._known else None

    def _kept(self, symbol: str) -> bool:
        """Are the chunks those that were acknowledged?"""
        rows = self._oracle.rows("SELECT chunks FROM settings WHERE symbol = ?", symbol)
        return not rows or rows[0]["chunks"] in self._person.chunks.get(symbol, rows[0].values())

    def _held(self, symbol: str) -> bool:
        """Does a trader hold coins because a person cancelled their sell?"""
        traders = self._known[symbol].engine.leader.traders if symbol in self._known else ()
        return any(isinstance(t.phase, Holding) and t.phase.hold is Hold.BY_HAND for t in traders)

    @property
    def _cancelled_by_hand(self) -> bool:
        """Did somebody cancel an order, or what looks like it where the report is lost: the exchange itself?"""
        by_hand = self._exchange.ledger.faults().get("manual_cancel")
        return bool(by_hand or self._hands.done["end"] or self._plan.wild)

    def _described(self) -> str:
        facts = (f"{symbol} is {self._fact(symbol)}, wished {wish}" for symbol, wish in self._person.wishes.items())
        return "; ".join(facts)

    async def _until(self, done: Callable[[], bool], what: str) -> None:
        deadline = trio.current_time() + _PATIENCE
        while not done():
            if trio.current_time() > deadline:
                self._oracle.blame(21, f"not within {_PATIENCE:g} s: {what}; {self._described()}")
                return
            await trio.sleep(_LOOK)


def _rules(slots: int | None) -> Document:
    """What the exchange lists, with so many orders in 10 seconds."""
    rules = built_in()
    if slots is not None:
        rules["rateLimits"] = [
            row | {"limit": slots} if (row["rateLimitType"], row["interval"]) == ("ORDERS", "SECOND") else row
            for row in rules["rateLimits"]
        ]
    return rules


@cache
def _blank_journal() -> Path:
    """A migrated database with a tag that is always the same: made once, as it takes longer than a whole seed."""
    path = Path(tempfile.mkdtemp(prefix="simulation-", dir=_memory())) / _JOURNAL

    async def make() -> None:
        async with open_journal(f"sqlite:///{path}", threads=False):
            pass

    trio.run(make)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE deployment SET tag = ?, epoch = 0", (TAG,))
    connection.execute("DELETE FROM nodes")
    connection.close()  # the last one: it moves the log into the file
    # What is there by now stays, modules for the most part; a tenth of a seed went by with looks for garbage in it.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW)
    return path


def _memory() -> str | None:
    """Where files cost no disk: fsync is most of a commit, and no machine dies here."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() else None


def _clock() -> MockClock:
    """One that jumps, and never looks at the real clock, as MockClock does at every step of trio's for nothing."""
    clock: Any = MockClock(autojump_threshold=0)

    def jump() -> None:
        deadline = trio._core._run.GLOBAL_RUN_CONTEXT.runner.deadlines.next_deadline()
        if clock._virtual_base < deadline < math.inf:
            clock.jump(deadline - clock._virtual_base)

    clock.current_time = lambda: clock._virtual_base
    clock._autojump = jump
    return cast(MockClock, clock)


@contextmanager
def _deterministic(seed: int) -> Iterator[None]:
    """trio shuffles tasks that are ready together, with dice and by address; both have to be taken from it.

    So have threads: how much time of the world passes in one depends on the machine.
    """

    async def inline(function: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return function(*arguments)

    inner = trio._core._run
    before = inner._ALLOW_DETERMINISTIC_SCHEDULING
    inner._ALLOW_DETERMINISTIC_SCHEDULING = True
    inner._r.seed(seed)
    try:
        with patch.object(trio.to_thread, "run_sync", inline):
            yield
    finally:
        inner._ALLOW_DETERMINISTIC_SCHEDULING = before


@contextmanager
def _logged(trace: Callable[[str, str], None]) -> Iterator[None]:
    """What naived logs is part of the trace."""

    def record(_logger: object, level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event.pop("exc_info", None)
        trace(f"log {level}", str(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[record])
    try:
        yield
    finally:
        structlog.configure(**before)
