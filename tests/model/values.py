"""A state of the model: what is in the database, at the exchange and in two processes; and the rules that it obeys.

The names are those of the code: a ``Row`` is a row of ``orders`` with its ``State``; ``attempt`` counts signed
frames; an ``epoch`` rises with each claim of a symbol.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from naived.core.orders.intent import Side
from naived.core.strategy.settings import Status
from tests.model.checker import State as Whole

NONE, NOT_PLACED, INTENDED, UNKNOWN, OPEN, FILLED, CANCELLED, REJECTED, ABANDONED = range(9)  # of a row
STATES = ("none", "not_placed", "intended", "unknown", "open", "filled", "cancelled", "rejected", "abandoned")
LIVE = (INTENDED, UNKNOWN, OPEN)
TIED_UP = (NOT_PLACED, INTENDED, UNKNOWN, OPEN, FILLED)

OFF, SHUTDOWN, ON = range(3)
STATUSES = tuple(Status(name) for name in ("off", "shutdown", "on"))

UNSENT, TRANSIT, INSIDE, ACCEPTED, REFUSED = range(5)  # of a frame
BEFORE_DEADLINE, BEFORE_GRACE, AFTER_GRACE = range(3)
UNSIGNED = -1

ABSENT, RESTING, EXECUTED, TAKEN_BACK = range(4)  # of an order at the exchange
SEEN = {RESTING: OPEN, EXECUTED: FILLED, TAKEN_BACK: CANCELLED}

HELD, AWAITED = range(2)  # what a node does with a frame: may send it, waits for its answer

WRITE, COMPARE, STATUS, DRAINED = range(4)  # kinds of transactions

NOBODY, OLD, NOW = 0, 1, 4  # epochs: a failover that loses two claims brings back 3 or 2

NODES = "AB"


class Row(NamedTuple):
    """``timestamp`` says which frame of the order its latest attempt signed; -1: none."""

    state: int = NONE
    attempt: int = 0
    timestamp: int = -1
    cancelling: bool = False


class Symbol(NamedTuple):
    """A symbol in the database: its lease (node, epoch), its status, its orders.

    ``compared``: with the exchange, under the database's present timeline.
    """

    node: int
    epoch: int
    status: int
    compared: bool
    rows: tuple[Row, ...]


class Frame(NamedTuple):
    state: int = UNSENT
    phase: int = UNSIGNED


class Order(NamedTuple):
    """One client order id outside of the database: its signed frames, and what the exchange has.

    ``cancel``: one is under way.
    """

    frames: tuple[Frame, ...]
    cancel: bool = False
    at: int = ABSENT


class Transaction(NamedTuple):
    """``value``: the row, the rows or the status. ``fitted``: the account had room when it was decided."""

    kind: int
    epoch: int
    order: int
    value: Any
    fitted: bool = True


class Hold(NamedTuple):
    """A symbol in a process: the epoch it claimed (0: none), what it believes, what it has under way.

    ``believes`` is () before the rows were read. ``sends``: (order, frame, HELD or AWAITED).
    ``cancels``: (order, phase) of a signed cancel that it may send.
    """

    epoch: int = NOBODY
    believes: tuple[Row, ...] = ()
    status: int = ON
    commit: tuple[Any, ...] = ()
    sends: tuple[int, ...] = ()
    cancels: tuple[int, ...] = ()


class Rest(NamedTuple):
    """``orphans``: of each symbol, a transaction whose process is gone, with its node. ``past``: earlier databases.

    ``waited``: since a failover the fence of all that was signed before it has passed.
    """

    orphans: tuple[Any, ...]
    past: tuple[Any, ...]
    failovers: int
    waited: bool


NOTHING = Hold()


@dataclass(frozen=True)
class Bounds:
    """How large the world is; nothing else is bounded.

    ``frames``: of one order, that are sent or may still be. ``cap``: how many orders may be open or filled; of
    sells this counts for each symbol, of buys for the account.
    ``lost``: how many commits a failover loses at most.
    """

    symbols: int = 1
    side: Side = Side.SELL
    orders: int = 1
    frames: int = 2
    cancels: bool = False
    verbs: bool = False
    failovers: int = 0
    lost: int = 2
    cap: int = 1


@dataclass(frozen=True)
class Rules:
    """The protocol; each mutant has another value for one of them."""

    checks_epoch: str = "always"  # "intents": of new attempts alone; "never"
    loads_after_claim: bool = True
    restarts_claim_anew: bool = True
    sends_what_it_finds: bool = False
    absence_behind_fence: bool = True
    signs_once: bool = True
    cancel_signed_at_commit: bool = True
    exposure_in_transaction: bool = True
    after_doubt: str = "read under lock"  # "read without lock"; "claim anew", whatever may still be applied
    checks_status: bool = True
    drained_from_shutdown: bool = True
    one_live_intent: bool = True
    waits_after_failover: bool = True
    compares_all: bool = True
    compares_not_placed: bool = True
    checks_timeline: bool = True
    within_grace: bool = True  # of the exchange, not of ours


RULES = Rules()


def put(values: tuple[Any, ...], index: int, value: Any) -> tuple[Any, ...]:
    return (*values[:index], value, *values[index + 1 :])


def with_hold(state: Whole, node: int, place: int, hold: Hold) -> Whole:
    return put(state, 2 + node, put(state[2 + node], place, hold))


def with_order(state: Whole, place: int, number: int, order: Order) -> Whole:
    return put(state, 1, put(state[1], place, put(state[1][place], number, order)))


def owns(symbol: Symbol, node: int, epoch: int) -> bool:
    return symbol.node == node and symbol.epoch == epoch


def symbol_name(place: int) -> str:
    return ("ETHUSDT", "BTCUSDT")[place]


def is_attempt(commit: Transaction) -> bool:
    return commit.kind == WRITE and commit.value.state == INTENDED


def mirrored(database: tuple[Symbol, ...]) -> tuple[Symbol, ...]:
    return tuple(each if each.node < 0 else each._replace(node=1 - each.node) for each in database)


def older(hold: Hold) -> Hold:
    if hold.epoch in (NOBODY, OLD):
        return hold
    epoch = hold.epoch - 1
    return hold._replace(epoch=epoch, commit=tuple(each._replace(epoch=epoch) for each in hold.commit))


def harmless(hold: Hold) -> Hold:
    """What is left of an older owner that can still do something: a frame and a cancel that it may send."""
    sends = hold.sends if hold.sends and hold.sends[2] == HELD and hold.status == ON else ()
    return Hold(OLD, sends=sends, cancels=hold.cancels) if sends or hold.cancels else NOTHING


def found(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """As after a restart: of an intended order nobody knows whether its frame was sent."""
    return tuple(row._replace(state=UNKNOWN) if row.state == INTENDED else row for row in rows)


def acknowledged(hold: Hold) -> Hold:
    commit: Transaction = hold.commit[0]
    done = hold._replace(commit=())
    match commit.kind:
        case 0:
            row = commit.value
            done = done._replace(believes=put(hold.believes, commit.order, row))
            if row.state == INTENDED:
                return done._replace(sends=(commit.order, row.timestamp, HELD))
            if row.state == OPEN and row.cancelling:
                return done._replace(cancels=(commit.order, BEFORE_DEADLINE))
            return done
        case 1:
            return done._replace(believes=commit.value)
        case _:
            return done._replace(status=commit.value)
