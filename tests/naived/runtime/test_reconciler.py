"""What the exchange has and what we know agree again: orders, coins, and whose journal it is."""

from collections.abc import Mapping, Sequence

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.core.amount import parse_price, parse_quantity
from naived.core.market import SymbolInfo
from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Report
from naived.core.strategy.settings import Status
from naived.ports import AccountInfo, DeploymentError, RefusedError
from tests.support.exchange import EVERYWHERE, ExchangeDouble, listed
from tests.support.market import Exchange
from tests.support.runtime import SOON, World


async def test_a_second_reconciliation_writes_nothing(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000", "1990", "1980")
        await naived.trade("60000", symbol="BTCUSDT")
    exchange.trade("1960")
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "trading")
        await trio.sleep(10)
        assert "selling" in naived.phases()
        before = len(naived.journal.commits)
        asked = exchange.asked.count("open_orders")
        await trio.sleep(150)
        assert exchange.asked.count("open_orders") >= asked + 4
        assert len(naived.journal.commits) == before


async def test_coins_that_are_missing_quarantine_the_symbol(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
    exchange.markets["ETHUSDT"].base -= parse_quantity("0.001")
    async with world.naived() as naived:
        error = (await naived.ask("start"))["error"]
        assert error["kind"] == "quarantined"
        assert "the traders hold 0.0999 ETH, the account has 0.0989" in error["message"]
        assert exchange.open() == []


async def test_coins_of_a_sell_whose_fate_is_open_are_not_missed(world: World, clock: MockClock) -> None:
    # The sell was filled while nobody listened; its coins are gone, and nobody can say yet where to.
    exchange = world.exchange
    async with world.naived(suspends=False) as naived:
        await naived.start()
        await naived.trade("2000")
        exchange.faults.lost_replies = 1
        exchange.faults.held = True
        exchange.trade("1990")
        exchange.release()
        await trio.sleep(1)
        exchange.trade("2010")
        exchange.forget_reports()
        exchange.faults.held = False
        assert naived.phases() == ["selling"]
    exchange.faults.hidden = EVERYWHERE
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "trading")
        exchange.faults.hidden = frozenset()
        await naived.until(lambda: naived.symbol().engine.leader.cycles == 1, 20)


async def test_coins_of_a_sell_that_queries_lag_behind_are_not_missed(world: World, clock: MockClock) -> None:
    # Found by a simulated seed: filled while naived was down, it was in no list of open orders, and not found yet.
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        assert naived.phases() == ["selling"]
    exchange.trade("2010")
    exchange.faults.hidden = EVERYWHERE
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "trading")
        exchange.faults.hidden = frozenset()
        await naived.until(lambda: naived.symbol().engine.leader.cycles == 1, 20)


async def test_coins_of_fills_that_are_not_told_yet_are_not_missed(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        assert naived.phases() == ["selling"]
    exchange.trade("2010")
    exchange.faults.failing = {"fills"}
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "trading")
        exchange.faults.failing = set()
        await naived.until(lambda: naived.symbol().engine.leader.cycles == 1, 20)


def share_a_base(exchange: ExchangeDouble) -> None:
    """Both symbols sell ETH; the balance is that of the last."""
    exchange.markets["BTCUSDT"].rules = replace(exchange.markets["BTCUSDT"].rules, base="ETH")
    exchange.markets = {name: exchange.markets[name] for name in ("BTCUSDT", "ETHUSDT")}


def fill_unheard(exchange: ExchangeDouble, price: str) -> None:
    exchange.faults.held = True
    exchange.trade(price)
    exchange.forget_reports()
    exchange.faults.held = False


async def test_coins_that_another_symbol_sold_unnoticed_are_not_missed(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    share_a_base(exchange)
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        fill_unheard(exchange, "2010")
        assert naived.phases() == ["selling"]
        await naived.start("BTCUSDT")
        assert naived.state("BTCUSDT") == "trading"
        await naived.until(lambda: naived.symbol().engine.leader.cycles == 1)


@pytest.mark.parametrize("question", ["order", "open_orders"])
async def test_coins_that_another_symbol_may_have_sold_and_cannot_be_asked_for_are_not_missed(
    world: World, clock: MockClock, question: str
) -> None:
    # Found by simulated seeds: it was delisted before anybody heard that its sell was filled.
    exchange = world.exchange
    share_a_base(exchange)
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        fill_unheard(exchange, "2010")
        exchange.faults.refused = {(question, "ETHUSDT")}
        await naived.start("BTCUSDT")
        assert (naived.state("BTCUSDT"), naived.reason("BTCUSDT")) == ("trading", None)
        assert naived.phases() == ["selling"]
        exchange.faults.refused = set()
        await naived.until(lambda: naived.symbol().engine.leader.cycles == 1, 70)


async def test_coins_beyond_what_another_symbol_may_have_sold_are_missed(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    share_a_base(exchange)
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        fill_unheard(exchange, "2010")
        exchange.faults.refused = {("open_orders", "ETHUSDT")}
        held = naived.view.held(naived.symbol()) - naived.symbol().engine.resting[0].intent.quantity
        exchange.markets["ETHUSDT"].base = held - 1
        error = (await naived.ask("start", "BTCUSDT"))["error"]
        assert error["kind"] == "quarantined"


@pytest.mark.parametrize(("deaf", "while_it_is"), [("gone", True), ("failed", RuntimeError("a bug"))])
async def test_coins_that_a_symbol_of_another_node_or_a_failed_one_may_have_sold_are_not_missed(
    world: World, clock: MockClock, deaf: str, while_it_is: object
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        symbol = naived.symbol()
        held, quantity = naived.view.held(symbol), symbol.engine.resting[0].intent.quantity
        fill_unheard(world.exchange, "2010")
        assert await naived.view.coins(symbol) == (held, held - quantity)
        usual = getattr(symbol, deaf)
        setattr(symbol, deaf, while_it_is)
        assert await naived.view.coins(symbol) == (held - quantity, held - quantity)
        setattr(symbol, deaf, usual)


async def test_an_order_with_our_tag_and_no_row_stops_all_placing(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        twin = OrderIntent("ETHUSDT", 1, Side.BUY, 1, parse_price("1000"), parse_quantity("0.1"))
        tag = naived.journal.real.tag
        await trio.sleep(30)
        exchange.plant(f"n1{tag}-otherlineage", twin)
        await naived.until(lambda: naived.state() == "quarantined", 1)
        assert naived.state("BTCUSDT") == "quarantined"
        assert "has our tag and is not in the journal" in (naived.reason() or "")
        await naived.trade("2000")
        await naived.trade("60000", symbol="BTCUSDT")
        assert exchange.wire == []
        assert len(exchange.open()) == 1


async def test_one_that_was_filled_at_once_does_not_hide_the_next_one(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await trio.sleep(30)
        exchange.last["ETHUSDT"] = parse_price("2000")
        twin = OrderIntent("ETHUSDT", 1, Side.BUY, 1, parse_price("1000"), parse_quantity("0.1"))
        bought = exchange.plant(f"n1{naived.journal.real.tag}-bought", twin)
        exchange.fill(bought, bought.rest)
        await trio.sleep(1)
        half = replace(twin, side=Side.SELL, price=parse_price("3000"), quantity=parse_quantity("0.05"))
        exchange.plant(f"n1{naived.journal.real.tag}-sells", half)
        assert naived.state() == "trading"
        await naived.until(lambda: naived.state() == "quarantined", 6)


async def test_placing_goes_on_when_such_an_order_is_gone(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        twin = OrderIntent("ETHUSDT", 1, Side.BUY, 1, parse_price("1000"), parse_quantity("0.1"))
        exchange.plant(f"n1{naived.journal.real.tag}-otherlineage", twin)
        await naived.until(lambda: naived.state("BTCUSDT") == "quarantined", 70)
        exchange.faults.refused = {("open_orders", "ETHUSDT")}
        await trio.sleep(130)
        assert naived.state("BTCUSDT") == "quarantined"  # nobody said that it is gone
        exchange.faults.refused = set()
        await exchange.cancel("ETHUSDT", exchange.open()[0].id, "web_cancel")
        await naived.until(lambda: naived.state() == naived.state("BTCUSDT") == "trading", 70)
        await naived.trade("60000", symbol="BTCUSDT")
        assert len(exchange.wire) == 1


@pytest.mark.parametrize("question", ["order", "open_orders"])
async def test_what_the_exchange_refuses_to_say_of_one_symbol_bars_that_one_alone(
    world: World, clock: MockClock, question: str
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000")
        exchange.faults.held = True
        exchange.trade("1990")  # nobody was told, and it is not among the open orders any more
        exchange.forget_reports()
        exchange.faults.held = False
        exchange.faults.refused = {(question, "ETHUSDT")}
        exchange.go_away()
        exchange.come_back()
        await naived.until(lambda: naived.state("BTCUSDT") == "trading", 20)
        await trio.sleep(130)
        assert naived.state() == "degraded"
        assert naived.reason() == f"the exchange says nothing of its orders: {question}: -1121 Invalid symbol."
        await naived.trade("60000", symbol="BTCUSDT")
        assert [request.symbol for request in exchange.wire] == ["ETHUSDT", "BTCUSDT"]
        exchange.faults.refused = set()
        await naived.until(lambda: naived.phases() == ["selling"], 70)


@pytest.mark.parametrize("question", ["order", "open_orders"])
async def test_what_is_not_answered_of_one_symbol_blocks_that_one_alone_and_is_asked_for_again_soon(
    world: World, clock: MockClock, question: str
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000")
        fill_unheard(exchange, "1990")  # it is not among the open orders any more
        exchange.faults.silent = {(question, "ETHUSDT")}
        exchange.go_away()
        exchange.come_back()
        await naived.until(lambda: naived.state("BTCUSDT") == "trading", 20)
        await trio.sleep(5)
        assert naived.service.session.away is None
        assert naived.state() == "degraded"
        assert naived.reason() == f"the exchange says nothing of its orders: {question}: not answered"
        await naived.trade("60000", symbol="BTCUSDT")
        assert [request.symbol for request in exchange.wire] == ["ETHUSDT", "BTCUSDT"]
        asked = exchange.asked.count("open_orders")
        await trio.sleep(600)
        assert exchange.asked.count("open_orders") < asked + 60, "less and less often"
        exchange.faults.silent = set()
        await naived.until(lambda: naived.phases() == ["selling"], 61)
        # Another time it is asked for soon again.
        exchange.faults.silent = {("open_orders", "ETHUSDT")}
        await naived.until(lambda: naived.state() == "degraded", 61)
        exchange.faults.silent = set()
        await naived.until(lambda: naived.state() == "trading", 4)


async def test_where_the_account_is_not_answered_for_either_the_exchange_is_away(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        exchange.faults.silent = {("open_orders", "ETHUSDT"), ("open_orders", "BTCUSDT"), ("account", None)}
        await trio.sleep(65)
        assert naived.service.session.away == naived.service.session.unreached == "account: not answered"
        assert (naived.state(), naived.state("BTCUSDT")) == ("trading", "trading")  # they were compared before
        exchange.faults.silent -= {("account", None)}
        await naived.until(lambda: naived.service.session.away is None)
        assert naived.service.session.unreached is None
        assert (naived.state(), naived.state("BTCUSDT")) == ("degraded", "degraded")


async def test_a_question_that_fails_behind_an_answer_is_one_of_the_account(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        exchange.faults.silent = {("open_orders", "BTCUSDT"), ("account", None)}  # ETHUSDT is answered just before
        await trio.sleep(65)
        assert naived.service.session.unreached == "account: not answered"


async def test_a_journal_that_does_not_answer_after_an_outage_is_no_exchange_that_is_away(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived(node="alpha") as alpha:
        await alpha.start()
        exchange.plant("n1zzzz-1", OrderIntent("BTCUSDT", 1, Side.BUY, 1, parse_price("1"), parse_quantity("100")))
        exchange.go_away()
        await trio.sleep(1)
        alpha.journal.refuses = 10**6
        exchange.come_back()
        await alpha.until(lambda: alpha.service.session.unread is not None)
        assert alpha.service.session.away is alpha.service.session.unreached is None
        assert alpha.reason() == alpha.service.session.unread == "the database refused it"
        alpha.journal.refuses = 0
        await alpha.until(lambda: alpha.state() == "trading", 20)


async def test_a_name_that_is_not_listed_is_asked_for_alone(world: World, clock: MockClock) -> None:
    exchange, asked, refused = world.exchange, [], ""
    ask = exchange.symbols

    async def symbols(names: Sequence[str]) -> Mapping[str, SymbolInfo | RefusedError]:
        asked.append(list(names))
        if refused in names:
            raise RefusedError("-1000 An unknown error occurred.")
        return await ask(names)

    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
    exchange.markets = {"SOLUSDT": Exchange(listed("SOLUSDT"))}
    exchange.symbols = symbols  # type: ignore[method-assign]
    async with world.naived() as naived:
        await naived.until(lambda: (naived.state(), naived.state("BTCUSDT")) == ("faulted", "faulted"), 70)
        asked.clear()
        await trio.sleep(130)
        assert sorted(filter(None, asked)) == [["BTCUSDT"]] * 2 + [["ETHUSDT"]] * 2
        refused = "BTCUSDT"  # and what is refused to say of one bars no other
        await trio.sleep(70)
        assert naived.service.exchange_state == "up"


async def test_all_open_orders_of_other_nodes_are_looked_up_at_once(world: World, clock: MockClock) -> None:
    names = [f"A{number}USDT" for number in range(8)]
    world.exchange = ExchangeDouble(*names)
    world.exchange.bulk_open_orders_from = 2
    async with world.naived(node="alpha") as alpha:
        await alpha.start(*names, chunks=1)
        for name in names:
            await alpha.trade("2000", symbol=name)
        async with world.naived(node="beta") as beta:
            await beta.until(lambda: len(beta.supervisor.symbols) == 4, 60)
            await trio.sleep(SOON)
            alpha.journal.asked.clear()
            beta.journal.asked.clear()
            await trio.sleep(150)
            assert set(alpha.journal.asked) == set(beta.journal.asked) == {4}
            assert 2 <= len(alpha.journal.asked) <= 3
            assert alpha.state(next(iter(alpha.supervisor.symbols))) == "trading"


async def test_orders_of_others_are_left_alone(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        foreign = OrderIntent("ETHUSDT", 1, Side.BUY, 1, parse_price("1000"), parse_quantity("0.1"))
        exchange.plant("web_1", foreign)
        exchange.plant("n1zzzz-1", replace(foreign, price=parse_price("1001")))
        await trio.sleep(130)
        assert naived.state() == "trading"
        await naived.ask("stop", cancel="all")
        assert len(exchange.open()) == 2


async def test_an_old_snapshot_of_an_order_that_has_ended_since_is_no_foreign_lineage(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        snapshot = await exchange.open_orders("ETHUSDT")
        await naived.trade("2100")
        assert naived.symbol().engine.resting == []
        open_orders = exchange.open_orders

        async def stale(symbol: str | None = None) -> object:
            await open_orders(symbol)
            return snapshot

        async def stale_too(symbol: str, *, order_id: int | None = None, **_: object) -> object:
            return next((each for each in snapshot if each.order_id == order_id), None)

        exchange.open_orders = stale  # type: ignore[method-assign, assignment]
        exchange.order = stale_too  # type: ignore[method-assign, assignment]
        await trio.sleep(130)
        assert naived.state() == "trading"


async def test_a_journal_of_another_account_ends_the_daemon(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
    world.exchange.uid = "uid-2"
    with pytest.raises(BaseExceptionGroup) as caught:
        async with world.naived():
            await trio.sleep(10)
    assert caught.group_contains(DeploymentError)


async def test_nothing_is_placed_before_the_account_is_known_to_be_the_journals(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
    exchange.uid = "uid-2"
    asked, waits = exchange.account, [20.0, 0.0]

    async def late() -> AccountInfo:
        await trio.sleep(waits.pop(0))
        return await asked()

    exchange.account = late  # type: ignore[method-assign]
    placed = len(exchange.wire)

    async def trades_come_first() -> None:
        async with world.naived() as naived:
            for _ in range(15):
                exchange.trade("2000")
                await trio.sleep(1)
            assert naived.state() == "starting"
            await trio.sleep(10)

    with pytest.raises(BaseExceptionGroup) as caught:
        await trades_come_first()
    assert caught.group_contains(DeploymentError)
    assert len(exchange.wire) == placed


async def test_an_order_filled_while_off_is_booked_and_shown_and_sold_after_the_next_start(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        await naived.ask("stop")
        await naived.trade("1990")
        assert naived.phases() == ["holding"]
        assert naived.state() == "off"
        assert [order["state"] for order in await naived.orders()] == ["filled"]
        assert len(exchange.wire) == 1
    async with world.naived() as naived:
        assert naived.symbol().desired.status is Status.OFF
        await naived.start()
        await naived.until(lambda: len(exchange.open(side=Side.SELL)) == 1)


async def test_an_order_filled_while_off_and_unheard_is_found_by_the_next_look(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        await naived.ask("stop")
    exchange.trade("1990")
    async with world.naived() as naived:
        await naived.until(lambda: naived.phases() == ["holding"], 10)
        assert naived.state() == "off"


async def test_placing_goes_on_when_a_strange_order_of_a_symbol_that_is_not_ours_is_gone(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    exchange.bulk_open_orders_from = 1
    async with world.naived() as naived:
        await naived.start()
        twin = OrderIntent("BTCUSDT", 1, Side.BUY, 1, parse_price("1000"), parse_quantity("0.1"))
        exchange.plant(f"n1{naived.journal.real.tag}-otherlineage", twin)
        await naived.until(lambda: naived.state() == "quarantined", 70)
        assert naived.reason() == "BTCUSDT order 1 has our tag and is not in the journal: a copy of it trades"
        exchange.cancel_by_hand(exchange.open("BTCUSDT")[0])
        await naived.until(lambda: naived.state() == "trading", 70)


async def test_from_some_number_of_symbols_on_all_open_orders_are_asked_for_at_once(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        for bulk_from, questions in ((2, 1), (3, 2)):
            exchange.bulk_open_orders_from = bulk_from
            exchange.asked.clear()
            await trio.sleep(60)
            assert exchange.asked.count("open_orders") == questions


async def test_a_start_counts_again_the_coins_that_were_missing(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop", cancel="all")
    missing = parse_quantity("0.001")
    exchange.markets["ETHUSDT"].base -= missing
    async with world.naived() as naived:
        await naived.ask("start")
        exchange.markets["ETHUSDT"].base -= missing
        error = (await naived.ask("start"))["error"]
        assert (error["kind"], exchange.open()) == ("quarantined", [])
        assert "the traders hold 0.0999 ETH, the account has 0.0979" in error["message"]
        exchange.markets["ETHUSDT"].base += 2 * missing
        result = await naived.ask("start")
        assert (result["error"], result["changed"], result["state"]) == (None, False, "trading")
        await naived.until(lambda: len(exchange.open(side=Side.SELL)) == 1)


async def test_a_start_asks_again_for_the_strange_order_that_blocks_it(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await trio.sleep(30)
        twin = OrderIntent("ETHUSDT", 1, Side.BUY, 1, parse_price("1000"), parse_quantity("0.1"))
        exchange.plant(f"n1{naived.journal.real.tag}-otherlineage", twin)
        await naived.until(lambda: naived.state("BTCUSDT") == "quarantined", 70)
        assert (await naived.ask("start", "BTCUSDT"))["error"]["kind"] == "quarantined"
        exchange.cancel_by_hand(exchange.open()[0])
        began = trio.current_time()
        await naived.start("BTCUSDT")
        assert trio.current_time() - began < 1


async def test_a_start_asks_again_what_the_exchange_refused_to_say(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        exchange.faults.refused = {("open_orders", "ETHUSDT")}
        await naived.until(lambda: naived.state() == "degraded", 70)
        exchange.faults.refused = set()
        began = trio.current_time()
        await naived.start()
        assert trio.current_time() - began < 1


async def test_a_start_does_not_end_the_quarantine_of_an_order(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        exchange.faults.hidden = EVERYWHERE
        await naived.until(lambda: naived.state() == "quarantined", 200)
        exchange.go_away()
        began = trio.current_time()
        assert (await naived.ask("start"))["error"]["kind"] == "quarantined"
        assert trio.current_time() - began < 1


async def test_a_journal_is_bound_only_to_an_account_that_two_answers_name(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    asked, uids = exchange.account, ["0", "uid-1", "uid-1", "uid-1"]

    async def one_wrong() -> AccountInfo:
        info = await asked()
        return replace(info, uid=uids.pop(0)) if uids else info

    exchange.account = one_wrong  # type: ignore[method-assign]
    async with world.naived() as naived:
        await naived.start()
        assert (await naived.call("status"))["daemon"]["state"] == "ready"
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "trading")


async def test_an_exchange_that_comes_back_with_another_account_ends_the_daemon_and_gets_no_order(
    world: World, clock: MockClock
) -> None:
    # A simulator that was started anew without its ledger, at the same address.
    exchange = world.exchange
    placed = 0

    async def until_it_ends() -> None:
        nonlocal placed
        async with world.naived() as naived:
            await naived.start()
            placed = len(exchange.wire)
            exchange.go_away()
            await trio.sleep(5)
            exchange.uid = "uid-2"
            exchange.come_back()
            for _ in range(15):
                exchange.trade("2000")
                await trio.sleep(1)

    with pytest.raises(BaseExceptionGroup) as caught:
        await until_it_ends()
    assert caught.group_contains(DeploymentError)
    assert len(exchange.wire) == placed


async def test_an_exchange_that_comes_back_with_the_same_account_is_traded_on(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start()
        commits = len(naived.journal.commits)
        exchange.go_away()
        await trio.sleep(5)
        exchange.come_back()
        await naived.until(lambda: naived.state() == "trading")
        await naived.trade("2000")
        await naived.until(lambda: "buying" in naived.phases())
        assert len(naived.journal.commits) > commits


async def test_after_an_outage_no_symbol_waits_for_the_orders_of_another(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000")
        await naived.trade("60000", symbol="BTCUSDT")
        assert [len(exchange.open(symbol)) for symbol in ("ETHUSDT", "BTCUSDT")] == [1, 1]
        exchange.go_away()
        exchange.trade("1990")  # fills a buy, of which nobody hears
        exchange.forget_reports()
        exchange.faults.failing = {"order"}
        await trio.sleep(5)
        exchange.come_back()
        await naived.until(lambda: naived.state("BTCUSDT") == "trading")
        await naived.trade("59000", symbol="BTCUSDT")
        await naived.until(lambda: bool(exchange.open("BTCUSDT", Side.SELL)))
        assert (naived.state(), exchange.open(side=Side.SELL)) == ("degraded", [])
        exchange.faults.failing = set()
        await naived.until(lambda: bool(exchange.open(side=Side.SELL)))


async def test_a_session_that_ends_while_orders_are_read_lets_no_symbol_go_on(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        exchange.go_away()
        ask = exchange.open_orders

        async def last(symbol: str | None = None) -> list[Report]:
            reports = await ask(symbol)
            if symbol == "BTCUSDT":
                exchange.go_away("and away again")
            return reports

        monkeypatch.setattr(exchange, "open_orders", last)
        exchange.come_back()
        await trio.sleep(10)
        for symbol in ("ETHUSDT", "BTCUSDT"):
            assert not naived.symbol(symbol).engine.may_place
