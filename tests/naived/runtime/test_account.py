"""The session keeps every order of ours: exactly once, found again, never mixed up with another's."""

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from naived.core.amount import parse_price, parse_quantity
from naived.core.order import Intent, Side
from naived.core.settings import Status
from naived.ports import AccountInfo, DeploymentError, OrderRequest, Page
from tests.exchange_double import EVERYWHERE, ExchangeDouble
from tests.runtime_house import FENCE, World


async def test_an_intent_is_in_the_journal_before_it_is_sent(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        found: list[bool] = []

        def look(request: OrderRequest) -> None:
            durable = {
                placement.client_order_id: placement
                for unit in house.journal.commits
                for placement in unit.placements
            }[request.client_order_id]
            intent = durable.intent
            found.append(
                (durable.state, durable.timestamp, durable.recv_window, intent.side, intent.price, intent.quantity)
                == (
                    "intended",
                    request.timestamp,
                    request.recv_window,
                    request.side,
                    request.price,
                    request.quantity,
                )
            )

        exchange.on_place = look
        await house.trade("2000", "1990", "2100")
        assert found == [True, True]


async def test_nothing_is_sent_when_the_commit_of_its_intent_failed(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        house.journal.away = True
        await house.trade("2000")
        assert world.exchange.wire == []


async def test_a_lost_reply_never_makes_a_second_order(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.faults.lost_replies = 1
        exchange.faults.held = True
        await house.trade("2000")
        exchange.forget_reports()
        exchange.faults.held = False
        await house.until(lambda: house.order_states() == ["unknown"], 20)
        await house.until(lambda: house.order_states() == ["open"])
        assert len(exchange.wire) == len(exchange.orders()) == 1


async def test_a_lost_reply_of_an_order_that_was_filled_meanwhile_is_adopted_with_its_fills(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.faults.lost_replies = 1
        exchange.faults.held = True
        await house.trade("2000", "1990")
        exchange.forget_reports()
        exchange.faults.held = False
        await house.until(lambda: house.phases() == ["selling"], 30)
        await house.until(lambda: len(exchange.open(side=Side.SELL)) == 1)
        assert [order["state"] for order in await house.orders()] == ["filled", "open"]


async def test_a_lost_buy_is_abandoned_behind_fence_and_grace_and_its_trader_waits_again(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.faults.lost_requests = 1
        await house.trade("2000")
        await house.until(lambda: house.order_states() == ["unknown"], 20)
        await trio.sleep(FENCE - 16)
        assert house.order_states() == ["unknown"]
        await house.until(lambda: house.phases() == ["waiting"], 20)
        assert exchange.orders() == []
        await house.trade("2000")
        assert len(exchange.open()) == 1
        assert [order["state"] for order in await house.orders()] == ["abandoned", "open"]


async def test_a_lost_sell_is_tried_again_under_the_same_id(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        exchange.faults.lost_requests = 1
        await house.trade("1990")
        await house.until(lambda: len(exchange.wire) == 3, FENCE + 20)
        _, first, second = exchange.wire
        assert first.client_order_id == second.client_order_id
        assert second.timestamp > first.timestamp + FENCE * 1000
        await house.until(lambda: len(exchange.open(side=Side.SELL)) == 1)
        assert (await house.orders())[1]["state"] == "open"


async def test_an_order_that_queries_do_not_find_yet_is_not_given_up_before_the_fence(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.faults.lost_replies = 1
        exchange.faults.hidden = EVERYWHERE
        exchange.faults.held = True
        await house.trade("2000")
        exchange.forget_reports()
        await trio.sleep(FENCE - 2)
        assert house.order_states() == ["unknown"]
        exchange.faults.hidden = frozenset()
        await house.until(lambda: house.order_states() == ["open"], 10)


@pytest.mark.parametrize(("shown", "prices"), [("open_orders", ["2000"]), ("orders_since", ["2000", "1990"])])
async def test_an_order_that_only_a_list_has_is_not_given_up(
    world: World, clock: MockClock, shown: str, prices: list[str]
) -> None:
    exchange = world.exchange
    async with world.house(grace=5_000) as house:
        await house.start()
        exchange.faults.lost_replies = 1
        exchange.faults.hidden = EVERYWHERE - {shown}
        exchange.faults.held = True
        await house.trade(*prices)
        exchange.forget_reports()
        await trio.sleep(40)
        assert house.order_states() != ["abandoned"]
        assert house.phases() == ["buying"]
        assert house.symbol().book.resting[0].order_id == 1


async def test_an_execution_that_nobody_owns_keeps_an_order_unknown(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.faults.lost_replies = 1
        exchange.faults.hidden = EVERYWHERE - {"fills"}
        exchange.faults.held = True
        await house.trade("2000", "1990")
        exchange.forget_reports()
        await trio.sleep(FENCE + 60)
        assert house.order_states() == ["unknown"]
        exchange.faults.hidden = frozenset()
        exchange.faults.held = False
        await house.until(lambda: len(exchange.open(side=Side.SELL)) == 1, 20)


async def test_executions_of_others_do_not_keep_an_order_unknown(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    exchange.plant("web_1", Intent("ETHUSDT", 1, Side.BUY, 1, parse_price("1500"), parse_quantity("0.1")))
    async with world.house() as house:
        await trio.sleep(10)
        await house.start()
        exchange.faults.lost_requests = 1
        await house.trade("2000", "1400")
        await house.until(lambda: house.phases() == ["waiting"], FENCE + 30)
        assert exchange.markets["ETHUSDT"].base > 0


async def test_a_late_twin_of_an_abandoned_buy_is_cancelled_by_its_order_id(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.faults.lost_replies = 1
        exchange.faults.hidden = EVERYWHERE
        exchange.faults.held = True
        await house.trade("2000")
        exchange.forget_reports()
        await house.until(lambda: house.phases() == ["waiting"], FENCE + 30)
        assert len(exchange.open()) == 1
        exchange.faults.hidden = frozenset()
        exchange.faults.held = False
        await house.until(lambda: exchange.open() == [], 90)
        assert house.state() == "trading"


async def test_coins_of_a_late_twin_are_sold_once_a_person_adopts_it(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.faults.lost_replies = 1
        exchange.faults.hidden = EVERYWHERE
        exchange.faults.held = True
        await house.trade("2000")
        exchange.forget_reports()
        await house.until(lambda: house.phases() == ["waiting"], FENCE + 30)
        exchange.faults.hidden = frozenset()
        exchange.faults.held = False
        await house.trade("1990")
        assert house.state() == "quarantined"
        result = await house.ask("resolve", all=True, action="adopt")
        assert (result["error"], result["changed"]) == (None, True)
        await house.until(lambda: len(exchange.open(side=Side.SELL)) == 1, 20)
        assert sorted(house.phases()) == ["selling", "waiting"]
        assert house.state() == "trading"


async def test_a_late_twin_that_is_written_off_is_left_alone(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.faults.lost_replies = 1
        exchange.faults.hidden = EVERYWHERE
        exchange.faults.held = True
        await house.trade("2000")
        exchange.forget_reports()
        await house.until(lambda: house.phases() == ["waiting"], FENCE + 30)
        exchange.faults.hidden = frozenset()
        exchange.faults.held = False
        await house.trade("1990")
        assert (await house.ask("resolve", all=True, action="ignore"))["error"] is None
        assert (house.state(), house.phases()) == ("trading", ["waiting"])


async def test_what_was_in_flight_at_a_crash_is_unknown_and_looked_up(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    exchange.faults.slow_reply = 5
    async with world.house(farewell=False) as house:
        await house.start()
        exchange.faults.held = True
        await house.trade("2000")
        assert house.order_states() == ["intended"]
    exchange.forget_reports()
    exchange.faults.held = False
    async with world.house() as house:
        assert house.order_states() == ["unknown"]
        await house.until(lambda: house.order_states() == ["open"])
        assert len(exchange.wire) == 1


async def test_an_intent_that_was_never_sent_before_a_crash_is_abandoned_not_sent_late(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house(farewell=False) as house:
        await house.start()
        house.journal.lies = 1
        exchange.trade("2000")
        await trio.sleep(0.1)
    async with world.house() as house:
        assert house.order_states() == ["unknown"]
        await house.until(lambda: house.phases() == ["waiting"], FENCE + 20)
        assert exchange.wire == []


async def test_fees_are_known_before_a_fill_of_the_last_process_is_booked(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.faults.lost_replies = 1
        exchange.faults.held = True
        await house.trade("2000", "1990")
    exchange.forget_reports()
    exchange.faults.held = False
    exchange.faults.failing = {"symbols"}
    async with world.house() as house:
        await trio.sleep(20)
        exchange.faults.failing = set()
        await house.until(lambda: len(exchange.open(side=Side.SELL)) == 1)
        (sell,) = exchange.open(side=Side.SELL)
        assert sell.intent.quantity == parse_quantity("0.0999")


async def test_rules_that_came_while_a_symbol_had_failed_are_not_taken_for_read(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990")
        await house.ask("stop")
    exchange.trade("3000")
    async with world.house() as house:
        with house.symbol().contained():
            raise ZeroDivisionError("a bug")
        await house.until(lambda: house.symbol().book.leader.cycles == 1, 120)
        assert (await house.call("trades"))["trades"][0]["profit"] == "0.20003858"


async def test_a_second_reconciliation_writes_nothing(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start("ETHUSDT", "BTCUSDT")
        await house.trade("2000", "1990", "1980")
        await house.trade("60000", symbol="BTCUSDT")
    exchange.trade("1960")
    async with world.house() as house:
        await house.until(lambda: house.state() == "trading")
        await trio.sleep(10)
        assert "selling" in house.phases()
        before = len(house.journal.commits)
        asked = exchange.asked.count("open_orders")
        await trio.sleep(150)
        assert exchange.asked.count("open_orders") >= asked + 4
        assert len(house.journal.commits) == before


async def test_what_happened_while_the_exchange_was_away_is_found_afterwards(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        exchange.go_away()
        assert (house.state(), house.reason()) == ("degraded", "the exchange is away: connection lost")
        assert (await house.call("status"))["daemon"]["state"] == "degraded"
        exchange.trade("1990")
        await trio.sleep(30)
        assert house.phases() == ["buying"]
        exchange.come_back()
        await house.until(lambda: len(exchange.open(side=Side.SELL)) == 1)
        assert house.state() == "trading"


async def test_a_connection_that_breaks_under_an_order_leaves_it_unknown_until_it_is_found(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.faults.slow_reply = 1
        exchange.faults.held = True
        exchange.trade("2000")
        await trio.sleep(0.1)
        exchange.go_away()
        exchange.forget_reports()
        await house.until(lambda: house.order_states() == ["unknown"])
        exchange.faults.held = False
        exchange.come_back()
        await house.until(lambda: house.order_states() == ["open"])
        assert len(exchange.wire) == 1


async def test_it_boots_without_the_exchange_and_goes_on_when_that_comes(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
    exchange.gone = "connection refused"
    async with world.house() as house:
        await trio.sleep(1)
        exchange.go_away("no route to host")
        await trio.sleep(600)
        assert (house.state(), house.reason()) == ("degraded", "the exchange is away: no route to host")
        exchange.come_back()
        await house.until(lambda: house.state() == "trading")


async def test_a_session_that_closes_while_it_is_reconciled_is_reconciled_again(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        for pause in (0.005, 0.015, 0.025, 0.035):
            exchange.go_away()
            exchange.come_back()
            await trio.sleep(pause)
            exchange.go_away()
            exchange.trade("2000")
            await trio.sleep(1)
            assert house.state() == "degraded"
            exchange.come_back()
            await house.until(lambda: house.state() == "trading")


async def test_coins_that_are_missing_quarantine_the_symbol(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990")
        await house.ask("stop", cancel="all")
    exchange.markets["ETHUSDT"].base -= parse_quantity("0.001")
    async with world.house() as house:
        error = (await house.ask("start"))["error"]
        assert error["kind"] == "quarantined"
        assert "the traders hold 0.0999 ETH, the account has 0.0989" in error["message"]
        assert exchange.open() == []


async def test_coins_of_a_sell_whose_fate_is_open_are_not_missed(world: World, clock: MockClock) -> None:
    # The sell was filled while nobody listened; its coins are gone, and nobody can say yet where to.
    exchange = world.exchange
    async with world.house(farewell=False) as house:
        await house.start()
        await house.trade("2000")
        exchange.faults.lost_replies = 1
        exchange.faults.held = True
        exchange.trade("1990")
        exchange.release()
        await trio.sleep(1)
        exchange.trade("2010")
        exchange.forget_reports()
        exchange.faults.held = False
        assert house.phases() == ["selling"]
    exchange.faults.hidden = EVERYWHERE
    async with world.house() as house:
        await house.until(lambda: house.state() == "trading")
        exchange.faults.hidden = frozenset()
        await house.until(lambda: house.symbol().book.leader.cycles == 1, 20)


async def test_coins_of_a_sell_that_queries_lag_behind_are_not_missed(world: World, clock: MockClock) -> None:
    # Found by a simulated seed: filled while naived was down, it was in no list of open orders, and not found yet.
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990")
        assert house.phases() == ["selling"]
    exchange.trade("2010")
    exchange.faults.hidden = EVERYWHERE
    async with world.house() as house:
        await house.until(lambda: house.state() == "trading")
        exchange.faults.hidden = frozenset()
        await house.until(lambda: house.symbol().book.leader.cycles == 1, 20)


async def test_coins_of_fills_that_are_not_told_yet_are_not_missed(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990")
        assert house.phases() == ["selling"]
    exchange.trade("2010")
    exchange.faults.failing = {"fills"}
    async with world.house() as house:
        await house.until(lambda: house.state() == "trading")
        exchange.faults.failing = set()
        await house.until(lambda: house.symbol().book.leader.cycles == 1, 20)


async def test_an_order_with_our_tag_and_no_row_stops_all_placing(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start("ETHUSDT", "BTCUSDT")
        twin = Intent("ETHUSDT", 1, Side.BUY, 1, parse_price("1000"), parse_quantity("0.1"))
        tag = house.journal.real.tag
        exchange.plant(f"n1{tag}-otherlineage", twin)
        await house.until(lambda: house.state() == "quarantined", 70)
        assert house.state("BTCUSDT") == "quarantined"
        assert "has our tag and is not in the journal" in (house.reason() or "")
        await house.trade("2000")
        await house.trade("60000", symbol="BTCUSDT")
        assert exchange.wire == []
        assert len(exchange.open()) == 1


async def test_placing_goes_on_when_such_an_order_is_gone(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start("ETHUSDT", "BTCUSDT")
        twin = Intent("ETHUSDT", 1, Side.BUY, 1, parse_price("1000"), parse_quantity("0.1"))
        exchange.plant(f"n1{house.journal.real.tag}-otherlineage", twin)
        await house.until(lambda: house.state("BTCUSDT") == "quarantined", 70)
        exchange.faults.refused = {("open_orders", "ETHUSDT")}
        await trio.sleep(130)
        assert house.state("BTCUSDT") == "quarantined"  # nobody said that it is gone
        exchange.faults.refused = set()
        await exchange.cancel("ETHUSDT", exchange.open()[0].id, "web_cancel")
        await house.until(lambda: house.state() == house.state("BTCUSDT") == "trading", 70)
        await house.trade("60000", symbol="BTCUSDT")
        assert len(exchange.wire) == 1


@pytest.mark.parametrize("question", ["order", "open_orders"])
async def test_what_the_exchange_refuses_to_say_of_one_symbol_bars_that_one_alone(
    world: World, clock: MockClock, question: str
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start("ETHUSDT", "BTCUSDT")
        await house.trade("2000")
        exchange.faults.held = True
        exchange.trade("1990")  # nobody was told, and it is not among the open orders any more
        exchange.forget_reports()
        exchange.faults.held = False
        exchange.faults.refused = {(question, "ETHUSDT")}
        exchange.go_away()
        exchange.come_back()
        await house.until(lambda: house.state("BTCUSDT") == "trading", 20)
        await trio.sleep(130)
        assert house.state() == "degraded"
        assert house.reason() == f"the exchange says nothing of its orders: {question}: -1121 Invalid symbol."
        await house.trade("60000", symbol="BTCUSDT")
        assert [request.symbol for request in exchange.wire] == ["ETHUSDT", "BTCUSDT"]
        exchange.faults.refused = set()
        await house.until(lambda: house.phases() == ["selling"], 70)


async def test_nor_does_a_symbol_whose_fees_are_not_told_keep_the_others_from_starting(
    world: World, clock: MockClock
) -> None:
    async with world.house() as house:
        await house.start("ETHUSDT", "BTCUSDT")
    world.exchange.faults.refused = {("fees", "BTCUSDT")}
    async with world.house() as house:
        await house.until(lambda: house.state() == "trading", 20)
        await house.until(lambda: house.state("BTCUSDT") == "degraded", 20)
        world.exchange.faults.refused = set()
        await house.until(lambda: house.state("BTCUSDT") == "trading", 70)


async def test_orders_of_others_are_left_alone(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        foreign = Intent("ETHUSDT", 1, Side.BUY, 1, parse_price("1000"), parse_quantity("0.1"))
        exchange.plant("web_1", foreign)
        exchange.plant("n1zzzz-1", replace(foreign, price=parse_price("1001")))
        await trio.sleep(130)
        assert house.state() == "trading"
        await house.ask("stop", cancel="all")
        assert len(exchange.open()) == 2


async def test_an_old_snapshot_of_an_order_that_has_ended_since_is_no_foreign_lineage(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990")
        snapshot = await exchange.open_orders("ETHUSDT")
        await house.trade("2100")
        assert house.symbol().book.resting == []
        open_orders = exchange.open_orders

        async def stale(symbol: str | None = None) -> object:
            await open_orders(symbol)
            return snapshot

        async def stale_too(symbol: str, *, order_id: int | None = None, **_: object) -> object:
            return next((each for each in snapshot if each.order_id == order_id), None)

        exchange.open_orders = stale  # type: ignore[method-assign, assignment]
        exchange.order = stale_too  # type: ignore[method-assign, assignment]
        await trio.sleep(130)
        assert house.state() == "trading"


async def test_a_journal_of_another_account_ends_the_daemon(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
    world.exchange.uid = "uid-2"
    with pytest.raises(BaseExceptionGroup) as caught:
        async with world.house():
            await trio.sleep(10)
    assert caught.group_contains(DeploymentError)


async def test_nothing_is_placed_before_the_account_is_known_to_be_the_journals(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
    exchange.uid = "uid-2"
    asked, waits = exchange.account, [20.0, 0.0]

    async def late() -> AccountInfo:
        await trio.sleep(waits.pop(0))
        return await asked()

    exchange.account = late  # type: ignore[method-assign]
    placed = len(exchange.wire)

    async def trades_come_first() -> None:
        async with world.house() as house:
            for _ in range(15):
                exchange.trade("2000")
                await trio.sleep(1)
            assert house.state() == "starting"
            await trio.sleep(10)

    with pytest.raises(BaseExceptionGroup) as caught:
        await trades_come_first()
    assert caught.group_contains(DeploymentError)
    assert len(exchange.wire) == placed


async def test_a_suspend_awaits_the_answer_in_flight(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.faults.slow_reply = 2
        exchange.faults.held = True
        exchange.trade("2000")
        await trio.sleep(0.1)
        exchange.forget_reports()
    async with world.house() as house:
        assert house.order_states() == ["open"]


async def test_a_suspend_does_not_wait_for_ever(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.faults.lost_requests = 1
        exchange.trade("2000")
        await trio.sleep(0.1)
        began = trio.current_time()
    assert trio.current_time() - began < 6


async def test_nothing_is_bought_while_it_suspends(world: World, clock: MockClock) -> None:
    exchange = world.exchange

    async def trade_on() -> None:
        await trio.sleep(1)
        exchange.trade("60000", "BTCUSDT")
        exchange.fill(exchange.open()[0], exchange.open()[0].rest)

    async with trio.open_nursery() as nursery, world.house() as house:
        await house.start("ETHUSDT", "BTCUSDT")
        exchange.faults.slow_reply = 2
        exchange.trade("2000")
        await trio.sleep(0.1)
        nursery.start_soon(trade_on)
    assert len(exchange.wire) == 1
    exchange.faults.slow_reply = 0
    async with world.house() as house:
        assert house.phases() == ["selling"]
        assert house.order_states() == ["filled", "not_placed"]
        await house.until(lambda: len(exchange.open(side=Side.SELL)) == 1)


async def test_an_order_filled_while_off_is_booked_and_shown_and_sold_after_the_next_start(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        await house.ask("stop")
        await house.trade("1990")
        assert house.phases() == ["holding"]
        assert house.state() == "off"
        assert [order["state"] for order in await house.orders()] == ["filled"]
        assert len(exchange.wire) == 1
    async with world.house() as house:
        assert house.symbol().wish.status is Status.OFF
        await house.start()
        await house.until(lambda: len(exchange.open(side=Side.SELL)) == 1)


async def test_an_order_filled_while_off_and_unheard_is_found_by_the_next_look(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        await house.ask("stop")
    exchange.trade("1990")
    async with world.house() as house:
        await house.until(lambda: house.phases() == ["holding"], 10)
        assert house.state() == "off"


async def test_a_late_twin_is_cancelled_while_its_symbol_is_off(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.faults.lost_replies = 1
        exchange.faults.hidden = EVERYWHERE
        exchange.faults.held = True
        await house.trade("2000")
        exchange.forget_reports()
        await house.until(lambda: house.phases() == ["waiting"], FENCE + 30)
        await house.ask("stop")
    exchange.faults.hidden = frozenset()
    exchange.faults.held = False
    async with world.house() as house:
        await house.until(lambda: exchange.open() == [])
        assert house.state() == "off"


async def test_rules_are_read_again_every_day(world: World, clock: MockClock) -> None:
    exchange: ExchangeDouble = world.exchange
    async with world.house() as house:
        await house.start()
        market = exchange.markets["ETHUSDT"]
        market.rules = replace(market.rules, status="CHANGED")
        await trio.sleep(86_399)
        assert house.symbol().book.leader.info.status == "TRADING"
        await trio.sleep(60)
        assert house.symbol().book.leader.info.status == "CHANGED"


async def test_symbols_that_begin_together_are_asked_for_as_one(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start("ETHUSDT", "BTCUSDT")
        await house.trade("2000")
        await house.trade("60000", symbol="BTCUSDT")
    exchange.asked.clear()
    async with world.house() as house:
        await house.until(lambda: {house.state("ETHUSDT"), house.state("BTCUSDT")} == {"trading"})
        # Once for the account, which is known first, and once for both symbols.
        assert exchange.asked.count("symbols") == 2
        assert exchange.asked.count("account") == 2


async def test_pages_of_orders_are_read_from_the_journal(world: World, clock: MockClock) -> None:
    async with world.house() as house:
        await house.start()
        await house.trade("2000", "1990")
        rows = await house.journal.orders(Page(("ETHUSDT",), 0, None, 10))
        assert [str(row.placement.intent.side) for row in rows] == ["buy", "sell"]


async def test_after_an_outage_it_trades_again_when_trades_flow_again(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        exchange.go_away()
        exchange.subscribing = 2.0
        exchange.come_back()
        await trio.sleep(1)
        assert house.state() == "degraded"
        await house.until(lambda: house.state() == "trading", 2)


async def test_sells_do_not_wait_for_trades_that_do_not_flow(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.house() as house:
        await house.start()
        await house.trade("2000")
        exchange.go_away()
        exchange.subscribing = 3600.0
        exchange.trade("1990", "ETHUSDT")
        exchange.come_back()
        await house.until(lambda: house.phases() == ["selling"] and house.order_states()[-1] == "open", 10)
