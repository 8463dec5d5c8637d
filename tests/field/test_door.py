"""What a machine and a service manager do to the programs: starts, files, configuration, many symbols at once."""

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance import books
from tests.acceptance.harness import SYMBOL, Daemon, Exchange, Finished, Program, environment, until
from tests.support import forks

PROGRAMS = Path(sys.executable).parent
FUNDS = "100000"  # USDT, the simulator's default
AT_ONCE = 9.0  # seconds, on a machine that is busy with other tests; a verb that waits takes 10 at least
NOBODY = 54321  # a user id without an entry among the users
# It may read what root may: our Python may be in a directory of root's.
AS_NOBODY = (
    *("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"),
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
)


def run(*words: object, **variables: str) -> Finished:
    """``naived`` with these words, to its end."""
    done = forks.run(
        "naived", *map(str, words), timeout=60, stdin=subprocess.DEVNULL, env=environment() | variables
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Finished(done)


def refused(done: Finished, *said: str) -> None:
    """The configuration is refused on one line that says this."""
    assert done.code == 78, (done.code, done.err)
    (line,) = [line for line in done.err.splitlines() if line.startswith("naived: ")]
    for each in said:
        assert each in line


def ask(home: Path, *words: str) -> "subprocess.Popen[str]":
    command = [PROGRAMS / "naivectl", "--home", home, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment())


def answered(asked: "subprocess.Popen[str]") -> tuple[int, str]:
    out, _ = asked.communicate(timeout=60)
    return asked.returncode, out


def buying(daemon: Daemon, exchange: Exchange, price: str = "2000") -> None:
    daemon.do("start", SYMBOL)
    exchange.trade(price)
    daemon.reaches("buying")


def told(daemon: Daemon, kind: str) -> list[dict[str, str]]:
    return [event for event in daemon.ask("events")["events"] if event["kind"] == kind]


# While it starts and while it suspends


@pytest.mark.executed
def test_a_verb_that_comes_while_it_starts_waits_and_is_done(
    naived: Callable[..., Daemon], exchange: Exchange, home: Path
) -> None:
    daemon = naived("--exchange-url", exchange.url)
    begun = time.monotonic()
    assert daemon.ctl("ping").code == daemon.ctl("status").code == 7
    assert time.monotonic() - begun < AT_ONCE
    daemon.launch()
    until(lambda: (home / "naived.lock").exists())
    asked = [ask(home, "ping"), ask(home, "status"), ask(home, "start", SYMBOL, "--timeout", "60s")]
    codes = [answered(each)[0] for each in asked]
    assert set(codes[:2]) <= {0, 75}  # 75: a start that takes 10 s, on a machine that is busy with other tests
    assert codes[2] == 0
    assert daemon.symbol()["state"] == "trading"


def test_a_verb_that_comes_while_it_suspends_waits_for_the_next_one(daemon: Daemon, exchange: Exchange) -> None:
    daemon.do("start", SYMBOL)
    exchange.fault("late", method="order.place", seconds=2)
    exchange.trade("2000")
    until(lambda: exchange.call("sim.ledger")["faults"])
    program = daemon.program
    assert program is not None
    os.kill(program.pid, signal.SIGTERM)
    until(lambda: "suspending" in daemon.log)
    waiting = ask(daemon.home, "stop", SYMBOL)
    time.sleep(0.3)
    assert waiting.poll() is None
    assert program.ended() == 0
    code, said = answered(waiting)
    assert (code, "not running" in said) == (7, True), said  # and at once, as none starts
    daemon.start()
    assert daemon.do("status").document["symbols"][0]["status"] == "on"


@pytest.mark.executed
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_right_after_the_start_suspends(home: Path, number: signal.Signals) -> None:
    program = Program(home / "naived.log", "run", "--home", str(home))
    until((home / "control.sock").exists)
    assert program.end(number) == 0, (home / "naived.log").read_text()
    assert not (home / "control.sock").exists()


# The database


def test_a_start_for_another_account_does_not_stop_the_daemon_that_runs(
    exchange: Exchange, naived: Callable[..., Daemon], home: Path
) -> None:
    database = f"sqlite:///{home}/shared.db"
    daemon = naived("--exchange-url", exchange.url, "--database", database)
    daemon.start()
    (home / "other").mkdir(mode=0o700)
    other = Exchange(home / "other")
    other.start()
    try:
        refused(
            run("--home", home / "other", "--exchange-url", other.url, "--database", database),
            "this database belongs to account",
        )
    finally:
        other.end()
    # Without an answer of the exchange it waits, and a signal ends that.
    program = Program(home / "other" / "naived.log", "run", "--home", str(home / "other"), "--exchange-url")
    assert program.ended() == 2
    waiting = Program(
        home / "other" / "naived.log",
        *("run", "--home", str(home / "other"), "--exchange-url", other.url, "--database", database),
    )
    until(lambda: "waiting for the exchange to say whose account" in (home / "other" / "naived.log").read_text())
    code, out = answered(ask(home / "other", "status"))
    assert code == 75
    assert "naived waits for the exchange to say whose account its key is for" in out
    assert waiting.end(signal.SIGTERM) == 0
    buying(daemon, exchange)
    assert len(exchange.open("BUY")) == 1


def test_a_log_that_is_deleted_is_noticed_and_costs_no_order(
    daemon: Daemon, exchange: Exchange, home: Path
) -> None:
    buying(daemon, exchange)
    (home / "simulator.db-wal").unlink()
    until(lambda: daemon.state == "degraded", 10)
    assert daemon.symbol()["state"] == "degraded"
    assert "simulator.db-wal was replaced, moved or deleted" in daemon.symbol()["reason"]
    until(lambda: "database lost" in daemon.log)
    placed = len(exchange.orders())
    exchange.trade("1970")
    time.sleep(0.5)
    assert len(exchange.orders()) == placed
    daemon.end(signal.SIGKILL)
    daemon.start()
    daemon.reaches("selling")
    assert len(exchange.orders()) == placed + 1
    exchange.trade("2005")
    until(lambda: daemon.symbol()["cycles"] == 1)
    books.agree(exchange, daemon, f"sqlite:///{home}/simulator.db", SYMBOL, books.Decimal(FUNDS))


def test_a_database_that_was_emptied_does_not_trade_beside_its_own_orders(
    daemon: Daemon, exchange: Exchange, home: Path
) -> None:
    buying(daemon, exchange)
    daemon.suspend()
    for suffix in ("", "-wal", "-shm"):
        (home / f"simulator.db{suffix}").unlink(missing_ok=True)
    (home / "simulator.db").touch()
    daemon.start()
    until(lambda: daemon.ask("status")["symbols"])
    assert daemon.symbol()["state"] == "quarantined"
    assert "found when the database had no order at all" in daemon.symbol()["reason"]
    assert daemon.ctl("start", SYMBOL).code == 8
    daemon.do("start", "BTCUSDT")
    exchange.trade("2000")
    assert len(exchange.orders()) == 1
    assert daemon.do("resolve", SYMBOL, "--all", "--ignore").result["changed"]
    daemon.do("wait", SYMBOL, "--for", "trading")
    exchange.trade("1999")
    until(lambda: len(exchange.orders()) == 2)


def test_orders_of_a_second_naived_on_the_account_are_told_loudly(
    daemon: Daemon, exchange: Exchange, home: Path
) -> None:
    buying(daemon, exchange)
    (home / "other").mkdir(mode=0o700)
    other = Daemon(home / "other", "--exchange-url", exchange.url)
    try:
        other.start()
        other.do("start", "BTCUSDT")
        exchange.trade("60000", "BTCUSDT")
        other.reaches("buying", name="BTCUSDT")
        other.end(signal.SIGKILL)
        other.start()
        assert {event["symbol"] for event in told(other, "other naived")} == {SYMBOL}
        until(lambda: other.symbol("BTCUSDT")["state"] == "trading")
        assert "orders of another naived" in other.log
    finally:
        other.end()
    daemon.suspend()
    daemon.start()
    until(lambda: [event["symbol"] for event in told(daemon, "other naived")] == ["BTCUSDT"])


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 4)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def overwrite(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


@pytest.mark.parametrize("harm", [damage, cut, overwrite])
def test_a_damaged_database_is_for_a_person_and_stays_as_it_is(
    exchange: Exchange, naived: Callable[..., Daemon], home: Path, harm: Callable[[Path], None]
) -> None:
    daemon = naived("--exchange-url", exchange.url)
    daemon.start()
    buying(daemon, exchange)
    daemon.suspend()
    path = home / "simulator.db"
    harm(path)
    before = path.read_bytes()
    refused(run("--home", home, "--exchange-url", exchange.url), "is damaged", "put a backup in its place")
    assert path.read_bytes() == before


def test_no_file_that_is_not_ours_is_changed(home: Path, exchange: Exchange) -> None:
    precious = home / "precious"
    precious.write_text("root:x:0:0:root:/root:/bin/sh\n" * 50)
    precious.chmod(0o644)
    with closing(sqlite3.connect(home / "bookmarks.db")) as database:
        database.execute("CREATE TABLE bookmarks (url)")
    (home / "bookmarks.db").chmod(0o644)
    before = {path: path.read_bytes() for path in (precious, home / "bookmarks.db")}
    nest = home / "nest"

    def begin(*words: str) -> Finished:
        return run("--home", nest, "--exchange-url", exchange.url, *words)

    def link(name: str) -> None:
        shutil.rmtree(nest, ignore_errors=True)
        nest.mkdir(mode=0o700)
        (nest / name).symlink_to(precious)

    refused(begin("--database", f"sqlite:///{precious}"), "no database")
    refused(begin("--database", f"sqlite:///{home}/bookmarks.db"), "tables of another program")
    for name in ("simulator.db", "simulator.db-wal"):
        link(name)
        refused(begin(), "is a link")
    link("naived.lock")
    refused(begin(), "naived.lock", "it is a link")
    link("control.sock")
    refused(begin(), "control.sock", "not a socket")
    shutil.rmtree(nest)
    nest.mkdir(mode=0o700)
    (nest / "naived.lock").write_text("7 things to remember\n")
    refused(begin(), "something else than the pid")
    assert (nest / "naived.lock").read_text() == "7 things to remember\n"
    shutil.rmtree(nest)
    nest.symlink_to(home)
    refused(begin(), "link")
    assert {path: path.read_bytes() for path in before} == before
    assert {stat.S_IMODE(path.stat().st_mode) for path in before} == {0o644}


# The configuration


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("home = 7", "home in "),
        ("home = 1.5", "home in "),
        ('home = ""', "the text is empty"),
        ('home = "a\\u0000b"', "zero byte"),
        ("live = [true]", "live in "),
        ("socket = false", "socket in "),
        ("grace = 60", "grace in "),
        ('log-level = "info"\nlog_level = "info"', "log_level twice"),
        ("a = " + "[" * 5000, "nested too deep"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_its_name(home: Path, text: str, said: str) -> None:
    (home / "naived.toml").write_text(text)
    refused(run("--config", home / "naived.toml", HOME=str(home)), said)
    assert os.listdir(home) == ["naived.toml"]


def test_a_secret_with_a_zero_byte_is_refused_with_its_file(home: Path) -> None:
    for name, content in (("key", b"abc"), ("secret", b"abc\0def")):
        (home / name).write_bytes(content)
        (home / name).chmod(0o600)
    files = ("--api-key-file", home / "key", "--api-secret-file", home / "secret")
    refused(run("--home", home, "--exchange", "testnet", *files), str(home / "secret"))


@pytest.mark.parametrize("words", [("run",), ("simulate",)])
def test_a_variable_that_nobody_knows_is_refused_with_the_one_that_was_meant(
    home: Path, words: tuple[str, ...]
) -> None:
    refused(run(*words, NAIVED_EXCHNAGE="paper", HOME=str(home)), "NAIVED_EXCHNAGE", "NAIVED_EXCHANGE?")
    assert os.listdir(home) == []


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="nobody may run a program as another user"
)
def test_a_user_that_the_system_does_not_list_needs_a_home_and_nothing_else(exchange: Exchange, home: Path) -> None:
    home.chmod(0o711)
    nest = home / "nest"
    nest.mkdir(mode=0o700)
    os.chown(nest, NOBODY, NOBODY)
    variables = {name: value for name, value in environment().items() if name != "HOME"}

    def begin(*words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*AS_NOBODY, PROGRAMS / "naived", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=variables,
            cwd="/",
        )

    homeless = begin("run")
    _, said = homeless.communicate(timeout=60)
    assert (homeless.returncode, "Traceback" in said, "--home" in said) == (78, False, True), said
    housed = begin("run", "--home", str(nest), "--exchange-url", exchange.url)
    until(lambda: (nest / "simulator.db").exists() or housed.poll() is not None)
    daemon = Daemon(nest)
    until(lambda: daemon.state == "ready" or housed.poll() is not None)
    housed.terminate()
    _, said = housed.communicate(timeout=60)
    assert (housed.returncode, "Traceback" in said) == (0, False), said


def test_a_hangup_without_a_terminal_reads_the_configuration_again(
    exchange: Exchange, naived: Callable[..., Daemon], home: Path
) -> None:
    file = home / "naived.toml"
    file.write_text(f'exchange_url = "{exchange.url}"\nlog_level = "warning"\ngrace = "60s"\n')
    daemon = naived("--config", str(file))
    daemon.start()
    assert "ready" not in daemon.log

    def reload(text: str, said: str) -> None:
        file.write_text(f'exchange_url = "{exchange.url}"\n{text}')
        seen = len(daemon.log)
        os.kill(daemon.pid, signal.SIGHUP)
        until(lambda: said in daemon.log[seen:], 10)
        assert daemon.state == "ready"

    reload('log_level = "info"\nrecv_window = "3s"', "configuration read again")
    buying(daemon, exchange)
    with closing(sqlite3.connect(home / "simulator.db")) as journal:
        assert journal.execute("SELECT recv_window_ms FROM orders").fetchall() == [(3000,)]
    reload('grace = "soon"', "the old one stays in force")
    reload("log_level = ", "the old one stays in force")
    reload('socket = "/tmp/elsewhere.sock"\nlog_level = "info"', "need a restart")
    assert not Path("/tmp/elsewhere.sock").exists()
    reload('log_format = "console"\nlog_level = "info"', "configuration read again")
    assert daemon.suspend() == 0


# Many at once


def test_three_hundred_symbols_start_in_one_call(
    simulate: Callable[..., Exchange], naived: Callable[..., Daemon], home: Path, many: tuple[Path, list[str]]
) -> None:
    file, names = many
    exchange = simulate("--exchange-info", str(file))
    daemon = naived("--exchange-url", exchange.url)
    daemon.start()
    begun = time.monotonic()
    done = daemon.do("start", *names, "--timeout", "60s")
    assert {result["state"] for result in done.document["results"]} == {"trading"}
    assert time.monotonic() - begun < 40
    assert "fees not read" not in daemon.log


def test_paper_with_hundreds_of_symbols_asks_once(
    simulate: Callable[..., Exchange], naived: Callable[..., Daemon], many: tuple[Path, list[str]]
) -> None:
    file, names = many
    source = simulate("--exchange-info", str(file))
    daemon = naived("--exchange", "paper", "--exchange-url", source.url)
    daemon.start()
    done = daemon.do("start", *names, "--timeout", "60s")
    assert {result["state"] for result in done.document["results"]} == {"trading"}
    peer = f":{int(source.url.rsplit(':', 1)[1]):04X}"
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()]
    assert 1 <= sum(row[2].endswith(peer) and row[3] == "01" for row in rows) <= 4  # 01: established


@pytest.fixture
def many(home: Path) -> tuple[Path, list[str]]:
    """An ``exchangeInfo`` with three hundred symbols, and their names."""
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.0001", "maxQty": "9000", "stepSize": "0.0001"},
        {"filterType": "NOTIONAL", "minNotional": "5", "applyMinToMarket": True, "avgPriceMins": 5},
    ]
    names = [f"A{number}USDT" for number in range(300)]
    rows = [
        {
            "symbol": name,
            "status": "TRADING",
            "baseAsset": name.removesuffix("USDT"),
            "quoteAsset": "USDT",
            "baseAssetPrecision": 8,
            "quoteAssetPrecision": 8,
            "orderTypes": ["LIMIT", "MARKET"],
            "filters": filters,
        }
        for name in names
    ]
    file = home / "exchange-info.json"
    file.write_text(json.dumps({"symbols": rows}))
    return file, names
