from functools import partial

import pytest
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Request

from naived import websocket
from naived.websocket import Closed, ConnectError, connect, serve

HANDSHAKE = (
    b"GET /x HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def echo(connection):
    try:
        while True:
            await connection.send(await connection.receive())
    except Closed:
        pass


@pytest.fixture
async def port(nursery):
    return await nursery.start(serve, echo, "127.0.0.1", 0)


async def raw_server(nursery, handler):
    [listener] = await nursery.start(partial(trio.serve_tcp, handler, 0, host="127.0.0.1"))
    return listener.socket.getsockname()[1]


async def test_frames_go_both_ways_whatever_their_size(port):
    with trio.fail_after(10):
        async with connect(f"ws://127.0.0.1:{port}/x") as connection:
            for text in ("", "ключ", "x" * 3_000_000):
                await connection.send(text)
                assert await connection.receive() == text


async def test_the_server_sees_the_path_and_query(nursery):
    targets = []

    async def note(connection):
        targets.append(connection.target)

    port = await nursery.start(serve, note, "127.0.0.1", 0)
    async with connect(f"ws://127.0.0.1:{port}/stream?streams=a@trade/b@trade") as connection:
        with trio.fail_after(10), pytest.raises(Closed):
            await connection.receive()
    assert targets == ["/stream?streams=a@trade/b@trade"]


async def test_a_close_by_the_peer_ends_both_directions(nursery):
    async def leave(connection):
        await connection.aclose(1001, "going away")

    port = await nursery.start(serve, leave, "127.0.0.1", 0)
    with trio.fail_after(10):
        async with connect(f"ws://127.0.0.1:{port}") as connection:
            with pytest.raises(Closed, match="closed with 1001: going away"):
                await connection.receive()
            assert connection.closed
            with pytest.raises(Closed):
                await connection.send("too late")
            with pytest.raises(Closed):
                await connection.ping()


async def test_a_burst_that_is_not_read_yet_does_not_delay_pongs(port):
    with trio.fail_after(10):
        async with connect(f"ws://127.0.0.1:{port}") as connection:
            for number in range(500):
                await connection.send(f"{number}")
            await connection.ping()
            assert [await connection.receive() for _ in range(500)] == [f"{number}" for number in range(500)]


async def test_an_exception_of_the_body_is_not_wrapped(port):
    with pytest.raises(KeyError, match="body"):
        async with connect(f"ws://127.0.0.1:{port}"):
            raise KeyError("body")


async def test_a_port_without_a_listener_is_a_connect_error():
    with trio.fail_after(10), pytest.raises(ConnectError, match=r"cannot connect to 127\.0\.0\.1:1: "):
        async with connect("ws://127.0.0.1:1/x"):
            pass


async def test_a_url_of_another_scheme_is_a_connect_error():
    with pytest.raises(ConnectError, match="neither ws nor wss"):
        async with connect("http://127.0.0.1:1/x"):
            pass


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"),
        (b"\x00\x01nonsense\r\n\r\n" * 5, "cannot connect"),
    ],
)
async def test_a_server_that_does_not_speak_websocket_is_a_connect_error(nursery, reply, why):
    async def answer(stream):
        await stream.receive_some(4000)
        await stream.send_all(reply)

    port = await raw_server(nursery, answer)
    with trio.fail_after(10), pytest.raises(ConnectError, match=why):
        async with connect(f"ws://127.0.0.1:{port}"):
            pass


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        (b"Retry-After: 720\r\n", 720),
        (b"retry-after: 0\r\n", 0),
        (b"", None),
        (b"Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n", None),
        (b"Retry-After: -5\r\n", None),
        (b"Retry-After: " + b"9" * 1000 + b"\r\n", None),
    ],
)
async def test_a_server_that_refuses_the_handshake_may_say_for_how_long(nursery, header, wait):
    async def answer(stream):
        await stream.receive_some(4000)
        await stream.send_all(b"HTTP/1.1 418 I'm a teapot\r\n" + header + b"Content-Length: 0\r\n\r\n")

    port = await raw_server(nursery, answer)
    with trio.fail_after(10), pytest.raises(ConnectError, match="status 418") as caught:
        async with connect(f"ws://127.0.0.1:{port}"):
            pass
    assert (caught.value.status, caught.value.retry_after) == (418, wait)


async def test_a_server_that_never_answers_is_a_connect_error(nursery, monkeypatch):
    monkeypatch.setattr(websocket, "_OPEN_TIMEOUT", 0.05)

    async def silence(stream):
        await trio.sleep_forever()

    port = await raw_server(nursery, silence)
    with trio.fail_after(10), pytest.raises(ConnectError, match="no answer"):
        async with connect(f"ws://127.0.0.1:{port}"):
            pass


async def test_a_peer_that_never_closes_does_not_delay_our_close(nursery, monkeypatch):
    monkeypatch.setattr(websocket, "_CLOSE_TIMEOUT", 0.05)
    stuck = trio.Event()

    async def never_close(connection):
        with trio.CancelScope(shield=True):
            await stuck.wait()

    port = await nursery.start(serve, partial(_mute_then, never_close), "127.0.0.1", 0)
    try:
        with trio.fail_after(10):
            async with connect(f"ws://127.0.0.1:{port}"):
                pass
    finally:
        stuck.set()


async def _mute_then(handler, connection):
    async with trio.open_nursery() as nursery:
        await nursery.start(connection.mute, 60)
        await handler(connection)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
        HANDSHAKE.replace(b": 13", b": 8"),
        HANDSHAKE + b"\xff\xff\xff\xff\xff\xff",
        HANDSHAKE + b"\x81\x02hi",
        HANDSHAKE + b"\x81\x82\x00\x00\x00\x00\xff\xfe",
    ],
)
async def test_a_client_that_sends_garbage_does_not_affect_others(port, sent):
    with trio.fail_after(10):
        async with connect(f"ws://127.0.0.1:{port}") as witness:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            if sent:
                await stream.send_all(sent)
                await stream.receive_some(100)
            await stream.aclose()
            await witness.send("still here")
            assert await witness.receive() == "still here"


async def test_a_ping_that_crosses_a_close_does_not_end_the_server(nursery):
    over = trio.Event()

    async def leave(connection):
        await connection.aclose()
        over.set()

    port = await nursery.start(serve, leave, "127.0.0.1", 0)
    with trio.fail_after(10):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(HANDSHAKE)
        received = b""
        while b"\x88\x02\x03\xe8" not in received:
            received += await stream.receive_some(1000)
        await stream.send_all(b"\x89\x80\x00\x00\x00\x00")  # a ping
        await stream.send_all(b"\x88\x82\x00\x00\x00\x00\x03\xe8")  # and the close
        await over.wait()
        async with connect(f"ws://127.0.0.1:{port}"):
            pass
        await stream.aclose()


async def test_a_ping_from_a_server_that_crosses_our_close_is_no_error(nursery):
    port = await raw_server(nursery, ping_late)
    with trio.fail_after(10):
        async with connect(f"ws://127.0.0.1:{port}"):
            pass


async def ping_late(stream):
    """Shake hands, wait for the close, and ping before it is answered."""
    peer = WSConnection(ConnectionType.SERVER)
    while True:
        peer.receive_data(await stream.receive_some(1000))
        for event in peer.events():
            if isinstance(event, Request):
                await stream.send_all(peer.send(AcceptConnection()))
            if isinstance(event, CloseConnection):
                await stream.send_all(b"\x89\x00" + peer.send(event.response()))
                return


class Inner:
    """A library connection whose peer takes nothing until ``gate`` is set."""

    def __init__(self):
        self.gate = trio.Event()
        self.sent = []
        self.closed = None
        self.cut = False

    async def _send(self, event):
        raise AssertionError("nothing is answered here")

    async def send_message(self, text):
        await self.gate.wait()
        self.sent.append(text)

    async def aclose(self):
        self.cut = True
        await trio.lowlevel.checkpoint()


async def test_a_caller_cancelled_during_a_frame_waits_for_its_end(autojump_clock):
    inner = Inner()
    connection = websocket.WebSocket(inner)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.send, "whole")
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
        inner.gate.set()
    assert inner.sent == ["whole"]


async def test_a_caller_cancelled_before_the_send_sends_nothing():
    inner = Inner()
    inner.gate.set()
    with trio.CancelScope() as scope:
        scope.cancel()
        await websocket.WebSocket(inner).send("never")
    assert inner.sent == []


async def test_the_connection_to_a_peer_that_takes_no_frame_is_cut(autojump_clock):
    inner = Inner()
    began = trio.current_time()
    with pytest.raises(Closed, match="took no frame for 10 s"):
        await websocket.WebSocket(inner).send("lost")
    assert trio.current_time() - began == pytest.approx(10)
    assert inner.cut
