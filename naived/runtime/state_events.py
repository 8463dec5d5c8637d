"""Writes an event for each change of state: of the exchange, this machine's clock, the database, each symbol.

It looks once a second, so a change and its return within a second are not told. Nor is it told after a start that
a symbol does what was asked: a restart that finds everything as it was writes nothing. While the exchange, its
public trades or the database are away, that is the one event, and not one more for each symbol. ``app.py`` runs it.
"""

from collections import deque
from collections.abc import Callable, Container, Mapping

import structlog
import trio

from naived.ports import ConflictError, Event, Exchange, Journal, JournalError, Unit
from naived.runtime.actual_state import ActualState, actual_state, state_of
from naived.runtime.session import Session
from naived.runtime.symbol_task import Symbol

_EVERY = 1.0  # seconds between two looks
_MOST = 1_000  # events that wait for the database; older ones are dropped

_AS_ASKED = (ActualState.OFF, ActualState.TRADING, ActualState.DRAINING)

log = structlog.get_logger()


class StateEvents:
    """``away`` tells why nothing becomes durable, ``publish`` passes a durable event to those that follow."""

    def __init__(
        self,
        exchange: Exchange,
        journal: Journal,
        session: Session,
        symbols: Mapping[str, Symbol],
        away: Callable[[], str | None],
        publish: Callable[[Event], None],
    ) -> None:
        self._exchange = exchange
        self._journal = journal
        self._session = session
        self._symbols = symbols
        self._away = away
        self._publish = publish
        self._waiting: deque[Event] = deque(maxlen=_MOST)
        self._states: dict[str, ActualState] = {}
        self._exchange_said: str | None = None
        self._database_said: str | None = None
        self._clock_said: str | None = None
        self._cut: set[str] = set()  # symbols whose trades do not come, which one event told of
        self._refused: str | None = None  # why the events that wait were not written

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._look()
            if self._waiting:
                await self._write()
            await trio.sleep(_EVERY)

    def _look(self) -> None:
        away = self._session.away
        exchange = f"away: {away}" if away is not None else self._exchange.remarks.limited
        if exchange != self._exchange_said:
            self._add(None, "exchange", exchange or "answers again, and takes orders")
            self._exchange_said = exchange
        if self._session.silent is not None:
            self._add(None, "exchange", self._session.silent)
            self._session.silent = None
        clock = self._exchange.remarks.clock
        if (clock is None) != (self._clock_said is None):
            self._add(None, "clock", clock or "this machine's clock is right again")
            self._clock_said = clock
        database = self._away() or self._session.unread
        if database != self._database_said:
            self._add(None, "database", database or "answers again")
            self._database_said = database
        if away is not None or database is not None or not self._session.ready.is_set():
            return
        cut = self._look_at_streams()
        for name, symbol in self._symbols.items():
            if name in cut:
                continue
            state = state_of(symbol)
            before = self._states.get(name)
            if state not in (before, ActualState.STARTING):
                self._states[name] = state
                if before is not None or state not in _AS_ASKED:
                    _, reason = actual_state(symbol)
                    self._add(name, "state", f"{state}" if reason is None else f"{state}: {reason}")
                    if state is ActualState.FAULTED:
                        log.error("faulted", symbol=name, reason=reason)

    def _look_at_streams(self) -> Container[str]:
        """Tell that the trades of several symbols do not come, or come again; returns these symbols."""
        gates = {name: symbol.gate for name, symbol in self._symbols.items() if symbol.gate.unheard is not None}
        cut = [name for name, gate in gates.items() if gate.cut is not None or name in self._cut]
        if self._cut and not cut:
            self._add(None, "exchange", "public trades come again")
        elif len(cut) > 1 and not self._cut:
            self._add(None, "exchange", f"public trades of {len(cut)} symbols do not come: {gates[cut[0]].cut}")
        elif not self._cut:
            return ()
        self._cut = set(cut)
        return self._cut

    def _add(self, symbol: str | None, kind: str, message: str) -> None:
        self._waiting.append(Event(self._exchange.now(), symbol, kind, message))

    async def _write(self) -> None:
        events = tuple(self._waiting)
        try:
            await self._journal.commit(Unit("", events=events))
        except ConflictError as error:
            log.error("events not written", events=len(events), error=str(error))
            self._waiting.clear()
            return
        except JournalError as error:
            if str(error) != self._refused:
                log.warning("events wait for the database", events=len(events), error=str(error))
            self._refused = str(error)
            return
        self._refused = None
        self._waiting.clear()
        for event in events:
            self._publish(event)
