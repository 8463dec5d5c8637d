"""The exchange, the database, the disk or a client goes away or wrong: naived says so, waits, and goes on."""

import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.acceptance import books
from tests.acceptance.harness import SYMBOL, Daemon, Exchange, until
from tests.support.postgres import Server, execute

FUNDS = Decimal(100000)  # USDT, the simulator's default


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_naived_starts_without_its_exchange_and_recovers_when_it_appears(
    home: Path, simulate: Callable[..., Exchange], naived: Callable[..., Daemon]
) -> None:
    address = f"127.0.0.1:{free_port()}"
    daemon = naived("--exchange-url", f"ws://{address}")
    daemon.launch()
    until(lambda: daemon.state == "degraded")
    assert daemon.ctl("start", SYMBOL, "--timeout", "1s").code == 75
    simulate("--listen", address)
    until(lambda: daemon.state == "ready")
    assert daemon.do("start", SYMBOL).result["state"] == "trading"


def test_an_exchange_that_dies_and_returns_finds_its_orders_looked_after(
    daemon: Daemon, exchange: Exchange, home: Path
) -> None:
    daemon.do("start", SYMBOL)
    exchange.trade("2000")
    daemon.reaches("buying")
    exchange.trade("1987")
    daemon.reaches("selling", "buying")
    exchange.end(signal.SIGKILL)
    until(lambda: daemon.symbol()["state"] == "degraded")
    assert daemon.ctl("is-trading", SYMBOL).code == 3
    exchange.start()
    exchange.trade("1980")  # fills the buy, perhaps before naived is back
    daemon.do("wait", SYMBOL, "--for", "trading")
    daemon.reaches("selling", "selling")
    exchange.trade("2005")
    until(lambda: daemon.symbol()["cycles"] == 2)
    books.agree(exchange, daemon, f"sqlite:///{home}/simulator.db", SYMBOL, FUNDS)


def test_the_journal_of_another_account_is_refused(
    exchange: Exchange, daemon: Daemon, home: Path, naived: Callable[..., Daemon]
) -> None:
    daemon.suspend()
    exchange.end()
    exchange.start("--ledger", str(home / "another.db"))
    program = daemon.launch()
    assert program.ended() == 78
    assert "this database belongs to account" in daemon.log


@contextmanager
def closed(database: str, server: Server) -> Iterator[None]:
    """A PostgreSQL database that throws everybody out and lets nobody in."""
    name = make_url(database).database
    admin = server.admin.set(drivername="postgresql").render_as_string(hide_password=False)
    execute(
        admin,
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'",
    )
    try:
        yield
    finally:
        execute(admin, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def test_a_postgresql_that_goes_away_in_the_middle_costs_nothing_but_time(
    exchange: Exchange, naived: Callable[..., Daemon], postgres_url: str, postgres_server: Server
) -> None:
    daemon = naived("--exchange-url", exchange.url, "--database", postgres_url)
    daemon.start()
    daemon.do("start", SYMBOL)
    exchange.trade("2000")
    daemon.reaches("buying")
    with closed(postgres_url, postgres_server):
        exchange.trade("1987")
        until(lambda: daemon.symbol()["state"] == "degraded")
        assert daemon.state == "degraded"
        assert daemon.ctl("orders").code == 75
        assert daemon.ctl("stop", SYMBOL, "--timeout", "1s").code == 75
        exchange.trade("1970")
        assert len(exchange.orders()) == 1
    daemon.do("wait", SYMBOL, "--for", "trading")
    daemon.reaches("selling")
    exchange.trade("2005")
    until(lambda: daemon.symbol()["cycles"] == 1)
    books.agree(exchange, daemon, postgres_url, SYMBOL, FUNDS)


def file_size_limit(pid: int, most: int) -> None:
    """No file of the process may grow beyond this: to SQLite a full disk."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
def test_a_full_disk_stops_new_orders_until_there_is_room_again(
    daemon: Daemon, exchange: Exchange, home: Path
) -> None:
    daemon.do("start", SYMBOL)
    exchange.trade("2000")
    daemon.reaches("buying")
    file_size_limit(daemon.pid, 1)
    exchange.trade("1987")
    until(lambda: daemon.symbol()["state"] == "degraded")
    assert daemon.ctl("stop", SYMBOL, "--timeout", "1s").code == 75
    exchange.trade("1970")
    assert len(exchange.orders()) == 1
    file_size_limit(daemon.pid, resource.RLIM_INFINITY)
    daemon.do("wait", SYMBOL, "--for", "trading")
    daemon.reaches("selling")
    exchange.trade("2005")
    until(lambda: daemon.symbol()["cycles"] == 1)
    books.agree(exchange, daemon, f"sqlite:///{home}/simulator.db", SYMBOL, FUNDS)


def test_garbage_on_the_control_socket_hurts_nobody(daemon: Daemon, home: Path) -> None:
    for garbage in (
        b"\n",
        b"\x00\xff\xfe" * 1000 + b"\n",
        b"[" * 50_000 + b"\n",
        b'{"jsonrpc":"2.0"}\n',
        b"GET / HTTP",
    ):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(home / "control.sock"))
            client.sendall(garbage)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(home / "control.sock"))
        client.sendall(os.urandom(70 * 1024))
    assert daemon.do("ping").document["pid"] == daemon.pid
