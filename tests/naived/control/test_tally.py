from trio.testing import MockClock

from naived.control.tally import line, states
from naived.runtime.actual_state import ActualState
from tests.support.runtime import World


async def test_the_symbols_add_up_to_one_line(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        assert line(naived.service) == "starting: the first answers of the exchange are awaited; no symbol"
        await naived.start()
        assert states(naived.service) == {ActualState.TRADING: 1}
        assert line(naived.service) == "ready: 1 trading"
        naived.service.supervisor.symbols["ETHUSDT"].fault = "it crashed"
        assert line(naived.service) == "ready: 1 faulted (ETHUSDT: it crashed)"
        world.exchange.go_away("no route to host")
        assert line(naived.service).startswith("degraded: the exchange is away: no route to host; 1 ")
