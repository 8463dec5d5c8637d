"""Counts what the border refused, and logs the first of each kind."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from naived.binance.border import message

_log = structlog.get_logger(__name__)

_RECENT = 3_600_000  # ms for which a refusal is told in ``status``


class Refusals:
    """Counts what was refused, by kind, and logs the first of each kind. ``now`` is the exchange's clock (ms)."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.counts: Counter[str] = Counter()
        self._now = now
        self._latest: tuple[int, str] | None = None

    def add(self, kind: str, why: str) -> None:
        """Count one; ``kind`` is one of few texts of ours, ``why`` may quote the exchange."""
        why = message(why)
        self._latest = self._now(), f"{kind}: {why}"
        self.counts[kind] += 1
        if self.counts[kind] == 1:
            _log.warning("refused at the border, further ones are only counted", kind=kind, why=why)

    def adder(self, kind: str) -> Callable[[str], None]:
        """``add`` for one kind."""
        return lambda why: self.add(kind, why)

    @contextmanager
    def refusing(self, kind: str) -> Iterator[None]:
        """A ValueError in this block is counted, and ends the block."""
        try:
            yield
        except ValueError as error:
            self.add(kind, str(error))

    @property
    def recent(self) -> str | None:
        """How much was refused since the start, and the latest of it, if that is less than an hour old."""
        if self._latest is None or self._now() - self._latest[0] > _RECENT:
            return None
        total = self.counts.total()
        return f"{total} unreadable {'value' if total == 1 else 'values'} refused, the latest in {self._latest[1]}"
