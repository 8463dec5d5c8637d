"""The exchange's own client drives the simulator: what its typed models cannot read, Binance does not send."""

import asyncio
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from tests.support import forks

KEY, SECRET = "conformance-key", "conformance-secret"
PATIENCE = 10  # seconds

pytestmark = [
    # The client's own use of aiohttp.
    pytest.mark.filterwarnings("ignore:parameter 'timeout':DeprecationWarning"),
    pytest.mark.skipif(
        find_spec("binance_sdk_spot") is None,
        reason="the exchange's client is not installed: binance-sdk-spot has no release for this Python",
    ),
]


@pytest.fixture
def url() -> Iterator[str]:
    """A simulator process that checks signatures, with a lively ETHUSDT."""
    options = ["--random-walk", "ETHUSDT=2683.80", "--speed", "20", "--api-key", KEY, "--api-secret", SECRET]
    with forks.start("naived", "simulate", *options, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.terminate()


class Client:
    """Both halves of the client on one simulator."""

    def __init__(self, url: str) -> None:
        # Imported here: the client is asyncio and pydantic, which nothing else needs.
        from binance_common.configuration import ConfigurationWebSocketAPI, ConfigurationWebSocketStreams
        from binance_sdk_spot.spot import Spot

        spot = Spot(
            config_ws_api=ConfigurationWebSocketAPI(
                stream_url=f"{url}/ws-api/v3", api_key=KEY, api_secret=SECRET, timeout=PATIENCE
            ),
            config_ws_streams=ConfigurationWebSocketStreams(stream_url=url),
        )
        self.api = spot.websocket_api
        self.streams = spot.websocket_streams

    async def __aenter__(self) -> "Client":
        await self.api.create_connection()
        await self.streams.create_connection()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.streams.close_connection(close_session=True)
        await self.api.close_connection(close_session=True)


async def order(client: Client, side: str, price: float, quantity: float, name: str) -> Any:
    answer = await client.api.order_place(
        symbol="ETHUSDT",
        side=side,
        type="LIMIT",
        time_in_force="GTC",
        price=price,
        quantity=quantity,
        new_client_order_id=name,
    )
    return answer.data().result


def test_orders_are_placed_asked_for_and_cancelled(url: str) -> None:
    async def story() -> None:
        async with Client(url) as client:
            placed = await order(client, "BUY", 2000, 0.01, "rests")
            assert (placed.status, placed.client_order_id, placed.orig_qty) == ("NEW", "rests", "0.01000000")
            found = (await client.api.order_status(symbol="ETHUSDT", order_id=placed.order_id)).data().result
            assert (found.status, found.client_order_id, found.price) == ("NEW", "rests", "2000.00000000")
            listed = (await client.api.open_orders_status(symbol="ETHUSDT")).data().result
            assert [row.order_id for row in listed] == [placed.order_id]
            gone = await client.api.order_cancel(
                symbol="ETHUSDT", order_id=placed.order_id, new_client_order_id="rests-x"
            )
            assert gone.data().result.status == "CANCELED"
            assert (await client.api.open_orders_status(symbol="ETHUSDT")).data().result == []

    asyncio.run(story())


def test_the_account_its_trades_and_its_rates_are_readable(url: str) -> None:
    async def story() -> None:
        async with Client(url) as client:
            taken = await order(client, "BUY", 3000, 0.01, "takes")
            assert taken.status == "FILLED"
            assert [fill.qty for fill in taken.fills] == ["0.01000000"]
            account = (await client.api.account_status(omit_zero_balances=True)).data().result
            assert {row.asset: row.locked for row in account.balances} == {
                "ETH": "0.00000000",
                "USDT": "0.00000000",
            }
            [trade] = (await client.api.my_trades(symbol="ETHUSDT")).data().result
            assert (trade.order_id, trade.commission, trade.commission_asset) == (
                taken.order_id,
                "0.00001000",
                "ETH",
            )
            [row] = (await client.api.all_orders(symbol="ETHUSDT")).data().result
            assert row.executed_qty == "0.01000000"
            rates = (await client.api.account_commission(symbol="ETHUSDT")).data().result
            assert rates.standard_commission.taker == "0.00100000"

    asyncio.run(story())


def test_a_refusal_is_understood_as_one(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with Client(url) as client:
            await client.api.order_status(symbol="ETHUSDT", order_id=999)

    asyncio.run(story())
    assert "{'code': -2013, 'msg': 'Order does not exist.'}" in caplog.text


def test_the_user_data_stream_tells_of_an_order_in_typed_events(url: str) -> None:
    async def story() -> None:
        async with Client(url) as client:
            events: asyncio.Queue[Any] = asyncio.Queue()
            subscribed = await client.api.user_data_stream_subscribe_signature()
            subscribed.stream.on("message", lambda event: events.put_nowait(event.actual_instance))
            await order(client, "BUY", 3000, 0.01, "told")
            seen = [await asyncio.wait_for(events.get(), PATIENCE) for _ in range(4)]
            assert [type(event).__name__ for event in seen] == [
                "ExecutionReport",
                "OutboundAccountPosition",
                "ExecutionReport",
                "OutboundAccountPosition",
            ]
            assert [(seen[at].x, seen[at].X, seen[at].c) for at in (0, 2)] == [
                ("NEW", "NEW", "told"),
                ("TRADE", "FILLED", "told"),
            ]
            assert {row.a for row in seen[3].B} == {"ETH", "USDT"}

    asyncio.run(story())


def test_a_user_data_stream_that_ends_says_so_in_a_typed_event(url: str) -> None:
    async def story() -> None:
        async with Client(url) as client:
            events: asyncio.Queue[Any] = asyncio.Queue()
            subscribed = await client.api.user_data_stream_subscribe_signature()
            subscribed.stream.on("message", lambda event: events.put_nowait(event.actual_instance))
            await client.api.user_data_stream_unsubscribe()
            last = await asyncio.wait_for(events.get(), PATIENCE)
            assert type(last).__name__ == "EventStreamTerminated"
            assert last.E > 0

    asyncio.run(story())


def test_the_rules_of_execution_are_readable(url: str) -> None:
    async def story() -> None:
        async with Client(url) as client:
            rules = (await client.api.execution_rules(symbol="ETHUSDT")).data().result
            [rule] = rules.symbol_rules[0].rules
            assert (rule.rule_type, rule.bid_limit_mult_up, rule.bid_limit_mult_down) == (
                "PRICE_RANGE",
                "2.00000000",
                "0.50000000",
            )
            assert (rule.ask_limit_mult_up, rule.ask_limit_mult_down) == ("2.00000000", "0.50000000")

    asyncio.run(story())


def test_the_trade_stream_is_typed_and_without_gaps(url: str) -> None:
    async def story() -> None:
        async with Client(url) as client:
            trades: asyncio.Queue[Any] = asyncio.Queue()
            stream = await client.streams.trade(symbol="ethusdt")
            stream.on("message", trades.put_nowait)
            heard = [await asyncio.wait_for(trades.get(), PATIENCE) for _ in range(5)]
            assert [trade.t - heard[0].t for trade in heard] == list(range(5))
            assert {trade.s for trade in heard} == {"ETHUSDT"}

    asyncio.run(story())
