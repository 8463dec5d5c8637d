"""Recovery after kill -9: 500 symbols with 2,500 open orders, against an exchange that enforces its rate limits.

Real programs throughout. The state is traded into, on an exchange that allows any pace; then naived is killed, a
part of its orders is filled while it is down, the exchange begins to enforce its usual limits, naived starts again.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import trio

from naivectl.client import Failure, call
from naived.simulator.symbols import RATE_LIMITS, built_in
from naived.websocket import WebSocket, connect
from tests.acceptance.harness import Daemon, Exchange, Program
from tests.bench.tap import Tap

_SYMBOLS = 500
_LADDER = ("2000", "1987", "1974", "1961", "1948", "1940")  # each fills the buy above it and starts the next trader
_OFFER = "1956"  # fills the lowest sell of a symbol
_FILLED = 10  # every tenth symbol has an order filled while naived is down
_AT_ONCE = 20  # symbols that trade into their state together: below the buys' share of any queue
_PATIENCE = 1800.0  # seconds
_GLANCE = 0.02  # seconds between two looks
_MINUTE = 60  # seconds: the window of the request weight


def measure() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="naived-bench-") as directory, ExitStack() as stack:
        home = Path(directory)
        began = time.monotonic()
        _trade_into(home, _listed(home / "lavish.json", 100), stack)
        yield f"{time.monotonic() - began:8.1f} s to trade into {_SYMBOLS} symbols with 2500 open orders, unlimited"
        exchange = Exchange(home, "--exchange-info", str(_listed(home / "usual.json", 1)))
        stack.callback(exchange.end)
        exchange.start()
        trio.run(_fill_some, exchange.url)
        found = trio.run(_recovered, home, exchange)
    yield from found.lines()


def _names() -> list[str]:
    return [f"S{number:03}USDT" for number in range(_SYMBOLS)]


def _listed(path: Path, times: int) -> Path:
    """The exchange's listing of our symbols, with its usual limits so many times over."""
    info = built_in()
    (row,) = [row for row in info["symbols"] if row["symbol"] == "ETHUSDT"]
    info["symbols"] = [{**row, "symbol": name, "baseAsset": name.removesuffix("USDT")} for name in _names()]
    info["rateLimits"] = [{**limit, "limit": limit["limit"] * times} for limit in RATE_LIMITS]
    path.write_text(json.dumps(info))
    return path


def _trade_into(home: Path, info: Path, stack: ExitStack) -> None:
    exchange = Exchange(home, "--exchange-info", str(info), "--no-limits", "--balance", "USDT=10000000")
    stack.callback(exchange.end)
    exchange.start()
    daemon = Daemon(home, "--exchange-url", exchange.url)
    stack.callback(daemon.end)
    daemon.start()
    call(_socket(home), "start", {"symbols": _names(), "timeout": "none"}, None)
    trio.run(_climb_down, exchange.url, daemon)
    daemon.end(signal.SIGKILL)
    exchange.end(signal.SIGTERM)


async def _climb_down(url: str, daemon: Daemon) -> None:
    names = _names()
    async with connect(f"{url}/ws-api/v3") as hand:
        for some in (names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE)):
            for price in _LADDER:
                for name in some:
                    await _print(hand, name, price)
                await _until(partial(_settled, daemon, some))
    selling = [len(entry["traders"]) for entry in daemon.ask("status", symbols=names)["symbols"]]
    assert selling == [len(_LADDER) - 1] * _SYMBOLS, selling


def _settled(daemon: Daemon, names: list[str]) -> bool:
    traders = [t for entry in daemon.ask("status", symbols=names)["symbols"] for t in entry["traders"]]
    legs = [leg for trader in traders for leg in (trader["buy"], trader["sell"]) if leg]
    return not any(leg["state"] in ("not_placed", "intended", "unknown") for leg in legs)


async def _fill_some(url: str) -> None:
    async with connect(f"{url}/ws-api/v3") as hand:
        for name in _names()[::_FILLED]:
            await _print(hand, name, _OFFER)


async def _print(hand: WebSocket, symbol: str, price: str) -> None:
    """Have the simulator print one trade."""
    params = {"symbol": symbol, "price": price, "quantity": "1"}
    await hand.send(msgspec.json.encode({"id": 1, "method": "sim.trade", "params": params}).decode())
    await hand.receive()


@dataclass(frozen=True, slots=True)
class _Recovery:
    """Seconds since the start of the process, what it asked, and the processor time it took."""

    answers: float
    ready: float
    trading: float
    known: float
    processor: float
    began_at: float  # wall clock
    tap: Tap

    def lines(self) -> Iterator[str]:
        yield f"{self.answers:8.2f} s until the control socket answers"
        yield f"{self.ready:8.2f} s until ready"
        yield f"{self.trading:8.2f} s until all {_SYMBOLS} symbols trade"
        yield f"{self.known:8.2f} s until the fate of all orders is known, {_SYMBOLS // _FILLED} filled meanwhile"
        yield f"{self.processor:8.2f} s of processor time"
        limit = next(row["limit"] for row in RATE_LIMITS if row["rateLimitType"] == "REQUEST_WEIGHT")
        total = self.tap.weight.total()
        yield f"{total:8} request weight, of {limit} a minute; refused for asking too much: {self.tap.refused}"
        for method, weight in self.tap.weight.most_common():
            yield f"{weight:8} by {self.tap.requests[method]} {method}"
        windows = -(-total // limit)
        bound = 0.0 if windows < 2 else _MINUTE - self.began_at % _MINUTE + (windows - 2) * _MINUTE
        yield f"{bound:8.2f} s is what the limits alone ask for"


async def _recovered(home: Path, exchange: Exchange) -> _Recovery:
    tap = Tap(exchange.url)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(tap.run)
        daemon = Daemon(home, "--exchange-url", f"ws://127.0.0.1:{port}")
        try:
            began_at, began = time.time(), time.monotonic()
            program = daemon.launch()
            times = []
            for done in (_answers, _ready, _trading, partial(_known, exchange)):
                await _until(partial(done, home))
                times.append(time.monotonic() - began)
            found = _Recovery(*times, _processor(program), began_at, tap)
        finally:
            await trio.to_thread.run_sync(daemon.end)
        nursery.cancel_scope.cancel()
    return found


async def _until(done: Callable[[], bool]) -> None:
    """Asked from another thread, lest the tap should stand still."""
    deadline = time.monotonic() + _PATIENCE
    while not await trio.to_thread.run_sync(done):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {_PATIENCE} s: {done}")
        await trio.sleep(_GLANCE)


def _answers(home: Path) -> bool:
    try:
        call(_socket(home), "hello", {})
    except Failure:
        return False
    return True


def _ready(home: Path) -> bool:
    return bool(call(_socket(home), "hello", {})["state"] == "ready")


def _trading(home: Path) -> bool:
    """One question that the daemon answers when it is so: looking again and again would cost it more than that."""
    params = {"symbols": _names(), "for": "trading", "timeout": "none"}
    results = call(_socket(home), "wait", params, None)["results"]
    failed = [entry for entry in results if entry["error"] is not None]
    assert not failed, failed[0]
    return True


def _known(exchange: Exchange, home: Path) -> bool:
    """Do journal and ledger agree on what rests, and is nothing unknown?"""
    ours: list[Any] = call(_socket(home), "orders", {"symbols": []}, None)["orders"]
    theirs = exchange.orders(open_only=True)
    resting = {order["client_order_id"] for order in ours if order["state"] in ("open", "partially_filled")}
    open_there = {order["clientOrderId"] for order in theirs}
    return resting == open_there and not any(order["state"] in ("intended", "unknown") for order in ours)


def _socket(home: Path) -> list[str]:
    return [str(home / "control.sock")]


def _processor(program: Program) -> float:
    """Seconds of processor time that a running program has taken so far."""
    if sys.platform == "linux":
        fields = Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    listed = subprocess.run(
        ["ps", "-o", "time=", "-p", str(program.pid)], capture_output=True, text=True, check=True
    )
    minutes, _, seconds = listed.stdout.strip().rpartition(":")
    return float(minutes or 0) * _MINUTE + float(seconds)
