import pytest
import trio

from naived.binance.clock import ServerClock
from naived.binance.history import asking_history
from naived.binance.limits import Limits
from naived.binance.refusals import Refusals
from naived.core.amount import parse_price, parse_quantity
from naived.ports import ExchangeError, RefusedError
from naived.websocket import connect
from tests.naived.binance.conftest import API
from tests.support.simulator import api, running

HOUR = 3_600_000  # ms


def history(url, connect=connect, clock=None, limits=None, refusals=None):
    clock = clock or ServerClock()
    limits = limits or Limits(clock.now, clock.monotonic)
    return asking_history(url, connect, clock, limits, refusals or Refusals(clock.now))


async def test_trades_come_from_an_id_on_with_microseconds():
    async with running(clock=lambda: 1_795_867_200_123) as simulation:
        for price in ("2000", "2001", "2002"):
            simulation.publish("ETHUSDT", parse_price(price), parse_quantity("0.5"), buyer_is_maker=price == "2001")
        async with history(f"{simulation.url}/ws-api/v3") as asked:
            first, second = await asked.trades("ETHUSDT", 2)
            assert (first.id, second.id) == (2, 3)
            assert (first.price, first.quantity) == ("2001.00000000", "0.50000000")
            assert first.time == 1_795_867_200_123_000
            assert (first.buyer_is_maker, second.buyer_is_maker) == (True, False)
            assert await asked.trades("ETHUSDT", 4) == []


async def test_a_symbol_that_is_not_listed_is_refused_and_the_connection_stays():
    async with running() as simulation, history(f"{simulation.url}/ws-api/v3") as asked:
        with pytest.raises(RefusedError, match="Invalid symbol"):
            await asked.trades("NOSUCH", 1)
        assert await asked.trades("ETHUSDT", 1) == []


async def test_a_lost_connection_is_told_to_who_asks_next():
    async with (
        running() as simulation,
        api(simulation) as hand,
        history(f"{simulation.url}/ws-api/v3") as asked,
    ):
        await hand.get("sim.fault", kind="disconnect", method="trades.historical")
        with pytest.raises(ExchangeError):
            await asked.trades("ETHUSDT", 1)


async def test_where_nobody_listens_that_is_said():
    with pytest.raises(ExchangeError, match=r"cannot connect to 127\.0\.0\.1:1"):
        async with history("ws://127.0.0.1:1/ws-api/v3"):
            pass


async def test_a_row_that_cannot_be_read_costs_no_other(autojump_clock, peer):
    good = {"id": 2, "price": "1", "qty": "1", "time": 1_795_867_200_123_000, "isBuyerMaker": True}
    peer.answer("trades.historical", [good, good | {"time": 7}, good | {"isBuyerMaker": "?"}, good | {"id": 5}])
    refusals = Refusals(peer.now)
    async with history(f"{API}", peer.connect, refusals=refusals) as asked:
        assert [row.id for row in await asked.trades("ETHUSDT", 1)] == [2, 5]
    assert refusals.counts == {"a trade of the past": 2}


async def test_a_ban_lasts_as_long_as_the_exchange_says_in_microseconds(autojump_clock, peer):
    clock = ServerClock(wall=lambda: peer.now() / 1000)
    limits = Limits(clock.now, clock.monotonic)
    until = peer.now() + HOUR
    peer.fail("trades.historical", -1003, "Banned.", status=418, data={"retryAfter": until * 1000})
    async with history(API, peer.connect, clock, limits) as asked:
        with pytest.raises(ExchangeError, match="-1003"):
            await asked.trades("ETHUSDT", 1)
        assert limits.halted
        with pytest.raises(ExchangeError, match="nothing may be asked"):
            await asked.trades("ETHUSDT", 1)
    await trio.sleep(HOUR / 1000 - 10)
    assert limits.halted
    await trio.sleep(20)
    assert not limits.halted
