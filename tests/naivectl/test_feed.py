"""The connection of a live view: what it makes of what a daemon sends, whole, in pieces or wrong."""

import json
import select
import socket
from contextlib import ExitStack

import pytest

from naivectl.client import Failure
from naivectl.feed import connect, passes
from naived.control.protocol import Code, ControlError, encode_error, encode_result

HELLO = encode_result(0, b'{"server":"0"}')
ROW = {"symbol": "ETHUSDT", "status": "on", "state": "trading"}


def item(**document):
    return encode_result(1, json.dumps({"v": 1, **document}).encode())


@pytest.fixture
def daemon(tmp_path):
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        yield Daemon(str(tmp_path / "s"), listener, opened)


class Daemon:
    def __init__(self, path, listener, opened):
        self._path, self._listener, self._opened = path, listener, opened

    def feed(self, *chunks, method="watch"):
        """A feed, the items of each chunk, and the daemon's end."""
        feed = connect(["/nowhere", self._path], method, {"symbols": []})
        self._opened.callback(feed.close)
        end, _ = self._listener.accept()
        self._opened.enter_context(end)
        items = []
        for chunk in chunks:
            end.sendall(chunk)
            select.select([feed], [], [], 5)
            items += feed.items()
        return feed, items, end


def test_a_snapshot_then_changes_then_heartbeats(daemon):
    items = [item(symbols=[ROW]), item(symbols=[], gone=["BTCUSDT"]), item(heartbeat="2026-11-28T14:03:27.000Z")]
    _, got, end = daemon.feed(HELLO + b"".join(items))
    assert [sorted(each)[0] for each in got] == ["symbols", "gone", "heartbeat"]
    assert json.loads(end.recv(65536).splitlines()[1])["method"] == "watch"


def test_a_frame_may_come_in_pieces(daemon):
    whole = HELLO + item(symbols=[ROW])
    _, items, _ = daemon.feed(*(whole[at : at + 40] for at in range(0, len(whole), 40)))
    assert [each["symbols"] for each in items] == [[ROW]]


def test_the_end_of_the_daemon_is_an_end(daemon):
    feed, _, end = daemon.feed(HELLO)
    end.close()
    with pytest.raises((EOFError, ConnectionError)):
        list(feed.items())


@pytest.mark.parametrize(
    "line", [b"{\n", b"[]\n", b'{"id":1}\n', item(symbols=5), item(symbols=[{}]), encode_result(7, b"{}")]
)
def test_what_is_not_naived_is_a_failure(daemon, line):
    with pytest.raises(Failure) as failed:
        daemon.feed(HELLO, line)
    assert failed.value.exit == 76
    assert not passes(failed.value)


@pytest.mark.parametrize(
    ("code", "over"),
    [(Code.SUSPENDING, True), (Code.BUSY, True), (Code.SLOW_CONSUMER, True), (Code.UNKNOWN_SYMBOL, False)],
)
def test_an_error_passes_or_ends_the_view(daemon, code, over):
    with pytest.raises(Failure) as failed:
        daemon.feed(HELLO, encode_error(1, ControlError(code, "no")))
    assert passes(failed.value) is over


def test_where_nobody_listens_there_is_no_feed(tmp_path):
    assert connect([str(tmp_path / "none"), "/nowhere"], "watch", {}) is None


def test_without_a_permission_it_is_a_failure(tmp_path, monkeypatch):
    def refuse(_path):
        raise Failure("permission", "no", None, 77)

    monkeypatch.setattr("naivectl.feed.connected", refuse)
    with pytest.raises(Failure):
        connect([str(tmp_path / "s")], "watch", {})
