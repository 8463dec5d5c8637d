"""A symbol and its traders: their money, their band, what the symbol is told and asks for. ``leading`` moves it."""

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from naived.core.amount import Money, Price, Quantity, money_down, value_up
from naived.core.market import SymbolInfo, Trade
from naived.core.order import Fill, Intent, Side
from naived.core.phase import (
    Buying,
    Finished,
    Holding,
    Selling,
    Terms,
    Trader,
    Waiting,
)
from naived.core.placement import Ended, Executed, Placed
from naived.core.scene import (
    Cancel,
    Count,
    Counted,
    Fault,
    Note,
    Place,
    Reread,
)
from naived.core.settings import Settings, Status
from naived.core.strategy import NO_LEFTOVER, Fees, Leftover, rebuy_below, reprice_above

_NEVER = 1 << 62  # above every price

Band: TypeAlias = tuple[int, int]
EVERY: Band = (_NEVER, -1)  # no price lies inside: every trade matters
NONE: Band = (-1, _NEVER)  # every price lies inside: no trade matters


@dataclass(frozen=True, slots=True)
class Leader:
    """One symbol. ``traders`` are the living ones, oldest first; ``barred`` says why nothing may be bought now."""

    info: SymbolInfo
    fees: Fees
    settings: Settings
    status: Status = Status.OFF
    keep_buys: bool = False
    traders: tuple[Trader, ...] = ()
    next_number: int = 1
    leftover: Leftover = NO_LEFTOVER
    barred: str | None = None
    cycles: int = 0
    profit: Money = Money(0)

    @property
    def committed(self) -> Money:
        """What the living traders have spent or may still spend, each waiting one with its whole share."""
        return Money(sum(commitment(trader) for trader in self.traders))

    @property
    def wakes_at(self) -> int | None:
        """When (exchange ms) ``Awoke`` would change something."""
        times = [
            trader.phase.retry_at
            for trader in self.traders
            if isinstance(trader.phase, Holding) and trader.phase.retry_at is not None
        ]
        return min(times, default=None)

    @property
    def band(self) -> Band:
        """The open interval (low, high) of prices at which a trade changes nothing."""
        if self.status is not Status.ON or self.barred is not None:
            return NONE
        room = has_room(self)
        if (not self.traders and room) or any(isinstance(trader.phase, Waiting) for trader in self.traders):
            return EVERY
        low, high = NONE
        for trader in self.traders:
            limit = rebuy_limit(trader)
            if room and limit is not None:
                low = max(low, rebuy_below(limit, trader.terms.rebuy) - 1)
            match trader.phase:
                case Buying(intent, _, True, False) if trader.terms.reprice:
                    high = min(high, reprice_above(intent.price, trader.terms.reprice) + 1)
        return low, high


def commitment(trader: Trader) -> int:
    match trader.phase:
        case Waiting():
            return money_down(trader.terms.budget, trader.terms.chunks)
        case Buying(intent, bought):
            return bought.cost + value_up(intent.price, Quantity(intent.quantity - bought.quantity))
        case Holding(bought) | Selling(bought):
            return bought.cost
        case Finished():
            return 0
        case _:
            assert_never(trader.phase)


def rebuy_limit(trader: Trader) -> Price | None:
    """The buy's limit that this trader's rebuy is measured from; None if it has none, or used it up."""
    if trader.rebuy_notified:
        return None
    match trader.phase:
        case Buying(intent, _, True):
            return intent.price
        case Holding(bought) | Selling(bought):
            return bought.limit
        case _:
            return None


def has_room(leader: Leader) -> bool:
    """May one more trader start, by chunks, by orders and by money?"""
    settings, living = leader.settings, len(leader.traders)
    most = leader.info.filters.max_orders
    return (
        settings.budget is not None
        and living < settings.chunks
        and (not most or living < most)
        and leader.committed + settings.allocation <= settings.budget
    )


def surplus(leader: Leader) -> str | None:
    """Why nothing is bought after the chunks were lowered, until enough traders have finished."""
    living, chunks = len(leader.traders), leader.settings.chunks
    return f"more traders than chunks: {living} of {chunks}" if living > chunks else None


def terms_of(leader: Leader) -> Terms:
    settings = leader.settings
    return Terms(
        settings.budget or Money(0),
        settings.chunks,
        settings.buy_down,
        settings.profit,
        settings.rebuy,
        settings.reprice,
        leader.fees,
    )


def awaits(leader: Leader, intent: Intent) -> bool:
    """Does a trader wait for news of this order? Of one that was given up, and yet appeared, none does."""
    for trader in leader.traders:
        match trader.phase:
            case Buying(intent=live) | Selling(intent=live) if live == intent:
                return True
    return False


@dataclass(frozen=True, slots=True)
class Traded:
    trade: Trade


@dataclass(frozen=True, slots=True)
class OrderNews:
    """News of one order of one trader."""

    number: int
    side: Side
    seq: int
    news: Placed | Executed | Ended


@dataclass(frozen=True, slots=True)
class Awoke:
    """Time has passed; see ``wakes_at``."""


@dataclass(frozen=True, slots=True)
class Directed:
    """The wish of a person: settings, status, what a ``stop`` takes back, what a drain lets rest."""

    settings: Settings
    status: Status
    keep_buys: bool = False
    cancel: frozenset[Side] = frozenset()


@dataclass(frozen=True, slots=True)
class Barred:
    """Buying is barred for a reason, or (None) allowed again."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class Informed:
    """The exchange's rules and fees, read again."""

    info: SymbolInfo
    fees: Fees


@dataclass(frozen=True, slots=True)
class Freed:
    """A person ends the hold of one trader."""

    number: int
    adopt: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """A person writes off ``quantity`` of one trader's coins: they are not on the account."""

    number: int
    quantity: Quantity


@dataclass(frozen=True, slots=True)
class Adopted:
    """A person took back an order that no trader waits for any more (see ``awaits``): what it executed."""

    intent: Intent
    fills: tuple[Fill, ...]


LeaderEvent: TypeAlias = (
    Traded | OrderNews | Awoke | Directed | Barred | Informed | Freed | Lost | Adopted | Counted
)


@dataclass(frozen=True, slots=True)
class Drained:
    """The last trader of a drain has ended: make the status ``off``, unless it is not ``shutdown`` any more."""


Command: TypeAlias = Place | Cancel | Note | Reread | Count | Fault | Drained
