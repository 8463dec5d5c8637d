"""Asks the exchange for the trades of gaps, symbol by symbol in turn, a page at a time.

It is asked slowly: another program on this address, a daemon that trades, has the same limit of requests. A gap is
given up when the exchange has answered and does not have the trades, when it refuses, when it does not answer for
ten minutes, and after a thousand pages.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeAlias

import structlog
import trio

from naived.binance.history import PAGE, PastTrade, TradeHistory
from naived.ports import ExchangeError, RefusedError
from naived.recorder.layout import Gap, Trade
from naived.recorder.track import Track

_PAGE_EVERY = 0.5  # seconds: at most half of the weight that the exchange allows an address
_MOST_PAGES = 1000  # of one gap: a million trades, eight minutes
_LATE_EVERY = 2.0  # seconds until trades that the exchange does not show yet are asked for again
_LATE_TRIES = 5
_AWAY = 600.0  # seconds without an answer after which a gap is given up
_FIRST_PAUSE = 1.0  # seconds until the exchange is tried again, doubled each time
_LONGEST_PAUSE = 15.0
_IDLE = 60.0  # seconds that a connection is kept without a question

Asking: TypeAlias = Callable[[], AbstractAsyncContextManager[TradeHistory]]

log = structlog.get_logger()


@dataclass(slots=True)
class _Attempt:
    """What was done about one gap. Times are trio's."""

    gap: Gap
    answered_at: float
    pages: int = 0
    late: int = 0  # answers in a row that had nothing new
    not_before: float = 0.0


class Filler:
    """``believe`` makes a trade of a row, None if it cannot be; ``room`` waits until more trades may be taken."""

    def __init__(
        self,
        asking: Asking,
        tracks: Mapping[str, Track],
        believe: Callable[[PastTrade], Trade | None],
        room: Callable[[], Awaitable[None]],
    ) -> None:
        self._asking = asking
        self._tracks = tracks
        self._believe = believe
        self._room = room
        self._attempts: dict[str, _Attempt] = {}
        self._turns: deque[str] = deque()
        self._news = trio.Event()

    @property
    def held(self) -> int:
        """How many trades wait for those before them."""
        return sum(self._tracks[symbol].held for symbol in self._attempts)

    def look(self, symbol: str) -> None:
        """Ask for the symbol's gap, if there is one; does not wait."""
        gap, attempt = self._tracks[symbol].asking, self._attempts.get(symbol)
        if gap is None:
            self._attempts.pop(symbol, None)
        elif attempt is None or attempt.gap is not gap:
            self._attempts[symbol] = _Attempt(gap, trio.current_time())
            if symbol not in self._turns:
                self._turns.append(symbol)
            self._news.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            await self._wait()
            asked_at = trio.current_time()
            try:
                async with self._asking() as history:
                    await self._ask_all(history)
            except ExchangeError as error:
                log.warning("the trades of a gap cannot be asked for now", why=str(error))
                self._give_up_after(_AWAY)
                pause = _FIRST_PAUSE if trio.current_time() - asked_at > _IDLE else pause
                await trio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _wait(self) -> None:
        while not self._attempts:
            self._news = trio.Event()
            await self._news.wait()

    async def _ask_all(self, history: TradeHistory) -> None:
        """Ask for page after page, until there was nothing to ask for a while; raises ExchangeError."""
        while True:
            with trio.move_on_after(_IDLE) as idle:
                await self._wait()
            if idle.cancelled_caught:
                return
            symbol = self._next()
            if symbol is None:
                await trio.sleep(_PAGE_EVERY)
                continue
            await self._room()
            await self._page(history, symbol)
            await trio.sleep(_PAGE_EVERY)

    def _next(self) -> str | None:
        """Whose turn it is; None if all have to wait."""
        for _ in range(len(self._turns)):
            symbol = self._turns.popleft()
            attempt = self._attempts.get(symbol)
            if attempt is None:
                continue
            self._turns.append(symbol)
            if attempt.not_before <= trio.current_time():
                return symbol
        return None

    async def _page(self, history: TradeHistory, symbol: str) -> None:
        track, attempt = self._tracks[symbol], self._attempts.get(symbol)
        if attempt is None or track.asking is not attempt.gap:
            self.look(symbol)
            return
        try:
            rows = await history.trades(symbol, track.next_id)
        except RefusedError as error:
            log.warning("the exchange does not give trades of the past", symbol=symbol, why=str(error))
            rows = None
        if track.asking is attempt.gap:
            if rows is None:
                track.give_up()
            else:
                self._take(symbol, attempt, sorted(rows, key=lambda row: row.id))
        self.look(symbol)

    def _take(self, symbol: str, attempt: _Attempt, rows: Sequence[PastTrade]) -> None:
        track, gap = self._tracks[symbol], attempt.gap
        before = track.next_id
        track.fill([trade for row in rows if (trade := self._believe(row)) is not None])
        attempt.answered_at = trio.current_time()
        attempt.pages += 1
        if track.asking is not gap:
            log.info("a gap is closed", symbol=symbol, first=gap.from_id, last=gap.to_id, why=str(gap.cause))
            return
        more = track.next_id > before
        attempt.late = 0 if more else attempt.late + 1
        if rows and rows[-1].id > gap.to_id:
            track.give_up()  # it has nothing else before that
        elif attempt.late == _LATE_TRIES or attempt.pages == _MOST_PAGES:
            track.give_up()
        elif not more or len(rows) < PAGE:
            attempt.not_before = trio.current_time() + _LATE_EVERY

    def _give_up_after(self, seconds: float) -> None:
        for symbol, attempt in list(self._attempts.items()):
            track = self._tracks[symbol]
            if trio.current_time() - attempt.answered_at > seconds and track.asking is attempt.gap:
                track.give_up()
                self.look(symbol)
