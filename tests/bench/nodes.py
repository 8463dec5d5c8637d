"""Several nodes on one PostgreSQL: what a lease costs a commit, how long a takeover takes, how symbols spread.

A server of its own, real programs but for the commits; nothing else should run on the machine.
"""

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace

from naivectl.client import call
from naived.core.amount import Money
from naived.core.orders.state import State
from naived.core.risk import Exposure
from naived.core.strategy.settings import Status
from naived.database import leases
from naived.database.deployment import enter
from naived.database.engine import Role, open_engine, parse_url
from naived.database.leases import Seat
from naived.database.schema import metadata
from naived.database.store import Store
from naived.nodes import Member
from naived.ports import Unit
from naived.simulator.symbols import RATE_LIMITS, built_in
from tests.acceptance.harness import Daemon, Exchange
from tests.support.database import SYMBOL, buying, desired, intent, order
from tests.support.postgres import Server, execute, running_server

_COMMITS = 400
_VALUE = 200 * 10**8  # of a buy
_KILLS = 20
_LEASE = 6  # seconds, for the takeovers
_FEW = ("ETHUSDT", "BTCUSDT", "SOLUSDT")
_MANY = 1_500  # symbols
_AT_ONCE = 100  # trades that are printed before their orders are awaited
_SETTLING = 2.0  # seconds for their orders
_PATIENCE = 1_800.0  # seconds
_GLANCE = 0.1  # seconds between two looks


# What a commit pays


def lease() -> Iterator[str]:
    with running_server() as server:
        for synced in (False, True):
            execute(
                server.admin.render_as_string(hide_password=False),
                f"ALTER SYSTEM SET fsync = {'on' if synced else 'off'}",
                "SELECT pg_reload_conf()",
            )
            with server.database() as alone, server.database() as shared:
                yield from _compared(_Commits(alone, None), _Commits(shared, "alpha"), synced=synced)


class _Commits:
    """Commits of a few symbols, of one naived or of a node."""

    def __init__(self, url: str, node: str | None) -> None:
        self._engine = open_engine(parse_url(url), Role.WRITE)
        metadata.create_all(self._engine)
        member = Member(node or "naived", "1.0", 3_600_000)
        entered = enter(self._engine, None, member, shared=node is not None)
        self._store = Store(self._engine, entered.epoch, node=node)
        self._epoch = 0
        self._worked = 0.0
        if node is not None:
            with self._engine.begin() as connection:
                seat = Seat(member, entered.epoch, lambda: 0)
                self._epoch = leases.claim(seat, connection, len(_FEW), _FEW)[SYMBOL]
        self._apply(*(Unit(symbol, desired(Status.ON), epoch=self._epoch) for symbol in _FEW))

    def _apply(self, *units: Unit) -> float:
        began, worked = time.perf_counter(), time.process_time()
        outcomes = self._store.apply(units)
        took = time.perf_counter() - began
        self._worked += time.process_time() - worked
        assert not any(outcomes), outcomes
        return took

    def processor(self) -> float:
        """Seconds of processor time so far, of the client's thread and the server's process."""
        with self._engine.connect() as connection:
            pid: int = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return self._worked + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def place(self, number: int) -> float:
        """A trader and the intent of its buy: a commit that places an order."""
        return self._apply(self._placed(number, SYMBOL))

    def buy(self, number: int) -> float:
        """The same as the runtime commits it: with what the symbol ties up; it looks for a limit of that."""
        exposure = Exposure("USDT", Money(number * _VALUE))
        return self._apply(replace(self._placed(_COMMITS + number, SYMBOL), exposure=exposure, prices={}))

    def place_together(self, number: int) -> float:
        """The first for each of a few symbols, in one group."""
        return self._apply(*(self._placed(2 * _COMMITS + number, symbol) for symbol in _FEW))

    def _placed(self, number: int, symbol: str) -> Unit:
        decided = order(intent(number, symbol=symbol))
        traders = (buying(number, symbol),)
        return Unit(symbol, traders=traders, orders=(decided,), epoch=self._epoch)

    def learn(self, number: int) -> float:
        """That the exchange has it."""
        known = order(intent(number), state=State.OPEN, order_id=number)
        traders = (buying(number),)
        return self._apply(Unit(SYMBOL, traders=traders, orders=(known,), epoch=self._epoch))

    def close(self) -> None:
        self._engine.dispose()


def _compared(alone: _Commits, shared: _Commits, *, synced: bool) -> Iterator[str]:
    """Each commit once without and once with a lease, in turns that change."""
    takes = {
        "places an order": _Commits.place,
        "learns something": _Commits.learn,
        "places a buy and what it ties up": _Commits.buy,
        f"places orders of {len(_FEW)} symbols": _Commits.place_together,
    }
    found: dict[str, list[tuple[float, float]]] = {what: [] for what in takes}
    for number in range(1, _COMMITS + 1):
        for what, take in takes.items():
            if number % 2:
                one, two = take(alone, number), take(shared, number)
            else:
                two, one = take(shared, number), take(alone, number)
            found[what].append((one, two))
    one, two = (each.processor() / (len(takes) * _COMMITS) for each in (alone, shared))
    alone.close()
    shared.close()
    disk = "syncs" if synced else "does not sync"
    for what, pairs in found.items():
        plain = median(one for one, _ in pairs)
        more = median(two - one for one, two in pairs)
        yield (
            f"{plain * 1e3:8.2f} ms a commit that {what}, to a server that {disk}; with a lease "
            f"{more * 1e6:+.0f} us, {more / plain:+.1%} (paired, median of {_COMMITS})"
        )
    yield f"{one * 1e3:8.2f} ms of processor time for each, of naived and server; with a lease {two / one - 1:+.1%}"


# How long a takeover takes


def takeover() -> Iterator[str]:
    """Again and again the node that has all symbols is killed, at any moment of its lease."""
    random = Random(1)
    owned, traded = [], []
    with tempfile.TemporaryDirectory(prefix="naived-bench-") as directory, ExitStack() as stack:
        home = Path(directory)
        exchange = _exchange(home, stack, _listed(home, _FEW, 1_000))
        server = stack.enter_context(running_server())
        url = stack.enter_context(server.database())
        options = ("--lease", f"{_LEASE}s", "--recv-window", "1s", "--grace", "2s")
        daemons = {name: _node(home / name, name, url, exchange, stack, *options) for name in ("alpha", "beta")}
        first, second = daemons
        daemons[first].start()
        daemons[first].ask("start", symbols=list(_FEW))
        for name in _FEW:
            exchange.trade("2000", name)
        held = _Held(url, stack)
        for _ in range(_KILLS):
            daemons[second].start()
            time.sleep(random.uniform(0, _LEASE))
            if held.by(first) < len(_FEW):  # a few were handed over for the balance
                daemons[first].ask("nodes", drain=second)
                _until(lambda first=first: held.by(first) == len(_FEW))  # type: ignore[misc]
                daemons[first].ask("nodes", undrain=second)
            began = time.monotonic()
            daemons[first].end(signal.SIGKILL)
            _until(lambda second=second: held.by(second) == len(_FEW))  # type: ignore[misc]
            owned.append(time.monotonic() - began)
            _until(partial(_trades, daemons[second], _FEW))
            traded.append(time.monotonic() - began)
            first, second = second, first
    yield _line(owned, f"until the other node has all symbols (lease {_LEASE} s, {_KILLS} kills)")
    yield _line(traded, "until it trades them")


def _line(times: list[float], what: str) -> str:
    return f"{median(times):8.2f} s {what}; p99 {quantiles(times, n=100, method='inclusive')[98]:.2f} s"


# How many symbols spread


def spread(symbols: int = _MANY) -> Iterator[str]:
    """Two nodes at one address, with the default lease; after the start with the exchange's usual limits."""
    names = [f"S{number:04}USDT" for number in range(symbols)]
    with tempfile.TemporaryDirectory(prefix="naived-bench-") as directory, ExitStack() as stack:
        home = Path(directory)
        exchange = _exchange(home, stack, _listed(home, names, 100), "--balance", "USDT=10000000")
        server: Server = stack.enter_context(running_server())
        url = stack.enter_context(server.database())
        first, second = (_node(home / name, name, url, exchange, stack) for name in ("alpha", "beta"))
        first.start()
        began = time.monotonic()
        waiting = names
        while waiting:  # what the database did not answer in time is asked again
            results = _ask(first, "start", symbols=waiting, timeout="none")["results"]
            waiting = [entry["symbol"] for entry in results if entry["error"] is not None]
        yield f"{time.monotonic() - began:8.1f} s to start {symbols} symbols on one node"
        while waiting := sorted(set(names) - {order["symbol"] for order in exchange.orders()}):
            for name in waiting[:_AT_ONCE]:
                exchange.trade("2000", name)
            time.sleep(_SETTLING)
        placed = len(exchange.orders())
        exchange.end(signal.SIGTERM)
        exchange.start("--exchange-info", str(_listed(home, names, 1)))
        second.start()
        held = _Held(url, stack)
        began = time.monotonic()
        _until(lambda: held.by("beta") >= symbols // 2 - symbols // 40 - 1)
        yield f"{time.monotonic() - began:8.1f} s until another node has {held.by('beta')} of them"
        _until(partial(_trades, first, names))
        moved = held.by("alpha")
        began = time.monotonic()
        first.end(signal.SIGKILL)
        _until(lambda: held.by("beta") == symbols)
        yield f"{time.monotonic() - began:8.1f} s from a kill until the other node has the {moved} of the dead one"
        _until(partial(_trades, second, names))
        yield f"{time.monotonic() - began:8.1f} s until it trades all {symbols}"
        assert len(exchange.orders()) == placed, "nothing is placed twice"


# What they share


class _Held:
    """Who has symbols, by the database's clock."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._engine = open_engine(parse_url(url), Role.READ)
        stack.callback(self._engine.dispose)

    def by(self, node: str) -> int:
        question = "SELECT count(*) FROM leases WHERE node = :node AND until > clock_timestamp()"
        with self._engine.connect() as connection:
            return int(connection.execute(sa.text(question), {"node": node}).scalar_one())


def _exchange(home: Path, stack: ExitStack, info: Path, *options: str) -> Exchange:
    exchange = Exchange(home, "--exchange-info", str(info), *options)
    stack.callback(exchange.end)
    exchange.start()
    return exchange


def _listed(home: Path, names: tuple[str, ...] | list[str], times: int) -> Path:
    """The exchange's listing of these symbols, with its usual limits so many times over."""
    info = built_in()
    (row,) = [row for row in info["symbols"] if row["symbol"] == "ETHUSDT"]
    info["symbols"] = [{**row, "symbol": name, "baseAsset": name.removesuffix("USDT")} for name in names]
    info["rateLimits"] = [{**limit, "limit": limit["limit"] * times} for limit in RATE_LIMITS]
    path = home / f"listing-{times}.json"
    path.write_text(json.dumps(info))
    return path


def _node(home: Path, name: str, url: str, exchange: Exchange, stack: ExitStack, *options: str) -> Daemon:
    home.mkdir()
    daemon = Daemon(home, "--exchange-url", exchange.url, "--database", url, "--node", name, *options)
    stack.callback(daemon.end)
    return daemon


def _trades(daemon: Daemon, names: tuple[str, ...] | list[str]) -> bool:
    return all(row["state"] == "trading" for row in _ask(daemon, "status", symbols=list(names))["symbols"])


def _ask(daemon: Daemon, method: str, /, **params: object) -> Any:
    """However long the answer takes."""
    return call([str(daemon.home / "control.sock")], method, params, None)


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {_PATIENCE} s")
        time.sleep(_GLANCE)
