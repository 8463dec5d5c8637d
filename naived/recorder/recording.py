"""All symbols of one recording: what the streams say goes to the tracks, what the tracks give to the files.

Memory is bounded: beyond ``MOST`` trades that wait, for the disk or for those before them, new ones are dropped.
Each is counted, and is a gap that is asked for when there is room again.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from naived.binance.border import bounded, in_time
from naived.binance.codec import WholeTrade
from naived.binance.history import PastTrade
from naived.binance.refusals import Refusals
from naived.core.amount import Price, parse_price, parse_quantity
from naived.recorder.files import Found, Tape
from naived.recorder.filler import Asking, Filler
from naived.recorder.layout import DAY, Cause, Trade
from naived.recorder.track import Track
from naived.recorder.writer import Writer

MOST = 100_000  # trades in memory: some 30 MB

log = structlog.get_logger()


def wall() -> int:
    """This machine's clock (microseconds)."""
    return time.time_ns() // 1000


class Recording:
    """Implements ``streams.Tape`` for symbols that go on from what was ``found``; ``now`` is in microseconds."""

    def __init__(
        self,
        directory: Path,
        found: Mapping[str, Found],
        asking: Asking,
        refusals: Refusals,
        now: Callable[[], int] = wall,
        most: int = MOST,
        follow: Callable[[], None] = lambda: None,
    ) -> None:
        self.dropped = 0
        tapes = {symbol: Tape(directory, symbol, each.last, follow) for symbol, each in found.items()}
        self.writer = Writer(tapes)
        self.tracks = {symbol: Track(each.last, self.writer.adder(symbol)) for symbol, each in found.items()}
        self.filler = Filler(asking, self.tracks, self._believed, self._room)
        self._refusals = refusals
        self._now = now
        self._most = most

    @property
    def latest_time(self) -> int:
        """The latest time (microseconds) that is believed: this machine's clock may be wrong, but not by a day."""
        return self._now() + DAY

    @property
    def waiting(self) -> int:
        """Trades in memory."""
        return self.writer.waiting + self.filler.held

    @property
    def doubles(self) -> int:
        """Trades that came twice."""
        return sum(track.doubles for track in self.tracks.values())

    def trade(self, trade: WholeTrade, price: Price) -> None:
        """See ``streams.Tape``."""
        track = self.tracks[trade.symbol]
        if self.waiting >= self._most:
            if not self.dropped:
                log.error("no more trades can be held, later ones are dropped and asked for again", held=self._most)
            self.dropped += 1
            track.lost(Cause.FULL)
            return
        try:
            quantity = bounded(parse_quantity, trade.quantity)
        except ValueError as error:
            self._refusals.add("a public trade", str(error))
            return
        track.take(Trade(trade.id, price, quantity, trade.time, trade.buyer_is_maker))
        if track.asking is not None:
            self.filler.look(trade.symbol)

    def lost(self, symbol: str) -> None:
        """See ``streams.Tape``."""
        self.tracks[symbol].lost(Cause.CONNECTION)

    def _believed(self, row: PastTrade) -> Trade | None:
        with self._refusals.refusing("a trade of the past"):
            return Trade(
                row.id,
                bounded(parse_price, row.price, 1),
                bounded(parse_quantity, row.quantity),
                in_time(row.time, self.latest_time),
                row.buyer_is_maker,
            )
        return None

    async def _room(self) -> None:
        """Trades of the past leave half of the memory to those of now."""
        await self.writer.below(self._most // 2)
