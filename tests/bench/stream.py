"""Ordinary trades per second through the socket, against a loop that does nothing but receive, on the same library.

Another process plays frames that it made before, as fast as the socket takes them: it is not the limit. An ordinary
trade is new, believed, and inside its symbol's band.
"""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from statistics import median

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection as FrameConnection
from wsproto.events import AcceptConnection, Message, Request

from naived.binance.refusals import Refusals
from naived.binance.streams import Streams
from naived.core.amount import Price
from naived.core.orders.report import Report
from naived.runtime.price_gate import PriceGates
from naived.websocket import connect

_NAME = "ETHUSDT"
_FRAMES = 100_000
_RUNS = 5
_READ = 65_536
_TIME = 1_700_000_000_000  # ms


class _Counting:
    """A sink that counts trades on their way into the feed, and says when all have come."""

    def __init__(self) -> None:
        self.all = trio.Event()
        self._trades = 0
        self._feed = PriceGates()
        self._feed.gate(_NAME)

    def trade(self, symbol: str, trade_id: int, price: Price, quantity: str, time: int) -> None:
        self._trades += 1
        self._feed.trade(symbol, trade_id, price, quantity, time)
        if self._trades == _FRAMES:
            self.all.set()

    def lost(self, symbol: str, why: str | None) -> None: ...

    def report(self, report: Report) -> None: ...

    def opened(self) -> None: ...

    def closed(self, reason: str) -> None: ...


def measure() -> Iterator[str]:
    with _player() as url:
        pairs = [(trio.run(_bare, url), trio.run(_through_streams, url)) for _ in range(_RUNS)]
    yield f"{median(bare for bare, _ in pairs):12,.0f} frames/s received by a loop that does nothing else"
    yield f"{median(all_ for _, all_ in pairs):12,.0f} trades/s through the socket and the feed, inside the band"
    yield f"{median(all_ / bare for bare, all_ in pairs):12.0%} of the bare loop (median of {_RUNS} pairs)"


async def _bare(url: str) -> float:
    async with connect(url) as connection:
        await connection.send(json.dumps({"method": "SUBSCRIBE", "params": [], "id": 1}))
        await connection.receive()  # the answer
        began = time.perf_counter()
        for _ in range(_FRAMES):
            await connection.receive()
        return _FRAMES / (time.perf_counter() - began)


async def _through_streams(url: str) -> float:
    counting = _Counting()
    streams = Streams(url, connect, lambda: 0.0, Refusals(lambda: _TIME), lambda: 2 * _TIME)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(streams.run, counting)
        await streams.watch(_NAME)
        began = time.perf_counter()
        await counting.all.wait()
        rate = _FRAMES / (time.perf_counter() - began)
        nursery.cancel_scope.cancel()
    return rate


@contextmanager
def _player() -> Iterator[str]:
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_play, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"ws://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _play(told: Pipe) -> None:
    """Play all frames to everybody who subscribes, behind the answer."""
    made = FrameConnection(ConnectionType.SERVER)
    tape = b"".join(made.send(Message(_frame(number))) for number in range(1, _FRAMES + 1))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        told.send(listener.getsockname()[1])
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, tape), daemon=True).start()


def _frame(number: int) -> str:
    trade = {
        "e": "trade",
        "E": _TIME + number,
        "s": _NAME,
        "t": number,
        "p": f"268{number % 7}.81000000",
        "q": "0.01230000",
        "T": _TIME + number,
        "m": bool(number % 2),
        "M": True,
    }
    return json.dumps({"stream": f"{_NAME.lower()}@trade", "data": trade}, separators=(",", ":"))


def _serve(client: socket.socket, tape: bytes) -> None:
    connection = WSConnection(ConnectionType.SERVER)
    with client, suppress(ConnectionError):
        while data := client.recv(_READ):
            connection.receive_data(data)
            for event in connection.events():
                if isinstance(event, Request):
                    client.sendall(connection.send(AcceptConnection()))
                elif isinstance(event, Message):
                    answer = {"result": None, "id": json.loads(event.data)["id"]}
                    client.sendall(connection.send(Message(json.dumps(answer))) + tape)
