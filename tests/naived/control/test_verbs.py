"""What a person may ask: changed or not, the codes of every failure, and answers only after the commit."""

import pytest
import trio
from trio.testing import MockClock

from naived.control.caller import Caller
from naived.core.orders.intent import Side
from naived.core.orders.report import OrderStatus
from naived.core.strategy.settings import Status
from tests.exchange_double import EVERYWHERE
from tests.runtime_house import FENCE, NO_BALANCE, World

# start


async def test_a_start_is_answered_when_it_trades_and_changes_nothing_the_second_time(
    world: World, clock: MockClock
) -> None:
    async with world.house() as house:
        first = await house.ask("start")
        assert (first["status"], first["state"], first["changed"], first["error"]) == ("on", "trading", True, None)
        assert (await house.ask("settings"))["settings"]["budget"] == "1000"
        assert (await house.ask("start"))["changed"] is False
        assert (await house.ask("start", chunks=3))["changed"] is True
        assert (await house.ask("start", chunks=3))["changed"] is False


async def test_without_a_budget_where_money_is_real_nothing_is_configured(world: World, clock: MockClock) -> None:
    async with world.house(budget=None) as house:
        error = (await house.ask("start"))["error"]
        assert error["kind"] == "not_configured"
        assert "--budget" in error["hint"]
        assert (await house.call("status"))["symbols"] == []
        await house.ask("start", budget="500")
        assert (await house.ask("settings"))["settings"]["budget"] == "500"
        await house.ask("stop")
        assert (await house.ask("start"))["error"] is None


async def test_a_start_that_is_too_small_names_the_least_budget(world: World, clock: MockClock) -> None:
    world.exchange.last["ETHUSDT"] = 2000 * 10**8
    async with world.house() as house:
        error = (await house.ask("start", budget="10"))["error"]
        assert error["kind"] == "invalid_transition"
        assert "2 USDT a chunk is too small to trade: an order is worth at least 5" in error["message"]
        least = error["hint"].removeprefix("the least budget for 5 chunks is ").removesuffix(" USDT")
        assert (await house.call("status"))["symbols"] == []
        assert (await house.ask("start", budget=least))["error"] is None


@pytest.mark.parametrize(
    "setting", [{"budget": "-1"}, {"budget": "0"}, {"chunks": 1001}, {"profit": "0"}, {"rebuy": "100%"}]
)
async def test_settings_out_of_range_are_refused_and_configure_nothing(
    world: World, clock: MockClock, setting: dict[str, object]
) -> None:
    async with world.house() as house:
        assert (await house.ask("start", **setting))["error"]["kind"] == "invalid_params"
        assert (await house.ask("settings", **setting))["error"]["kind"] == "invalid_params"
        assert (await house.call("status"))["symbols"] == []


async def test_what_timed_out_says_whether_it_changed_anything(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.ask("stop")
        world.exchange.go_away()
        for changed in (True, False):
            result = await house.ask("start", timeout="1s")
            assert (result["error"]["kind"], result["changed"]) == ("timed_out", changed)


async def test_a_start_without_the_exchange_times_out_with_the_state_and_stands(
    world: World, clock: MockClock
) -> None:
    async with world.house() as house:
        await house.start()
        await house.ask("stop")
        world.exchange.go_away()
        error = (await house.ask("start", timeout="3s"))["error"]
        assert error["kind"] == "timed_out"
        assert "degraded: the exchange is away: connection lost" in error["message"]
        assert (await house.call("status"))["symbols"][0]["status"] == "on"
        world.exchange.come_back()
        await house.until(lambda: house.state() == "trading")


async def test_two_first_starts_at_once_make_one_symbol(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.start)
            nursery.start_soon(house.start)
        await house.trade("2000")
        assert len(world.exchange.wire) == 1


async def test_a_stop_does_not_wait_for_what_it_heard_to_be_durable_longer_than_it_was_told(
    world: World, clock: MockClock
) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        await house.ask("stop")
        world.exchange.faults.held = True
        world.exchange.trade("1990")  # nobody was told
        house.journal.delay = 100
        begun = trio.current_time()
        assert (await house.ask("stop", timeout="3s"))["error"]["kind"] == "timed_out"
        assert trio.current_time() - begun == pytest.approx(3)


# stop


async def test_a_stop_names_what_stays(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990", "1980")
        assert sorted(house.phases()) == ["buying", "selling"]
        result = await house.ask("stop")
        assert (result["state"], result["changed"], result["error"]) == ("off", True, None)
        assert result["message"] == "stopped; 1 sell and 1 buy remain open at the exchange"
        assert sorted(order["side"] for order in result["open_orders"]) == ["buy", "sell"]
        assert (await house.ask("stop"))["changed"] is False
        await house.trade("1000", "3000")
        assert world.exchange.open() == []
        assert house.state() == "off"


async def test_what_a_stop_answers_the_journal_says_too(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        house.journal.delay = 0.2
        begun = trio.current_time()
        assert (await house.ask("stop", cancel="all"))["open_orders"] == []
        assert trio.current_time() - begun < 1
        assert [order["state"] for order in await house.orders()] == ["cancelled"]


async def test_a_stop_takes_back_the_buys_it_was_told_to(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990", "1980")
        result = await house.ask("stop", cancel="buys")
        assert [order["side"] for order in result["open_orders"]] == ["sell"]
        assert [order.intent.side for order in world.exchange.open()] == [Side.SELL]
        result = await house.ask("stop", cancel="all")
        assert (result["changed"], result["open_orders"]) == (True, [])
        assert result["message"] == "stopped; nothing remains open at the exchange"
        assert house.phases() == ["holding"]
        assert (await house.ask("stop", cancel="all"))["changed"] is False
        await house.start()
        await house.until(lambda: len(world.exchange.open(side=Side.SELL)) == 1)


async def test_a_stop_while_an_order_is_unknown_times_out_with_its_fence_and_stands(
    world: World, clock: MockClock
) -> None:
    async with world.house() as house:
        await house.start()
        world.exchange.faults.lost_requests = 1
        await house.trade("2000")
        (order,) = house.symbol().engine.orders.values()
        result = await house.ask("stop", timeout="5s")
        error = result["error"]
        assert error["kind"] == "timed_out"
        assert order.client_order_id in error["message"]
        assert "fence 2023-11-14T22:13:25" in error["message"]
        assert (result["status"], result["state"]) == ("off", "stopping")
        assert [entry["fence_at"][:19] for entry in result["open_orders"]] == ["2023-11-14T22:13:25"]
        await house.until(lambda: house.state() == "off", FENCE + 30)
        assert world.exchange.orders() == []


async def test_a_stop_closes_an_intent_that_was_not_begun_to_be_sent(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        house.journal.delay = 0.3
        world.exchange.trade("2000")
        await trio.sleep(0.1)
        result = await house.ask("stop")
        assert (result["error"], result["open_orders"]) == (None, [])
        assert world.exchange.wire == []
        assert house.order_states() == ["not_placed"]
        house.journal.delay = 0
        await trio.sleep(10)
        await house.start()
        await house.until(lambda: house.phases() in (["waiting"], []))
        assert world.exchange.wire == []


async def test_a_stop_waits_for_the_answer_of_what_was_sent(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        world.exchange.faults.slow_reply = 2
        world.exchange.faults.held = True
        world.exchange.trade("2000")
        await trio.sleep(0.1)
        result = await house.ask("stop")
        assert [order["state"] for order in result["open_orders"]] == ["open"]


async def test_a_stop_asks_once_for_every_order_that_stays(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        exchange.faults.held = True
        exchange.trade("1990")  # nobody was told
        exchange.asked.clear()
        result = await house.ask("stop")
        assert exchange.asked.count("order") == 1
        assert (result["error"], result["open_orders"]) == (None, [])
        assert house.phases() == ["holding"]
        exchange.forget_reports()


async def test_a_stop_without_the_exchange_says_what_was_known_last(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        world.exchange.go_away()
        result = await house.ask("stop")
        assert (result["state"], len(result["open_orders"])) == ("off", 1)
        assert result["error"]["kind"] == "timed_out"
        assert result["message"] == (
            "off, but what became of its orders is not known; as last told, 1 buy remains open at the exchange"
        )


async def test_a_stop_without_the_exchange_needs_no_answer_where_nothing_rests(
    world: World, clock: MockClock
) -> None:
    async with world.house() as house:
        await house.start()
        world.exchange.go_away()
        result = await house.ask("stop")
        assert (result["error"], result["state"], result["open_orders"]) == (None, "off", [])


async def test_a_stop_waits_for_an_exchange_that_comes_back(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        world.exchange.go_away()
        world.exchange.trade("1990")  # fills the buy
        async with trio.open_nursery() as nursery:

            async def stop() -> None:
                result = await house.ask("stop")
                assert (result["error"], result["open_orders"]) == (None, [])

            nursery.start_soon(stop)
            await trio.sleep(5)
            world.exchange.come_back()


async def test_a_stop_of_what_was_never_configured_is_already_so(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        result = await house.ask("stop")
        assert (result["changed"], result["status"], result["state"], result["error"]) == (
            False,
            "off",
            "off",
            None,
        )
        assert (await house.call("status"))["symbols"] == []


async def test_a_stop_that_somebody_takes_back_says_so(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        world.exchange.faults.lost_requests = 1
        await house.trade("2000")
        errors: list[dict[str, str]] = []

        async def stop() -> None:
            errors.append((await house.ask("stop"))["error"])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop)
            await trio.sleep(1)
            await house.start()
        assert errors[0]["message"] == "somebody else started it meanwhile"


async def test_a_cancelled_order_that_was_filled_meanwhile_is_booked_as_filled(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        exchange.faults.held = True
        exchange.trade("1990")
        exchange.forget_reports()
        result = await house.ask("stop", cancel="all")
        assert (result["error"], result["open_orders"]) == (None, [])
        assert house.phases() == ["holding"]


# shutdown


async def test_a_shutdown_ends_by_itself_as_off(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990", "1980")
        result = await house.ask("shutdown")
        assert (result["status"], result["state"], result["changed"]) == ("shutdown", "draining", True)
        assert result["message"] == "draining: 2 cycles left"
        await house.until(lambda: len(world.exchange.open()) == 1)
        assert (await house.ask("shutdown"))["changed"] is False
        await house.trade("3000")
        await house.until(lambda: house.state() == "off")
        assert house.symbol().engine.leader.cycles == 1
        assert (await house.ask("shutdown"))["changed"] is False
    async with world.house() as house:
        assert house.symbol().desired.status is Status.OFF


async def test_a_shutdown_can_be_waited_for(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990")
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                result = await house.ask("shutdown", wait=True)
                assert (result["state"], result["message"]) == ("off", "drained: off")

            nursery.start_soon(wait)
            await trio.sleep(5)
            world.exchange.trade("3000")


async def test_a_shutdown_may_let_buys_rest(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        await house.ask("shutdown", keep_buys=True)
        await trio.sleep(1)
        assert len(world.exchange.open(side=Side.BUY)) == 1
        await house.trade("1990", "3000")
        await house.until(lambda: house.state() == "off")
        assert house.symbol().engine.leader.cycles == 1


async def test_a_shutdown_sells_what_a_buy_had_of_its_fill(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        exchange.fill(exchange.open()[0], 4 * 10**6)
        await house.ask("shutdown")
        await house.until(lambda: len(exchange.open(side=Side.SELL)) == 1)
        assert exchange.orders()[0].status is OrderStatus.CANCELED
        await house.trade("3000")
        await house.until(lambda: house.state() == "off")


async def test_a_start_during_a_shutdown_takes_it_back(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990")
        await house.ask("shutdown")
        await house.start()
        await house.trade("3000")
        assert (house.state(), house.symbol().desired.status) == ("trading", Status.ON)
        assert house.phases() == ["waiting"]


async def test_a_start_at_the_moment_of_the_last_finish_wins(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990")
        await house.ask("shutdown")
        house.journal.delay = 0.3
        world.exchange.trade("3000")
        await trio.sleep(0.1)
        await house.start()
        await trio.sleep(5)
        assert house.state() == "trading"
        await house.trade("2000")
        assert house.phases() == ["buying"]
    async with world.house() as house:
        assert house.symbol().desired.status is Status.ON


async def test_a_shutdown_of_a_stopped_symbol_drains_what_stop_left(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990")
        await house.ask("stop", cancel="all")
        result = await house.ask("shutdown")
        assert (result["changed"], result["status"]) == (True, "shutdown")
        await house.until(lambda: len(world.exchange.open(side=Side.SELL)) == 1)
        await house.trade("3000")
        await house.until(lambda: house.state() == "off")


async def test_a_shutdown_that_waits_for_a_person_says_so(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990")
        world.exchange.cancel_by_hand(world.exchange.open()[0])
        result = await house.ask("shutdown", wait=True, timeout="5s")
        assert result["error"]["kind"] == "timed_out"
        held = "1 held until `naivectl resolve ETHUSDT --all --adopt` (ours again) or `--ignore` (written off)"
        assert result["message"] == f"draining: 1 cycle left, {held}"


# settings and wait


async def test_settings_are_shown_and_changed_without_starting_anything(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        unset = await house.ask("settings")
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
            },
        )
        assert (await house.call("status"))["symbols"] == []
        result = await house.ask("settings", chunks=3, profit="0.2%")
        assert (result["changed"], result["status"], result["settings"]["profit"]) == (True, "off", "0.002")
        assert (await house.ask("settings", chunks=3))["changed"] is False
        document = await house.call("settings")
        assert document["results"][0]["settings"]["chunks"] == 3
    async with world.house() as house:
        assert house.symbol().desired.settings.chunks == 3


async def test_running_traders_keep_their_settings(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        await house.ask("settings", profit="0.05", budget="500")
        await house.trade("1990")
        (sell,) = world.exchange.open(side=Side.SELL)
        assert sell.intent.price < 2010 * 10**8


async def test_waits_end_when_what_they_wait_for_is_so(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        assert (await house.ask("wait", **{"for": "off"}))["error"] is None
        never = await house.ask("wait", timeout="1s", **{"for": "trading"})
        assert (never["error"]["kind"], never["state"]) == ("timed_out", "off")
        await house.start()
        assert (await house.ask("wait", **{"for": "trading"}))["error"] is None
        assert (await house.ask("wait", timeout="1s", **{"for": "off"}))["error"]["kind"] == "timed_out"
        await house.trade("2000")
        await house.ask("stop")
        assert (await house.ask("wait", **{"for": "off"}))["error"] is None
        error = (await house.ask("wait", timeout="1s", **{"for": "drained"}))["error"]
        assert error["message"] == "not drained yet, still off"


async def test_a_wait_for_what_was_never_started_ends_when_it_trades(world: World, clock: MockClock) -> None:
    async with world.house() as house, trio.open_nursery() as nursery:
        answers = []

        async def wait() -> None:
            answers.append(await house.ask("wait", **{"for": "trading"}))

        nursery.start_soon(wait)
        await trio.sleep(1)
        await house.start("BTCUSDT")
        assert answers == []
        await house.start()
        await trio.sleep(1)
        assert [answer["error"] for answer in answers] == [None]


async def test_a_stop_of_a_quarantined_symbol_ends_its_task(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990")
        await house.ask("stop", cancel="all")
        exchange.markets["ETHUSDT"].base -= 10**5
        await house.ask("start")
        result = await house.ask("stop")
        assert (result["error"], result["status"], result["state"]) == (None, "off", "quarantined")
        assert not house.symbol().tended


async def test_a_refused_sell_is_tried_again_and_says_why_meanwhile(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        exchange.faults.refusals = [NO_BALANCE]
        await house.trade("1990")
        assert (house.state(), house.reason()) == (
            "degraded",
            "ETHUSDT-1 cannot sell: Account has insufficient balance for requested action.",
        )
        await house.until(lambda: len(exchange.open(side=Side.SELL)) == 1)
        assert house.state() == "trading"


async def test_a_symbol_whose_orders_queries_hide_can_still_be_stopped(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        exchange.faults.hidden = EVERYWHERE
        result = await house.ask("stop")
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
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990")
        world.exchange.go_away()
        caller = Caller()
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                await house.call(method, "ETHUSDT", caller=caller, **params)

            nursery.start_soon(ask)
            await trio.sleep(1)
            assert nursery.child_tasks
            caller.leave()
            await trio.sleep(0.1)
            assert not nursery.child_tasks
        assert house.symbol().desired.status == status
