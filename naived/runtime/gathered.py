"""What is gathered from all symbols, kept until one of them changes.

A symbol asks for it at each trade that may start a buy, and there may be a thousand symbols.
"""

from collections.abc import Mapping

from naived.core.amount import Money, Quantity, value_up
from naived.core.orders.intent import Side
from naived.core.orders.state import State
from naived.core.risk import Exposure
from naived.runtime.symbol_task import Symbol, assets


class Gathered:
    """``symbols`` are those of the supervisor, and of other nodes what concerns their coins."""

    def __init__(self, symbols: Mapping[str, Symbol]) -> None:
        self._symbols = symbols
        self._owners: dict[str, list[Symbol]] = {}
        self._bids: dict[tuple[str, tuple[State, ...]], int] = {}
        self._tied: tuple[Mapping[str, Exposure], list[Exposure]] | None = None

    def recount(self) -> None:
        """A symbol came, went, learned its rules, ties up another amount, or an order of it changed."""
        self._owners.clear()
        self._bids.clear()
        self._tied = None

    def owners(self, asset: str) -> list[Symbol]:
        """The symbols whose base asset this is."""
        owners = self._owners.get(asset)
        if owners is None:
            owners = self._owners[asset] = [each for each in self._symbols.values() if _is_base(each, asset)]
        return owners

    def bid(self, quote: str, states: tuple[State, ...]) -> int:
        """The quote money of buys in these states."""
        bid = self._bids.get((quote, states))
        if bid is None:
            bid = self._bids[quote, states] = sum(
                value_up(order.intent.price, Quantity(order.quantity - order.executed))
                for symbol in self._symbols.values()
                if symbol.engine.leader.info.quote == quote
                for order in symbol.engine.orders.values()
                if order.intent.side is Side.BUY and order.state in states
            )
        return bid

    def exposures(self, stored: Mapping[str, Exposure]) -> list[Exposure]:
        """What is tied up of each quote asset there is; ``stored`` is asked for symbols that are not known here.

        Neither is one whose rows cannot be read.
        """
        if self._tied is None or self._tied[0] is not stored:
            money: dict[str, int] = {}
            known = {name: symbol for name, symbol in self._symbols.items() if symbol.unread is None}
            for symbol in known.values():
                _, quote = assets(symbol)
                money[quote] = money.get(quote, 0) + symbol.exposed.money
            for name, each in stored.items():
                if name not in known:
                    money[each.quote] = money.get(each.quote, 0) + each.money
            self._tied = stored, [Exposure(quote, Money(amount)) for quote, amount in money.items()]
        return self._tied[1]


def _is_base(symbol: Symbol, asset: str) -> bool:
    """Is this its base asset? Where nobody says what its quote asset is, its name decides: at worst a buy waits."""
    base = symbol.engine.leader.info.base or assets(symbol)[0]
    return base == asset if base else symbol.name.startswith(asset)
