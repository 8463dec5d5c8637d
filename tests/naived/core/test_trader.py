from dataclasses import replace

import pytest

from naived.core.amount import Money, Price, Quantity, format_amount, parse_money, parse_price, parse_quantity
from naived.core.order import Fill, Refusal, Refused, Side
from naived.core.phase import Buying, Finished, Hold, Holding, Selling, Terms, Trader, Waiting
from naived.core.placement import STALE, Ended, Executed, Fate, Placed
from naived.core.scene import (
    Cancel,
    Carry,
    Command,
    Count,
    Counted,
    Fault,
    Happened,
    Leave,
    Note,
    Place,
    Priced,
    Released,
    Reread,
    Scene,
    TraderEvent,
    UnexpectedError,
    Wished,
    Woke,
)
from naived.core.settings import Status
from naived.core.strategy import NO_LEFTOVER, Leftover
from naived.core.trader import step
from tests.core_market import ETH, FEES, START, fill, filters, settings, trade

SETTINGS = settings()
TERMS = Terms(
    SETTINGS.budget or Money(0),
    SETTINGS.chunks,
    SETTINGS.buy_down,
    SETTINGS.profit,
    SETTINGS.rebuy,
    SETTINGS.reprice,
    FEES,
)
SCENE = Scene(
    now=START,
    filters=ETH,
    status=Status.ON,
    keep_buys=False,
    base="ETH",
    quote="USDT",
    room=parse_money("1000"),
    lowest_sell=None,
    leftover=NO_LEFTOVER,
    barred=None,
)
OFF = replace(SCENE, status=Status.OFF)
DRAIN = replace(SCENE, status=Status.SHUTDOWN)
FRESH = Trader("ETHUSDT", 1, TERMS, Waiting(), START, START)
LAST = Priced(trade("2683.80"))
WHOLE = fill("2683.53", "0.0745", "0.0000745")
PART = fill("2683.53", "0.04", "0.00004")
CRUMB = fill("2683.53", "0.0004", "0.0000004")
GONE = fill("2689.45", "0.0744", "0.20009508", "USDT", number=2, order_id=2, time=START + 9)
HALF = fill("2689.45", "0.04", "0.107578", "USDT", number=2, order_id=2, time=START + 9)
MOST = fill("2689.45", "0.073", "0.19632985", "USDT", number=2, order_id=2, time=START + 9)
STOP_ALL = Wished(frozenset(Side))


def after(trader: Trader, scene: Scene, *events: TraderEvent) -> Trader:
    for event in events:
        trader, _ = step(trader, event, scene)
    return trader


def buy(news: Placed | Executed | Ended, seq: int = 1) -> Happened:
    return Happened(Side.BUY, seq, news)


def sell(news: Placed | Executed | Ended, seq: int = 1) -> Happened:
    return Happened(Side.SELL, seq, news)


def refused(kind: Refusal, retry_at: int | None = None) -> Ended:
    return Ended(Fate.REJECTED, Refused(kind, -1, f"no: {kind}", retry_at))


FILLED = Ended(Fate.FILLED, None, START + 5)
CANCELLED = Ended(Fate.CANCELLED)
BUYING = after(FRESH, SCENE, LAST, buy(Placed()))
SELLING = after(BUYING, SCENE, buy(Executed(WHOLE)), buy(FILLED), sell(Placed()))


def placed(commands: tuple[Command, ...]) -> tuple[str, str] | None:
    """Price and quantity of the one order that these commands place."""
    orders = [command.intent for command in commands if isinstance(command, Place)]
    assert len(orders) <= 1
    return (format_amount(orders[0].price), format_amount(orders[0].quantity)) if orders else None


def notes(commands: tuple[Command, ...]) -> list[str]:
    return [command.message for command in commands if isinstance(command, Note)]


# Waiting


def test_a_waiting_trader_buys_on_a_trade() -> None:
    buying, commands = step(FRESH, LAST, SCENE)
    assert placed(commands) == ("2683.53", "0.0745")
    assert isinstance(buying.phase, Buying)
    assert (buying.buys, buying.phase.accepted) == (1, False)
    assert commands == (Place(buying.phase.intent, START),)


def test_a_buy_is_never_decided_on_an_old_trade() -> None:
    assert step(FRESH, LAST, replace(SCENE, now=START + STALE + 1)) == (FRESH, ())
    assert placed(step(FRESH, LAST, replace(SCENE, now=START + STALE))[1])


def test_a_trader_waits_for_a_trade_later_than_what_it_waits_for() -> None:
    waiting = replace(FRESH, phase=Waiting(after=START))
    assert step(waiting, LAST, SCENE) == (waiting, ())
    assert placed(step(waiting, Priced(trade("2683.80", START + 1)), SCENE)[1])


@pytest.mark.parametrize("scene", [OFF, DRAIN])
def test_nothing_is_bought_unless_the_symbol_is_on(scene: Scene) -> None:
    assert step(FRESH, LAST, scene) == (FRESH, ())


@pytest.mark.parametrize(
    ("scene", "reason"),
    [
        (replace(SCENE, barred="the exchange is away"), "the exchange is away"),
        (replace(SCENE, room=parse_money("199.92")), "no room in the budget: 199.92 USDT are left"),
        (replace(SCENE, lowest_sell=parse_price("2683.53")), "our own sell is in the way: it rests at 2683.53"),
        (
            replace(SCENE, filters=filters(notional="201")),
            "too small to trade (NOTIONAL): the least budget is 1006.32375 USDT",
        ),
        (
            replace(SCENE, filters=filters(step="0.1")),
            "too small to trade (LOT_SIZE): the least budget is 2683.53 USDT",
        ),
        (
            replace(SCENE, filters=filters(ask_up=10**8)),
            "the exchange would refuse it (PERCENT_PRICE_BY_SIDE)",
        ),
        (
            replace(SCENE, filters=filters(max_quantity=parse_quantity("0.07"))),
            "the exchange would refuse it (LOT_SIZE)",
        ),
    ],
)  # fmt: skip
def test_a_trader_that_cannot_buy_says_why_and_waits(scene: Scene, reason: str) -> None:
    waiting, commands = step(FRESH, LAST, scene)
    assert waiting.phase == Waiting(reason=reason)
    assert commands == (Note("waits", f"ETHUSDT-1: {reason}"),)
    assert placed(step(waiting, LAST, SCENE)[1]) == ("2683.53", "0.0745")


def test_room_and_sells_that_just_do_not_bar_let_it_buy() -> None:
    scene = replace(SCENE, room=parse_money("199.922985"), lowest_sell=parse_price("2683.54"))
    assert placed(step(FRESH, LAST, scene)[1])


def test_the_same_obstacle_is_said_once_though_its_figures_change() -> None:
    scene = replace(SCENE, filters=filters(notional="201"))
    waiting, _ = step(FRESH, LAST, scene)
    assert step(waiting, Priced(trade("2690")), scene) == (waiting, ())
    barred = replace(scene, barred="the exchange is away")
    assert notes(step(waiting, LAST, barred)[1]) == ["ETHUSDT-1: the exchange is away"]


@pytest.mark.parametrize("scene", [OFF, DRAIN])
def test_a_waiting_trader_ends_with_its_symbol(scene: Scene) -> None:
    ended, commands = step(FRESH, Wished(), scene)
    assert isinstance(ended.phase, Finished)
    assert (ended.phase.profit, commands) == (None, ())


# Buying


def test_a_buy_that_is_filled_is_sold() -> None:
    bought = after(BUYING, SCENE, buy(Executed(WHOLE)))
    selling, commands = step(bought, buy(FILLED), SCENE)
    assert isinstance(selling.phase, Selling)
    assert placed(commands) == ("2689.45", "0.0744")


def test_what_is_worth_more_than_one_order_may_be_is_sold_in_several() -> None:
    scene = replace(SCENE, filters=filters(max_notional=parse_money("110")))
    bought = after(BUYING, scene, buy(Executed(WHOLE)))
    _, commands = step(bought, buy(FILLED), scene)
    assert placed(commands) == ("2689.45", "0.0409")


@pytest.mark.parametrize("fate", [Fate.CANCELLED, Fate.BY_HAND, Fate.EXPIRED, Fate.ABANDONED])
def test_whatever_ends_a_partly_filled_buy_what_was_bought_is_sold(fate: Fate) -> None:
    part = after(BUYING, SCENE, buy(Executed(PART)))
    assert placed(step(part, buy(Ended(fate, None, START)), SCENE)[1]) == ("2689.45", "0.0399")


def test_a_bought_crumb_that_cannot_be_sold_becomes_a_leftover_with_its_cost() -> None:
    crumb = after(BUYING, SCENE, buy(Executed(CRUMB)))
    finished, commands = step(crumb, buy(CANCELLED), SCENE)
    left = Leftover(parse_quantity("0.0003996"), parse_money("1.073412"))  # G8
    assert isinstance(finished.phase, Finished)
    assert (finished.phase.dust, finished.phase.profit) == (left, None)
    assert finished.phase.reason == "too small to sell"
    assert commands[0] == Leave(left)


def test_a_buy_that_its_fee_ate_up_leaves_its_cost() -> None:
    eaten = replace(PART, quantity=Quantity(1), quote=Money(1), fee=Quantity(1))
    finished, commands = step(after(BUYING, SCENE, buy(Executed(eaten))), buy(CANCELLED), SCENE)
    assert isinstance(finished.phase, Finished)
    assert commands[0] == Leave(Leftover(Quantity(0), Money(1)))


@pytest.mark.parametrize(
    ("fate", "pause"),
    [(Fate.CANCELLED, 0), (Fate.ABANDONED, 0), (Fate.EXPIRED, 1_000)],
)
def test_after_a_buy_that_bought_nothing_the_trader_waits_again(fate: Fate, pause: int) -> None:
    waiting, commands = step(BUYING, buy(Ended(fate)), SCENE)
    assert waiting.phase == Waiting(after=START + pause if pause else 0)
    assert commands == ()
    again, _ = step(waiting, Priced(trade("2683.80", START + 1_001)), replace(SCENE, now=START + 1_001))
    assert isinstance(again.phase, Buying)
    assert again.phase.intent.seq == 2


def test_a_buy_cancelled_by_a_person_ends_its_trader() -> None:
    ended, _ = step(BUYING, buy(Ended(Fate.BY_HAND)), SCENE)
    assert isinstance(ended.phase, Finished)
    assert ended.phase.reason == "buy cancelled by hand"


@pytest.mark.parametrize("scene", [OFF, DRAIN])
def test_a_buy_that_ends_empty_after_the_symbol_ends_its_trader(scene: Scene) -> None:
    for news in (CANCELLED, Ended(Fate.ABANDONED), refused(Refusal.BALANCE), refused(Refusal.MALFORMED)):
        ended, commands = step(BUYING, buy(news), scene)
        assert isinstance(ended.phase, Finished)
        assert commands == ()


@pytest.mark.parametrize(
    ("kind", "pause"),
    [
        (Refusal.BALANCE, 60_000),
        (Refusal.FILTER, 10_000),
        (Refusal.TOO_MANY, 10_000),
        (Refusal.CLOCK, 1_000),
        (Refusal.MARKET_CLOSED, 10_000),
    ],
)
def test_a_refused_buy_backs_off_by_its_reason(kind: Refusal, pause: int) -> None:
    waiting, commands = step(BUYING, buy(refused(kind)), SCENE)
    assert waiting.phase == Waiting(after=START + pause, reason=f"no: {kind}")
    assert notes(commands) == [f"ETHUSDT-1: buy refused: no: {kind}"]
    assert (Reread() in commands) is (kind is Refusal.FILTER)


@pytest.mark.parametrize("kind", [Refusal.CREDENTIALS, Refusal.MALFORMED, Refusal.FORBIDDEN, Refusal.OTHER])
def test_a_permanent_refusal_faults_the_symbol(kind: Refusal) -> None:
    waiting, commands = step(BUYING, buy(refused(kind)), SCENE)
    assert isinstance(waiting.phase, Waiting)
    assert commands[-1] == Fault(f"buy refused: no: {kind}")


def test_a_refusal_that_says_when_to_come_back_is_obeyed() -> None:
    waiting, _ = step(BUYING, buy(refused(Refusal.TOO_MANY, retry_at=START + 99_000)), SCENE)
    assert waiting.phase == Waiting(after=START + 99_000, reason="no: too many orders or requests")


def test_a_price_that_leaves_a_resting_buy_behind_cancels_it() -> None:
    edge = "2710.36"  # one percent above 2683.53 is 2710.3653
    assert step(BUYING, Priced(trade(edge)), SCENE) == (BUYING, ())
    cancelling, commands = step(BUYING, Priced(trade("2710.37")), SCENE)
    assert isinstance(cancelling.phase, Buying)
    assert Cancel(cancelling.phase.intent) in commands
    assert step(cancelling, Priced(trade("2710.37")), SCENE) == (cancelling, ())


def test_a_reprice_of_zero_means_never() -> None:
    patient = replace(BUYING, terms=replace(TERMS, reprice=Price(0)))
    assert step(patient, Priced(trade("999999")), SCENE) == (patient, ())


def test_a_buy_that_the_exchange_does_not_have_yet_is_not_repriced() -> None:
    unplaced = after(FRESH, SCENE, LAST)
    assert step(unplaced, Priced(trade("9999")), SCENE) == (unplaced, ())


@pytest.mark.parametrize(
    ("scene", "event", "cancelled"),
    [
        (OFF, Wished(), False),
        (OFF, Wished(frozenset({Side.BUY})), True),
        (OFF, STOP_ALL, True),
        (DRAIN, Wished(), True),
        (replace(DRAIN, keep_buys=True), Wished(), False),
        (SCENE, Wished(), False),
    ],
)
def test_a_resting_buy_is_cancelled_only_where_it_may_not_rest(
    scene: Scene, event: Wished, cancelled: bool
) -> None:
    assert any(isinstance(command, Cancel) for command in step(BUYING, event, scene)[1]) is cancelled


def test_only_a_buy_that_already_rests_is_kept_by_a_drain() -> None:
    unplaced = after(FRESH, SCENE, LAST)
    commands = step(unplaced, Wished(), replace(DRAIN, keep_buys=True))[1]
    assert [type(command) for command in commands] == [Cancel]


def test_a_buy_that_was_cancelled_is_not_cancelled_again() -> None:
    cancelling = after(BUYING, OFF, STOP_ALL)
    assert step(cancelling, STOP_ALL, OFF) == (cancelling, ())


def test_a_start_before_the_cancel_lands_buys_anew_afterwards() -> None:
    waiting = after(after(BUYING, OFF, STOP_ALL), SCENE, Wished(), buy(CANCELLED))
    assert waiting.phase == Waiting()


@pytest.mark.parametrize("scene", [OFF, replace(OFF, leftover=Leftover(Quantity(1), Money(1)))])
def test_what_fills_while_off_is_held_and_sold_by_the_next_start(scene: Scene) -> None:
    holding, commands = step(after(BUYING, scene, buy(Executed(WHOLE))), buy(FILLED), scene)
    assert isinstance(holding.phase, Holding)
    assert (holding.phase.hold, holding.phase.retry_at, commands) == (Hold.STOPPED, None, ())
    assert step(holding, Wished(), scene) == (holding, ())
    assert placed(step(holding, Wished(), SCENE)[1]) == ("2689.45", "0.0744")
    assert placed(step(holding, Wished(), DRAIN)[1]) == ("2689.45", "0.0744")


# Selling


def finished(*fills: Fill, fate: Fate = Fate.FILLED) -> tuple[Trader, tuple[Command, ...]]:
    sold = after(SELLING, SCENE, *(sell(Executed(part)) for part in fills))
    return step(sold, sell(Ended(fate, None, START + 9)), SCENE)


def test_a_sold_position_finishes_with_its_profit_and_leaves_its_dust() -> None:
    done, commands = finished(GONE)
    assert isinstance(done.phase, Finished)
    assert done.phase.profit == parse_money("0.04049843")  # G1
    assert commands == (
        Leave(Leftover(parse_quantity("0.0000255"), parse_money("0.06849851"))),
        Note("finished", "ETHUSDT-1: profit 0.04049843 USDT"),
    )


def test_a_sell_that_ended_too_early_sells_the_rest_at_the_same_price() -> None:
    again, commands = finished(HALF, fate=Fate.CANCELLED)
    assert placed(commands) == ("2689.45", "0.0344")
    assert again.sells == 2


def test_a_rest_too_small_to_sell_is_left_with_its_share_of_the_cost() -> None:
    done, commands = finished(MOST, fate=Fate.CANCELLED)
    assert isinstance(done.phase, Finished)
    left = Leftover(parse_quantity("0.0014255"), parse_money("3.82920121"))
    assert commands[0] == Leave(left)
    assert done.phase.profit == MOST.quote - MOST.fee - (parse_money("199.922985") - left.cost)


def test_a_sell_cancelled_by_a_person_is_held_until_a_person_says_so() -> None:
    holding, commands = finished(HALF, fate=Fate.BY_HAND)
    assert isinstance(holding.phase, Holding)
    assert (holding.phase.hold, holding.phase.retry_at) == (Hold.BY_HAND, None)
    assert "naivectl resolve ETHUSDT --all --adopt" in notes(commands)[0]
    for event in (Wished(), Woke(), LAST):
        assert step(holding, event, replace(SCENE, now=START + 10**9)) == (holding, ())
    assert placed(step(holding, Released(adopt=True), SCENE)[1]) == ("2689.45", "0.0344")


def test_a_position_that_is_written_off_is_a_loss() -> None:
    holding, _ = finished(HALF, fate=Fate.BY_HAND)
    gone, _ = step(holding, Released(adopt=False), SCENE)
    assert isinstance(gone.phase, Finished)
    assert gone.phase.profit == HALF.quote - HALF.fee - parse_money("199.922985")
    assert gone.phase.dust == NO_LEFTOVER


def test_a_release_of_what_is_not_held_changes_nothing() -> None:
    for trader in (FRESH, BUYING, SELLING):
        for adopt in (True, False):
            assert step(trader, Released(adopt), SCENE) == (trader, ())


@pytest.mark.parametrize("failures", range(12))
def test_an_expired_sell_is_tried_again_at_the_same_price_ever_later(failures: int) -> None:
    assert isinstance(SELLING.phase, Selling)
    tried = replace(SELLING, phase=replace(SELLING.phase, failures=failures))
    holding, commands = step(tried, sell(Ended(Fate.EXPIRED)), SCENE)
    assert isinstance(holding.phase, Holding)
    at = START + min(1_000 * 2**failures, 300_000)
    assert (holding.phase.hold, holding.phase.retry_at, commands) == (Hold.EXPIRED, at, ())
    assert step(holding, Woke(), replace(SCENE, now=at - 1)) == (holding, ())
    again, commands = step(holding, Woke(), replace(SCENE, now=at))
    assert placed(commands) == ("2689.45", "0.0744")
    assert isinstance(again.phase, Selling)
    assert again.phase.failures == failures + 1


@pytest.mark.parametrize("kind", list(Refusal))
def test_a_refused_sell_is_held_and_tried_again_and_never_faults(kind: Refusal) -> None:
    holding, commands = step(SELLING, sell(refused(kind)), SCENE)
    assert isinstance(holding.phase, Holding)
    assert holding.phase.reason == f"no: {kind}"
    assert holding.phase.retry_at == START + 1_000
    assert notes(commands) == [f"ETHUSDT-1: sell refused: no: {kind}"]
    assert (Reread() in commands) is (kind is Refusal.FILTER)
    assert not any(isinstance(command, Fault) for command in commands)
    woken, commands = step(holding, Woke(), LATER)
    if kind is Refusal.BALANCE:  # the coins are counted first
        woken, commands = step(woken, free("1"), LATER)
    assert placed(commands) == ("2689.45", "0.0744")


def test_a_sell_refused_until_a_time_waits_for_it() -> None:
    holding, _ = step(SELLING, sell(refused(Refusal.TOO_MANY, START + 50_000)), SCENE)
    assert isinstance(holding.phase, Holding)
    assert holding.phase.retry_at == START + 50_000


def test_after_a_filter_refused_the_price_goes_up_and_the_quantity_down() -> None:
    holding, _ = step(SELLING, sell(refused(Refusal.FILTER)), SCENE)
    coarse = replace(SCENE, filters=filters(tick="1", step="0.01"), now=START + 1_000)
    assert placed(step(holding, Woke(), coarse)[1]) == ("2690", "0.07")


LEFT = Leftover(parse_quantity("0.0000765"), parse_money("0.20549554"))


def carrying(scene: Scene = SCENE) -> tuple[Trader, tuple[Command, ...]]:
    return step(after(BUYING, SCENE, buy(Executed(WHOLE))), buy(FILLED), replace(scene, leftover=LEFT))


def test_a_sell_carries_the_leftovers_along() -> None:
    selling, commands = carrying()
    assert commands[0] == Carry(LEFT)
    assert placed(commands) == ("2689.45", "0.0745")
    whole = fill("2689.45", "0.0745", "0.20036403", "USDT")
    done, commands = step(after(selling, SCENE, sell(Executed(whole))), sell(FILLED), SCENE)
    assert isinstance(done.phase, Finished)
    assert commands[0] == Leave(Leftover(parse_quantity("0.000002"), parse_money("0.00537243")))  # G7
    assert done.phase.profit == parse_money("0.04055286")


def test_a_second_sell_carries_no_more() -> None:
    part = fill("2689.45", "0.04", "0.107578", "USDT")
    cancelled = after(carrying()[0], SCENE, sell(Executed(part)))
    commands = step(cancelled, sell(CANCELLED), replace(SCENE, leftover=LEFT))[1]
    assert [type(command) for command in commands] == [Place]


def test_a_sell_refused_for_balance_is_first_tried_without_the_leftovers() -> None:
    selling, commands = step(carrying()[0], sell(refused(Refusal.BALANCE)), SCENE)
    assert isinstance(selling.phase, Selling)
    assert placed(commands) == ("2689.45", "0.0744")
    assert "0.0000765 ETH of leftovers are not there: written off" in notes(commands)[1]
    assert selling.phase.carried == Leftover(Quantity(0), LEFT.cost)
    holding, _ = step(selling, sell(refused(Refusal.BALANCE), 2), SCENE)
    assert isinstance(holding.phase, Holding)
    assert holding.phase.hold is Hold.BALANCE


def short_of_coins() -> Trader:
    """Its sell was refused for balance a second ago, and there are no leftovers that could be the reason."""
    return step(SELLING, sell(refused(Refusal.BALANCE)), SCENE)[0]


LATER = replace(SCENE, now=SCENE.now + 1_000)


def free(quantity: str) -> Counted:
    return Counted(parse_quantity(quantity))


def test_before_a_sell_that_was_refused_for_balance_is_offered_again_the_coins_are_counted() -> None:
    counting, commands = step(short_of_coins(), Woke(), LATER)
    assert commands == (Count(),)
    assert isinstance(counting.phase, Holding)
    assert counting.phase.retry_at == LATER.now + 2_000
    assert placed(step(counting, free("7"), LATER)[1]) == ("2689.45", "0.0744")


def test_never_more_is_offered_than_is_free_and_the_rest_stays_held() -> None:
    selling, commands = step(short_of_coins(), free("0.05129"), LATER)
    assert placed(commands) == ("2689.45", "0.0512")
    sold = fill("2689.45", "0.0512", "0.13769984", "USDT")
    rest, commands = step(after(selling, LATER, sell(Executed(sold), 2)), sell(FILLED, 2), LATER)
    assert placed(commands) == ("2689.45", "0.0232")
    held = after(rest, LATER, sell(refused(Refusal.BALANCE), 3), free("0"))
    assert isinstance(held.phase, Holding)
    assert held.phase.reason == "of 0.0232255 ETH only 0 are free"


def test_too_few_free_coins_to_sell_are_told_and_counted_again() -> None:
    held, commands = step(short_of_coins(), free("0.001"), LATER)
    assert commands == ()
    assert isinstance(held.phase, Holding)
    assert (held.phase.reason, held.phase.hold) == ("of 0.0744255 ETH only 0.001 are free", Hold.BALANCE)
    assert step(held, Woke(), LATER)[1] == (Count(),)


def test_nothing_is_counted_for_traders_that_were_refused_nothing() -> None:
    for trader in (FRESH, BUYING, SELLING, step(SELLING, sell(refused(Refusal.FILTER)), SCENE)[0]):
        assert step(trader, free("1"), LATER) == (trader, ())


def test_coins_that_were_missing_are_held_for_the_next_start_when_the_symbol_is_off() -> None:
    held, commands = step(short_of_coins(), Woke(), replace(OFF, now=LATER.now))
    assert commands == ()
    assert isinstance(held.phase, Holding)
    assert held.phase.hold is Hold.STOPPED


def test_a_balance_refused_while_off_is_sold_by_the_next_start() -> None:
    holding, commands = step(carrying()[0], sell(refused(Refusal.BALANCE)), OFF)
    assert isinstance(holding.phase, Holding)
    assert placed(commands) is None
    assert placed(step(holding, Wished(), SCENE)[1]) == ("2689.45", "0.0744")


def test_coins_owed_to_a_fee_are_not_written_off_as_missing_leftovers() -> None:
    owed = Leftover(Quantity(-50_000), parse_money("-1.3"))
    selling, commands = step(after(BUYING, SCENE, buy(Executed(WHOLE))), buy(FILLED), replace(SCENE, leftover=owed))
    assert placed(commands) == ("2689.45", "0.0739")
    holding, _ = step(selling, sell(refused(Refusal.BALANCE)), SCENE)
    assert isinstance(holding.phase, Holding)
    assert holding.phase.carried == owed


def test_a_fee_taken_in_the_sold_coin_is_owed_by_the_leftovers() -> None:
    done, commands = finished(replace(GONE, fee=parse_quantity("0.0000744"), fee_asset="ETH"))
    assert isinstance(done.phase, Finished)
    left = commands[0]
    assert isinstance(left, Leave)
    assert format_amount(left.leftover.quantity) == "-0.0000489"
    assert done.phase.profit == GONE.quote - (parse_money("199.922985") - left.leftover.cost)


def test_stop_with_all_cancelled_holds_until_the_next_start() -> None:
    cancelling, commands = step(SELLING, STOP_ALL, OFF)
    assert [type(command) for command in commands] == [Cancel]
    holding, commands = step(cancelling, sell(CANCELLED), OFF)
    assert isinstance(holding.phase, Holding)
    assert (holding.phase.hold, commands) == (Hold.STOPPED, ())
    assert placed(step(holding, Wished(), SCENE)[1]) == ("2689.45", "0.0744")


def test_an_unsent_sell_that_stop_took_back_is_held_as_stopped() -> None:
    holding = after(SELLING, OFF, STOP_ALL, sell(Ended(Fate.ABANDONED)))
    assert isinstance(holding.phase, Holding)
    assert (holding.phase.hold, holding.phase.retry_at) == (Hold.STOPPED, None)


def test_a_start_before_the_cancel_of_a_sell_lands_sells_anew_afterwards() -> None:
    cancelling = after(SELLING, OFF, STOP_ALL)
    commands = step(after(cancelling, SCENE, Wished()), sell(CANCELLED), SCENE)[1]
    assert placed(commands) == ("2689.45", "0.0744")


def test_a_retry_that_comes_due_while_off_waits_for_the_start_without_a_clock() -> None:
    holding = after(SELLING, SCENE, sell(Ended(Fate.EXPIRED)))
    stopped = after(holding, replace(OFF, now=START + 1_000), Woke())
    assert isinstance(stopped.phase, Holding)
    assert (stopped.phase.hold, stopped.phase.retry_at) == (Hold.STOPPED, None)
    assert placed(step(stopped, Wished(), SCENE)[1]) == ("2689.45", "0.0744")


def test_a_kept_sell_goes_on_while_off() -> None:
    assert step(SELLING, Wished(), OFF) == (SELLING, ())
    done = after(SELLING, OFF, sell(Executed(GONE)), sell(FILLED))
    assert isinstance(done.phase, Finished)
    assert done.phase.profit == parse_money("0.04049843")


# What cannot be


@pytest.mark.parametrize(
    ("trader", "event"),
    [
        (FRESH, buy(Placed())),
        (BUYING, sell(Placed())),
        (BUYING, buy(Placed(), 2)),
        (SELLING, buy(Executed(WHOLE))),
        (SELLING, sell(Executed(GONE), 2)),
        (finished(GONE)[0], sell(FILLED)),
        (SELLING, sell(Ended(Fate.REJECTED))),
    ],
)
def test_order_news_that_cannot_be_is_an_error(trader: Trader, event: Happened) -> None:
    with pytest.raises(UnexpectedError, match="ETHUSDT-1"):
        step(trader, event, SCENE)


@pytest.mark.parametrize("trader", [BUYING, SELLING, finished(GONE)[0]])
def test_an_uninteresting_event_returns_the_same_trader(trader: Trader) -> None:
    for event in (LAST, Woke(), Wished()):
        assert step(trader, event, SCENE)[0] is trader


def test_the_phase_is_dated_and_a_change_within_it_is_not() -> None:
    later = replace(SCENE, now=START + 100)
    assert after(BUYING, later, buy(Executed(PART))).since == START
    assert after(BUYING, later, buy(Executed(WHOLE)), buy(FILLED)).since == START + 100
