"""Writes what the tracks give it, in a thread: at once, and durable within a second.

Nothing is lost while the disk refuses: it waits here, is tried again every second, and ``waiting`` says how much it
is, so that whoever gives more can stop.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf

import structlog
import trio

from naived.recorder.files import Tape
from naived.recorder.layout import Gap, Trade, clock_text, day_of, trade_line
from naived.recorder.track import Entry

_SYNC_EVERY = 1.0  # seconds
_PAUSE = 1.0  # seconds until a disk that refused is tried again

log = structlog.get_logger()


@dataclass(slots=True)
class Tally:
    """What was written since the start; ``last`` is the time of the newest trade (microseconds), 0 for none."""

    trades: int = 0
    gaps: int = 0
    size: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Of one round: what could not be written, by symbol, why, and how many trades were."""

    left: Mapping[str, Sequence[Entry]]
    trouble: str | None
    written: int


class Writer:
    """``trouble`` is why the disk takes nothing, None if it does."""

    def __init__(self, tapes: Mapping[str, Tape]) -> None:
        self.tally = Tally()
        self.trouble: str | None = None
        self.waiting = 0  # trades
        self._tapes = tapes
        self._queue: dict[str, list[Entry]] = {}
        self._news = trio.Event()
        self._flushed = trio.Event()
        self._synced_at = -inf  # trio's time

    def adder(self, symbol: str) -> Callable[[Entry], None]:
        """What a symbol's track writes to."""

        def add(entry: Entry) -> None:
            self._queue.setdefault(symbol, []).append(entry)
            if isinstance(entry, Trade):
                self.waiting += 1
            else:
                _tell(symbol, entry)
            self._news.set()

        return add

    async def run(self) -> None:
        """Write until cancelled; `finish` writes the rest."""
        while True:
            unsynced = any(tape.unsynced for tape in self._tapes.values())
            with trio.move_on_at(self._synced_at + _SYNC_EVERY if unsynced else inf):
                await self._news.wait()
            await self.flush(sync=trio.current_time() >= self._synced_at + _SYNC_EVERY)
            if self.trouble is not None:
                await trio.sleep(_PAUSE)

    async def below(self, most: int) -> None:
        """Wait until at most so many trades wait."""
        while self.waiting > most:
            await self._flushed.wait()

    async def flush(self, *, sync: bool) -> None:
        """Write all that waits; ``sync`` makes durable what was written before and now."""
        # Shielded: what is taken out of the queue is written, or put back.
        with trio.CancelScope(shield=True):
            batch, self._queue = self._queue, {}
            self._news = trio.Event()
            outcome = await trio.to_thread.run_sync(self._write, batch, sync)
        if sync:
            self._synced_at = trio.current_time()
        for symbol, entries in outcome.left.items():
            self._queue[symbol] = [*entries, *self._queue.get(symbol, ())]
        if outcome.left:
            self._news.set()
        self.waiting -= outcome.written
        self._flushed.set()
        self._flushed = trio.Event()
        self._say(outcome.trouble)

    async def finish(self) -> bool:
        """Write the rest and close all files, after ``run``; False if something was not written or made durable."""
        await self.flush(sync=True)
        with trio.CancelScope(shield=True):
            closed = await trio.to_thread.run_sync(self._close)
        return closed and self.trouble is None

    def _say(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self.trouble:
            log.error("trades cannot be written, they wait in memory", why=trouble, waiting=self.waiting)
        elif trouble is None and self.trouble is not None:
            log.info("trades are written again")
        self.trouble = trouble

    # In the thread

    def _write(self, batch: Mapping[str, Sequence[Entry]], sync: bool) -> _Outcome:
        left: dict[str, Sequence[Entry]] = {}
        trouble = None
        written = 0
        for symbol, entries in batch.items():
            tape, done = self._tapes[symbol], 0
            try:
                for piece in _pieces(entries, tape.day):
                    written += self._write_piece(tape, piece)
                    done += len(piece)
            except OSError as error:
                left[symbol] = entries[done:]
                trouble = f"{symbol}: {error.strerror}"
        if sync:
            for symbol, tape in self._tapes.items():
                try:
                    tape.sync()
                except OSError as error:
                    trouble = f"{symbol}: not durable: {error.strerror}"
        return _Outcome(left, trouble, written)

    def _write_piece(self, tape: Tape, piece: Sequence[Entry]) -> int:
        """Write one gap, or trades of one day; returns how many trades."""
        if isinstance(piece[0], Gap):
            tape.gap(piece[0])
            self.tally.gaps += 1
            return 0
        trades = [each for each in piece if isinstance(each, Trade)]
        lines = "".join(map(trade_line, trades)).encode()
        tape.append(max(tape.day, day_of(trades[0].time)), lines)
        self.tally.trades += len(trades)
        self.tally.size += len(lines)
        self.tally.last = max(self.tally.last, trades[-1].time)
        return len(trades)

    def _close(self) -> bool:
        closed = True
        for symbol, tape in self._tapes.items():
            try:
                tape.close()
            except OSError as error:
                log.error("a file is not durable", symbol=symbol, why=error.strerror)
                closed = False
        return closed


def _pieces(entries: Sequence[Entry], day: int) -> list[list[Entry]]:
    """Each gap alone, and trades that belong into one file: a day never goes back, nor before ``day``."""
    number = 0

    def key(entry: Entry) -> tuple[int, int]:
        nonlocal number, day
        if isinstance(entry, Gap):
            number += 1
            return -1, number
        day = max(day, day_of(entry.time))
        return day, 0

    return [list(group) for _, group in groupby(entries, key)]


def _tell(symbol: str, gap: Gap) -> None:
    log.warning(
        "trades are missing",
        symbol=symbol,
        first=gap.from_id,
        last=gap.to_id,
        since=clock_text(gap.from_time),
        until=clock_text(gap.to_time),
        why=str(gap.cause),
    )
