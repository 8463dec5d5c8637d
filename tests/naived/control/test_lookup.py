"""A name that somebody typed: configured, listed, or neither."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from naived.control.protocol import ControlError
from naived.core.market import SymbolInfo
from naived.core.strategy.settings import Status
from naived.nodes import NOBODY, Member, View
from naived.ports import JournalError
from naived.runtime.keeper import Keeper
from tests.support.runtime import Naived, World


async def test_a_start_of_what_the_exchange_does_not_list_names_the_symbol(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        result = await naived.ask("start", "NOPEUSDT")
        assert result["error"]["kind"] == "unknown_symbol"
        assert (result["status"], result["state"]) == (None, None)


async def test_a_name_too_many_that_nobody_lists_is_told_to_wait(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start("ETHUSDT")
        for kind in ("unknown_symbol", "busy"):
            results = (await naived.call("start", *(f"{kind[0]}{number}" for number in range(100))))["results"]
            assert {entry["error"]["kind"] for entry in results} == {kind}
        await naived.start("ETHUSDT", budget="500")  # and those that are known are not held up
        await trio.sleep(61)
        await naived.call("start", *(f"P{number}" for number in range(100)))
        assert (await naived.ask("settings", budget="600"))["error"] is None
        assert (await naived.ask("settings", budget="25"))["error"] is None  # no price, and enough at some price


async def test_whether_a_new_symbol_is_listed_cannot_be_said_without_the_exchange(
    world: World, clock: MockClock
) -> None:
    world.exchange.gone = "no route"
    async with world.naived() as naived:
        await trio.sleep(1)
        error = (await naived.ask("start"))["error"]
        assert error["kind"] == "exchange_unavailable"


async def test_a_request_while_it_starts_waits_for_the_session(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:  # asked before anything ran
        assert (await naived.ask("start"))["error"] is None


async def test_a_name_is_looked_up_no_longer_than_the_caller_waits(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()

        async def silent(names: Sequence[str]) -> Mapping[str, SymbolInfo]:
            await trio.sleep_forever()

        world.exchange.symbols = silent  # type: ignore[method-assign]
        for timeout, seconds in (("3s", 3), ("1h", 15), ("1ms", 1)):
            began = trio.current_time()
            error = (await naived.ask("start", "BTCUSDT", timeout=timeout))["error"]
            assert error["kind"] == "exchange_unavailable"
            assert trio.current_time() - began == pytest.approx(seconds, abs=0.2)


class OneNode:
    """A ``Cluster`` in which whatever is claimed is free; ``claimed`` are the names; ``silent``: no look."""

    member = Member("alpha", "0.1.0", 30_000)

    def __init__(self) -> None:
        self.claimed: list[str] = []
        self.silent = False

    async def claim(
        self, most: int, names: Collection[str] | None = None, gone: Mapping[str, int] = NOBODY
    ) -> Mapping[str, int]:
        self.claimed += names or ()
        return dict.fromkeys(names or (), 1)

    async def drain(self, name: str, wanted: bool) -> bool | None:
        return True if name == self.member.name else None

    async def look(self) -> View:
        if self.silent:
            raise JournalError("the server closed the connection")
        return View({}, 0, 0)


def keep(naived: Naived) -> OneNode:
    """Have this daemon be a node of several."""

    async def compared(server: str, over: Callable[[], bool]) -> None:
        raise AssertionError("the database was not replaced")

    one = OneNode()
    cluster: Any = one
    rest = (naived.exchange, trio.current_time, lambda: None, compared, lambda _: None)
    naived.service.keeper = Keeper(cluster, naived.journal, naived.supervisor, *rest)
    return one


async def test_what_is_stored_and_not_claimed_yet_is_not_taken_for_never_configured(
    world: World, clock: MockClock, nursery: trio.Nursery
) -> None:
    async with world.naived() as naived:
        await naived.start()
        keep(naived)
        assert naived.service.keeper is not None
        nursery.start_soon(naived.service.keeper.adoption.run)
        naived.supervisor.drop("ETHUSDT")
        result = await naived.ask("stop")
        assert (result["changed"], result["status"]) == (True, "off")
        (record,) = await naived.journal.load("ETHUSDT")
        assert record.desired.status is Status.OFF


async def test_what_is_only_read_is_taken_from_no_node(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        (order,) = (await naived.call("orders"))["orders"]
        node = keep(naived)
        naived.supervisor.drop("ETHUSDT")
        assert (await naived.call("orders", "ETHUSDT"))["orders"] == [order]
        assert (await naived.call("trades", "ETHUSDT"))["trades"] == []
        assert (await naived.call("events", "ETHUSDT"))["events"]
        told = await naived.call("why", "ETHUSDT", client_order_id=order["client_order_id"])
        assert told["order"]["state"] == order["state"]
        assert node.claimed == []


async def test_a_drain_that_may_be_done_is_not_said_to_have_failed(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.until(lambda: naived.service.state == "ready")
        keep(naived).silent = True
        with pytest.raises(ControlError) as raised:
            await naived.call("nodes", drain="alpha")
        assert raised.value.hint is not None
        assert "not certain that anything was changed" in raised.value.hint
        with pytest.raises(ControlError, match="no node beta"):
            await naived.call("nodes", drain="beta")
