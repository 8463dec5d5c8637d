from itertools import pairwise

import pytest
import trio

from naived.binance.relay import attend, relay
from naived.websocket import Closed, ConnectError

DAY = 24 * 3600


class Runner:
    """Plays legs by a list of scripts; the last one repeats."""

    def __init__(self, *scripts):
        self.scripts = list(scripts)
        self.began = []
        self.legs = []

    async def __call__(self, leg):
        self.began.append(trio.current_time())
        self.legs.append(leg)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        await script(leg)

    def pauses(self):
        return [round(after - before) for before, after in pairwise(self.began)]


async def refused(leg):
    raise ConnectError("refused")


async def lost_at_once(leg):
    leg.take_over()
    leg.end("lost")


async def stays(leg):
    leg.take_over()
    await leg.serve()


async def run_for(seconds, runner):
    with trio.move_on_after(seconds):
        await relay("test", runner, jitter=lambda: 0.0)


async def test_pauses_grow_from_a_second_to_a_quarter_of_a_minute(autojump_clock):
    runner = Runner(refused)
    await run_for(300, runner)
    assert runner.pauses()[:8] == [1, 2, 4, 8, 15, 15, 15, 15]


async def test_a_connection_that_is_lost_at_once_is_a_failure_too(autojump_clock):
    runner = Runner(lost_at_once)
    await run_for(20, runner)
    assert runner.pauses()[:4] == [1, 2, 4, 8]


async def test_after_a_steady_connection_the_next_one_comes_at_once(autojump_clock):
    async def lost_after_an_hour(leg):
        leg.take_over()
        await trio.sleep(3600)
        leg.end("lost")

    runner = Runner(refused, refused, lost_after_an_hour, stays)
    await run_for(4000, runner)
    assert runner.pauses() == [1, 2, 3600]


async def test_jitter_cuts_off_up_to_half_of_a_pause(autojump_clock):
    runner = Runner(refused)
    with trio.move_on_after(40):
        await relay("test", runner, jitter=lambda: 1.0)
    gaps = [after - before for before, after in pairwise(runner.began)]
    assert gaps[:4] == pytest.approx([0.5, 1, 2, 4])


async def test_a_leg_may_ask_for_a_longer_pause(autojump_clock):
    async def not_let_in(leg):
        leg.end("bad key", 60)

    runner = Runner(not_let_in)
    await run_for(200, runner)
    assert runner.pauses()[:2] == [60, 60]


async def test_before_a_day_is_over_the_successor_is_up_and_only_then_the_old_one_leaves(autojump_clock):
    order = []

    async def first(leg):
        leg.take_over()
        await leg.serve()
        order.append("the old one leaves")

    async def second(leg):
        await trio.sleep(5)  # connecting
        order.append("the new one is up")
        leg.take_over()
        await leg.serve()

    runner = Runner(first, second)
    await run_for(DAY, runner)
    assert runner.pauses()[0] < DAY
    assert order == ["the new one is up", "the old one leaves"]


async def test_the_old_one_stays_while_successors_fail(autojump_clock):
    left = []

    async def leaves_on_notice(leg):
        leg.take_over()
        leg.end("serverShutdown")
        await leg.serve()
        left.append(trio.current_time())

    runner = Runner(leaves_on_notice, refused, refused, stays)
    await run_for(60, runner)
    assert left == [runner.began[3]]


async def test_a_leg_that_ends_before_it_is_up_never_takes_over(autojump_clock):
    async def told_to_leave_while_connecting(leg):
        leg.end("serverShutdown")
        await trio.sleep(10)
        leg.take_over()
        await leg.serve()

    runner = Runner(told_to_leave_while_connecting, stays)
    await run_for(100, runner)
    assert runner.legs[0].up_at is None
    assert not runner.legs[1].relieved.is_set()


class Connection:
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


async def test_a_quiet_connection_that_answers_pings_lives(autojump_clock):
    connection = Connection()
    with trio.move_on_after(3600) as scope:
        await attend(connection, print)
    assert scope.cancelled_caught
    assert 170 <= len(connection.pings) <= 180


async def test_silence_ends_a_connection_within_half_a_minute(autojump_clock):
    frames = []
    began = trio.current_time()
    end = await attend(Connection(["a", "b"], pong=False), frames.append)
    assert frames == ["a", "b"]
    assert "silent" in str(end)
    assert trio.current_time() - began == pytest.approx(30)


async def test_whoever_takes_a_frame_may_end_the_connection():
    def enough(text):
        raise Closed("enough")

    assert str(await attend(Connection(["a"]), enough)) == "enough"
