"""What `start --dry-run` tells, against the orders that a start then makes."""

import pytest
from msgspec.structs import replace
from trio.testing import MockClock

from naived.control.plan import begin, plan, warnings
from naived.control.proposal import Rules
from naived.control.protocol import Code, ControlError
from naived.core.amount import format_amount, parse_money, parse_price, parse_rate
from naived.core.orders.intent import Side
from naived.core.strategy.formulas import Fees
from tests.support.market import ETH, FREE, PEPE, START, TENTH, Order, info, settings
from tests.support.runtime import World

FEES = Fees(TENTH, TENTH)


@pytest.mark.parametrize("fee", ["0", "0.001", "0.002"])
async def test_the_first_order_and_the_profit_are_those_that_come(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch, fee: str
) -> None:
    own = Fees(parse_rate(fee), parse_rate(fee))

    async def fees(symbol: str) -> Fees:
        return own

    monkeypatch.setattr(world.exchange, "fees", fees)
    world.exchange.trade("2000")
    async with world.naived() as naived:
        told = await naived.ask("start", dry_run=True, chunks=5, budget="1000")
        assert (told["changed"], told["error"], told["message"]) == (False, None, "nothing was changed")
        assert (await naived.call("status"))["symbols"] == []
        await naived.start(chunks=5, budget="1000")
        await naived.trade("2000", "1990", "2100")
        buy, _ = world.exchange.orders()
        assert told["plan"]["price"] == "1999.8"
        assert (buy.intent.price, buy.intent.quantity) == (parse_price("1999.8"), 10_000_000)
        (cycle,) = (await naived.call("trades"))["trades"]
        if fee == "0.001":  # what the exchange takes
            assert told["plan"]["cycle_profit"] == cycle["profit"]
        again = (await naived.ask("start", dry_run=True))["plan"]
        for each in (told["plan"], again):
            assert each["cycle_fees"][:3] == {"0": "0", "0.001": "0.4", "0.002": "0.8"}[fee]
        assert told["plan"]["share"] == "200"


async def test_what_is_tied_up_and_where_the_last_trader_joins_is_what_a_fall_does(
    world: World, clock: MockClock
) -> None:
    world.exchange.trade("2000")
    async with world.naived() as naived:
        told = await naived.ask("start", dry_run=True, chunks=3, budget="600")
        await naived.start(chunks=3, budget="600")
        for price in range(2000, 1900, -1):
            await naived.trade(f"{price}")
        buys = world.exchange.orders(side=Side.BUY)
        assert len(buys) == 3
        spent = sum(-(-order.intent.price * order.intent.quantity // 10**8) for order in buys)
        # A step of one whole unit is the coarsest that a rebuy of 0.6 % can be missed by.
        assert abs(parse_price(told["plan"]["most_tied_up"]) - spent) < 10**8
        assert abs(parse_price(told["plan"]["lowest_price"]) - buys[-1].intent.price) < 3 * 10**8


def _shown(order: Order) -> tuple[str, str, str]:
    intent = order.intent
    return str(intent.side), format_amount(intent.price), format_amount(intent.quantity)


async def test_saved_traders_sell_first_and_buy_only_if_a_chunk_is_free(world: World, clock: MockClock) -> None:
    world.exchange.trade("2000")
    async with world.naived() as naived:
        await naived.start(chunks=3, budget="600")
        await naived.trade("2000", "1999", "1985", "1980")
        assert naived.phases() == ["selling", "selling"]
        await naived.ask("stop", cancel="all")
    async with world.naived() as naived:
        before = len(world.exchange.orders())
        told = (await naived.ask("start", dry_run=True))["plan"]
        assert (told["sells_first"], told["chunks_taken"], told["chunks"]) == (2, 2, 3)
        await naived.start()
        await naived.trade("1980")
        sells = world.exchange.orders()[before:]
        assert [each.intent.side for each in sells] == [Side.SELL] * 2, "nothing is bought at the price of now"
        assert (told["side"], told["price"], told["quantity"]) == min(map(_shown, sells))
        row = (await naived.call("status"))["symbols"][0]
        assert (told["held"], told["held_cost"]) == (row["held"], row["held_cost"])
        again = (await naived.ask("start", dry_run=True))["plan"]
        assert (again["side"], again["sells_first"], again["first_buy"]) == ("buy", 0, told["first_buy"])
        assert again["price"] == told["first_buy"]["price"], "the sells rest: the next order is a buy"
        await naived.trade(told["first_buy"]["at"])
        first = told["first_buy"]
        assert ("buy", first["price"], first["quantity"]) == _shown(world.exchange.orders()[-1])
        row = (await naived.call("status"))["symbols"][0]
        exposed = parse_money(row["held_cost"]) + parse_money(row["tied_up"])
        assert parse_money(told["most_tied_up"]) == exposed
        full = (await naived.ask("start", dry_run=True))["plan"]
        assert (full["chunks_taken"], full["quantity"], full["first_buy"]) == (3, "0", None)
        assert (full["most_tied_up"], full["lowest_price"]) == (format_amount(exposed), full["last_price"])
        for each in (told, again, full):
            assert {fall["tied_up"] for fall in each["worst"]["falls"]} == {format_amount(exposed)}


async def test_without_rules_or_a_price_nothing_is_told(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        error = (await naived.ask("start", dry_run=True))["error"]
        assert error["code"] == Code.EXCHANGE_UNAVAILABLE
        assert "never traded" in error["message"]


async def test_a_budget_that_is_too_small_is_refused_in_a_dry_run_too(world: World, clock: MockClock) -> None:
    world.exchange.trade("2000")
    async with world.naived() as naived:
        assert "too small" in (await naived.ask("start", dry_run=True, budget="1"))["error"]["message"]


def test_at_a_coarse_tick_each_trader_stands_a_tick_below_the_rebuy_of_the_one_before() -> None:
    last = parse_price("0.00000152")
    told = plan(begin(None, settings(chunks=3, budget="24"), Rules(info(PEPE), last, FREE), START), last)
    assert (told["price"], told["lowest_price"]) == ("0.00000151", "0.00000147")


@pytest.mark.parametrize(
    ("changes", "begins"),
    [
        ({"rebuy": "0.006"}, "rebuy 0.6% is less than one tick (1.92%): traders"),
        ({"rebuy": "0.03", "reprice": "0.001"}, "reprice 0.1% is less than one tick"),
        ({"rebuy": "0.03", "reprice": "0.03", "buy_down": "0.0001"}, "buy-down 0.01% is less than one tick"),
    ],
)
def test_settings_finer_than_a_tick_are_warned_of(changes: dict[str, str], begins: str) -> None:
    wanted = settings(**{"buy_down": "0", "reprice": "0", **changes})  # type: ignore[arg-type]
    (found,) = warnings(wanted, info(PEPE), parse_price("0.00000052"), FEES)
    assert found.startswith(begins)


def test_a_tick_that_is_a_small_part_of_the_price_is_told_by_its_first_digit() -> None:
    (found,) = warnings(settings(rebuy="0.000001"), info(ETH), parse_price("2700"), FEES)
    assert found.startswith("rebuy 0.0001% is less than one tick (0.0003%): ")


def test_a_reprice_inside_the_buy_down_is_warned_of_and_usual_settings_are_not() -> None:
    (found,) = warnings(settings(buy_down="0.02", reprice="0.01"), info(ETH), parse_price("2000"), FEES)
    assert found.startswith("reprice 1% is less than buy-down 2%")
    assert warnings(settings(), info(ETH), parse_price("2000"), FEES) == []


@pytest.mark.parametrize(("rate", "at_once"), [("0.001", True), ("0.00101", False), ("0.05", False)])
async def test_a_stop_loss_that_the_fee_of_a_buy_reaches_is_warned_of(
    world: World, clock: MockClock, rate: str, at_once: bool
) -> None:
    wanted = replace(settings(buy_down="0"), stop_loss=parse_rate(rate))
    found = warnings(wanted, info(ETH), parse_price("2000"), FEES)
    assert [each.startswith("stop-loss 0.1% is no more than the fee") for each in found] == [True] * at_once
    async with world.naived() as naived:
        await naived.start(buy_down="0", stop_loss=rate)
        await naived.trade("2000", "1999.99")
        assert (naived.symbol().engine.leader.halts.own is not None) is at_once


async def test_a_start_tells_its_warnings(world: World, clock: MockClock) -> None:
    world.exchange.trade("2000")
    async with world.naived() as naived:
        result = await naived.ask("start", buy_down="0.02", reprice="0.01")
        assert (result["state"], len(result["warnings"])) == ("trading", 1)
        assert (await naived.ask("settings", reprice="0.001"))["warnings"]
        with pytest.raises(ControlError):
            await naived.call("start", "ETHUSDT", dry_run="yes")


@pytest.mark.parametrize(
    ("guards", "reason", "named", "first"),
    [
        ({"ceiling": "1990"}, "a buy would be above the ceiling 1990: at 1999.8 USDT", "ceiling", "1990"),
        ({"floor": "2500"}, "a buy would be below the floor 2500: at 1999.8 USDT", "floor", None),
    ],
)
async def test_a_guard_that_forbids_the_first_order_is_named_and_no_such_order_is_told(
    world: World, clock: MockClock, guards: dict[str, str], reason: str, named: str, first: str | None
) -> None:
    world.exchange.trade("2000")
    async with world.naived() as naived:
        told = (await naived.ask("start", dry_run=True, **guards))["plan"]
        assert [each["reason"] for each in told["kept_back"]] == [reason]
        assert f"--{named}" in told["kept_back"][0]["ends"]
        assert told["stopped_by"] == ([named] if first is None else [])
        assert (told["first_buy"] and told["first_buy"]["price"]) == first
        if first is None:
            assert (told["quantity"], told["most_tied_up"]) == ("0", "0")
        await naived.start(**guards)
        await naived.trade("2000")
        assert world.exchange.orders() == []
        if first is not None:
            await naived.trade(told["first_buy"]["at"])
            assert ("buy", told["price"], told["quantity"]) == _shown(world.exchange.orders()[0])


@pytest.mark.parametrize(
    ("limits", "changes", "named"),
    [
        ({}, {"floor": "1970"}, ["floor"]),
        ({}, {"ceiling": "1990"}, []),
        ({}, {"ceiling": "1990", "floor": "1970"}, ["floor"]),
        ({}, {"spacing": "0.02"}, []),
        ({"max_exposure": "500"}, {}, ["max-exposure"]),
        ({"max_exposure": "199.9"}, {}, ["max-exposure"]),
        ({"max_exposure": "100"}, {}, ["max-exposure"]),
        ({"reserve": "99400"}, {}, ["reserve"]),
        ({"max_exposure": "5000"}, {}, []),
    ],
)
async def test_at_most_is_what_guards_and_limits_let_a_fall_tie_up(
    world: World, clock: MockClock, limits: dict[str, str], changes: dict[str, str], named: list[str]
) -> None:
    """What the fall of all prices ties up comes from the engine itself."""
    world.exchange.trade("2000")
    async with world.naived() as naived:
        if limits:
            await naived.call("limits", **limits)
        told = (await naived.ask("start", dry_run=True, **changes))["plan"]
        deep = told["worst"]["falls"][-1]
        assert told["most_tied_up"] == deep["tied_up"]
        assert told["stopped_by"] == named
        if limits:
            assert deep["stopped_by"] == named


@pytest.mark.parametrize(
    ("limits", "begins", "ends"),
    [
        ({"max_exposure": "150"}, "the account's limit leaves no room: 0 of 150 USDT", "--max-exposure"),
        ({"reserve": "99900"}, "the reserve: 100000 USDT are free, of them 99900 are reserved", "--reserve"),
    ],
)
async def test_a_limit_that_forbids_the_first_order_is_named(
    world: World, clock: MockClock, limits: dict[str, str], begins: str, ends: str
) -> None:
    world.exchange.trade("2000")
    async with world.naived() as naived:
        await naived.call("limits", **limits)
        told = (await naived.ask("start", dry_run=True))["plan"]
        (kept,) = told["kept_back"]
        assert kept["reason"].startswith(begins)
        assert ends in kept["ends"]
        assert (told["first_buy"], told["quantity"], told["most_tied_up"]) == (None, "0", "0")
        await naived.start()
        await naived.trade("2000")
        assert world.exchange.orders() == []


async def test_halts_are_named_with_what_ends_them_and_the_plan_is_as_without(
    world: World, clock: MockClock
) -> None:
    world.exchange.trade("2000")
    async with world.naived() as naived:
        free = (await naived.ask("start", dry_run=True))["plan"]
        assert free["kept_back"] == []
        await naived.call("halt", reason="lunch")
        told = (await naived.ask("start", dry_run=True))["plan"]
        assert told["kept_back"] == [{"reason": "the account is halted by hand: lunch", "ends": "naivectl resume"}]
        assert {**told, "kept_back": []} == free
        await naived.start()
        await naived.ask("halt", reason="its own")
        await naived.call("resume")
        told = (await naived.ask("start", dry_run=True))["plan"]
        assert told["kept_back"] == [{"reason": "halted by hand: its own", "ends": "naivectl resume ETHUSDT"}]
