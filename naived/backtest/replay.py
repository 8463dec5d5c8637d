"""Holds a journal against a backtest of the same trades: what was decided otherwise, and why.

The symbol begins as it was at the first trade of the tape (``past.py``), with what a person asked for at the times
at which they did. Decisions are compared in their order: side, price and quantity. Where the two differ once, what
follows may differ for that reason alone; the comparison goes on at the next decision that both have.
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from naived.backtest.past import leader_at
from naived.backtest.past_asked import asked, halted_at
from naived.backtest.past_fees import past_fees
from naived.backtest.past_fills import PastFills
from naived.backtest.past_lots import lots_at
from naived.backtest.result import Setup
from naived.backtest.run import Scan
from naived.backtest.session import Session
from naived.backtest.tape import Tape
from naived.backtest.trading import resume
from naived.backtest.unknown import unknown, untaped
from naived.core.orders.state import OrderState
from naived.core.strategy.formulas import Fees
from naived.core.strategy.leader_events import Halted, Informed
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.trader_state import Directed, Trader
from naived.database.history import History
from naived.ports import Event

_NEAR = 60_000  # ms before a decision in which an event may be its reason
# Kinds of events that say why the daemon did not do what the trades alone would have made it do.
_TELLING = (
    "state",
    "exchange",
    "database",
    "refused",
    "price",
    "held",
    "expired",
    "not placed",
    "abandoned",
    "waits",
)
_AS_USUAL = "trading"  # a state that is no reason


@dataclass(frozen=True, slots=True)
class Difference:
    """One decision that only one of the two made; ``journal``: it was the daemon."""

    order: OrderState
    journal: bool
    why: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """``same`` counts the decisions that both made; ``began`` and ``ended`` (ms) are the tape's.

    ``warnings`` are those of the tape, and what of the beginning is not known.
    """

    symbol: str
    began: int
    ended: int
    same: int
    differences: tuple[Difference, ...]
    warnings: tuple[str, ...] = ()


def replay(tape: Tape, setup: Setup, history: History) -> Comparison:
    """Run the tape from where the journal was, and compare. The journal has the settings, not ``setup``."""
    began, ended = int(tape.parts[0].times[0]), int(tape.parts[-1].times[-1])
    traders = [life.trader for life in history.lives]
    (_, first), *later = asked(history, began)
    halts, halted = halted_at(history.events, began)
    info = setup.rules.info
    rates = past_fees(history, info.filters)
    informed = [(at, Informed(info, fees)) for at, fees in rates.later(began)]
    schedule: list[tuple[int, Directed | Halted | Informed]] = [*informed, *later, *halted]
    schedule.sort(key=lambda entry: entry[0])
    usual = traders[-1].terms.fees if traders else Fees(setup.fee, setup.fee)
    fees = rates.at(began, usual)
    leader = Leader(info, fees, first.desired, next_number=_next(traders), halts=halts)
    past = lots_at(history, began, leader.info.filters)
    leader, resting = leader_at(leader, history, past, began)
    leader = structs.replace(leader, traders=tuple(map(rates.decided, leader.traders)))
    trading = resume(leader, resting, setup.latency, began)
    session = Session(tape, replace(setup, fee=max(fees.buy, fees.sell)), trading=trading, schedule=schedule)
    session.market.instead = PastFills(history.orders, leader.info).instead
    for order in resting:
        session.market.rest(order)
    Scan(tape, session, first.desired.settings.max_deviation).all()
    theirs = [order for order in history.orders if order.decided_at >= began]
    ours = [order for order in trading.orders.values() if order.decided_at >= began]
    same, differences = _compared(theirs, ours, history.events)
    # What the daemon decided later than the tape ends is only there to be found again.
    differences = [each for each in differences if not each.journal or each.order.created_at <= ended]
    decided = [each.order.decided_at for each in differences]
    unsure = *unknown(history, past, leader, began), *untaped(leader, began, decided)
    return Comparison(tape.symbol, began, ended, same, tuple(differences), (*tape.warnings, *unsure))


def _next(traders: Sequence[Trader]) -> int:
    """The number of the next trader if none of these lived at the beginning."""
    return min((trader.number for trader in traders), default=1)


def _compared(
    theirs: Sequence[OrderState], ours: Sequence[OrderState], events: Sequence[Event]
) -> tuple[int, list[Difference]]:
    keys = [_key(order) for order in theirs], [_key(order) for order in ours]
    matcher = difflib.SequenceMatcher(None, *keys, autojunk=False)
    same, differences = 0, list[Difference]()
    for tag, begin, end, first, last in matcher.get_opcodes():
        if tag == "equal":
            same += end - begin
            continue
        found = [(order, True) for order in theirs[begin:end]] + [(order, False) for order in ours[first:last]]
        for order, journal in sorted(found, key=lambda each: each[0].created_at):
            differences.append(Difference(order, journal, _why(order, journal, events, differences)))
    return same, differences


def _key(order: OrderState) -> tuple[str, int, int]:
    return str(order.intent.side), order.intent.price, order.intent.quantity


def _why(order: OrderState, journal: bool, events: Sequence[Event], before: Sequence[Difference]) -> str:
    said = next(_telling(events, order.created_at), None)
    if said is not None:
        return f"{said.kind}: {said.message}"
    if before:
        return "it follows from the difference before it"
    if journal:
        return "the tape does not have the trades that the daemon decided on, or they came in another order"
    return "the daemon did not see the trades of the tape, or saw them later"


def _telling(events: Sequence[Event], at: int) -> Iterator[Event]:
    """What the journal says of the time just before, newest first."""
    for event in reversed(events):
        if event.at > at + _NEAR // 60:
            continue
        if event.at < at - _NEAR:
            return
        if event.kind in _TELLING and event.message != _AS_USUAL:
            yield event
