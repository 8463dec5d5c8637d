"""What the leader tells a trader of its symbol and of the account."""

from msgspec import Struct

from naived.core.amount import Money, Price, Quantity
from naived.core.market import Filters
from naived.core.risk import Halts
from naived.core.strategy.lots import Lots
from naived.core.strategy.settings import Status


class Funds(Struct, frozen=True):
    """What the account allows, where that may be less than the budget; None: it need not be looked at.

    ``quote`` is free and belongs to no other symbol, less what is ``reserved``; ``position`` is all that the
    account has or buys of the base. ``room`` is what the account's limit leaves, and ``limited`` says so.
    """

    quote: Money | None = None
    position: Quantity | None = None
    room: Money | None = None
    limited: str = ""
    reserved: Money = Money(0)


UNLIMITED = Funds()


class SymbolView(Struct, frozen=True):
    """What a trader may know of its symbol at one moment (``now`` in exchange ms).

    A sell may take ``lots`` along. The last five are for the decision to buy, and set only for a waiting trader and
    a trade: ``room`` is the money the budget leaves for one more buy, ``lowest_sell`` the lowest price of a live
    sell, ``surplus`` why nothing may be bought though a trader waits, ``guarded`` why not at this price.
    """

    now: int
    filters: Filters
    status: Status
    keep_buys: bool
    halts: Halts
    base: str
    quote: str
    lots: Lots
    closed: str | None = None
    room: Money = Money(0)
    lowest_sell: Price | None = None
    surplus: str | None = None
    guarded: str | None = None
    funds: Funds = UNLIMITED
