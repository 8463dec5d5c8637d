"""One symbol's trades on their way to its files: ordered by id, without doubles, and what is missing. Pure.

    in order ──a trade whose id jumps──> asking ──all there, or given up──> in order

While the exchange is asked for the trades of a gap, later ones are held: a file has rising ids. What cannot be had
is written down as a gap. A trade that is dropped, because nothing more can be held, is such a gap later on.

An id that contradicts the ones before it counts when the next one goes on from it (`TradeSequence`). Ids that fall
so have begun again, as on a test exchange that was reset.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from naived.binance.sequence import JUMP, TradeSequence
from naived.recorder.layout import Cause, Gap, Trade

Entry: TypeAlias = Trade | Gap


class Track:
    """``last`` is the last trade that was written before, by an earlier run; ``write`` gets what is to be written.

    A gap whose cause is RESTART is to be written before the trades whose ids began again.
    """

    def __init__(self, last: Trade | None, write: Callable[[Entry], None]) -> None:
        self.last = last
        self.asking: Gap | None = None
        self.doubles = 0
        self._write = write
        self._cause = Cause.NOT_RUNNING
        self._held: deque[tuple[Trade, Cause]] = deque()  # not empty while asking
        self._sequence = TradeSequence()
        self._doubtful: Trade | None = None
        if last is not None:
            self._sequence.take(last.id, last.time)

    @property
    def held(self) -> int:
        """How many trades wait for those before them."""
        return len(self._held)

    @property
    def next_id(self) -> int:
        """The first id that is missing, while asking."""
        return 0 if self.last is None else self.last.id + 1

    def lost(self, cause: Cause) -> None:
        """Trades may be missed from now on; the first cause counts until the next trade."""
        if self._cause is Cause.SEQUENCE:
            self._cause = cause

    def take(self, trade: Trade) -> None:
        """A trade of the stream."""
        new = self._sequence.take(trade.id, trade.time)
        if new is None:
            self._doubtful = trade
            return
        if not new:
            self.doubles += 1
            return
        doubtful, self._doubtful = self._doubtful, None
        cause, self._cause = self._cause, Cause.SEQUENCE
        newest = self._held[-1][0] if self._held else self.last
        if doubtful is not None and newest is not None and not newest.id < trade.id <= newest.id + JUMP:
            self._accept(doubtful, cause)
            cause = Cause.SEQUENCE
        self._accept(trade, cause)

    def fill(self, trades: Sequence[Trade]) -> None:
        """Trades of the gap that is asked for, oldest first; others are ignored. A hole in them is a gap."""
        gap = self.asking
        if gap is None:
            return
        for trade in trades:
            if trade.id > gap.to_id:
                break
            if trade.id >= self.next_id:
                self._miss(trade, gap.cause)
                self._put(trade)
        if self.next_id > gap.to_id:
            self._go_on()

    def give_up(self) -> None:
        """The rest of the gap cannot be had."""
        gap, last = self.asking, self.last
        if gap is not None and last is not None:
            self._write(Gap(last.id + 1, gap.to_id, last.time, gap.to_time, gap.cause))
            self._go_on()

    def _accept(self, trade: Trade, cause: Cause) -> None:
        while self._held and trade.id <= self._held[-1][0].id:
            self.give_up()
        if self.asking is None:
            self._order(trade, cause)
        else:
            self._held.append((trade, cause))

    def _order(self, trade: Trade, cause: Cause) -> None:
        """The next trade, while nothing is asked for."""
        last = self.last
        if last is not None and trade.id > last.id + 1:
            self.asking = Gap(last.id + 1, trade.id - 1, last.time, trade.time, cause)
            self._held.append((trade, cause))
            return
        if last is not None and trade.id <= last.id:
            self._write(Gap(last.id + 1, trade.id - 1, last.time, trade.time, Cause.RESTART))
        self._put(trade)

    def _go_on(self) -> None:
        """The gap is closed: the first that was held comes next, and then the others up to the next gap."""
        self.asking = None
        held, self._held = self._held, deque()
        self._put(held.popleft()[0])
        while held and self.asking is None:
            self._order(*held.popleft())
        self._held.extend(held)

    def _miss(self, trade: Trade, cause: Cause) -> None:
        last = self.last
        if last is not None and trade.id > last.id + 1:
            self._write(Gap(last.id + 1, trade.id - 1, last.time, trade.time, cause))

    def _put(self, trade: Trade) -> None:
        self.last = trade
        self._write(trade)
