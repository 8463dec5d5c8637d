"""The control socket under fire, for as long as a test run allows; and proof that the oracles would cry out."""

import json
import resource
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from naived.control import server as server_module
from naived.control.caller import Caller
from naived.control.endpoint import Endpoint
from naived.control.events import EventLog
from naived.control.methods import METHODS
from naived.control.protocol import ControlError, encode_body
from naived.control.requests import Method, decode_request
from tests.fuzz import clients
from tests.fuzz.campaign import Campaign, world
from tests.fuzz.clients import Tongue, crowd
from tests.fuzz.grammar import Case, Grammar
from tests.fuzz.oracles import Wishes, judge, leaks, log_blames, settings_of, silent_changes
from tests.fuzz.reading import read
from tests.support.control import IDENTITY, methods_of, serve_alone

_PATIENCE = 5_000  # ms for who behaves, on a machine that is busy with other tests
STATUS = b'{"jsonrpc":"2.0","id":1,"method":"status"}'
STOP = b'{"jsonrpc":"2.0","id":1,"method":"stop","params":{"symbols":["ETHUSDT"]}}'
RESULT = b'{"jsonrpc":"2.0","id":1,"result":{"v":1}}'


def test_a_daemon_under_fire_answers_each_request_once_and_changes_nothing_by_itself() -> None:
    with world() as home:
        report = Campaign(home, 3, 1_000).run()
    assert report.blames == []
    assert report.executions >= 1_000
    assert max(report.waits) < _PATIENCE


def test_a_daemon_of_few_descriptors_turns_crowds_away_and_goes_on() -> None:
    codes: Counter[str] = Counter()
    with world() as home:
        resource.prlimit(home.daemon.pid, resource.RLIMIT_NOFILE, (128, 128))
        for _ in range(3):
            assert crowd(home.socket, 300, STATUS, codes) == []
        assert home.daemon.state == "ready"
        home.daemon.suspend()
        assert log_blames((home.home / "naived.log").read_bytes()) == []
    assert codes["-32011"] > 0 < codes["result"]


def test_both_readings_of_the_protocol_agree() -> None:
    grammar = Grammar(5)
    for _ in range(6_000):
        for line in grammar.case().line.split(b"\n"):
            reading = read(line)
            request_id, request = decode_request(line, METHODS)
            if reading.any_id or len(line) > 64 * 1024:
                continue
            assert request_id == reading.id, line[:500]
            if isinstance(request, ControlError):
                assert request.code in reading.codes, (request.message, line[:500])
            else:
                assert reading.valid or reading.ends, line[:500]
                assert METHODS[request.method].changes(request.params) == reading.changes, line[:500]


async def slowly(client: trio.SocketStream) -> None:
    for byte in STATUS * 2:
        await client.send_all(bytes([byte]))
        await trio.sleep(1)


async def test_a_line_of_one_byte_a_second_is_not_waited_for(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        quiet = Quiet()
        nursery.start_soon(serve_alone, Endpoint(tmp_path / "s"), methods_of(quiet), quiet)
        client = await trio.open_unix_socket(tmp_path / "s")
        began = trio.current_time()
        async with client:
            with pytest.raises(trio.BrokenResourceError):
                await slowly(client)
        assert 9 <= trio.current_time() - began <= 13
        nursery.cancel_scope.cancel()


# The oracles can fail


class Quiet:
    """A service that does nothing, and says that it did."""

    def __init__(self) -> None:
        self.events = EventLog(1)
        self.identity, self.state = IDENTITY, "ready"

    async def call(self, method: str, params: dict[str, Any], caller: Caller) -> bytes:
        await trio.lowlevel.checkpoint()
        return encode_body({"v": 1, "symbols": [], "results": []})


@contextmanager
def served(path: Path) -> Iterator[str]:
    """The control server, in a thread of its own."""
    tokens: SimpleQueue[tuple[trio.lowlevel.TrioToken, trio.CancelScope]] = SimpleQueue()
    path.parent.chmod(0o700)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            quiet = Quiet()
            nursery.start_soon(serve_alone, Endpoint(path), methods_of(quiet), quiet)
            tokens.put((trio.lowlevel.current_trio_token(), nursery.cancel_scope))

    thread = threading.Thread(target=trio.run, args=[main])
    thread.start()
    token, scope = tokens.get(timeout=10)
    try:
        yield str(path)
    finally:
        token.run_sync_soon(scope.cancel)
        thread.join(10)


def blames_of(path: str, secrets: Sequence[str] = ("planted",)) -> list[str]:
    tongue = Tongue(path, Grammar(1), secrets)
    for _ in range(60):
        tongue.one(lambda _: None)
    return tongue.blames


def _lenient(line: bytes, methods: Mapping[str, Method]) -> Any:
    """What `json.loads` makes of a line: a key twice, a NaN and UTF-16 are all the same to it."""
    try:
        line = json.dumps(json.loads(line)).encode()
    except (ValueError, RecursionError):
        return decode_request(line, methods)
    return decode_request(line, methods)


def _nameless(line: bytes, methods: Mapping[str, Method]) -> Any:
    request_id, request = decode_request(line, methods)
    return (None if isinstance(request, ControlError) else request_id), request


def test_a_server_without_fault_is_not_blamed(tmp_path: Path) -> None:
    with served(tmp_path / "s") as path:
        assert blames_of(path) == []


@pytest.mark.parametrize("broken", [_lenient, _nameless], ids=["lenient", "nameless"])
def test_a_server_that_decodes_carelessly_is_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: Any
) -> None:
    monkeypatch.setattr(server_module, "decode_request", broken)
    monkeypatch.setattr(clients, "PATIENCE", 2.0)  # seconds: it takes for a stream what is none
    with served(tmp_path / "s") as path:
        assert blames_of(path)


def test_a_server_that_tells_a_secret_is_blamed(tmp_path: Path) -> None:
    with served(tmp_path / "s") as path:
        assert any("a secret" in blame for blame in blames_of(path, ["min_proto"]))


ERROR = (
    b'{"jsonrpc":"2.0","id":1,"error":{"code":%d,"message":"m",'
    b'"data":{"kind":"k","symbol":null,"hint":null,"retryable":false}}}'
)


@pytest.mark.parametrize(
    ("lines", "answers", "why"),
    [
        ([STATUS], [], "no answer"),
        ([STATUS, STATUS], [RESULT], "no answer"),
        ([STATUS], [RESULT, RESULT], "nobody asked"),
        ([STATUS], [b"{}"], "not JSON-RPC"),
        ([STATUS], [b"garbage"], "not ASCII JSON"),
        ([STATUS], [RESULT.replace(b"1,", b"2,", 1)], "the id is not 1"),
        ([STATUS], [RESULT.replace(b"1,", b"true,", 1)], "the id is not 1"),
        ([STATUS], [RESULT.replace(b'"v"', b'"\xff"')], "not ASCII JSON"),
        ([STATUS], [RESULT.replace(b"1}}", b'[]},"error":{}}')], "neither a result nor an error"),
        ([STATUS], [ERROR % -32603], "the code is none of"),
        ([STATUS], [ERROR % -32700], "the code is none of"),
        ([STATUS], [ERROR % -1], "the code is none of"),
        ([STATUS.replace(b"status", b"reboot")], [ERROR % -32602], "the code is none of"),
        ([STATUS[:-1] + b',"id":1}'], [RESULT], "must be refused"),
        ([STOP.replace(b"]}", b'],"cancel":"some"}')], [RESULT], "must be refused"),
        ([b"x" * 70_000, STATUS], [ERROR.replace(b'"id":1', b'"id":null') % -32600, RESULT], "nobody asked"),
    ],
)
def test_a_wrong_answer_is_blamed(lines: list[bytes], answers: list[bytes], why: str) -> None:
    assert any(why in blame for blame in judge(lines, answers, Counter()))
    assert judge([STATUS, STATUS], [RESULT, ERROR % -32007], Counter()) == []


def _journal(path: Path, status: str, budget: str) -> Path:
    with sqlite3.connect(path) as connection:
        columns = (
            "symbol, status, chunks, budget, buy_down_interval, profit_interval, rebuy_interval, reprice_interval, "
            "max_deviation, spacing, floor, ceiling"
        )
        connection.execute(f"CREATE TABLE settings ({columns})")
        connection.execute(
            "INSERT INTO settings VALUES ('ETHUSDT', ?, 5, ?, '0.1', '0.1', '0.1', '0.1', '0.1', '0', NULL, NULL)",
            (status, budget),
        )
    connection.close()
    return path


def test_a_change_that_nobody_asked_for_is_blamed_and_no_other(tmp_path: Path) -> None:
    before = settings_of(_journal(tmp_path / "a.db", "on", "1000"))
    after = settings_of(_journal(tmp_path / "b.db", "off", "1000.00"))
    wishes = Wishes()
    wishes.heard(STOP.replace(b"ETHUSDT", b"BTCUSDT"))
    wishes.heard(STOP.replace(b'"id":1,', b'"id":1,"id":1,'))
    assert silent_changes(before, after, wishes) == ["ETHUSDT: status went from on to off, and nobody asked for it"]
    wishes.heard(STOP)
    assert silent_changes(before, after, wishes) == []
    wishes.next_round()
    assert silent_changes(before, after, wishes) == []  # it may have been under way
    wishes.next_round()
    assert silent_changes(before, after, wishes)


@pytest.mark.parametrize(
    "line",
    [
        b"Traceback (most recent call last):",
        b'{"event":"x\x1b"}',
        b'{"level":"info"}',
        b'{"event":"x","level":"error"}',
    ],
)
def test_a_log_with_a_line_that_is_no_quiet_record_is_blamed(line: bytes) -> None:
    good = b'{"event":"x","level":"info"}\n'
    assert log_blames(good) == []
    assert log_blames(good + line + b"\n" + good)


def test_a_secret_in_a_database_or_a_file_is_blamed(tmp_path: Path) -> None:
    _journal(tmp_path / "a.db", "on", "planted-secret")
    (tmp_path / "key").write_text("planted-secret")
    assert leaks(tmp_path, ["another"], []) == []
    assert leaks(tmp_path, ["planted-secret"], [tmp_path / "key"]) == ["a secret in a.db"]
    assert leaks(tmp_path, ["planted-secret"], []) == ["a secret in a.db", "a secret in key"]


def test_a_seed_says_the_same_again() -> None:
    def said() -> list[Case]:
        grammar = Grammar(9)
        return [grammar.case() for _ in range(300)]

    assert said() == said()
