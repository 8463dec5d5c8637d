import _socket
import json
import os
import socket
import threading
import time

import pytest

from naivectl import client
from naived.control.protocol import Code, ControlError, encode_body, encode_error, encode_result
from naived.process.lock import locked


class Scripted:
    """A daemon that says what a test scripted: for each connection the bytes after which it closes."""

    def __init__(self, path, *scripts, listening=True):
        self.heard = []
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX)
        if listening:
            self._listen()
        self._thread = threading.Thread(target=self._serve, args=[scripts])

    def _listen(self):
        self._listener.bind(str(self._path))
        self._listener.listen()

    def _serve(self, scripts):
        for script in scripts:
            connection, _ = self._listener.accept()
            with connection:
                if script is None:
                    connection.recv(65536)
                    connection.recv(65536)  # until the client gives up
                    continue
                self.heard.append([json.loads(line) for line in connection.recv(65536).splitlines()])
                connection.sendall(script)

    def __enter__(self):
        if not self._path.exists():
            self._listen()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join(10)
        self._listener.close()


HELLO = encode_result(0, encode_body({"proto": 1, "server": "0.1.0"}))
ANSWER = encode_result(1, encode_body({"v": 1, "results": []}))


@pytest.mark.parametrize(
    "verb", [["status"], ["stop", "A"], ["is-trading", "A"], ["ping"], ["orders"], ["events", "-f"]]
)
def test_without_a_daemon_every_verb_says_so_and_how_to_start_it(home, naivectl, verb):
    assert naivectl(*verb) == (
        7,
        "",
        f"naivectl: naived is not running (no socket at {home}/control.sock). Start it with: naived\n",
    )


@pytest.mark.parametrize(
    "verb", [["halt", "A", "--reason", "caf\udce9"], ["stop", "A", "caf\udce9"], ["why", "A", "caf\udce9"]]
)
def test_what_is_not_in_the_encoding_of_the_locale_is_a_usage_error(daemon, naivectl, verb):
    done = naivectl(*verb)
    assert (done.code, done.out, daemon.calls) == (2, "", [])
    assert done.err.startswith(r"naivectl: 'caf\udce9' is not in the encoding of the locale (")


def test_without_a_daemon_a_program_gets_a_document(home, naivectl):
    done = naivectl("--json", "status")
    assert (done.code, done.err) == (7, "")
    assert json.loads(done.out) == {
        "v": 1,
        "error": {
            "kind": "not_running",
            "message": f"naived is not running (no socket at {home}/control.sock)",
            "hint": "Start it with: naived",
        },
    }


def test_a_dead_socket_is_told_from_a_missing_one(home, naivectl):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(home / "control.sock"))
    done = naivectl("status")
    assert done.code == 7
    assert "dead socket" in done.err


def test_what_is_no_socket_is_not_called_a_dead_one(home, naivectl):
    (home / "file").touch()
    for path in (home, home / "file"):
        done = naivectl("--socket", str(path), "ping")
        assert (done.code, done.out) == (7, "")
        assert done.err.startswith(f"naivectl: {path} is not a socket. Give ")


def test_what_is_no_socket_is_not_waited_for_beside_a_naived_that_runs(home, naivectl):
    (home / "file").touch()
    with locked(home):
        done = naivectl("--socket", str(home / "file"), "ping")
    assert (done.code, done.out) == (7, "")
    assert done.err.startswith(f"naivectl: {home}/file is not a socket. Give ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root passes every door")
def test_a_closed_door_names_its_owner_and_mode(home, naivectl):
    home.chmod(0)
    try:
        done = naivectl("status")
    finally:
        home.chmod(0o700)
    assert done.code == 77
    assert f"{home} belongs to uid {os.getuid()}, mode 0000" in done.err


def test_a_refused_permission_is_77_with_owner_and_mode(home, naivectl, monkeypatch):
    class Refused(_socket.socket):
        def connect(self, path):
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(_socket, "socket", Refused)
    done = naivectl("status")
    assert done.code == 77
    assert f"{home} belongs to uid {os.getuid()}, mode 0700" in done.err


def test_a_silent_daemon_is_alive_but_hung(home, naivectl, monkeypatch):
    monkeypatch.setattr(client, "SILENCE", 0.1)
    monkeypatch.setattr(client.call, "__defaults__", (0.1, 0.1))
    with Scripted(home / "control.sock", None):
        done = naivectl("status")
    assert done.code == 75
    assert f"naived (pid {os.getpid()}) is alive but does not answer" in done.err


def test_a_change_that_a_frozen_daemon_did_not_answer_may_still_happen(home, naivectl, monkeypatch):
    monkeypatch.setattr("naivectl.asking.CHANGE_TIMEOUT", 0.1)
    monkeypatch.setattr("naivectl.asking.SILENCE", 0.1)
    monkeypatch.setattr(client, "SILENCE", 0.1)
    monkeypatch.setattr(client.call, "__defaults__", (0.1, 0.1))
    with Scripted(home / "control.sock", None):
        done = naivectl("stop", "ETHUSDT", "--timeout", "100ms")
    assert done.code == 75
    assert "is alive but does not answer. What was asked may still be done: look at naivectl status" in done.err


def test_a_socket_path_that_is_too_long_is_explained(naivectl):
    done = naivectl("--socket", "/tmp/" + "x" * 110, "status")
    assert done.code == 7
    assert "longer than the 107 bytes" in done.err


def test_a_daemon_of_another_version_is_76(home, naivectl):
    refusal = encode_error(0, ControlError(Code.VERSION_MISMATCH, "other version", hint="upgrade"))
    with Scripted(home / "control.sock", refusal):
        assert naivectl("status") == (76, "", "naivectl: other version. Upgrade\n")


@pytest.mark.parametrize("verb", ["orders", "trades", "events"])
def test_a_refusal_names_its_symbol(daemon, naivectl, verb):
    daemon.answers[verb] = ControlError(Code.UNKNOWN_SYMBOL, "not listed", symbol="NOPE\x1b", hint="look")
    assert naivectl(verb, "ETHUSDT", "nope") == (4, "", "naivectl: NOPE\\x1b: not listed. Look\n")
    error = json.loads(naivectl("--json", verb, "nope").out)["error"]
    assert error == {"kind": "unknown_symbol", "message": "NOPE\x1b: not listed", "hint": "look"}


def test_a_refusal_of_the_empty_name_has_no_empty_prefix(daemon, naivectl, done):
    refusal = ControlError(Code.UNKNOWN_SYMBOL, "'' is not a symbol", symbol="")
    daemon.answers["orders"] = refusal
    daemon.answers["stop"] = {"v": 1, "results": [done("", error=refusal.document())]}
    assert naivectl("orders", "").err == naivectl("stop", "").err == "naivectl: '' is not a symbol\n"


def test_a_daemon_that_is_full_is_75(home, naivectl):
    with Scripted(home / "control.sock", encode_error(None, ControlError(Code.BUSY, "too many"))):
        assert naivectl("status").code == 75


def test_a_change_that_lost_its_answer_is_asked_again_under_the_same_id(home, naivectl):
    with Scripted(home / "control.sock", HELLO, HELLO + ANSWER) as daemon:
        assert naivectl("stop", "A").code == 0
    first, second = (request["params"]["request_id"] for _, request in daemon.heard)
    assert first == second


def test_a_change_whose_answer_is_lost_twice_says_that_it_may_be_done(home, naivectl):
    with Scripted(home / "control.sock", HELLO, b"", b""):
        done = naivectl("stop", "A")
    assert done.code == 7
    assert "may be done or not" in done.err


@pytest.mark.parametrize("line", ["orders", "wait A --for off", "events -f"])
def test_what_changes_nothing_is_never_said_to_be_done_perhaps(home, naivectl, line):
    with Scripted(home / "control.sock", HELLO):
        done = naivectl(*line.split())
    assert done.code == 7
    assert "went away" in done.err
    assert "may be done" not in done.err


def test_what_a_daemon_that_ends_did_not_take_is_asked_of_the_next_one(home, naivectl):
    with Scripted(home / "control.sock", b"", HELLO + ANSWER) as daemon:
        assert naivectl("stop", "A").code == 0
    first, second = daemon.heard
    assert first == second


def test_what_two_daemons_did_not_take_is_not_done(home, naivectl):
    with Scripted(home / "control.sock", b"", b""):
        done = naivectl("status")
    assert done.code == 7
    assert "nothing was done" in done.err


def test_a_daemon_that_starts_is_waited_for(home, naivectl):
    with locked(home):
        starting = Scripted(home / "control.sock", HELLO + ANSWER, listening=False)
        late = threading.Timer(0.2, starting.__enter__)
        late.start()
        assert naivectl("stop", "A").code == 0
        late.join()
        starting.__exit__()


def test_a_daemon_that_starts_for_too_long_is_busy(home, naivectl):
    with locked(home):
        begun = time.monotonic()
        done = naivectl("stop", "A", "--timeout", "300ms")
    assert done.code == 75
    assert f"starts or suspends, and takes no connections at {home}/control.sock" in done.err
    assert 0.3 <= time.monotonic() - begun < 5


def test_a_wait_for_a_daemon_ends_with_it(home, naivectl):
    with locked(home):
        threading.Timer(0.2, (home / "naived.lock").unlink).start()
        assert naivectl("status").code == 7


def test_the_hello_goes_ahead_of_the_request_in_one_write(home, naivectl):
    with Scripted(home / "control.sock", HELLO + ANSWER) as daemon:
        naivectl("stop", "A")
    assert [request["method"] for request in daemon.heard[0]] == ["hello", "stop"]


def test_an_answer_in_many_pieces_is_one_answer(daemon, naivectl, row):
    daemon.rows = [row(f"S{number}", "off") for number in range(2_000)]
    assert len(json.loads(naivectl("status", "--json").out)["symbols"]) == 2_000


def test_a_place_that_was_named_is_the_only_one(daemon, naivectl, home, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert naivectl("status").code == 0
    assert naivectl("--home", str(elsewhere), "status").code == 7
    assert naivectl("--socket", str(elsewhere / "s"), "status").code == 7
    assert naivectl("--home", str(elsewhere), "--socket", str(home / "control.sock"), "status").code == 0
