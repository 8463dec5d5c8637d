from itertools import pairwise

import pytest
import trio

from naived.binance.connection import keep_connected, read_frames, said
from naived.websocket import Closed, ConnectError

DAY = 24 * 3600


class Runner:
    """Runs each connection by the next script; the last one repeats."""

    def __init__(self, *scripts):
        self.scripts = list(scripts)
        self.began = []
        self.connections = []

    async def __call__(self, connection):
        self.began.append(trio.current_time())
        self.connections.append(connection)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        await script(connection)

    def pauses(self):
        return [round(after - before) for before, after in pairwise(self.began)]


async def refused(connection):
    raise ConnectError("refused")


async def lost_at_once(connection):
    connection.mark_up()
    connection.end("lost")


async def stays(connection):
    connection.mark_up()
    await connection.wait_replaced()


async def run_for(seconds, runner):
    with trio.move_on_after(seconds):
        await keep_connected("test", runner, jitter=lambda: 0.0)


async def test_pauses_grow_from_1_s_to_15_s(autojump_clock):
    runner = Runner(refused)
    await run_for(300, runner)
    assert runner.pauses()[:8] == [1, 2, 4, 8, 15, 15, 15, 15]


async def test_a_connection_that_is_lost_at_once_is_a_failure_too(autojump_clock):
    runner = Runner(lost_at_once)
    await run_for(20, runner)
    assert runner.pauses()[:4] == [1, 2, 4, 8]


async def test_when_a_connection_that_was_up_long_is_lost_the_next_is_made_at_once(autojump_clock):
    async def lost_after_an_hour(connection):
        connection.mark_up()
        await trio.sleep(3600)
        connection.end("lost")

    runner = Runner(refused, refused, lost_after_an_hour, stays)
    await run_for(4000, runner)
    assert runner.pauses() == [1, 2, 3600]


async def test_jitter_shortens_a_pause_by_up_to_half(autojump_clock):
    runner = Runner(refused)
    with trio.move_on_after(40):
        await keep_connected("test", runner, jitter=lambda: 1.0)
    gaps = [after - before for before, after in pairwise(runner.began)]
    assert gaps[:4] == pytest.approx([0.5, 1, 2, 4])


async def test_a_connection_may_ask_for_a_longer_pause(autojump_clock):
    async def refused_key(connection):
        connection.end("bad key", 60)

    runner = Runner(refused_key)
    await run_for(200, runner)
    assert runner.pauses()[:2] == [60, 60]


@pytest.mark.parametrize(
    ("status", "told", "pause"),
    [
        (418, 720, 720),
        (418, None, 120),
        (418, 0, 120),
        (418, 10**9, 3 * DAY),
        (429, 30, 30),
        (429, 10**9, 60),
        (429, None, 10),
        (403, 720, 1),  # a barrier before the exchange, which often opens at once
        (503, 720, 1),
        (None, None, 1),
    ],
)
async def test_an_exchange_that_bans_us_sees_no_attempt_before_its_time(autojump_clock, status, told, pause):
    async def answers(connection):
        raise ConnectError("no WebSocket", status, told)

    runner = Runner(answers)
    await run_for(pause + 1, runner)
    assert runner.pauses()[0] == pause


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (418, "no WebSocket: it has banned this address for a while"),
        (451, "no WebSocket: it does not serve this address's region"),
        (404, "no WebSocket"),
    ],
)
def test_the_status_of_a_refused_handshake_is_explained(status, reason):
    assert said(ConnectError("no WebSocket", status)) == reason


async def test_before_a_day_is_over_the_next_connection_is_up_and_only_then_the_old_one_closes(autojump_clock):
    order = []

    async def first(connection):
        connection.mark_up()
        await connection.wait_replaced()
        order.append("the old one closes")

    async def second(connection):
        await trio.sleep(5)  # connecting
        order.append("the new one is up")
        connection.mark_up()
        await connection.wait_replaced()

    runner = Runner(first, second)
    await run_for(DAY, runner)
    assert runner.pauses()[0] < DAY
    assert order == ["the new one is up", "the old one closes"]


async def test_the_old_connection_stays_while_its_replacements_fail(autojump_clock):
    closed = []

    async def closes_on_notice(connection):
        connection.mark_up()
        connection.end("serverShutdown")
        await connection.wait_replaced()
        closed.append(trio.current_time())

    runner = Runner(closes_on_notice, refused, refused, stays)
    await run_for(60, runner)
    assert closed == [runner.began[3]]


async def test_a_connection_that_ends_before_it_is_up_never_comes_up(autojump_clock):
    async def told_to_close_while_connecting(connection):
        connection.end("serverShutdown")
        await trio.sleep(10)
        connection.mark_up()
        await connection.wait_replaced()

    runner = Runner(told_to_close_while_connecting, stays)
    await run_for(100, runner)
    assert runner.connections[0].up_at is None
    assert not runner.connections[1].replaced.is_set()


class Socket:
    def __init__(self, frames=(), pong=True):
        self.frames = list(frames)
        self.pong = pong
        self.pings = []

    async def receive(self):
        await trio.lowlevel.checkpoint()
        if not self.frames:
            await trio.sleep(DAY)
        return self.frames.pop(0)

    async def ping(self):
        self.pings.append(trio.current_time())
        if not self.pong:
            await trio.sleep_forever()


async def test_a_connection_without_frames_that_answers_pings_goes_on(autojump_clock):
    socket = Socket()
    with trio.move_on_after(3600) as scope:
        await read_frames(socket, print)
    assert scope.cancelled_caught
    assert 170 <= len(socket.pings) <= 180


async def test_a_connection_without_pongs_ends_within_half_a_minute(autojump_clock):
    frames = []
    began = trio.current_time()
    end = await read_frames(Socket(["a", "b"], pong=False), frames.append)
    assert frames == ["a", "b"]
    assert "silent" in str(end)
    assert trio.current_time() - began == pytest.approx(30)


async def test_the_reader_of_a_frame_may_end_the_connection():
    def enough(text):
        raise Closed("enough")

    assert str(await read_frames(Socket(["a"]), enough)) == "enough"
