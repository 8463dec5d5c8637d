"""Memory of 500 symbols with five selling traders each, and of the same process without them."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_SYMBOLS = 500

_CHILD = """
import os, sys, trio
from pathlib import Path
from naived.database.journal import open_journal
from naived.ports import Unit
from naived.core.strategy.settings import DesiredState, Status
from naived.core.strategy.trader_state import Directed
from naived.runtime.symbol_task import run
from naived.app import Signing, assemble
from naived.control.answers import Identity
from naived.binance.exchange import BinanceExchange
from naived.binance.endpoint import simulator
from naived.binance.signing import credentials
from tests.bench.worlds import orders, sellers, settings

def resident():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])

async def main(url, count):
    async with open_journal(url) as journal:
        for number in range(count):
            name = f"S{number:03}USDT"
            leader = sellers(name)
            await journal.commit(Unit(name, DesiredState(settings(), Status.OFF), next_trader=6,
                traders=leader.traders, orders=orders(leader, journal.tag)))
        before = resident()
        exchange = BinanceExchange(simulator("ws://127.0.0.1:1"), credentials("key", "secret"))
        identity = Identity("0.1.0", "bench", 1, 0, "simulator", "ws://127.0.0.1:1", journal.kind)
        signing = Signing(journal.tag, journal.epoch, 5000, 60000, None, os.urandom)
        app = await assemble(exchange, journal, identity, signing)
        async with trio.open_nursery() as nursery:
            for symbol in app.supervisor.symbols.values():
                symbol.offer(Directed(DesiredState(settings(), Status.ON)))
                symbol.tended = True
                nursery.start_soon(run, symbol)
            await trio.testing.wait_all_tasks_blocked()
            print(resident())
            nursery.cancel_scope.cancel()

import trio.testing
trio.run(main, sys.argv[1], int(sys.argv[2]))
"""


def measure() -> Iterator[str]:
    few, many = _resident(1), _resident(_SYMBOLS)
    yield f"{many / 1024:8.1f} MB resident with {_SYMBOLS} symbols, 2500 traders and open orders, a task each"
    yield f"{few / 1024:8.1f} MB with one symbol"
    yield f"{(many - few) / (_SYMBOLS - 1):8.1f} kB a symbol"


def _resident(symbols: int) -> int:
    with tempfile.TemporaryDirectory(prefix="naived-bench-") as directory:
        url = f"sqlite:///{Path(directory) / 'journal.db'}"
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, url, str(symbols)], check=True, capture_output=True, text=True
        )
    return int(done.stdout)
