"""Which public trades are new: one symbol's trade ids, over one connection or two that carry the same trades.

Ids rise by one. An id that is far above the last, or not above it although its trade is later, contradicts that:
its trade is refused, unless the next one that contradicts goes on from it. So one absurd id is an outlier, and ids
that really jumped, as after a test exchange was reset, are followed from the second trade on.
"""

JUMP = 1_000_000  # ids between two trades that follow each other: half an hour of the busiest symbol


class TradeSequence:
    """Starts with whatever trade comes first."""

    __slots__ = ("_doubtful", "_last", "_time")

    def __init__(self) -> None:
        self._last: int | None = None
        self._time = 0  # ms, of the last trade
        self._doubtful: int | None = None  # an id that contradicted, if no trade in sequence came since

    def take(self, trade_id: int, time: int) -> bool | None:
        """Is the trade new? None if its id contradicts the last one, which may be an outlier; ``time`` in ms."""
        last = self._last
        if last is None or last < trade_id <= last + JUMP:
            pass
        elif trade_id <= last and time <= self._time:
            return False  # the other connection was faster
        elif self._doubtful is None or not self._doubtful < trade_id <= self._doubtful + JUMP:
            self._doubtful = trade_id
            return None
        self._last, self._time, self._doubtful = trade_id, time, None
        return True
