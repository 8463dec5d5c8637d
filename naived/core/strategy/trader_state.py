"""What a trader is, what can happen to it, and what it asks for. ``trader.py`` steps it; everybody may read it."""

from enum import StrEnum
from typing import TypeAlias, assert_never

from msgspec import Struct

from naived.core.amount import Money, Price, Quantity
from naived.core.market import Trade
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Report
from naived.core.orders.state import Ended, Executed, Placed
from naived.core.price_guards import Peak
from naived.core.strategy.formulas import NO_COINS, NOTHING_SOLD, Bought, Coins, Sold, dust_cost
from naived.core.strategy.lots import NO_LOT, Lot, Lots
from naived.core.strategy.settings import DesiredState
from naived.core.strategy.sizing import Terms
from naived.core.strategy.standing import Standing
from naived.core.strategy.view import UNLIMITED, Funds

BY_HAND = "by hand"
AS_FEES = "as fees that other symbols paid"
PAID_BACK = "paid back coins that were owed"


# ms that no pause lasts: one with a later end was set before the exchange's clock went back.
LONGEST_PAUSE = 600_000


class Hold(StrEnum):
    """Why bought coins are not offered for sale right now."""

    STOPPED = "stopped"
    BY_HAND = "cancelled by hand"
    EXPIRED = "expired"
    BALANCE = "balance"
    FILTER = "filter"
    REFUSED = "refused"


class Waiting(Struct, frozen=True):
    """Waiting for a trade later than ``after`` (exchange ms) and, at first, with an id above ``behind``.

    ``reason``: why it did not buy on the last one. ``failures``: buys in a row that expired or were refused by a
    filter; they set the pause.
    """

    after: int = 0
    reason: str | None = None
    behind: int = 0
    failures: int = 0


class Buying(Struct, frozen=True):
    """``decided_on``: the price of the trade that the buy was decided on; 0 where an older journal has none."""

    intent: OrderIntent
    bought: Bought
    decided_on: Price
    accepted: bool = False  # the exchange has the order; only then is the rebuy measured from it
    cancelling: bool = False
    failures: int = 0


class Holding(Struct, frozen=True):
    """Coins without a live sell; offered again at ``retry_at`` (exchange ms) or, if None, when a person acts."""

    bought: Bought
    hold: Hold
    reason: str
    retry_at: int | None
    carried: Lot = NO_LOT
    sold: Sold = NOTHING_SOLD
    failures: int = 0  # of the sell, in a row; they set the back-off


class Selling(Struct, frozen=True):
    bought: Bought
    intent: OrderIntent
    carried: Lot = NO_LOT
    sold: Sold = NOTHING_SOLD
    failures: int = 0
    cancelling: bool = False


class Finished(Struct, frozen=True):
    """``profit`` is None for a trader that neither sold nor wrote off anything."""

    bought: Bought | None
    sold: Sold
    carried: Lot
    dust: Lot
    profit: Money | None
    reason: str | None = None


Phase: TypeAlias = Waiting | Buying | Holding | Selling | Finished


class Trader(Struct, frozen=True):
    """``buys`` and ``sells`` count the intents of each side; ``since``: when the phase began (exchange ms).

    ``origin``: the number of the trader whose rebuy started this one or one of its forerunners. ``rebuy_notified``:
    its rebuy was spent before origins were recorded; ``rebuy_spent``: it does not come back. ``stop``: the limit at
    which the stop-loss sells what it bought; None while it was not reached.
    """

    symbol: str
    number: int
    terms: Terms
    phase: Phase
    started_at: int
    since: int
    rebuy_notified: bool = False
    buys: int = 0
    sells: int = 0
    origin: int | None = None
    rebuy_spent: bool = False
    stop: Price | None = None

    @property
    def id(self) -> str:
        return f"{self.symbol}-{self.number}"

    @property
    def sells_lots(self) -> bool:
        """It sells lots of its symbol and never bought: it counts in no chunk and has no rebuy and no successor."""
        phase = self.phase
        return self.buys == 0 and not isinstance(phase, (Waiting, Buying)) and not _own(phase)


def _own(phase: Holding | Selling | Finished) -> bool:
    """Has it coins of a buy of its own, or one that was adopted?"""
    return phase.bought is not None and phase.bought.quantity > 0


def position(trader: Trader) -> Coins:
    """The coins a trader owns right now, and what they cost."""
    match trader.phase:
        case Buying(bought=bought):
            return Coins(bought.net, bought.cost)
        case Holding(bought, carried=carried, sold=sold) | Selling(bought, carried=carried, sold=sold):
            have = Quantity(bought.net + carried.quantity)
            rest = Quantity(have - sold.quantity - sold.base_fees)
            return Coins(rest, dust_cost(Money(bought.cost + carried.cost), rest, have))
        case Waiting() | Finished():
            return NO_COINS
        case _:
            assert_never(trader.phase)


def carries(trader: Trader) -> bool:
    """Does it sell lots along with its own coins?"""
    phase = trader.phase
    return isinstance(phase, (Holding, Selling)) and bool(phase.carried)


class Traded(Struct, frozen=True):
    """A public trade. ``peak``: the highest one of the fall guard's span; None without such a guard."""

    trade: Trade
    funds: Funds = UNLIMITED
    peak: Peak | None = None


class OrderNews(Struct, frozen=True):
    """What one step of an order means for its trader, in the order in which it happened."""

    intent: OrderIntent
    news: tuple[Placed | Executed | Ended, ...]


class Woke(Struct, frozen=True):
    """Time has passed; see ``Leader.wakes_at``."""


class Directed(Struct, frozen=True):
    """A person set settings and status; ``cancel``: the sides whose live orders a ``stop`` cancels."""

    desired: DesiredState
    cancel: frozenset[Side] = frozenset()


class Released(Struct, frozen=True):
    """A hold ends: ``adopt`` sells again, otherwise the coins of trader ``number`` are written off, and ``why``."""

    number: int
    adopt: bool
    why: str = BY_HAND


class Stopped(Struct, frozen=True):
    """The price fell to the stop-loss, or below ``limit`` since: sell at this limit what was bought."""

    limit: Price


class Counted(Struct, frozen=True):
    """How many coins are ``free`` on the account, for sells that were refused for balance."""

    free: Quantity


class Measured(Struct, frozen=True):
    """The price that the exchange measures sells by that a filter refused; None: it has none.

    ``last``: the symbol's last believed price, None before there was any.
    """

    reference: Price | None
    last: Price | None = None


class TooFew(Struct, frozen=True):
    """It has no coins any more, or too few to sell by rules that a failover lost; a sell of it was never sent."""


TraderEvent: TypeAlias = Traded | OrderNews | Woke | Directed | Released | Stopped | Counted | Measured | TooFew


class Place(Struct, frozen=True):
    """Make this intent durable, then send it. ``decided_at``: the time of the trade or fill behind it."""

    intent: OrderIntent
    decided_at: int


class Take(Struct, frozen=True):
    """An order that the journal lost is this intent; ``instead`` was decided in its place and never sent.

    ``problem``: it fits no decision, and why.
    """

    intent: OrderIntent
    report: Report
    instead: OrderIntent | None = None
    problem: str | None = None


class Cancel(Struct, frozen=True):
    """Cancel this order, as soon as the exchange has it."""

    intent: OrderIntent


class Carry(Struct, frozen=True):
    """Take these out of the symbol's lots: they are part of the sell now."""

    lots: Lots


class Leave(Struct, frozen=True):
    """Add this to the symbol's lots; a negative quantity is owed by them."""

    lot: Lot


class Note(Struct, frozen=True):
    """One line for a person."""

    kind: str
    message: str


class Reread(Struct, frozen=True):
    """Read the exchange's rules again: a filter refused an order, so they may have changed."""


class Count(Struct, frozen=True):
    """Ask for the account's free balance: a sell was refused for balance, and the next one needs it."""


class Measure(Struct, frozen=True):
    """Ask for the exchange's reference price: a filter refused a sell, maybe for its distance from that price."""


class Recall(Struct, frozen=True):
    """Ask for the prices of the fall guard's span: they are not known."""


class Fault(Struct, frozen=True):
    """Buy nothing until a person acts: the exchange would refuse it again."""

    reason: str


Command: TypeAlias = Place | Cancel | Carry | Leave | Standing | Note | Reread | Count | Measure | Recall | Fault
