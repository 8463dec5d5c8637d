"""What a trader is told and what it asks for: its events, the scene around it, its commands."""

from dataclasses import dataclass
from typing import TypeAlias

from naived.core.amount import Money, Price, Quantity
from naived.core.market import Filters, Trade
from naived.core.order import Intent, Side
from naived.core.placement import Ended, Executed, Placed
from naived.core.settings import Status
from naived.core.strategy import Leftover


@dataclass(frozen=True, slots=True)
class Scene:
    """What a trader may know of its symbol at one moment (``now`` in exchange ms).

    ``room`` is what the budget leaves for one more buy; ``lowest_sell`` the symbol's lowest live sell;
    ``barred`` why nothing may be bought at all; ``leftover`` the ledger a sell may carry.
    """

    now: int
    filters: Filters
    status: Status
    keep_buys: bool
    base: str
    quote: str
    room: Money
    lowest_sell: Price | None
    leftover: Leftover
    barred: str | None


@dataclass(frozen=True, slots=True)
class Priced:
    trade: Trade


@dataclass(frozen=True, slots=True)
class Happened:
    """News of the ``seq``-th order of one side."""

    side: Side
    seq: int
    news: Placed | Executed | Ended


@dataclass(frozen=True, slots=True)
class Woke:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Wished:
    """The symbol's status was set; ``cancel``: the sides whose live orders a ``stop`` takes back."""

    cancel: frozenset[Side] = frozenset()


@dataclass(frozen=True, slots=True)
class Released:
    """A person ends a hold: ``adopt`` sells again, else the coins are written off."""

    adopt: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """How many coins are ``free`` on the account for a sell that was refused for balance."""

    free: Quantity


TraderEvent: TypeAlias = Priced | Happened | Woke | Wished | Released | Counted


@dataclass(frozen=True, slots=True)
class Place:
    """Make this intent durable, then send it. ``decided_at``: the time of the trade or fill behind it."""

    intent: Intent
    decided_at: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """Take this order back, as soon as the exchange has it."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class Carry:
    """Take this much out of the symbol's leftovers (it is part of the sell now)."""

    leftover: Leftover


@dataclass(frozen=True, slots=True)
class Leave:
    """Put this much into the symbol's leftovers."""

    leftover: Leftover


@dataclass(frozen=True, slots=True)
class Note:
    """One line for a person."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Reread:
    """A filter refused: the exchange's rules may have changed."""


@dataclass(frozen=True, slots=True)
class Count:
    """A sell was refused for balance: the account has to be asked what is free before the next one."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Nothing but a person can mend this."""

    reason: str


Command: TypeAlias = Place | Cancel | Carry | Leave | Note | Reread | Count | Fault


class UnexpectedError(Exception):
    """An event that cannot be in this phase: a bug, never ignored."""
