"""The speed at which tapes are played, and the switch that holds them."""

from collections.abc import Awaitable, Callable, Iterator
from fractions import Fraction

import trio

from naived.simulator.tape import Print

_MICROSECONDS = 1_000_000  # in a second


class Pace:
    """How fast recorded time passes: ``speed`` times real time, or as fast as readers drain when it is None."""

    def __init__(self, speed: Fraction | None, *, held: bool) -> None:
        self._speed = speed
        self._go = trio.Event()
        if not held:
            self._go.set()

    def play(self) -> None:
        self._go.set()

    def hold(self) -> None:
        if self._go.is_set():
            self._go = trio.Event()

    async def run(
        self, prints: Iterator[Print], publish: Callable[[Print], None], drain: Callable[[], Awaitable[None]]
    ) -> None:
        """Publish every print when its time comes; a hold shifts all that follow. Returns when the tape ends."""
        began: float | None = None
        first = 0
        for trade in prints:
            if began is None:
                began, first = trio.current_time(), trade.time
            if self._speed is None:
                await trio.lowlevel.checkpoint()
                await drain()
            else:
                await trio.sleep_until(began + float((trade.time - first) / (_MICROSECONDS * self._speed)))
            if not self._go.is_set():
                await self._go.wait()
                began, first = trio.current_time(), trade.time
            publish(trade)
