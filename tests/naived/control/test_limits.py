"""The limits of the account: durable, in force at the next decision, counted with the intent; no sell waits."""

from functools import partial

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.control.protocol import ControlError
from naived.core.amount import Money, Price
from naived.core.orders.intent import Side
from naived.core.risk import Account
from tests.support.market import Exchange
from tests.support.runtime import Naived, World

BUY = Side.BUY


async def exposure(naived: Naived) -> float:
    return float((await naived.call("limits"))["now"]["exposure"])


NONE = {"max_exposure": None, "reserve": None, "max_daily_loss": None, "max_drawdown": None}


async def test_limits_are_shown_changed_taken_away_and_survive(world: World, clock: MockClock) -> None:
    async with world.naived(suspends=False) as naived:
        await naived.until(lambda: naived.service.session.ready.is_set())
        shown = await naived.call("limits")
        assert shown["limits"] == NONE
        nothing = dict.fromkeys(("exposure", "loss_today", "drawdown", "peak", "value"), "0")
        assert shown["now"] == {**nothing, "free_quote": "100000", "currency": "USDT", "doubtful": []}
        changed = await naived.call("limits", max_exposure="500", reserve="20.5", max_drawdown="7")
        set_ = {**NONE, "max_exposure": "500", "reserve": "20.5", "max_drawdown": "7"}
        assert (changed["changed"], changed["limits"]) == (True, set_)
        assert (await naived.call("limits", max_exposure="500"))["changed"] is False
    async with world.naived() as naived:
        assert (await naived.call("limits"))["limits"] == set_
        assert (await naived.call("limits", reserve="none"))["limits"] == {**set_, "reserve": None}
        for wrong in ("0", "-1", "much", "1e3"):
            with pytest.raises(ControlError):
                await naived.call("limits", max_exposure=wrong)


async def test_two_nodes_that_are_asked_for_different_limits_at_the_same_moment_set_both(
    world: World, clock: MockClock
) -> None:
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        await alpha.until(lambda: alpha.service.session.ready.is_set())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(alpha.call, "limits", max_exposure="5000"))
            nursery.start_soon(partial(beta.call, "limits", reserve="77"))
        await trio.sleep(2)
        for each in (alpha, beta):
            assert (await each.call("limits"))["limits"] == {**NONE, "max_exposure": "5000", "reserve": "77"}
        told = [event["message"] for event in (await alpha.call("events"))["events"]]
        assert sorted(told) == ["max-exposure 5000 USDT", "reserve 77 USDT"]


async def test_a_limit_is_shown_at_every_node_as_soon_as_it_was_acknowledged(
    world: World, clock: MockClock
) -> None:
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        await alpha.until(lambda: alpha.service.session.ready.is_set())
        await beta.call("limits", max_exposure="20000")
        shown = await alpha.call("limits")
        assert (shown["limits"], shown["warnings"]) == ({**NONE, "max_exposure": "20000"}, [])


@pytest.mark.parametrize("hangs", [False, True])
async def test_limits_are_shown_as_they_were_read_last_with_a_word_where_the_database_does_not_answer(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    async with world.naived(node="alpha") as alpha:
        await alpha.call("limits", max_exposure="20000")
        read = alpha.journal.account

        async def slow(*, foreign_only: bool = False) -> Account:
            await trio.sleep(60)
            return await read(foreign_only=foreign_only)

        if hangs:
            monkeypatch.setattr(alpha.journal, "account", slow)
        alpha.journal.away = not hangs
        with trio.fail_after(6):
            shown = await alpha.call("limits")
        assert shown["limits"]["max_exposure"] == "20000"
        why = "the database did not answer in time" if hangs else "the database is away"
        assert shown["warnings"] == [f"{why}; limits and halt are as this node read them last"]
        alpha.journal.away = False


async def test_no_buy_exceeds_the_limit_over_all_symbols_and_lifting_it_lets_the_next_trade_through(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.call("limits", max_exposure="250")
        await naived.start("ETHUSDT", "BTCUSDT")
        await naived.trade("2000")  # 199.98
        await naived.trade("60000", symbol="BTCUSDT")
        assert len(world.exchange.open(side=BUY)) == 1
        assert world.exchange.open("BTCUSDT") == []
        reason = "the account's limit leaves no room: 199.98 of 250 USDT are tied up (max-exposure)"
        assert naived.reason("BTCUSDT") == f"BTCUSDT-1 waits: {reason}"
        assert (await naived.call("status", "BTCUSDT"))["symbols"][0]["next_step"] == "naivectl limits"
        assert naived.state("BTCUSDT") == "trading"
        await naived.call("limits", max_exposure="none")
        await naived.trade("60000", symbol="BTCUSDT")
        assert len(world.exchange.open("BTCUSDT", BUY)) == 1


@pytest.mark.parametrize(
    ("name", "little", "more", "why"),
    [
        (
            "max_exposure",
            "100",
            "150",
            "the account's limit leaves no room: 0 of {} USDT are tied up (max-exposure)",
        ),
        ("reserve", "99950", "99900", "the reserve: 100000 USDT are free, of them {} are reserved"),
    ],
)
async def test_a_changed_limit_changes_at_once_what_is_told_of_a_trader_that_waits(
    world: World, clock: MockClock, name: str, little: str, more: str, why: str
) -> None:
    """Nobody trades meanwhile."""

    async with world.naived() as naived:

        async def told() -> tuple[str | None, str | None, str | None, str]:
            [row] = (await naived.call("status"))["symbols"]
            (trader,) = (await naived.call("explain", "ETHUSDT"))["traders"]
            return row["reason"], row["traders"][0]["reason"], row["next_step"], trader["text"]

        def waits(limit: str) -> tuple[str, str, str, str]:
            reason = why.format(limit)
            return f"ETHUSDT-1 waits: {reason}", reason, "naivectl limits", f"waits: {reason}"

        await naived.call("limits", **{name: little})
        await naived.start()
        await naived.trade("2000")
        assert await told() == waits(little)
        await naived.call("limits", **{name: more})
        assert await told() == waits(more)
        await naived.call("limits", **{name: "none"})
        assert await told() == (None, None, None, "waits for the next trade")
        await naived.call("limits", **{name: little})
        assert await told() == waits(little)
        await naived.ask("halt")
        await naived.call("limits", **{name: "none"})
        halted = "halted by hand: no reason was given"
        assert await told() == (halted, None, "naivectl resume ETHUSDT", "waits for the next trade")


async def test_what_a_symbol_that_is_off_holds_counts_and_its_sale_makes_room(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990")
        await naived.ask("stop")
        await naived.call("limits", max_exposure="300")
    async with world.naived() as naived:
        await naived.start("BTCUSDT")
        await naived.trade("60000", symbol="BTCUSDT")
        assert world.exchange.open("BTCUSDT") == []
        assert await exposure(naived) > 190
        await naived.trade("2100")  # the sell that rests is filled
        await naived.trade("60000", symbol="BTCUSDT")
        assert len(world.exchange.open("BTCUSDT", BUY)) == 1


async def test_a_buy_that_the_journal_refuses_is_never_sent_and_its_trader_waits(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.call("limits", max_exposure="250")
        await naived.start("ETHUSDT", "BTCUSDT")
        # What the decision asks does not know yet what another symbol has just taken.
        naived.service.funds._room = lambda quote, limits: (None, "")  # type: ignore[method-assign]
        await naived.trade("2000")
        await naived.trade("60000", symbol="BTCUSDT")
        assert world.exchange.orders("BTCUSDT") == []
        assert naived.symbol("BTCUSDT").failed is None
        assert naived.phases("BTCUSDT") == ["waiting"]
        assert "max-exposure" in (naived.reason("BTCUSDT") or "")
        assert [order["state"] for order in await naived.orders("BTCUSDT")] == ["rejected"]
        assert await exposure(naived) == 199.98
        await naived.call("limits", max_exposure="none")
        await naived.trade("60001", "60002", "60003", "60004", "60005", "60006", "60007", symbol="BTCUSDT")
        assert len(world.exchange.open("BTCUSDT", BUY)) == 1
    async with world.naived() as naived:
        assert naived.phases("BTCUSDT") == ["buying"]


async def test_a_reserve_is_never_spent(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.call("limits", reserve="99700")
        await naived.start()
        await naived.trade("2000")
        await naived.view.account()
        await naived.trade("1985")
        assert len(world.exchange.orders(side=BUY)) == 1
        assert "the reserve: 99800.02 USDT are free, of them 99700 are reserved" in (naived.reason() or "")
        await naived.call("limits", reserve="none")
        await naived.trade("1985")
        assert len(world.exchange.orders(side=BUY)) == 2


async def test_no_limit_holds_a_sell_back(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        await naived.call("limits", max_exposure="1", reserve="1000000")
        await naived.trade("1999", "2100")
        assert naived.symbol().engine.leader.cycles == 1


async def test_without_a_price_of_a_quote_asset_nothing_is_bought_for_it_while_a_limit_is_set(
    world: World, clock: MockClock
) -> None:
    rules = replace(world.exchange.markets["ETHUSDT"].rules, symbol="ETHBTC", quote="BTC")
    small = replace(rules.filters, tick_size=Price(100), min_price=Price(100), min_notional=Money(1000))
    world.exchange.markets["ETHBTC"] = Exchange(replace(rules, filters=small))
    async with world.naived() as naived:
        await naived.call("limits", max_exposure="250")
        await naived.start("ETHBTC", budget="0.01")
        await naived.trade("0.03", symbol="ETHBTC")
        assert "the value of BTC in USDT is not known" in (naived.reason("ETHBTC") or "")
        await naived.trade("60000", symbol="BTCUSDT")  # which is followed for its price alone
        await naived.trade("0.03", symbol="ETHBTC")
        assert len(world.exchange.open("ETHBTC", BUY)) == 1
        assert await exposure(naived) > 110


async def test_the_worst_case_is_what_a_fall_does(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start(reprice="0", max_deviation="0", rebuy="0.05", budget="1000", chunks=4)
        await naived.start("BTCUSDT", reprice="0", max_deviation="0", rebuy="0.3", budget="300", chunks=2)
        await naived.trade("2000")
        await naived.trade("60000", symbol="BTCUSDT")
        told = (await naived.call("limits"))["worst"]
        assert (told["currency"], told["unpriced"]) == ("USDT", [])
        for fall in told["falls"]:
            left = 1 - float(fall["fall"])
            for symbol, price in (("ETHUSDT", 2000), ("BTCUSDT", 60000)):
                last = naived.symbol(symbol).gate.price
                assert last is not None
                step, at = price // 1000, last // 10**8
                while at > price * left:
                    at -= step
                    await naived.trade(str(max(at, int(price * left))), symbol=symbol)
            now = await naived.call("limits")
            held = now["now"]
            assert abs(float(held["exposure"]) - float(fall["tied_up"])) < 5, fall
            lost = sum(float(row["unrealized_profit"]) for row in (await naived.call("status"))["symbols"])
            assert abs(-lost - float(fall["loss"])) < 6, fall


async def test_a_closed_market_may_open_and_a_symbol_whose_rules_are_not_read_is_named(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start(reprice="0", max_deviation="0", rebuy="0.01", budget="1000")
        await naived.trade("2000", "1999")
        await trio.sleep(61)
        await naived.trade("2000")
        open_ = (await naived.call("limits"))["worst"]
        assert float(open_["falls"][2]["tied_up"]) > 990
        world.exchange.relist("ETHUSDT", trading=False)
        await naived.until(lambda: not naived.symbol().engine.leader.info.trading, 3_700)
        assert (await naived.call("limits"))["worst"] == open_
    world.exchange.go_away()
    async with world.naived() as naived:
        away = (await naived.call("limits"))["worst"]
        assert away["unpriced"] == ["ETHUSDT"]
        assert 199 < float(away["falls"][2]["tied_up"]) <= 200, "what it holds"


async def test_a_dry_run_tells_the_worst_case_of_all_symbols_together(world: World, clock: MockClock) -> None:
    world.exchange.trade("2000")
    world.exchange.trade("60000", "BTCUSDT")
    async with world.naived() as naived:
        await naived.start(budget="1000")
        await naived.trade("2000")
        alone = (await naived.call("limits"))["worst"]["falls"][2]
        (planned,) = (await naived.call("start", "BTCUSDT", budget="500", dry_run=True))["results"]
        both = planned["plan"]["worst"]["falls"][2]
        assert 990 < float(alone["tied_up"]) <= 1000
        assert 1470 < float(both["tied_up"]) <= 1500
        results = (await naived.call("start", "ETHUSDT", "BTCUSDT", budget="500", dry_run=True))["results"]
        for result in results:
            assert 970 < float(result["plan"]["worst"]["falls"][2]["tied_up"]) <= 1000, result


async def test_a_limit_that_may_have_been_written_binds_until_the_journal_was_read(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.lies = 1
        with pytest.raises(ControlError, match="nobody knows"):
            await naived.call("limits", max_exposure="100")
        await naived.trade("2000")
        assert world.exchange.orders() == []
        naived.journal.away = True
        with pytest.raises(ControlError, match="away"):
            await naived.call("limits")
        naived.journal.away = False
        assert (await naived.call("limits"))["limits"]["max_exposure"] == "100"
        await naived.start()
        await naived.trade("2000", "2000")
        assert world.exchange.orders() == []
        assert "of 100 USDT are tied up (max-exposure)" in (naived.reason() or "")
