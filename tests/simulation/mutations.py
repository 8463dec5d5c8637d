"""One field of one kind of frame with another value: nothing crashes, and nothing stays wrong.

Every field of every kind of frame that naived reads is listed from a clean run of a small world with two symbols.
Then each field gets each value, in a run of its own: once, in the first frame that has it, or in every frame of the
faulty phase. Frames that concern the second symbol alone are never touched. The world judges as it does any run;
here the process must not have ended either, no symbol may have crashed, and no person may be needed.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import msgspec
import trio

from naived.simulator.symbols import built_in_prices
from tests.simulation.market import Market
from tests.simulation.network import Wire
from tests.simulation.oracle import WatchedExchange
from tests.simulation.plan import SYMBOLS, Plan
from tests.simulation.wild import VALUES, Path, changed, credible, paths_of
from tests.simulation.world import Outcome, World, run
from tests.support.workers import FORK

TOUCHED, OTHER = SYMBOLS[:2]
_OFTEN = 500  # runs between two lines that say how far it is
_PERSON = 35.0  # seconds after which the first symbol is stopped and its orders are taken back
_AGAIN = 6.0  # seconds after which it is started again, and between two attempts to start
_RARE = {"balanceUpdate": 20.0, "eventStreamTerminated": 24.0}  # account events, and seconds after which one comes


@dataclass(frozen=True)
class Mutation:
    """``path`` of the field in a frame of this kind; ``always``: in every frame of the faulty phase."""

    kind: str
    path: Path
    value: str
    always: bool

    def __str__(self) -> str:
        often = "always" if self.always else "once"
        return f"{self.kind}: {'.'.join(map(str, self.path))} = {self.value}, {often}"


def plan() -> Plan:
    """Two symbols whose orders are refused, lost, filled in parts and taken back."""
    place = {"method": "order.place", "symbol": TOUCHED}
    return Plan(
        3,
        (TOUCHED, OTHER),
        minutes=1.1,
        settings={"chunks": 2, "rebuy": "0.002"},
        script=(
            (0.5, {"kind": "reply_lost", **place}),
            (3.0, {"kind": "partial_fills", "symbol": TOUCHED, "count": 4}),
            (6.0, {"kind": "report_missing", "symbol": TOUCHED}),
            (8.0, {"kind": "report_missing", "symbol": TOUCHED}),
            (10.0, {"kind": "error", "code": -1013, **place}),
            (14.0, {"kind": "server_shutdown"}),
            (20.0, {"kind": "error", "method": "time", "code": -1003}),
            (30.0, {"kind": "request_lost", **place}),
        ),
    )


class Frames:
    """What arrives: ``kinds`` gets the fields of each kind of frame; with a ``mutation`` it is made."""

    def __init__(self, mutation: Mutation | None) -> None:
        self.kinds: dict[str, set[Path]] = {}
        self.made = 0
        self.over = False
        self._rare = dict(_RARE)
        self._mutation = mutation
        self._methods: dict[tuple[int, Any], str] = {}

    def change(self, wire: Wire, text: str, from_client: bool) -> str:
        """The text that arrives."""
        frame = msgspec.json.decode(text)
        if from_client:
            self._methods[id(wire), frame["id"]] = frame["method"]
            return text
        if OTHER in text and TOUCHED not in text:
            return text
        if "outboundAccountPosition" in text:
            due = [name for name, at in self._rare.items() if trio.current_time() > at]
            if due:  # in the place of this one
                del self._rare[due[0]]
                told = frame["event"]["E"]
                frame["event"] = {"e": due[0], "E": told, "a": "BNB", "d": "1.00000000", "T": told}
                text = msgspec.json.encode(frame).decode()
        kind = self._kind(wire, frame)
        mutation = self._mutation
        if mutation is None:
            self.kinds.setdefault(kind, set()).update(paths_of(frame, OTHER))
        elif kind == mutation.kind and not self.over and (mutation.always or not self.made):
            return self._mutated(frame, mutation, text)
        return text

    def _kind(self, wire: Wire, frame: dict[str, Any]) -> str:
        event = frame.get("event") or frame.get("data")
        if event is not None:
            return " ".join(filter(None, ("event", event.get("e"), event.get("x"))))
        method = self._methods.get((id(wire), frame.get("id")), "nothing")
        failed = frame.get("status", 200) != 200 or "error" in frame
        return f"{'error' if failed else 'answer'} {method}"

    def _mutated(self, frame: dict[str, Any], mutation: Mutation, text: str) -> str:
        wild = changed(frame, mutation.path, mutation.value, OTHER)
        if wild is None:
            return text  # this frame is shorter, or a row of it is the other symbol's
        self.made += 1
        return wild


class MutatedWorld(World):
    """Its frames are changed until the healing, and nobody restarts naived."""

    def __init__(self, *args: Any, frames: Frames) -> None:
        super().__init__(*args)
        self._frames = frames
        self._network.change = frames.change
        self._orders_before_healing = 0

    def trace(self, kind: str, text: str) -> None:
        super().trace(kind, text)
        if kind == "log error" and any(word in text for word in ("'crashed'", "'faulted'")):
            self._oracle.blame(21, f"a symbol is given up: {text}")
        if kind in ("died", "not started") or (kind == "start" and text != "1"):
            self._oracle.blame(21, f"naived has ended: {kind} {text}")

    def _market(self, symbol: str, exchange: WatchedExchange) -> Market:
        """Prices that reach a buy and its sell often."""
        tick = exchange.markets[symbol].listing.info.filters.tick_size
        return Market(symbol, built_in_prices()[symbol], tick, Random(f"market 1 {symbol}"))

    async def _ask_around(self) -> None:
        await self._started(*self._plan.symbols)
        await trio.sleep_until(_PERSON)
        await self._person.stop(TOUCHED, "all")
        await trio.sleep(_AGAIN)
        await self._started(TOUCHED)

    async def _started(self, *symbols: str) -> None:
        """Ask until it is so, as a person would."""
        async with trio.open_nursery() as nursery:
            for symbol in symbols:
                nursery.start_soon(self._insist, symbol)

    async def _insist(self, symbol: str) -> None:
        while self._fact(symbol)[0] != "on":
            await self._person.start(symbol, wait=False, **self._plan.settings)
            await trio.sleep(_AGAIN / 2)

    async def _heal(self) -> None:
        self._frames.over = True
        self._orders_before_healing = sum(order.symbol == OTHER for order in self._oracle.accepted.values())
        await self._started(*self._plan.symbols)
        await super()._heal()

    async def _come_back(self) -> None:
        """No restart: all of it must have been mended by the process that met it."""
        if not self._orders_before_healing and self._concerns_one:
            self._oracle.blame(21, f"{OTHER} has placed no order although none of its frames was touched")

    @property
    def _concerns_one(self) -> bool:
        mutation = self._frames._mutation
        return mutation is not None and mutation.kind.startswith(("event executionReport", "event trade"))


def fields() -> dict[str, list[Path]]:
    """Every field of each kind of frame, from a clean run that must be without a violation."""
    frames = Frames(None)
    outcome = run(plan(), make=partial(MutatedWorld, frames=frames))
    assert outcome.violations == [], outcome.violations
    return {kind: sorted(paths, key=str) for kind, paths in sorted(frames.kinds.items())}


def mutations(found: Mapping[str, Iterable[Path]]) -> list[Mutation]:
    """Each field with each value that is not credible there, once and always."""
    return [
        Mutation(kind, path, value, always)
        for kind, paths in found.items()
        for path in paths
        for value in VALUES
        if not credible(path, value)
        for always in (False, True)
    ]


def sample(every: Sequence[Mutation], size: int, seed: int) -> list[Mutation]:
    """So many of them, always the same for a seed."""
    return Random(f"mutations {seed}").sample(every, min(size, len(every)))


def live(mutation: Mutation) -> tuple[Mutation, Outcome, int]:
    """A run with this mutation, and how often it was made."""
    frames = Frames(mutation)
    return mutation, run(plan(), make=partial(MutatedWorld, frames=frames)), frames.made


def report(found: Mapping[str, Sequence[Path]], chosen: Sequence[Mutation], jobs: int) -> int:
    """Run these, say what fails at once and how many fields and values were tried at the end; 1 if one failed."""
    failed = made = 0
    with ProcessPoolExecutor(jobs, FORK) as pool:
        for number, (mutation, outcome, times) in enumerate(pool.map(live, chosen, chunksize=4), 1):
            made += times > 0
            if outcome.violations:
                failed += 1
                print(f"{mutation}: {outcome.violations[0]}", flush=True)
            if number % _OFTEN == 0:
                print(f"{number} of {len(chosen)}", file=sys.stderr, flush=True)
    touched = {(mutation.kind, mutation.path) for mutation in chosen}
    for kind, paths in found.items():
        print(f"{kind:<55}{sum(path in touched for path in ((kind, p) for p in paths)):>5} of {len(paths)} fields")
    rows = {
        "kinds of frames": len({mutation.kind for mutation in chosen}),
        "fields": len(touched),
        "values": len({mutation.value for mutation in chosen}),
        "runs": len(chosen),
        "runs in which the value arrived": made,
        "runs that failed": failed,
    }
    for name, value in rows.items():
        print(f"{name:<55}{value:>12}")
    return 1 if failed else 0
