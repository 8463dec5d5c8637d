"""For how long it is certain that no other node has a symbol of this one; ``keeper.py`` renews it.

Each renewal counts from before it was sent, for two thirds of a lease, on a clock that runs on while the machine is
suspended. Nothing is placed without certainty: ``Symbol`` and ``Orders`` ask at every order, because a process that
was paused may be at any line when it goes on, and the block that ``guard`` sets tells a person.
"""

import math
from collections.abc import Callable, Mapping

import trio

from naived.core.engine import Blocked, BlockedBy
from naived.runtime.symbol_task import Symbol

_EVERY = 0.25  # seconds between two looks at the time that is left


class Trust:
    """``lease`` and ``clock`` are in seconds."""

    def __init__(self, lease: float, clock: Callable[[], float]) -> None:
        self._lease = lease
        self._clock = clock
        self.doubt: str | None = None  # why nothing may be placed though the leases are certain
        self._until = -math.inf
        self._renewal = -math.inf

    @property
    def held(self) -> bool:
        """Has no other node any symbol of ours now?"""
        return self._clock() < self._until

    @property
    def certain(self) -> bool:
        """May orders be placed?"""
        return self.held and self.doubt is None

    @property
    def due(self) -> bool:
        """Is it time to renew?"""
        return self._clock() >= self._renewal

    def now(self) -> float:
        """What ``renewed`` wants to know, asked before the renewal is sent."""
        return self._clock()

    def renewed(self, began: float) -> None:
        self._until = began + self._lease * 2 / 3
        self._renewal = began + self._lease / 3

    async def guard(self, symbols: Mapping[str, Symbol]) -> None:
        """Block every symbol while it is not certain. Runs until cancelled."""
        doubted = False
        while True:
            doubts = not self.certain
            if doubts or doubted:
                late = "its lease was not renewed in time: another node may have it"
                reason = (self.doubt if self.held else late) if doubts else None
                for symbol in symbols.values():
                    if not symbol.leaving:
                        symbol.offer(Blocked(BlockedBy.LEASE, reason))
            doubted = doubts
            await trio.sleep(_EVERY)
