"""A backtest: the engine that trades live, stepped over a tape, against the simulator's market.

    tape ──a trade that matters──> market ──reports──> engine ──orders, cancels──> market
                                     └────the trade, if outside the engine's band────┘

1. A trade matters if it is outside the engine's band or fills a resting order. Between two such trades nothing
   happens, so they are found by the tape's index (``search.py``), and where they are dense by stepping a list.
2. What is due at a time (an order that was on its way, a wake-up) happens before the first trade of that time.
3. A trade that may be a bad print is asked about as in the daemon (``core/price_check.py``); the index tells which
   stretches may have one.

The same tape and setup give the same result, to the digit, as offering each trade to the engine.
"""

import time
from collections.abc import Callable

import numpy as np

from naived.backtest.idle import idle
from naived.backtest.measure import buy_and_hold, drawdown, in_market
from naived.backtest.result import Result, Setup
from naived.backtest.search import first_outside, suspicious
from naived.backtest.session import EVERY, Session
from naived.backtest.tape import BLOCK, Columns, Tape
from naived.core.amount import SCALE, Money, Price, Rate
from naived.core.price_check import PriceCheck
from naived.core.risk import Halt
from naived.core.strategy.summary import owned

_DENSE = 128  # trades between two that matter, below which stepping a list is faster than searching
_ENOUGH = 4  # such gaps in a row, before a list is made
_CHUNK = 1_024  # trades of such a list
_TOLD_EVERY = 0.1  # seconds between two reports of progress

Progress = Callable[[int], None]
"""Told how many trades are behind."""


def backtest(tape: Tape, setup: Setup, *, load_seconds: float = 0.0, told: Progress | None = None) -> Result:
    """Run a tape; raises BacktestError where the symbol would be faulted."""
    began = time.perf_counter()
    session = Session(tape, setup, every=False)
    Scan(tape, session, setup.settings.max_deviation, told).all()
    return result(tape, setup, session, load_seconds, began)


def result(tape: Tape, setup: Setup, session: Session, load_seconds: float, began: float) -> Result:
    """What a session found; ``began`` is when it was begun, in seconds of ``time.perf_counter``."""
    info, market, leader, moments = setup.rules.info, session.market, session.trading.engine.leader, session.moments
    first, last = tape.parts[0], tape.parts[-1]
    held = owned(leader)
    prices = Price(int(first.prices[0])), Price(int(last.prices[-1]))
    ended = int(last.times[-1])
    return Result(
        setup=setup,
        trades_scanned=tape.length,
        events=len(moments),
        load_seconds=load_seconds,
        profit=leader.profit,
        fees=Money(-(-market.fees // SCALE)),
        held=held.quantity,
        held_cost=held.cost,
        lots=leader.lots,
        max_tied_up=Money(max((each.held_cost + each.tied_up for each in moments), default=0)),
        max_drawdown=drawdown(tape, moments, setup.fee),
        buy_and_hold=buy_and_hold(setup.settings.budget or Money(0), *prices, setup.fee, info.filters),
        first_price=prices[0],
        last_price=prices[1],
        began=int(first.times[0]),
        ended=ended,
        in_market=in_market(moments, ended),
        moments=tuple(moments),
        fills=tuple(session.trading.fills),
        cycles=tuple(session.trading.cycles),
        orders=tuple(session.trading.orders.values()),
        halts=_halts(session),
        idle=None if session.trading.fills else idle(session.trading.engine, prices[1]),
        warnings=tape.warnings,
        scan_seconds=time.perf_counter() - began,
    )


def _halts(session: Session) -> tuple[Halt, ...]:
    """Those of the account's limits, and that of the first stop-loss, which nobody ends."""
    found = [] if session.limits is None else list(session.limits.halts)
    own = session.trading.engine.leader.halts.own
    return tuple(sorted([*found, *([] if own is None else [own])], key=lambda halt: halt.since))


class Scan:
    """Goes over a tape and stops where something matters to the session."""

    def __init__(self, tape: Tape, session: Session, deviation: Rate, told: Progress | None = None) -> None:
        self._tape = tape
        self._session = session
        self._deviation = deviation
        self._told = told
        self._next_told = 0.0
        self._behind = 0  # trades of the parts before
        self._check = self._unasked()
        self._asked = 0  # the trades before this one are known to it

    def all(self) -> None:
        """Go over the whole tape."""
        for number, part in enumerate(self._tape.parts):
            self._session.references.part = number
            self._part(part)
            self._behind += len(part.ids)

    def _part(self, part: Columns) -> None:
        doubtful = suspicious(part, self._deviation, self._session.rules.info.filters.tick_size)
        # While a price is suspected, the reference is older than the block before.
        doubtful[1:] |= doubtful[:-1].copy()
        edges = np.flatnonzero(np.diff(doubtful, prepend=False, append=False))
        index, length = 0, len(part.ids)
        for start, stop in (edges.reshape(-1, 2) * BLOCK).tolist():
            if stop > index:
                self._quiet(part, index, max(index, start))
                index = self._doubtful(part, max(index, start), min(stop, length))
        self._quiet(part, index, length)

    def _quiet(self, part: Columns, index: int, stop: int) -> None:
        """Go over a stretch in which every trade may be believed."""
        quick = 0
        session = self._session
        while index < stop:
            edge = self._edge(part, index, stop)
            if edge == index:
                continue
            if quick >= _ENOUGH:
                index, dense = self._dense(part, index, edge)
                quick = _ENOUGH if dense else 0
                continue
            bounds = session.bounds
            found = index if bounds is EVERY else first_outside(part, index, edge, *bounds)
            if found < edge:
                quick = quick + 1 if found - index < _DENSE else 0
                session.trade(part, found)
                found += 1
            index = found
            self._tell(index)

    def _dense(self, part: Columns, start: int, stop: int) -> tuple[int, bool]:
        """Step a list of trades; returns where to go on, and whether many of them mattered."""
        session = self._session
        prices = part.prices[start : min(start + _CHUNK, stop)].tolist()
        low, high = session.bounds
        mattered = 0
        for index, price in enumerate(prices, start):
            if low < price < high:
                continue
            mattered += 1
            session.trade(part, index)
            low, high = session.bounds
            if session.due is not None:
                return index + 1, True
        self._tell(start)
        return start + len(prices), mattered > _CHUNK // _DENSE

    def _doubtful(self, part: Columns, index: int, stop: int) -> int:
        """Ask about each trade of a stretch, and of more while one is suspected; returns where that ends."""
        session, length = self._session, len(part.ids)
        check = self._checked(part, index)
        while index < length and (index < stop or check.suspect is not None):
            if self._edge(part, index, length) == index:
                continue
            price = Price(int(part.prices[index]))
            believed = check.believes(price, int(part.times[index]))
            if not believed:
                session.references.doubted.setdefault(session.references.part, []).append(index)
            low, high = session.bounds
            if not low < price < high:
                session.trade(part, index, believed=believed)
            index += 1
        self._asked = self._behind + index
        self._tell(index)
        return index

    def _checked(self, part: Columns, index: int) -> PriceCheck:
        """The check as it is before the trade ``index``: all trades since the last one that it was asked about were
        believed, and of these it knows only those of the last two milliseconds.
        """
        number, behind = self._session.references.part, self._behind
        recent: list[tuple[Price, int]] = []
        moments: set[int] = set()
        while behind + index > self._asked:
            if not index:
                number -= 1
                part = self._tape.parts[number]
                index = len(part.ids)
                behind -= index
                continue
            index -= 1
            when = int(part.times[index])
            moments.add(when)
            if len(moments) > 2:
                self._check = self._unasked()
                break
            recent.append((Price(int(part.prices[index])), when))
        for price, when in reversed(recent):
            self._check.believes(price, when)
        return self._check

    def _unasked(self) -> PriceCheck:
        return PriceCheck(self._deviation, self._session.rules.info.filters.tick_size)

    def _edge(self, part: Columns, index: int, stop: int) -> int:
        """Where the stretch ends that begins at ``index``: there, if something came before that trade."""
        due = self._session.due
        if due is None:
            return stop
        if due > part.times[index]:
            return min(stop, int(np.searchsorted(part.times, due)))
        self._session.wait(part, index, due)
        return index

    def _tell(self, index: int) -> None:
        if self._told is not None and (now := time.monotonic()) >= self._next_told:
            self._next_told = now + _TOLD_EVERY
            self._told(self._behind + index)
