"""Reads the account: rules and fees of symbols, and balances. Supervisor, reconciler and orders call it.

The exchange gives fees for one symbol per request, at a third of a percent of a minute's request weight: 300
symbols that start together would use all of it. So most of them start with the account's fees, or with those that
their traders store if they are higher, and each symbol's own are read later, at most one symbol a second. Any other
question that many symbols have at the same time is sent once for all of them.
"""

import itertools
import math
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import NamedTuple, assert_never
from weakref import WeakKeyDictionary

import structlog
import trio

from naived.core.amount import Amount, Price, Quantity, parse_rate
from naived.core.engine import Question
from naived.core.market import SymbolInfo
from naived.core.orders.state import STALE
from naived.core.sells import resting, unbooked
from naived.core.strategy.formulas import Fees
from naived.core.strategy.leader_events import Informed, Recalled
from naived.core.strategy.trader_state import Counted, Measured, position
from naived.ports import AccountInfo, Balance, Exchange, ExchangeError, RefusedError, UnreadableError
from naived.runtime.actual_state import is_quiet
from naived.runtime.batcher import Batcher
from naived.runtime.fee_losses import FeeLosses, owners
from naived.runtime.fee_prices import FeePrices
from naived.runtime.funds import AccountFunds
from naived.runtime.symbol_task import Symbol, UnlistedError

_TICK = 10  # seconds
_HOUR, _MINUTE = 360, 6  # ticks
_FEE_PAUSE = 1.0  # seconds between two requests for fees, so that weight is left for orders and cancels
_FEE_BURST = 10  # symbols whose fees are read at once, before the rest waits: a thirtieth of a minute's weight
_FEE_RETRY, _FEE_REFUSED = 60.0, 3_600.0  # longest pauses in seconds: without an answer; if it is refused
_FEE_TIMEOUT = 2.0  # seconds that a start waits for a symbol's own fees
_FEE_FRESH = 4_200.0  # seconds in which a symbol's own fees are taken for those of now; they are read every hour
_LEAST_FEE = parse_rate("0.001")  # what the exchange takes of an account without any discount
_LAG = 10_000  # ms by which an answer may lag behind what happened
_SAME_COIN = 3_600_000  # ms in which a name that is listed again means what it meant
_NOTHING = Balance(Amount(0), Amount(0))

log = structlog.get_logger()


class AccountView:
    """``symbols`` are those of the supervisor and those of other nodes, which ``elsewhere`` reads anew.

    Raises ExchangeError as the exchange does.
    """

    def __init__(
        self,
        exchange: Exchange,
        symbols: Mapping[str, Symbol],
        funds: AccountFunds,
        prices: FeePrices,
        losses: FeeLosses,
        elsewhere: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint,
    ) -> None:
        self._exchange = exchange
        self._symbols = symbols
        self._funds = funds
        self._prices = prices
        self.losses = losses
        self._elsewhere = elsewhere
        self._missed_at: dict[str, int] = {}  # ms of the first answer without the symbol; 0: we never saw it listed
        self._rules = Batcher(exchange.symbols)
        self._last_prices = Batcher(exchange.last_prices)
        self._balances = Batcher[Symbol, AccountInfo](lambda _: self.account())
        self._fees = FeeReader(exchange, self._balances.ask)

    async def run(self) -> None:
        """Run until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._fees.run)
            closed: dict[str, int] = {}  # ticks since a market was found closed, 0 for an open one
            for tick in itertools.count(1):
                await trio.sleep(_TICK)
                for symbol in self._symbols.values():
                    leader = symbol.engine.leader
                    closed[symbol.name] = 0 if leader.info.trading else closed.get(symbol.name, 0) + 1
                    if leader.active and _is_due(tick, closed[symbol.name]):
                        nursery.start_soon(self.answer, symbol, Question.RULES)
                    elif is_quiet(symbol) and tick % _MINUTE == 0:
                        nursery.start_soon(_look_at_market, self, symbol, self._rules)

    async def inform(self, symbol: Symbol) -> None:
        """Read a symbol's rules and fees; raises UnlistedError if it is not listed."""
        await self._inform(symbol, await self._rules.ask(symbol.name))

    async def inform_all(self, symbols: Sequence[Symbol]) -> dict[str, str]:
        """The same for many. Returns why it failed, by symbol; raises ExchangeError if nothing could be read."""
        rules = dict(await self._exchange.symbols([symbol.name for symbol in symbols if symbol.listed]))
        for symbol in symbols:
            if not symbol.listed:  # among others its name would cost many questions
                try:
                    rules |= await self._exchange.symbols([symbol.name])
                except ExchangeError as error:
                    rules[symbol.name] = RefusedError(str(error))
        refusals: dict[str, str] = {}
        for symbol in symbols:
            try:
                await self._inform(symbol, rules)
            except (UnlistedError, RefusedError) as error:
                refusals[symbol.name] = str(error)
        return refusals

    async def _inform(self, symbol: Symbol, rules: Mapping[str, SymbolInfo | RefusedError]) -> None:
        info = rules.get(symbol.name)
        if isinstance(info, RefusedError):
            raise info
        unlisted = f"the exchange does not list {symbol.name} (any more)"
        if info is None:
            if symbol.listed:
                self._missed_at[symbol.name] = self._exchange.now() if symbol.engine.informed else 0
            symbol.listed = False
            raise UnlistedError(unlisted)
        symbol.listed = True
        if symbol.fault == unlisted:
            symbol.fault = _doubt(symbol.name, self._exchange.now() - self._missed_at[symbol.name])
            symbol.news.notify()
        fees = await self._fees.of(symbol)
        if fees.asset is not None and fees.asset != info.base:
            await self._prices.until_told(fees.asset, info.quote)
        symbol.offer(Informed(info, fees))

    async def last_price(self, symbol: Symbol) -> Price | None:
        """The price of the symbol's latest public trade, None if there was none."""
        return (await self._last_prices.ask(symbol.name)).get(symbol.name)

    async def account(self) -> AccountInfo:
        """Read the account's balances and fees; raises ExchangeError."""
        asked = self._exchange.now()
        account = await self._exchange.account()
        self._funds.balances.learn(account.balances, max(account.changed_at, asked - _LAG), all_assets=True)
        return account

    async def read_funds(self) -> None:
        """Read the balances if any symbol's buys depend on them; raises ExchangeError."""
        if self._funds.wanted:
            await self.account()

    async def answer(self, symbol: Symbol, question: Question) -> None:
        """Offer the answer to the symbol. Not retried: the symbol asks again if it matters."""
        with symbol.contained():
            try:
                match question:
                    case Question.RULES:
                        await self.inform(symbol)
                    case Question.COINS:
                        held, there = await self.coins(symbol)
                        await self.losses.booked(symbol, Quantity(held - there))
                        symbol.offer(Counted(Quantity((await self._balance(symbol)).free)))
                    case Question.REFERENCE:
                        await measure(symbol, self._exchange)
                    case Question.HIGHS:
                        await recall(symbol, self._exchange)
                    case _:
                        assert_never(question)
            except ExchangeError as error:
                log.warning("not answered", symbol=symbol.name, question=question.name, error=str(error))

    async def coins(
        self, symbol: Symbol, *, to_sell: bool = False, unread: Collection[str] = ()
    ) -> tuple[Quantity, Quantity]:
        """Base coins that the traders hold, and that the account has (free and locked).

        ``to_sell``: of the locked ones, only those in the traders' own sells. A person's order may lock the others.
        ``unread`` are the names of symbols whose orders could not be read. What lacks to sell is the same without
        them: coins that left with such a sell are neither held nor locked.
        """
        balance = await self._balance(symbol)
        await self._elsewhere()
        if to_sell:
            locked = sum(resting(other.engine, trader) for other, trader in owners(self._symbols, symbol))
            return self.held(symbol), Quantity(balance.free + locked)
        deaf = [other.name for other in self._symbols.values() if _is_deaf(other)]
        return self.held(symbol, {*unread, *deaf}), Quantity(balance.free + balance.locked)

    async def _balance(self, symbol: Symbol) -> Balance:
        """The account's balance of a symbol's base asset; raises ExchangeError."""
        account, asset = await self._balances.ask(symbol), symbol.engine.leader.info.base
        if asset not in account.balances and account.unreadable is not None:
            raise RefusedError(f"the balance of {asset} is not known: {account.unreadable}")
        return account.balances.get(asset, _NOTHING)

    def held(self, symbol: Symbol, unread: Collection[str] = ()) -> Quantity:
        """What the traders of all symbols with the same base asset own of it, without what may be sold already."""
        held = 0
        for other, trader in owners(self._symbols, symbol):
            held += position(trader).quantity - unbooked(other.engine, trader, unread=other.name in unread)
        return Quantity(held)


class _Due(NamedTuple):
    """Fees to read from ``at`` on (trio's time); after a failure in ``pause`` seconds again."""

    symbol: Symbol
    at: float
    pause: float = _FEE_PAUSE


class FeeReader:
    """``of`` returns the fees to reckon with now; ``run`` reads a symbol's own, at most one symbol a second.

    A symbol's own fees are read at once while few symbols ask (``_FEE_BURST``). Else, or if the exchange does not
    tell them, those of the account are used until then, but not less than ``_LEAST_FEE``, nor than what was known
    before: fees may have changed since, and coins are not sold below what they cost now. What the exchange refuses
    is asked for ever more rarely: that costs as much weight as an answer.
    """

    def __init__(self, exchange: Exchange, account: Callable[[Symbol], Awaitable[AccountInfo]]) -> None:
        self._exchange = exchange
        self._account = account
        self._due: dict[str, _Due] = {}
        self._own = WeakKeyDictionary[Symbol, tuple[Fees, float]]()  # and trio's time at which they were read
        self._wanted = trio.Event()
        self._asked: deque[float] = deque(maxlen=_FEE_BURST)  # trio's time of the latest requests

    async def of(self, symbol: Symbol) -> Fees:
        """The fees of a symbol: fresh ones, or its own, or the account's; raises ExchangeError."""
        own, read_at = self._own.get(symbol, (None, -math.inf))
        age = trio.current_time() - read_at
        if own is not None and age < _FEE_PAUSE:
            return own
        leader = symbol.engine.leader
        # Of a symbol that begins to trade all that waited is sold by them at once.
        if (age >= _FEE_FRESH or not leader.active) and self._may_ask(symbol):
            try:
                with trio.move_on_after(_FEE_TIMEOUT):
                    return await self._ask(symbol)
            except UnreadableError:
                raise  # with fees that cannot be, such as 100 %, nothing is bought
            except ExchangeError as error:
                log.warning("fees not read", symbol=symbol.name, error=str(error))
        if symbol.name not in self._due or self._due[symbol.name].symbol is not symbol:
            self._due[symbol.name] = _Due(symbol, trio.current_time())
            self._wanted.set()
        if own is not None and age < _FEE_FRESH:
            return own
        known = leader.fees if symbol.engine.informed else leader.traders[-1].terms.fees if leader.traders else None
        usual = at_least((await self._account(symbol)).fees)
        return usual if known is None else Fees(max(known.buy, usual.buy), max(known.sell, usual.sell), known.asset)

    def _may_ask(self, symbol: Symbol) -> bool:
        """Were there fewer requests than one a second lately, and was none for it refused?"""
        if symbol.name in self._due or self._ripe is not None:
            return False
        return len(self._asked) < _FEE_BURST or self._asked[0] + _FEE_BURST * _FEE_PAUSE <= trio.current_time()

    async def _ask(self, symbol: Symbol) -> Fees:
        self._asked.append(trio.current_time())
        fees = await self._exchange.fees(symbol.name)
        self._own[symbol] = fees, trio.current_time()
        return fees

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            if self._ripe is None:
                self._wanted = trio.Event()
                with trio.move_on_at(min((due.at for due in self._due.values()), default=math.inf)):
                    await self._wanted.wait()
            else:
                await trio.sleep(_FEE_PAUSE)
                if (name := self._ripe) is not None:
                    await self._read(self._due.pop(name))

    @property
    def _ripe(self) -> str | None:
        """The symbol whose fees are to be read next, None if there is none now."""
        now = trio.current_time()
        return next((name for name, due in self._due.items() if due.at <= now), None)

    async def _read(self, due: _Due) -> None:
        symbol = due.symbol
        if symbol.gone or symbol.desired.forgotten:
            return
        with symbol.contained():
            try:
                fees = await self._ask(symbol)
                symbol.offer(Informed(symbol.engine.leader.info, fees))  # newer rules may have come meanwhile
            except ExchangeError as error:
                log.warning("fees not read", symbol=symbol.name, error=str(error))
                longest = _FEE_REFUSED if isinstance(error, RefusedError) else _FEE_RETRY
                again = _Due(symbol, trio.current_time() + due.pause, min(2 * due.pause, longest))
                self._due.setdefault(symbol.name, again)


def _doubt(name: str, gap: int) -> str | None:
    """Why a symbol that is listed again, after so many ms, stays stopped until a person acts; None if it need not.

    After a while another coin may have its name, as LUNA had 18 days after the first one was delisted.
    """
    if gap <= _SAME_COIN:
        return None
    return f"the exchange did not list {name} for a while, and lists it again"


async def _look_at_market(
    view: AccountView, symbol: Symbol, rules: Batcher[str, Mapping[str, SymbolInfo | RefusedError]]
) -> None:
    """Notice that the market of a quiet symbol is closed, or gone.

    One request tells that of many symbols; the fees, which cost one each, are read only then.
    """
    try:
        info = (await rules.ask(symbol.name)).get(symbol.name)
    except ExchangeError as error:
        log.warning("not looked whether its market is open", symbol=symbol.name, error=str(error))
        return
    if not isinstance(info, SymbolInfo) or not info.trading:
        await view.answer(symbol, Question.RULES)


def _is_due(tick: int, closed: int) -> bool:
    """Are rules and fees read again at this tick, in a market that has been ``closed`` for so many (0: it is open)?

    Once an hour, once a minute in a closed market, and at each tick of its first minute, as a halt may be short.
    """
    return 0 < closed < _MINUTE or tick % (_MINUTE if closed else _HOUR) == 0


def _is_deaf(symbol: Symbol) -> bool:
    """Does it take in nothing of what we read of its orders? It failed, or another node reads them."""
    return symbol.gone or symbol.failed is not None


async def recall(symbol: Symbol, exchange: Exchange) -> None:
    """Let the price gate learn what its fall guard needs; raises ExchangeError.

    It asks for a little more than the span, so that it is known for trades too that are still on their way.
    """
    recent = symbol.gate.recent
    if recent is None or recent.asked == recent.lost:  # the answer is on its way
        return
    recent.asked = lost = recent.lost
    needed, asked = recent.span + STALE, exchange.now()
    try:
        candles = await exchange.candles(symbol.name, needed)
    finally:
        if recent.asked == lost:
            recent.asked = None
    if recent is symbol.gate.recent and lost == recent.lost:  # else it was asked again
        recent.learn(candles, asked - needed, exchange.now(), symbol.gate.check.near)
        symbol.offer(Recalled())


async def measure(symbol: Symbol, exchange: Exchange) -> None:
    """Offer the exchange's reference price, None if it does not tell it: the sell is tried again in any case.

    Raises ExchangeError without an exchange.
    """
    try:
        reference = await exchange.reference_price(symbol.name)
    except RefusedError as error:
        log.warning("reference price not known", symbol=symbol.name, error=str(error))
        reference = None
    symbol.offer(Measured(reference, symbol.gate.price))


def at_least(fees: Fees | None) -> Fees:
    """The account's fees as they are used for a symbol whose own are not known."""
    if fees is None:
        return Fees(_LEAST_FEE, _LEAST_FEE)
    return Fees(max(fees.buy, _LEAST_FEE), max(fees.sell, _LEAST_FEE))
