"""The simulator as a process: a request ends nothing but itself, and nothing is forgotten."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from naived.simulator.symbols import built_in
from naived.websocket import Closed, connect
from tests.acceptance.harness import Daemon, Exchange, until
from tests.support.simulator import limit, signed

ETH = {"symbol": "ETHUSDT"}
PATIENCE = 20  # seconds


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    made = Exchange(tmp_path, "--balance", "USDT=10000", "--balance", "BNB=0.01")
    made.start()
    yield made
    made.end()


def refused(exchange: Exchange, method: str, **params: Any) -> tuple[int, str]:
    """Code and text of a request that must fail."""
    with pytest.raises(AssertionError) as caught:
        exchange.call(method, **params)
    answer: dict[str, Any] = caught.value.args[0]
    return answer["error"]["code"], answer["error"]["msg"]


@pytest.mark.parametrize("off", ["0.00000000", None])
def test_an_order_in_a_symbol_without_tick_or_step_ended_the_process(tmp_path: Path, off: str | None) -> None:
    info = built_in()
    sizes = {"tickSize": off, "stepSize": off, "minPrice": off, "minQty": off}
    for row in info["symbols"]:
        row["filters"] = [item | {k: v for k, v in sizes.items() if k in item} for item in row["filters"]]
    info["symbols"].append({**info["symbols"][0], "symbol": "BAREUSDT", "filters": None})
    (tmp_path / "info.json").write_text(json.dumps(info))
    exchange = Exchange(tmp_path, "--exchange-info", str(tmp_path / "info.json"))
    exchange.start()
    try:
        for symbol in ("ETHUSDT", "BAREUSDT"):
            exchange.trade("2683.80", symbol)
            order = {**limit("BUY", "2600.12345678", "0.12345678"), "symbol": symbol}
            assert exchange.call("order.place", **order)["status"] == "NEW"
            exchange.fault("filters", symbol=symbol, seconds=3600)
            assert exchange.call("exchangeInfo", symbol=symbol)["symbols"][0]["symbol"] == symbol
    finally:
        exchange.end()


def test_what_a_test_changed_of_the_exchange_was_forgotten_at_a_kill(exchange: Exchange) -> None:
    exchange.trade("2683.80")
    placed = exchange.call("order.place", **limit("BUY", "2600", "0.1", newClientOrderId="ours"))
    amended = exchange.call("sim.amend", **ETH, order_id=placed["orderId"], quantity="0.05")
    exchange.call("order.place", **{**limit("BUY", "90000", "0.001"), "symbol": "BTCUSDT"})
    [ended] = exchange.call("sim.end", symbol="BTCUSDT", status="EXPIRED")
    exchange.call("sim.rules", **ETH, status="BREAK", maxPosition="0.2", minNotional="30")
    exchange.call("sim.fees", asset="BNB", price="600", discount="0.5")
    exchange.call("sim.balance", asset="USDT", free="777")
    exchange.call("sim.delist", symbol="XRPUSDT")
    before = exchange.call("sim.ledger")
    exchange.end()
    exchange.start()
    assert exchange.call("sim.ledger") == before
    assert exchange.call("openOrders.status", **signed()) == [amended]
    assert exchange.call("order.status", **signed(symbol="BTCUSDT", orderId=ended["orderId"])) == ended
    assert refused(exchange, "order.place", **limit("BUY", "2600", "0.1")) == (-2010, "Market is closed.")
    exchange.call("sim.rules", **ETH, status="TRADING")
    assert refused(exchange, "order.place", **limit("BUY", "2600", "0.1501")) == (
        -2010,
        "Filter failure: MAX_POSITION",
    )
    exchange.trade("2599")
    [fill] = exchange.call("sim.ledger")["fills"]
    # 0.05 at 2600 is 130 USDT: 0.13 USDT of fee, half of it off, at 600 USDT a BNB
    assert (fill["commission"], fill["commissionAsset"]) == ("0.00010834", "BNB")
    assert refused(exchange, "ticker.price", symbol="XRPUSDT") == (-1121, "Invalid symbol.")


def test_ids_that_the_exchange_made_came_again_after_a_restart(exchange: Exchange) -> None:
    for _ in range(3):
        exchange.call("order.place", **limit("BUY", "2600", "0.01"))
        exchange.end()
        exchange.start()
    ids = [order["clientOrderId"] for order in exchange.orders()]
    assert len(set(ids)) == len(ids) == 3


def test_a_stream_that_is_never_fed_was_accepted_in_silence(exchange: Exchange) -> None:
    async def ask(*names: str) -> Any:
        async with connect(f"{exchange.url}/ws") as stream:
            await stream.send(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}))
            with trio.fail_after(PATIENCE):
                return json.loads(await stream.receive())

    async def opened(path: str) -> Any:
        async with connect(f"{exchange.url}{path}") as stream:
            with trio.fail_after(PATIENCE):
                frame = json.loads(await stream.receive())
                with pytest.raises(Closed):
                    await stream.receive()
            return frame["code"]

    refusal = {"code": 2, "msg": "Invalid request: invalid stream", "id": 1}
    for name in ("ethusdt@kline_1m", "ethusdt@depth@100ms", "ethusdt@miniTicker", "wrongusdt@trade"):
        assert trio.run(ask, "ethusdt@trade", name) == refusal
        assert trio.run(opened, f"/stream?streams=ethusdt@trade/{name}") == 2
    assert trio.run(ask, "ethusdt@trade", "ethusdt@bookTicker")["result"] is None


def test_a_request_for_microseconds_was_answered_in_milliseconds(exchange: Exchange) -> None:
    async def time(query: str) -> int:
        async with connect(f"{exchange.url}/ws-api/v3{query}") as connection:
            await connection.send('{"id":1,"method":"time"}')
            with trio.fail_after(PATIENCE):
                answer: int = json.loads(await connection.receive())["result"]["serverTime"]
            return answer

    milli, micro = trio.run(time, ""), trio.run(time, "?timeUnit=MICROSECOND")
    assert 0 <= micro - 1000 * milli < PATIENCE * 1_000_000


def test_naived_trades_on_while_the_rules_change_and_fees_run_out(tmp_path: Path, exchange: Exchange) -> None:
    daemon = Daemon(tmp_path / "home", "--exchange", "simulator", "--exchange-url", exchange.url)
    (tmp_path / "home").mkdir(mode=0o700)
    try:
        daemon.start()
        daemon.do("start", "ETHUSDT", "--chunks", "1")
        exchange.call("sim.fees", asset="BNB", price="600")
        exchange.trade("2683.80")
        daemon.reaches("buying")
        exchange.trade("2600")
        daemon.reaches("selling")
        [bought] = exchange.call("sim.ledger")["fills"]
        assert bought["commissionAsset"] == "BNB"
        exchange.call("sim.rules", **ETH, tickSize="0.1", stepSize="0.001")
        exchange.call("sim.balance", asset="BNB", free="0")
        exchange.trade("3000")
        until(lambda: daemon.symbol()["cycles"] == 1)
        assert [fill["commissionAsset"] for fill in exchange.call("sim.ledger")["fills"][:2]] == ["BNB", "USDT"]
    finally:
        daemon.end()
