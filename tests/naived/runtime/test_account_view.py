"""Rules, fees and coins: read once for all, and by whom it is worth waiting for."""

from collections.abc import Mapping, Sequence

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.core.amount import (
    SCALE,
    Amount,
    Price,
    Quantity,
    Rate,
    parse_money,
    parse_price,
    parse_quantity,
    parse_rate,
)
from naived.core.market import SymbolInfo
from naived.core.orders.intent import OrderIntent, Side
from naived.core.strategy import leader_state
from naived.core.strategy.formulas import Fees
from naived.core.strategy.leader_events import Informed
from naived.core.strategy.summary import owned
from naived.ports import AccountInfo, ExchangeError, RefusedError
from naived.runtime.account_view import at_least
from tests.support.exchange import ExchangeDouble
from tests.support.market import TENTH
from tests.support.runtime import NO_BALANCE, Naived, World

DEARER = Fees(parse_rate("0.002"), parse_rate("0.002"))


async def test_a_restart_reads_todays_fees_before_it_goes_on(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000")
        await naived.trade("60000", symbol="BTCUSDT")

    async def fees(symbol: str) -> Fees:
        exchange.asked.append("fees")
        return DEARER

    exchange.fees = fees  # type: ignore[method-assign]
    exchange.asked.clear()
    async with world.naived() as naived:
        await naived.until(lambda: {naived.state("ETHUSDT"), naived.state("BTCUSDT")} == {"trading"}, 0.9)
        assert {naived.symbol(name).engine.leader.fees for name in ("ETHUSDT", "BTCUSDT")} == {DEARER}
        await trio.sleep(600)
        assert exchange.asked.count("fees") == 2
        await naived.trade("1990", "1980")  # its buy was decided by the old fees; what comes goes by today's
        assert [trader.terms.fees for trader in naived.traders()] == [replace(DEARER, buy=TENTH), DEARER]


@pytest.mark.parametrize("told", [True, False])
async def test_what_was_bought_while_naived_was_down_is_not_sold_by_the_lower_fees_of_then(
    world: World, clock: MockClock, told: bool
) -> None:
    exchange, now = world.exchange, Fees(Rate(0), Rate(0))

    async def fees(symbol: str) -> Fees:
        return now

    exchange.fees = fees  # type: ignore[method-assign]
    async with world.naived() as naived:
        await naived.start(profit="0.05%")
        await naived.trade("2000")
    exchange.trade("1990")
    now = Fees(TENTH, TENTH)
    exchange.faults.failing = set() if told else {"fees"}
    async with world.naived() as naived:
        await naived.until(lambda: len(exchange.open(side=Side.SELL)) == 1)
        (trader,) = naived.traders()
        assert trader.terms.fees.sell == TENTH
        (sell,) = exchange.open(side=Side.SELL)
        paid, left = parse_price("1999.8"), SCALE - TENTH
        assert sell.intent.price * left // SCALE > paid * (SCALE + parse_rate("0.0005")) // SCALE


async def test_a_fill_of_the_last_process_has_the_value_of_its_fee_in_a_third_asset(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = world.exchange
    exchange.markets["ETHUSDT"].fee_asset = "BNB"
    exchange.markets |= ExchangeDouble("BNBUSDT").markets
    exchange.last["BNBUSDT"] = parse_price("600")
    last_prices = exchange.last_prices

    async def slow(names: Sequence[str]) -> Mapping[str, Price]:
        await trio.sleep(1.5 if "BNBUSDT" in names else 0)
        return await last_prices(names)

    async def fees(symbol: str) -> Fees:
        return Fees(TENTH, TENTH, "BNB")

    exchange.fees = fees  # type: ignore[method-assign]
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
    exchange.trade("1990")
    monkeypatch.setattr(exchange, "last_prices", slow)
    async with world.naived() as naived:
        await naived.until(lambda: len(exchange.open(side=Side.SELL)) == 1)
        (order,) = (each for each in naived.symbol().engine.orders.values() if each.intent.side is Side.BUY)
        (fill,) = order.fills
        assert (fill.fee_asset, fill.fee_value) == ("BNB", fill.fee * 600)


async def test_the_fee_of_a_sell_falls_only_until_it_is_decided(world: World, clock: MockClock) -> None:
    free = Fees(Rate(0), Rate(0))
    async with world.naived() as naived:
        await naived.start(chunks=1)
        await naived.trade("2000")
        symbol = naived.symbol()
        for fees, phase, sell in (
            (free, "buying", Rate(0)),
            (DEARER, "selling", DEARER.sell),
            (free, "selling", DEARER.sell),
        ):
            if phase == "selling" and naived.phases() == ["buying"]:
                await naived.trade("1999")
            assert naived.phases() == [phase]
            symbol.offer(Informed(symbol.engine.leader.info, fees))
            (trader,) = naived.traders()
            assert trader.terms.fees == Fees(TENTH, sell)


@pytest.mark.parametrize("pause", [2, 4_300])
async def test_what_a_stop_left_is_sold_by_the_fees_of_its_next_start(
    world: World, clock: MockClock, pause: float
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.ask("stop")
        await trio.sleep(pause)

        async def fees(symbol: str) -> Fees:
            return DEARER

        world.exchange.fees = fees  # type: ignore[method-assign]
        await naived.ask("start")
        assert naived.symbol().engine.leader.fees == DEARER


async def test_a_symbol_whose_fees_are_not_told_reckons_with_those_of_the_account_at_first(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    exchange.faults.failing = {"fees"}
    async with world.naived() as naived:
        await naived.start()
        assert naived.symbol().engine.leader.fees == Fees(TENTH, TENTH)

        async def fees(symbol: str) -> Fees:
            return DEARER

        exchange.fees = fees  # type: ignore[method-assign]
        await naived.until(lambda: naived.symbol().engine.leader.fees == DEARER, 5)


@pytest.mark.parametrize(
    ("told", "used"), [(None, "0.001"), ("0", "0.001"), ("0.0009", "0.001"), ("0.0011", "0.0011")]
)
def test_the_fees_of_an_account_are_not_taken_for_less_than_usual(told: str | None, used: str) -> None:
    fees = None if told is None else Fees(parse_rate(told), parse_rate(told))
    assert at_least(fees) == Fees(parse_rate(used), parse_rate(used))


async def test_the_fees_of_hundreds_are_read_one_a_second(world: World, clock: MockClock) -> None:
    names = [f"S{number}USDT" for number in range(100)]
    world.exchange.markets.update(ExchangeDouble(*names).markets)
    async with world.naived() as naived:
        begun = trio.current_time()
        results = (await naived.call("start", *names))["results"]
        assert {result["state"] for result in results} == {"trading"}
        assert trio.current_time() - begun < 5
        assert world.exchange.asked.count("fees") <= 15
        await naived.until(lambda: world.exchange.asked.count("fees") == 100, 100)
        assert trio.current_time() - begun > 80


async def test_fees_that_were_not_told_are_asked_for_again(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
    failures = 3

    async def fees(symbol: str) -> Fees:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise ExchangeError("rate limit exceeded")
        return DEARER

    exchange.fees = fees  # type: ignore[method-assign]
    async with world.naived() as naived:
        await naived.until(lambda: naived.symbol().engine.leader.fees == DEARER, 10)
        assert naived.state() == "trading"


async def test_fees_that_come_late_do_not_bring_old_rules_back(world: World, clock: MockClock) -> None:
    exchange, market = world.exchange, world.exchange.markets["ETHUSDT"]

    async def fees(symbol: str) -> Fees:
        await trio.sleep(5)
        return DEARER

    async with world.naived() as naived:
        await naived.start()
        await trio.sleep(2)  # what was just read is not read again
        exchange.fees = fees  # type: ignore[method-assign]
        await naived.ask("stop")
        await naived.ask("start")
        await trio.sleep(2)  # its fees are asked for
        await naived.ask("stop")
        market.rules = replace(market.rules, filters=replace(market.rules.filters, min_notional=parse_money("30")))
        await naived.ask("start")
        await naived.until(lambda: naived.symbol().engine.leader.fees == DEARER)
        assert naived.symbol().engine.leader.info == market.rules


async def test_fees_are_known_before_a_fill_of_the_last_process_is_booked(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        exchange.faults.lost_replies = 1
        exchange.faults.held = True
        await naived.trade("2000", "1990")
    exchange.forget_reports()
    exchange.faults.held = False
    exchange.faults.failing = {"symbols"}
    async with world.naived() as naived:
        await trio.sleep(20)
        exchange.faults.failing = set()
        await naived.until(lambda: len(exchange.open(side=Side.SELL)) == 1)
        (sell,) = exchange.open(side=Side.SELL)
        assert sell.intent.quantity == parse_quantity("0.0999")


async def test_rules_that_came_while_a_symbol_had_failed_are_not_taken_for_read(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop")
    exchange.trade("3000")
    async with world.naived() as naived:
        with naived.symbol().contained():
            raise ZeroDivisionError("a bug")
        await naived.until(lambda: naived.symbol().engine.leader.cycles == 1, 120)
        assert (await naived.call("trades"))["trades"][0]["profit"] == "0.20003858"


async def test_a_symbol_whose_fees_are_not_told_does_not_keep_the_others_from_starting(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
    world.exchange.faults.refused = {("fees", "BTCUSDT")}
    async with world.naived() as naived:
        await naived.until(lambda: {naived.state(), naived.state("BTCUSDT")} == {"trading"}, 20)


async def test_rules_are_read_again_every_hour_and_every_minute_in_a_closed_market(
    world: World, clock: MockClock
) -> None:
    exchange: ExchangeDouble = world.exchange
    async with world.naived() as naived:
        await naived.start()
        market = exchange.markets["ETHUSDT"]
        market.rules = replace(market.rules, status="CHANGED")
        await trio.sleep(3_590)
        assert naived.symbol().engine.leader.info.status == "TRADING"
        await trio.sleep(60)
        assert naived.symbol().engine.leader.info.status == "CHANGED"
        exchange.relist("ETHUSDT", trading=False)
        await trio.sleep(3_600)
        assert naived.state() == "degraded"
        assert "the market is closed" in (naived.reason() or "")
        exchange.relist("ETHUSDT", trading=True)
        await trio.sleep(61)
        assert naived.state() == "trading"


async def test_the_end_of_a_short_halt_is_seen_within_seconds(world: World, clock: MockClock) -> None:
    exchange: ExchangeDouble = world.exchange
    async with world.naived() as naived:
        await naived.start()
        for seconds in (1, 35):
            exchange.relist("ETHUSDT", trading=False)
            naived.symbol().offer(Informed(exchange.markets["ETHUSDT"].rules, naived.symbol().engine.leader.fees))
            await trio.sleep(seconds)
            assert naived.state() == "degraded"
            exchange.relist("ETHUSDT", trading=True)
            await naived.until(lambda: naived.state() == "trading", 11)


_CLOSED = "its market was closed for over 12 hours: it may trade another coin now, or count in another unit"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes stand for the twelve hours."""
    monkeypatch.setattr(leader_state, "_SAME_MARKET", 600_000)


async def closed(naived: Naived, exchange: ExchangeDouble, seconds: float) -> None:
    exchange.relist("ETHUSDT", trading=False)
    naived.symbol().offer(Informed(exchange.markets["ETHUSDT"].rules, naived.symbol().engine.leader.fees))
    assert naived.reason() == "the market is closed: BREAK"
    await trio.sleep(seconds)


@pytest.mark.usefixtures("impatient")
async def test_a_market_that_was_closed_for_long_waits_for_a_person_also_behind_a_restart(
    world: World, clock: MockClock
) -> None:
    """As LUNAUSDT, which was closed for 18 days and then traded another coin at another price."""
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start(chunks=2)
        await naived.trade("2000", "1990", "1980")
        assert naived.phases() == ["selling", "buying"]
        await closed(naived, exchange, 300)
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "degraded")
        await naived.until(lambda: naived.reason() == _CLOSED, 370)
        await naived.ask("resolve", all=True, action="adopt")
        assert naived.reason() == _CLOSED, "nobody answers for what comes"
        exchange.relist("ETHUSDT", trading=True)
        await naived.until(lambda: naived.symbol().engine.leader.info.trading, 70)
    async with world.naived() as naived:
        await naived.until(lambda: naived.reason() == _CLOSED)
        sent = len(exchange.wire)
        await naived.trade("900", "899", "898", "900")
        for verb, given in (("start", {}), ("settings", {"profit": "0.004"}), ("halt", {}), ("resume", {})):
            await naived.ask(verb, **given)
            await naived.trade("900", "899", "898", "900")
            assert (naived.state(), len(exchange.wire)) == ("quarantined", sent), verb
        assert (await naived.ask("start"))["error"]["kind"] == "quarantined"
        events = (await naived.call("events"))["events"]
        assert ("quarantined", _CLOSED) in {(event["kind"], event["message"]) for event in events}
        document = await naived.call("status")
        assert document["symbols"][0]["next_step"] == "naivectl resolve ETHUSDT --all --adopt"
        result = await naived.ask("resolve", all=True, action="adopt")
        assert (result["error"], result["changed"], naived.state()) == (None, True, "trading")
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "trading")


@pytest.mark.usefixtures("impatient")
async def test_a_symbol_that_waits_long_for_its_market_to_open_trades_then_also_behind_a_restart(
    world: World, clock: MockClock
) -> None:
    """One that is started before Binance lists it, or again while its market is closed."""
    exchange = world.exchange
    exchange.relist("ETHUSDT", trading=False)
    async with world.naived() as naived:
        assert (await naived.ask("start", wait=True, timeout="5s"))["error"]["kind"] == "timed_out"
        await trio.sleep(700)
        assert naived.reason() == "the market is closed: BREAK"
    async with world.naived() as naived:
        await trio.sleep(700)
        assert naived.reason() == "the market is closed: BREAK"
        exchange.relist("ETHUSDT", trading=True)
        await naived.until(lambda: naived.state() == "trading", 70)
        await naived.trade("2000", "1990")
        assert naived.phases() == ["selling"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("late", range(5, 65, 10))
async def test_nothing_is_sent_as_a_market_opens_that_was_closed_for_long(
    world: World, clock: MockClock, late: int
) -> None:
    """Trades come at once, and its rules are read again within a minute."""
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start(stop_loss="0.1")
        await naived.trade("2000", "1990")
        await closed(naived, exchange, 661 + late)
        exchange.cancel_by_hand(exchange.open(side=Side.SELL)[0])
        sent = len(exchange.wire)
        exchange.relist("ETHUSDT", trading=True)
        for _ in range(80):
            await naived.trade("900", "899")
        assert (naived.state(), len(exchange.wire)) == ("quarantined", sent)
        assert naived.symbol().engine.leader.cycles == 0


@pytest.mark.usefixtures("impatient")
async def test_coins_are_counted_before_a_market_that_was_closed_for_long_is_traded_again(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await closed(naived, exchange, 661)
        exchange.cancel_by_hand(exchange.open(side=Side.SELL)[0])
        exchange.markets["ETHUSDT"].base -= parse_quantity("0.09")
        exchange.relist("ETHUSDT", trading=True)
        await naived.until(lambda: naived.symbol().engine.leader.info.trading, 70)
        sent = len(exchange.wire)
        error = (await naived.ask("resolve", all=True, action="adopt"))["error"]
        assert "the account has" in error["message"]
        await naived.trade("900", "901")
        assert len(exchange.wire) == sent


@pytest.mark.usefixtures("impatient")
async def test_a_halt_in_which_a_symbol_was_stopped_does_not_count_on(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await closed(naived, world.exchange, 30)
        await naived.ask("stop", cancel="none")
        world.exchange.relist("ETHUSDT", trading=True)
    await trio.sleep(3_600)
    async with world.naived() as naived:
        await trio.sleep(60)
        assert naived.state() == "off"
        await naived.start()


@pytest.mark.usefixtures("impatient")
async def test_where_nothing_is_held_a_stop_ends_the_doubt(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await closed(naived, world.exchange, 661)
        assert naived.state() == "quarantined"
        await naived.ask("stop", cancel="all")
        assert naived.state() == "off"
        world.exchange.relist("ETHUSDT", trading=True)
        await naived.start()


@pytest.mark.usefixtures("impatient")
async def test_a_market_that_was_closed_for_maintenance_goes_on_by_itself(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        for _ in range(3):
            await closed(naived, world.exchange, 400)
            world.exchange.relist("ETHUSDT", trading=True)
            await naived.until(lambda: naived.state() == "trading", 70)


async def test_symbols_that_begin_together_are_asked_for_as_one(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000")
        await naived.trade("60000", symbol="BTCUSDT")
    exchange.asked.clear()
    async with world.naived() as naived:
        await naived.until(lambda: {naived.state("ETHUSDT"), naived.state("BTCUSDT")} == {"trading"})
        # Once for the account, which is known first, and once for both symbols.
        assert exchange.asked.count("symbols") == 2
        assert exchange.asked.count("account") == 3, "two readings name the account, one counts the coins"


async def test_a_balance_that_cannot_be_read_is_no_reason_to_miss_coins(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        assert naived.phases() == ["selling"]
    asked, broken = exchange.account, [True]

    async def unreadable() -> AccountInfo:
        info = await asked()
        return replace(info, balances={}, unreadable="a balance cannot be read") if broken else info

    exchange.account = unreadable  # type: ignore[method-assign]
    async with world.naived() as naived:
        await trio.sleep(20)
        assert naived.state() == "starting"
        broken.clear()
        await naived.until(lambda: naived.state() == "trading")
        assert naived.phases() == ["selling"]


async def test_rules_that_cannot_be_read_are_asked_for_again_and_are_no_fault(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    asked, broken = exchange.symbols, ["ETHUSDT"]

    async def unreadable(names: Sequence[str]) -> Mapping[str, SymbolInfo | RefusedError]:
        return {**await asked(names), **{name: RefusedError(f"no rules of {name}") for name in broken}}

    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
    exchange.symbols = unreadable  # type: ignore[method-assign]
    async with world.naived() as naived:
        await naived.until(lambda: naived.state("BTCUSDT") == "trading")
        await trio.sleep(20)
        assert naived.state() == "degraded"
        assert "no rules of ETHUSDT" in (naived.reason() or "")
        broken.clear()
        await naived.until(lambda: naived.state() == "trading", 100)


async def lacking(naived: Naived) -> int:
    """Coins that are held and cannot be offered."""
    held, there = await naived.view.coins(naived.symbol(), to_sell=True)
    return held - there


async def test_coins_that_an_order_of_somebody_else_locks_are_lacking(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990", "1980", "1970")
        symbol = naived.symbol()
        assert naived.phases() == ["selling", "selling"]
        assert await lacking(naived) == 0
        await naived.ask("stop", cancel="all")
        assert await lacking(naived) == 0
        by_hand = OrderIntent("ETHUSDT", 0, Side.SELL, 1, parse_price("3000"), parse_quantity("0.05"))
        exchange.plant("by-hand", by_hand)
        assert await naived.view.coins(symbol) == (naived.view.held(symbol), naived.view.held(symbol))
        assert await lacking(naived) == parse_quantity("0.05")
        exchange.markets["ETHUSDT"].base -= parse_quantity("0.01")
        assert await lacking(naived) == parse_quantity("0.06")


async def test_coins_of_a_fill_that_is_not_booked_yet_are_not_lacking(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        (sell,) = exchange.open()
        exchange.faults.failing = {"fills"}
        exchange.faults.held = True
        exchange.fill(sell, 5 * 10**6)
        exchange.forget_reports()
        exchange.faults.held = False
        exchange.tell(replace(exchange.markets["ETHUSDT"].state(sell), fills=()))
        assert naived.symbol().engine.unread
        assert await lacking(naived) == 0
        exchange.faults.failing = set()
        await trio.sleep(10)


@pytest.mark.parametrize("told", [True, False])
async def test_a_sell_that_lies_far_below_the_market_is_sold_at_the_market(
    world: World, clock: MockClock, told: bool
) -> None:
    exchange = world.exchange
    market = exchange.markets["ETHUSDT"]
    market.rules = replace(market.rules, filters=replace(market.rules.filters, ask_down=parse_rate("0.8")))
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        assert naived.phases() == ["selling"]
        await naived.ask("stop", cancel="all")
        await naived.trade("2600")
        await naived.start()
        await naived.until(lambda: naived.phases() == ["holding"])
        if told:
            exchange.references["ETHUSDT"] = parse_price("2600")
            await naived.until(lambda: naived.symbol().engine.leader.cycles == 1, 10)
            assert market.orders[-1].intent.price == parse_price("2080")
            return
        exchange.faults.refused = {("reference_price", "ETHUSDT")}
        begun, decided = trio.current_time(), len(await naived.orders())
        await naived.until(lambda: exchange.asked.count("reference_price") == 3, 100)
        assert 1 + 2 + 4 <= trio.current_time() - begun < 10, "it is tried again all the same, ever later"
        assert len(await naived.orders()) - decided >= 2
        assert naived.state() == "degraded"
        assert naived.reason() == "ETHUSDT-1 cannot sell: Filter failure: PERCENT_PRICE_BY_SIDE"


async def test_coins_that_a_persons_order_locks_are_not_taken_for_fees(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:

        async def fees_paid(asset: str, names: Sequence[str], since: int) -> Amount:
            return Amount(10**8)

        naived.journal.fees_paid = fees_paid  # type: ignore[method-assign]
        await naived.start(chunks=1)
        await naived.trade("2000")
        exchange.markets["ETHUSDT"].base = 10**6
        theirs = OrderIntent("ETHUSDT", 0, Side.SELL, 0, parse_price("9999"), Quantity(2 * 10**6))
        (buy,) = exchange.open()
        exchange.fill(buy, buy.rest - 10**6)
        exchange.plant("web_1", theirs)
        exchange.faults.refusals = [NO_BALANCE]
        await naived.trade("1990")
        await trio.sleep(70)
        held = owned(naived.symbol().engine.leader).quantity
        assert held == exchange.markets["ETHUSDT"].base - 10**6


async def test_fees_that_the_exchange_refuses_are_asked_for_ever_more_rarely_and_not_once_it_is_forgotten(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    exchange.faults.refused.add(("fees", "ETHUSDT"))
    async with world.naived() as naived:
        await naived.start()
        exchange.asked.clear()
        await trio.sleep(600)
        assert 5 < exchange.asked.count("fees") < 15
        await naived.start("BTCUSDT")
        assert naived.symbol("BTCUSDT").engine.leader.fees == Fees(TENTH, TENTH)
        exchange.asked.clear()
        await trio.sleep(14_400)
        assert 6 < exchange.asked.count("fees") < 14, "of both, once an hour"
        await naived.ask("stop")
        await naived.ask("forget")
        await naived.ask("stop", "BTCUSDT")
        exchange.asked.clear()
        await trio.sleep(7_200)
        assert exchange.asked.count("fees") == 0


async def test_fees_are_read_soon_once_the_exchange_tells_them_again(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        world.exchange.faults.failing = {"fees"}
        await naived.start()
        await trio.sleep(3_000)
        world.exchange.faults.failing = set()

        async def fees(symbol: str) -> Fees:
            return DEARER

        world.exchange.fees = fees  # type: ignore[method-assign]
        await naived.until(lambda: naived.symbol().engine.leader.fees == DEARER, 62)
