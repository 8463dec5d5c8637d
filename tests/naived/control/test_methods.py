"""The table of methods: what each takes and answers, paging, what fails for one symbol alone."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from naived.control.caller import Caller
from naived.control.channel import Channel
from naived.control.endpoint import Endpoint
from naived.control.methods import METHODS
from naived.control.protocol import ControlError
from naived.control.requests import Request
from naived.core.orders.intent import Side
from naived.core.orders.state import State
from tests.support.control import serve_alone
from tests.support.runtime import Naived, World


async def one_cycle(naived: Naived) -> None:
    await naived.start()
    await naived.trade("2000", "1990", "2100")


async def test_a_status_has_exactly_what_is_promised(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000", "1990", "1980")
        document = await naived.call("status")
        buy, sell = world.exchange.open(side=Side.BUY)[0], world.exchange.open(side=Side.SELL)[0]
        bought = world.exchange.orders()[0]
        assert document == {
            "v": 1,
            "daemon": {
                "version": "0.1.0",
                "pid": 4711,
                "started_at": "2023-11-14T22:13:20.000Z",
                "exchange": "simulator",
                "exchange_url": "ws://127.0.0.1:1",
                "database": "sqlite",
                "state": "ready",
                "reason": None,
                "exchange_state": "up",
                "halt": None,
                "node": "localhost",
                "uptime_s": 0,
            },
            "symbols": [
                {
                    "symbol": "ETHUSDT",
                    "status": "on",
                    "state": "trading",
                    "reason": None,
                    "next_step": None,
                    "halt": None,
                    "chunks": 5,
                    "budget": "1000",
                    "last_price": "1980",
                    "last_trade_at": document["symbols"][0]["last_trade_at"],
                    "cycles": 0,
                    "realized_profit": "0",
                    "profit_today": "0",
                    "base": "ETH",
                    "quote": "USDT",
                    "tick": "0.01",
                    "held": "0.0999",
                    "held_cost": "199.98",
                    "tied_up": "199.9598",
                    "leftover": [],
                    "unrealized_profit": "-2.375802",
                    "traders": [
                        {
                            "id": "ETHUSDT-1",
                            "phase": "selling",
                            "reason": None,
                            "since": document["symbols"][0]["traders"][0]["since"],
                            "rebuy_notified": True,
                            "buy": {
                                "client_order_id": bought.client_order_id,
                                "order_id": 1,
                                "price": "1999.8",
                                "quantity": "0.1",
                                "executed": "0.1",
                                "state": "filled",
                            },
                            "sell": {
                                "client_order_id": sell.client_order_id,
                                "order_id": 2,
                                "price": "2005.81",
                                "quantity": "0.0999",
                                "executed": "0",
                                "state": "open",
                            },
                        },
                        {
                            "id": "ETHUSDT-2",
                            "phase": "buying",
                            "reason": None,
                            "since": document["symbols"][0]["traders"][1]["since"],
                            "rebuy_notified": False,
                            "buy": {
                                "client_order_id": buy.client_order_id,
                                "order_id": 3,
                                "price": "1979.8",
                                "quantity": "0.101",
                                "executed": "0",
                                "state": "open",
                            },
                            "sell": None,
                        },
                    ],
                    "node": "localhost",
                    "as_of": document["symbols"][0]["as_of"],
                }
            ],
        }


async def test_a_status_of_some_symbols_is_answered_whatever_they_are(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        both = await naived.call("status")
        assert [symbol["symbol"] for symbol in both["symbols"]] == ["BTCUSDT", "ETHUSDT"]
        one = await naived.call("status", "ethusdt")
        assert [symbol["symbol"] for symbol in one["symbols"]] == ["ETHUSDT"]
        stranger, known = (await naived.call("status", "NOPEUSDT", "ETHUSDT"))["symbols"]
        assert stranger.keys() == known.keys()
        assert (stranger["symbol"], stranger["status"], stranger["state"]) == ("NOPEUSDT", "off", "off")
        assert (stranger["reason"], stranger["chunks"], stranger["budget"]) == ("never configured", 5, "1000")


async def test_hello_says_who_answers(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        assert await naived.call("hello", proto=1) == {
            "v": 1,
            "proto": 1,
            "min_proto": 1,
            "caps": sorted(METHODS),
            "server": "0.1.0",
            "instance_id": "instance",
            "pid": 4711,
            "state": "starting",
            "db": "sqlite",
            "started_at": "2023-11-14T22:13:20.000Z",
        }


async def test_what_fails_for_one_symbol_does_not_fail_for_others(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        document = await naived.call("start", "NOPEUSDT", "ETHUSDT")
        nope, eth = document["results"]
        assert (nope["symbol"], nope["error"]["kind"]) == ("NOPEUSDT", "unknown_symbol")
        assert nope["error"]["hint"] == "a symbol is base and quote asset in one word, such as ETHUSDT"
        assert (eth["symbol"], eth["state"], eth["error"]) == ("ETHUSDT", "trading", None)


@pytest.mark.parametrize("name", ["", "A B", "\x1b[2J", "\uff25\uff34\uff28USDT", "A" * 33])
@pytest.mark.parametrize("method", ["start", "stop", "shutdown", "settings", "wait"])
async def test_what_is_no_name_fails_alone_and_never_reaches_the_exchange(
    world: World, clock: MockClock, method: str, name: str
) -> None:
    async with world.naived() as naived:
        await naived.start()
        asked = world.exchange.asked.count("symbols")
        params = {"for": "trading"} if method == "wait" else {}
        none, eth = (await naived.call(method, name, "ETHUSDT", **params))["results"]
        assert (none["symbol"], none["status"], none["error"]["kind"]) == (name, None, "unknown_symbol")
        assert none["error"]["message"] == f"{name[:32]!a} is not a symbol"
        assert none["error"]["hint"] == "a symbol is base and quote asset in one word, such as ETHUSDT"
        assert eth["error"] is None
        assert world.exchange.asked.count("symbols") == asked


async def test_a_status_of_what_is_no_name_is_answered(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        for name in ("", "ETH USDT"):
            (row,) = (await naived.call("status", name))["symbols"]
            assert (row["symbol"], row["status"], row["state"]) == (name, "off", "off")


async def test_all_means_every_configured_symbol(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT")
        document = await naived.call("stop", all=True)
        assert [(result["symbol"], result["state"]) for result in document["results"]] == [
            ("BTCUSDT", "off"),
            ("ETHUSDT", "off"),
        ]


async def test_nothing_is_changed_while_it_suspends(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.service.suspending = True
        with pytest.raises(ControlError) as caught:
            await naived.call("stop", "ETHUSDT")
        assert (caught.value.code.kind, caught.value.code.exit) == ("suspending", 75)


async def test_orders_are_shown_as_the_journal_has_them(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await one_cycle(naived)
        buy, sell = await naived.orders()
        for order in (buy, sell):
            order.pop("client_order_id")
            assert order.pop("fence_at") < order["updated_at"].replace(":20.", ":25.")
            assert order.pop("created_at") <= order.pop("updated_at")
        assert buy == {
            "symbol": "ETHUSDT",
            "trader": "ETHUSDT-1",
            "side": "buy",
            "order_id": 1,
            "price": "1999.8",
            "quantity": "0.1",
            "executed": "0.1",
            "state": "filled",
            "reason": None,
        }
        assert (sell["side"], sell["executed"], sell["state"]) == ("sell", "0.0999", "filled")


async def test_trades_are_finished_cycles_with_profit_after_fees(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await one_cycle(naived)
        (trade,) = (await naived.call("trades", "ETHUSDT"))["trades"]
        assert trade.pop("started_at") < trade.pop("finished_at")
        assert trade == {
            "symbol": "ETHUSDT",
            "trader": "ETHUSDT-1",
            "bought": "0.1",
            "buy_price": "1999.8",
            "sold": "0.0999",
            "sell_price": "2005.81",
            "fees": {"ETH": "0.0001", "USDT": "0.20038042"},
            "fees_valued": "0",
            "profit": "0.20003858",
        }


async def test_events_say_what_happened_once_it_is_durable(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await one_cycle(naived)
        events = (await naived.call("events", "ETHUSDT"))["events"]
        kinds = ["desired", "placed", "filled", "placed", "filled", "finished"]
        assert [event["kind"] for event in events] == kinds
        buy, sell = world.exchange.orders()
        assert [event["message"] for event in events[2:]] == [
            f"ETHUSDT-1: buy 0.1 at 1999.8 ({buy.client_order_id}, order 1)",
            f"ETHUSDT-1: sell 0.0999 at 2005.81 ({sell.client_order_id}, order 2)",
            f"ETHUSDT-1: sell 0.0999 at 2005.81 ({sell.client_order_id}, order 2)",
            "ETHUSDT-1: profit 0.20003858 USDT",
        ]
        assert [event["kind"] for event in naived.events.after(0, 10)] == kinds
        naived.journal.away = True
        await naived.trade("2100", "2090")
        assert len(naived.events.after(0, 10)) == len(kinds)


async def test_rows_come_in_pages_oldest_first(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("naived.control.methods.MAX_ROWS", 3)
    async with world.naived() as naived:
        await naived.start()
        for _ in range(4):
            await naived.trade("2000", "1990", "3000")
        whole = [(order["trader"], order["side"]) for order in await all_orders(naived)]
        assert whole == [(f"ETHUSDT-{number}", side) for number in range(1, 5) for side in ("buy", "sell")]
        newest = await naived.call("orders", limit=2)
        assert ([order["side"] for order in newest["orders"]], newest["next"]) == (["buy", "sell"], None)
        assert newest["orders"][0]["trader"] == "ETHUSDT-4"
        many = await naived.call("orders", limit=5)  # more than one document holds: its oldest first
        assert [order["trader"] for order in many["orders"]] == ["ETHUSDT-2", "ETHUSDT-3", "ETHUSDT-3"]
        rest = await naived.call("orders", after=many["next"], limit=2)
        assert [order["trader"] for order in rest["orders"]] == ["ETHUSDT-4", "ETHUSDT-4"]
        since = (await naived.orders())[2]["created_at"]
        later = await naived.call("orders", since=since, after=0)
        assert later["orders"][0]["created_at"] == since


async def all_orders(naived: Naived) -> list[dict[str, str]]:
    orders: list[dict[str, str]] = []
    after = 0
    while after is not None:
        page = await naived.call("orders", after=after)
        assert len(page["orders"]) <= 3
        orders += page["orders"]
        after = page["next"]
    return orders


async def test_who_follows_names_what_is_listed_and_needs_no_database(world: World, clock: MockClock) -> None:
    stream = METHODS["events"].stream
    assert stream is not None
    ours, theirs = trio.socket.socketpair()
    channel = Channel(trio.SocketStream(ours))

    async def follow(*names: str) -> None:
        params = {"follow": True, "limit": None, "after_seq": None, "symbols": names}
        with trio.move_on_after(1):
            await stream(naived.service, channel, Request(1, "events", params), Caller())

    async with world.naived() as naived:
        naived.journal.away = True
        await follow("ETHUSDT", "BTCUSDT")
        for name in ("NOPEUSDT", "A B"):
            with pytest.raises(ControlError) as stranger:
                await follow("ETHUSDT", name)
            assert (stranger.value.code.kind, stranger.value.symbol) == ("unknown_symbol", name)
    ours.close()
    theirs.close()


@pytest.mark.parametrize("method", ["orders", "trades", "events"])
async def test_rows_need_the_database_and_a_known_symbol(world: World, clock: MockClock, method: str) -> None:
    async with world.naived() as naived:
        with pytest.raises(ControlError) as stranger:
            await naived.call(method, "NOPEUSDT")
        assert stranger.value.code.kind == "unknown_symbol"
        assert (await naived.call(method, "ETHUSDT"))[method] == []
        naived.journal.away = True
        with pytest.raises(ControlError) as away:
            await naived.call(method)
        assert (away.value.code.kind, away.value.code.exit) == ("database_unavailable", 75)


def test_every_method_of_the_contract_is_there_and_no_other() -> None:
    contract = (
        "hello status watch start stop shutdown settings orders trades events wait resolve forget explain "
        "why metrics halt resume limits nodes"
    )
    assert sorted(METHODS) == sorted(contract.split())


def test_what_changes_something_is_marked() -> None:
    assert {name for name, method in METHODS.items() if method.changes({"budget": "5"})} == {
        "start",
        "stop",
        "shutdown",
        "settings",
        "resolve",
        "forget",
        "halt",
        "resume",
    }
    assert not METHODS["settings"].changes({"symbols": ("ETHUSDT",)})


async def test_every_method_of_the_protocol_is_answered(world: World, clock: MockClock) -> None:
    needed: dict[str, dict[str, object]] = {
        "wait": {"for": "off"},
        "resolve": {"action": "adopt", "all": True},
    }
    async with world.naived() as naived:
        await naived.start()
        for method in sorted(METHODS.keys() - {"watch", "status", "forget", "why"}):
            symbols = () if method in ("hello", "metrics", "limits", "nodes") else ("ETHUSDT",)
            document = await naived.call(method, *symbols, **needed.get(method, {}))
            assert not any(result["error"] for result in document.get("results", ()))


async def test_every_state_of_an_order_has_its_word_in_the_contract(world: World, clock: MockClock) -> None:
    promised = (
        "intended unknown open partially_filled filled cancelled expired rejected not_placed abandoned quarantined"
    )
    assert {str(state) for state in State} == set(promised.split())


async def test_hundreds_of_clients_that_wait_and_vanish_keep_nobody_out(
    world: World, clock: MockClock, home: Path
) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "shutdown", "params": {"symbols": ["ETHUSDT"], "wait": True}}
    path = home / "control.sock"

    async def ask(method: str, **params: object) -> dict[str, Any]:
        with trio.fail_after(60):
            async with await trio.open_unix_socket(str(path)) as stream:
                await stream.send_all(json.dumps({**request, "method": method, "params": params}).encode() + b"\n")
                answer = b""
                while not answer.endswith(b"\n"):
                    answer += await stream.receive_some()
        document: dict[str, Any] = json.loads(answer)
        return document

    async with world.naived() as naived, trio.open_nursery() as nursery:
        await naived.start()
        await naived.trade("2000", "1990")  # bought: it drains only when that is sold
        nursery.start_soon(serve_alone, Endpoint(path), METHODS, naived.service)
        half_closed = await trio.open_unix_socket(str(path))
        await half_closed.send_all(json.dumps(request).encode() + b"\n")
        await half_closed.send_eof()
        for _ in range(6):  # more in all than the connections that one user may have
            for _ in range(100):
                async with await trio.open_unix_socket(str(path)) as stream:
                    await stream.send_all(json.dumps(request).encode() + b"\n")
            await trio.sleep(2)
        for method, params in (("hello", {}), ("status", {}), ("settings", {"symbols": ["ETHUSDT"]})):
            assert "result" in await ask(method, **params)
        assert naived.state() == "draining"
        await naived.trade("3000")
        answer = json.loads(await half_closed.receive_some())
        assert answer["result"]["results"][0]["state"] == "off"
        assert "result" in await ask("stop", symbols=["ETHUSDT"])
        await half_closed.aclose()
        nursery.cancel_scope.cancel()
