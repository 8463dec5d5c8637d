"""A person ends a quarantine or a hold."""

from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.core.amount import Quantity, parse_quantity
from naived.core.engine import Blocked, BlockedBy, CoinsWrittenOff
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus, Refusal, Refused
from naived.core.strategy import leader_state
from naived.core.strategy.trader_state import position
from tests.support.runtime import NO_BALANCE, Naived, World


async def test_a_resolve_is_not_held_up_by_a_database_that_hangs(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.delay = 100
        begun = trio.current_time()
        result = await naived.ask("resolve", all=True, action="ignore", request_id="c0ffee")
        assert trio.current_time() - begun == pytest.approx(15)
        assert result["error"]["kind"] == "database_unavailable"


async def test_a_sell_cancelled_by_hand_is_held_until_a_person_adopts_it(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        (sell,) = exchange.open()
        exchange.cancel_by_hand(sell)
        await trio.sleep(5)
        assert naived.phases() == ["holding"]
        result = await naived.ask("resolve", client_order_id=sell.client_order_id, action="adopt", request_id="one")
        assert (result["changed"], result["message"]) == (True, "1 resolved")
        (unit,) = (each for each in naived.journal.commits if each.request is not None)
        assert unit.traders, "the answer is durable with what was resolved"
        await naived.until(lambda: len(exchange.open()) == 1)
        again = await naived.ask("resolve", client_order_id=sell.client_order_id, action="adopt", request_id="one")
        assert (again["changed"], again["error"]) == (True, None)
        later = await naived.ask("resolve", client_order_id=sell.client_order_id, action="adopt")
        assert (later["changed"], later["error"]) == (False, None)
        assert len(exchange.open()) == 1


async def test_an_adoption_says_what_the_stop_loss_would_sell_at_once(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(max_deviation="0", rebuy="20%", stop_loss="5%")
        await naived.trade("2000", "1990")
        adopt: dict[str, Any] = {"all": True, "action": "adopt"}
        world.exchange.cancel_by_hand(world.exchange.open()[0])
        await naived.until(lambda: naived.phases() == ["holding"])
        assert (await naived.ask("resolve", dry_run=True, **adopt))["sells"] is None
        await naived.trade("1800")
        assert naived.phases() == ["holding"]
        planned = await naived.ask("resolve", dry_run=True, **adopt)
        assert (planned["sells"]["quantity"], planned["lost"]) == ("0.0999", [])
        assert planned["message"].endswith(
            "would be sold at a loss at the next trade, and the symbol halted (stop-loss)"
        )
        assert (await naived.ask("resolve", dry_run=True, **{**adopt, "action": "ignore"}))["sells"] is None
        assert (await naived.ask("resolve", **adopt))["sells"] == planned["sells"]
        await naived.trade("1800")
        await naived.until(lambda: not naived.traders())


async def test_missing_coins_that_are_adopted_let_the_stop_loss_act_again(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(max_deviation="0", rebuy="20%", stop_loss="5%")
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
        world.exchange.markets["ETHUSDT"].base -= 10**5
        assert (await naived.ask("start"))["error"]["kind"] == "quarantined"
        await naived.trade("1800")
        planned = await naived.ask("resolve", all=True, action="adopt", dry_run=True)
        assert planned["sells"]["quantity"] == "0.0999"


async def test_an_order_that_never_was_cannot_be_resolved(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        for _ in ("never configured", "started"):
            error = (await naived.ask("resolve", client_order_id="n1oops", action="adopt"))["error"]
            assert (error["kind"], error["message"]) == ("invalid_transition", "there is no order n1oops")
            nothing = await naived.ask("resolve", all=True, action="adopt")
            assert (nothing["message"], nothing["error"]) == ("nothing to resolve", None)
            await naived.start()


async def test_a_hold_that_is_ignored_is_written_off_with_its_cost(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        exchange.cancel_by_hand(exchange.open()[0])
        result = await naived.ask("resolve", all=True, action="ignore")
        assert result["changed"] is True
        assert naived.symbol().engine.leader.profit < 0
        assert "holding" not in naived.phases()


async def test_missing_coins_are_a_quarantine_until_a_person_resolves_it(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
        exchange.markets["ETHUSDT"].base -= 10**5
        error = (await naived.ask("start"))["error"]
        assert error["kind"] == "quarantined"
        assert (await naived.ask("resolve", all=True, action="ignore"))["state"] == "trading"


@pytest.mark.parametrize("taken", ["0.09", "0.0999", "0.0000001"])
async def test_missing_coins_that_are_ignored_are_forgotten_for_good(
    world: World, clock: MockClock, taken: str
) -> None:
    exchange = world.exchange
    async with world.naived(suspends=False) as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
        exchange.markets["ETHUSDT"].base -= parse_quantity(taken)
        assert (await naived.ask("start"))["error"]["kind"] == "quarantined"
        result = await naived.ask("resolve", all=True, action="ignore")
        assert result["message"].startswith(f"1 resolved; written off: {taken} ETH (cost ")
        assert ([entry["quantity"] for entry in result["lost"]], result["error"]) == ([taken], None)
        kinds = [event["kind"] for event in (await naived.call("events", "ETHUSDT"))["events"]]
        assert [kind for kind in kinds if kind in ("quarantined", "written off", "resolved")] == [
            *("quarantined", "written off", "resolved"),
        ]
        assert naived.symbol().engine.leader.profit < 0
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "trading")
        await naived.ask("stop", cancel="all")
        await naived.start()
        await trio.sleep(2)
        coins = parse_quantity("0.0999") - parse_quantity(taken)
        assert naived.view.held(naived.symbol()) <= exchange.markets["ETHUSDT"].base
        assert sum(order.rest for order in exchange.open(side=Side.SELL)) <= coins
        await naived.trade("2500")
        assert naived.view.held(naived.symbol()) == 0


async def test_the_oldest_trader_forgets_first_and_what_rests_is_there(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990", "1970", "1950", "1930")
        first, second, third = exchange.open(side=Side.SELL)
        await naived.ask("stop")
        for sell in (first, second):
            exchange.cancel_by_hand(sell)
        await trio.sleep(1)
        exchange.markets["ETHUSDT"].base -= first.intent.quantity + second.intent.quantity // 2
        held = naived.view.held(naived.symbol())
        assert (await naived.ask("start"))["error"]["kind"] == "quarantined"
        symbol = naived.symbol()
        missing = held - exchange.markets["ETHUSDT"].base
        symbol.offer(CoinsWrittenOff(Quantity(missing), "written off"))
        assert naived.view.held(symbol) == exchange.markets["ETHUSDT"].base
        assert [trader.number for trader in symbol.engine.leader.traders if position(trader)] == [2, 3]
        assert exchange.open(side=Side.SELL) == [third]


async def test_missing_coins_that_are_adopted_are_offered_as_far_as_they_are_free(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
        exchange.markets["ETHUSDT"].base -= parse_quantity("0.09")
        assert (await naived.ask("start"))["error"]["kind"] == "quarantined"
        profit = naived.symbol().engine.leader.profit
        result = await naived.ask("resolve", all=True, action="adopt")
        assert (result["message"], result["error"]) == ("1 resolved", None)
        assert (naived.state(), naived.symbol().engine.leader.profit) == ("trading", profit)
        events = (await naived.call("events", "ETHUSDT"))["events"]
        (resolved,) = [event["message"] for event in events if event["kind"] == "resolved"]
        assert resolved == "adopted by hand: the traders hold 0.0999 ETH, the account has 0.0099"


async def test_a_start_counts_missing_coins_anew(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
        exchange.markets["ETHUSDT"].base -= parse_quantity("0.09")
        assert (await naived.ask("start"))["error"]["kind"] == "quarantined"
        await naived.ask("stop")
        assert (await naived.ask("resolve", all=True, action="adopt"))["message"] == "1 resolved"
        assert (await naived.ask("start"))["error"]["kind"] == "quarantined"
        await naived.ask("stop")
        exchange.markets["ETHUSDT"].base += parse_quantity("0.09")
        await naived.start()


async def test_missing_coins_are_not_written_off_uncounted(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
        exchange.markets["ETHUSDT"].base -= parse_quantity("0.09")
        await naived.ask("start")
        exchange.faults.failing = {"account"}
        error = (await naived.ask("resolve", all=True, action="ignore"))["error"]
        assert (error["kind"], naived.state()) == ("exchange_unavailable", "quarantined")
        exchange.faults.failing = set()
        exchange.markets["ETHUSDT"].base += parse_quantity("0.09")
        profit = naived.symbol().engine.leader.profit
        assert (await naived.ask("resolve", all=True, action="ignore"))["message"] == "1 resolved"
        assert naived.symbol().engine.leader.profit == profit


async def test_a_sell_that_rests_stays_when_the_rest_of_its_coins_is_missing(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start(budget="1003")
        await naived.trade("2000", "1990")
        await naived.ask("stop")
        (sell,) = exchange.open()
        exchange.markets["ETHUSDT"].base -= parse_quantity("0.00005")
        assert (await naived.ask("start"))["error"]["kind"] == "quarantined"
        assert (await naived.ask("resolve", all=True, action="ignore"))["state"] == "trading"
        assert exchange.open() == [sell]
        assert naived.view.held(naived.symbol()) == exchange.markets["ETHUSDT"].base
        await naived.ask("stop")
        await naived.start()


async def test_missing_coins_are_written_off_once(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
        exchange.markets["ETHUSDT"].base -= parse_quantity("0.04")
        assert (await naived.ask("start"))["error"]["kind"] == "quarantined"
        messages = []

        async def ignore() -> None:
            messages.append((await naived.ask("resolve", all=True, action="ignore"))["message"])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ignore)
            nursery.start_soon(ignore)
        assert sorted(message.split(";")[0] for message in messages) == ["1 resolved", "nothing to resolve"]
        assert naived.view.held(naived.symbol()) == exchange.markets["ETHUSDT"].base


async def test_what_is_resolved_while_it_starts_again_is_not_overwritten(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
        exchange.markets["ETHUSDT"].base -= parse_quantity("0.04")
        await naived.ask("start")
        await naived.ask("stop")
        await naived.ask("start", wait=False)
        await trio.sleep(0.5)
        assert naived.state() == "starting"
        assert (await naived.ask("resolve", all=True, action="adopt"))["message"] == "nothing to resolve"
        await naived.until(lambda: naived.state() == "quarantined")


async def test_a_dry_run_tells_what_is_lost_and_changes_nothing(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        exchange.cancel_by_hand(exchange.open()[0])
        await trio.sleep(1)
        commits = len(naived.journal.commits)
        dry = await naived.ask("resolve", all=True, action="ignore", dry_run=True, request_id="one")
        assert (
            dry["message"] == "this writes off 0.0999 ETH (cost 199.98 USDT, worth 198.801 USDT now) of ETHUSDT-1"
        )
        assert (dry["changed"], naived.phases(), len(naived.journal.commits)) == (False, ["holding"], commits)
        done = await naived.ask("resolve", all=True, action="ignore", request_id="one")
        assert (done["changed"], done["lost"]) == (True, dry["lost"])
        again = await naived.ask("resolve", all=True, action="ignore", request_id="one")
        assert (again["changed"], again["message"]) == (True, "resolved; see: naivectl events ETHUSDT")
        error = (await naived.ask("resolve", client_order_id="n1oops", action="ignore", dry_run=True))["error"]
        assert error["message"] == "there is no order n1oops"


async def test_every_kind_of_hold_that_needs_a_person_can_be_ignored(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    closed = Refused(Refusal.MARKET_CLOSED, -1013, "Market is closed.")
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        exchange.faults.refusals = [closed]
        await naived.trade("1990")
        assert naived.phases() == ["holding"]
        result = await naived.ask("resolve", all=True, action="ignore")
        assert [(entry["trader"], entry["quantity"]) for entry in result["lost"]] == [("ETHUSDT-1", "0.0999")]
        assert "holding" not in naived.phases()


async def test_coins_that_a_stop_left_are_no_hold(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
        result = await naived.ask("resolve", all=True, action="ignore")
        assert (result["message"], result["lost"], naived.phases()) == ("nothing to resolve", [], ["holding"])


async def gone(naived: Naived) -> None:
    """Of a delisted symbol nobody tells what became of its sell; a person writes it off and forgets the symbol."""
    await naived.until(lambda: naived.state() == "quarantined", 300)
    assert naived.reason() == "the exchange does not list ETHUSDT any more"
    result = await naived.ask("stop")
    assert (result["error"], [each["state"] for each in result["open_orders"]]) == (None, ["quarantined"])
    refused = (await naived.ask("forget"))["error"]
    assert "resolve ETHUSDT --all" in refused["hint"]
    result = await naived.ask("resolve", all=True, action="ignore")
    assert [(entry["trader"], entry["quantity"]) for entry in result["lost"]] == [("ETHUSDT-1", "0.4995")]
    assert (result["error"], naived.state(), naived.traders()) == (None, "off", ())
    assert (await naived.ask("forget"))["error"] is None


async def test_what_a_symbol_was_selling_when_it_was_delisted_can_be_written_off(
    world: World, clock: MockClock
) -> None:
    async with world.naived(suspends=False) as naived:
        await naived.start(chunks=1)
        await naived.trade("2000", "1990")
    del world.exchange.markets["ETHUSDT"]
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "faulted")
        assert "writes them off" in (await naived.ask("wait", **{"for": "trading"}))["error"]["hint"]
        await gone(naived)


async def test_a_delisting_that_nobody_heard_of_is_noticed(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start(chunks=1)
        await naived.trade("2000", "1990")
        exchange.go_away()
        del exchange.markets["ETHUSDT"]
        exchange.come_back()
        await naived.until(lambda: naived.state() == "faulted", 10)
        assert naived.reason() == "the exchange does not list ETHUSDT (any more)"
        await gone(naived)


async def test_a_list_that_lacks_a_symbol_for_a_moment_stops_it_no_longer_than_that(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start(chunks=1)
        await naived.trade("2000", "1990")
        market = world.exchange.markets.pop("ETHUSDT")
        await naived.until(lambda: naived.state() == "faulted", 120)
        world.exchange.markets["ETHUSDT"] = market
        await naived.until(lambda: naived.state() == "trading", 130)
        assert (naived.reason(), naived.phases()) == (None, ["selling"])
        await naived.trade("2100", "2100")
        assert naived.symbol().engine.leader.cycles == 1


async def test_what_was_given_up_before_it_was_listed_again_goes_on_once_a_person_has_adopted_it(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start(chunks=1)
        await naived.trade("2000", "1990")
        market = world.exchange.markets.pop("ETHUSDT")
        await naived.until(lambda: naived.state() == "quarantined", 600)
        world.exchange.markets["ETHUSDT"] = market
        await naived.until(lambda: naived.symbol().listed, 70)
        assert naived.state() == "quarantined"
        await naived.ask("resolve", all=True, action="adopt")
        await naived.until(lambda: naived.state() == "trading", 130)
        await naived.trade("2100", "2100")
        assert naived.symbol().engine.leader.cycles == 1


async def test_what_is_listed_again_is_not_called_delisted_and_not_written_off(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        market = world.exchange.markets.pop("ETHUSDT")
        await naived.until(lambda: naived.state() == "faulted", 120)
        await trio.sleep(3700)
        world.exchange.markets["ETHUSDT"] = market
        await naived.until(lambda: naived.symbol().listed, 70)
        await naived.ask("resolve", all=True, action="adopt")
        assert naived.state() == "faulted"
        assert naived.reason() == "the exchange did not list ETHUSDT for a while, and lists it again"
        await naived.start()
        assert naived.state() == "trading"
        await naived.ask("stop", cancel="all")
        del world.exchange.markets["ETHUSDT"]
        await naived.until(lambda: not naived.symbol().listed, 120)
        world.exchange.markets["ETHUSDT"] = market
        result = await naived.ask("resolve", all=True, action="ignore")
        assert (result["message"], result["lost"], naived.phases()) == ("nothing to resolve", [], ["holding"])


async def test_coins_that_were_exchanged_for_others_are_written_off_once_their_symbol_is_stopped(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader_state, "_SAME_MARKET", 600_000)
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start(chunks=1)
        await naived.trade("2000", "1990")
        exchange.relist("ETHUSDT", trading=False)
        await naived.until(lambda: naived.state() == "quarantined", 3_700 + 700)
        exchange.markets["ETHUSDT"].end(exchange.open()[0], OrderStatus.EXPIRED, exchange.now())
        sent = len(exchange.wire)
        for action in ("adopt", "ignore"):  # it is not open yet; it is not stopped
            result = await naived.ask("resolve", all=True, action=action)
            assert result["error"]["hint"].startswith(
                "once it is open, `naivectl resolve ETHUSDT --all --adopt` if"
            )
            assert (result["changed"], result["lost"]) == (False, [])
        exchange.relist("ETHUSDT", trading=True)
        await naived.until(lambda: naived.symbol().engine.leader.info.trading, 70)
        await naived.ask("stop", cancel="all")
    async with world.naived() as naived:
        for dry_run in (True, False):
            done = await naived.ask("resolve", all=True, action="ignore", dry_run=dry_run)
            assert (done["error"], [each["quantity"] for each in done["lost"]]) == (None, ["0.4995"])
        assert (naived.state(), naived.phases(), len(exchange.wire)) == ("off", [], sent)
        await naived.start()
        await naived.trade("2000")
        assert naived.phases() == ["buying"]


async def test_while_the_exchange_is_away_nothing_is_written_off_as_delisted(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start(chunks=1)
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
        market = exchange.markets.pop("ETHUSDT")
        await naived.until(lambda: not naived.symbol().listed, 120)
        exchange.go_away()
        exchange.markets["ETHUSDT"] = market
        error = (await naived.ask("resolve", all=True, action="ignore"))["error"]
        assert "did not say in time whether it lists it again; nothing was changed" in error["message"]
        assert naived.phases() == ["holding"]
        exchange.come_back()
        result = await naived.ask("resolve", all=True, action="ignore")
        assert (result["message"], result["lost"]) == ("nothing to resolve", [])


async def test_what_a_delisted_symbol_was_selling_cannot_be_written_off_at_once_and_that_is_said(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start(chunks=1)
        await naived.trade("2000", "1990")
        del world.exchange.markets["ETHUSDT"]
        await naived.until(lambda: naived.state() == "faulted", 120)
        stopped = (await naived.ask("stop"))["error"]["message"]
        assert stopped.startswith("off, but what became of its orders is not known")
        assert "for some minutes is quarantined, and then `naivectl resolve ETHUSDT --all --ignore`" in stopped
        result = await naived.ask("resolve", all=True, action="ignore")
        assert (result["changed"], result["lost"]) == (False, [])
        assert "try again in some minutes" in result["message"]
        await naived.until(lambda: naived.state() == "quarantined", 300)
        await naived.ask("start")
        adopted = (await naived.ask("resolve", all=True, action="adopt"))["error"]["message"]
        assert adopted.startswith("resolved, but what became of its orders is not known")


@pytest.mark.parametrize("again", [True, False])
async def test_what_a_stop_left_of_a_delisted_symbol_can_be_written_off(
    world: World, clock: MockClock, *, again: bool
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
    del world.exchange.markets["ETHUSDT"]
    async with world.naived() as naived:
        if again:
            error = (await naived.ask("start"))["error"]
            assert error["message"] == "faulted: the exchange does not list ETHUSDT (any more)"
        result = await naived.ask("stop")
        assert "`naivectl resolve ETHUSDT --all --ignore` writes them off" in result["message"]
        assert "naivectl start" not in result["message"]
        assert "naivectl resolve ETHUSDT" in (await naived.ask("forget"))["error"]["hint"]
        result = await naived.ask("resolve", all=True, action="ignore")
        assert [entry["quantity"] for entry in result["lost"]] == ["0.0999"]
        assert (result["error"], naived.traders()) == (None, ())
        assert (await naived.ask("wait", **{"for": "drained"}))["error"] is None
        assert (await naived.ask("forget"))["error"] is None


async def test_where_another_naived_trades_no_held_coins_are_written_off(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        exchange.cancel_by_hand(exchange.open()[0])
        await trio.sleep(1)
        naived.symbol().offer(Blocked(BlockedBy.LINEAGE, "a copy of it trades"))
        result = await naived.ask("resolve", all=True, action="ignore")
        assert (result["changed"], result["lost"], naived.phases()) == (False, [], ["holding"])
        assert result["error"]["kind"] == "quarantined"
        assert result["message"] == "nothing changed; still quarantined: a copy of it trades"
        naived.symbol().offer(Blocked(BlockedBy.LINEAGE, None))


async def test_a_sell_in_quarantine_is_written_off_with_its_own_coins_alone(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990", "1980", "1970")
        (first, second) = exchange.open(side=Side.SELL)
        report = exchange.markets["ETHUSDT"].state(second)
        exchange.tell(replace(report, order_id=77))
        assert naived.state() == "quarantined"
        result = await naived.ask("resolve", all=True, action="ignore")
        assert [entry["client_order_id"] for entry in result["lost"]] == [second.client_order_id]
        assert (result["state"], exchange.open(side=Side.SELL)) == ("trading", [first, second])
        exchange.tell(replace(report, order_id=77))
        await trio.sleep(65)
        assert naived.state() == "trading"


async def test_a_buy_that_was_written_off_is_forgotten_whatever_is_reported(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        (buy,) = exchange.open()
        exchange.fill(buy, 4 * 10**6)
        await trio.sleep(1)
        report = exchange.markets["ETHUSDT"].state(buy)
        exchange.tell(replace(report, order_id=77))
        assert naived.state() == "quarantined"
        result = await naived.ask("resolve", client_order_id=buy.client_order_id, action="ignore")
        assert [(entry["asset"], entry["quantity"]) for entry in result["lost"]] == [("USDT", "119.988")]
        assert naived.phases() == ["selling"]
        exchange.fill(buy, 10**6)
        exchange.tell(replace(report, order_id=77))
        await trio.sleep(65)
        assert (naived.state(), naived.phases()) == ("trading", ["selling"])


async def test_an_adopted_order_that_contradicts_itself_again_is_not_called_resolved(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        (sell,) = exchange.open()
        sell.intent = replace(sell.intent, side=Side.BUY)
        exchange.tell(exchange.markets["ETHUSDT"].state(sell))
        assert naived.state() == "quarantined"
        result = await naived.ask("resolve", client_order_id=sell.client_order_id, action="adopt")
        assert result["error"]["kind"] == "quarantined"
        assert result["message"].startswith("1 resolved, and still quarantined: order 2 is not what was intended")


async def test_coins_are_not_written_off_while_the_account_cannot_be_read(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        exchange.faults.refusals = [NO_BALANCE] * 9
        await naived.trade("1990")
        exchange.faults.failing = {"account"}
        error = (await naived.ask("resolve", all=True, action="ignore"))["error"]
        assert (error["kind"], naived.phases()) == ("exchange_unavailable", ["holding"])
        exchange.faults.failing = set()
        exchange.faults.refusals = []
        result = await naived.ask("resolve", all=True, action="ignore")
        assert (result["lost"], result["message"]) == ([], "1 resolved")
        await naived.until(lambda: naived.phases() == ["selling"])
