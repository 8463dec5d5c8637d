"""The live path from a frame's text, with 1 and with 1,000 symbols: a public trade, and an execution report.

The parts are those of the daemon, without a socket: what reads frames, the price gates, the engines, and the writer
of a real database. Symbols take turns, so that nothing of the one before is in the processor's caches.
"""

import itertools
import logging
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import msgspec
import structlog
import trio

from naived.app import App, Signing, assemble
from naived.binance.api import ApiConnection
from naived.binance.endpoint import simulator
from naived.binance.exchange import BinanceExchange
from naived.binance.session import UserSession
from naived.binance.signing import credentials
from naived.control.answers import Identity
from naived.core.amount import SCALE, Price, Quantity, format_wire
from naived.core.orders.state import OrderState
from naived.core.strategy.leader_events import Activated, Informed
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.settings import DesiredState, Status
from naived.core.strategy.trader_state import Selling
from naived.database.journal import open_journal
from naived.ports import Unit
from naived.runtime.symbol_task import run
from naived.websocket import connect
from tests.bench.worlds import orders, sellers, settings

_COUNTS = (1, 1_000)
_FRAMES = 100_000
_REPORTS = 400
_LIVING = 4  # of five chunks: the band has a lower bound


class _Noted:
    """The journal, and when the last commit was durable."""

    def __init__(self, journal: Any) -> None:
        self._journal = journal
        self.at = 0.0
        self.written = trio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def commit(self, unit: Unit) -> Any:
        over = await self._journal.commit(unit)
        self.at = time.perf_counter()
        self.written.set()
        self.written = trio.Event()
        return over


def measure() -> Iterator[str]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    for count in _COUNTS:
        with tempfile.TemporaryDirectory(prefix="naived-bench-") as directory:
            yield from trio.run(_measured, f"sqlite:///{Path(directory) / 'journal.db'}", count)


async def _measured(url: str, count: int) -> list[str]:
    async with _trading(url, count) as (app, journal, exchange):
        named = f"{count:,} symbol{'s' if count > 1 else ''}"
        inside = _trades(app, exchange)
        waits = await _reports(app, journal, exchange)
    return [
        f"{inside * 1e6:8.1f} us from a trade's frame to the gate's decision that nothing is to be done ({named})",
        f"{median(waits) * 1e6:8.1f} us from a report of a fill to its commit "
        f"(p99 {quantiles(waits, n=100)[98] * 1e6:.0f} us, {named})",
    ]


@asynccontextmanager
async def _trading(url: str, count: int) -> AsyncIterator[tuple[App, _Noted, BinanceExchange]]:
    """So many symbols, each with traders that sell and a task of its own."""
    async with open_journal(url) as real:
        leaders = {f"S{number:04}USDT": sellers(f"S{number:04}USDT", _LIVING) for number in range(count)}
        for name, leader in leaders.items():
            desired = DesiredState(settings(), Status.ON)
            rows = orders(leader, real.tag)
            await real.commit(Unit(name, desired, next_trader=_LIVING + 1, traders=leader.traders, orders=rows))
        journal = _Noted(real)
        exchange = BinanceExchange(simulator("ws://127.0.0.1:1"), credentials("key", "secret"))
        identity = Identity("0.1.0", "bench", 1, 0, "simulator", "ws://127.0.0.1:1", real.kind)
        signing = Signing(real.tag, real.epoch, 5_000, 60_000, None, os.urandom)
        app = await assemble(exchange, journal, identity, signing)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            for name, symbol in app.supervisor.symbols.items():
                _begin(symbol.offer, leaders[name])
                symbol.tended = True
                nursery.start_soon(run, symbol)
            for symbol in app.supervisor.symbols.values():
                await symbol.settle()
            yield app, journal, exchange
            nursery.cancel_scope.cancel()


def _begin(offer: Callable[..., object], leader: Leader) -> None:
    offer(Informed(leader.info, leader.fees))
    offer(Activated())


def _trades(app: App, exchange: BinanceExchange) -> float:
    """Seconds for each trade inside the band."""
    for name in app.supervisor.symbols:
        subscriptions = exchange._streams.want(name)
    take = partial(subscriptions._take, app.session, None, None)  # type: ignore[arg-type]
    frames = []
    for number, name in zip(range(1, _FRAMES + 1), itertools.cycle(app.supervisor.symbols), strict=False):
        low, high = app.supervisor.symbols[name].engine.band
        price = Price(low + low // 200)
        assert low < price < high
        frames.append(_trade_frame(name, number, price))
    began = time.perf_counter()
    for text in frames:
        take(text)
    took = (time.perf_counter() - began) / _FRAMES
    assert all(app.supervisor.symbols[name].gate.price == price for name in app.supervisor.symbols)
    return took


def _trade_frame(name: str, number: int, price: Price) -> str:
    now = int(time.time() * 1000)
    return (
        f'{{"stream":"{name.lower()}@trade","data":{{"e":"trade","E":{now},"s":"{name}","t":{number},'
        f'"p":"{format_wire(price)}","q":"0.00200000","T":{now},"m":true,"M":true}}}}'
    )


async def _reports(app: App, journal: _Noted, exchange: BinanceExchange) -> list[float]:
    """Seconds from each report of a part of a sell to its commit, one after the other."""
    session = UserSession(exchange._client, "", connect, app.session)
    api = ApiConnection(
        None,  # type: ignore[arg-type]
        on_answer=exchange._client.learn,
        on_event=partial(session._take_event, None),  # type: ignore[arg-type]
        on_unclaimed=session._take_unclaimed,
        on_garbled=exchange._client.refusals.add,
    )
    names, waits = itertools.cycle(app.supervisor.symbols), []
    for number in range(1, _REPORTS + 1):
        symbol = app.supervisor.symbols[next(names)]
        (order, *_) = [each for each in symbol.engine.numbered if each.intent.trader == 1]
        text = _report_frame(order, number)
        written, began = journal.written, time.perf_counter()
        api.take(text)
        await written.wait()
        waits.append(journal.at - began)
    assert isinstance(symbol.engine.leader.traders[0].phase, Selling)
    assert symbol.engine.leader.traders[0].phase.sold.quantity
    return waits


def _report_frame(order: OrderState, number: int) -> str:
    """One more least part of a sell was filled."""
    intent, now = order.intent, int(time.time() * 1000)
    part = Quantity(10**4)
    quote = format_wire(intent.price * part // SCALE)
    done = Quantity(order.executed + part)
    report = {
        **{"e": "executionReport", "E": now, "s": intent.symbol, "c": order.client_order_id, "S": "SELL"},
        **{"o": "LIMIT", "f": "GTC", "q": format_wire(intent.quantity), "p": format_wire(intent.price), "C": ""},
        **{
            "x": "TRADE",
            "X": "PARTIALLY_FILLED",
            "i": order.order_id,
            "l": format_wire(part),
            "z": format_wire(done),
        },
        **{"L": format_wire(intent.price), "n": "0.00000100", "N": "USDT", "T": now, "t": number, "m": True},
        **{"O": now, "Z": format_wire(intent.price * done // SCALE), "Y": quote, "w": True},
    }
    return msgspec.json.encode({"subscriptionId": 0, "event": report}).decode()
