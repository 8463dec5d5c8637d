"""Drives python-binance and prints what it saw as one line of JSON.

Arguments: REST URL, WebSocket URL, key, secret. It runs
in an environment of its own, which has python-binance and nothing of naived.
"""

import asyncio
import json
import sys
from typing import Any

from binance import AsyncClient, BinanceSocketManager  # type: ignore[import-not-found]
from binance.exceptions import BinanceAPIException  # type: ignore[import-not-found]

REST, SOCKET, KEY, SECRET = sys.argv[1:]
ETH = {"symbol": "ETHUSDT"}


class Client(AsyncClient):  # type: ignore[misc]
    API_URL = f"{REST}/api"
    WS_API_URL = f"{SOCKET}/ws-api/v3"


class Sockets(BinanceSocketManager):  # type: ignore[misc]
    STREAM_URL = f"{SOCKET}/"


async def story() -> dict[str, Any]:
    seen: dict[str, Any] = {}
    client = await Client.create(KEY, SECRET)
    sockets = Sockets(client)
    try:
        async with sockets.trade_socket("ETHUSDT") as trades:
            seen["trades"] = [await trades.recv() for _ in range(3)]
        async with sockets.user_socket() as user:
            await asyncio.sleep(0.5)  # it subscribes in a task of its own
            seen["placed"] = await client.ws_order_limit_buy(
                **ETH, quantity="0.01", price="2000.00", newClientOrderId="rests"
            )
            number = seen["placed"]["orderId"]
            seen["found"] = await client.ws_get_order(**ETH, orderId=number)
            seen["open"] = await client.ws_get_open_orders(**ETH)
            seen["replaced"] = await client.ws_cancel_and_replace_order(
                **ETH,
                side="BUY",
                type="LIMIT",
                timeInForce="GTC",
                quantity="0.01",
                price="2001.00",
                cancelReplaceMode="STOP_ON_FAILURE",
                cancelOrderId=number,
            )
            newer = seen["replaced"]["newOrderResponse"]["orderId"]
            seen["cancelled"] = await client.ws_cancel_order(**ETH, orderId=newer)
            seen["bought"] = await client.ws_order_market_buy(**ETH, quantity="0.01")
            seen["events"] = [await asyncio.wait_for(user.recv(), 10) for _ in range(12)]
        try:
            await client.ws_get_order(**ETH, orderId=999)
        except BinanceAPIException as error:
            seen["refused"] = error.code
        seen["account"] = await client.ws_get_account()
        seen["all"] = await client.ws_get_all_orders(**ETH)
        seen["fills"] = await client.ws_get_my_trades(**ETH)
        seen["rates"] = await client.ws_get_commission_rates(**ETH)
        seen["limits"] = await client.ws_get_account_rate_limits_orders()
        seen["recent"] = await client.ws_get_recent_trades(**ETH, limit=2)
        seen["historical"] = await client.ws_get_historical_trades(**ETH, fromId=1, limit=2)
        seen["aggregate"] = await client.ws_get_aggregate_trades(**ETH, limit=2)
        seen["average"] = await client.ws_get_avg_price(**ETH)
        seen["price"] = await client.ws_get_symbol_ticker(**ETH)
        seen["book"] = await client.ws_get_orderbook_ticker(**ETH)
        seen["symbols"] = len((await client.ws_get_exchange_info())["symbols"])
    finally:
        await client.close_connection()
    return seen


print(json.dumps(asyncio.run(story())))
