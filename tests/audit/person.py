"""Someone at the terminal, with the real `naivectl`: what was acknowledged, what may have been done unanswered."""

import math
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.acceptance.harness import Daemon, Document, Finished

_CHUNKS = 5  # where they were never set
_PAUSE = 0.8  # seconds at most between two requests
_STANDS = ("timed_out",)  # errors of an answer that was given after the wish was durable
_NOT_YET = "is carried out by the node that has it next"  # of a symbol whose node did not answer
_NOBODY = "not_running"  # the error of a request that reached nobody
_OF_HALTS = ("halt", "resume")


@dataclass
class Wishes:
    """What a symbol's ``status`` and ``chunks`` may be now: more than one where an answer never came."""

    status: set[str] = field(default_factory=lambda: {"off"})
    chunks: set[int] = field(default_factory=lambda: {_CHUNKS})
    doubts: set[str] = field(default_factory=set)  # of them, what a living process may still be about to do
    unsure: bool = False  # may it still be about to do anything that was never answered?
    resuming: bool = False  # may it still be about to end a halt?


@dataclass
class Quiet:
    """From an acknowledged stop (or shutdown: of buys alone) until the next request, in ms of wall-clock time.

    ``halted``: from an acknowledged halt until it is to end. ``unknown`` are client order ids that the answer named
    as not known yet.
    """

    symbol: str
    buys_alone: bool
    since: int
    until: int | None = None
    unknown: frozenset[str] = frozenset()
    halted: bool = False

    def is_ended_by(self, verb: str) -> bool:
        return verb == "resume" if self.halted else verb not in ("settings", *_OF_HALTS)


class Person:
    """Asks at random as long as it is entered; whoever holds ``lock`` then knows that nothing is being asked."""

    def __init__(
        self, daemon: Daemon, symbols: tuple[str, ...], random: Random, note: Callable[[str], None]
    ) -> None:
        self.lock = threading.Lock()
        self.wishes: dict[str, Wishes] = {}
        self.quiets: list[Quiet] = []
        self.asked: Counter[str] = Counter()
        self.complaints: list[str] = []
        self._daemon = daemon
        self._symbols = symbols
        self._random = random
        self._note = note
        self._gone = threading.Event()
        self._thread = threading.Thread()

    def __enter__(self) -> "Person":
        self._gone.clear()
        self._thread = threading.Thread(target=self._run, name="person")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._gone.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._stay()
        except Exception:
            self.complaints.append(traceback.format_exc())

    def _stay(self) -> None:
        while not self._gone.wait(self._random.uniform(0.05, _PAUSE)):
            with self.lock:
                if self._daemon.state is not None:  # it takes longer to ask nobody than to see that nobody is there
                    self.follow_a_whim(self._random.choice(self._symbols))

    def follow_a_whim(self, symbol: str) -> None:
        random = self._random
        patience = ("--timeout", f"{random.choice((500, 2_000, 8_000))}ms")
        verbs = ("start", "stop", "shutdown", "settings", "halt", "resume")
        match random.choices(verbs, (6, 2, 1, 2, 1, 2))[0]:
            case "start":
                self.start(symbol, *self._settings(), *patience)
            case "stop":
                self.stop(symbol, "--cancel", random.choice(("none", "buys", "all")), *patience)
            case "shutdown":
                self.shutdown(symbol, *(("--keep-buys",) if random.random() < 0.3 else ()))
            case "halt" if symbol in self.wishes:
                self.halt(symbol, *(("--keep-buys",) if random.random() < 0.3 else ()))
            case "resume" if symbol in self.wishes:
                self._ask("resume", symbol, set(), ())
            case "settings" if symbol in self.wishes and (words := self._settings()):
                self._ask("settings", symbol, set(), words)

    def start(self, symbol: str, *words: str) -> None:
        self._ask("start", symbol, {"on"}, words)

    def stop(self, symbol: str, *words: str) -> None:
        answer = self._ask("stop", symbol, {"off"}, words)
        if answer is not None:
            unknown = {o["client_order_id"] for o in answer["open_orders"] if o["state"] in ("intended", "unknown")}
            self._falls_quiet(symbol, buys_alone=False, unknown=frozenset(unknown))

    def shutdown(self, symbol: str, *words: str) -> None:
        if self._ask("shutdown", symbol, {"shutdown", "off"}, words) is not None:
            self._falls_quiet(symbol, buys_alone=True)

    def halt(self, symbol: str, *words: str) -> None:
        answer = self._ask("halt", symbol, set(), words)
        if answer is not None and not self.wishes[symbol].resuming:
            self.quiets.append(Quiet(symbol, buys_alone=True, since=_now(), halted=True))

    def lost_halts(self) -> None:
        """The database is of an older revision now, which had none."""
        for quiet in self.quiets:
            if quiet.halted and quiet.until is None:
                quiet.until = int(time.time() * 1000)

    def resolve(self, symbol: str) -> None:
        """Take back whatever is quarantined or held."""
        self._ask("resolve", symbol, set(), ("--all", "--adopt"))

    def died(self, stored: dict[str, tuple[str, int]] | None) -> None:
        """The process is dead, and this is what the journal has, if it can be read: nothing else will be done."""
        for symbol, wishes in self.wishes.items():
            wishes.doubts.clear()
            wishes.unsure = wishes.resuming = False
            if stored is not None:
                status, chunks = stored.get(symbol, ("off", _CHUNKS))
                wishes.status = {"shutdown", "off"} if status == "shutdown" else {status}
                wishes.chunks = {chunks}

    def _settings(self) -> tuple[str, ...]:
        random = self._random
        words: tuple[str, ...] = ()
        if random.random() < 0.5:
            words += ("--chunks", str(random.randint(1, 6)))
        if random.random() < 0.5:
            words += ("--budget", str(random.randint(100, 2000)))
        if random.random() < 0.5:
            words += ("--profit", random.choice(("0.0003", "0.001", "0.002")))
            words += ("--rebuy", random.choice(("0.001", "0.003")))
            words += ("--reprice", random.choice(("0", "0.003", "0.01")))
        return words

    def _falls_quiet(self, symbol: str, *, buys_alone: bool, unknown: frozenset[str] = frozenset()) -> None:
        if not self.wishes[symbol].doubts - {"off"}:
            self.quiets.append(Quiet(symbol, buys_alone, _now(), None, unknown))

    def _ask(self, verb: str, symbol: str, outcome: set[str], words: tuple[str, ...]) -> Document | None:
        """The answer, if what it acknowledges stands."""
        wishes = self.wishes.setdefault(symbol, Wishes())
        for quiet in self.quiets:
            if quiet.symbol == symbol and quiet.until is None and quiet.is_ended_by(verb):
                quiet.until = int(time.time() * 1000)
        chunks = {int(words[words.index("--chunks") + 1])} if "--chunks" in words else set()
        self._note(f"asks {verb} {symbol} {' '.join(words)}")
        finished = self._daemon.ctl(verb, symbol, *words)
        if "Traceback" in finished.err or finished.code < 0:
            self.complaints.append(f"naivectl ended with {finished.code}: {finished.err[-500:]}")
        answer, why = _understood(finished)
        self._note(f"told {finished.code} {why or 'ok'}")
        self.asked["acknowledged" if answer else f"not acknowledged: {why}"] += 1
        if answer is not None:
            wishes.status = outcome | wishes.doubts if outcome else wishes.status
            wishes.chunks = chunks | (wishes.chunks if wishes.unsure or not chunks else set())
        elif verb in _OF_HALTS:
            wishes.resuming = wishes.resuming or (verb == "resume" and why != _NOBODY)
        elif why != _NOBODY:
            wishes.status |= outcome
            wishes.doubts |= outcome
            wishes.chunks |= chunks
            wishes.unsure = True
        return answer


def _now() -> int:
    """Wall-clock time in ms, rounded up."""
    return math.ceil(time.time() * 1000)


def _understood(finished: Finished) -> tuple[Document | None, str]:
    """The answer if what it acknowledges stands, else None and the kind of error."""
    document = finished.document
    if "results" not in document:
        return None, str(document["error"]["kind"])
    result, error = finished.result, finished.result["error"]
    if error is None or (error["kind"] in _STANDS and _NOT_YET not in error["message"]):
        return result, ""
    return None, str(error["kind"])
