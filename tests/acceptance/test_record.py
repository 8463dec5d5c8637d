"""`naived record` as a program, on a real `naived simulate`: deaths, outages, and what others read of its files."""

import re
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from naived.backtest.tape import load
from naived.core.amount import parse_price
from naived.simulator import tape
from tests.acceptance.harness import SYMBOL, Exchange, Program, until

OTHER = "BTCUSDT"


class Recording:
    """`naived record` into one directory, ended by the test."""

    def __init__(self, home: Path, url: str) -> None:
        self.directory = home / "tape"
        self._home = home
        self._url = url
        self.program: Program | None = None

    @property
    def log(self) -> str:
        return (self._home / "record.log").read_text()

    def launch(self, *symbols: str) -> Program:
        """Begin, without waiting for anything."""
        return Program(
            self._home / "record.log",
            *("record", *(symbols or (SYMBOL,))),
            *("--exchange-url", self._url, "--to", str(self.directory)),
        )

    def start(self, *symbols: str) -> None:
        self.program = self.launch(*symbols)

    def end(self, number: signal.Signals = signal.SIGKILL) -> int | None:
        program, self.program = self.program, None
        return None if program is None else program.end(number)

    def files(self, symbol: str = SYMBOL) -> list[Path]:
        return sorted(self.directory.glob(f"{symbol}-trades-*.csv"))

    def ids(self, symbol: str = SYMBOL) -> list[int]:
        """Of all whole lines."""
        lines = [line for path in self.files(symbol) for line in path.read_text().splitlines(keepends=True)]
        return [int(line.partition(",")[0]) for line in lines if line.endswith("\n")]

    def gaps(self, symbol: str = SYMBOL) -> list[tuple[int, int, str]]:
        path = self.directory / f"{symbol}-gaps.csv"
        rows = [line.split(",") for line in path.read_text().splitlines()[1:]] if path.exists() else []
        return [(int(first), int(last), why) for first, last, _, _, why in rows]


@pytest.fixture
def recording(home: Path, exchange: Exchange, programs: ExitStack) -> Recording:
    made = Recording(home, exchange.url)
    programs.callback(made.end)
    return made


def hears(exchange: Exchange, recording: Recording, price: str = "2000", symbol: str = SYMBOL) -> None:
    """Trade until it is recorded."""
    known = len(recording.ids(symbol))

    def look() -> bool:
        exchange.trade(price, symbol)
        return len(recording.ids(symbol)) > known

    until(look)


def whole(ids: list[int]) -> bool:
    return ids == list(range(ids[0], ids[-1] + 1))


def test_what_is_recorded_is_read_back_as_a_tape(exchange: Exchange, recording: Recording) -> None:
    recording.start(SYMBOL, OTHER)
    hears(exchange, recording)
    hears(exchange, recording, "60000", OTHER)
    for price in ("2001.5", "1999.25"):
        exchange.trade(price)
    until(lambda: any(",1999.25" in path.read_text() for path in recording.files()))
    count = len(recording.ids())
    assert recording.end(signal.SIGTERM) == 0
    read = [trade for path in recording.files() for trade in tape.read(path)]
    assert len(read) == len(recording.ids()) >= count
    assert [trade.price for trade in read[-2:]] == [parse_price("2001.5"), parse_price("1999.25")]
    assert whole(recording.ids())
    assert all(trade.price == parse_price("60000") for path in recording.files(OTHER) for trade in tape.read(path))


def test_what_is_recorded_is_what_a_backtest_loads(exchange: Exchange, recording: Recording) -> None:
    recording.start()
    hears(exchange, recording)
    prices = ["2001.5", "1999.25", "2000"]
    for price in prices:
        exchange.trade(price)
    until(lambda: len(recording.ids()) >= 4)
    hears(exchange, recording, "2002")
    assert recording.end(signal.SIGTERM) == 0
    loaded = load(SYMBOL, recording.files(), cache=None, jobs=1)
    assert loaded.warnings == ()
    assert [number for part in loaded.parts for number in part.ids.tolist()] == recording.ids()
    assert loaded.parts[-1].prices[-1] == parse_price("2002")
    assert loaded.length == len(recording.ids())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_all_that_came(
    exchange: Exchange, recording: Recording, number: signal.Signals
) -> None:
    recording.start()
    hears(exchange, recording)
    assert recording.end(number) == 0
    assert whole(recording.ids())
    assert '"event": "ended"' in recording.log


def test_a_killed_one_goes_on_where_it_was_and_cuts_the_torn_line(exchange: Exchange, recording: Recording) -> None:
    for price in ("2000", "2010", "2020"):
        recording.start()
        hears(exchange, recording, price)
        for _ in range(5):
            exchange.trade(price)
        recording.end(signal.SIGKILL)
        with recording.files()[-1].open("a") as file:
            file.write("999999,26")
        for _ in range(7):
            exchange.trade(price)
    recording.start()
    hears(exchange, recording)
    until(lambda: whole(recording.ids()))
    assert recording.end(signal.SIGTERM) == 0
    assert len(recording.ids()) >= 3 * 13
    assert whole(recording.ids())
    assert recording.gaps() == []
    assert recording.log.count("a torn line is cut off") == 3
    text = "".join(path.read_text() for path in recording.files())
    assert re.fullmatch(r"(\d+,[\d.]+,[\d.]+,[\d.]+,\d{16},(True|False),True\n)+", text)


def test_an_outage_of_the_exchange_is_survived_and_what_it_forgot_is_written_down(
    exchange: Exchange, recording: Recording
) -> None:
    recording.start()
    hears(exchange, recording)
    exchange.end(signal.SIGKILL)
    until(lambda: "connection ends" in recording.log)
    exchange.start()  # its ids go on a million later, and it has forgotten its trades
    hears(exchange, recording, "2100")
    assert recording.end(signal.SIGTERM) == 0
    ((first_missing, last_missing, why),) = recording.gaps()
    assert why == "connection lost"
    assert {first_missing - 1, last_missing + 1} <= set(recording.ids())
    assert last_missing - first_missing > 900_000
    assert '"event": "trades are missing"' in recording.log


@pytest.mark.parametrize("kind", ["disconnect", "request_lost", "reply_lost"])
def test_a_subscription_that_fails_is_made_again(exchange: Exchange, recording: Recording, kind: str) -> None:
    exchange.fault(kind, method="SUBSCRIBE")
    recording.start()
    hears(exchange, recording)
    assert recording.end(signal.SIGTERM) == 0
    assert whole(recording.ids())


def test_a_connection_that_is_lost_while_trades_of_the_past_are_asked_for_is_made_again(
    exchange: Exchange, recording: Recording
) -> None:
    recording.start()
    hears(exchange, recording)
    assert recording.end(signal.SIGTERM) == 0
    for _ in range(10):
        exchange.trade("2000")
    exchange.fault("disconnect", method="trades.historical", count=2)
    recording.start()
    hears(exchange, recording)
    until(lambda: whole(recording.ids()))
    assert recording.end(signal.SIGTERM) == 0
    assert recording.gaps() == []


def test_only_one_writes_into_a_directory(exchange: Exchange, recording: Recording) -> None:
    recording.start()
    hears(exchange, recording)
    second = recording.launch(OTHER)
    assert second.ended() == 69
    assert "writes into" in recording.log
    hears(exchange, recording)
    assert recording.end(signal.SIGTERM) == 0
    recording.start(OTHER)
    hears(exchange, recording, "60000", OTHER)


@pytest.mark.parametrize(
    ("symbols", "code", "reason"),
    [
        (("NOSUCHUSDT",), 2, "does not list NOSUCHUSDT"),
        ((SYMBOL, SYMBOL.lower()), 2, "ETHUSDT is named twice"),
    ],
)
def test_what_cannot_be_recorded_ends_it_with_the_reason(
    recording: Recording, symbols: tuple[str, ...], code: int, reason: str
) -> None:
    assert recording.launch(*symbols).ended() == code
    assert reason in recording.log


def test_a_directory_that_cannot_be_had_is_named(home: Path, recording: Recording) -> None:
    recording.directory = home / "record.log" / "below"
    assert recording.launch().ended() == 78
    assert f"cannot make the directory {home}/record.log/below" in recording.log


def test_it_may_start_before_its_exchange(
    exchange: Exchange, recording: Recording, simulate: Callable[..., Exchange]
) -> None:
    exchange.end()
    recording.start()
    until(lambda: "waiting for the exchange" in recording.log)
    exchange.start()
    hears(exchange, recording)


def test_a_hangup_reads_the_configuration_again_and_records_on(
    exchange: Exchange, recording: Recording, home: Path, programs: ExitStack
) -> None:
    file = home / "record.toml"
    file.write_text('log_level = "info"\n')
    program = Program(
        home / "record.log",
        *("record", SYMBOL, "--config", str(file)),
        *("--exchange-url", exchange.url, "--to", str(recording.directory)),
    )
    recording.program = program
    hears(exchange, recording)
    file.write_text('log_level = "warning"\nexchange = "paper"\n')
    program.hang_up()
    until(lambda: "need a restart" in recording.log)
    hears(exchange, recording)
    assert recording.end(signal.SIGTERM) == 0
