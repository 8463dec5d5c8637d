"""Drives ccxt's pro client and prints what it saw as one line of JSON.

Arguments: REST URL, WebSocket URL, key, secret. It runs
in an environment of its own, which has ccxt and nothing of naived.
"""

import asyncio
import json
import sys
from typing import Any

import ccxt.pro  # type: ignore[import-not-found]

REST, SOCKET, KEY, SECRET = sys.argv[1:]
ETH = "ETH/USDT"


def exchange() -> Any:
    made = ccxt.pro.binance(
        {
            "apiKey": KEY,
            "secret": SECRET,
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot"]},
                "fetchCurrencies": False,
                "fetchMargins": False,
            },
        }
    )
    for name in ("public", "private", "v1"):
        made.urls["api"][name] = f"{REST}/api/v3"
    made.urls["api"]["ws"]["spot"] = f"{SOCKET}/ws"
    made.urls["api"]["ws"]["ws-api"]["spot"] = f"{SOCKET}/ws-api/v3"
    return made


async def watched(coroutine: Any) -> Any:
    return await asyncio.wait_for(coroutine, 10)


async def story() -> dict[str, Any]:
    seen: dict[str, Any] = {}
    client = exchange()
    try:
        await client.load_markets()
        seen["trades"] = [trade["id"] for _ in range(3) for trade in await watched(client.watch_trades(ETH))]
        seen["best"] = (await watched(client.watch_bids_asks([ETH])))[ETH]
        orders = asyncio.create_task(client.watch_orders(ETH))
        await asyncio.sleep(1)  # it subscribes in a task of its own
        placed = await client.create_order_ws(ETH, "limit", "buy", 0.01, 2000.0, {"newClientOrderId": "rests"})
        seen["placed"] = placed
        seen["watched"] = await watched(orders)
        seen["found"] = await client.fetch_order_ws(placed["id"], ETH)
        seen["open"] = await client.fetch_open_orders_ws(ETH)
        seen["edited"] = await client.edit_order_ws(placed["id"], ETH, "limit", "buy", 0.01, 2001.0)
        seen["cancelled"] = await client.cancel_order_ws(seen["edited"]["id"], ETH)
        seen["bought"] = await client.create_order_ws(ETH, "market", "buy", 0.01)
        seen["closed"] = await client.fetch_orders_ws(ETH)
        seen["fills"] = await client.fetch_my_trades_ws(ETH)
        # This version reads spot balances over WebSocket as those of futures, and so leaves them unread.
        seen["balances"] = (await client.fetch_balance_ws())["info"]["balances"]
        seen["recent"] = (await client.fetch_trades_ws(ETH, None, 2))[-1]
        try:
            await client.fetch_order_ws("999", ETH)
        except ccxt.OrderNotFound:
            seen["refused"] = "OrderNotFound"
    finally:
        await client.close()
    return seen


print(json.dumps(asyncio.run(story()), default=str))
