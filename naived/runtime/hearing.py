"""Notices public trades that the exchange has and we do not get, or get too late to decide anything on.

    no subscription      since 5 s: its connection cannot be made, or the exchange refuses the stream
    late                 for 10 s each trade was older than a buy may be when it came, and the last is no minute ago
    lost                 the exchange told another price than a minute before, and no trade came

Of the last one the connection is replaced, as it may carry nothing of this symbol any more. ``actual_state.py``
says what is so. Nothing is remembered of a symbol that is off, or begins anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import structlog
import trio

from naived.core.amount import Price, format_amount
from naived.core.orders.state import STALE
from naived.ports import Exchange, ExchangeError
from naived.runtime.account_view import AccountView
from naived.runtime.price_gate import PriceGate
from naived.runtime.symbol_task import Symbol

_EVERY = 1.0  # seconds between two looks
_CUT = 5.0  # seconds that a new connection may take
_LATE = 10.0  # seconds
_QUIET = 60.0  # seconds without a trade after which the exchange is asked for the price, and between two questions
_STALL = 2.0  # seconds between two looks after which it was we who were late
_ON_THE_WAY = 5.0  # seconds that a trade may take to come after the price that it made

log = structlog.get_logger()


@dataclass(slots=True)
class _Heard:
    """Of one symbol: when its last trade was (``time``, exchange ms), and when it came (``at``, trio's time).

    ``cut_at``: since when there is no subscription. ``late_at``: when the first came of the trades that were all
    late. ``shown`` is the price that the exchange told since the last trade, ``lost`` what was concluded from it.
    """

    at: float
    time: int | None = None
    cut_at: float | None = None
    late_at: float | None = None
    asked_at: float = 0.0
    shown: Price | None = None
    lost: str | None = None


class Hearing:
    def __init__(self, exchange: Exchange, symbols: Mapping[str, Symbol], view: AccountView) -> None:
        self._exchange = exchange
        self._symbols = symbols
        self._view = view
        self._heard: WeakKeyDictionary[Symbol, _Heard] = WeakKeyDictionary()
        self._looked_at = trio.current_time()
        self._renewed_at = -_QUIET

    async def run(self) -> None:
        """Run until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                now = trio.current_time()
                stalled, self._looked_at = now - self._looked_at > _STALL, now
                clock = None if stalled else self._exchange.now()
                for symbol in self._symbols.values():
                    heard = self._heard_of(symbol, now)
                    _tell(symbol, None if heard is None else _judged(heard, symbol.gate, now, clock))
                    if heard is not None and _is_asked(symbol) and now - max(heard.at, heard.asked_at) >= _QUIET:
                        heard.asked_at = now
                        nursery.start_soon(self._ask, symbol, heard)
                await trio.sleep(_EVERY)

    def _heard_of(self, symbol: Symbol, now: float) -> _Heard | None:
        """What is remembered of the symbol; None of one that is off, and that begins with nothing known."""
        if symbol.tended:
            return self._heard.get(symbol) or self._heard.setdefault(symbol, _Heard(now))
        self._heard.pop(symbol, None)
        symbol.gate.cut = None
        return None

    async def _ask(self, symbol: Symbol, heard: _Heard) -> None:
        """Compare the price that the exchange tells with the one that it told before."""
        time, before = symbol.gate.time, heard.shown
        try:
            shown = await self._view.last_price(symbol)
        except ExchangeError as error:
            log.warning("the price of a quiet symbol is not known", symbol=symbol.name, error=str(error))
            return
        await trio.sleep(_ON_THE_WAY)
        if symbol.gate.time != time or symbol.gate.check.suspect is not None or not _is_asked(symbol):
            return  # it was traded
        heard.shown, heard.lost = shown, None
        if shown is not None and before not in (None, shown):
            heard.lost = f"the exchange shows a price of {format_amount(shown)}, and no trade came"
            now = trio.current_time()
            if now - self._renewed_at >= _QUIET:  # one for all that asked since
                self._renewed_at = now
                self._exchange.renew(f"{symbol.name}: {heard.lost}", symbol.name)


def _tell(symbol: Symbol, unheard: str | None) -> None:
    if unheard != symbol.gate.unheard:
        symbol.gate.unheard = unheard
        symbol.news.notify()


def _judged(heard: _Heard, gate: PriceGate, now: float, clock: int | None) -> str | None:
    """Take in what came since the last look; returns what is wrong with it.

    ``clock`` is exchange ms; None: the last look was too long ago to say how late a trade came.
    """
    if gate.cut is not None:
        heard.at, heard.shown, heard.lost, heard.late_at = now, None, None, None
        heard.cut_at = now if heard.cut_at is None else heard.cut_at
        return f"its trades do not come: {gate.cut}" if now - heard.cut_at >= _CUT else None
    heard.cut_at = None
    if gate.time != heard.time:
        heard.at, heard.time, heard.shown, heard.lost = now, gate.time, None, None
        late = clock is not None and gate.time is not None and clock - gate.time > STALE + _EVERY * 1000
        heard.late_at = (now if heard.late_at is None else heard.late_at) if late else None
    if heard.late_at is not None and heard.at - heard.late_at >= _LATE and now - heard.at < _QUIET:
        return f"its trades come more than {STALE // 1000} s late: nothing is decided on them"
    return heard.lost


def _is_asked(symbol: Symbol) -> bool:
    """May its trades be expected? A name that is not listed any more would cost the others their answer."""
    leader = symbol.engine.leader
    return leader.active and leader.info.trading and symbol.listed and symbol.gate.cut is None
