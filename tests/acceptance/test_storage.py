"""What can become of a database under a daemon that trades: nothing new is placed, it is told, and nothing is lost.

Each fault hits the commit of a fill. What a full disk and a server that ends all sessions do stands in
`test_outages.py`, a suspend meanwhile in `test_suspend.py`.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance import books
from tests.acceptance.harness import SYMBOL, Daemon, Exchange, until
from tests.support.postgres import Server
from tests.support.postgres_proxy import Cut, Proxy, proxied

FUNDS = Decimal(100000)  # USDT, the simulator's default
TOLD = 15.0  # seconds until a database that hangs is told
AT_ONCE = 1.0  # seconds: from memory
DOCKER_KILLS = 10.0  # seconds after its SIGTERM


@pytest.fixture
def proxy(postgres_server: Server) -> Iterator[Proxy]:
    with proxied(postgres_server.admin) as proxy:
        yield proxy


def buying(daemon: Daemon, exchange: Exchange) -> None:
    """One buy rests, at a price that 1995 fills."""
    daemon.do("start", SYMBOL)
    exchange.trade("2000")
    daemon.reaches("buying")


def states(daemon: Daemon) -> tuple[str, str]:
    """The daemon's and the symbol's, at one moment."""
    status = daemon.ask("status", symbols=[SYMBOL])
    return status["daemon"]["state"], status["symbols"][0]["state"]


def told(daemon: Daemon, reason: str) -> None:
    """Symbol and daemon say that they are degraded, and why; wait for it."""
    until(lambda: states(daemon) == ("degraded", "degraded"), TOLD)
    begun = time.monotonic()
    assert reason in (daemon.symbol()["reason"] or "")
    assert time.monotonic() - begun < 2 * AT_ONCE


def sold(daemon: Daemon, exchange: Exchange, cycles: int) -> None:
    """It trades again, knows of the fill it could not write down, and sells what that bought."""
    daemon.do("wait", SYMBOL, "--for", "trading")
    daemon.reaches("selling")
    exchange.trade("2005")
    until(lambda: daemon.symbol()["cycles"] == cycles)


def test_a_connection_that_is_cut_at_its_commit_or_loses_its_bytes_costs_nothing_but_time(
    exchange: Exchange, naived: Callable[..., Daemon], postgres_url: str, proxy: Proxy
) -> None:
    daemon = naived("--exchange-url", exchange.url, "--database", proxy.url(postgres_url))
    daemon.start()
    buying(daemon, exchange)
    proxy.cut(Cut.AFTER)
    exchange.trade("1995")
    daemon.reaches("selling")  # it was written, as reading it back has shown
    proxy.cut(Cut.BEFORE)
    exchange.trade("2005")
    # The server is there again at once, so that the daemon is well; the symbol rests for two seconds.
    until(lambda: "the database did not take the change" in (daemon.symbol()["reason"] or ""), TOLD)
    until(lambda: daemon.symbol()["cycles"] == 1)
    assert proxy.commits_cut == 2

    daemon.do("wait", SYMBOL, "--for", "trading")

    def buys() -> bool:
        exchange.trade("2000")  # once more where the first buy was not written in time to be sent
        return daemon.does("buying")

    until(buys)
    placed = len(exchange.orders())
    proxy.swallow()
    exchange.trade("1995")
    told(daemon, "the database does not answer")
    questions = (["orders"], ["trades"], ["stop", SYMBOL, "--timeout", "1s"], ["settings", SYMBOL, "--chunks", "4"])
    with ThreadPoolExecutor(len(questions)) as people:
        answers = people.map(lambda words: daemon.ctl(*words).code, questions)
        exchange.trade("1970")
        told(daemon, "database")
        assert list(answers) == [75] * len(questions)
    assert len(exchange.orders()) == placed
    proxy.heal()
    sold(daemon, exchange, cycles=2)
    books.agree(exchange, daemon, postgres_url, SYMBOL, FUNDS)


def test_an_sqlite_file_that_another_program_locks_costs_nothing_but_time(
    exchange: Exchange, daemon: Daemon, home: Path
) -> None:
    buying(daemon, exchange)
    with closing(sqlite3.connect(home / "simulator.db", isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        exchange.trade("1995")
        told(daemon, "database")
        assert daemon.ctl("stop", SYMBOL, "--timeout", "1s").code == 75
        assert daemon.ctl("orders").code == 0  # whoever reads is not kept out
        exchange.trade("1970")
        assert len(exchange.orders()) == 1
    daemon.do("start", SYMBOL)  # the stop may be stored once the file is free
    sold(daemon, exchange, cycles=1)
    books.agree(exchange, daemon, f"sqlite:///{home}/simulator.db", SYMBOL, FUNDS)


def test_an_sqlite_file_that_is_moved_or_replaced_is_not_written_behind(
    exchange: Exchange, daemon: Daemon, home: Path
) -> None:
    path = home / "simulator.db"
    buying(daemon, exchange)
    path.rename(home / "away.db")
    exchange.trade("1995")
    told(daemon, "simulator.db was replaced, moved or deleted")
    assert daemon.ctl("orders").code == 75
    assert daemon.ctl("stop", SYMBOL, "--timeout", "1s").code == 75
    exchange.trade("1970")
    assert len(exchange.orders()) == 1
    assert not path.exists()
    (home / "away.db").rename(path)
    sold(daemon, exchange, cycles=1)

    daemon.do("wait", SYMBOL, "--for", "trading")
    exchange.trade("2000")
    daemon.reaches("buying")
    with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(home / "copy.db")) as copy:
        live.backup(copy)
    (home / "copy.db").replace(path)
    for log in ("simulator.db-wal", "simulator.db-shm"):
        (home / log).unlink()
    exchange.trade("1995")
    told(daemon, "start naived again to go on with what is there")
    begun = time.monotonic()
    assert daemon.suspend() == 0
    assert time.monotonic() - begun < DOCKER_KILLS
    daemon.start()
    sold(daemon, exchange, cycles=2)
    books.agree(exchange, daemon, f"sqlite:///{path}", SYMBOL, FUNDS)
