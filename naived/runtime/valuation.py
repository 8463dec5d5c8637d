"""What the account's trading is worth now, at the last confirmed prices of open markets; ``value_watch.py`` asks.

1. A symbol counts what it realised, and what it holds at its last confirmed price.
2. A holder whose price was not seen since this process has it counts as it was last written, by the process or the
   node that had it: coins of now at a price of then could show a peak or a loss that never was. So does a symbol
   whose rows cannot be read, and what was written of it stays.
3. A loss that only prices in doubt show reaches no limit (``reached``); ``doubts`` says which ones these are. A
   symbol of another node, which counts as it was last written, is in doubt while no node follows its price.
4. A quote asset counts at its last price in the currency also while none is told. If there never was one, what was
   made in it is not counted, and ``doubts`` says so: no limit is passed over for that.
5. Coins that a sell offers count at most at its limit, but for a loss: that has to be there at the market too.
6. While it is not known what a symbol made, no loss counts, and ``awaited`` says of which one. What our symbols
   made is told all the same (``gains``): another node may wait for it while we wait for that node's.
"""

from collections.abc import Callable, Collection, Mapping
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from naived.core.amount import Money, Price
from naived.core.losses import STALE, begun, gained, least_gained, measured, reached, realised
from naived.core.risk import Exposure, Gain, Halt, Worth, total
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.summary import owned
from naived.runtime.fee_prices import FeePrices
from naived.runtime.funds import AccountFunds
from naived.runtime.quote_prices import QuotePrices
from naived.runtime.symbol_task import Symbol, assets


class Valuation:
    """``symbols`` are those of the supervisor; those of other nodes count as they were last written.

    ``unfollowed`` says why no node follows the price of such a symbol, None: its node does.
    """

    def __init__(
        self,
        symbols: Mapping[str, Symbol],
        funds: AccountFunds,
        prices: FeePrices,
        unfollowed: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self._symbols = symbols
        self._unfollowed = unfollowed
        self._funds = funds
        self._prices = prices
        self._quotes = QuotePrices(funds, prices)
        # By symbol, not by name: one that leaves this process and comes back was not seen.
        self._seen = WeakKeyDictionary[Symbol, Price]()
        self._known = WeakKeyDictionary[Symbol, tuple[Leader, Price | None, Money | None, Money | None]]()

    def worth(self, now: int) -> Worth | None:
        """At ``now`` (exchange ms); None while the value of a symbol is not known."""
        account, value = self._funds.account, self._value(least=True)
        if value is None:
            return None
        if account.worth is None or account.worth.currency != account.currency:
            return begun(value, now, account.currency, 0 if account.worth is None else account.worth.round + 1)
        return measured(account.worth, value, now)

    def reached(self, worth: Worth, now: int) -> Halt | None:
        """The halt of a limit that is reached without what only prices in doubt show; None if none is.

        If the price of one holder is certain, the last confirmed ones of the others count as well; if none is, only
        what was realised is certain. What was not seen yet shows no loss either way.
        """
        limits, made = self._funds.account.limits, self._value()
        worth = worth if made is None else replace(worth, value=made)
        if reached(limits, worth, now) is None:
            return None
        holders = list(filter(_holds, _read(self._symbols).values()))
        certain = any(self._doubt(symbol) is None for symbol in holders)
        value = self._value({symbol for symbol in holders if not certain or self._price(symbol) is None})
        halt = None if value is None else reached(limits, replace(worth, value=value), now)
        if halt is None or value == worth.value:
            return halt
        return replace(halt, reason=f"{halt.reason}; losses that only prices in doubt show are not counted")

    def mark(self, name: str) -> Price | None:
        """The last confirmed price of a symbol, also of one that is not traded now; None if there was none."""
        symbol, written = self._symbols.get(name), self._funds.account.gains.get(name)
        seen = None if symbol is None else self._price(symbol)
        return written.price if seen is None and written is not None else seen

    def gains(self) -> dict[str, Gain]:
        """Of our symbols, and of their quote assets, those that are not as they were last written."""
        found, quotes, account = dict[str, Gain](), set[str](), self._funds.account
        for symbol in _read(self._symbols).values():
            money, before = self._gain(symbol), account.gains.get(symbol.name)
            if money is not None and (money or symbol.exposed.money or before is not None):
                gain = Gain(assets(symbol)[1], money, self.mark(symbol.name))
                quotes.add(gain.quote)
                if gain != before:
                    found[symbol.name] = gain
        return {**found, **self._quotes.unwritten(quotes)}

    def awaited(self) -> dict[str, str]:
        """Why it is not known what a symbol made, by symbol; while there is any, ``worth`` is None."""
        found = dict[str, str]()
        for name, made in self._made().items():
            if made is None:
                symbol, why = self._symbols.get(name), "the node that has it has not told that yet"
                found[name] = why if symbol is None else symbol.unread or "no price of it was told yet"
            elif self._quotes.price(made.quote) is None and self._quotes.is_awaited(made.quote):
                found[name] = f"the price of {made.quote} is not told yet"
        return {name: f"what it made is not known, and so no loss counts: {why}" for name, why in found.items()}

    def doubts(self) -> dict[str, str]:
        """Why the price of what a symbol holds or made neither trips nor releases a limit now, by symbol."""
        ours = _read(self._symbols)
        holders = filter(_holds, ours.values())
        found = {symbol.name: why for symbol in holders if (why := self._doubt(symbol)) is not None}
        for name, exposure in self._funds.account.exposures.items():
            if name not in ours and exposure.money:
                unread = self._symbols.get(name)
                why = self._unfollowed(name) if unread is None else unread.unread
                if why is not None:
                    found[name] = why
        quotes = {each.quote for each in self._funds.gathered.exposures(self._funds.account.exposures)} - {""}
        if any(self._quotes.doubt(quote) is not None for quote in quotes):
            for name, made in self._made().items():
                if made is not None and (why := self._quotes.doubt(made.quote)) is not None:
                    found.setdefault(name, why)
        return found

    def _value(self, doubtful: Collection[Symbol] = (), *, least: bool = False) -> Money | None:
        """Of all symbols in the currency; None if it is not known. ``doubtful`` ones have no unrealised loss."""
        parts, prices = list[Exposure](), dict[str, Price]()
        for made in self._made(doubtful, least=least).values():
            if made is None:
                return None
            price = self._quotes.price(made.quote)
            if price is not None:
                prices[made.quote] = price
                parts.append(made)
            elif self._quotes.is_awaited(made.quote):
                return None
        return total(parts, self._funds.account.currency, prices)

    def _made(self, doubtful: Collection[Symbol] = (), *, least: bool = False) -> dict[str, Exposure | None]:
        """What symbols made that made anything, see ``_value``; None where it is not known."""
        account, found, ours = self._funds.account, dict[str, Exposure | None](), _read(self._symbols)
        for name in account.exposures:
            if name not in ours:
                gain = account.gains.get(name)
                if gain is None or gain.money:
                    found[name] = None if gain is None else Exposure(gain.quote, gain.money)
        for name, symbol in ours.items():
            money = self._gain(symbol, least=least)
            if money is not None and symbol in doubtful:
                money = max(money, realised(symbol.engine.leader))
            if money is None or money:
                found[name] = None if money is None else Exposure(assets(symbol)[1], money)
        return found

    def _gain(self, symbol: Symbol, *, least: bool = False) -> Money | None:
        """In its quote asset; counted again only if something of it changed.

        One that was never seen nor written counts at the price that the exchange told.
        """
        leader, price, account = symbol.engine.leader, self._price(symbol), self._funds.account
        if _holds(symbol):
            if not symbol.tended and account.limits.of_losses:
                self._prices.follow_pair(symbol.name)
            if price is None and symbol.name in account.gains:
                return account.gains[symbol.name].money
            price = symbol.gate.price if price is None else price
        known = self._known.get(symbol)
        if known is None or known[0] is not leader or known[1] != price:
            known = self._known[symbol] = (leader, price, gained(leader, price), least_gained(leader, price))
        return known[3] if least else known[2]

    def _price(self, symbol: Symbol) -> Price | None:
        """The last confirmed one of its open market since this process has the symbol."""
        gate = symbol.gate
        if gate.price is not None and gate.time is not None and _is_open(symbol):
            self._seen[symbol] = gate.price
        return self._seen.get(symbol)

    def _doubt(self, symbol: Symbol) -> str | None:
        gate, now = symbol.gate, symbol.context.exchange.now()
        if not _is_open(symbol):
            return f"its market is closed ({symbol.engine.leader.info.status})"
        if gate.check.suspect is not None:
            return "its last price is not confirmed"
        if gate.time is None:
            return "no trade of it was seen yet"
        if now - gate.time > STALE:
            return "no trade of it for more than a minute"
        return self._quotes.doubt(assets(symbol)[1])


def _read(symbols: Mapping[str, Symbol]) -> Mapping[str, Symbol]:
    """Those of which this process knows what they hold and made."""
    return {name: symbol for name, symbol in symbols.items() if symbol.unread is None}


def _holds(symbol: Symbol) -> bool:
    leader = symbol.engine.leader
    return bool(leader.traders or leader.lots or leader.owed) and bool(owned(leader))


def _is_open(symbol: Symbol) -> bool:
    """Is its market? So it is taken to be while its rules are not read, or not read again: trades show it."""
    return not symbol.engine.informed or not symbol.tended or symbol.engine.leader.info.trading
