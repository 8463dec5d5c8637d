"""A server that hangs, and says nothing of it: stopped behind a Unix socket, or behind a way that loses bytes."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
import sqlalchemy as sa

from naived.database import engine as engine_module
from naived.database.engine import PATIENCE, Role, open_engine, parse_url
from tests.support.postgres import Server
from tests.support.postgres_proxy import Proxy, proxied

PROMPTLY = 5.0  # seconds: far more than these patiences, far less than for ever

NOT_OURS = pytest.mark.skipif("NAIVED_TEST_POSTGRES" in os.environ, reason="the server's processes are not ours")


@pytest.fixture
def proxy(postgres_server: Server) -> Iterator[Proxy]:
    with proxied(postgres_server.admin) as proxy:
        yield proxy


@contextlib.contextmanager
def opened(url: str, role: Role = Role.READ, patience: float = PATIENCE) -> Iterator[sa.Engine]:
    engine = open_engine(parse_url(url), role, patience=patience)
    try:
        yield engine
    finally:
        engine.dispose()


@contextlib.contextmanager
def at_last(act: Callable[[], object]) -> Iterator[None]:
    """Whoever still waits by then shall fail and not hang."""
    timer = threading.Timer(2 * PROMPTLY, act)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        with at_last(lambda: os.kill(pid, signal.SIGCONT)):
            yield
    finally:
        os.kill(pid, signal.SIGCONT)


def asked(connection: sa.Connection, question: str = "SELECT 1") -> int:
    answer: int = connection.exec_driver_sql(question).scalar_one()
    return answer


@NOT_OURS
def test_a_stopped_server_on_a_unix_socket_is_waited_for_no_longer_than_patience(postgres_url: str) -> None:
    with opened(postgres_url, patience=0.2) as engine, engine.connect() as connection:
        begun = time.monotonic()
        with stopped(asked(connection, "SELECT pg_backend_pid()")):
            with pytest.raises(sa.exc.OperationalError, match="the server has not answered for 0 s") as caught:
                asked(connection)
            assert time.monotonic() - begun < PROMPTLY
        assert caught.value.connection_invalidated
        connection.rollback()
        assert asked(connection) == 1  # on a new one


def test_bytes_that_vanish_are_waited_for_no_longer_than_patience(postgres_url: str, proxy: Proxy) -> None:
    with opened(proxy.url(postgres_url), patience=0.2) as engine, engine.connect() as connection:
        assert asked(connection) == 1
        connection.rollback()  # the server would end a transaction that says nothing
        proxy.swallow()
        begun = time.monotonic()
        with at_last(proxy.sever), pytest.raises(sa.exc.OperationalError, match="has not answered"):
            asked(connection)
        assert time.monotonic() - begun < PROMPTLY
        connection.rollback()
        proxy.heal()
        assert asked(connection) == 1


def test_each_question_is_waited_for_anew(postgres_url: str) -> None:
    with opened(postgres_url, patience=0.5) as engine, engine.connect() as connection:
        for _ in range(3):
            assert asked(connection, "SELECT 7 FROM pg_sleep(0.2)") == 7


def test_a_migration_takes_the_time_it_needs(postgres_url: str) -> None:
    with opened(postgres_url, Role.MIGRATE, 0.1) as engine, engine.connect() as connection:
        assert asked(connection, "SELECT 7 FROM pg_sleep(0.4)") == 7


def test_an_error_of_the_server_is_heard_as_it_is(postgres_url: str) -> None:
    with opened(postgres_url) as engine, engine.connect() as connection:
        with pytest.raises(sa.exc.DataError, match="division by zero"):
            asked(connection, "SELECT 1 / 0")
        connection.rollback()
        assert asked(connection) == 1


def test_a_listener_that_says_nothing_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that was stopped as a whole: its kernel goes on taking connections."""
    monkeypatch.setattr(engine_module, "_CONNECT_TIMEOUT", 2)  # seconds, the least there is
    with socket.create_server(("127.0.0.1", 0)) as listener:
        begun = time.monotonic()
        with (
            opened(f"postgresql://me@127.0.0.1:{listener.getsockname()[1]}/db") as engine,
            pytest.raises(sa.exc.OperationalError, match="timeout"),
        ):
            engine.connect()
        assert time.monotonic() - begun < PROMPTLY


def test_a_tcp_connection_that_loses_its_server_ends_by_itself(postgres_url: str, proxy: Proxy) -> None:
    """What the kernel was told, not what the connection was asked for: without a cable nobody can see it work."""
    with opened(proxy.url(postgres_url)) as engine, engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        with socket.socket(fileno=os.dup(driver.fileno())) as end:
            assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                options = ("TCP_USER_TIMEOUT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
                found = [end.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in options]
                assert found == [10_000, 10, 3, 3]
