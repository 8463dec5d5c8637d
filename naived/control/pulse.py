"""How late the event loop is, and how long the daemon was degraded. The daemon runs it, ``metrics`` shows it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

_EVERY = 0.5  # seconds
BOUNDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)  # seconds, the upper bounds of the buckets


@dataclass
class Pulse:
    """``counts`` are the delays (s) by bucket, the last one for those above all bounds; ``late`` is their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    late: float = 0.0
    degraded: float = 0.0  # seconds

    async def run(self, state: Callable[[], str]) -> None:
        """Until cancelled; ``state`` is the daemon's."""
        due = trio.current_time()
        while True:
            due += _EVERY
            await trio.sleep_until(due)
            late = trio.current_time() - due
            self.late += late
            self.counts[next((number for number, most in enumerate(BOUNDS) if late <= most), len(BOUNDS))] += 1
            if state() == "degraded":
                self.degraded += _EVERY + late
            due += late  # a loop that stood still for a minute is late once
