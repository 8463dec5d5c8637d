"""What a person may ask: changed or not, the codes of every failure, and answers only after the commit."""

import pytest
import trio
from trio.testing import MockClock

from naived.control.caller import Caller
from naived.core.amount import format_amount
from naived.core.engine import Blocked, BlockedBy
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus
from naived.core.strategy.settings import Status
from naived.ports import Unit
from tests.support.exchange import EVERYWHERE
from tests.support.runtime import FENCE, NO_BALANCE, World

# start


async def test_a_start_is_answered_when_it_trades_and_changes_nothing_the_second_time(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        first = await naived.ask("start")
        assert (first["status"], first["state"], first["changed"], first["error"]) == ("on", "trading", True, None)
        assert (await naived.ask("settings"))["settings"]["budget"] == "1000"
        assert (await naived.ask("start"))["changed"] is False
        assert (await naived.ask("start", chunks=3))["changed"] is True
        assert (await naived.ask("start", chunks=3))["changed"] is False


async def test_without_a_budget_where_money_is_real_nothing_is_configured(world: World, clock: MockClock) -> None:
    async with world.naived(budget=None) as naived:
        error = (await naived.ask("start"))["error"]
        assert error["kind"] == "not_configured"
        assert "--budget" in error["hint"]
        assert (await naived.call("status"))["symbols"] == []
        await naived.ask("start", budget="500")
        assert (await naived.ask("settings"))["settings"]["budget"] == "500"
        await naived.ask("stop")
        assert (await naived.ask("start"))["error"] is None


async def test_a_start_that_is_too_small_names_the_least_budget(world: World, clock: MockClock) -> None:
    world.exchange.last["ETHUSDT"] = 2000 * 10**8
    async with world.naived() as naived:
        error = (await naived.ask("start", budget="10"))["error"]
        assert error["kind"] == "invalid_transition"
        assert "2 USDT a chunk is too small to trade: an order is worth at least 5" in error["message"]
        least = error["hint"].removeprefix("the least budget for 5 chunks is ").removesuffix(" USDT")
        assert (await naived.call("status"))["symbols"] == []
        assert (await naived.ask("start", budget=least))["error"] is None


@pytest.mark.parametrize(
    "setting", [{"budget": "-1"}, {"budget": "0"}, {"chunks": 1001}, {"profit": "0"}, {"rebuy": "100%"}]
)
async def test_settings_out_of_range_are_refused_and_configure_nothing(
    world: World, clock: MockClock, setting: dict[str, object]
) -> None:
    async with world.naived() as naived:
        assert (await naived.ask("start", **setting))["error"]["kind"] == "invalid_params"
        assert (await naived.ask("settings", **setting))["error"]["kind"] == "invalid_params"
        assert (await naived.call("status"))["symbols"] == []


async def test_what_timed_out_says_whether_it_changed_anything(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.ask("stop")
        world.exchange.go_away()
        for changed in (True, False):
            result = await naived.ask("start", timeout="1s")
            assert (result["error"]["kind"], result["changed"]) == ("timed_out", changed)


async def test_a_start_without_the_exchange_times_out_with_the_state_and_stands(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.ask("stop")
        world.exchange.go_away()
        error = (await naived.ask("start", timeout="3s"))["error"]
        assert error["kind"] == "timed_out"
        assert "degraded: the exchange is away: connection lost" in error["message"]
        assert (await naived.call("status"))["symbols"][0]["status"] == "on"
        world.exchange.come_back()
        await naived.until(lambda: naived.state() == "trading")


async def test_two_first_starts_at_once_make_one_symbol(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(naived.start)
            nursery.start_soon(naived.start)
        await naived.trade("2000")
        assert len(world.exchange.wire) == 1


async def test_a_stop_does_not_wait_for_what_it_heard_to_be_durable_longer_than_it_was_told(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        await naived.ask("stop")
        world.exchange.faults.held = True
        world.exchange.trade("1990")  # nobody was told
        naived.journal.delay = 100
        begun = trio.current_time()
        assert (await naived.ask("stop", timeout="3s"))["error"]["kind"] == "timed_out"
        assert trio.current_time() - begun == pytest.approx(3)


# stop


async def test_a_stop_names_what_stays(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990", "1980")
        assert sorted(naived.phases()) == ["buying", "selling"]
        result = await naived.ask("stop")
        assert (result["state"], result["changed"], result["error"]) == ("off", True, None)
        assert result["message"] == "stopped; 1 sell and 1 buy remain open at the exchange"
        assert sorted(order["side"] for order in result["open_orders"]) == ["buy", "sell"]
        assert (await naived.ask("stop"))["changed"] is False
        await naived.trade("1000", "3000")
        assert world.exchange.open() == []
        assert naived.state() == "off"


async def test_what_a_stop_answers_the_journal_says_too(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        naived.journal.delay = 0.2
        begun = trio.current_time()
        assert (await naived.ask("stop", cancel="all"))["open_orders"] == []
        assert trio.current_time() - begun < 1
        assert [order["state"] for order in await naived.orders()] == ["cancelled"]


async def test_a_stop_takes_back_the_buys_it_was_told_to(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990", "1980")
        result = await naived.ask("stop", cancel="buys")
        assert [order["side"] for order in result["open_orders"]] == ["sell"]
        assert [order.intent.side for order in world.exchange.open()] == [Side.SELL]
        result = await naived.ask("stop", cancel="all")
        assert (result["changed"], result["open_orders"]) == (True, [])
        assert result["message"] == (
            "stopped; nothing remains open at the exchange; 0.0999 ETH (cost 199.98 USDT, worth 197.802 USDT now) "
            "stay unsold: `naivectl start ETHUSDT` or `naivectl shutdown ETHUSDT` sells them"
        )
        assert naived.phases() == ["holding"]
        assert (await naived.ask("stop", cancel="all"))["changed"] is False
        await naived.start()
        await naived.until(lambda: len(world.exchange.open(side=Side.SELL)) == 1)


async def test_a_stop_while_an_order_is_unknown_times_out_with_its_fence_and_stands(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        world.exchange.faults.lost_requests = 1
        await naived.trade("2000")
        (order,) = naived.symbol().engine.orders.values()
        result = await naived.ask("stop", timeout="5s")
        error = result["error"]
        assert error["kind"] == "timed_out"
        assert order.client_order_id in error["message"]
        assert "fence 2023-11-14T22:13:25" in error["message"]
        assert (result["status"], result["state"]) == ("off", "stopping")
        assert [entry["fence_at"][:19] for entry in result["open_orders"]] == ["2023-11-14T22:13:25"]
        await naived.until(lambda: naived.state() == "off", FENCE + 30)
        assert world.exchange.orders() == []


async def test_a_stop_closes_an_intent_that_was_not_begun_to_be_sent(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.delay = 0.3
        world.exchange.trade("2000")
        await trio.sleep(0.1)
        result = await naived.ask("stop")
        assert (result["error"], result["open_orders"]) == (None, [])
        assert world.exchange.wire == []
        assert naived.order_states() == ["not_placed"]
        naived.journal.delay = 0
        await trio.sleep(10)
        await naived.start()
        await naived.until(lambda: naived.phases() in (["waiting"], []))
        assert world.exchange.wire == []


async def test_a_stop_waits_for_the_answer_of_what_was_sent(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        world.exchange.faults.slow_reply = 2
        world.exchange.faults.held = True
        world.exchange.trade("2000")
        await trio.sleep(0.1)
        result = await naived.ask("stop")
        assert [order["state"] for order in result["open_orders"]] == ["open"]


async def test_a_stop_asks_once_for_every_order_that_stays(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        exchange.faults.held = True
        exchange.trade("1990")  # nobody was told
        exchange.asked.clear()
        result = await naived.ask("stop")
        assert exchange.asked.count("order") == 1
        assert (result["error"], result["open_orders"]) == (None, [])
        assert naived.phases() == ["holding"]
        exchange.forget_reports()


async def test_a_stop_without_the_exchange_says_what_was_known_last(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        world.exchange.go_away()
        result = await naived.ask("stop")
        assert (result["state"], len(result["open_orders"])) == ("off", 1)
        assert result["error"]["kind"] == "timed_out"
        assert result["message"] == (
            "off, but what became of its orders is not known; as last told, 1 buy remains open at the exchange"
        )


async def test_a_stop_without_the_exchange_needs_no_answer_where_nothing_rests(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        world.exchange.go_away()
        result = await naived.ask("stop")
        assert (result["error"], result["state"], result["open_orders"]) == (None, "off", [])


async def test_a_stop_waits_for_an_exchange_that_comes_back(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        world.exchange.go_away()
        world.exchange.trade("1990")  # fills the buy
        async with trio.open_nursery() as nursery:

            async def stop() -> None:
                result = await naived.ask("stop")
                assert (result["error"], result["open_orders"]) == (None, [])

            nursery.start_soon(stop)
            await trio.sleep(5)
            world.exchange.come_back()


async def test_a_stop_of_what_was_never_configured_is_already_so(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        result = await naived.ask("stop")
        assert (result["changed"], result["status"], result["state"], result["error"]) == (
            False,
            "off",
            "off",
            None,
        )
        assert (await naived.call("status"))["symbols"] == []


async def test_a_stop_that_somebody_takes_back_says_so(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        world.exchange.faults.lost_requests = 1
        await naived.trade("2000")
        errors: list[dict[str, str]] = []

        async def stop() -> None:
            errors.append((await naived.ask("stop"))["error"])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop)
            await trio.sleep(1)
            await naived.start()
        assert errors[0]["message"] == "another request started it in the meantime"


async def test_a_cancelled_order_that_was_filled_meanwhile_is_booked_as_filled(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        exchange.faults.held = True
        exchange.trade("1990")
        exchange.forget_reports()
        result = await naived.ask("stop", cancel="all")
        assert (result["error"], result["open_orders"]) == (None, [])
        assert naived.phases() == ["holding"]


# shutdown


async def test_a_shutdown_ends_by_itself_as_off(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990", "1980")
        result = await naived.ask("shutdown")
        assert (result["status"], result["state"], result["changed"]) == ("shutdown", "draining", True)
        assert result["message"] == "draining: 2 cycles left"
        await naived.until(lambda: len(world.exchange.open()) == 1)
        assert (await naived.ask("shutdown"))["changed"] is False
        await naived.trade("3000")
        await naived.until(lambda: naived.state() == "off")
        assert naived.symbol().engine.leader.cycles == 1
        assert (await naived.ask("shutdown"))["changed"] is False
    async with world.naived() as naived:
        assert naived.symbol().desired.status is Status.OFF


async def test_a_shutdown_can_be_waited_for(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                result = await naived.ask("shutdown", wait=True)
                assert (result["state"], result["message"]) == ("off", "drained: off")

            nursery.start_soon(wait)
            await trio.sleep(5)
            world.exchange.trade("3000")


async def test_a_shutdown_of_what_is_drained_waits_until_it_has_ended(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.ask("stop")
        naived.symbol().tended = True
        result = await naived.ask("shutdown", wait=True, timeout="2s")
        assert (result["state"], result["error"]["kind"]) == ("stopping", "timed_out")
        naived.symbol().tended = False
        result = await naived.ask("shutdown", wait=True)
        assert (result["state"], result["changed"], result["error"]) == ("off", False, None)


async def test_a_shutdown_may_let_buys_rest(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        await naived.ask("shutdown", keep_buys=True)
        await trio.sleep(1)
        assert len(world.exchange.open(side=Side.BUY)) == 1
        await naived.trade("1990", "3000")
        await naived.until(lambda: naived.state() == "off")
        assert naived.symbol().engine.leader.cycles == 1


async def test_a_shutdown_sells_what_a_buy_had_of_its_fill(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        exchange.fill(exchange.open()[0], 4 * 10**6)
        await naived.ask("shutdown")
        await naived.until(lambda: len(exchange.open(side=Side.SELL)) == 1)
        assert exchange.orders()[0].status is OrderStatus.CANCELED
        await naived.trade("3000")
        await naived.until(lambda: naived.state() == "off")


async def test_a_start_during_a_shutdown_takes_it_back(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("shutdown")
        await naived.start()
        await naived.trade("3000")
        assert (naived.state(), naived.symbol().desired.status) == ("trading", Status.ON)
        assert naived.phases() == ["waiting"]


async def test_a_start_at_the_moment_of_the_last_finish_wins(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("shutdown")
        naived.journal.delay = 0.3
        world.exchange.trade("3000")
        await trio.sleep(0.1)
        await naived.start()
        await trio.sleep(5)
        assert naived.state() == "trading"
        await naived.trade("2000")
        assert naived.phases() == ["buying"]
    async with world.naived() as naived:
        assert naived.symbol().desired.status is Status.ON


async def test_a_shutdown_of_a_stopped_symbol_drains_what_stop_left(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
        result = await naived.ask("shutdown")
        assert (result["changed"], result["status"]) == (True, "shutdown")
        await naived.until(lambda: len(world.exchange.open(side=Side.SELL)) == 1)
        await naived.trade("3000")
        await naived.until(lambda: naived.state() == "off")


async def test_a_shutdown_that_waits_for_a_person_says_so(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        world.exchange.cancel_by_hand(world.exchange.open()[0])
        result = await naived.ask("shutdown", wait=True, timeout="5s")
        assert result["error"]["kind"] == "timed_out"
        held = "1 held until `naivectl resolve ETHUSDT --all --adopt` (ours again) or `--ignore` (written off)"
        assert result["message"] == f"draining: 1 cycle left, {held}"


async def test_a_shutdown_names_the_trader_that_cannot_sell(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        world.exchange.faults.refusals = [NO_BALANCE] * 9
        await naived.trade("1990")
        world.exchange.markets["ETHUSDT"].base = 0
        message = (await naived.ask("shutdown"))["message"]
        assert message.startswith("draining: 1 cycle left, ETHUSDT-1 cannot sell: ")
        error = (await naived.ask("wait", timeout="1s", **{"for": "drained"}))["error"]
        assert error["message"].startswith("not drained yet, still degraded: ETHUSDT-1 cannot sell: ")
        assert (await naived.ask("resolve", all=True, action="ignore"))["lost"][0]["quantity"] == "0.0999"
        assert (await naived.ask("wait", timeout="1s", **{"for": "drained"}))["error"] is None


# settings and wait


async def test_settings_are_shown_and_changed_without_starting_anything(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        unset = await naived.ask("settings")
        assert (unset["status"], unset["changed"], unset["settings"]) == (
            "off",
            False,
            {
                "chunks": 5,
                "budget": "1000",
                "buy_down": "0.0001",
                "profit": "0.001",
                "rebuy": "0.006",
                "reprice": "0.01",
                "max_deviation": "0.1",
                "spacing": "0",
                "floor": None,
                "ceiling": None,
                "fall_guard": None,
                "stop_loss": "0",
                "stop_slippage": "0.005",
            },
        )
        assert (await naived.call("status"))["symbols"] == []
        result = await naived.ask("settings", chunks=3, profit="0.2%")
        assert (result["changed"], result["status"], result["settings"]["profit"]) == (True, "off", "0.002")
        assert (await naived.ask("settings", chunks=3))["changed"] is False
        document = await naived.call("settings")
        assert document["results"][0]["settings"]["chunks"] == 3
    async with world.naived() as naived:
        assert naived.symbol().desired.settings.chunks == 3


async def test_a_start_says_what_the_stop_loss_would_sell_at_once(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(max_deviation="0", rebuy="20%")
        await naived.trade("2000", "1990")
        await naived.ask("stop")
        assert (await naived.ask("settings", stop_loss="5%", dry_run=True))["sells"] is None  # it is off
        await naived.ask("settings", stop_loss="5%")
        world.exchange.trade("1950")
        assert (await naived.ask("start", dry_run=True))["sells"] is None
        world.exchange.trade("1800")
        for given in ({}, {"stop_loss": "4%"}):
            planned = await naived.ask("start", dry_run=True, **given)
            assert (planned["changed"], planned["status"]) == (False, "off")
            assert planned["sells"] == {"asset": "ETH", "quantity": "0.0999", "cost": "199.98", "value": "179.82"}
            assert (
                "0.0999 ETH (cost 199.98 USDT, worth 179.82 USDT now) would be sold at a loss" in planned["message"]
            )
            assert planned["plan"]["last_price"] == "1800"
        assert (await naived.ask("start", dry_run=True, stop_loss="none"))["sells"] is None
        assert (await naived.ask("start"))["sells"]["quantity"] == "0.0999"


async def test_a_shutdown_says_what_the_stop_loss_would_sell_at_once(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(max_deviation="0", rebuy="20%", stop_loss="5%")
        await naived.trade("2000", "1990")
        assert (await naived.ask("shutdown", dry_run=True))["sells"] is None
        await naived.ask("stop")
        world.exchange.trade("1950")
        assert (await naived.ask("shutdown", dry_run=True))["sells"] is None
        world.exchange.trade("1800")
        planned = await naived.ask("shutdown", dry_run=True)
        assert (planned["changed"], planned["status"]) == (False, "off")
        assert planned["sells"] == {"asset": "ETH", "quantity": "0.0999", "cost": "199.98", "value": "179.82"}
        assert "worth 179.82 USDT now) would be sold at a loss at the next trade" in planned["message"]
        done = await naived.ask("shutdown")
        assert (done["status"], done["sells"]) == ("shutdown", planned["sells"])
        await naived.until(lambda: naived.symbol().engine.leader.active)
        await naived.trade("1800")
        await naived.until(lambda: not naived.traders())
        assert naived.symbol().engine.leader.profit < 0


async def test_a_start_says_what_the_stop_loss_would_sell_where_it_could_not(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start(max_deviation="0", rebuy="20%", stop_loss="5%")
        await naived.trade("2000", "1990")
        assert (await naived.ask("start", dry_run=True))["sells"] is None
        await naived.ask("stop", cancel="all")
        world.exchange.markets["ETHUSDT"].base -= 10**5
        assert (await naived.ask("start"))["error"]["kind"] == "quarantined"
        await naived.trade("1800")
        world.exchange.markets["ETHUSDT"].base += 10**5
        for verb in ("start", "shutdown"):
            assert (await naived.ask(verb, dry_run=True))["sells"]["quantity"] == "0.0999"


async def test_running_traders_keep_their_settings(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        await naived.ask("settings", profit="0.05", budget="500")
        await naived.trade("1990")
        (sell,) = world.exchange.open(side=Side.SELL)
        assert sell.intent.price < 2010 * 10**8


async def test_waits_end_when_what_they_wait_for_is_so(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        assert (await naived.ask("wait", **{"for": "off"}))["error"] is None
        never = await naived.ask("wait", timeout="1s", **{"for": "trading"})
        assert (never["error"]["kind"], never["state"]) == ("timed_out", "off")
        await naived.start()
        assert (await naived.ask("wait", **{"for": "trading"}))["error"] is None
        assert (await naived.ask("wait", timeout="1s", **{"for": "off"}))["error"]["kind"] == "timed_out"
        await naived.trade("2000")
        await naived.ask("stop")
        assert (await naived.ask("wait", **{"for": "off"}))["error"] is None
        error = (await naived.ask("wait", timeout="1s", **{"for": "drained"}))["error"]
        assert error["message"] == "not drained yet, still off: 1 buy remains open at the exchange"


async def test_a_wait_that_only_a_person_can_end_ends_at_once(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        naived.symbol().fault = "delisted"
        error = (await naived.ask("wait", **{"for": "trading"}))["error"]
        assert (error["kind"], error["message"]) == ("invalid_transition", "faulted: delisted")
        assert error["hint"] == "after you corrected the cause: naivectl start ETHUSDT"
        await naived.ask("stop", cancel="all")
        naived.symbol().fault = "delisted"
        assert (await naived.ask("wait", **{"for": "off"}))["error"] is None
        error = (await naived.ask("wait", **{"for": "drained"}))["error"]
        assert error["message"].startswith("off, and not drained: 0.0999 ETH (cost 199.98 USDT")
        naived.symbol().fault = None


async def test_a_wait_for_a_drain_waits_for_a_sell_that_rests(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(budget="1003")
        await naived.trade("2000", "1990")
        stopped = await naived.ask("stop")
        assert stopped["message"] == "stopped; 1 sell remains open at the exchange"
        assert stopped["unsold"] is None
        waited = []
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                waited.append(await naived.ask("wait", **{"for": "drained"}))

            nursery.start_soon(wait)
            await trio.sleep(5)
            assert waited == []
            world.exchange.trade("3000")
        (small,) = naived.symbol().engine.leader.lots
        assert waited[0]["message"].startswith(f"drained; {format_amount(small.quantity)} ETH (cost ")


async def test_a_stop_is_not_complete_before_what_it_learned_is_stored(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        world.exchange.faults.held = True
        world.exchange.trade("1990")  # nobody was told
        stop = naived.journal.commit

        async def hang(unit: Unit) -> None:
            if unit.fills:
                await trio.sleep(100)
            await stop(unit)

        naived.journal.commit = hang  # type: ignore[method-assign]
        result = await naived.ask("stop")
        assert result["error"]["kind"] == "timed_out"
        assert "what the exchange told of its orders is not stored yet" in result["message"]
        world.exchange.forget_reports()
        await naived.until(lambda: not naived.symbol().behind, 200)


async def test_a_wait_for_what_was_never_started_ends_when_it_trades(world: World, clock: MockClock) -> None:
    async with world.naived() as naived, trio.open_nursery() as nursery:
        answers = []

        async def wait() -> None:
            answers.append(await naived.ask("wait", **{"for": "trading"}))

        nursery.start_soon(wait)
        await trio.sleep(1)
        await naived.start("BTCUSDT")
        assert answers == []
        await naived.start()
        await trio.sleep(1)
        assert [answer["error"] for answer in answers] == [None]


async def test_a_stop_of_a_quarantined_symbol_ends_its_task(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
        exchange.markets["ETHUSDT"].base -= 10**5
        await naived.ask("start")
        result = await naived.ask("stop")
        assert (result["error"], result["status"], result["state"]) == (None, "off", "quarantined")
        assert not naived.symbol().tended


async def test_a_refused_sell_is_tried_again_and_says_why_meanwhile(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        exchange.faults.refusals = [NO_BALANCE]
        await naived.trade("1990")
        assert (naived.state(), naived.reason()) == (
            "degraded",
            "ETHUSDT-1 cannot sell: Account has insufficient balance for requested action.",
        )
        await naived.until(lambda: len(exchange.open(side=Side.SELL)) == 1)
        assert naived.state() == "trading"


async def test_a_symbol_whose_orders_queries_hide_can_still_be_stopped(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        exchange.faults.hidden = EVERYWHERE
        result = await naived.ask("stop")
        assert (result["error"], len(result["open_orders"])) == (None, 1)


# a client that leaves


@pytest.mark.parametrize(
    ("method", "params", "status"),
    [
        ("start", {}, "on"),
        ("stop", {}, "off"),
        ("shutdown", {"wait": True}, "shutdown"),
        ("wait", {"for": "off", "timeout": "none"}, "on"),
    ],
)
async def test_whoever_leaves_waits_no_longer_and_what_it_asked_stands(
    world: World, clock: MockClock, method: str, params: dict[str, object], status: str
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        world.exchange.go_away()
        caller = Caller()
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                await naived.call(method, "ETHUSDT", caller=caller, **params)

            nursery.start_soon(ask)
            await trio.sleep(1)
            assert nursery.child_tasks
            caller.leave()
            await trio.sleep(0.1)
            assert not nursery.child_tasks
        assert naived.symbol().desired.status == status


async def test_a_repeated_shutdown_measures_again_what_keeps_the_symbol_from_selling(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("shutdown")
        naived.symbol().offer(Blocked(BlockedBy.COINS, "coins are missing"))
        await trio.sleep(1)
        assert naived.state() == "quarantined"
        assert (await naived.ask("shutdown"))["changed"] is False
        await trio.sleep(1)
        assert naived.state() == "draining"
