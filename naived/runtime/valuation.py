"""What the account's trading is worth now, at the last confirmed prices of open markets; ``value_watch.py`` asks.

A price that is old, suspected or of a closed market leaves the value as it was, so it neither trips nor releases a
limit: ``doubts`` says which ones these are.
"""

from collections.abc import Mapping

from naived.core.amount import Money, Price
from naived.core.losses import STALE, begun, gained, measured
from naived.core.risk import Exposure, Gain, UnvaluedError, Worth, total
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.summary import owned
from naived.runtime.fee_prices import FeePrices
from naived.runtime.funds import AccountFunds
from naived.runtime.symbol_task import Symbol


class Valuation:
    """``symbols`` are those of the supervisor; those of other nodes count as they were last written.

    A mark is the last confirmed price of a symbol. It is durable, for one that is not traded after a restart.
    """

    def __init__(self, symbols: Mapping[str, Symbol], funds: AccountFunds, prices: FeePrices) -> None:
        self._symbols = symbols
        self._funds = funds
        self._prices = prices
        self._marks = {name: gain.price for name, gain in funds.account.gains.items() if gain.price is not None}
        self._known: dict[str, tuple[Leader, Price | None, Money | None]] = {}

    def worth(self, now: int) -> Worth | None:
        """At ``now`` (exchange ms); None while the value of a symbol is not known."""
        account = self._funds.account
        try:
            value = self._value()
        except UnvaluedError:
            return None
        if value is None:
            return None
        if account.worth is None or account.worth.currency != account.currency:
            return begun(value, now, account.currency, 0 if account.worth is None else account.worth.round + 1)
        return measured(account.worth, value, now)

    def mark(self, name: str) -> Price | None:
        """The last confirmed price of a symbol, also of one that is not traded now; None if there was none."""
        return self._marks.get(name)

    def gains(self) -> dict[str, Gain]:
        """Of our symbols, those that are not as they were last written."""
        found = {}
        for symbol in self._symbols.values():
            money = self._gain(symbol)
            gain = None if money is None else Gain(_quote(symbol), money, self._marks.get(symbol.name))
            before = self._funds.account.gains.get(symbol.name)
            if gain is not None and gain != before and (gain.money or symbol.exposed.money or before is not None):
                found[symbol.name] = gain
        return found

    @property
    def trusted(self) -> bool:
        """May a loss be acted on? Not one that only prices show which are in doubt."""
        holders = self._holders()
        return not holders or any(_doubt(symbol) is None for symbol in holders)

    def doubts(self) -> dict[str, str]:
        """Why the price of a symbol that holds coins neither trips nor releases a limit now, by symbol."""
        return {symbol.name: why for symbol in self._holders() if (why := _doubt(symbol)) is not None}

    def _holders(self) -> list[Symbol]:
        return [symbol for symbol in self._symbols.values() if _holds(symbol)]

    def _value(self) -> Money | None:
        """Of all symbols in the currency; None if it is not known. Raises UnvaluedError."""
        account, parts = self._funds.account, []
        for name in account.exposures:
            if name not in self._symbols:
                if name not in account.gains:
                    return None
                parts.append(Exposure(account.gains[name].quote, account.gains[name].money))
        for symbol in self._symbols.values():
            gain = self._gain(symbol)
            if gain is None:
                return None
            if gain:
                parts.append(Exposure(_quote(symbol), gain))
        return total(parts, account.currency, self._funds.quote_prices())

    def _gain(self, symbol: Symbol) -> Money | None:
        """In its quote asset; counted again only if something of it changed."""
        leader, price = symbol.engine.leader, self._mark(symbol)
        known = self._known.get(symbol.name)
        if known is None or known[0] is not leader or known[1] != price:
            known = self._known[symbol.name] = (leader, price, gained(leader, price))
        return known[2]

    def _mark(self, symbol: Symbol) -> Price | None:
        """Before the first confirmed price of all it is what the exchange told."""
        gate, name = symbol.gate, symbol.name
        if not symbol.tended and self._funds.account.limits.of_losses and _holds(symbol):
            self._prices.follow_pair(name)
        known = self._funds.account.gains.get(name)
        if name not in self._marks and known is not None and known.price is not None:
            self._marks[name] = known.price  # by the node that had it
        if gate.price is not None and (name not in self._marks or (gate.time is not None and _is_open(symbol))):
            self._marks[name] = gate.price
        return self._marks.get(name)


def _quote(symbol: Symbol) -> str:
    return symbol.exposed.quote or symbol.engine.leader.info.quote


def _holds(symbol: Symbol) -> bool:
    leader = symbol.engine.leader
    return bool(leader.traders or leader.lots) and bool(owned(leader).quantity)


def _doubt(symbol: Symbol) -> str | None:
    gate, now = symbol.gate, symbol.context.exchange.now()
    if not _is_open(symbol):
        return f"its market is closed ({symbol.engine.leader.info.status})"
    if gate.check.suspect is not None:
        return "its last price is not confirmed"
    if gate.time is None:
        return "no trade of it was seen since naived started"
    return "no trade of it for more than a minute" if now - gate.time > STALE else None


def _is_open(symbol: Symbol) -> bool:
    """Is its market? So it is taken to be while its rules are not read, as when it is off: trades show it."""
    return not symbol.engine.informed or symbol.engine.leader.info.trading
