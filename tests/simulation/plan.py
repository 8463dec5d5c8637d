"""What one seed means: symbols, the faults of its swarm, how often a process dies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from tests.simulation.hands import KINDS
from tests.simulation.network import Weather
from tests.simulation.process import Disk

SYMBOLS = ("ETHUSDT", "BTCUSDT", "SOLUSDT")
CROSSED = ("BTCUSDT", "ETHBTC")  # the coins of the first are the money of the second
_ANSWERED_NO = (-1003, -1008, -1015, -1016, -1021)  # codes of a request that never reached the engine
_ANYTHING = (-1000, -1001, -1006, -1007)  # codes that say nothing about what was done
LONGEST = 40.0  # seconds a simulated fault lasts: below the grace, which is a bet on exactly that
_AGES = 3e10  # seconds: a wait that nobody can mean

Arm = dict[str, str | int | float]


@dataclass(frozen=True)
class Plan:
    """``faults`` are what ``sim.fault`` may be armed with, on average every ``every`` seconds, until ``minutes``.

    ``whims`` are what a person may ask for.
    ``deaths`` and ``suspends`` are mean seconds between two of them, ``requests`` between two of a person's;
    ``crashes`` are visits of a seam at which a process dies, ``settings`` what a person starts each symbol with,
    and ``stops_after`` the seconds after which it is stopped and its orders are taken back. ``script`` arms faults,
    and ``suspends_at`` suspends, so many seconds after the start. ``tail`` is the probability
    that a order waits inside the exchange, accepted in its time and executed later. A ``scenario`` is no swarm
    but one of SCENARIOS. ``hands`` are kinds of `Hands`, one of which comes on average every ``meddling`` seconds,
    ``wild`` the probability that a field of a frame has a wild value. ``guarded``: the person sets fall guards and
    stop-losses. ``owned``: mean seconds between two requests of the owner, who halts and limits the account.
    ``slots``: how many orders the exchange allows in 10 seconds; None: as many as it allows everybody. ``looks``:
    mean seconds between two questions that change nothing.
    """

    seed: int
    symbols: tuple[str, ...]
    minutes: float
    every: float = 20.0
    faults: tuple[Arm, ...] = ()
    weather: Weather = field(default_factory=Weather)
    disk: Disk = field(default_factory=Disk)
    deaths: float | None = None
    suspends: float | None = None
    requests: float | None = None
    skew: float = 0.0
    crashes: tuple[int, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    stops_after: float | None = None
    script: tuple[tuple[float, Arm], ...] = ()
    tail: float = 0.0
    whims: tuple[str, ...] = ("start", "start", "start", "stop", "shutdown", "settings")
    suspends_at: tuple[float, ...] = ()
    scenario: str | None = None
    hands: tuple[str, ...] = ()
    meddling: float = 20.0
    wild: float = 0.0
    guarded: bool = False
    owned: float | None = None
    slots: int | None = None
    looks: float | None = None


def cycle(*crashes: int) -> Plan:
    """One trader: a buy, its sell, a second buy, a stop that takes it back; nothing fails but by these crashes."""
    settings = {"chunks": 1}
    return Plan(1, SYMBOLS[:1], minutes=0.5, crashes=crashes, settings=settings, stops_after=23, scenario="cycle")


def trouble(*crashes: int) -> Plan:
    """One trader: a suspend while its buy is late, a sell that is lost, and sent again behind its fence."""
    return replace(
        cycle(*crashes),
        seed=24,
        minutes=2.5,
        settings={"chunks": 1, "buy_down": "0", "reprice": "0"},
        stops_after=140,
        script=(
            (1.0, {"kind": "late", "method": "order.place", "seconds": 1.0}),
            (1.1, {"kind": "request_lost", "method": "order.place"}),
        ),
        suspends_at=(4.2,),
        scenario="trouble",
    )


SCENARIOS: Mapping[str, Callable[..., Plan]] = {"cycle": cycle, "trouble": trouble}


def swarm(seed: int) -> Plan:
    """Each seed enables a random subset of everything that can go wrong, at random rates."""
    random = Random(f"plan {seed}")
    weather, disk = Weather(longest=random.uniform(1, 20)), Disk()
    for name in ("lost", "doubled", "stalled", "cut", "hole", "refused"):
        if random.random() < 0.3:
            rare = 0.1 if name == "refused" else 0.005 if name in ("cut", "hole") else 0.02
            setattr(weather, name, random.uniform(0, rare))
    for name in ("refused", "lied", "gone"):
        if random.random() < 0.25:
            setattr(disk, name, random.uniform(0, 0.03))
    slowly = Random(f"slow {seed}")
    if slowly.random() < 0.25:
        disk.slow = 10 ** slowly.uniform(-2, 0.3)
    kinds = _arms(random)
    # What matters most is not left to chance: orders of which nobody hears, and which questions do not find.
    script: tuple[tuple[float, Arm], ...] = ()
    if random.random() < 0.25:
        weather.hushed = random.uniform(0.1, 0.6)
        script += ((0.0, _often(random, "not_found_lag", seconds=random.uniform(5, LONGEST))),)
    if random.random() < 0.25:
        script += ((0.0, _often(random, "request_lost")),)
    plan = Plan(
        seed=seed,
        symbols=SYMBOLS[: random.randint(1, len(SYMBOLS))],
        minutes=random.uniform(2, 8),
        every=random.uniform(3, 30),
        faults=tuple(arm for arm in kinds if random.random() < 0.35),
        weather=weather,
        disk=disk,
        deaths=random.uniform(20, 120) if random.random() < 0.7 else None,
        suspends=random.uniform(40, 200) if random.random() < 0.3 else None,
        requests=random.uniform(3, random.choice((10, 120))),
        skew=random.choice((0.0, 0.0, -3600.0, 3600.0, -2.0, 2.0)),
        script=script,
        tail=random.uniform(0.05, 0.3) if random.random() < 0.25 else 0.0,
        whims=("settings",) if random.random() < 0.15 else Plan.whims,
        guarded=Random(f"guards {seed}").random() < 0.3,
        owned=_owned(Random(f"owner {seed}")),
        slots=_slots(Random(f"slots {seed}")),
        looks=_looks(Random(f"looks {seed}")),
    )
    return _meddled_with(plan, Random(f"hands {seed}"))


def _owned(random: Random) -> float | None:
    return random.uniform(5, 60) if random.random() < 0.3 else None


def _slots(random: Random) -> int | None:
    return random.randint(2, 12) if random.random() < 0.25 else None


def _looks(random: Random) -> float | None:
    return random.uniform(5, 60) if random.random() < 0.5 else None


def _meddled_with(plan: Plan, random: Random) -> Plan:
    """Other hands than those of faults, in most seeds; in some one symbol's coins are the money of another."""
    if random.random() < 0.2:
        plan = replace(plan, symbols=(*CROSSED, *(name for name in plan.symbols if name not in CROSSED)))
    if random.random() < 0.25:
        return plan
    more: tuple[Arm, ...] = ({"kind": "manual_amend"},) if random.random() < 0.35 else ()
    if random.random() < 0.35:
        method = random.choice(("order.place", "order.status", "openOrders.status", "time"))
        more += ({"kind": "error", "code": -1003, "method": method, "seconds": _AGES},)
    return replace(
        plan,
        hands=tuple(kind for kind in KINDS if random.random() < 0.35),
        meddling=random.uniform(5, 40),
        wild=random.uniform(0, 0.005) if random.random() < 0.3 else 0.0,
        faults=plan.faults + more,
    )


def _often(random: Random, kind: str, **more: float) -> Arm:
    """A fault that befalls orders again and again."""
    return {
        "kind": kind,
        "method": "order.place",
        "count": 10_000,
        "probability": random.uniform(0.05, 0.4),
        **more,
    }


def _arms(random: Random) -> list[Arm]:
    arms: list[Arm] = []
    for method in ("order.place", "order.cancel", "order.status", "myTrades", "openOrders.status", "time"):
        arms += [{"kind": kind, "method": method} for kind in ("reply_lost", "request_lost", "disconnect")]
        arms += [{"kind": "late", "method": method, "seconds": random.uniform(0.1, LONGEST)}]
        arms += [{"kind": "error", "method": method, "code": random.choice(_ANSWERED_NO + _ANYTHING)}]
        arms += [{"kind": "error_after", "method": method, "code": random.choice(_ANYTHING)}]
    arms += [{"kind": "reply_lost", "method": "userDataStream.subscribe.signature"}]
    arms += [{"kind": "error", "method": "order.status", "code": -2013, "count": random.randint(1, 3)}]
    arms += [{"kind": "error", "method": "order.place", "code": -2015}]
    arms += [{"kind": kind, "method": "SUBSCRIBE"} for kind in ("request_lost", "reply_lost", "disconnect")]
    arms += [{"kind": "silence", "seconds": random.uniform(5, LONGEST)}]
    arms += [{"kind": "not_found_lag", "seconds": random.uniform(1, LONGEST), "count": random.randint(1, 20)}]
    arms += [{"kind": "balance", "method": "order.place"}]
    arms += [{"kind": "report_late", "seconds": random.uniform(0.1, LONGEST)}]
    arms += [{"kind": kind} for kind in ("report_duplicate", "report_missing", "report_reorder")]
    arms += [{"kind": "partial_fills", "count": random.randint(1, 10)}]
    arms += [{"kind": kind} for kind in ("manual_cancel", "manual_order", "server_shutdown")]
    arms += [{"kind": kind, "seconds": random.uniform(1, LONGEST)} for kind in ("halt", "filters")]
    return arms
