import trio
from trio.testing import MockClock

from naived.control.pulse import BOUNDS, Pulse


async def test_a_loop_that_is_late_is_counted_once_in_its_bucket(mock_clock: MockClock) -> None:
    pulse, states = Pulse(), ["ready"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pulse.run, lambda: states[0])
        for jump in (0.5, 0.5, 0.53, 0.5, 60.0, 0.5):
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(jump)
        await trio.testing.wait_all_tasks_blocked()
        assert sum(pulse.counts) == 6
        assert pulse.counts[0] == 4
        assert pulse.counts[BOUNDS.index(0.05)] == 1
        assert pulse.counts[-1] == 1
        assert 59 < pulse.late < 60
        assert pulse.degraded == 0
        states[0] = "degraded"
        mock_clock.jump(0.5)
        await trio.testing.wait_all_tasks_blocked()
        assert pulse.degraded == 0.5
        nursery.cancel_scope.cancel()
