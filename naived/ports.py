"""The two worlds outside the runtime, as it sees them: an exchange and a journal; and their errors."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from msgspec import Struct

from naived.core.amount import Amount, Money, Price, Quantity
from naived.core.market import SymbolInfo
from naived.core.orders.intent import Side
from naived.core.orders.report import Answer, CancelAnswer, Fill, Report
from naived.core.orders.state import OrderState
from naived.core.strategy.formulas import Fees, Leftover
from naived.core.strategy.settings import DesiredState, Status
from naived.core.strategy.trader import Trader


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


class OrderRequest(Struct, frozen=True):
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


class Balance(Struct, frozen=True):
    free: Amount
    locked: Amount


class AccountInfo(Struct, frozen=True):
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


class Session(Protocol):
    """The connections to the exchange."""

    async def run(self, sink: Sink) -> None:
        """Keep the session, the user data stream and the market streams up until cancelled."""

    @property
    def connected(self) -> bool:
        """Is there a session with a user data stream?"""
        ...


class Clock(Protocol):
    """The exchange's clock, as far as it is known."""

    def now(self) -> int:
        """The exchange's clock, never ahead of it; milliseconds. Before the first contact: the local clock."""
        ...

    def latest(self) -> int:
        """The latest the exchange's clock can be, as far as is known: ``now`` plus a round trip."""
        ...


class OrderGateway(Protocol):
    """What changes orders. It never raises: that something is not known is an answer, too."""

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


class Queries(Protocol):
    """Questions to the exchange."""

    async def server_time(self) -> int:
        """The exchange's clock as just received from it; raises ExchangeError."""
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

    @property
    def bulk_open_orders_from(self) -> int:
        """The least number of symbols for which one question for all open orders costs less than one for each."""
        ...


class MarketData(Protocol):
    """Public trades."""

    async def watch(self, symbol: str) -> None:
        """Subscribe to a symbol's trades, also after every reconnect; returns when they flow."""

    async def unwatch(self, symbol: str) -> None:
        """End a subscription; unknown symbols are fine."""


class Exchange(Session, Clock, OrderGateway, Queries, MarketData, Protocol):
    """One account of one exchange."""


class Event(Struct, frozen=True):
    """One line for a person: what happened, to which symbol (None: the daemon), when (ms)."""

    at: int
    symbol: str | None
    kind: str
    message: str


class Unit(Struct, frozen=True):
    """What must be committed together, for one symbol; ``None`` and empty mean unchanged.

    ``expected``: write what is desired only if the stored status is this one.
    ``orders`` and ``traders`` are written whole, by key; ``fills`` are new and refused when already there.
    ``request`` is (request id, result as JSON text): the answer a repeated control request gets.
    """

    symbol: str
    desired: DesiredState | None = None
    expected: Status | None = None
    next_trader: int | None = None
    leftover: Leftover | None = None
    traders: tuple[Trader, ...] = ()
    orders: tuple[OrderState, ...] = ()
    fills: tuple[Fill, ...] = ()
    events: tuple[Event, ...] = ()
    request: tuple[str, str] | None = None


class SymbolRecord(Struct, frozen=True):
    """All the journal knows of a symbol that matters now.

    ``traders`` are the living ones; ``orders`` are those of living traders that are their latest on each
    side, and every other one that has not ended or is still watched (a buy abandoned in the last 24 h).
    """

    symbol: str
    desired: DesiredState
    next_trader: int
    leftover: Leftover
    traders: tuple[Trader, ...]
    orders: tuple[OrderState, ...]
    cycles: int
    profit: Money


class Page(Struct, frozen=True):
    """Which rows a reader wants, oldest first: behind the row ``after``, not older than ``since`` (ms).

    ``limit`` alone gives the newest so many; with ``after`` the next so many. Of these there are at most ``most``,
    the oldest.
    """

    symbols: tuple[str, ...] = ()
    after: int | None = None
    since: int | None = None
    limit: int | None = None
    most: int | None = None


class OrderRow(Struct, frozen=True):
    """An order without its fills."""

    row: int
    order: OrderState


class CycleRow(Struct, frozen=True):
    """A finished trader that sold or wrote off something, with the fees of all its fills by asset."""

    row: int
    symbol: str
    number: int
    bought: Quantity
    cost: Money
    sold: Quantity
    received: Money
    profit: Money
    started_at: int
    finished_at: int
    fees: Mapping[str, Amount]


class EventRow(Struct, frozen=True):
    row: int
    event: Event


Row = TypeVar("Row", OrderRow, CycleRow, EventRow)


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

    async def orders(self, page: Page) -> Sequence[OrderRow]:
        """Orders, living or ended; raises JournalError."""
        ...

    async def rows(
        self, kind: type[Row], page: Page, encode: Callable[[Row], bytes]
    ) -> Sequence[tuple[int, bytes]]:
        """The number of each row of a page, and what ``encode`` makes of it, off the loop; raises JournalError."""
        ...
