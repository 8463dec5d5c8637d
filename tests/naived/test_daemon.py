"""The whole daemon: what it refuses to start with, how it ends, and which exchange it talks to."""

import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog
import trio

from naived import daemon
from naived.core.amount import parse_price, parse_quantity
from naived.process.config import ConfigError
from naived.process.lock import LockedError, locked
from naived.process.opening import opened
from naived.simulator.server import Simulation
from naived.websocket import WebSocket, connect
from tests.support.daemon import Document, configured, ended, naived, until
from tests.support.postgres import Server
from tests.support.simulator import Client, api, running

NEVER = {"buy_down": "0.15", "reprice": "0"}  # a buy that no walk of a test ever reaches
KEY, SECRET = "canary-key-0123456789", "canary-secret-0123456789"


@pytest.fixture(autouse=True)
def _file_limit() -> Iterator[None]:
    """Starting naived raises it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def manager(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """systemd's end of the notification socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(str(home / "notify"))
        inbox.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(home / "notify"))
        yield inbox


def publish(simulation: Simulation, price: str) -> None:
    simulation.publish("ETHUSDT", parse_price(price), parse_quantity("1"))


def keys(home: Path, secret: str = SECRET) -> dict[str, object]:
    """Options that name two key files."""
    for name, text in (("key", KEY), ("secret", secret)):
        (home / name).write_text(text)
        (home / name).chmod(0o600)
    return {"api_key_file": str(home / "key"), "api_secret_file": str(home / "secret")}


def journalled(home: Path) -> list[tuple[str, int | None, str]]:
    """Id, order id and state of every order in the journal."""
    with closing(sqlite3.connect(home / "simulator.db")) as journal:
        return journal.execute("SELECT client_order_id, order_id, state FROM orders").fetchall()


async def consumed(client: Client) -> bool:
    """Has the exchange met the fault that was armed?"""
    return bool((await client.get("sim.ledger"))["faults"])


# What it refuses to start with


def no_directory_for_the_database(home: Path) -> dict[str, object]:
    return {"database": f"sqlite:///{home}/absent/journal.db"}


def no_database(home: Path) -> dict[str, object]:
    (home / "notes.db").write_text("not a database at all\n" * 100)
    return {"database": f"sqlite:///{home}/notes.db"}


def an_unwilling_server(home: Path) -> dict[str, object]:
    return {"database": f"postgresql:///naived?host={home}"}


def a_server_whose_error_quotes_the_password(home: Path) -> dict[str, object]:
    return {"database": f"postgresql:///{SECRET}?host={home}&password={SECRET}"}


def a_socket_in_nowhere(home: Path) -> dict[str, object]:
    return {"socket": str(home / "absent" / "control.sock")}


def a_socket_where_others_write(home: Path) -> dict[str, object]:
    (home / "open").mkdir()
    (home / "open").chmod(0o777)
    return {"socket": str(home / "open" / "control.sock")}


def no_ledger(home: Path) -> dict[str, object]:
    (home / "simulator-ledger.db").write_text("not a database at all\n" * 100)
    return {}


def a_ledger_that_is_a_directory(home: Path) -> dict[str, object]:
    (home / "simulator-ledger.db").mkdir()
    return {}


def a_ledger_of_another_version(home: Path) -> dict[str, object]:
    with closing(sqlite3.connect(home / "simulator-ledger.db")) as database:
        database.execute("PRAGMA user_version = 99")
    return {}


def a_broken_ledger_for_paper(home: Path) -> dict[str, object]:
    (home / "paper-ledger.db").write_text("not a database at all\n" * 100)
    return {"exchange": "paper"}


def a_broken_private_key(home: Path) -> dict[str, object]:
    secret = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"
    return {"exchange": "testnet", **keys(home, secret)}


@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        (no_directory_for_the_database, 78, "absent/journal.db cannot be opened: No such file or directory"),
        (no_database, 78, "file is not a database"),
        (an_unwilling_server, 75, "then start naived again"),
        (a_server_whose_error_quotes_the_password, 75, "the PostgreSQL database '***'"),
        (no_ledger, 78, "simulator-ledger.db: file is not a database"),
        (a_ledger_that_is_a_directory, 78, "simulator-ledger.db: unable to open database file"),
        (a_ledger_of_another_version, 78, "simulator-ledger.db has version 99"),
        (a_broken_ledger_for_paper, 78, "paper-ledger.db: file is not a database"),
        (a_broken_private_key, 78, "the secret is not an unencrypted private key in PEM"),
    ],
)
async def test_what_it_cannot_run_with_is_named_on_one_line_and_in_the_exit_code(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    wrong: Callable[[Path], dict[str, object]],
    code: int,
    said: str,
) -> None:
    with structlog.testing.capture_logs():
        assert await ended(configured(home, **wrong(home))) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("naived: ")
    assert said in line
    assert SECRET not in line
    assert not (home / "control.sock").exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (a_socket_in_nowhere, "no directory for the control socket"),
        (a_socket_where_others_write, "others may write to"),
    ],
)
async def test_without_a_control_socket_nothing_is_opened(
    home: Path, wrong: Callable[[Path], dict[str, object]], said: str
) -> None:
    config = configured(home, **wrong(home))
    with pytest.raises(ConfigError, match=said):
        await ended(config)
    assert not (home / "simulator.db").exists()


async def test_a_postgresql_database_that_is_not_there_is_for_a_person_to_make(
    home: Path, postgres_server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = postgres_server.admin.set(drivername="postgresql", database="absent")
    config = configured(home, database=absent.render_as_string(hide_password=False))
    assert await ended(config) == 78
    assert "Check user, password, name and options in --database" in capsys.readouterr().err


async def test_a_home_that_another_naived_has_is_left_untouched(home: Path) -> None:
    with (
        locked(home),
        pytest.raises(LockedError, match=rf"another naived \(pid {os.getpid()}\) has the home {home}"),
    ):
        await ended(configured(home))
    assert os.listdir(home) == ["naived.lock"]


async def test_the_journal_of_another_account_ends_it_as_soon_as_the_exchange_says_who_we_are(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with naived(configured(home)) as first:
        await first.ready()
    (home / "simulator-ledger.db").unlink()
    assert await ended(configured(home)) == 78
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("naived: ")]
    assert line.startswith("naived: this database belongs to account ")


async def test_a_paper_journal_never_meets_another_exchange(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = {"database": f"sqlite:///{home}/journal.db"}
    async with naived(configured(home, exchange="paper", **journal)) as paper:
        await paper.ready()
    shutil.copyfile(home / "paper-ledger.db", home / "simulator-ledger.db")  # even with the account's number
    assert await ended(configured(home, **journal)) == 78
    assert "on paper, not to " in capsys.readouterr().err


# How it begins and ends


async def test_systemd_hears_how_it_is_from_the_first_answer_to_the_suspend(
    home: Path, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    said: list[bytes] = []

    def heard(line: bytes) -> bool:
        with suppress(BlockingIOError):
            while True:
                said.append(manager.recv(1000))
        return line in said

    async with naived(configured(home)) as running_:
        await running_.ready()
        await until(lambda: heard(b"STATUS=ready: no symbol"))
        await until(lambda: heard(b"WATCHDOG=1"))
        assert said[0] == b"READY=1"
        said.clear()
    heard(b"")
    [stop] = [line for line in said if line.startswith(b"STOPPING=1\nEXTEND_TIMEOUT_USEC=")]
    assert int(stop.split(b"\n")[1].partition(b"=")[2]) >= 9_000_000
    assert b"READY=1" not in said


async def test_systemd_hears_of_a_reload(home: Path, manager: socket.socket) -> None:
    told: list[bytes] = []

    def heard() -> list[bytes]:
        with suppress(BlockingIOError):
            while True:
                told.append(manager.recv(1000))
        return [line.split(b"\n")[0] for line in told if not line.startswith(b"STATUS=")]

    config = configured(home)
    async with trio.open_nursery() as nursery:
        with opened(config) as endpoint:
            nursery.start_soon(partial(daemon.run, config, endpoint, reread=lambda: config))
            await until(lambda: heard() == [b"READY=1"])
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: heard() == [b"READY=1", b"RELOADING=1", b"READY=1"])
            os.kill(os.getpid(), signal.SIGTERM)
            await until(lambda: heard()[-1] == b"STOPPING=1")


async def scraped(port: int) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return b"".join([piece async for piece in stream])


async def free_port() -> int:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port: int = listener.socket.getsockname()[1]
        return port


async def test_metrics_are_served_where_they_were_asked_for_and_move_with_a_reload(home: Path) -> None:
    first, second = await free_port(), await free_port()
    config = configured(home, metrics_listen=f"127.0.0.1:{first}")
    moved = configured(home, metrics_listen=f"localhost:{second}")

    async def answers(port: int) -> bool:
        with suppress(OSError):
            return b'naived_state{state="ready"} 1.0' in await scraped(port)
        return False

    async with trio.open_nursery() as nursery:
        with opened(config) as endpoint:
            nursery.start_soon(partial(daemon.run, config, endpoint, reread=lambda: moved))
            await until(partial(answers, first))
            os.kill(os.getpid(), signal.SIGHUP)
            await until(partial(answers, second))
            with pytest.raises(OSError, match=r"127\.0\.0\.1"):
                await scraped(first)
            os.kill(os.getpid(), signal.SIGTERM)


async def test_an_address_for_metrics_that_is_taken_is_78(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        assert await ended(configured(home, metrics_listen=f"127.0.0.1:{port}")) == 78
    assert f"cannot serve metrics at 127.0.0.1:{port}" in capsys.readouterr().err


async def test_it_may_have_as_many_files_as_the_system_allows(home: Path) -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    async with naived(configured(home)) as running_:
        await running_.ready()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_while_everything_is_being_opened_suspends_in_order(
    home: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = daemon.open_journal

    @asynccontextmanager
    async def interrupted(*arguments: Any, **more: Any) -> AsyncIterator[object]:
        os.kill(os.getpid(), number)
        async with opened(*arguments, **more) as journal:
            yield journal

    monkeypatch.setattr(daemon, "open_journal", interrupted)
    with structlog.testing.capture_logs() as records:
        assert await ended(configured(home)) == 0
    said = [each["event"] for each in records]
    assert said.index("suspending") < said.index("ready") < said.index("suspended")
    assert not (home / "control.sock").exists()


async def test_a_suspend_ends_control_first_then_awaits_the_answer_in_flight(home: Path) -> None:
    async with running() as simulation, api(simulation) as client:
        config = configured(home, exchange_url=simulation.url)
        async with naived(config) as first:
            await first.ready()
            assert (await first.do("start"))["state"] == "trading"
            await client.get("sim.fault", kind="late", method="order.place", seconds=1)
            publish(simulation, "2000")
            await until(partial(consumed, client))
            with structlog.testing.capture_logs() as records:
                os.kill(os.getpid(), signal.SIGTERM)
                await until(lambda: [record["event"] for record in records] == ["suspending"])
            late = await trio.open_unix_socket(str(config.socket))  # waits, and is told nothing
            assert first.code is None
            assert (await client.get("sim.ledger"))["orders"] == []
            assert await first.over() == 0
            assert not config.socket.exists()
            await late.aclose()
        (placed,) = (await client.get("sim.ledger"))["orders"]
        assert journalled(home) == [(placed["clientOrderId"], placed["orderId"], "open")]
        async with naived(config) as second:
            await second.ready()
            assert (await second.ask("status"))["symbols"][0]["status"] == "on"
            assert [order["state"] for order in await second.orders()] == ["open"]
        assert len((await client.get("sim.ledger"))["orders"]) == 1


async def test_whoever_asks_while_it_opens_its_journal_is_answered_once_it_has(home: Path) -> None:
    config = configured(home)
    async with naived(config) as first:
        await first.ready()
    with closing(sqlite3.connect(home / "simulator.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the new epoch has to wait
        async with naived(config) as second:
            await until(config.socket.exists)
            with trio.move_on_after(0.3) as early:
                await second.state()
            assert early.cancelled_caught
            other.rollback()
            assert (await second.state())["state"] in ("starting", "ready")


async def mute(_stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


@asynccontextmanager
async def hung_exchange() -> AsyncIterator[str]:
    """It takes connections and never says a word."""
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, mute, 0, host="127.0.0.1"))
        yield f"ws://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def absent_exchange() -> AsyncIterator[str]:
    async with hung_exchange() as url:
        pass
    yield url


@pytest.mark.parametrize("exchange", [hung_exchange, absent_exchange])
async def test_an_exchange_that_does_not_answer_holds_no_suspend_up(
    home: Path, exchange: Callable[[], AbstractAsyncContextManager[str]]
) -> None:
    async with exchange() as url, naived(configured(home, exchange_url=url)) as alone:
        await until(alone.config.socket.exists)
        with trio.move_on_after(1):
            await alone.ready()
        begun = trio.current_time()
        assert await alone.suspend() == 0
        assert trio.current_time() - begun < 3


async def test_an_answer_that_never_comes_is_awaited_for_seconds_only_and_the_exit_code_says_so(home: Path) -> None:
    async with running() as simulation, api(simulation) as client:
        async with naived(configured(home, exchange_url=simulation.url)) as alone:
            await alone.ready()
            await alone.do("start")
            await client.get("sim.fault", kind="silence", method="order.place", seconds=60)
            publish(simulation, "2000")
            await until(partial(consumed, client))
            begun = trio.current_time()
            assert await alone.suspend() == 1
            assert 3 < trio.current_time() - begun < 9
        (placed,) = (await client.get("sim.ledger"))["orders"]
        assert journalled(home) == [(placed["clientOrderId"], None, "intended")]
        async with naived(configured(home, exchange_url=simulation.url)) as again:
            await again.ready()
            await until(lambda: journalled(home) == [(placed["clientOrderId"], placed["orderId"], "open")])
        assert len((await client.get("sim.ledger"))["orders"]) == 1


CRASHING = """
import sys
from naived.cli.main import main
from naived.ports import JournalError
from naived.runtime.supervisor import Supervisor

async def crash(supervisor):
    raise {crash}

Supervisor.run = crash
sys.argv = ["naived", *sys.argv[1:]]
main()
"""


BUG = 'RuntimeError("a bug that quotes canary-secret-0123456789")'
LEAK = 'JournalError("nobody expected this and canary-secret-0123456789")'


@pytest.mark.parametrize(
    ("crash", "said"),
    [
        (BUG, ["a bug that quotes ***"]),
        (LEAK, ["nobody expected this and ***"]),
        (f'ExceptionGroup("both", [{LEAK}, {BUG}])', ["a bug that quotes ***", "nobody expected this and ***"]),
    ],
)
def test_a_crash_ends_it_with_one_record_that_says_where_and_no_secret(
    home: Path, crash: str, said: Sequence[str]
) -> None:
    options = [word for name, file in keys(home).items() for word in (f"--{name.replace('_', '-')}", str(file))]
    command = [
        sys.executable,
        "-c",
        CRASHING.format(crash=crash),
        "--home",
        str(home),
        "--log-format",
        "json",
        *options,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1
    assert [record["level"] for record in records if record["level"] != "info"] == ["critical"]
    (record,) = [record for record in records if record["level"] == "critical"]
    assert all(text in record["exception"] for text in ["in crash", *said])
    assert SECRET not in done.stderr
    assert not (home / "control.sock").exists()


# Which exchange it talks to


async def test_the_simulator_inside_keeps_its_account_and_what_rests(home: Path) -> None:
    async with naived(configured(home)) as first:
        await first.ready()
        assert (await first.do("start", **NEVER))["state"] == "trading"

        async def resting() -> list[Document]:
            return [order for order in await first.orders() if order["state"] == "open"]

        (before,) = await until(resting)
    async with naived(configured(home)) as second:
        await second.ready()
        assert (await second.do("wait", **{"for": "trading"}))["state"] == "trading"
        (after,) = await second.orders()
        assert (after["order_id"], after["state"]) == (before["order_id"], "open")
        assert (await second.do("stop", cancel="all"))["open_orders"] == []
        assert [order["state"] for order in await second.orders()] == ["cancelled"]


@pytest.mark.parametrize(
    ("exchange", "api_host", "stream_host"),
    [
        ("testnet", "ws-api.testnet.binance.vision", "stream.testnet.binance.vision"),
        ("demo", "demo-ws-api.binance.com", "demo-stream.binance.com"),
        ("binance", "ws-api.binance.com:443", "stream.binance.com:9443"),
    ],
)
async def test_a_real_exchange_differs_in_its_addresses_and_wants_keys_and_a_budget(
    home: Path, exchange: str, api_host: str, stream_host: str
) -> None:
    """Behind the addresses is a simulator that checks signatures; the network is never touched."""
    dialled: set[str] = set()
    async with running(api_key=KEY, api_secret=SECRET) as simulation:

        @asynccontextmanager
        async def dial(url: str) -> AsyncIterator[WebSocket]:
            dialled.add(url)
            async with connect(f"{simulation.url}{urlsplit(url).path}") as connection:
                yield connection

        config = configured(home, exchange=exchange, live=True, **keys(home))
        async with naived(config, dial) as running_:
            await running_.ready()
            state = await running_.state()
            assert (state["exchange"], state["exchange_url"]) == (exchange, f"wss://{api_host}/ws-api/v3")
            assert (await running_.do("start"))["error"]["kind"] == "not_configured"
            assert (await running_.do("start", budget="500"))["state"] == "trading"
    assert dialled == {f"wss://{api_host}/ws-api/v3", f"wss://{stream_host}/stream"}
    assert (home / f"{exchange}.db").exists()
