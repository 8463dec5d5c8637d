"""`naivectl` in front of whatever may listen on the socket: a clear error, an exit code, a quiet terminal."""

import json
import random
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from naivectl import client
from naivectl.main import run
from naived.control.protocol import encode_body, encode_result
from tests.fuzz.grammar import HOSTILE_TEXTS, ODD_VALUES, write

HELLO = encode_result(0, encode_body({"v": 1, "proto": 1, "server": "0.1.0", "pid": 1, "state": "ready"}))
VERBS = (
    *(["status"], ["status", "ETHUSDT"], ["is-trading", "ETHUSDT"], ["ping"], ["version"], ["__symbols"]),
    *(["settings"], ["start", "ETHUSDT"], ["stop", "--all"], ["orders"], ["trades"], ["events"]),
    *(["events", "-f"], ["wait", "ETHUSDT", "--for", "off"], ["--jsonl", "status", "--live"]),
    *(["resolve", "ETHUSDT", "--all", "--adopt"], ["shutdown", "ETHUSDT"]),
)
EXITS = {0, 1, 3, 4, 5, 6, 7, 8, 75, 76, 77, 124}
DOCUMENT = {
    "v": 1,
    "proto": 1,
    "daemon": {"version": "0.1.0", "pid": 1, "state": "ready", "exchange": "simulator"},
    "symbols": [
        {
            "symbol": "ETHUSDT",
            "status": "on",
            "state": "trading",
            "chunks": 5,
            "traders": [
                {"id": "ETHUSDT-1", "phase": "buying", "buy": {"price": "1", "executed": "0", "quantity": "1"}}
            ],
        }
    ],
    "results": [
        {"symbol": "ETHUSDT", "status": "on", "changed": True, "open_orders": [{"side": "buy"}], "error": None},
        {"symbol": "BTCUSDT", "status": "on", "error": {"kind": "x", "message": "m", "hint": "h", "code": -32001}},
    ],
    "orders": [{"symbol": "ETHUSDT", "price": "1"}],
    "trades": [{"symbol": "ETHUSDT", "fees": {"ETH": "1"}}],
    "events": [{"at": "now", "symbol": "ETHUSDT", "kind": "desired", "message": "on"}],
    "next": None,
}


class Server:
    """Says the same bytes to everybody who comes, and closes, or goes on doing nothing."""

    def __init__(self, path: Path) -> None:
        self.script = b""
        self.stays = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    connection.sendall(self.script)
                    while self.stays and connection.recv(65536):
                        pass
                except OSError:
                    continue

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@contextmanager
def serving(path: Path) -> Iterator[Server]:
    server = Server(path)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(client, "SILENCE", 0.3)
    monkeypatch.setattr(client, "_STREAM_SILENCE", 0.3)
    monkeypatch.setenv("NAIVED_SOCKET", str(tmp_path / "s"))
    with serving(tmp_path / "s") as made:
        yield made


def ask(verb: Sequence[str], capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    """Perform a command line; nothing it prints may move a cursor, and nothing is raised."""
    code = run([*options, *verb])
    out, err = capsys.readouterr()
    assert (out + err).replace("\n", "").isprintable(), (verb, out, err)
    assert "Traceback" not in err
    assert code in EXITS
    if options and verb != ["__symbols"] and verb != ["is-trading", "ETHUSDT"]:
        for line in out.splitlines():
            json.loads(line, parse_constant=pytest.fail)
    elif code:
        assert err or verb[0] in ("is-trading", "--jsonl"), (verb, code)
    return code, out, err


def spoiled(dice: random.Random, value: object, odds: float) -> object:
    """The document with some of its parts replaced by what nobody expects there."""
    if dice.random() < odds:
        return dice.choice((*ODD_VALUES, *HOSTILE_TEXTS))
    match value:
        case dict():
            return {name: spoiled(dice, part, odds) for name, part in value.items() if dice.random() > odds / 2}
        case list():
            return [spoiled(dice, part, odds) for part in value]
        case _:
            return value


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_whatever_answers_is_answered_with_an_exit_code(
    verb: list[str], server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(" ".join(verb))
    for _ in range(30):
        frame = {"jsonrpc": "2.0", "id": 1, "result": DOCUMENT}
        odds = dice.choice((0.02, 0.05, 0.2))
        text = write(spoiled(dice, frame, odds)).encode("utf-8", "surrogatepass")
        server.script = dice.choice((HELLO, HELLO, HELLO, b"")) + text + dice.choice((b"\n", b"\n", b"\n", b""))
        ask(verb, capsys, *dice.choice(([], ["--jsonl" if "-f" in verb else "--json"])))


GARBAGE = {
    "nothing": b"",
    "an empty line": b"\n",
    "half an answer": HELLO + b'{"jsonrpc":"2.0","id":1,"result":{"v":1',
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "bytes": bytes(range(256)) + b"\n",
    "UTF-16": '{"id":0}\n'.encode("utf-16"),
    "NaN": HELLO + b'{"jsonrpc":"2.0","id":1,"result":{"v":NaN,"symbols":[],"results":[]}}\n',
    "deep": HELLO + b'{"jsonrpc":"2.0","id":1,"result":' + b"[" * 100_000 + b"\n",
    "digits": HELLO + b'{"jsonrpc":"2.0","id":1,"result":' + b"9" * 5_000 + b"}\n",
    "a wrong id": HELLO + b'{"jsonrpc":"2.0","id":2,"result":{"v":1,"symbols":[],"results":[]}}\n',
    "an id that is a text": HELLO + b'{"jsonrpc":"2.0","id":"1","result":{"v":1,"symbols":[],"results":[]}}\n',
    "true for an id": HELLO + b'{"jsonrpc":"2.0","id":true,"result":{"v":1,"symbols":[],"results":[]}}\n',
    "no result": HELLO + b'{"jsonrpc":"2.0","id":1}\n',
    "a list": HELLO + b"[]\n",
    "an error that is a text": HELLO + b'{"jsonrpc":"2.0","id":1,"error":"\\u001b[2J"}\n',
}


@pytest.mark.parametrize("verb", [["status"], ["stop", "ETHUSDT"]], ids=" ".join)
@pytest.mark.parametrize("script", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_called_so(
    script: bytes, verb: list[str], server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script = script
    code, out, err = ask(verb, capsys)
    lost = script in (GARBAGE["nothing"], GARBAGE["half an answer"])
    assert code == (7 if lost else 76), err
    assert out == ""
    assert err.startswith("naivectl: ")
    assert err.count("\n") == 1


def test_an_error_of_escapes_is_spelled_out(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    error = {"code": -32001, "message": "\x1b[2J\x9b\u202e", "data": {"kind": "\x07", "hint": "\x1b]0;owned\x07"}}
    server.script = HELLO + write({"jsonrpc": "2.0", "id": 1, "error": error}).encode() + b"\n"
    code, _, err = ask(["status"], capsys)
    assert (code, err) == (4, "naivectl: \\x1b[2J\\x9b\\u202e. \\x1b]0;owned\\x07\n")
    assert json.loads(ask(["status"], capsys, "--json")[1])["error"]["kind"] == "\x07"


@pytest.mark.parametrize("script", [b"", HELLO, HELLO + b'{"jsonrpc"'])
def test_who_says_nothing_more_is_waited_for_no_longer_than_promised(
    script: bytes, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client.call, "__defaults__", (0.3, 0.3))
    server.script, server.stays = script, True
    code, _, err = ask(["status"], capsys)
    assert code == 75
    assert "is alive but does not answer" in err


def test_an_answer_without_an_end_is_not_kept(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER", 1024 * 1024)
    monkeypatch.setattr(client, "SILENCE", 20)
    server.script = HELLO + b"x" * (8 * 1024 * 1024)
    code, _, err = ask(["status"], capsys)
    assert code == 76
    assert "does not end" in err


def test_pages_that_never_end_are_left(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    for page in ({"orders": [], "next": 5}, {"orders": [{}], "next": 5}, {"orders": [{}], "next": -3}):
        server.script = HELLO + write({"jsonrpc": "2.0", "id": 1, "result": page}).encode() + b"\n"
        assert ask(["orders"], capsys)[0] == 76


def test_a_document_that_is_spoiled_nowhere_is_read(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.script = HELLO + write({"jsonrpc": "2.0", "id": 1, "result": DOCUMENT}).encode() + b"\n"
    assert ask(["status", "ETHUSDT"], capsys)[0] == 0
    assert ask(["orders"], capsys)[0] == 0
