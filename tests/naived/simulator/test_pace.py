from fractions import Fraction

import trio
import trio.testing

from naived.core.amount import Price, Quantity
from naived.simulator.pace import Pace
from naived.simulator.tape import Print

SECOND = 1_000_000


def prints(*seconds: float) -> list[Print]:
    return [Print(Price(1), Quantity(1), 1_723_161_255 * SECOND + int(s * SECOND), False) for s in seconds]


async def never_crowded() -> None:
    """Readers that keep up."""


class Heard:
    """When each print was published, in seconds since the beginning."""

    def __init__(self) -> None:
        self.begun = trio.current_time()
        self.times: list[float] = []

    def __call__(self, trade: Print) -> None:
        self.times.append(round(trio.current_time() - self.begun, 3))


async def test_gaps_are_preserved_and_divided_by_the_speed(autojump_clock: trio.testing.MockClock) -> None:
    heard = Heard()
    await Pace(Fraction(10), held=False).run(iter(prints(0, 1, 1, 5)), heard, never_crowded)
    assert heard.times == [0, 0.1, 0.1, 0.5]


async def test_a_hold_publishes_nothing_and_shifts_all_that_follows(
    autojump_clock: trio.testing.MockClock,
) -> None:
    heard = Heard()
    pace = Pace(Fraction(1), held=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pace.run, iter(prints(0, 1, 2, 3)), heard, never_crowded)
        await trio.sleep(100)
        assert heard.times == []
        pace.play()
        await trio.sleep(1.5)
        pace.hold()
        pace.hold()
        await trio.sleep(98.5)
        pace.play()
    assert heard.times == [100, 101, 200, 201]


async def test_at_full_speed_nothing_waits_but_for_crowded_readers(
    autojump_clock: trio.testing.MockClock,
) -> None:
    heard = Heard()
    waits = iter([0.0, 2.0, 0.0])

    async def crowded() -> None:
        await trio.sleep(next(waits))

    await Pace(None, held=False).run(iter(prints(0, 1000, 2000)), heard, crowded)
    assert heard.times == [0, 2, 2]


async def test_at_full_speed_others_get_their_turn(autojump_clock: trio.testing.MockClock) -> None:
    published: list[Print] = []
    async with trio.open_nursery() as nursery:
        tape = iter(prints(*range(10_000)))
        nursery.start_soon(Pace(None, held=False).run, tape, published.append, never_crowded)
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        assert 0 < len(published) < 100
        nursery.cancel_scope.cancel()
