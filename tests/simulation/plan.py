"""What one seed means: symbols, the faults of its swarm, how often a process dies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from tests.simulation.network import Weather
from tests.simulation.process import Disk

SYMBOLS = ("ETHUSDT", "BTCUSDT", "SOLUSDT")
_ANSWERED_NO = (-1003, -1008, -1015, -1016, -1021)  # codes of a request that never reached the engine
_ANYTHING = (-1000, -1001, -1006, -1007)  # codes that say nothing about what was done
_LONGEST = 40.0  # seconds a simulated fault lasts: below the grace, which is a bet on exactly that

Arm = dict[str, str | int | float]


@dataclass(frozen=True)
class Plan:
    """``faults`` are what ``sim.fault`` may be armed with, on average every ``every`` seconds, until ``minutes``.

    ``deaths`` and ``suspends`` are mean seconds between two of them, ``requests`` between two of a person's;
    ``crashes`` are visits of a seam at which a process dies, ``settings`` what a person starts each symbol with,
    and ``stops_after`` the seconds after which it is stopped and its orders are taken back.
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


def cycle(*crashes: int) -> Plan:
    """One trader: a buy, its sell, a second buy, a stop that takes it back; nothing fails but by these crashes."""
    return Plan(1, SYMBOLS[:1], minutes=0.5, crashes=crashes, settings={"chunks": 1}, stops_after=23)


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
    kinds = _arms(random)
    return Plan(
        seed=seed,
        symbols=SYMBOLS[: random.randint(1, len(SYMBOLS))],
        minutes=random.uniform(2, 8),
        every=random.uniform(3, 30),
        faults=tuple(arm for arm in kinds if random.random() < 0.35),
        weather=weather,
        disk=disk,
        deaths=random.uniform(20, 120) if random.random() < 0.7 else None,
        suspends=random.uniform(40, 200) if random.random() < 0.3 else None,
        requests=random.uniform(3, 120),
        skew=random.choice((0.0, 0.0, -3600.0, 3600.0, -2.0, 2.0)),
    )


def _arms(random: Random) -> list[Arm]:
    arms: list[Arm] = []
    for method in ("order.place", "order.cancel", "order.status", "myTrades", "openOrders.status", "time"):
        arms += [{"kind": kind, "method": method} for kind in ("reply_lost", "request_lost", "disconnect")]
        arms += [{"kind": "late", "method": method, "seconds": random.uniform(0.1, _LONGEST)}]
        arms += [{"kind": "error", "method": method, "code": random.choice(_ANSWERED_NO + _ANYTHING)}]
        arms += [{"kind": "error_after", "method": method, "code": random.choice(_ANYTHING)}]
    arms += [{"kind": "reply_lost", "method": "userDataStream.subscribe.signature"}]
    arms += [{"kind": "error", "method": "order.status", "code": -2013, "count": random.randint(1, 3)}]
    arms += [{"kind": "error", "method": "order.place", "code": -2015}]
    arms += [{"kind": kind, "method": "SUBSCRIBE"} for kind in ("request_lost", "reply_lost", "disconnect")]
    arms += [{"kind": "silence", "seconds": random.uniform(5, _LONGEST)}]
    arms += [{"kind": "not_found_lag", "seconds": random.uniform(1, _LONGEST), "count": random.randint(1, 20)}]
    arms += [{"kind": "balance", "method": "order.place"}]
    arms += [{"kind": "report_late", "seconds": random.uniform(0.1, _LONGEST)}]
    arms += [{"kind": kind} for kind in ("report_duplicate", "report_missing", "report_reorder")]
    arms += [{"kind": "partial_fills", "count": random.randint(1, 10)}]
    arms += [{"kind": kind} for kind in ("manual_cancel", "manual_order", "server_shutdown")]
    arms += [{"kind": kind, "seconds": random.uniform(1, _LONGEST)} for kind in ("halt", "filters")]
    return arms
