"""``status`` of 1,500 symbols with five traders each, watched by real clients: how long others wait."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles

import trio

from naived.app import Signing, assemble
from naived.binance.endpoint import simulator
from naived.binance.exchange import BinanceExchange
from naived.binance.signing import credentials
from naived.control.answers import Identity
from naived.control.endpoint import Endpoint
from naived.control.methods import METHODS
from naived.core.amount import Price, parse_price
from naived.core.strategy.formulas import NO_COINS
from naived.core.strategy.leader_events import Informed
from naived.core.strategy.settings import DesiredState, Status
from naived.database.journal import open_journal
from naived.ports import SymbolRecord
from naived.runtime.symbol_task import Symbol
from tests.bench.programs import naivectl
from tests.bench.worlds import orders, sellers, settings
from tests.support.control import serve_alone

_SYMBOLS = 1_500
_WATCHERS = 10, 50
_SECONDS = 10.0
_ASKED = 50  # times, by one more client that does nothing else
_LOOK = 0.002  # seconds between two looks of whoever else uses the loop

_ASKER = """
import socket, sys, time
asking = socket.socket(socket.AF_UNIX)
asking.connect(sys.argv[1])
answers = asking.makefile("rb")
for _ in range(int(sys.argv[2])):
    began = time.perf_counter()
    asking.sendall(b'{"jsonrpc":"2.0","id":1,"method":"status","params":{}}\\n')
    answers.readline()
    print(time.perf_counter() - began)
    time.sleep(0.1)
"""


def measure() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="naived-bench-") as directory:
        for watchers in _WATCHERS:
            for trades, what in ((0, "nothing happens"), (_SYMBOLS, "all have trades")):
                lags, asked, processor = trio.run(_watched, Path(directory), watchers, trades)
                yield (
                    f"{max(lags) * 1000:8.1f} ms the loop was held at most, p99 {_p99(lags) * 1000:.1f} ms, "
                    f"{processor / _SECONDS:.1%} of a core; status {median(asked) * 1000:.0f} ms, p99 "
                    f"{_p99(asked) * 1000:.0f} ms: {_SYMBOLS:,} symbols, {watchers} watchers, {what}"
                )


def _p99(times: list[float]) -> float:
    return quantiles(times, n=100)[98]


async def _watched(home: Path, watchers: int, trades: int) -> tuple[list[float], list[float], float]:
    """How long the loop was held between looks, how long ``status`` took, and the processor time, in seconds."""
    async with open_journal(f"sqlite:///{home / 'simulator.db'}") as journal:
        exchange = BinanceExchange(simulator("ws://127.0.0.1:1"), credentials("key", "secret"))
        identity = Identity("0", "bench", 1, 0, "simulator", "ws://127.0.0.1:1", journal.kind)
        app = await assemble(
            exchange, journal, identity, Signing(journal.tag, journal.epoch, 5_000, 60_000, None, bytes)
        )
        app.supervisor.load([_record(f"S{number:04}USDT", journal.tag) for number in range(_SYMBOLS)])
        symbols = list(app.supervisor.symbols.values())
        for symbol in symbols:
            symbol.offer(Informed(sellers(symbol.name).info, sellers(symbol.name).fees))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_alone, Endpoint(home / "control.sock"), METHODS, app.service)
            nursery.start_soon(_trade, symbols[:trades])
            with ExitStack() as clients:
                for _ in range(watchers):
                    command = naivectl(home, "--jsonl", "status", "--live")
                    client = clients.enter_context(
                        subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: ASYNC220 - before it is measured
                    )
                    clients.callback(client.terminate)
                await trio.sleep(0.3 * watchers)  # until all of them watch
                began = time.process_time()
                lags = await _lags()
                processor = time.process_time() - began
                asker = [sys.executable, "-c", _ASKER, str(home / "control.sock"), str(_ASKED)]
                asked = await trio.run_process(asker, capture_stdout=True)
            nursery.cancel_scope.cancel()
    return lags, list(map(float, asked.stdout.split())), processor


def _record(name: str, tag: str) -> SymbolRecord:
    leader = sellers(name)
    desired = DesiredState(settings(), Status.OFF, False)
    return SymbolRecord(
        name, desired, 6, (), NO_COINS, leader.traders, orders(leader, tag), 0, settings().budget or 0
    )


async def _trade(symbols: list[Symbol]) -> None:
    price, number = parse_price("2683.53"), 0
    while True:
        number += 1
        for symbol in symbols:
            symbol.gate.check.believes(Price(price + number % 100), number)
        await trio.sleep(0.1)


async def _lags() -> list[float]:
    """In time of this thread: what other processes take of the machine is not counted."""
    lags = []
    end = trio.current_time() + _SECONDS
    while trio.current_time() < end:
        before = time.thread_time()
        await trio.sleep(_LOOK)
        lags.append(time.thread_time() - before)
    return lags
