"""What is searched: worlds in which the protocol holds, and mutants of it, each with what has to be found."""

from dataclasses import dataclass

from naived.core.orders.intent import Side
from tests.model.checker import Model
from tests.model.lease import Clocks, Leasing
from tests.model.protocol import Protocol
from tests.model.values import Bounds, Rules

TWICE = "the exchange has an order whose row says not_placed"  # so that another one is placed
UNLIKE_ROW = "a frame was accepted whose row says"


@dataclass(frozen=True)
class Case:
    """``finds``: the beginning of what is broken; None if nothing is. ``large``: longer than a test may take."""

    name: str
    model: Model
    finds: str | None = None
    large: bool = False


SELL = Bounds()
SELLS = Bounds(orders=2, frames=1)
CANCELS = Bounds(cancels=True)
VERBS = Bounds(side=Side.BUY, orders=2, frames=1, verbs=True)
BUYS = Bounds(side=Side.BUY, symbols=2, frames=1)
FAILOVER = Bounds(frames=1, failovers=1, lost=1)
BUYS_FAILOVER = Bounds(side=Side.BUY, symbols=2, frames=1, failovers=1, lost=1)

HOLDS = (
    Case("a sell, sent again when it is absent", Protocol(SELL)),
    Case("a sell, and one in its place when it was refused or given up", Protocol(SELLS)),
    Case("a sell that is cancelled", Protocol(CANCELS)),
    Case("buys, with stop, start and shutdown", Protocol(VERBS)),
    Case("buys of two symbols under one cap", Protocol(BUYS)),
    Case("a sell, and a failover that loses a commit", Protocol(FAILOVER)),
    Case(
        "a sell that is cancelled, and such a failover",
        Protocol(Bounds(frames=1, cancels=True, failovers=1, lost=1)),
    ),
    Case("a sell, and a failover that loses two commits", Protocol(Bounds(frames=1, failovers=1))),
    Case("the clocks of a lease", Leasing(Clocks())),
    Case(
        "a node's clock that is set back by less than the margin", Leasing(Clocks(lease=4, steady=False, jumps=1))
    ),
    Case("a database's clock that jumps ahead by the margin", Leasing(Clocks(lease=3, margin=1, hurries=1))),
    Case(
        "a database's clock that jumps ahead by a lease, of nodes that have seen each other's heartbeat change",
        Leasing(Clocks(lease=3, margin=1, hurries=3, starts=False)),
    ),
    Case("without a reduction: a sell, sent again", Protocol(SELL, reduced=False), large=True),
    Case(
        "without a reduction: a sell that is cancelled",
        Protocol(Bounds(frames=1, cancels=True), reduced=False),
        large=True,
    ),
    Case("two sells, each sent twice", Protocol(Bounds(orders=2)), large=True),
    Case("a sell, sent three times", Protocol(Bounds(frames=3)), large=True),
    Case("two sells that are cancelled, each sent twice", Protocol(Bounds(orders=2, cancels=True)), large=True),
    Case(
        "two buys, each sent twice, with stop, start and shutdown",
        Protocol(Bounds(side=Side.BUY, orders=2, verbs=True)),
        large=True,
    ),
    Case(
        "two symbols, each with a buy sent twice, under one cap",
        Protocol(Bounds(side=Side.BUY, symbols=2)),
        large=True,
    ),
    Case("a sell, sent again, and a failover that loses two commits", Protocol(Bounds(failovers=1)), large=True),
    Case(
        "two buys, and a failover that loses two commits",
        Protocol(Bounds(side=Side.BUY, orders=2, frames=1, failovers=1)),
        large=True,
    ),
    Case("buys of two symbols, and a failover that loses a commit", Protocol(BUYS_FAILOVER), large=True),
)

MUTANTS = (
    Case("no epoch check", Protocol(SELL, Rules(checks_epoch="never")), UNLIKE_ROW),
    Case("the epoch is checked of new attempts alone", Protocol(SELL, Rules(checks_epoch="intents")), TWICE),
    Case("rows are read before the claim", Protocol(SELL, Rules(loads_after_claim=False)), UNLIKE_ROW),
    Case(
        "a process that starts again goes on with its lease",
        Protocol(SELL, Rules(restarts_claim_anew=False)),
        UNLIKE_ROW,
    ),
    Case("a found intent is sent", Protocol(SELL, Rules(sends_what_it_finds=True)), "a frame was sent twice"),
    Case("a takeover believes 'does not exist' at once", Protocol(SELL, Rules(absence_behind_fence=False)), TWICE),
    Case("signs again at the send", Protocol(SELL, Rules(signs_once=False)), TWICE),
    Case("reads back without the lock", Protocol(SELL, Rules(after_doubt="read without lock")), UNLIKE_ROW),
    Case("an exchange that is slower than the grace", Protocol(SELL, Rules(within_grace=False)), TWICE),
    Case(
        "exposure counted outside of the transaction",
        Protocol(BUYS, Rules(exposure_in_transaction=False)),
        "more was bought",
    ),
    Case(
        "a failover without the wait",
        Protocol(FAILOVER, Rules(waits_after_failover=False)),
        "the exchange has an order",
    ),
    Case(
        "a failover, and only rows that may be live are compared",
        Protocol(Bounds(failovers=1, lost=1), Rules(compares_not_placed=False)),
        TWICE,
    ),
    Case(
        "a cancel stamped at the send, and a failover",
        Protocol(Bounds(frames=1, cancels=True, failovers=1, lost=1), Rules(cancel_signed_at_commit=False)),
        "an order was cancelled",
    ),
    Case(
        "no check of the status, and reads back without the lock",
        Protocol(VERBS, Rules(checks_status=False, after_doubt="read without lock")),
        "an order was decided after",
    ),
    Case(
        "drained whatever the status is, and reads back without the lock",
        Protocol(VERBS, Rules(drained_from_shutdown=False, after_doubt="read without lock")),
        "a symbol that is",
    ),
    Case(
        "a database's clock that jumps ahead by more than the margin as a node starts",
        Leasing(Clocks(hurries=3)),
        "two nodes trust",
    ),
    Case(
        "a lease that the database's clock alone judges, which jumps ahead by more than the margin",
        Leasing(Clocks(hurries=3, starts=False, judged=False)),
        "two nodes trust",
    ),
    Case(
        "a claim that does not look whether the heartbeat is still the one that was seen",
        Leasing(Clocks(checked=False)),
        "two nodes trust",
    ),
    Case("a lease counted from after the renewal", Leasing(Clocks(from_before=False)), "two nodes trust"),
    Case(
        "a lease counted on a wall clock that is set back by more than the margin",
        Leasing(Clocks(steady=False, jumps=3)),
        "two nodes trust",
    ),
    Case(
        "a lease without a margin on a clock that is not quite right",
        Leasing(Clocks(steady=False, margin=0)),
        "two nodes trust",
    ),
    Case(
        "a failover, and each symbol goes on when it is compared",
        Protocol(BUYS_FAILOVER, Rules(compares_all=False)),
        "more was bought",
        large=True,
    ),
)

# What can be left out: nothing is found.
NEEDLESS = (
    Case(
        "after a doubtful commit the symbol is claimed anew, whatever may still be applied",
        Protocol(SELL, Rules(after_doubt="claim anew")),
    ),
    Case("no check of the status, but a read-back under the lock", Protocol(VERBS, Rules(checks_status=False))),
    Case(
        "after a failover only new attempts are checked: that all symbols have been compared",
        Protocol(Bounds(orders=2, frames=1, failovers=1), Rules(checks_timeline=False)),
        large=True,
    ),
    Case(
        "no check of the status, but a claim after a doubtful commit",
        Protocol(VERBS, Rules(checks_status=False, after_doubt="claim anew")),
        large=True,
    ),
    Case(
        "drained whatever the status is, but a read-back under the lock",
        Protocol(VERBS, Rules(drained_from_shutdown=False)),
        large=True,
    ),
    Case("no unique index of live intents", Protocol(SELLS, Rules(one_live_intent=False))),
    Case("a cancel stamped at the send, and no failover", Protocol(CANCELS, Rules(cancel_signed_at_commit=False))),
    Case(
        "the same of two sells",
        Protocol(Bounds(orders=2, cancels=True), Rules(cancel_signed_at_commit=False)),
        large=True,
    ),
)
