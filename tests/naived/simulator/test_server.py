import csv
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from naived.cli.values import simulator_url
from naived.core.amount import parse_price, parse_quantity
from naived.simulator.errors import ApiError, SimulatorError
from naived.simulator.server import Simulation, SimulatorConfig, simulate
from naived.simulator.symbols import RATE_LIMITS, built_in
from naived.websocket import Closed, WebSocket, connect
from tests.support.simulator import DATA, ETH, PATIENCE, api, limit, running, signed


@asynccontextmanager
async def stream(simulation: Simulation, target: str) -> AsyncIterator[WebSocket]:
    async with connect(f"{simulation.url}{target}") as connection:
        yield connection


async def hear(connection: WebSocket) -> Any:
    with trio.fail_after(PATIENCE):
        return json.loads(await connection.receive())


async def hear_many(connection: WebSocket, count: int) -> list[Any]:
    with trio.fail_after(10 * PATIENCE):
        return [json.loads(await connection.receive()) for _ in range(count)]


async def ask(connection: WebSocket, method: str, *params: object) -> Any:
    await connection.send(json.dumps({"method": method, "params": params, "id": 1}))
    return await hear(connection)


def feed(simulation: Simulation, price: str) -> None:
    simulation.publish("ETHUSDT", parse_price(price), parse_quantity("1"))


@pytest.mark.parametrize(
    "target", ["/stream?streams=ethusdt@trade", "/stream", "/ws", "/ws/0", "/ws/ethusdt@trade"]
)
async def test_a_market_stream_is_reached_by_path_or_by_asking(target: str) -> None:
    async with running() as simulation, stream(simulation, target) as connection:
        assert await ask(connection, "SUBSCRIBE", "ethusdt@trade") == {"result": None, "id": 1}
        feed(simulation, "2683.80")
        event = await hear(connection)
        trade = event["data"] if target.startswith("/stream") else event
        assert (trade["e"], trade["s"], trade["p"], trade["t"]) == ("trade", "ETHUSDT", "2683.80000000", 1)


@pytest.mark.parametrize("path", ["/", "/api/v3/ping", "/ws-api/v2", "/streams"])
async def test_another_path_is_closed(path: str) -> None:
    async with running() as simulation, stream(simulation, path) as connection:
        with trio.fail_after(PATIENCE), pytest.raises(Closed):
            await connection.receive()


async def test_a_stream_connection_may_send_five_messages_a_second() -> None:
    async with running(clock=lambda: 0) as simulation, stream(simulation, "/ws") as connection:
        for _ in range(5):
            await ask(connection, "LIST_SUBSCRIPTIONS")
        await connection.send('{"method":"LIST_SUBSCRIPTIONS","id":6}')
        with trio.fail_after(PATIENCE), pytest.raises(Closed):
            await connection.receive()


async def test_without_limits_more_is_fine() -> None:
    async with running(no_limits=True) as simulation, stream(simulation, "/ws") as connection:
        for _ in range(20):
            await ask(connection, "LIST_SUBSCRIPTIONS")


async def test_one_connection_too_many_is_closed() -> None:
    few = {**RATE_LIMITS[3], "limit": 1}
    async with (
        running(exchange_info={**built_in(), "rateLimits": [few]}) as simulation,
        api(simulation) as first,
    ):
        await first.get("time")
        async with stream(simulation, "/ws") as second, api(simulation) as third:
            with trio.fail_after(PATIENCE), pytest.raises(Closed):
                await second.receive()
            with trio.fail_after(PATIENCE), pytest.raises(Closed):
                await third.get("time")
        await first.get("time")


async def test_steering_counts_neither_as_connections_nor_as_weight() -> None:
    few = [{**RATE_LIMITS[3], "limit": 1}, {**RATE_LIMITS[0], "limit": 3}]
    async with running(exchange_info={**built_in(), "rateLimits": few}) as simulation:
        for _ in range(10):
            async with api(simulation) as steering:
                await steering.get("sim.ledger")
        async with api(simulation) as client:
            await client.get("time")


async def test_a_shutdown_is_announced_in_three_shapes_and_ends_the_old_connections() -> None:
    async with (
        running() as simulation,
        api(simulation) as client,
        stream(simulation, "/ws") as raw,
        stream(simulation, "/stream") as combined,
    ):
        await client.get("sim.fault", kind="server_shutdown", seconds=0.2)
        said = client.events.pop(0)
        assert said.keys() == {"e", "E"}
        assert said["e"] == "serverShutdown"
        assert (await hear(raw))["e"] == "serverShutdown"
        wrapped = await hear(combined)
        assert (wrapped["stream"], wrapped["data"]["e"]) == ("!serverShutdown", "serverShutdown")
        async with api(simulation) as newer:
            for connection in (client.connection, raw, combined):
                with trio.fail_after(PATIENCE), pytest.raises(Closed):
                    await connection.receive()
            await newer.get("time")


@pytest.mark.parametrize(("kind", "subscribed"), [("request_lost", False), ("reply_lost", True)])
async def test_a_fault_meant_for_a_stream_request_meets_it(kind: str, subscribed: bool) -> None:
    async with running() as simulation, api(simulation) as client, stream(simulation, "/ws") as connection:
        await client.get("sim.fault", kind=kind, method="SUBSCRIBE")
        await connection.send('{"method":"SUBSCRIBE","params":["ethusdt@trade"],"id":1}')
        listed = await ask(connection, "LIST_SUBSCRIPTIONS")
        assert listed["result"] == (["ethusdt@trade"] if subscribed else [])


async def test_a_stream_can_be_cut_and_can_stall() -> None:
    async with running() as simulation, api(simulation) as client:
        await client.get("sim.fault", kind="disconnect", method="SUBSCRIBE")
        async with stream(simulation, "/ws") as cut:
            await cut.send('{"method":"SUBSCRIBE","params":["ethusdt@trade"],"id":1}')
            with trio.fail_after(PATIENCE), pytest.raises(Closed):
                await cut.receive()
        await client.get("sim.fault", kind="silence", method="SUBSCRIBE", seconds=1)
        async with stream(simulation, "/ws") as stalled:
            await stalled.send('{"method":"SUBSCRIBE","params":["ethusdt@trade"],"id":1}')
            while "silence" not in (await client.get("sim.ledger"))["faults"]:
                pass
            with trio.move_on_after(0.2) as scope:
                await stalled.ping()
            assert scope.cancelled_caught
            assert await hear(stalled) == {"result": None, "id": 1}


async def test_a_reader_that_does_not_read_costs_only_its_own_connection() -> None:
    async with (
        running() as simulation,
        api(simulation) as client,
        stream(simulation, "/ws/ethusdt@trade"),
        stream(simulation, "/ws/btcusdt@trade") as other,
    ):
        for _ in range(30_000):
            feed(simulation, "2683.80")
        await client.get("time")
        simulation.publish("BTCUSDT", parse_price("96000"), parse_quantity("1"))
        assert (await hear(other))["s"] == "BTCUSDT"


async def test_a_recorded_tape_is_played_in_order_on_the_wall_clock_and_fills() -> None:
    path = DATA / "ETHUSDT-trades-2024-08-08.csv"
    if not path.exists():
        pytest.skip(f"no recording at {path}")
    config = {"tapes": {"ETHUSDT": path}, "speed": Fraction(2000), "hold": True}
    with path.open() as file:
        recorded = [Decimal(row[1]) for row in csv.reader(file)]
    async with running(**config) as simulation, api(simulation) as client:
        await client.get("order.place", **limit("BUY", "2679.50", "0.1"))
        async with stream(simulation, "/ws/ethusdt@trade") as connection:
            started = (await client.get("time"))["serverTime"]
            await client.get("sim.play")
            heard = await hear_many(connection, len(recorded))
        assert [Decimal(trade["p"]) for trade in heard] == recorded
        assert [trade["t"] for trade in heard] == list(range(1, len(recorded) + 1))
        times = [trade["T"] for trade in heard]
        assert times == sorted(times)
        assert started <= times[0] <= times[-1] <= (await client.get("time"))["serverTime"]
        [fill] = await client.get("myTrades", **signed(symbol="ETHUSDT"))
        assert (fill["price"], fill["isMaker"]) == ("2679.50000000", True)


async def test_a_tape_at_full_speed_is_heard_whole_and_in_order(tmp_path: Path) -> None:
    count = 3_000
    rows = "".join(f"{n},100,1,100,{1_723_161_255_611 + n},True,True\n" for n in range(count))
    (tmp_path / "tape.csv").write_text(rows)
    config = {"tapes": {"ETHUSDT": tmp_path / "tape.csv"}, "speed": None, "hold": True}
    async with (
        running(**config) as simulation,
        api(simulation) as client,
        stream(simulation, "/ws/ethusdt@trade") as connection,
    ):
        await client.get("sim.play")
        assert [trade["t"] for trade in await hear_many(connection, count)] == list(range(1, count + 1))


async def test_a_walk_publishes_and_a_hold_stops_it() -> None:
    config = {"walks": {"ETHUSDT": parse_price("2683.80")}, "speed": Fraction(100), "seed": 3}
    async with (
        running(**config) as simulation,
        api(simulation) as client,
        stream(simulation, "/ws/ethusdt@trade") as connection,
    ):
        for _ in range(50):
            await hear(connection)
        await client.get("sim.hold")
        await client.get("sim.trade", symbol="ETHUSDT", price="1", quantity="1")
        while (await hear(connection))["p"] != "1.00000000":
            pass
        with trio.move_on_after(0.2):
            pytest.fail(f"{await connection.receive()} was published while held")


async def test_without_tape_and_walk_the_well_known_symbols_walk() -> None:
    async with running(fed=False, speed=Fraction(100)) as simulation:
        names = "/".join(f"{symbol.lower()}@trade" for symbol in ("BTCUSDT", "ETHUSDT", "PEPEUSDT"))
        async with stream(simulation, f"/stream?streams={names}") as connection:
            heard = set()
            while len(heard) < 3:
                heard.add((await hear(connection))["data"]["s"])


async def test_a_listed_symbol_without_a_tape_can_be_traded() -> None:
    async with running() as simulation, api(simulation) as client:
        placed = await client.get("order.place", **{**limit("BUY", "90000", "0.001"), "symbol": "BTCUSDT"})
        assert placed["status"] == "NEW"


async def test_a_program_can_list_more_symbols_and_feed_them() -> None:
    async with running(exchange_info={"symbols": [ETH.row]}) as simulation, api(simulation) as client:
        with pytest.raises(ApiError, match="Invalid symbol"):
            simulation.publish("NEWUSDT", parse_price("1"), parse_quantity("1"))
        simulation.list({**ETH.row, "symbol": "NEWUSDT", "baseAsset": "NEW"})
        simulation.publish("NEWUSDT", parse_price("1"), parse_quantity("1"))
        assert (await client.get("ticker.price", symbol="NEWUSDT"))["price"] == "1.00000000"
        with pytest.raises(SimulatorError, match="exchangeInfo"):
            simulation.list({"symbol": "X"})


async def test_what_a_full_disk_does_not_take_did_not_happen_and_happens_when_it_has_room(tmp_path: Path) -> None:
    config = {"ledger": tmp_path / "ledger.db", "no_limits": True}
    async with running(**config) as simulation, api(simulation) as client:

        def resize(pages: int) -> None:
            simulation._venue.exchange.ledger._db.execute(f"PRAGMA max_page_count = {pages}")

        async def seen() -> tuple[int, set[str], Any]:
            newest = (await client.get("trades.recent", symbol="ETHUSDT", limit=1))[-1]["id"]
            ledger = await client.get("sim.ledger")
            return newest, {order["status"] for order in ledger["orders"]}, ledger["balances"]

        feed(simulation, "2683.80")
        for number in range(100):
            await client.get("order.place", **limit("BUY", "2600", "0.01", newClientOrderId=f"{number}"))
        before = await seen()
        resize(1)
        for _ in range(3):
            feed(simulation, "2599")
        assert (await client.fail("sim.trade", symbol="ETHUSDT", price="2599", quantity="1"))[1] == -1000
        feed(simulation, "2650")
        newest, statuses, balances = await seen()
        assert (newest, statuses, balances) == (before[0] + 1, {"NEW"}, before[2])
        resize(1_000_000)
        feed(simulation, "2599")
        assert (await seen())[:2] == (newest + 100, {"FILLED"})


async def test_an_account_keeps_its_number_with_its_ledger(tmp_path: Path) -> None:
    numbers = []
    for ledger in (tmp_path / "a.db", tmp_path / "a.db", tmp_path / "b.db"):
        async with running(ledger=ledger) as simulation, api(simulation) as client:
            numbers.append((await client.get("account.status", **signed()))["uid"])
    assert numbers[0] == numbers[1] != numbers[2]


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"tapes": {"NOPE": Path("x.csv")}}, "NOPE is not a symbol"),
        ({"walks": {"NOPE": parse_price("1")}}, "NOPE is not a symbol"),
        ({"tapes": {"ETHUSDT": Path("missing.csv")}}, "missing.csv"),
        ({"exchange_info": Path("missing.json")}, "missing.json"),
        ({"ledger": Path("missing/ledger.db")}, "ledger"),
        ({"api_key": "k"}, "API key"),
        (
            {"tapes": {"ETHUSDT": Path("x.csv")}, "walks": {"ETHUSDT": parse_price("1")}},
            "both a tape and a random walk",
        ),
    ],
)
async def test_a_configuration_that_cannot_run_says_why(config: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SimulatorError, match=complaint):
        await simulate(SimulatorConfig(**config))


async def test_an_ipv6_address_is_told_as_a_url_that_naived_takes() -> None:
    async with trio.open_nursery() as nursery:
        simulation = await nursery.start(partial(simulate, SimulatorConfig(), host="::1"))
        assert simulation.url.startswith("ws://[::1]:")
        assert simulator_url(simulation.url) == simulation.url
        nursery.cancel_scope.cancel()


async def test_a_tape_that_breaks_on_the_way_ends_the_simulation(tmp_path: Path) -> None:
    (tmp_path / "tape.csv").write_text("1,100,1,100,1723161255611,True,True\nbroken\n")
    config = SimulatorConfig(tapes={"ETHUSDT": tmp_path / "tape.csv"})
    with pytest.RaisesGroup(pytest.RaisesExc(SimulatorError, match="line 2"), flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(simulate, config))


async def test_a_tape_is_silent_in_a_closed_market_and_ends_with_its_symbol() -> None:
    walks = {"ETHUSDT": parse_price("2683.80"), "BTCUSDT": parse_price("96000")}
    config = {"walks": walks, "fed": False, "speed": Fraction(50), "no_limits": True}
    async with running(**config) as simulation, api(simulation) as client:

        async def newest(symbol: str) -> int:
            rows = await client.get("trades.recent", symbol=symbol, limit=1)
            return rows[-1]["id"] if rows else 0

        async def later(symbol: str, than: int) -> None:
            with trio.fail_after(PATIENCE):
                while await newest(symbol) <= than:
                    pass

        await later("ETHUSDT", 0)
        await client.get("sim.rules", symbol="ETHUSDT", status="BREAK")
        closed = await newest("ETHUSDT")
        await later("BTCUSDT", await newest("BTCUSDT") + 10)
        assert await newest("ETHUSDT") == closed
        await client.get("sim.rules", symbol="ETHUSDT", status="TRADING")
        await later("ETHUSDT", closed)
        await client.get("sim.delist", symbol="ETHUSDT")
        await later("BTCUSDT", await newest("BTCUSDT") + 10)
        simulation.publish("ETHUSDT", parse_price("2683.80"), parse_quantity("1"))
        with pytest.raises(ApiError, match="-1121"):
            simulation.publish("NOPE", parse_price("2683.80"), parse_quantity("1"))


async def test_a_delisted_symbol_is_heard_no_more_and_cannot_be_listed_again() -> None:
    async with (
        running() as simulation,
        stream(simulation, "/stream?streams=ethusdt@trade/btcusdt@trade") as connection,
        api(simulation) as client,
    ):
        assert await ask(connection, "LIST_SUBSCRIPTIONS") == {
            "result": ["ethusdt@trade", "btcusdt@trade"],
            "id": 1,
        }
        await client.get("sim.delist", symbol="ETHUSDT")
        assert (await ask(connection, "LIST_SUBSCRIPTIONS"))["result"] == ["btcusdt@trade"]
        simulation.list(ETH.row)
        assert (await client.fail("exchangeInfo", symbol="ETHUSDT"))[1] == -1121
        assert (await ask(connection, "SUBSCRIBE", "ethusdt@trade"))["code"] == 2
