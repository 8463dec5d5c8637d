"""The parts of the daemon that the control methods use, and the daemon's own state."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import trio

from naived.control import messages
from naived.control.answers import Identity
from naived.control.bulletin import Bulletin
from naived.control.call import Call
from naived.control.events import EventLog
from naived.control.node_messages import ElsewhereError
from naived.control.pulse import Pulse
from naived.control.statuses import Statuses
from naived.control.streams import Snapshots
from naived.core.amount import Money
from naived.core.strategy.settings import Settings
from naived.nodes import Mailbox, idle
from naived.ports import Exchange, Journal, JournalError
from naived.runtime.account import AccountKeeper
from naived.runtime.account_view import AccountView
from naived.runtime.funds import AccountFunds
from naived.runtime.keeper import Keeper
from naived.runtime.listing import Listing
from naived.runtime.reconciler import Reconciler
from naived.runtime.session import Session
from naived.runtime.supervisor import Supervisor
from naived.runtime.symbol_task import Symbol
from naived.runtime.value_watch import ValueWatch


@dataclass(eq=False)
class Service:
    """One running daemon, as its control methods see it. ``app.py`` makes it.

    ``default_budget`` is for a symbol that never had a budget, None where money is real. The daemon measures
    ``pulse``. The methods share ``statuses``, ``snapshots`` and ``turns`` (locks of requests that are being
    performed, by their key). Where nodes share the database there are ``keeper``, ``mailbox`` and ``bulletin``;
    ``numbers`` are those of requests to other nodes.
    """

    identity: Identity
    supervisor: Supervisor
    account: AccountKeeper
    value: ValueWatch
    funds: AccountFunds
    session: Session
    view: AccountView
    reconciler: Reconciler
    listing: Listing
    journal: Journal
    exchange: Exchange
    default_budget: Money | None
    events: EventLog
    keeper: Keeper | None = None
    mailbox: Mailbox | None = None
    bulletin: Bulletin | None = None
    numbers: Iterator[int] = field(default_factory=itertools.count)
    suspending: bool = False
    statuses: Statuses = field(default_factory=Statuses)
    snapshots: Snapshots = field(default_factory=Snapshots)
    pulse: Pulse = field(default_factory=Pulse)
    turns: WeakValueDictionary[str, trio.Lock] = field(default_factory=WeakValueDictionary)
    _began: float = field(default_factory=trio.current_time)

    @property
    def state(self) -> str:
        """The state of the daemon, in the word of ``status``."""
        return self._state_and_reason[0]

    @property
    def reason(self) -> str | None:
        """Why the daemon is in its state; of a daemon that is ready, what a person should know all the same."""
        return self._state_and_reason[1]

    @property
    def uptime(self) -> int:
        """Seconds since the methods could be called first."""
        return int(trio.current_time() - self._began)

    @property
    def exchange_state(self) -> str:
        """``up``, ``limited`` (it answers and takes no order now) or ``down``."""
        if self.session.away is not None or not self.session.ready.is_set():
            return "down"
        return "up" if self.exchange.remarks.limited is None else "limited"

    @property
    def away(self) -> str | None:
        """Why nothing becomes durable now: a change waits, or the leases of this node cannot be renewed."""
        return self.journal.hanging or (None if self.keeper is None else self.keeper.away)

    @property
    def drained(self) -> str | None:
        """One of the nodes that live, if all of them are drained, so that nobody trades."""
        return None if self.keeper is None else idle(self.keeper.view.nodes.values())

    @property
    def _state_and_reason(self) -> tuple[str, str | None]:
        if self.suspending:
            return "suspending", "naived is asked to end: statuses stay, orders rest"
        if self.session.away is not None:
            return "degraded", f"the exchange is away: {self.session.away}"
        unread = self.away or self.session.unread or self.funds.doubt
        if unread is not None:
            return "degraded", unread
        for symbol in self.supervisor.symbols.values():
            if isinstance(symbol.failed, JournalError):
                return "degraded", str(symbol.failed)
        if not self.session.ready.is_set():
            return "starting", "the first answers of the exchange are awaited"
        remarks = self.exchange.remarks
        return "ready", remarks.limited or remarks.clock or remarks.refused or self._doubtful_prices

    @property
    def _doubtful_prices(self) -> str | None:
        """Why a limit of losses may not see what is lost."""
        doubts = self.value.doubts() if self.funds.account.limits.of_losses else {}
        if not doubts:
            return None
        name, why = next(iter(sorted(doubts.items())))
        others = f", and {len(doubts) - 1} more" if len(doubts) > 1 else ""
        return f"{name}{others} neither trips nor releases a limit now: {why}"

    async def configure(self, call: Call) -> Symbol:
        """The symbol, taken for this node first where nodes share the database.

        Raises ElsewhereError, and ControlError if that is not known.
        """
        if self.keeper is None:
            return self.supervisor.configure(call.name)
        try:
            with trio.fail_at(call.until_stored):
                symbol = await self.keeper.own(call.name)
        except JournalError as error:
            raise messages.away(call.name, error) from error
        except trio.TooSlowError as error:
            raise messages.away(call.name) from error
        if symbol is None:
            raise ElsewhereError(call.name)
        return symbol

    @property
    def defaults(self) -> Settings:
        """The settings of a symbol that was never configured."""
        return Settings(budget=self.default_budget)

    def settings(self, name: str) -> Settings:
        """A symbol's settings, also of one that was never configured."""
        symbol = self.supervisor.symbols.get(name)
        return self.defaults if symbol is None else symbol.desired.settings
