"""All that is known of one intent, what may happen to it, and what it needs; how it moves is in ``placing``."""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import TypeAlias

from naived.core.amount import Quantity
from naived.core.order import (
    Answer,
    Fill,
    Intent,
    OrderStatus,
    Refused,
    Report,
)

WATCHED = 24 * 60 * 60 * 1000  # ms: how long an abandoned buy may still turn up at the exchange
STALE = 5_000  # ms; a buy decided on an older trade is not placed any more


class State(StrEnum):
    """An order's state as it is stored and shown."""

    INTENDED = "intended"
    UNKNOWN = "unknown"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_PLACED = "not_placed"
    ABANDONED = "abandoned"
    QUARANTINED = "quarantined"


TERMINAL = frozenset({State.FILLED, State.CANCELLED, State.EXPIRED, State.REJECTED, State.ABANDONED})
LIVE = frozenset({State.INTENDED, State.UNKNOWN, State.OPEN, State.PARTIALLY_FILLED})


@dataclass(frozen=True, slots=True)
class Placement:
    """One intent and all that is known of it; a row of ``orders`` with its fills. Times are exchange ms.

    ``decided_at`` is the time of the trade (or fill) the decision rests on. ``attempt`` counts signed frames;
    0 is an intent that was never admitted. ``epoch`` is that of the process which decided, then of the one which
    made the latest attempt. ``executed`` is the sum of the applied ``fills``, ``reported`` the exchange's own
    cumulative quantity; ``final`` its final status, believed once the two are equal.
    ``cancelling``: we asked for its end, under the id ``<client_order_id>-x``. In memory only: ``looks`` that found
    nothing (after the fence, or of an order that was there, since ``missed_at``), and the definite no (``refused``)
    that a later attempt got.
    """

    intent: Intent
    client_order_id: str
    stp_mode: str | None
    epoch: int
    decided_at: int
    created_at: int
    updated_at: int
    state: State = State.NOT_PLACED
    attempt: int = 0
    timestamp: int | None = None
    recv_window: int | None = None
    order_id: int | None = None
    executed: Quantity = Quantity(0)
    reported: Quantity = Quantity(0)
    final: OrderStatus | None = None
    cancelling: bool = False
    reason: str | None = None
    code: int | None = None
    fills: tuple[Fill, ...] = ()
    looks: int = 0
    missed_at: int | None = None
    refused: Refused | None = None

    @property
    def deadline(self) -> int | None:
        """The exchange accepts nothing of the latest attempt after this (exchange ms)."""
        if self.timestamp is None or self.recv_window is None:
            return None
        return self.timestamp + self.recv_window


@dataclass(frozen=True, slots=True)
class Admitted:
    """There is a slot and a connection: sign with this timestamp, in this process's epoch."""

    timestamp: int
    recv_window: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Answered:
    answer: Answer


@dataclass(frozen=True, slots=True)
class Reported:
    report: Report


@dataclass(frozen=True, slots=True)
class FillsFound:
    """All fills the exchange knows of this order."""

    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """We asked, and the exchange says it does not exist; ``server_time`` was received before the question.

    Of an order whose number is known the time only spaces the looks: the clock as we keep it will do. Such an order
    counts as vanished only after a look ``everywhere``: by its number, in every list, and for what it executed.
    """

    server_time: int
    grace: int
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class CancelWanted:
    pass


@dataclass(frozen=True, slots=True)
class Restarted:
    """A new process read it from the journal."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A person ends a quarantine: ``adopt`` makes the order ours again, else it is written off."""

    adopt: bool


PlacementEvent: TypeAlias = (
    Admitted | Answered | Reported | FillsFound | Missing | CancelWanted | Restarted | Resolved
)


class Fate(StrEnum):
    """How an order ended, for its trader."""

    FILLED = "filled"
    CANCELLED = "cancelled"
    BY_HAND = "cancelled by hand"
    EXPIRED = "expired"
    REJECTED = "rejected"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Send:
    """Sign and send this attempt, once, after it is durable."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The exchange has the order."""


@dataclass(frozen=True, slots=True)
class Executed:
    fill: Fill


@dataclass(frozen=True, slots=True)
class Ended:
    """``at`` is the time of the last fill (exchange ms); None if nothing was executed."""

    fate: Fate
    refused: Refused | None = None
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Contradicted:
    reason: str


Action: TypeAlias = Send | Placed | Executed | Ended | Contradicted


class Need(Enum):
    """What a placement needs from the exchange before it can go on."""

    ADMIT = auto()
    ASK = auto()
    FILLS = auto()
    CANCEL = auto()


def need(placement: Placement) -> Need | None:
    """What has to be done for it now, if anything; asked again after every step, so nothing is forgotten."""
    match placement.state:
        case State.NOT_PLACED:
            return Need.ADMIT
        case State.UNKNOWN:
            return Need.ASK
        case State.OPEN | State.PARTIALLY_FILLED:
            if placement.executed < placement.reported:
                return Need.FILLS
            if placement.cancelling:
                return Need.CANCEL
            return None if placement.missed_at is None else Need.ASK
        case State.ABANDONED:
            return Need.CANCEL if placement.order_id is not None and placement.final is None else None
        case _:
            return None
