import trio
import trio.testing

from naived.simulator.outbox import CAPACITY, Outbox
from naived.websocket import Closed


class Line:
    """A connection that takes frames, or is closed."""

    def __init__(self, *, closed: bool = False) -> None:
        self.closed = closed
        self.sent: list[tuple[float, str]] = []

    async def send(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        if self.closed:
            raise Closed("gone")
        self.sent.append((trio.current_time(), text))


async def dropped(outbox: Outbox) -> bool:
    with trio.move_on_after(1):
        await outbox.dropped()
        return True
    return False


async def test_frames_leave_in_order(autojump_clock: trio.testing.MockClock) -> None:
    outbox, line = Outbox(), Line()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.run, line)
        for text in "abc":
            outbox.send(text)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert [text for _, text in line.sent] == ["a", "b", "c"]


async def test_a_pause_keeps_frames_and_loses_none(autojump_clock: trio.testing.MockClock) -> None:
    outbox, line = Outbox(), Line()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.run, line)
        begun = trio.current_time()
        outbox.pause(30)
        outbox.send("a")
        outbox.send("b")
        await trio.sleep(40)
        nursery.cancel_scope.cancel()
    assert [(round(time - begun), text) for time, text in line.sent] == [(30, "a"), (30, "b")]


async def test_one_frame_too_many_drops_the_connection(autojump_clock: trio.testing.MockClock) -> None:
    outbox = Outbox()
    for _ in range(CAPACITY // 2):
        outbox.send("x")
    assert not outbox.crowded
    for _ in range(CAPACITY // 2):
        outbox.send("x")
    assert outbox.crowded
    assert not await dropped(outbox)
    outbox.send("x")
    assert await dropped(outbox)
    assert not outbox.crowded


async def test_a_lost_connection_drops_its_outbox(autojump_clock: trio.testing.MockClock) -> None:
    outbox = Outbox()
    outbox.send("x")
    await outbox.run(Line(closed=True))  # type: ignore[arg-type]
    assert await dropped(outbox)
