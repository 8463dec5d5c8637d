"""``status`` of 500 symbols with five traders each, watched by real clients: how long others wait for the loop."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles

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

_SYMBOLS = 500
_WATCHERS = 10
_SECONDS = 10.0
_LOOK = 0.002  # seconds between two looks of whoever else uses the loop


def measure() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="naived-bench-") as directory:
        for trades, what in ((0, "nothing happens"), (1, "one symbol has trades"), (_SYMBOLS, "all have trades")):
            lags, processor = trio.run(_watched, Path(directory), trades)
            p99 = quantiles(lags, n=100)[98] * 1000
            yield (
                f"{max(lags) * 1000:8.1f} ms the loop was held at most, p99 {p99:.1f} ms, "
                f"{processor / _SECONDS:.1%} of a core: {_WATCHERS} watchers, {what}"
            )


async def _watched(home: Path, trades: int) -> tuple[list[float], float]:
    """For how long the loop was held between two looks, and the processor time of all, both in seconds."""
    async with open_journal(f"sqlite:///{home / 'simulator.db'}") as journal:
        exchange = BinanceExchange(simulator("ws://127.0.0.1:1"), credentials("key", "secret"))
        identity = Identity("0", "bench", 1, 0, "simulator", "ws://127.0.0.1:1", journal.kind)
        app = await assemble(
            exchange, journal, identity, Signing(journal.tag, journal.epoch, 5_000, 60_000, None, bytes)
        )
        app.supervisor.load([_record(f"S{number:03}USDT", journal.tag) for number in range(_SYMBOLS)])
        symbols = list(app.supervisor.symbols.values())
        for symbol in symbols:
            symbol.offer(Informed(sellers(symbol.name).info, sellers(symbol.name).fees))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_alone, Endpoint(home / "control.sock"), METHODS, app.service)
            nursery.start_soon(_trade, symbols[:trades])
            with ExitStack() as clients:
                for _ in range(_WATCHERS):
                    command = naivectl(home, "--jsonl", "status", "--live")
                    client = clients.enter_context(
                        subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: ASYNC220 - before it is measured
                    )
                    clients.callback(client.terminate)
                await trio.sleep(3)  # until all of them watch
                began = time.process_time()
                lags = await _lags()
                processor = time.process_time() - began
            nursery.cancel_scope.cancel()
    return lags, processor


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
