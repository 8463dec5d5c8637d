"""Every event in every state of an order: what becomes of it, and that nothing else is possible."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from naived.core.amount import Price
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus, Unsent
from naived.core.orders.state import (
    LOOKS,
    NEXT,
    STALE,
    Admitted,
    Answered,
    CancelWanted,
    FillsFound,
    OrderEvent,
    OrderState,
    Reported,
    Resolved,
    Restarted,
    State,
    UnexpectedError,
    step_order,
)
from tests.naived.core.orders.test_state import (
    ADMITTED,
    ALL,
    ID,
    LOST,
    NO,
    PART,
    REST,
    SOME,
    WINDOW,
    abandoned,
    absent,
    after,
    decided,
    report,
    resting,
    sent,
    unknown,
)
from tests.support.market import START

OTHER = Reported(ID, replace(report(), price=Price(1)))

ORDERS = {
    State.NOT_PLACED: decided(),
    State.INTENDED: sent(),
    State.UNKNOWN: unknown(),
    State.OPEN: resting(),
    State.PARTIALLY_FILLED: after(resting(), SOME),
    State.FILLED: after(resting(), SOME, ALL),
    State.CANCELLED: after(resting(), CancelWanted(ID), Reported(ID, report(OrderStatus.CANCELED))),
    State.EXPIRED: after(resting(), Reported(ID, report(OrderStatus.EXPIRED))),
    State.REJECTED: after(sent(), Answered(ID, NO)),
    State.ABANDONED: abandoned(),
    State.QUARANTINED: after(resting(), OTHER),
}

EVENTS: dict[str, tuple[OrderEvent, ...]] = {
    "admitted": (ADMITTED,),
    "admitted late": (Admitted(ID, START + STALE + 1, WINDOW, 1),),
    "refused": (Answered(ID, NO),),
    "no answer": (LOST,),
    "unsent": (Answered(ID, Unsent("closed")),),
    "seen open": (Reported(ID, report()),),
    "seen with a fill": (SOME,),
    "seen filled": (Reported(ID, report(OrderStatus.FILLED, "0.0745", PART, REST)),),
    "seen cancelled": (Reported(ID, report(OrderStatus.CANCELED)),),
    "seen expired": (Reported(ID, report(OrderStatus.EXPIRED)),),
    "seen rejected": (Reported(ID, report(OrderStatus.REJECTED)),),
    "told refused": (Reported(ID, replace(report(OrderStatus.REJECTED), refusal=NO)),),
    "seen as another": (OTHER,),
    "fills found": (FillsFound(ID, (PART,)),),
    "proven absent": (absent(),) * LOOKS,
    "cancel wanted": (CancelWanted(ID),),
    "restarted": (Restarted(ID),),
    "commits lost": (Restarted(ID, lost=True),),
    "adopted": (Resolved(ID, adopt=True),),
    "written off": (Resolved(ID, adopt=False),),
}

# The state of a buy after the event; "." where it stays the same. Columns are in the order of ORDERS.
WORDS = {
    "INT": State.INTENDED,
    "UNK": State.UNKNOWN,
    "NOT": State.NOT_PLACED,
    "OPE": State.OPEN,
    "PAR": State.PARTIALLY_FILLED,
    "FIL": State.FILLED,
    "CAN": State.CANCELLED,
    "EXP": State.EXPIRED,
    "REJ": State.REJECTED,
    "ABA": State.ABANDONED,
    "QUA": State.QUARANTINED,
}
TABLE = """
                   NOT INT UNK OPE PAR FIL CAN EXP REJ ABA QUA
admitted           INT  .   .   .   .   .   .   .   .   .   .
admitted late      ABA  .   .   .   .   .   .   .   .   .   .
refused             .  REJ  .   .   .   .   .   .   .   .   .
no answer           .  UNK  .   .   .   .   .   .   .   .   .
unsent              .  NOT  .   .   .   .   .   .   .   .   .
seen open          OPE OPE OPE  .   .   .   .   .  QUA  .   .
seen with a fill   PAR PAR PAR PAR  .   .  QUA QUA QUA QUA  .
seen filled        FIL FIL FIL FIL FIL  .  QUA QUA QUA QUA  .
seen cancelled     CAN CAN CAN CAN CAN  .   .   .  QUA  .   .
seen expired       EXP EXP EXP EXP EXP  .   .   .  QUA  .   .
seen rejected      REJ REJ REJ REJ REJ  .   .   .  QUA  .   .
told refused        .  REJ REJ  .   .   .   .   .   .   .   .
seen as another    QUA QUA QUA QUA QUA QUA QUA QUA QUA QUA  .
fills found         .   .   .  PAR  .   .   .   .   .   .   .
proven absent       .   .  ABA  .   .   .   .   .   .   .   .
cancel wanted      ABA  .   .   .   .   .   .   .   .   .   .
restarted           .  UNK  .   .   .   .   .   .   .   .   .
commits lost       UNK UNK  .   .   .   .   .   .   .   .   .
adopted             .   .   .   .   .   .   .   .   .   .  OPE
written off         .   .   .   .   .   .   .   .   .   .  CAN
"""


def cells() -> Iterator[tuple[str, State, State]]:
    for line in TABLE.strip().splitlines()[1:]:
        name, row = line[:18].strip(), line[18:].split()
        for before, cell in zip(ORDERS, row, strict=True):
            yield name, before, before if cell == "." else WORDS[cell]


# What the table cannot show: it depends on more than the state.
SPECIAL = [
    (after(sent(), CancelWanted(ID)), EVENTS["unsent"], State.ABANDONED),
    (unknown(Side.SELL), EVENTS["proven absent"], State.NOT_PLACED),
    (after(resting(), SOME, OTHER), EVENTS["adopted"], State.PARTIALLY_FILLED),
    (after(abandoned(), OTHER), EVENTS["adopted"], State.UNKNOWN),
    (after(abandoned(), OTHER), EVENTS["written off"], State.ABANDONED),
]


def test_the_table_has_every_event_and_every_state() -> None:
    assert [state for state, order in ORDERS.items() if order.state is not state] == []
    assert set(ORDERS) == set(State)
    assert {name for name, _, _ in cells()} == set(EVENTS)


@pytest.mark.parametrize(("name", "before", "expected"), list(cells()))
def test_an_event_moves_an_order_as_the_table_says(name: str, before: State, expected: State) -> None:
    assert after(ORDERS[before], *EVENTS[name]).state is expected


@pytest.mark.parametrize(("order", "events", "expected"), SPECIAL)
def test_side_cancel_and_fills_decide_where_the_state_does_not(
    order: OrderState, events: tuple[OrderEvent, ...], expected: State
) -> None:
    assert after(order, *events).state is expected


def test_the_machine_allows_exactly_the_transitions_that_happen() -> None:
    happen = {(before, expected) for _, before, expected in cells() if expected is not before}
    happen |= {(order.state, expected) for order, _, expected in SPECIAL}
    assert happen == {(before, following) for before, following_ in NEXT.items() for following in following_}


def test_a_transition_that_is_not_allowed_is_a_bug_that_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NEXT, State.OPEN, frozenset())
    with pytest.raises(UnexpectedError, match="open must not become partially_filled"):
        step_order(resting(), SOME, START)
