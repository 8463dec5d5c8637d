"""Spacing, floor and ceiling on an engine at work: what they hold back, and that nothing else is."""

import pytest
from msgspec.structs import replace

from naived.core.amount import parse_price, parse_quantity, parse_rate
from naived.core.orders.intent import Side
from naived.core.risk import Halt, HaltedBy, Halts
from naived.core.strategy.leader import EVERY, NONE
from naived.core.strategy.leader_events import Halted
from naived.core.strategy.settings import Settings, Status
from naived.core.strategy.summary import held_back
from tests.support.engine import Workbench, bought, check, rebought, resting, sold, workbench
from tests.support.market import START, settings

PLAIN = settings(chunks=3, budget="600", buy_down="0", rebuy="0.001", reprice="0")


def guarded(spacing: str = "0", floor: str | None = None, ceiling: str | None = None) -> Settings:
    return replace(
        PLAIN,
        spacing=parse_rate(spacing),
        floor=None if floor is None else parse_price(floor),
        ceiling=None if ceiling is None else parse_price(ceiling),
    )


def at_2000(wanted: Settings) -> Workbench:
    """The first trader has bought at 2000, at once, and sells."""
    of = workbench(wanted)
    of.market("2000")
    assert of.phases == ["selling"]
    return of


def notes(of: Workbench) -> list[str]:
    return [note.message for note in of.journal.notes if note.kind == "waits"]


def limits(of: Workbench) -> list[str]:
    return [f"{order.intent.price / 10**8:g}" for order in of.exchange.orders if order.intent.side is Side.BUY]


def test_a_rebuy_waits_until_the_price_is_far_enough_from_every_living_buy() -> None:
    of = at_2000(guarded("0.01"))
    of.market("1997", "1990", "1980.01")
    assert (limits(of), of.phases) == (["2000"], ["selling"])
    assert notes(of) == ["ETHUSDT: a buy would be too near the one at 2000 (spacing 0.01): at 1997 USDT"]
    of.market("1980")
    assert limits(of) == ["2000", "1980"]
    check(of)


def test_a_price_that_stays_blocked_is_inside_the_band_and_one_behind_it_is_not() -> None:
    of = at_2000(guarded("0.01"))
    of.market("1990")
    low, high = of.engine.band
    assert (low, high) == (parse_price("1980.01") - 1, parse_price("2020"))  # the buy of 1980.009 stands at 1980
    check(of)


def test_a_successor_waits_for_its_distance_to_the_buys_that_live() -> None:
    of = at_2000(guarded("0.01"))
    of.market("1980", "1979")
    assert of.phases == ["selling", "selling"]
    of.market(of.exchange.open(Side.SELL)[-1].intent.price + 1)
    of.market("1985")
    assert (of.phases, limits(of)) == (["selling", "waiting"], ["2000", "1980"])
    assert held_back(of.leader, of.last) == "a buy would be too near the one at 2000 (spacing 0.01): at 1985 USDT"
    check(of)
    of.market("1979.5")
    assert limits(of) == ["2000", "1980", "1979.5"]


def test_two_that_wait_for_one_trade_do_not_both_buy_on_it() -> None:
    of = workbench(guarded("0.001", floor="2500"))
    of.market("2000")
    assert (of.phases, of.engine.band[1]) == ([], parse_price("2500"))
    of = at_2000(guarded("0.001"))
    of.market("1990", "1989")
    of.direct(Status.ON, guarded("0.001", ceiling="1000"))
    of.exchange.trade(parse_price("2100"), of.now)  # both sells fill, and both successors wait
    of.settle()
    assert of.phases == ["waiting", "waiting"]
    of.direct(Status.ON, guarded("0.001"))
    of.market("2100")
    assert sorted(of.phases) == ["selling", "waiting"]
    check(of)


def test_nothing_is_bought_below_the_floor_or_above_the_ceiling_and_the_first_trade_between_them_buys() -> None:
    of = workbench(guarded(floor="1900", ceiling="2100"))
    of.market("1899.99", "2100.01", "1899.99")
    assert limits(of) == []
    assert len(notes(of)) == 3
    of.market("1900")
    assert limits(of) == ["1900"]


def test_a_guard_binds_running_traders_from_the_step_that_sets_it_and_lifting_it_lets_the_next_trade_through() -> (
    None
):
    of = at_2000(PLAIN)
    of.direct(Status.ON, guarded(floor="1999"))
    of.market("1990")
    assert limits(of) == ["2000"]
    of.direct(Status.ON, PLAIN)
    assert of.engine.band != EVERY
    of.market("1990")
    assert limits(of) == ["2000", "1990"]


def test_a_rebuy_that_a_guard_holds_back_is_not_spent() -> None:
    of = at_2000(guarded(floor="1999"))
    of.market("1990", "1999.5", "2000", "1990")
    of.direct(Status.ON, PLAIN)
    of.market("2000", "1997")
    assert limits(of) == ["2000", "1997"]


def test_no_price_guard_holds_a_sell_back() -> None:
    of = at_2000(PLAIN)
    of.direct(Status.ON, guarded("0.9", floor="5000", ceiling="6000"))
    assert len(of.exchange.open(Side.SELL)) == 1
    sold(of)
    assert (of.leader.cycles, of.phases) == (1, ["waiting"])


def test_without_a_guard_a_full_symbol_has_no_band_of_its_own() -> None:
    of = at_2000(replace(guarded("0.01"), chunks=1))
    of.market("1900")
    assert of.engine.band == NONE
    assert held_back(of.leader, of.last) is None


# Halts

HALT = Halt("because", HaltedBy.PERSON, START)
KEEPING = replace(HALT, keep_buys=True)


@pytest.mark.parametrize("account", [True, False])
def test_a_halt_takes_resting_buys_back_and_nothing_is_bought_until_it_ends(account: bool) -> None:
    of = rebought(workbench(settings(chunks=3)))
    of.step(Halted(HALT, account))
    of.settle()
    assert (of.phases, of.exchange.open(Side.BUY)) == (["selling", "waiting"], [])
    of.market("2600", "2500")
    assert (of.exchange.open(Side.BUY), of.engine.band) == ([], NONE)
    of.step(Halted(None, account))
    of.market("2500")
    assert of.phases.count("buying") >= 1
    check(of)


def test_a_halt_that_keeps_buys_lets_them_rest_and_fill() -> None:
    of = rebought(workbench(settings(chunks=2)))
    of.step(Halted(KEEPING))
    of.settle()
    assert of.phases == ["selling", "buying"]
    of.market("2670", "2660")
    assert of.phases == ["selling", "selling"]
    of = rebought(workbench(settings(chunks=2)))
    of.step(Halted(KEEPING))
    of.step(Halted(HALT, account=True))
    of.settle()
    assert of.phases == ["selling", "waiting"]


def test_a_buy_that_the_exchange_does_not_have_yet_is_not_sent_under_a_halt() -> None:
    of = workbench()
    of.slots = False
    of.trade("2683.80")
    of.step(Halted(KEEPING))
    of.slots = True
    of.settle()
    assert (of.exchange.orders, of.phases) == ([], ["waiting"])


@pytest.mark.parametrize(("quantity", "phases", "lots"), [("0.04", ["selling"], 0), ("0.0004", ["waiting"], 1)])
def test_a_partly_filled_buy_is_cancelled_and_what_it_bought_sold_or_a_lot(
    quantity: str, phases: list[str], lots: int
) -> None:
    of = resting()
    order = of.exchange.open(Side.BUY)[0]
    of.exchange.fill(order, parse_quantity(quantity), order.intent.price, of.now)
    of.settle()
    of.step(Halted(HALT))
    of.settle()
    assert of.exchange.open(Side.BUY) == []
    assert (of.phases, len(of.leader.lots)) == (phases, lots)


def test_sells_go_on_under_a_halt_and_the_successor_waits_for_its_end() -> None:
    of = bought(workbench(settings(chunks=1)))
    of.step(Halted(HALT))
    sold(of)
    assert (of.leader.cycles, of.phases, of.engine.blocked) == (1, ["waiting"], None)
    of.step(Halted(None))
    of.market("2700")
    assert of.phases == ["buying"]


def test_a_buy_that_rests_is_taken_back_after_a_restart_under_a_halt() -> None:
    of = resting()
    engine = of.engine
    of.engine = replace(engine, leader=replace(engine.leader, halts=Halts(account=HALT)))
    of.restart()
    of.settle()
    assert (of.exchange.open(), of.phases) == ([], ["waiting"])
