from collections.abc import Callable

import pytest
from msgspec.structs import replace

from naived.core.amount import Amount, Price, Quantity, parse_price, parse_quantity
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import (
    Accepted,
    Answer,
    Fill,
    OrderStatus,
    Refusal,
    Refused,
    Report,
    Unknown,
    Unsent,
)
from naived.core.orders.state import (
    LIVE,
    LOOKS,
    STALE,
    TERMINAL,
    Action,
    Admitted,
    Answered,
    CancelWanted,
    Contradicted,
    Ended,
    Executed,
    Fate,
    FillsFound,
    Missing,
    Need,
    OrderEvent,
    OrderState,
    Placed,
    Reported,
    Resolved,
    Restarted,
    Send,
    State,
    need,
    step_order,
)
from naived.core.orders.turned import Turned
from tests.support.market import START, fill

ID = "n1test-a"
WINDOW = 5_000
GRACE = 60_000
FENCE = START + WINDOW + GRACE
PRICE = "2683.53"
NO = Refused(Refusal.BALANCE, -2010, "Account has insufficient balance for requested action.")


def decided(side: Side = Side.BUY) -> OrderState:
    intent = OrderIntent("ETHUSDT", 1, side, 1, parse_price(PRICE), parse_quantity("0.0745"))
    return OrderState(intent, ID, None, 1, decided_at=START, created_at=START, updated_at=START)


def after(order: OrderState, *events: OrderEvent) -> OrderState:
    for event in events:
        order, _ = step_order(order, event, START)
    return order


def actions(order: OrderState, event: OrderEvent) -> tuple[Action, ...]:
    return step_order(order, event, START)[1]


ADMITTED = Admitted(ID, START, WINDOW, 1)
LOST = Answered(ID, Unknown("no answer"))


def absent(at: int = FENCE + 1) -> Missing:
    return Missing(ID, at, GRACE, everywhere=True)


def unlisted(at: int) -> Missing:
    return replace(absent(at), listed=False)


def sent(side: Side = Side.BUY) -> OrderState:
    return after(decided(side), ADMITTED)


def unknown(side: Side = Side.BUY) -> OrderState:
    return after(sent(side), LOST)


def retried(side: Side = Side.SELL) -> OrderState:
    """A sell whose first attempt is proven absent, on its second."""
    return after(unknown(side), *[absent()] * LOOKS, Admitted(ID, FENCE, WINDOW, 1))


def report(
    status: OrderStatus = OrderStatus.NEW,
    executed: str = "0",
    *fills: Fill,
    side: Side = Side.BUY,
    order_id: int = 1,
    created: int = START,
) -> Report:
    return Report(
        "ETHUSDT",
        order_id,
        ID,
        side,
        parse_price(PRICE),
        parse_quantity("0.0745"),
        status,
        parse_quantity(executed),
        created,
        START,
        fills,
    )


def resting(side: Side = Side.BUY) -> OrderState:
    return after(sent(side), Answered(ID, Accepted(report(side=side))))


def abandoned() -> OrderState:
    return after(unknown(), *[absent()] * LOOKS)


PART = fill(PRICE, "0.04", number=1, time=START + 1)
REST = fill(PRICE, "0.0345", number=2, time=START + 2)
SOME = Reported(ID, report(OrderStatus.PARTIALLY_FILLED, "0.04", PART))
ALL = Reported(ID, report(OrderStatus.FILLED, "0.0745", REST))


def test_an_attempt_is_signed_for_before_it_is_sent() -> None:
    intended, todo = step_order(decided(), ADMITTED, START)
    assert todo == (Send(),)
    assert (intended.state, intended.attempt, intended.fence) == (State.INTENDED, 1, START + WINDOW)


def test_an_attempt_is_sent_at_most_once() -> None:
    intended = sent()
    for event in (Admitted(ID, START + 1, WINDOW, 1), Restarted(ID), CancelWanted(ID), absent()):
        assert Send() not in actions(intended, event)
    assert actions(unknown(), ADMITTED) == ()
    assert actions(resting(), ADMITTED) == ()


def test_a_buy_decided_on_an_old_trade_is_abandoned_at_admission() -> None:
    late = Admitted(ID, START + STALE + 1, WINDOW, 1)
    abandoned, todo = step_order(decided(), late, START)
    assert abandoned.state is State.ABANDONED
    assert todo == (Ended(Fate.ABANDONED),)
    assert actions(decided(), Admitted(ID, START + STALE, WINDOW, 1)) == (Send(),)
    assert actions(decided(Side.SELL), late) == (Send(),)


def test_an_accepted_order_is_open() -> None:
    placed, todo = step_order(sent(), Answered(ID, Accepted(report())), START)
    assert (placed.state, placed.order_id) == (State.OPEN, 1)
    assert todo == (Placed(),)


def test_a_report_before_the_answer_counts_once() -> None:
    placed = after(sent(), Reported(ID, report()))
    assert step_order(placed, Answered(ID, Accepted(report())), START) == (placed, ())


@pytest.mark.parametrize("answer", [NO, Unknown("timeout"), Unsent("closed")])
def test_an_answer_that_comes_after_the_user_stream_changes_nothing(answer: Answer) -> None:
    assert step_order(resting(), Answered(ID, answer), START) == (resting(), ())


@pytest.mark.parametrize("kind", list(Refusal))
def test_a_definite_no_to_the_first_attempt_rejects_it(kind: Refusal) -> None:
    no = Refused(kind, -1, "no")
    rejected, todo = step_order(sent(), Answered(ID, no), START)
    assert (rejected.state, rejected.reason, rejected.code) == (State.REJECTED, "no", -1)
    assert todo == (Ended(Fate.REJECTED, no),)


@pytest.mark.parametrize("side", list(Side))
def test_no_answer_is_unknown_and_never_failed(side: Side) -> None:
    lost, todo = step_order(sent(side), LOST, START)
    assert lost.state is State.UNKNOWN
    assert todo == ()


def test_a_definite_no_to_a_later_attempt_is_unknown() -> None:
    refused, todo = step_order(retried(), Answered(ID, NO), START)
    assert (refused.state, refused.code) == (State.UNKNOWN, -2010)
    assert todo == ()


def test_an_attempt_that_never_left_is_made_again_without_a_fence() -> None:
    unsent, todo = step_order(sent(), Answered(ID, Unsent("closed")), START)
    assert (unsent.state, unsent.attempt, todo) == (State.NOT_PLACED, 0, ())
    again = after(unsent, Admitted(ID, START + 1, WINDOW, 1))
    assert (again.state, again.attempt, again.fence) == (State.INTENDED, 1, START + 1 + WINDOW)


def test_an_attempt_is_of_the_process_that_makes_it_and_not_of_the_one_that_decided() -> None:
    """Found by simulation: orders of an older epoch were accepted after newer ones."""
    later = replace(ADMITTED, epoch=ADMITTED.epoch + 1)
    assert after(decided(), later).epoch == later.epoch
    assert after(unknown(Side.SELL), *[absent()] * LOOKS, later).epoch == later.epoch


def test_after_a_restart_what_may_have_been_sent_is_unknown() -> None:
    assert after(sent(), Restarted(ID)).state is State.UNKNOWN
    for order in (decided(), unknown(), resting(), after(resting(), SOME)):
        assert step_order(order, Restarted(ID), START) == (order, ())


@pytest.mark.parametrize("server_time", [START, START + WINDOW, FENCE])
def test_no_number_of_looks_proves_an_absence_before_the_fence(server_time: int) -> None:
    order = unknown()
    for _ in range(10 * LOOKS):
        assert step_order(order, absent(server_time), START) == (order, ())


def test_an_absence_takes_several_looks_behind_the_fence() -> None:
    looked = after(unknown(), *[absent()] * (LOOKS - 1))
    assert looked.state is State.UNKNOWN
    gone, todo = step_order(looked, absent(), START)
    assert gone.state is State.ABANDONED
    assert todo == (Ended(Fate.ABANDONED),)


def test_a_sell_that_never_arrived_is_sent_again_under_the_same_id() -> None:
    again = retried()
    assert (again.state, again.attempt, again.client_order_id) == (State.INTENDED, 2, ID)
    assert again.fence == FENCE + WINDOW


def test_the_fence_of_a_second_attempt_is_its_own() -> None:
    lost = after(retried(), LOST)
    for _ in range(2 * LOOKS):
        lost = after(lost, absent(FENCE + WINDOW + GRACE))
    assert lost.state is State.UNKNOWN
    assert after(lost, *[absent(FENCE + WINDOW + GRACE + 1)] * LOOKS).state is State.NOT_PLACED


def test_a_missing_order_changes_nothing_before_anybody_could_know_it_or_after_its_end() -> None:
    for order in (decided(), sent(), after(resting(), SOME, ALL)):
        assert step_order(order, absent(), START) == (order, ())


@pytest.mark.parametrize("known", [(), (SOME,)])
def test_an_order_that_was_there_and_is_not_found_any_more_is_looked_for_over_the_grace(
    known: tuple[OrderEvent, ...],
) -> None:
    missed = after(resting(), *known, absent(START), *[absent(START + GRACE)] * 10)
    assert missed.state is after(resting(), *known).state
    assert need(missed) is Need.ASK
    gone, todo = step_order(missed, absent(START + GRACE + 1), START)
    assert gone.state is State.QUARANTINED
    assert isinstance(todo[0], Contradicted)


def test_two_looks_however_far_apart_are_too_few_to_miss_an_order() -> None:
    assert after(resting(), absent(START), absent(START + 10 * GRACE)).state is State.OPEN


def test_an_order_counts_as_vanished_only_where_it_was_looked_for_everywhere() -> None:
    # Found by a simulated seed: two questions that lied, minutes apart, and a reconciliation that asked once more.
    missed = after(resting(), absent(START), *[Missing(ID, START + 10 * GRACE, GRACE)] * LOOKS)
    assert (missed.state, need(missed)) == (State.OPEN, Need.ASK)
    assert after(missed, absent(START + 10 * GRACE)).state is State.QUARANTINED


@pytest.mark.parametrize("state", [sent, unknown, resting])
def test_an_order_of_a_symbol_that_is_not_listed_is_neither_there_nor_absent(
    state: Callable[[Side], OrderState],
) -> None:
    known = after(state(Side.SELL), Restarted(ID))
    missed = after(known, unlisted(START), *[unlisted(START + GRACE)] * 10)
    assert missed.state is known.state
    gone, todo = step_order(missed, unlisted(START + GRACE + 1), START)
    assert (gone.state, gone.reason) == (State.QUARANTINED, "the exchange does not list ETHUSDT any more")
    assert isinstance(todo[0], Contradicted)


def test_what_is_in_flight_is_waited_for_whatever_is_listed() -> None:
    assert after(sent(), *[unlisted(FENCE + GRACE + look) for look in range(1, 10)]).state is State.INTENDED


def test_looks_at_a_symbol_that_was_not_listed_prove_no_absence() -> None:
    late = FENCE + GRACE + 1
    listed = after(unknown(), unlisted(late), unlisted(late), *[absent(late)] * (LOOKS - 1))
    assert listed.state is State.UNKNOWN
    assert after(listed, absent(late)).state is State.ABANDONED
    assert need(after(unknown(), unlisted(late), Reported(ID, report()))) is None


def test_an_order_that_is_found_again_was_never_missed() -> None:
    found = after(resting(), absent(START), absent(START + 1), Reported(ID, report()))
    assert need(found) is None
    assert after(found, absent(START + 10 * GRACE), absent(START + 10 * GRACE + 1)).state is State.OPEN


def test_the_twin_of_an_abandoned_buy_that_vanishes_is_quarantined() -> None:
    twin = after(unknown(), *[absent()] * LOOKS, Reported(ID, report()))
    assert after(twin, absent(FENCE), *[absent(FENCE + GRACE + 1)] * 2).state is State.QUARANTINED


def test_a_person_who_takes_a_vanished_order_back_has_it_looked_for_anew() -> None:
    gone = after(resting(), absent(START), *[absent(START + GRACE + 1)] * 2)
    assert gone.state is State.QUARANTINED
    again = after(gone, Resolved(ID, adopt=True))
    assert (again.state, need(again)) == (State.OPEN, None)
    assert after(again, absent(START + 9 * GRACE), absent(START + 9 * GRACE)).state is State.OPEN


def test_an_unknown_order_that_is_found_is_adopted() -> None:
    found, todo = step_order(unknown(), Reported(ID, report()), START)
    assert (found.state, found.order_id, found.reason) == (State.OPEN, 1, None)
    assert todo == (Placed(),)


def test_a_sell_proven_absent_that_appears_after_all_is_adopted_and_not_sent_again() -> None:
    waiting = after(unknown(Side.SELL), *[absent()] * LOOKS)
    found = after(waiting, Reported(ID, report(side=Side.SELL)))
    assert found.state is State.OPEN
    assert actions(found, ADMITTED) == ()


def test_a_clock_one_second_ahead_is_forgiven() -> None:
    assert after(unknown(), Reported(ID, report(created=START - 1_000))).state is State.OPEN


def test_fills_are_told_in_order_and_the_end_after_them() -> None:
    part, first = step_order(resting(), SOME, START)
    assert (part.state, first) == (State.PARTIALLY_FILLED, (Executed(PART),))
    whole, second = step_order(part, ALL, START)
    assert (whole.state, whole.executed) == (State.FILLED, parse_quantity("0.0745"))
    assert second == (Executed(REST), Ended(Fate.FILLED, None, 2))


def test_a_fill_is_applied_once_however_often_it_is_told() -> None:
    part = after(resting(), SOME)
    assert step_order(part, SOME, START) == (part, ())
    assert step_order(part, FillsFound(ID, (PART,)), START) == (part, ())
    whole = after(part, ALL)
    for event in (SOME, ALL, FillsFound(ID, (PART, REST))):
        assert step_order(whole, event, START) == (whole, ())


def test_reports_in_the_wrong_order_end_the_same() -> None:
    early = after(resting(), ALL)
    assert early.state is State.PARTIALLY_FILLED
    assert early.final is OrderStatus.FILLED
    late, todo = step_order(early, SOME, START)
    assert late.state is State.FILLED
    assert todo == (Executed(PART), Ended(Fate.FILLED, None, 2))


def test_an_order_with_missing_fills_has_not_ended() -> None:
    silent, todo = step_order(resting(), Reported(ID, report(OrderStatus.FILLED, "0.0745")), START)
    assert (silent.state, silent.final, todo) == (State.OPEN, OrderStatus.FILLED, ())
    found, told = step_order(silent, FillsFound(ID, (PART, REST)), START)
    assert found.state is State.FILLED
    assert told == (Executed(PART), Executed(REST), Ended(Fate.FILLED, None, 2))


def test_fills_may_be_newer_than_the_last_report_of_a_live_order() -> None:
    gap = after(resting(), Reported(ID, report(OrderStatus.PARTIALLY_FILLED, "0.04")))
    ahead, todo = step_order(gap, FillsFound(ID, (PART, REST)), START)
    assert (ahead.state, ahead.reported) == (State.PARTIALLY_FILLED, parse_quantity("0.0745"))
    assert todo == (Executed(PART), Executed(REST))


@pytest.mark.parametrize(
    ("status", "ours", "state", "fate"),
    [
        (OrderStatus.CANCELED, True, State.CANCELLED, Fate.CANCELLED),
        (OrderStatus.CANCELED, False, State.CANCELLED, Fate.BY_HAND),
        (OrderStatus.EXPIRED, False, State.EXPIRED, Fate.EXPIRED),
        (OrderStatus.EXPIRED_IN_MATCH, False, State.EXPIRED, Fate.EXPIRED),
    ],
)
def test_each_way_to_end_has_its_own_fate(status: OrderStatus, ours: bool, state: State, fate: Fate) -> None:
    order = after(resting(), CancelWanted(ID)) if ours else resting()
    ended, todo = step_order(order, Reported(ID, report(status)), START)
    assert ended.state is state
    assert todo == (Ended(fate),)


def test_a_rejection_by_the_matching_engine_has_a_reason() -> None:
    rejected, todo = step_order(resting(), Reported(ID, report(OrderStatus.REJECTED)), START)
    assert rejected.state is State.REJECTED
    assert todo == (Ended(Fate.REJECTED, Refused(Refusal.OTHER, 0, "rejected by the matching engine")),)


def told(refusal: Refused | Unknown, side: Side = Side.BUY, order_id: int = 9) -> Reported:
    """A report, not an answer, says that one frame was refused."""
    return Reported(ID, replace(report(OrderStatus.REJECTED, side=side, order_id=order_id), refusal=refusal))


@pytest.mark.parametrize("before", [sent(), unknown()])
def test_a_refusal_that_a_report_tells_rejects_the_only_frame_for_its_reason(before: OrderState) -> None:
    rejected, todo = step_order(before, told(NO), START)
    assert (rejected.state, rejected.order_id, rejected.reason) == (State.REJECTED, None, NO.message)
    assert todo == (Ended(Fate.REJECTED, NO),)
    assert step_order(rejected, Answered(ID, NO), START) == (rejected, ())


def test_a_refusal_that_a_report_tells_after_the_answer_is_nothing_new() -> None:
    rejected = after(sent(), Answered(ID, NO))
    assert step_order(rejected, told(NO), START) == (rejected, ())


@pytest.mark.parametrize("order_id", [1, 9])
def test_a_refusal_that_a_report_tells_ends_no_order_that_the_exchange_has(order_id: int) -> None:
    # Seen in 2018: a sell was reported as new, then twice as rejected, then as filled.
    open_sell = resting(Side.SELL)
    assert step_order(open_sell, told(NO, Side.SELL, order_id), START) == (open_sell, ())


def test_a_refusal_that_a_report_tells_of_a_later_frame_leaves_the_earlier_one_unknown() -> None:
    doubtful = after(retried(), told(NO, Side.SELL))
    assert (doubtful.state, doubtful.refused) == (State.UNKNOWN, NO)
    assert after(doubtful, *[absent(FENCE + WINDOW + GRACE + 1)] * LOOKS).state is State.REJECTED
    assert after(doubtful, Reported(ID, report(side=Side.SELL))).state is State.OPEN


def test_a_report_of_a_duplicate_means_that_the_order_exists() -> None:
    doubtful = after(retried(), told(Unknown("duplicate"), Side.SELL))
    assert (doubtful.state, doubtful.reason, need(doubtful)) == (State.UNKNOWN, "duplicate", Need.ASK)


def test_a_cancel_that_lost_the_race_is_a_fill() -> None:
    cancelling = after(resting(), CancelWanted(ID), SOME)
    assert actions(cancelling, ALL)[-1] == Ended(Fate.FILLED, None, 2)


def test_a_cancel_is_wanted_once() -> None:
    cancelling = after(resting(), CancelWanted(ID))
    assert cancelling.cancelling
    assert step_order(cancelling, CancelWanted(ID), START) == (cancelling, ())


def test_an_order_that_was_not_sent_needs_no_cancel() -> None:
    abandoned, todo = step_order(decided(), CancelWanted(ID), START)
    assert abandoned.state is State.ABANDONED
    assert todo == (Ended(Fate.ABANDONED),)


@pytest.mark.parametrize("side", list(Side))
def test_an_unwanted_order_that_never_left_is_abandoned(side: Side) -> None:
    unsent, todo = step_order(after(sent(side), CancelWanted(ID)), Answered(ID, Unsent("stopped")), START)
    assert unsent.state is State.ABANDONED
    assert todo == (Ended(Fate.ABANDONED),)


@pytest.mark.parametrize("side", list(Side))
def test_an_unwanted_order_that_never_arrived_is_abandoned(side: Side) -> None:
    gone = after(unknown(side), CancelWanted(ID), *[absent()] * LOOKS)
    assert gone.state is State.ABANDONED


def test_a_sell_refused_on_a_later_attempt_is_rejected_once_its_absence_is_proven() -> None:
    refused = after(retried(), Answered(ID, NO))
    fence = FENCE + WINDOW + GRACE
    assert after(refused, *[absent(fence)] * LOOKS).state is State.UNKNOWN
    looked = after(refused, *[absent(fence + 1)] * (LOOKS - 1))
    rejected, todo = step_order(looked, absent(fence + 1), START)
    assert rejected.state is State.REJECTED
    assert todo == (Ended(Fate.REJECTED, NO),)


def test_a_sell_refused_on_a_later_attempt_and_found_is_open() -> None:
    found = after(retried(), Answered(ID, NO), Reported(ID, report(side=Side.SELL)))
    assert (found.state, found.refused) == (State.OPEN, None)


def test_the_late_twin_of_an_abandoned_buy_is_remembered_by_its_order_id() -> None:
    late, todo = step_order(abandoned(), Reported(ID, report()), START)
    assert (late.state, late.order_id, late.final, todo) == (State.ABANDONED, 1, None, ())
    gone = after(late, Reported(ID, report(OrderStatus.CANCELED)))
    assert (gone.state, gone.final) == (State.ABANDONED, OrderStatus.CANCELED)


def test_an_old_report_does_not_bring_a_cancelled_twin_back() -> None:
    gone = after(abandoned(), Reported(ID, report(OrderStatus.CANCELED)))
    assert step_order(gone, Reported(ID, report()), START) == (gone, ())


# What contradicts what we know


ENDED = after(resting(), Reported(ID, report(OrderStatus.CANCELED)))
ENDED_IN_PART = after(resting(), Reported(ID, report(OrderStatus.CANCELED, "0.04")))
STRANGE = "order 1 is not what was intended"
TOO_MUCH = "more was executed than the exchange or the intent says"


@pytest.mark.parametrize(
    ("order", "event", "reason"),
    [
        (unknown(), Reported(ID, replace(report(), symbol="BTCUSDT")), STRANGE),
        (unknown(), Reported(ID, replace(report(), side=Side.SELL)), STRANGE),
        (unknown(), Reported(ID, replace(report(), price=Price(1))), STRANGE),
        (unknown(), Reported(ID, replace(report(), quantity=Quantity(1))), STRANGE),
        (unknown(), Reported(ID, report(created=START - 1_001)), "order 1 is older than its intent"),
        (resting(), Reported(ID, report(order_id=2)), "two orders under one id: 1 and 2"),
        (after(sent(), Answered(ID, NO)), Reported(ID, report()), "refused, and yet order 1 exists"),
        (ENDED_IN_PART, FillsFound(ID, (PART, REST)), TOO_MUCH),
        (resting(), Reported(ID, report(OrderStatus.PARTIALLY_FILLED, "0.03", PART)), TOO_MUCH),
        (resting(), Reported(ID, report(OrderStatus.FILLED, "0.0746")), TOO_MUCH),
        (ENDED, SOME, "order 1 executed more after its end"),
        (after(resting(), SOME), FillsFound(ID, (replace(PART, fee=Amount(1)),)), "fill 1 changed its content"),
        (abandoned(), SOME, "abandoned, and yet order 1 was filled"),
    ],
)
def test_a_contradiction_is_quarantined_with_its_reason_and_books_nothing(
    order: OrderState, event: OrderEvent, reason: str
) -> None:
    quarantined, todo = step_order(order, event, START)
    assert (quarantined.state, quarantined.reason, quarantined.fills) == (State.QUARANTINED, reason, order.fills)
    assert todo == (Contradicted(reason),)


def test_an_order_that_was_sent_after_the_clock_went_back_is_no_older_than_its_frame() -> None:
    back = replace(unknown(), timestamp=START - 10_000)
    assert after(back, Reported(ID, report(created=START - 10_500))).state is State.OPEN
    older = after(back, Reported(ID, report(created=START - 11_001)))
    assert (older.state, older.reason) == (State.QUARANTINED, "order 1 is older than its intent")
    assert unknown().since == START - 1_000


def test_the_late_twin_that_was_filled_is_known_by_its_order_id_and_what_it_executed() -> None:
    twin = after(abandoned(), SOME)
    assert (twin.order_id, twin.reported) == (1, parse_quantity("0.04"))


def test_nothing_but_a_person_ends_a_quarantine() -> None:
    quarantined = after(resting(), Reported(ID, report(order_id=2)))
    for event in (ADMITTED, LOST, SOME, ALL, FillsFound(ID, (PART,)), absent(), Restarted(ID)):
        assert after(quarantined, event).state is State.QUARANTINED
    assert step_order(resting(), Resolved(ID, adopt=True), START) == (resting(), ())


def test_an_adopted_order_is_ours_again() -> None:
    late = after(abandoned(), SOME, Resolved(ID, adopt=True))
    assert (late.state, late.reason) == (State.OPEN, None)
    assert after(late, FillsFound(ID, (PART, REST)), ALL).state is State.FILLED
    part = after(resting(), SOME, Reported(ID, report(order_id=2)), Resolved(ID, adopt=True))
    assert part.state is State.PARTIALLY_FILLED


def test_an_adopted_order_without_an_order_id_is_looked_for() -> None:
    lost = after(unknown(), Reported(ID, report(created=0)), Resolved(ID, adopt=True))
    assert lost.state is State.UNKNOWN


@pytest.mark.parametrize("order", [resting(), unknown()])
def test_an_order_that_a_person_writes_off_ended_by_hand(order: OrderState) -> None:
    quarantined = after(order, Reported(ID, replace(report(order_id=2), price=Price(1))))
    written_off, todo = step_order(quarantined, Resolved(ID, adopt=False), START)
    assert written_off.reason == "written off by hand"
    assert todo == (Ended(Fate.BY_HAND),)


def test_an_order_that_was_written_off_stays_forgotten() -> None:
    written_off = after(abandoned(), SOME, Resolved(ID, adopt=False))
    assert written_off.state is State.CANCELLED
    for later in (SOME, ALL, Reported(ID, report(order_id=2)), Reported(ID, report(created=0))):
        assert step_order(written_off, later, START) == (written_off, ())


def test_a_change_is_dated_and_time_never_runs_back() -> None:
    placed, _ = step_order(sent(), Reported(ID, report()), START + 7)
    assert placed.updated_at == START + 7
    assert step_order(placed, SOME, START)[0].updated_at == START + 7


# What it needs

NONE_YET = decided()
FOUR = parse_quantity("0.04")


@pytest.mark.parametrize(
    ("order", "needed"),
    [
        (NONE_YET, Need.ADMIT),
        (replace(NONE_YET, state=State.INTENDED), None),
        (replace(NONE_YET, state=State.UNKNOWN), Need.ASK),
        (replace(NONE_YET, state=State.UNKNOWN, cancelling=True), Need.ASK),
        (replace(NONE_YET, state=State.OPEN), None),
        (replace(NONE_YET, state=State.OPEN, cancelling=True), Need.CANCEL),
        (replace(NONE_YET, state=State.OPEN, reported=FOUR, cancelling=True), Need.FILLS),
        (replace(NONE_YET, state=State.PARTIALLY_FILLED, reported=FOUR, executed=FOUR), None),
        (
            replace(NONE_YET, state=State.PARTIALLY_FILLED, reported=NONE_YET.intent.quantity, executed=FOUR),
            Need.FILLS,
        ),
        (replace(NONE_YET, state=State.ABANDONED), None),
        (replace(NONE_YET, state=State.ABANDONED, order_id=1), Need.CANCEL),
        (replace(NONE_YET, state=State.ABANDONED, order_id=1, final=OrderStatus.CANCELED), None),
        (replace(NONE_YET, state=State.QUARANTINED, order_id=1, reported=FOUR), None),
        (replace(NONE_YET, state=State.FILLED), None),
    ],
)
def test_a_placement_needs_one_thing_at_a_time(order: OrderState, needed: Need | None) -> None:
    assert need(order) is needed


def test_what_was_never_admitted_has_no_deadline() -> None:
    assert NONE_YET.fence is None
    assert replace(NONE_YET, timestamp=START, recv_window=5_000).fence == START + 5_000


def test_an_order_is_live_or_has_ended_or_waits_for_us_or_for_a_person() -> None:
    assert set(State) - LIVE - TERMINAL == {State.NOT_PLACED, State.QUARANTINED}
    assert not LIVE & TERMINAL


@pytest.mark.parametrize("status", list(OrderStatus))
def test_an_order_has_ended_unless_it_can_still_be_filled(status: OrderStatus) -> None:
    assert status.ended is (status not in {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})


def less(quantity: str, executed: str = "0", status: OrderStatus = OrderStatus.NEW, *fills: Fill) -> Reported:
    """A report of the order after a person left less of it: it has a new client order id."""
    return Reported(ID, replace(report(status, executed, *fills), quantity=parse_quantity(quantity)))


def test_the_quantity_of_an_amended_order_follows_the_exchange() -> None:
    amended = after(resting(), less("0.05"))
    assert (amended.state, amended.quantity, amended.intent.quantity) == (
        State.OPEN,
        parse_quantity("0.05"),
        parse_quantity("0.0745"),
    )
    assert step_order(amended, Reported(ID, report()), START) == (amended, ())  # an older report comes late
    filled = after(amended, less("0.05", "0.05", OrderStatus.FILLED, fill(PRICE, "0.05", number=1)))
    assert (filled.state, filled.executed) == (State.FILLED, parse_quantity("0.05"))


def test_an_order_may_have_been_amended_before_its_answer_was_known() -> None:
    found = less("0.05", "0.05", OrderStatus.FILLED)
    renamed = Reported(ID, replace(found.report, client_order_id="another"))
    told = Reported(ID, replace(found.report, amended=True))
    assert after(unknown(), found).state is State.QUARANTINED
    for shown in (renamed, told):
        amended = after(unknown(), shown, FillsFound(ID, (fill(PRICE, "0.05", number=1),)))
        assert (amended.state, amended.executed) == (State.FILLED, parse_quantity("0.05"))


def test_an_order_that_was_amended_to_more_or_to_another_price_is_quarantined_until_a_person_adopts_it() -> None:
    dearer = Reported(ID, replace(report(), price=parse_price("2683.54")))
    for odd in (less("0.08"), dearer):
        quarantined = after(resting(), odd)
        assert quarantined.state is State.QUARANTINED
        adopted = after(quarantined, Resolved(ID, adopt=True), odd)
        assert adopted.state is State.OPEN


@pytest.mark.parametrize(("by_exchange", "fate"), [(True, Fate.BY_EXCHANGE), (False, Fate.EXPIRED)])
def test_an_order_that_the_exchange_lets_expire_by_itself_is_not_taken_for_one_that_expired(
    by_exchange: bool, fate: Fate
) -> None:
    ended = Reported(ID, replace(report(OrderStatus.EXPIRED), by_exchange=by_exchange))
    assert step_order(resting(), ended, START)[1] == (Ended(fate),)


def test_a_cancel_of_ours_that_the_journal_lost_is_not_taken_for_a_persons() -> None:
    """By seed 60000007 of nodes: the commit that it was wanted was lost in a failover."""
    ended = Reported(ID, replace(report(OrderStatus.CANCELED), by_us=True))
    cancelled, todo = step_order(resting(), ended, START)
    assert (cancelled.state, cancelled.cancelling, todo) == (State.CANCELLED, True, (Ended(Fate.CANCELLED),))


def test_why_the_exchange_let_an_order_expire_is_kept_and_told() -> None:
    reported = replace(report(OrderStatus.EXPIRED), expiry="EXECUTION_RULE_PRICE_RANGE_EXCEEDED")
    expired, todo = step_order(resting(), Reported(ID, reported), START)
    assert expired.reason == "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"
    assert todo == (Ended(Fate.EXPIRED, Refused(Refusal.OTHER, 0, "EXECUTION_RULE_PRICE_RANGE_EXCEEDED")),)
    assert Turned(expired).message.endswith(": EXECUTION_RULE_PRICE_RANGE_EXCEEDED")


def test_an_order_of_which_self_trade_prevention_took_a_part_is_filled_with_less() -> None:
    filled, todo = step_order(
        resting(), Reported(ID, report(OrderStatus.FILLED, "0.05", fill(PRICE, "0.05", number=1))), START
    )
    assert (filled.state, filled.executed) == (State.FILLED, parse_quantity("0.05"))
    assert todo[-1] == Ended(Fate.FILLED, None, 1)


@pytest.mark.parametrize(("by_exchange", "fate"), [(True, Fate.BY_EXCHANGE), (False, Fate.BY_HAND)])
def test_an_order_that_the_exchange_ends_by_itself_is_not_called_cancelled_by_hand(
    by_exchange: bool, fate: Fate
) -> None:
    ended = Reported(ID, replace(report(OrderStatus.CANCELED), by_exchange=by_exchange))
    assert step_order(resting(), ended, START)[1] == (Ended(fate),)
    assert step_order(after(resting(), CancelWanted(ID)), ended, START)[1] == (Ended(Fate.CANCELLED),)
