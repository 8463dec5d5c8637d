"""What the account has, as far as it decides on buys: coins have one owner, and MAX_POSITION counts all of them.

The coins that one symbol's traders hold (BTC of BTCUSDT) are not money that another symbol (ETHBTC) may spend,
whether the first one is on, off or stopped. Symbols ask at every trade that may start a buy; the balances come from
the user data stream and from queries of the account.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from naived.core.amount import SCALE, Amount, Money, Price, Quantity
from naived.core.orders.intent import Side
from naived.core.orders.state import State
from naived.core.risk import Account, Limits, UnvaluedError, converted, too_exposed, total
from naived.core.strategy.trader_state import position
from naived.core.strategy.view import UNLIMITED, Funds
from naived.ports import Balance
from naived.runtime.balances import Balances
from naived.runtime.fee_prices import FeePrices
from naived.runtime.gathered import Gathered
from naived.runtime.symbol_task import Symbol

_NOTHING = Balance(Amount(0), Amount(0))
_AT_THE_EXCHANGE = (State.OPEN, State.PARTIALLY_FILLED)
_NOT_THERE_YET = (State.NOT_PLACED, State.INTENDED, State.UNKNOWN)


class AccountFunds:
    """``symbols`` are those of the supervisor, and of other nodes those that concern coins of ours.

    ``coming`` are coins of an asset that symbols of other nodes may have bought since they were read. ``account``
    is what is durable of the whole account, or halted while that is in doubt: ``doubt`` says why.
    """

    def __init__(
        self,
        symbols: Mapping[str, Symbol],
        prices: FeePrices,
        coming: Callable[[str], int] = lambda _: 0,
    ) -> None:
        self.balances = Balances()
        self._symbols = symbols
        self._prices = prices
        self._coming = coming
        self.account = Account()
        self.doubt: str | None = None
        self.counting = False  # limits are being written, or another node may write them
        self.gathered = Gathered(symbols)

    @property
    def wanted(self) -> bool:
        """Does any symbol's buy depend on the balances?"""
        if self.account.limits.reserve:
            return True
        return any(self._holders(each, _quote(each)) or _limited(each) for each in self._symbols.values())

    def of(self, symbol: Symbol) -> Funds:
        """What a buy of the symbol may take now."""
        funds = self.with_quote(_quote(symbol), symbol)
        if not _limited(symbol):
            return funds
        base = self.balances.of(symbol.engine.leader.info.base) or _NOTHING
        return replace(funds, position=Quantity(base.free + base.locked + _being_bought(symbol)))

    def with_quote(self, asset: str, symbol: Symbol | None) -> Funds:
        """The same of this quote ``asset``, for a symbol that may not be known, or its rules not read yet.

        Nothing may be spent of what a symbol may hold whose rows cannot be read, nor while the account is in doubt.
        """
        holders, limits = self._holders(symbol, asset), self.account.limits
        reserved = (limits.reserve or Money(0)) if asset == self.account.currency else Money(0)
        coming = self._coming(asset) if asset else 0
        unknown = next((_unknown(each, asset) for each in holders if each.unread is not None), self.doubt)
        if unknown is not None:
            return Funds(Money(0), None, Money(-1), unknown, reserved)
        if not holders and not coming and not reserved and not limits.valued:
            return UNLIMITED
        quote = None
        if holders or coming or reserved:
            quote = Money(self._spendable(asset, holders) - coming - reserved)
        room, why = self._room(asset, limits)
        return Funds(quote, None, room, why, reserved)

    @property
    def exposure(self) -> Money:
        """What is tied up of the account, in its currency; raises UnvaluedError."""
        return total(self.gathered.exposures(self.account.exposures), self.account.currency, self.quote_prices())

    def quote_prices(self) -> Mapping[str, Price]:
        """What one of each quote asset is worth in the account's currency, where that is known."""
        currency, found = self.account.currency, {}
        for each in self.gathered.exposures(self.account.exposures):
            if each.quote not in ("", currency) and (price := self._prices.price(each.quote, currency)) is not None:
                found[each.quote] = price
        return found

    def limited_prices(self) -> Mapping[str, Price] | None:
        """The same; None while the account's exposure is not limited."""
        limited = self.counting or self.doubt is not None or self.account.limits.max_exposure is not None
        return self.quote_prices() if limited else None

    def _room(self, quote: str, limits: Limits) -> tuple[Money | None, str]:
        """What the limits of the account leave for a buy in this quote asset, in it, and that in words."""
        if not limits.valued:
            return None, ""
        currency = self.account.currency
        try:
            price = converted(Money(SCALE), quote, currency, self.quote_prices())
            now = Money(0) if limits.max_exposure is None else self.exposure
        except UnvaluedError as error:
            return Money(-1), f"the account is limited, and {error}"
        if limits.max_exposure is None:
            return None, ""
        return Money((limits.max_exposure - now) * SCALE // price), too_exposed(now, limits.max_exposure, currency)

    def _holders(self, symbol: Symbol | None, quote: str) -> list[Symbol]:
        """The symbols that hold coins of this one's ``quote`` asset, or may before a buy of this one has arrived.

        A buy that nobody can pay for when it is decided may come late, and take what another has bought since.
        """
        if not quote:
            return []
        return [other for other in self.gathered.owners(quote) if other is not symbol]

    def _spendable(self, asset: str, holders: Sequence[Symbol]) -> Money:
        """What of an asset is free and not the holders'.

        A balance and the reports of orders do not arrive together. A buy that rests, as far as we know, may have
        brought its coins already, and a sell may have given its own back: neither makes them anybody else's.
        What was executed is not bid, or not held, any more: it left the account, also if no balance shows it yet.
        """
        balance = self.balances.of(asset) or _NOTHING
        held = sum(map(_held, holders))
        free = balance.free - (held - sum(map(_offered, holders)))
        whole = balance.free + balance.locked - self.balances.unseen(asset)
        rest = whole - held - self.gathered.bid(asset, _AT_THE_EXCHANGE)
        coming = sum(map(_being_bought, holders))
        return Money(min(free, rest) - coming - self.gathered.bid(asset, _NOT_THERE_YET))


def _unknown(holder: Symbol, asset: str) -> str:
    """In words: why nothing may be spent of what this one may hold."""
    return f"what {holder.name} holds of {asset} is not known: {holder.unread}"


def _quote(symbol: Symbol) -> str:
    return symbol.engine.leader.info.quote


def holds(symbol: Symbol) -> bool:
    """Has it coins, or will it have them?"""
    return bool(symbol.engine.leader.traders or symbol.engine.leader.lots)


def _limited(symbol: Symbol) -> bool:
    return bool(symbol.engine.leader.info.filters.max_position) and symbol.engine.informed


def _held(symbol: Symbol) -> int:
    leader = symbol.engine.leader
    return sum(position(trader).quantity for trader in leader.traders) + sum(lot.quantity for lot in leader.lots)


def _offered(symbol: Symbol) -> int:
    """Coins that sells of the symbol have locked at the exchange."""
    return sum(
        order.quantity - order.executed
        for order in symbol.engine.orders.values()
        if order.intent.side is Side.SELL and order.state in _AT_THE_EXCHANGE
    )


def _being_bought(symbol: Symbol) -> int:
    return sum(
        order.quantity - order.executed
        for order in symbol.engine.orders.values()
        if order.intent.side is Side.BUY and order.state in (*_NOT_THERE_YET, *_AT_THE_EXCHANGE)
    )
