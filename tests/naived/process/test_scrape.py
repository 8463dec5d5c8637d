from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import structlog
import trio

from naived.process.config import ConfigError
from naived.process.scrape import Scrapes
from tests.support.daemon import until

PATIENCE = 5  # seconds


async def text() -> bytes:
    await trio.lowlevel.checkpoint()
    return b"naived_info 1\n"


@asynccontextmanager
async def serving(render=text) -> AsyncIterator[Scrapes]:
    scrapes = Scrapes(render)
    await scrapes.open(("127.0.0.1", 0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scrapes.run)
        yield scrapes
        nursery.cancel_scope.cancel()


async def exchange(port: int, *pieces: bytes) -> tuple[bytes, bytes]:
    """Head and body of the answer to a request that is sent in these pieces."""
    answer = b""
    with trio.fail_after(PATIENCE):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            for piece in pieces:
                await stream.send_all(piece)
                await trio.sleep(0.01)
            while received := await stream.receive_some():
                answer += received
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


async def test_a_scrape_gets_the_text_with_its_kind_and_length() -> None:
    async with serving() as scrapes:
        head, body = await exchange(scrapes.port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n", b"\r\n")
        assert head.split(b"\r\n") == [
            b"HTTP/1.1 200 OK",
            b"Content-Type: text/plain; version=0.0.4; charset=utf-8",
            b"Content-Length: 14",
            b"Connection: close",
        ]
        assert body == b"naived_info 1\n"
        assert (await exchange(scrapes.port, b"GET /metrics?x=1 HTTP/1.0\n\n"))[1] == body
        head, body = await exchange(scrapes.port, b"HEAD /metrics HTTP/1.1\r\n\r\n")
        assert (b"Content-Length: 14" in head, body) == (True, b"")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"\x00\xff\r\n\r\n", b"405"),
        (b"GET\r\n\r\n", b"404"),
    ],
)
async def test_anything_else_is_refused(request_: bytes, status: bytes) -> None:
    async with serving() as scrapes:
        head, _ = await exchange(scrapes.port, request_)
        assert head.split()[1] == status


@pytest.mark.parametrize("request_", [b"\r\n\r\n", b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 10_000])
async def test_what_is_no_request_gets_no_answer(request_: bytes) -> None:
    async with serving() as scrapes:
        with suppress(trio.BrokenResourceError):  # closed with bytes unread
            assert await exchange(scrapes.port, request_) == (b"", b"")
        assert (await exchange(scrapes.port, b"GET /metrics HTTP/1.1\r\n\r\n"))[1]


async def test_a_client_that_sends_nothing_is_left_after_a_while(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Scrapes(text)._answer, server)
        began = trio.current_time()
        assert await client.receive_some() == b""
        assert trio.current_time() - began == pytest.approx(10, abs=0.1)


async def test_a_figure_that_is_wrong_costs_this_answer_and_nothing_else() -> None:
    async def broken() -> bytes:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    with structlog.testing.capture_logs() as records:
        async with serving(broken) as scrapes:
            for _ in range(2):
                head, body = await exchange(scrapes.port, b"GET /metrics HTTP/1.1\r\n\r\n")
                assert (head.split()[1], body) == (b"500", b"ZeroDivisionError\n")
    assert [each["event"] for each in records if each["log_level"] == "error"] == ["metrics failed"] * 2


async def test_the_address_moves_while_it_runs_and_stays_where_the_new_one_is_taken() -> None:
    async with serving() as scrapes:
        first = scrapes.port
        [taken] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        with structlog.testing.capture_logs() as records:
            scrapes.move(("127.0.0.1", taken.socket.getsockname()[1]))
            await until(lambda: any("old address" in each["event"] for each in records))
        assert (await exchange(first, b"GET /metrics HTTP/1.1\r\n\r\n"))[1]
        await taken.aclose()
        scrapes.move(("127.0.0.1", 0))
        await until(lambda: scrapes.port != first)
        assert (await exchange(scrapes.port, b"GET /metrics HTTP/1.1\r\n\r\n"))[1]
        scrapes.move(None)
        await until(lambda: scrapes.port is None)


async def test_an_address_that_is_taken_at_the_start_is_a_fault_of_the_configuration() -> None:
    async with serving() as scrapes:
        with pytest.raises(ConfigError, match=r"cannot serve metrics at 127\.0\.0\.1"):
            await Scrapes(text).open(("127.0.0.1", scrapes.port))
