"""The interfaces that the runtime uses for an exchange and a journal, and their errors."""

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from typing import Protocol, TypeVar

from msgspec import Struct

from naived.core.amount import Amount, Money, Price, Quantity
from naived.core.market import SymbolInfo
from naived.core.orders.client_id import Foreign
from naived.core.orders.intent import Side
from naived.core.orders.report import Answer, CancelAnswer, Fill, Report
from naived.core.orders.state import OrderState
from naived.core.recent_high import Candle
from naived.core.risk import Account, Exposure, Gain, Halt, OverLimit, Worth
from naived.core.strategy.formulas import Coins, Fees
from naived.core.strategy.leader_events import Halted
from naived.core.strategy.lots import Lots
from naived.core.strategy.settings import DesiredState, Status
from naived.core.strategy.trader_state import Trader


class ExchangeError(Exception):
    """The exchange did not answer a query: ask again later. Never raised for an order or a cancel."""


class RefusedError(ExchangeError):
    """The exchange answered one query with an error or unreadable data; it may still answer others."""


class UnreadableError(RefusedError):
    """The exchange answered, and what it answered cannot be or cannot be read."""


class CredentialsError(ExchangeError):
    """The exchange refuses our key or signature: a person must correct it."""


class JournalError(Exception):
    """The journal cannot be used now (gone, full, locked). A commit that raises it may or may not be written."""


class CorruptError(JournalError):
    """A row holds what this version cannot read, until a person corrects it."""


class UnwrittenError(JournalError):
    """The same, and it is certain that the commit is not written, and never will be."""


class ConflictError(UnwrittenError):
    """This unit was refused, alone: it contradicts the journal, or cannot be held. The text names no symbol."""


class DeploymentError(JournalError):
    """The journal belongs to another exchange or account."""


class OrderRequest(Struct, frozen=True):
    """One attempt, exactly as committed: the signed frame is built only from this.

    ``timestamp`` and ``recv_window`` are ms, the first on the exchange's clock. ``ioc``: see ``OrderIntent``.
    """

    symbol: str
    side: Side
    price: Price
    quantity: Quantity
    client_order_id: str
    stp_mode: str | None
    timestamp: int
    recv_window: int
    ioc: bool = False


class Balance(Struct, frozen=True):
    free: Amount
    locked: Amount


class AccountInfo(Struct, frozen=True):
    """``uid`` is the permanent id of the account; balances are by asset.

    ``unreadable``: why the balance of an asset that is missing is not known; None: it is 0. ``fees`` are its rates
    on a symbol that has none of its own. ``changed_at``: when a balance changed last (exchange ms). What the
    exchange does not say legibly is None, or 0.
    """

    uid: str
    balances: Mapping[str, Balance]
    unreadable: str | None = None
    fees: Fees | None = None
    can_trade: bool | None = None
    can_withdraw: bool | None = None
    changed_at: int = 0


class Sink(Protocol):
    """What an exchange adapter calls with its news. Every call is synchronous and fast and must not raise."""

    def trade(self, symbol: str, trade_id: int, price: Price, quantity: str, time: int) -> None:
        """One public trade; ``quantity`` is the exchange's own text."""

    def lost(self, symbol: str, why: str | None) -> None:
        """Public trades may have been missed: there is no subscription, and ``why``; None: one has begun."""

    def report(self, report: Report) -> None:
        """One execution report of the user data stream, ours or foreign."""

    def balances(self, balances: Mapping[str, Balance], time: int) -> None:
        """What the account has of these assets since ``time`` (exchange ms)."""

    def opened(self) -> None:
        """A session with its user data stream is open: reports arrive from now on; earlier ones must be queried."""

    def closed(self, reason: str) -> None:
        """The session ended; every answer in flight is Unknown."""


class Remarks(Struct, frozen=True):
    """``limited``: why the exchange takes no order now although it answers, ``buys_limited``: no buy; else None.

    ``refused``: what of the exchange's frames could not be believed lately; None if nothing. ``weight``: how much
    of the request weight is used in the present interval, and how much may be. ``clock``: how wrong our own is.
    """

    limited: str | None = None
    refused: str | None = None
    weight: tuple[int, int] = (0, 0)
    clock: str | None = None
    buys_limited: str | None = None


class Session(Protocol):
    """The connections to the exchange."""

    async def run(self, sink: Sink) -> None:
        """Keep the session, the user data stream and the market streams open until cancelled."""

    def renew(self, reason: str, symbol: str | None = None) -> None:
        """Replace the connection of the session, or that of the symbol's trades, by a new one, without a gap."""

    @property
    def connected(self) -> bool:
        """Is there a session with a user data stream?"""

    @property
    def remarks(self) -> Remarks:
        """What a person should know of the connections although they are up."""


class Clock(Protocol):
    def now(self) -> int:
        """An estimate of the exchange's clock (ms) that is never ahead of it; the local clock at first."""

    def latest(self) -> int:
        """The latest the exchange's clock can be, in ms: ``now`` plus a round trip."""

    async def server_time(self) -> int:
        """The exchange's clock (ms), received by this call; raises ExchangeError."""


class OrderGateway(Protocol):
    """Places and cancels orders. It never raises: Unknown is one of its answers."""

    sharers: int  # nodes that divide the account's limit of orders

    def admit(self, side: Side) -> int | None:
        """Take a slot of the order rate limit; returns the timestamp (ms) to sign with, None without a slot."""

    async def admission(self, side: Side) -> bool:
        """Wait for a session, then until ``admit`` may succeed: False if not within seconds. Sells go first."""

    async def place(self, request: OrderRequest) -> Answer:
        """Sign and send once. As soon as bytes may have been sent, any result but a clear answer is Unknown."""

    async def cancel(self, symbol: str, order_id: int, cancel_id: str, wanted: Callable[[], bool]) -> CancelAnswer:
        """Cancel one order by its id, if ``wanted`` when it is signed; its final state must still be queried."""


class Queries(Protocol):
    """Queries to the exchange."""

    async def order(
        self, symbol: str, *, order_id: int | None = None, client_order_id: str | None = None
    ) -> Report | None:
        """One order, None if the exchange answers that it does not exist; raises ExchangeError."""

    async def open_orders(self, symbol: str | None = None) -> Sequence[Report]:
        """All open orders of the account, or of one symbol; raises ExchangeError."""

    async def orders_since(self, symbol: str, since: int) -> Sequence[Report]:
        """Orders of a symbol last changed at or after ``since`` (ms), at most a day; raises ExchangeError."""

    async def earlier_ids(self, symbol: str, order_id: int) -> Sequence[str]:
        """The client order ids that amendments took from an order, oldest first; raises ExchangeError."""

    async def fills(self, symbol: str, *, order_id: int | None = None, since: int | None = None) -> Sequence[Fill]:
        """The fills of one order, or of a symbol since ``since`` (ms), oldest first; raises ExchangeError."""

    async def symbols(self, names: Sequence[str]) -> Mapping[str, SymbolInfo | RefusedError]:
        """Rules by name, or why they cannot be read; one that is not listed is missing. Raises ExchangeError."""

    async def fees(self, symbol: str) -> Fees:
        """Commission rates of the account on a symbol; raises ExchangeError."""

    async def last_prices(self, names: Sequence[str]) -> Mapping[str, Price]:
        """The price of the latest public trade by name, without those that have none; raises ExchangeError."""

    async def reference_price(self, symbol: str) -> Price | None:
        """What PERCENT_PRICE_BY_SIDE compares with now, None without any price; raises ExchangeError."""

    async def candles(self, symbol: str, span: int) -> Sequence[Candle]:
        """The candles of at least the last ``span`` ms, fewer if it was not traded then; raises ExchangeError."""

    async def account(self) -> AccountInfo:
        """Our account and its balances; raises ExchangeError."""

    @property
    def bulk_open_orders_from(self) -> int:
        """The least number of symbols for which one query of all open orders costs less than one per symbol."""


class MarketData(Protocol):
    """Public trades."""

    async def watch(self, symbol: str) -> None:
        """Subscribe to a symbol's trades, also after every reconnect; returns when the subscription is active."""

    async def unwatch(self, symbol: str) -> None:
        """End a subscription; does nothing if there is none."""


class Exchange(Session, Clock, OrderGateway, Queries, MarketData, Protocol):
    """One account of one exchange."""


class Event(Struct, frozen=True):
    """One line for a person: what happened, to which symbol (None: the daemon), when (ms)."""

    at: int
    symbol: str | None
    kind: str
    message: str


class Unit(Struct, frozen=True):
    """What must be committed together, for one symbol (empty: for none); ``None`` and empty mean unchanged.

    ``halt`` is of the symbol, in a unit for none of the whole account, as ``worth`` is; ``gains`` are by symbol.
    ``limits``, by name, and ``prices``, of quote assets, are in ``currency``: with prices new buys are counted
    against a limit. ``epoch`` is that of the symbol's lease. ``closed_at`` 0: the market is open.

    ``expected``: ConflictError unless the stored status is this one. ``orders`` and ``traders`` replace the rows
    with the same key; ``fills`` must be new. ``request``: (id, JSON) of the answer to a repeated request.
    ``foreign``: see ``Account``; None: those orders have ended.
    """

    symbol: str
    desired: DesiredState | None = None
    expected: Status | None = None
    next_trader: int | None = None
    lots: Lots | None = None
    owed: Coins | None = None
    closed_at: int | None = None
    traders: tuple[Trader, ...] = ()
    orders: tuple[OrderState, ...] = ()
    fills: tuple[Fill, ...] = ()
    events: tuple[Event, ...] = ()
    request: tuple[str, str] | None = None
    halt: Halted | None = None
    limits: Mapping[str, Money | None] = {}
    exposure: Exposure | None = None
    prices: Mapping[str, Price] | None = None
    epoch: int = 0
    currency: str = "USDT"
    worth: Worth | None = None
    gains: Mapping[str, Gain] = {}
    foreign: Mapping[tuple[str, str], Foreign | None] = {}


class SymbolRecord(Struct, frozen=True):
    """The rows of a symbol that matter now.

    ``traders`` are the living ones; ``orders`` are the latest of each living trader on each side, and all others
    that have not ended or are still watched (a buy abandoned in the last 24 h). ``day_profit`` is the part of
    ``profit`` that came on ``day``, in days of UTC since 1970.
    """

    symbol: str
    desired: DesiredState
    next_trader: int
    lots: Lots
    owed: Coins
    traders: tuple[Trader, ...]
    orders: tuple[OrderState, ...]
    cycles: int
    profit: Money
    day: int = 0
    day_profit: Money = Money(0)
    halt: Halt | None = None
    exposure: Exposure = Exposure()
    closed_at: int = 0


class Page(Struct, frozen=True):
    """Which rows to read, oldest first: those after the row ``after``, not older than ``since`` (ms).

    ``limit`` alone selects the newest rows; with ``after`` it selects the next ones. Of the selected rows the
    oldest ``most`` are returned.
    """

    symbols: tuple[str, ...] = ()
    after: int | None = None
    since: int | None = None
    limit: int | None = None
    most: int | None = None


class OrderRow(Struct, frozen=True):
    row: int
    order: OrderState  # without its fills


class CycleRow(Struct, frozen=True):
    """A finished trader that sold or wrote off something, with the fees of all its fills by asset.

    ``..._fees_valued`` is None for a cycle that was booked before fees in a third asset were valued.
    """

    row: int
    symbol: str
    number: int
    bought: Quantity
    cost: Money
    sold: Quantity
    received: Money
    profit: Money
    buy_fees_valued: Money | None
    sell_fees_valued: Money | None
    started_at: int
    finished_at: int
    fees: Mapping[str, Amount]


class OrderStory(Struct, frozen=True):
    """An order with its fills, and the events that name it, oldest first."""

    order: OrderState
    events: tuple[Event, ...]


class EventRow(Struct, frozen=True):
    row: int
    event: Event


Row = TypeVar("Row", OrderRow, CycleRow, EventRow)


class Journal(Protocol):
    @property
    def hanging(self) -> str | None:
        """Why nothing becomes durable now: commits take too long or are all refused; None if they are not."""

    @property
    def committed_at(self) -> float | None:
        """When a unit became durable last (trio's time); None before the first."""

    async def commit(self, unit: Unit) -> OverLimit | None:
        """Make one unit durable, in the order of the calls, less buys that are forbidden; raises JournalError."""

    async def claim(self, exchange: str, account_uid: str) -> None:
        """Bind a new journal to its account, or check an old one; raises DeploymentError or JournalError."""

    async def load(self, symbol: str | None = None) -> Sequence[SymbolRecord]:
        """All symbols ever configured, or one; raises JournalError."""

    async def account(self, *, foreign_only: bool = False) -> Account:
        """What concerns no symbol alone, or ``foreign`` alone, which no other row spoils; raises JournalError."""

    async def answered(self, request_id: str) -> str | None:
        """The stored result of a control request, None if there is none; raises JournalError."""

    async def known(self, orders: Collection[tuple[str, str]]) -> Set[tuple[str, str]]:
        """Those of these (symbol, client order id) that are ours, living or ended; raises JournalError."""

    async def fees_paid(self, asset: str, symbols: Sequence[str], since: int) -> Amount:
        """Fees that symbols but these paid in it since (ms), less what was written off; raises JournalError."""

    async def stories(self, symbol: str, beginning: str) -> Sequence[OrderStory]:
        """At most two orders whose client order id is this, or begins so behind the tag; raises JournalError."""

    async def orders(self, page: Page) -> Sequence[OrderRow]:
        """Orders, living or ended; raises JournalError."""

    async def rows(
        self, kind: type[Row], page: Page, encode: Callable[[Row], bytes]
    ) -> Sequence[tuple[int, bytes]]:
        """The number of each row of a page, and its result of ``encode``, run in a thread; raises JournalError."""
