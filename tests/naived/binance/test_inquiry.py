import pytest

from naived.binance.clock import ServerClock
from naived.binance.inquiry import inquiring
from naived.binance.signing import credentials
from naived.ports import ExchangeError
from tests.support.simulator import running

KEY = credentials("naived", "secret")


async def test_it_asks_over_one_connection_and_reads_the_clock_first():
    clock = ServerClock()
    assert clock.ahead is None
    async with running() as simulation, inquiring(f"{simulation.url}/ws-api/v3", KEY, clock) as asked:
        account = await asked.account()
        assert (account.can_trade, account.can_withdraw) == (True, False)
        assert list(await asked.symbols(["ETHUSDT", "NOSUCH"])) == ["ETHUSDT"]
    least, most = clock.ahead
    assert -2000 < least <= most < 2000


async def test_where_nobody_listens_that_is_said():
    with pytest.raises(ExchangeError, match=r"cannot connect to 127\.0\.0\.1:1"):
        async with inquiring("ws://127.0.0.1:1/ws-api/v3", KEY, ServerClock()):
            pass


async def test_what_the_body_raises_comes_out_as_it_is():
    async with running() as simulation:
        with pytest.raises(ExchangeError, match="no symbol"):
            async with inquiring(f"{simulation.url}/ws-api/v3", KEY, ServerClock()):
                raise ExchangeError("no symbol")
