"""What can happen to a symbol's leader: what happens to its traders, and what concerns all of them."""

from collections.abc import Collection
from typing import TypeAlias

from msgspec import Struct

from naived.core.amount import Quantity
from naived.core.market import SymbolInfo
from naived.core.orders.intent import OrderIntent
from naived.core.orders.report import Fill, Report
from naived.core.risk import Halt
from naived.core.strategy.formulas import Fees
from naived.core.strategy.trader_state import (
    BY_HAND,
    Counted,
    Directed,
    Measured,
    OrderNews,
    Released,
    Traded,
    Woke,
)


class Informed(Struct, frozen=True):
    """The exchange's rules and fees, read again."""

    info: SymbolInfo
    fees: Fees


class Lost(Struct, frozen=True):
    """``quantity`` of one trader's coins is written off, and ``why``: they are not on the account."""

    number: int
    quantity: Quantity
    why: str = BY_HAND


class LotsLost(Struct, frozen=True):
    """A person writes off all lots."""


class Adopted(Struct, frozen=True):
    """These are new fills of an order that a person adopted, and for which no trader waits (see ``awaits``)."""

    intent: OrderIntent
    fills: tuple[Fill, ...]


class Readopted(Struct, frozen=True):
    """A person adopts the order of this intent, which had ended or was given up, as far as its trader knows."""

    intent: OrderIntent


class Found(Struct, frozen=True):
    """The exchange has this order of ours, and the journal lost it; ``unsent`` are intents that it has not."""

    report: Report
    unsent: Collection[OrderIntent]


class Activated(Struct, frozen=True):
    """Rules were read, orders compared and trades subscribed: the desired state is in effect from now on."""


class Halted(Struct, frozen=True):
    """A halt of the symbol, or with ``account`` of the whole account, begins or changes; None: it ends."""

    halt: Halt | None
    account: bool = False


class Recalled(Struct, frozen=True):
    """The price gate has learnt the prices that a fall guard needs: the next trade is looked at again."""


LeaderEvent: TypeAlias = (
    Traded
    | OrderNews
    | Woke
    | Directed
    | Halted
    | Activated
    | Informed
    | Released
    | Lost
    | LotsLost
    | Adopted
    | Readopted
    | Found
    | Counted
    | Measured
    | Recalled
)
