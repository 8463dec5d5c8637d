"""The two worlds outside the runtime, as it sees them: an exchange and a journal; and their errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from naived.core.amount import Amount, Money, Price, Quantity
from naived.core.market import SymbolInfo
from naived.core.order import Answer, CancelAnswer, Fill, Report, Side
from naived.core.phase import Trader
from naived.core.placement import Placement
from naived.core.settings import Settings, Status
from naived.core.strategy import Fees, Leftover


class ExchangeError(Exception):
    """The exchange did not answer a question: ask again later. Never raised for an order or a cancel."""


class RefusedError(ExchangeError):
    """The exchange answered one question with an error, or with what cannot be read; others it may answer."""


class CredentialsError(ExchangeError):
    """The exchange refuses our key or signature: nothing but a person can mend it."""


class JournalError(Exception):
    """The journal cannot be used now (gone, full, locked). What was being committed may or may not be there."""


class ConflictError(JournalError):
    """A constraint refused this unit, alone: it contradicts what the journal already holds."""


class DeploymentError(JournalError):
    """The journal belongs to another exchange or account."""


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One attempt, exactly as it is durable: what is signed and sent is built from nothing else.

    ``timestamp`` and ``recv_window`` are milliseconds, the first on the exchange's clock.
    """

    symbol: str
    side: Side
    price: Price
    quantity: Quantity
    client_order_id: str
    stp_mode: str | None
    timestamp: int
    recv_window: int


@dataclass(frozen=True, slots=True)
class Balance:
    free: Amount
    locked: Amount


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """``uid`` names the account for as long as it exists; balances are by asset."""

    uid: str
    balances: Mapping[str, Balance]


class Sink(Protocol):
    """Where an exchange tells what it learned. Every call is synchronous, cheap and must not raise."""

    def trade(self, symbol: str, trade_id: int, price: Price, quantity: str, time: int) -> None:
        """One public trade; ``quantity`` is the exchange's own text."""

    def report(self, report: Report) -> None:
        """One execution report of the user data stream, ours or foreign."""

    def opened(self) -> None:
        """A session with its user data stream is up: reports flow, and those before it must be asked for."""

    def closed(self, reason: str) -> None:
        """The session is gone; every answer in flight is unknown."""


class Exchange(Protocol):
    async def run(self, sink: Sink) -> None:
        """Keep the session, the user data stream and the market streams up until cancelled."""

    @property
    def connected(self) -> bool:
        """Is there a session with a user data stream?"""
        ...

    def now(self) -> int:
        """The exchange's clock, never ahead of it; milliseconds. Before the first contact: the local clock."""
        ...

    def latest(self) -> int:
        """The latest the exchange's clock can be, as far as is known: ``now`` plus a round trip."""
        ...

    async def server_time(self) -> int:
        """The exchange's clock as just received from it; raises ExchangeError."""
        ...

    def admit(self, side: Side) -> int | None:
        """Take a slot of the order rate limit: the timestamp to sign with, or None while there is no slot."""
        ...

    async def admission(self, side: Side) -> None:
        """Wait until ``admit`` is worth another try; sells go before buys."""

    async def place(self, request: OrderRequest) -> Answer:
        """Sign and send once. Once bytes may have left, anything short of a definite answer is Unknown."""
        ...

    async def cancel(self, symbol: str, order_id: int, cancel_id: str) -> CancelAnswer:
        """Ask for one order's end by its id; the word of the exchange on the order still has to be asked for."""
        ...

    async def order(
        self, symbol: str, *, order_id: int | None = None, client_order_id: str | None = None
    ) -> Report | None:
        """One order, None if the exchange says that it does not exist; raises ExchangeError."""
        ...

    async def open_orders(self, symbol: str | None = None) -> Sequence[Report]:
        """Every order of the account that is open; raises ExchangeError."""
        ...

    async def orders_since(self, symbol: str, since: int) -> Sequence[Report]:
        """Orders of a symbol last changed at or after ``since`` (ms), at most a day; raises ExchangeError."""
        ...

    async def fills(self, symbol: str, *, order_id: int | None = None, since: int | None = None) -> Sequence[Fill]:
        """The fills of one order, or of a symbol since ``since`` (ms), oldest first; raises ExchangeError."""
        ...

    async def symbols(self, names: Sequence[str]) -> Mapping[str, SymbolInfo]:
        """Trading rules by name; a name that is not listed is missing; raises ExchangeError."""
        ...

    async def fees(self, symbol: str) -> Fees:
        """Commission rates of the account on a symbol; raises ExchangeError."""
        ...

    async def last_price(self, symbol: str) -> Price | None:
        """The price of the latest trade, None if there never was one; raises ExchangeError."""
        ...

    async def account(self) -> AccountInfo:
        """Who we are and what we have; raises ExchangeError."""
        ...

    async def watch(self, symbol: str) -> None:
        """Subscribe to a symbol's trades, also after every reconnect; returns when they flow."""

    async def unwatch(self, symbol: str) -> None:
        """End a subscription; unknown symbols are fine."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line for a person: what happened, to which symbol (None: the daemon), when (ms)."""

    at: int
    symbol: str | None
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Wish:
    """A symbol's row of settings. ``expected``: write only if the stored status is this one."""

    settings: Settings
    status: Status
    keep_buys: bool
    expected: Status | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """What must be committed together, for one symbol; ``None`` and empty mean unchanged.

    ``placements`` and ``traders`` are written whole, by key; ``fills`` are new and refused when already there.
    ``request`` is (request id, result as JSON text): the answer a repeated control request gets.
    """

    symbol: str
    wish: Wish | None = None
    next_trader: int | None = None
    leftover: Leftover | None = None
    traders: tuple[Trader, ...] = ()
    placements: tuple[Placement, ...] = ()
    fills: tuple[Fill, ...] = ()
    events: tuple[Event, ...] = ()
    request: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SymbolRecord:
    """All the journal knows of a symbol that matters now.

    ``traders`` are the living ones; ``placements`` are those of living traders that are their latest on each
    side, and every other one that has not ended or is still watched (a buy abandoned in the last 24 h).
    """

    symbol: str
    wish: Wish
    next_trader: int
    leftover: Leftover
    traders: tuple[Trader, ...]
    placements: tuple[Placement, ...]
    cycles: int
    profit: Money


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows a reader wants, oldest first: behind the row ``after``, not older than ``since`` (ms).

    ``limit`` alone gives the newest so many; with ``after`` the next so many.
    """

    symbols: tuple[str, ...] = ()
    after: int | None = None
    since: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class OrderRow:
    row: int
    placement: Placement


@dataclass(frozen=True, slots=True)
class CycleRow:
    """A finished trader that sold or wrote off something, with the fees of all its fills by asset."""

    row: int
    trader: Trader
    fees: Mapping[str, Amount]


@dataclass(frozen=True, slots=True)
class EventRow:
    row: int
    event: Event


class Journal(Protocol):
    @property
    def hanging(self) -> str | None:
        """Why nothing can become durable now: a commit has been under way for too long; None if none has."""
        ...

    async def commit(self, unit: Unit) -> None:
        """Make one unit durable, in the order of the calls; raises ConflictError or JournalError."""

    async def claim(self, exchange: str, account_uid: str) -> None:
        """Bind a new journal to its account, check an old one; raises DeploymentError or JournalError."""

    async def load(self, symbol: str | None = None) -> Sequence[SymbolRecord]:
        """Every symbol ever configured, or one; raises JournalError."""
        ...

    async def answered(self, request_id: str) -> str | None:
        """The stored result of a control request; raises JournalError."""
        ...

    async def knows(self, symbol: str, client_order_id: str) -> bool:
        """Is there such an order of ours, living or ended? Raises JournalError."""
        ...

    async def orders(self, page: Page) -> Sequence[OrderRow]: ...

    async def cycles(self, page: Page) -> Sequence[CycleRow]: ...

    async def events(self, page: Page) -> Sequence[EventRow]: ...
