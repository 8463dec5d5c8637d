import os
import resource
import socket
import stat

import pytest
import structlog
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naived.control import server as server_module
from naived.control.endpoint import Endpoint
from naived.control.protocol import MAX_ANSWER, TIMEOUTS, Code
from tests.support.control import methods_of, serve_alone


async def test_a_status_is_answered_with_the_services_document(connect):
    client = await connect()
    answer = await client.ask("status", symbols=["ethusdt"])
    assert answer["jsonrpc"] == "2.0"
    assert answer["id"] == 1
    assert answer["result"]["symbols"][0] == {"symbol": "ETHUSDT", "last_price": "2683.8"}


async def test_a_socket_that_somebody_removed_is_made_anew_and_the_old_one_is_closed(
    connect, socket_path, monkeypatch
):
    monkeypatch.setattr(server_module, "_LOOK", 0.01)
    client = await connect()
    files = []
    for _ in range(3):
        socket_path.unlink()
        with trio.fail_after(60):
            while not socket_path.exists():  # noqa: ASYNC110 - there is no event for it
                await trio.sleep(0.01)
        await trio.sleep(0.1)
        files.append(len(os.listdir("/proc/self/fd")))
        assert (await client.ask("status", symbols=["ethusdt"]))["result"]["symbols"]
    assert files[1:] == files[:-1]
    assert (await (await connect()).ask("status", symbols=["ethusdt"]))["result"]["symbols"]


async def test_answers_come_in_the_order_of_the_requests_of_a_pipeline(connect):
    client = await connect()
    for number in range(200):
        await client.say("status", id=number)
    assert [(await client.answer())["id"] for _ in range(200)] == list(range(200))


async def test_hello_names_both_sides_and_what_the_daemon_can_do(connect):
    result = (await (await connect()).ask("hello", proto=1, client="test"))["result"]
    assert result["proto"] == result["min_proto"] == 1
    assert result["pid"] == os.getpid()
    assert "watch" in result["caps"]


@pytest.mark.parametrize("proto", [0, 2])
async def test_nothing_is_performed_behind_a_hello_of_another_version(connect, service, proto):
    client = await connect()
    await client.say("hello", proto=proto)
    await client.say("start", id=2, symbols=["ETHUSDT"])
    assert (await client.answer())["error"]["code"] == Code.VERSION_MISMATCH
    assert await client.line() == b""
    assert service.calls == []


async def test_a_change_reaches_the_service_with_its_defaults_filled_in(connect, service):
    await (await connect()).ask("start", symbols=["ethusdt", "ETHUSDT", "btcusdt"], budget="500")
    method, params = service.calls[0]
    assert method == "start"
    assert params == {
        "symbols": ("ETHUSDT", "BTCUSDT"),
        "all": False,
        "request_id": None,
        "dry_run": False,
        "wait": True,
        "timeout": TIMEOUTS["start"],
        "budget": "500",
    }


async def test_who_changed_something_is_logged(connect):
    client = await connect()
    with structlog.testing.capture_logs() as log:
        await client.ask("status")
        await client.ask("settings", symbols=["ETHUSDT"])
        await client.ask("shutdown", symbols=["ETHUSDT"])
    assert [(entry["method"], entry["pid"], entry["uid"]) for entry in log] == [
        ("shutdown", os.getpid(), os.getuid())
    ]


async def test_a_log_has_what_only_looks_like_a_symbol_escaped_and_cut(connect):
    client = await connect()
    with structlog.testing.capture_logs() as log:
        await client.ask("shutdown", symbols=["ethusdt", "\x1b[2J", "\uff21", "B" * 40_000])
    assert log[0]["params"]["symbols"] == ["ETHUSDT", r"'\x1b[2J'", r"'\uff21'", f"'{'B' * 32}'"]


async def test_a_refused_request_leaves_the_connection_usable(connect, service):
    client = await connect()
    assert (await client.ask("stop"))["error"]["code"] == Code.INVALID_PARAMS
    assert (await client.ask("status", symbols=["NOPE"]))["error"] == {
        "code": Code.UNKNOWN_SYMBOL,
        "message": "there is no NOPE",
        "data": {"kind": "unknown_symbol", "symbol": "NOPE", "hint": None, "retryable": False},
    }
    assert "result" in await client.ask("status")
    assert service.calls == []


async def test_a_defect_in_the_service_is_an_answer_and_hurts_nobody(connect):
    client = await connect()
    assert (await client.ask("trades"))["error"]["code"] == Code.INTERNAL_ERROR
    assert "result" in await client.ask("status")


async def test_an_answer_above_the_limit_is_an_error_not_a_flood(connect, service):
    service.padding = "x" * MAX_ANSWER
    error = (await (await connect()).ask("status"))["error"]
    assert error["code"] == Code.INTERNAL_ERROR
    assert error["data"]["hint"] == "ask for fewer symbols or rows"


WAITS = [("wait", {"for": "off"}), ("stop", {})]


@pytest.mark.parametrize(("method", "params"), WAITS)
async def test_a_wait_ends_when_its_client_hangs_up(connect, service, autojump_clock, method, params):
    client = await connect()
    await client.say(method, symbols=["ETHUSDT"], **params)
    await _until(lambda: service.calls)
    await client.stream.aclose()
    await _until(lambda: service.cancelled == [method])


@pytest.mark.parametrize(("method", "params"), WAITS)
async def test_a_wait_outlives_a_client_that_only_ended_its_requests(
    connect, service, autojump_clock, method, params
):
    client = await connect()
    await client.say(method, symbols=["ETHUSDT"], **params)
    await client.stream.send_eof()
    await trio.sleep(100)
    service.hold.set()
    assert "result" in await client.answer()


async def test_a_change_goes_on_when_its_client_hangs_up(connect, service, autojump_clock):
    client = await connect()
    await client.say("stop", symbols=["ETHUSDT"])
    await _until(lambda: service.calls)
    await client.stream.aclose()
    await trio.sleep(100)
    assert service.ended == ["stop"]


async def test_a_connection_beyond_the_limit_is_told_so(connect, monkeypatch):
    monkeypatch.setattr(server_module, "_CONNECTIONS_PER_UID", 2)
    first = [await connect() for _ in range(2)]
    for client in first:
        await client.ask("status")
    late = await connect()
    assert (await late.answer())["error"]["code"] == Code.BUSY
    assert await late.line() == b""
    await first[0].stream.aclose()
    await _until_served(connect)


async def test_a_watcher_that_vanished_leaves_its_place_before_it_would_be_written_to(
    connect, monkeypatch, autojump_clock
):
    monkeypatch.setattr(server_module, "_STREAMS", 1)
    for stream in ({"method": "watch"}, {"method": "events", "follow": True, "after_seq": 0}):
        watcher = await connect()
        await watcher.say(**stream)
        await trio.sleep(1)
        assert (await (await connect()).ask(**stream))["error"]["code"] == Code.BUSY
        await watcher.stream.aclose()
        await trio.sleep(3)


def test_connections_leave_half_of_the_descriptors_to_the_exchange_and_the_database(monkeypatch):
    for limit, room in ((128, (64, 32)), (100_000, (1024, 512)), (resource.RLIM_INFINITY, (1024, 512))):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        assert server_module._room() == room


async def test_a_stranger_is_refused_by_the_kernels_word(connect, monkeypatch, service):
    monkeypatch.setattr(server_module, "peer_of", lambda _: server_module.Peer(1, os.geteuid() + 1))
    client = await connect()
    await client.say("stop", symbols=["ETHUSDT"])
    error = (await client.answer())["error"]
    assert (error["code"], error["data"]["hint"]) == (Code.PERMISSION, "run naivectl as the same user")
    assert await client.line() == b""
    assert service.calls == []


async def test_the_socket_is_for_its_owner_alone_and_goes_with_the_server(service, socket_path):
    mask = os.umask(0)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_alone, Endpoint(socket_path), methods_of(service), service)
            await trio.testing.wait_all_tasks_blocked()
            assert stat.S_IMODE(socket_path.stat().st_mode) == 0o600
            assert os.umask(0) == 0
            nursery.cancel_scope.cancel()
    finally:
        os.umask(mask)
    assert list(socket_path.parent.iterdir()) == []


async def test_thousands_of_clients_that_vanish_leave_nothing_behind(connect):
    await (await connect()).ask("status")
    before = len(os.listdir("/proc/self/fd"))
    for number in range(1_000):
        client = await connect()
        if number % 2:
            await client.stream.send_all(b'{"jsonrpc":"2.0","id":1,"method":"status"}\n'[: number % 50])
        await client.stream.aclose()
    client = await connect()
    await client.ask("status")
    await _until(lambda: len(os.listdir("/proc/self/fd")) <= before + 2)


GARBAGE = [
    b"",
    b"\x00",
    b"\xff\xfe{}",
    b"\xef\xbb\xbf{}",
    '{"jsonrpc":"2.0","id":1,"method":"status"}'.encode("utf-16"),
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b"9" * 5_000,
    b"null",
    b"[]",
    b'"start"',
    b"GET / HTTP/1.1\r",
    rb'"\ud800"',
]


@pytest.mark.parametrize("line", GARBAGE, ids=[repr(line[:12]) for line in GARBAGE])
async def test_garbage_is_answered_and_the_next_request_too(connect, service, line):
    client = await connect()
    await client.stream.send_all(line + b"\n")
    answer = await client.answer()
    assert answer["error"]["code"] in (Code.PARSE_ERROR, Code.INVALID_REQUEST)
    assert answer["id"] is None
    assert "result" in await client.ask("status")
    assert service.calls == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_mutated_requests_get_one_answer_each_or_a_close(data, new_service, talk):
    good = b'{"jsonrpc":"2.0","id":1,"method":"start","params":{"symbols":["ETHUSDT"],"budget":"100"}}'
    lines = []
    for _ in range(data.draw(st.integers(1, 5))):
        line = bytearray(good)
        for _ in range(data.draw(st.integers(1, 4))):
            line[data.draw(st.integers(0, len(line) - 1))] = data.draw(
                st.integers(0, 255).filter(lambda b: b != 10)
            )
        lines.append(bytes(line))
    ours, theirs = socket.socketpair()
    service = new_service()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            server_module.Server(methods_of(service), service).handle,
            trio.SocketStream(trio.socket.from_stdlib_socket(theirs)),
        )
        ours.setblocking(False)
        client = talk(trio.SocketStream(trio.socket.from_stdlib_socket(ours)))
        text = b"\n".join(lines) + b"\n"
        cut = data.draw(st.integers(0, len(text)))
        for part in (text[:cut], text[cut:]):
            await client.stream.send_all(part)
        for _ in lines:
            answer = await client.answer()
            assert ("result" in answer) != ("error" in answer)
        await client.stream.aclose()
    assert all(params["symbols"] for _, params in service.calls)


async def _until(condition, seconds=5):
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is the server's, it tells nobody
            await trio.sleep(0.01)


async def _until_served(connect):
    with trio.fail_after(5):
        while "error" in await (await connect()).ask("status"):  # noqa: ASYNC110
            await trio.sleep(0.01)
