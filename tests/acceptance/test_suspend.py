"""SIGTERM while something hangs: naived is gone within seconds all the same, and loses nothing."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.acceptance import books
from tests.acceptance.harness import SYMBOL, Daemon, Exchange, until
from tests.support.postgres import Server

FUNDS = Decimal(100000)  # USDT, the simulator's default
DOCKER_KILLS = 10.0  # seconds after its SIGTERM


@contextmanager
def hung(database: str, server: Server) -> Iterator[None]:
    """A PostgreSQL that keeps its connections to naived and never answers on them."""
    admin = server.admin.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(admin, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name = 'naived'",
            [make_url(database).database],
        ).fetchall()
    assert rows
    for (pid,) in rows:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for (pid,) in rows:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@pytest.mark.skipif("NAIVED_TEST_POSTGRES" in os.environ, reason="the server's processes are not ours to stop")
def test_a_database_that_hangs_holds_a_suspend_up_for_seconds_only(
    exchange: Exchange, naived: Callable[..., Daemon], postgres_url: str, postgres_server: Server
) -> None:
    daemon = naived("--exchange-url", exchange.url, "--database", postgres_url)
    daemon.start()
    daemon.do("start", SYMBOL)
    exchange.trade("2000")
    daemon.reaches("buying")
    with hung(postgres_url, postgres_server):
        exchange.trade("1987")  # its fill waits for a commit that never ends
        until(daemon.unsettled)
        begun = time.monotonic()
        assert daemon.suspend() == 1
        assert time.monotonic() - begun < DOCKER_KILLS
        assert "something hangs" in daemon.log
    daemon.start()
    daemon.do("wait", SYMBOL, "--for", "trading")
    daemon.reaches("selling")
    exchange.trade("2005")
    until(lambda: daemon.symbol()["cycles"] == 1)
    books.agree(exchange, daemon, postgres_url, SYMBOL, FUNDS)
