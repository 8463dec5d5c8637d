"""The value of the trading shows no peak and no loss that never was, and is known without some of the prices."""

import sqlalchemy as sa
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.core.amount import Money, format_amount, parse_money, parse_price
from naived.core.orders.intent import Side
from naived.core.risk import Exposure, Gain
from naived.core.strategy.day import DAY
from naived.database.schema import gains
from naived.runtime.valuation import Valuation
from tests.support.exchange import ExchangeDouble
from tests.support.market import Exchange
from tests.support.runtime import LEASE, Naived, World

CLOSE = {"reprice": "0", "max_deviation": "0"}
LOOK = 1.1  # seconds in which a loss is seen
MINUTELY = 61.0  # seconds after which a value is written that decides nothing
AT_2000, AT_1600 = "-0.3798", "-40.29984"  # what 0.0999 ETH make that cost 199.98, less the fee of selling them


async def seen() -> None:
    await trio.sleep(LOOK)


async def now(naived: Naived, *names: str) -> tuple[str, ...]:
    known = (await naived.call("limits"))["now"]
    return tuple(known[name] for name in names)


async def doubts(naived: Naived) -> dict[str, str]:
    return {each["symbol"]: each["reason"] for each in (await naived.call("limits"))["now"]["doubtful"]}


def halt(naived: Naived) -> str:
    known = naived.service.account.halt
    return "" if known is None else known.reason


def valuation(naived: Naived) -> Valuation:
    return naived.service.value._valuation


def until_midnight(naived: Naived) -> float:
    return (DAY - naived.exchange.now() % DAY) / 1000


def list_against(exchange: ExchangeDouble, quote: str) -> str:
    """A market of ETH in this quote asset."""
    name, rules = f"ETH{quote}", exchange.markets["ETHUSDT"].rules
    exchange.markets[name] = Exchange(replace(rules, symbol=name, quote=quote))
    return name


async def hold(naived: Naived, symbol: str = "ETHUSDT") -> None:
    """One trader that bought for about 200 of the quote asset, which is durable."""
    await naived.start(symbol, **CLOSE, chunks=1, budget="200", profit="0.5")
    price, below = ("60000", "59990") if symbol == "BTCUSDT" else ("2000", "1999")
    await naived.trade(price, below, symbol=symbol)
    assert naived.phases(symbol) == ["selling"]
    await trio.sleep(MINUTELY)
    await naived.trade(price, symbol=symbol)
    await seen()


async def test_a_restart_in_a_fall_makes_no_peak(world: World, clock: MockClock) -> None:
    """Coins that were bought lower, at the price of a minute ago, would be a gain that nobody had."""
    async with world.naived(suspends=False) as naived:
        await naived.call("limits", max_drawdown="100")
        await naived.start(**CLOSE, budget="1000", chunks=5, rebuy="0.03")
        await naived.trade("2000", "1999")
        await trio.sleep(MINUTELY)
        await naived.trade("2000")
        await seen()
        for price in ("1935", "1930", "1870", "1865", "1810", "1805", "1755", "1750"):
            await naived.trade(price)
            await seen()
        before = await now(naived, "value", "peak")
        assert len(world.exchange.orders(side=Side.BUY)) > 3
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "trading")
        await seen()
        value, peak = await now(naived, "value", "peak")
        assert (parse_money(value) <= 0, peak) == (True, before[1])
        assert await doubts(naived) == {"ETHUSDT": "no trade of it was seen yet"}
        await naived.trade("1750")
        await seen()
        assert await now(naived, "value", "peak") == before
        assert halt(naived) == ""


async def test_sells_that_are_decided_far_above_their_limits_make_no_loss(world: World, clock: MockClock) -> None:
    """Each brings the market's price: what it asks for is less for a moment, and nothing is lost."""
    async with world.naived() as naived:
        await naived.start(**CLOSE, budget="1000", chunks=4, rebuy="0.01")
        for price in ("2000", "1979", "1959", "1939", "1930"):
            await naived.trade(price)
        assert len(naived.traders()) == 4
        await naived.ask("stop", cancel="all")
        await naived.call("limits", max_drawdown="30")
        await seen()  # the price is followed for what it holds
        await naived.trade("2300")
        await seen()
        (peak,) = await now(naived, "peak")
        assert float(peak) > 60
        world.exchange.faults.delay = 3 * LOOK
        await naived.ask("start", wait=False)
        await naived.trade("2300")
        await trio.sleep(2 * LOOK)
        assert naived.phases() == ["selling"] * 4
        assert halt(naived) == ""
        assert await now(naived, "peak") == (peak,)


async def test_a_sell_whose_report_is_late_makes_no_peak(world: World, clock: MockClock) -> None:
    exchange = world.exchange
    async with world.naived() as naived:
        await naived.call("limits", max_drawdown="30")
        await naived.start(**CLOSE, budget="1000", chunks=1)
        await naived.trade("2000", "1999")
        assert naived.phases() == ["selling"]
        exchange.faults.held = True
        await naived.trade("2400")
        await seen()
        (peak,) = await now(naived, "peak")
        assert 0 < float(peak) < 2
        exchange.release()
        await seen()
        assert naived.symbol().engine.leader.cycles == 1
        assert halt(naived) == ""


async def test_a_symbol_that_comes_back_counts_as_the_node_wrote_that_had_it(
    world: World, clock: MockClock
) -> None:
    """Not at the price that this process saw when it had it; so no loss is made up, nor a gain."""
    async with world.naived() as naived:
        await naived.call("limits", max_drawdown="30")
        await hold(naived)
        await hold(naived, "BTCUSDT")
        funds, elsewhere = naived.service.funds, parse_money("79")
        record = next(each for each in await naived.journal.load("ETHUSDT"))
        naived.supervisor.drop("ETHUSDT")
        gains = {**funds.account.gains, "ETHUSDT": Gain("USDT", elsewhere, parse_price("2400"))}
        exposures = {**funds.account.exposures, "ETHUSDT": record.exposure}
        funds.account = replace(funds.account, gains=gains, exposures=exposures)
        await naived.trade("60000", symbol="BTCUSDT")
        await seen()
        before = await now(naived, "value", "peak")
        assert before[0] == before[1]
        assert parse_money(before[0]) > parse_money("78")
        naived.supervisor.adopt(record, naived.symbol("BTCUSDT").epoch)
        await naived.until(lambda: naived.state() == "trading")
        await naived.trade("60000", symbol="BTCUSDT")
        await seen()
        assert await now(naived, "value", "peak") == before
        assert await doubts(naived) == {"ETHUSDT": "no trade of it was seen yet"}
        assert halt(naived) == ""
        await naived.trade("2000")
        await seen()
        assert "(max-drawdown)" in halt(naived), "the first trade shows what is so"


async def test_what_has_no_price_yet_and_was_never_written_is_named(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await hold(naived)
        await naived.ask("stop")
    engine = sa.create_engine(world.url)
    with engine.begin() as connection:
        connection.execute(sa.delete(gains))
    engine.dispose()
    world.exchange.last.clear()
    async with world.naived() as naived:
        await naived.call("limits", max_drawdown="20")
        told = "what it made is not known, and so no loss counts: no price of it was told yet"
        assert await doubts(naived) == {"ETHUSDT": told}
        await naived.start()
        await naived.trade("2000")
        assert await doubts(naived) == {}


async def test_two_nodes_that_wait_for_what_the_other_made_tell_it(world: World, clock: MockClock) -> None:
    """Each has bought for the first time, and has read what the other ties up, before either told what it made."""
    other = World(ExchangeDouble("BTCUSDT"), world.url)
    async with world.naived(node="alpha") as alpha, other.naived(node="beta") as beta:
        await alpha.call("limits", max_drawdown="20")
        await alpha.start("ETHUSDT", **CLOSE)
        await beta.start("BTCUSDT", **CLOSE)
        accounts = [each.service.account for each in (alpha, beta)]
        async with accounts[0].turn, accounts[1].turn:
            await alpha.trade("2000", "1999")
            await beta.trade("60000", "59990", symbol="BTCUSDT")
            assert (alpha.phases(), beta.phases("BTCUSDT")) == (["selling"], ["selling"])
            for account in accounts:
                await account.refresh()
            told = "what it made is not known, and so no loss counts: the node that has it has not told that yet"
            assert alpha.service.value.doubts() == {"BTCUSDT": told}
            assert alpha.service.reason == f"BTCUSDT neither trips nor releases a limit now: {told}"
            assert beta.service.value.doubts() == {"ETHUSDT": told}
        await alpha.trade("1600")
        await trio.sleep(3)
        for each in (alpha, beta):
            assert (each.service.reason, await doubts(each)) == (None, {})
            assert "(max-drawdown)" in halt(each)


async def test_a_loss_that_was_written_and_not_seen_yet_trips_nothing_beside_a_price_that_was_seen(
    world: World, clock: MockClock
) -> None:
    async with world.naived(suspends=False) as naived:
        await hold(naived, "BTCUSDT")
        await hold(naived)
        await naived.trade("1600")
        await trio.sleep(MINUTELY)
        await naived.trade("1600")
        await seen()
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == naived.state("BTCUSDT") == "trading")
        await naived.call("limits", max_daily_loss="20")
        await naived.trade("60000", symbol="BTCUSDT")
        await seen()
        (lost,) = await now(naived, "loss_today")
        assert parse_money(lost) > parse_money("40")
        assert halt(naived) == ""
        await naived.trade("1600")
        await seen()
        assert halt(naived).startswith(f"its trading lost {lost} USDT of at most 20 since 00:00 UTC")


async def test_a_realised_loss_halts_though_every_price_is_in_doubt(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.call("limits", max_daily_loss="8")
        await hold(naived, "BTCUSDT")
        await naived.trade("59000", symbol="BTCUSDT")
        await trio.sleep(2 * MINUTELY)
        await naived.start(**CLOSE, chunks=1, budget="200", stop_loss="0.05")
        await naived.trade("2000", "1999")
        await naived.trade("1890")
        assert naived.phases() == []
        await seen()
        assert await doubts(naived) == {"BTCUSDT": "no trade of it for more than a minute"}
        lost = format_amount(Money(-naived.symbol().engine.leader.profit))
        assert halt(naived) == (
            f"its trading lost {lost} USDT of at most 8 since 00:00 UTC (max-daily-loss); the halt ends at 00:00 "
            "UTC, or by a resume; losses that only prices in doubt show are not counted"
        )


async def test_a_market_that_opened_while_its_symbol_is_off_counts(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.call("limits", max_drawdown="20")
        await hold(naived)
        world.exchange.relist("ETHUSDT", trading=False)
        await trio.sleep(3_700)
        assert await doubts(naived) == {"ETHUSDT": "its market is closed (BREAK)"}
        await naived.ask("stop")
        world.exchange.relist("ETHUSDT", trading=True)
        await trio.sleep(120)
        await naived.trade("1600")
        await seen()
        assert await doubts(naived) == {}
        assert await now(naived, "value") == (AT_1600,)
        assert "(max-drawdown)" in halt(naived)


async def test_what_begins_anew_after_a_resume_begins_so_after_a_restart(world: World, clock: MockClock) -> None:
    """With the gain of the halt, which was higher, the first trade would show a fall that was before the resume."""
    async with world.naived(suspends=False) as naived:
        await naived.call("limits", max_drawdown="20")
        await hold(naived)
        await naived.trade("1790")
        await seen()
        assert halt(naived)
        await naived.trade("1600")
        await seen()
        await naived.call("resume")
        await seen()
        assert await now(naived, "value", "peak") == (AT_1600, AT_1600)
    async with world.naived() as naived:
        await naived.until(lambda: naived.state() == "trading")
        await seen()
        await naived.trade("1600")
        await seen()
        assert await now(naived, "value", "peak") == (AT_1600, AT_1600)


async def test_a_quote_asset_counts_at_its_last_price_while_its_pair_is_closed(
    world: World, clock: MockClock
) -> None:
    exchange = world.exchange
    exchange.markets["BUSDUSDT"] = Exchange(replace(exchange.markets["ETHUSDT"].rules, symbol="BUSDUSDT"))
    exchange.trade("0.5", "BUSDUSDT")
    list_against(exchange, "BUSD")
    async with world.naived(suspends=False) as naived:
        await hold(naived, "ETHBUSD")
        await naived.trade("3010", symbol="ETHBUSD")
        assert naived.symbol("ETHBUSD").engine.leader.profit > 0
        await naived.ask("stop", "ETHBUSD", cancel="all")
        await naived.ask("forget", "ETHBUSD")
        await trio.sleep(MINUTELY)
        counted = await now(naived, "value")
        half = -(naived.symbol("ETHBUSD").engine.leader.profit // -2)
        assert counted == (format_amount(Money(half)),)
        assert "BUSD/USDT" not in [each["symbol"] for each in (await naived.call("status"))["symbols"]]
    exchange.relist("BUSDUSDT", trading=False)
    async with world.naived() as naived:
        await naived.call("limits", max_drawdown="20")
        await seen()
        assert await now(naived, "value") == counted
        said = {"ETHBUSD": "no price of BUSD in USDT is told now, the last one counts"}
        assert await doubts(naived) == said
        await naived.start("ETHBUSD", **CLOSE, chunks=1, budget="200")
        await naived.trade("2000", symbol="ETHBUSD")
        assert len(exchange.orders("ETHBUSD", Side.BUY)) == 1, "nothing is bought for it while a limit is set"
        await hold(naived)
        await naived.trade("1600")
        await seen()
        assert "(max-drawdown)" in halt(naived)
        # Its price falls with the pair open, and it closes: what was seen last counts.
        exchange.trade("0.25", "BUSDUSDT")
        exchange.relist("BUSDUSDT", trading=True)
        await trio.sleep(MINUTELY)
        await seen()
        assert await doubts(naived) == {"ETHUSDT": "no trade of it for more than a minute"}
        halved = await now(naived, "value")
        exchange.relist("BUSDUSDT", trading=False)
        await trio.sleep(3_700)
        assert (await doubts(naived))["ETHBUSD"] == said["ETHBUSD"]
        assert await now(naived, "value") == halved


async def test_a_quote_asset_that_never_had_a_price_is_left_out_and_that_is_said(
    world: World, clock: MockClock
) -> None:
    """As where the exchange trades the pair the other way round only."""
    list_against(world.exchange, "TRY")
    async with world.naived(suspends=False) as naived:
        await hold(naived, "ETHTRY")
        await naived.ask("stop", "ETHTRY")
    async with world.naived() as naived:
        await naived.call("limits", max_drawdown="30")
        await hold(naived)
        (value,) = await now(naived, "value")
        assert value == AT_2000
        world.exchange.trade("2000", "ETHTRY")
        reason = "it is not counted, as no price of TRY in USDT is known"
        assert (await doubts(naived))["ETHTRY"] == reason
        await naived.trade("1600")
        await seen()
        assert "(max-drawdown)" in halt(naived)


async def test_before_the_exchange_answered_for_a_quote_asset_no_value_is_known(
    world: World, clock: MockClock
) -> None:
    """Without what was made in it the value would jump twice."""
    list_against(world.exchange, "TRY")
    async with world.naived(suspends=False) as naived:
        await hold(naived, "BTCUSDT")
        await hold(naived, "ETHTRY")
        assert "ETHTRY" in naived.service.funds.account.gains, "it is written though it changes no sum"
        await naived.ask("stop", "ETHTRY")
    world.exchange.faults.failing = {"symbols"}
    async with world.naived() as naived:
        await trio.sleep(5)
        assert valuation(naived).worth(naived.exchange.now()) is None
        assert "ETHTRY" in await doubts(naived)
        world.exchange.faults.failing.clear()
        await trio.sleep(11)
        assert valuation(naived).worth(naived.exchange.now()) is not None


async def test_a_halt_of_the_day_ends_at_midnight_whatever_is_known(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.call("limits", max_daily_loss="20")
        await hold(naived)
        await naived.trade("1600")
        await seen()
        assert "(max-daily-loss)" in halt(naived)
        funds = naived.service.funds
        # A symbol of another node, of which nothing is written yet.
        exposures = {**funds.account.exposures, "XRPUSDT": Exposure("USDT", Money(1))}
        funds.account = replace(funds.account, exposures=exposures)
        assert valuation(naived).worth(naived.exchange.now()) is None
        await trio.sleep(until_midnight(naived) - 1)
        assert halt(naived)
        await trio.sleep(1 + LOOK)
        assert halt(naived) == ""


async def test_the_price_of_a_symbol_is_forgotten_when_it_comes_back_unless_it_was_followed(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await hold(naived)
        symbol = naived.symbol()
        for followed, price in ((True, parse_price("2000")), (False, None)):
            naived.service.supervisor._context.followed = lambda name, answer=followed: answer
            (record,) = await naived.journal.load("ETHUSDT")
            naived.supervisor.drop("ETHUSDT")
            naived.supervisor.adopt(record, symbol.epoch)
            gate = naived.symbol().gate
            assert (gate.price, gate.time is None) == (price, price is None)


async def test_a_symbol_of_a_node_that_is_gone_or_has_no_exchange_is_in_doubt(
    world: World, clock: MockClock
) -> None:
    async with world.naived(node="beta") as beta:
        await beta.call("limits", max_drawdown="100")
        async with world.naived(node="alpha", suspends=False) as alpha:
            await hold(alpha)
            assert await doubts(beta) == {}
            alpha.service.session.closed("the cable is cut")
            await trio.sleep(3)
            cut = "node alpha, which has it, does not reach the exchange: the cable is cut"
            assert await doubts(beta) == {"ETHUSDT": cut}
            assert cut in (await beta.call("status"))["daemon"]["reason"]
            alpha.service.session.opened()
            await trio.sleep(3)
            assert await doubts(beta) == {}
            await beta.call("nodes", drain="beta")
        await trio.sleep(LEASE / 1000 + 3)
        assert await doubts(beta) == {"ETHUSDT": "no node that lives has it"}
