import json

import pytest
import trio

from naived.control.protocol import MAX_REQUEST, Code


async def test_a_line_of_the_limit_is_read_and_one_byte_more_ends_the_connection(connect):
    request = b'{"jsonrpc":"2.0","id":1,"method":"status"}'
    client = await connect()
    await client.stream.send_all(request.ljust(MAX_REQUEST) + b"\n")
    assert "result" in await client.answer()
    await client.stream.send_all(request.ljust(MAX_REQUEST + 1) + b"\n")
    answer = await client.answer()
    assert answer["id"] is None
    assert answer["error"]["code"] == Code.INVALID_REQUEST
    assert await client.line() == b""


async def test_an_endless_line_is_cut_off_without_waiting_for_its_end(connect):
    client = await connect()
    await client.stream.send_all(b"[" * (MAX_REQUEST + 1))
    assert (await client.answer())["error"]["code"] == Code.INVALID_REQUEST


async def test_a_request_split_at_every_byte_is_one_request(connect):
    client = await connect()
    for byte in b'{"jsonrpc":"2.0","id":"a","method":"status","params":{}}\n':
        await client.stream.send_all(bytes([byte]))
    assert (await client.answer())["id"] == "a"


async def test_a_client_that_ended_its_requests_still_gets_its_answer(connect):
    client = await connect()
    await client.say("status")
    await client.stream.send_eof()
    assert "result" in await client.answer()
    assert await client.line() == b""


@pytest.mark.parametrize(("cut", "answer"), [(1, "result"), (2, "error")])
async def test_the_last_request_may_lack_its_end_of_line_and_a_part_of_one_is_an_error(connect, cut, answer):
    client = await connect()
    frame = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "status", "params": {}}).encode() + b"\n"
    await client.stream.send_all(frame[:-cut])
    await client.stream.send_eof()
    assert answer in await client.answer()
    assert await client.line() == b""


async def test_a_client_that_says_nothing_is_let_go(connect, autojump_clock):
    client = await connect()
    start = trio.current_time()
    assert await client.line() == b""
    assert trio.current_time() - start == pytest.approx(5)


async def test_a_client_that_drips_bytes_is_let_go(connect, autojump_clock):
    client = await connect()
    start = trio.current_time()

    async def drip() -> None:
        while True:
            await client.stream.send_all(b"x")
            await trio.sleep(1)

    with pytest.raises(trio.BrokenResourceError):
        await drip()
    assert trio.current_time() - start == pytest.approx(10, abs=2)


async def test_a_client_may_be_idle_for_a_minute_between_requests(connect, autojump_clock):
    client = await connect()
    await client.ask("status")
    await trio.sleep(59)
    await client.ask("status")
    start = trio.current_time()
    assert await client.line() == b""
    assert trio.current_time() - start == pytest.approx(60)


async def test_clients_that_never_read_are_let_go_and_disturb_nobody(connect, service, autojump_clock):
    service.padding = "x" * 1_000_000
    for _ in range(20):
        await (await connect()).say("status")
    service.padding = ""
    client = await connect()
    with trio.fail_after(1):
        assert "result" in await client.ask("status")
    await trio.sleep(6)
    assert "result" in await client.ask("status")
