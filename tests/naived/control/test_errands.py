"""What is asked here of a symbol that another node has, and that node's silence."""

import json
import math
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from naived.control import errands, node_messages
from naived.control.bulletin import Bulletin
from naived.control.call import Call, Outcome
from naived.control.caller import Caller
from naived.control.errands import do
from naived.control.protocol import ControlError
from naived.control.service import Service
from naived.core.risk import OverLimit
from naived.core.strategy.settings import Status
from naived.nodes import NOBODY, Errand, Member, Told, View
from naived.ports import ConflictError, JournalError, Unit
from naived.runtime.keeper import Keeper
from naived.runtime.symbol_task import Symbol
from tests.support.runtime import LEASE, Naived, World


class Beta:
    """A ``Cluster`` and a ``Mailbox`` in which ETHUSDT is another node's, which ``answers``, or never does."""

    member = Member("alpha", "0.1.0", 30_000)

    def __init__(self) -> None:
        self.asked: list[Errand] = []
        self.answers: str | None = None
        self.hangs: set[str] = set()  # calls for which the database does not answer

    async def _reach(self, call: str) -> None:
        if call in self.hangs:
            await trio.sleep_forever()

    async def claim(
        self, most: int, names: Collection[str] | None = None, gone: Mapping[str, int] = NOBODY
    ) -> Mapping[str, int]:
        await self._reach("claim")
        return {}

    async def look(self) -> View:
        await self._reach("look")
        return View({}, 0, 0)

    async def drain(self, name: str, wanted: bool) -> bool | None:
        await self._reach("drain")
        return True

    async def configured(self) -> Sequence[str]:
        await self._reach("configured")
        return ()

    async def told(self, known: Mapping[str, int]) -> tuple[Sequence[Told], Mapping[str, str], Mapping[str, str]]:
        return (), {"ETHUSDT": "beta"}, {}

    async def errands(self, symbol: str = "") -> Sequence[Errand]:
        await self._reach("errands")
        return ()

    async def ask(self, errand: Errand) -> None:
        await self._reach("ask")
        self.asked.append(errand)

    async def answer_to(self, errand_id: str) -> tuple[bool, str | None]:
        return self.answers is not None, self.answers

    async def withdraw(self, errand_id: str) -> None:
        await self._reach("withdraw")


@pytest.fixture
async def naived(world: World, clock: MockClock) -> AsyncIterator[Naived]:
    """One that has started ETHUSDT and lost it since, and has not heard of the others yet."""
    async with world.naived() as naived:
        await naived.start()
        naived.supervisor.drop("ETHUSDT")
        yield naived


@pytest.fixture
def beta(naived: Naived) -> Beta:
    return attached(naived)


def attached(naived: Naived) -> Beta:
    """Have this one share its database."""

    async def compared(server: str, over: object) -> None:
        raise AssertionError("the database was not replaced")

    both: Any = Beta()
    service = naived.service
    rest = (naived.exchange, trio.current_time, lambda: None, compared, lambda _: None)
    service.keeper = Keeper(both, naived.journal, naived.supervisor, *rest)
    service.keeper.view = View({}, 1, 0)
    service.mailbox = both
    service.bulletin = Bulletin(both, service.keeper, naived.supervisor.symbols, service.statuses)
    beta: Beta = both
    return beta


async def heard(naived: Naived) -> None:
    """Have it read who has which symbol."""
    bulletin = naived.service.bulletin
    assert bulletin is not None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bulletin.run)
        await bulletin.began.wait()
        nursery.cancel_scope.cancel()


DURABLE = "node beta, which has it, has not answered: what was asked is durable"
SILENT = "node beta, which has it, has not answered"


@pytest.mark.parametrize(
    ("verb", "params", "seconds", "kind", "told"),
    [
        ("shutdown", {}, 18, "timed_out", DURABLE),
        ("shutdown", {"wait": True, "timeout": "2s"}, 5, "timed_out", DURABLE),
        ("start", {"wait": False}, 18, "timed_out", DURABLE),
        ("stop", {"wait": False, "timeout": "2s"}, 5, "timed_out", DURABLE),
        ("settings", {"chunks": 3}, 18, "timed_out", DURABLE),
        ("settings", {}, 8, "busy", SILENT),
        ("wait", {"for": "off", "timeout": "2s"}, 5, "timed_out", SILENT),
    ],
)
async def test_a_node_that_is_silent_is_told_before_the_client_gives_up(
    naived: Naived,
    beta: Beta,
    clock: MockClock,
    verb: str,
    params: dict[str, object],
    seconds: float,
    kind: str,
    told: str,
) -> None:
    await heard(naived)
    began = trio.current_time()
    with trio.fail_after(60):
        result = await naived.ask(verb, **params)
    assert trio.current_time() - began == pytest.approx(seconds, abs=0.5)
    assert (result["error"]["kind"], result["status"], result["state"]) == (kind, "on", "degraded")
    assert result["error"]["message"].startswith(told)
    assert ("durable" in result["error"]["message"]) is (told == DURABLE)


@pytest.mark.parametrize("hangs", [False, True])
async def test_where_it_is_not_known_what_a_silent_node_has_open_that_is_said(
    naived: Naived, beta: Beta, clock: MockClock, hangs: bool
) -> None:
    """Its list of open orders is empty then, as if there were none."""
    await heard(naived)
    if hangs:
        beta.hangs.add("withdraw")
    result = await naived.ask("stop", timeout="2s")
    assert result["open_orders"] == []
    assert (node_messages.ORDERS_UNREAD in result["message"]) is hangs
    assert result["message"].startswith(result["error"]["message"])


AGAIN = "try again; repeating it is safe"


@pytest.mark.parametrize(
    ("method", "params", "hangs", "seconds", "hint"),
    [
        ("stop", {"symbols": ["ETHUSDT"], "timeout": "2s"}, "ask", 2, AGAIN),
        ("halt", {"symbols": ["ETHUSDT"]}, "ask", 15, AGAIN),
        ("explain", {"symbols": ["ETHUSDT"]}, "ask", 5, AGAIN),
        (
            "explain",
            {"symbols": ["ETHUSDT"]},
            "withdraw",
            9,
            "see which nodes live: naivectl nodes; then try again",
        ),
        ("stop", {"symbols": ["BTCUSDT"], "timeout": "2s"}, "errands", 2, "the change is not made"),
        ("halt", {"symbols": ["BTCUSDT"]}, "claim", 15, AGAIN),
        ("stop", {"all": True, "timeout": "2s"}, "configured", 2, "try again"),
        ("nodes", {}, "look", 5, "try again"),
        ("nodes", {"drain": "beta"}, "drain", 15, AGAIN),
    ],
)
async def test_a_database_that_hangs_is_told_before_the_client_gives_up(
    naived: Naived,
    beta: Beta,
    clock: MockClock,
    method: str,
    params: dict[str, object],
    hangs: str,
    seconds: float,
    hint: str,
) -> None:
    await heard(naived)
    beta.hangs.add(hangs)
    began = trio.current_time()
    with trio.fail_after(60):
        try:
            (result,) = (await naived.call(method, **params))["results"]
            told = result["error"]
        except ControlError as error:
            told = error.document()
    assert trio.current_time() - began == pytest.approx(seconds, abs=0.5)
    assert told["hint"] == hint
    assert ("the database did not answer in time" in told["message"]) is (hangs != "withdraw")


async def test_what_a_silent_node_does_is_not_explained(naived: Naived, beta: Beta, clock: MockClock) -> None:
    await heard(naived)
    began = trio.current_time()
    with pytest.raises(ControlError, match=f"^{SILENT}$"):
        await naived.call("explain", "ETHUSDT")
    assert trio.current_time() - began == pytest.approx(8, abs=0.5)


@pytest.mark.parametrize(
    ("verb", "params"), [("stop", {}), ("start", {}), ("halt", {}), ("forget", {}), ("settings", {"chunks": 3})]
)
async def test_what_another_node_has_just_taken_it_is_asked_for(
    naived: Naived, beta: Beta, clock: MockClock, verb: str, params: dict[str, object]
) -> None:
    beta.answers = json.dumps({"symbol": "ETHUSDT", "error": None, "message": "of beta"})
    assert (await naived.ask(verb, **params))["message"] == "of beta"
    (errand,) = beta.asked
    assert (errand.symbol, errand.verb, errand.changes) == ("ETHUSDT", verb, True)


async def test_what_another_node_has_just_taken_is_explained_by_it(
    naived: Naived, beta: Beta, clock: MockClock
) -> None:
    beta.answers = json.dumps({"error": None, "explained": {"symbol": "ETHUSDT", "state": "trading"}})
    assert (await naived.call("explain", "ETHUSDT"))["state"] == "trading"
    assert [errand.changes for errand in beta.asked] == [False]


OF_BETA = json.dumps({"symbol": "ETHUSDT", "error": None, "message": "of beta"})


async def handed_over(alpha: Naived, beta: Naived, name: str = "ETHUSDT") -> None:
    await alpha.call("nodes", drain="alpha")
    await alpha.until(lambda: name in beta.supervisor.symbols, 20)


async def test_what_the_database_refuses_of_another_nodes_request_is_tried_again(
    world: World, clock: MockClock
) -> None:
    """Who asked may have been told by then that it will be carried out."""
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        await alpha.start()
        await trio.sleep(3)
        alpha.journal.away = True
        error = (await beta.ask("stop", timeout="3s"))["error"]
        assert error["kind"] == "timed_out"
        assert "durable" in error["message"]
        alpha.journal.away = False
        await alpha.until(lambda: alpha.symbol().desired.status is Status.OFF, 20)


async def test_what_the_journal_contradicts_of_another_nodes_request_is_answered_and_holds_up_nothing(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        await alpha.start()
        await trio.sleep(3)
        commit = alpha.journal.commit

        async def contradicted(unit: Unit) -> OverLimit | None:
            if unit.desired is not None:
                raise ConflictError("the journal already holds something else")
            return await commit(unit)

        monkeypatch.setattr(alpha.journal, "commit", contradicted)
        error = (await beta.ask("stop"))["error"]
        assert (error["kind"], error["message"]) == (
            "database_unavailable",
            "the journal already holds something else",
        )
        monkeypatch.undo()
        assert (await beta.ask("stop"))["error"] is None


@pytest.mark.parametrize(
    ("verb", "params", "changes", "told"),
    [
        ("shutdown", {"request_id": "r", "symbols": ["ETHUSDT"]}, True, None),
        (
            "stop",
            {"symbols": ["ETHUSDT"], "gently": True},
            True,
            "does not know stop with gently; nothing was changed",
        ),
        ("sweep", {"symbols": ["ETHUSDT"]}, False, "does not know sweep; nothing was changed"),
    ],
)
async def test_a_node_of_another_version_asks_for_less_or_more_than_this_one_takes(
    world: World, clock: MockClock, verb: str, params: dict[str, object], changes: bool, told: str | None
) -> None:
    async with world.naived(node="alpha") as alpha:
        await alpha.start()
        mailbox = alpha.service.mailbox
        assert mailbox is not None
        await mailbox.ask(Errand("one", "ETHUSDT", verb, json.dumps(params), "alpha", changes))
        with trio.fail_after(20):
            while (answer := (await mailbox.answer_to("one") or (False, None))[1]) is None:  # noqa: ASYNC110
                await trio.sleep(0.1)
        error = json.loads(answer)["error"]
        assert (error and error["kind"]) == (told and "version_mismatch")
        assert told is None or told in error["message"]
        assert (alpha.symbol().desired.status is Status.ON) is (told is not None)


async def test_a_wait_whose_client_is_gone_is_nobodys_task(world: World, clock: MockClock) -> None:
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        await alpha.start()
        await trio.sleep(3)
        mailbox = alpha.service.mailbox
        assert mailbox is not None
        with trio.move_on_after(2):
            await beta.ask("wait", **{"for": "drained", "timeout": "none"})
        assert await mailbox.errands() == []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(beta.ask, "wait", **{"for": "drained", "timeout": "none"}))
            await trio.sleep(2)
            assert [errand.verb for errand in await mailbox.errands()] == ["wait"]
            nursery.cancel_scope.cancel()


FOR_EVER: dict[str, Any] = {"for": "drained", "timeout": "none"}


async def asked_by_beta(world: World, alpha: Naived) -> None:
    """A process of beta dies while it asks alpha for what does not come."""
    async with world.naived(node="beta", suspends=False) as beta, trio.open_nursery() as nursery:
        nursery.start_soon(partial(beta.ask, "wait", **FOR_EVER))
        await trio.sleep(2)
        assert await waits(alpha) == ["wait"]
        withdrawn = beta.service.mailbox
        assert withdrawn is not None

        async def unwritten(_: str) -> None:
            raise JournalError("the process is dead")

        withdrawn.withdraw = unwritten  # type: ignore[method-assign]
        nursery.cancel_scope.cancel()


async def waits(naived: Naived) -> list[str]:
    """What others ask of it."""
    assert naived.service.mailbox is not None
    return [errand.verb for errand in await naived.service.mailbox.errands()]


def watching(naived: Naived) -> list[str]:
    """The tasks of this process that carry out what others ask."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    found, nurseries = list[str](), list(root.child_nurseries)
    while nurseries:
        for task in nurseries.pop().child_tasks:
            found.append(task.name)
            nurseries += task.child_nurseries
    return [name for name in found if name.endswith("errands._perform")]


async def test_a_wait_whose_node_is_gone_is_nobodys_task(world: World, clock: MockClock) -> None:
    async with world.naived(node="alpha") as alpha:
        await alpha.start()
        before = len(watching(alpha))
        await asked_by_beta(world, alpha)
        assert len(watching(alpha)) == before + 1
        await trio.sleep(LEASE / 1000 + 5)
        assert await waits(alpha) == []
        assert len(watching(alpha)) == before


async def test_a_wait_of_an_earlier_process_of_a_node_is_nobodys_task(world: World, clock: MockClock) -> None:
    async with world.naived(node="alpha") as alpha:
        await alpha.start()
        before = len(watching(alpha))
        await asked_by_beta(world, alpha)
        async with world.naived(node="beta"):
            await trio.sleep(1)
            assert await waits(alpha) == []
            assert len(watching(alpha)) == before


@pytest.mark.parametrize("telling", [0.0, 1.0])
async def test_a_wait_of_a_node_that_was_taken_for_gone_ends_as_any_other(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch, telling: float
) -> None:
    """``telling``: seconds that the other node needs for an answer."""
    told: list[Any] = []
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        await alpha.start()
        await trio.sleep(3)
        mailbox, bulletin = alpha.service.mailbox, alpha.service.bulletin
        assert mailbox is not None
        assert bulletin is not None
        publish = bulletin.publish

        async def slow(symbols: Sequence[Symbol], *, prices: bool = False) -> None:
            await trio.sleep(telling)
            await publish(symbols, prices=prices)

        monkeypatch.setattr(bulletin, "publish", slow)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:

                async def wait() -> None:
                    told.append(await beta.ask("wait", **{"for": "off", "timeout": "none"}))

                nursery.start_soon(wait)
                await trio.sleep(2)
                for pause in (0.0, 0.1, 0.2, 0.3, 0.5, 1.0):
                    for errand in await mailbox.errands():
                        await mailbox.withdraw(errand.id)
                    await trio.sleep(pause)
                assert told == []
                await alpha.ask("stop")
        assert (told[0]["error"], told[0]["state"]) == (None, "off")


@pytest.mark.parametrize(
    ("before", "verb", "params", "after", "state"),
    [
        ("stop", "wait", {"for": "trading"}, "start", "trading"),
        ("start", "wait", {"for": "off", "timeout": "60s"}, "stop", "off"),
        ("start", "shutdown", {"wait": True}, "stop", "off"),
    ],
)
async def test_a_wait_goes_on_at_the_node_that_takes_the_symbol(
    world: World, clock: MockClock, before: str, verb: str, params: dict[str, object], after: str, state: str
) -> None:
    told: list[Any] = []
    async with world.naived(node="alpha") as alpha:
        await alpha.start()
        await alpha.trade("2000", "1999")
        await alpha.ask(before)
        async with world.naived(node="beta") as beta, trio.open_nursery() as nursery:

            async def ask() -> None:
                told.append(await alpha.ask(verb, **params))

            nursery.start_soon(ask)
            await trio.sleep(1)
            await handed_over(alpha, beta)
            await trio.sleep(3)
            assert told == []
            assert (await beta.ask(after))["error"] is None
            await alpha.until(lambda: told, 3)
        assert (told[0]["error"], told[0]["state"], told[0]["changed"]) == (None, state, verb == "shutdown")


async def test_a_halt_does_not_wait_for_what_another_node_asked_and_a_stop_does(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        await alpha.start()
        await alpha.ask("stop")
        await beta.until(lambda: beta.service.bulletin and beta.service.bulletin.knows("ETHUSDT"))
        monkeypatch.setattr(alpha.service.listing, "info", lambda name: trio.Event().wait())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(beta.ask, "start", budget="900"))
            await trio.sleep(0.7)
            for node, verb in ((alpha, "halt"), (beta, "resume")):
                with trio.fail_after(1):
                    assert (await node.ask(verb))["changed"] is True
            assert alpha.symbol().desired.status is Status.OFF
            assert (await alpha.ask("stop"))["changed"] is True, "it was started before"
        assert alpha.symbol().desired.status is Status.OFF


async def test_what_was_answered_is_so_in_the_status_of_the_node_that_was_asked(
    world: World, clock: MockClock
) -> None:
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        await alpha.start()
        await beta.until(lambda: beta.service.bulletin and beta.service.bulletin.knows("ETHUSDT"))
        for verb, state, halted in (
            ("halt", "trading", True),
            ("resume", "trading", False),
            ("stop", "off", False),
            ("start", "trading", False),
        ):
            assert (await beta.ask(verb))["changed"] is True
            (entry,) = (await beta.call("status", "ETHUSDT"))["symbols"]
            assert (entry["state"], entry["halt"] is not None, entry["node"]) == (state, halted, "alpha"), verb


@pytest.mark.parametrize("ids", [{}, {"request_id": "one"}])
async def test_what_was_carried_out_before_a_symbol_left_is_not_carried_out_again(
    world: World, clock: MockClock, ids: dict[str, object]
) -> None:
    told: list[Any] = []
    world.exchange.subscribing = 20.0
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        async with trio.open_nursery() as nursery:

            async def start() -> None:
                told.append(await alpha.ask("start", chunks=3, timeout="60s", **ids))

            nursery.start_soon(start)
            await alpha.until(lambda: "ETHUSDT" in alpha.supervisor.symbols)
            await trio.sleep(1)
            await handed_over(alpha, beta)
            stopped = await beta.ask("stop")
        assert (stopped["status"], stopped["changed"]) == ("off", True)
        assert (told[0]["status"], told[0]["changed"]) == ("off", True)
        assert beta.symbol().desired.settings.chunks == 3
        words = [each["message"] for each in (await beta.call("events"))["events"] if each["kind"] == "desired"]
        assert words == ["on", "off"]


async def test_a_node_that_is_drained_has_another_one_take_what_nobody_has(world: World, clock: MockClock) -> None:
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        await alpha.until(lambda: alpha.service.session.ready.is_set())
        await alpha.call("nodes", drain="alpha")
        await trio.sleep(2)
        with trio.fail_after(5):
            assert (await alpha.ask("start"))["state"] == "trading"
        assert beta.symbol().epoch == beta.journal.real.epoch + 1, "alpha never had it"


async def test_a_wait_for_what_was_never_configured_ends_when_another_node_starts_it(
    world: World, clock: MockClock
) -> None:
    told: list[Any] = []
    async with world.naived(node="alpha") as alpha, world.naived(node="beta") as beta:
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                told.append(await alpha.ask("wait", **{"for": "trading", "timeout": "60s"}))

            nursery.start_soon(wait)
            await trio.sleep(1)
            await beta.start()
        assert (told[0]["error"], told[0]["state"]) == (None, "trading")


async def test_a_stop_at_a_node_that_lost_the_exchange_ends_when_its_symbol_is_taken(
    world: World, clock: MockClock
) -> None:
    told: list[Any] = []
    async with world.naived(node="alpha") as alpha:
        await alpha.start()
        await alpha.trade("2000")
        async with world.naived(node="beta") as beta, trio.open_nursery() as nursery:
            alpha.service.session.closed("no route")

            async def stop() -> None:
                told.append(await alpha.ask("stop", timeout="60s"))

            nursery.start_soon(stop)
            await trio.sleep(5)
            assert told == []
            await handed_over(alpha, beta)
        assert (told[0]["error"], told[0]["status"], told[0]["changed"]) == (None, "off", True)
        assert [order["side"] for order in told[0]["open_orders"]] == ["buy"]


async def test_a_verb_whose_symbol_leaves_before_it_ends_is_asked_for(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        beta = attached(naived)
        beta.answers = OF_BETA

        async def slow(_service: Service, _call: Call) -> Outcome:
            naived.supervisor.drop("ETHUSDT")
            return Outcome(False, "of alpha")

        call = Call("ETHUSDT", {}, Caller(), "settings")
        assert (await do(naived.service, slow, call, configured=False))["message"] == "of beta"


async def test_a_change_whose_symbol_leaves_before_it_is_durable_is_asked_for(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        beta = attached(naived)
        beta.answers = OF_BETA
        naived.journal.delay = 3
        with trio.fail_after(6):
            async with trio.open_nursery() as nursery:

                async def change() -> None:
                    assert (await naived.ask("settings", chunks=3))["message"] == "of beta"

                nursery.start_soon(change)
                await trio.sleep(1)
                naived.supervisor.drop("ETHUSDT")


@asynccontextmanager
async def drained(world: World) -> AsyncIterator[Naived]:
    """The only node, which has nothing and takes nothing."""
    async with world.naived(node="alpha") as alpha:
        await alpha.until(lambda: alpha.service.session.ready.is_set())
        await alpha.call("nodes", drain="alpha")
        await trio.sleep(2)
        yield alpha


NOBODY_HAS = "no node has it, as all that live are drained"
UNDRAIN = "naivectl nodes undrain alpha"


async def test_a_start_where_all_nodes_are_drained_is_durable_and_says_that_nobody_trades(
    world: World, clock: MockClock
) -> None:
    async with drained(world) as alpha:
        first = await alpha.ask("start", chunks=3)
        assert (first["error"]["kind"], first["status"], first["changed"]) == ("timed_out", "on", True)
        done = "what was asked is done, and the state that was waited for is not reached"
        assert first["error"]["message"] == f"{done}: {NOBODY_HAS}"
        assert first["error"]["hint"].endswith(UNDRAIN)
        again = await alpha.ask("start", chunks=4)  # as any verb on what nobody has
        assert (again["error"]["kind"], again["changed"]) == ("timed_out", False)
        assert again["error"]["message"].startswith(f"{NOBODY_HAS}: what was asked is durable")
        assert again["error"]["hint"].endswith(UNDRAIN)
        await alpha.call("nodes", undrain="alpha")
        await alpha.until(lambda: alpha.supervisor.symbols and alpha.state() == "trading", 20)
        await alpha.until(lambda: alpha.symbol().desired.settings.chunks == 4, 20)


async def test_a_start_that_does_not_wait_warns_where_all_nodes_are_drained(world: World, clock: MockClock) -> None:
    async with drained(world) as alpha:
        result = await alpha.ask("start", wait=False)
        assert (result["error"], result["status"], result["state"]) == (None, "on", "degraded")
        assert result["warnings"][-1].endswith(UNDRAIN)


async def test_a_start_that_waits_for_less_than_a_hand_over_says_why_it_does_not_trade(
    world: World, clock: MockClock
) -> None:
    async with drained(world) as alpha:
        error = (await alpha.ask("start", timeout="50ms"))["error"]
        assert error["kind"] == "timed_out"
        told = "not trading yet, still degraded: every node that lives is drained, so that none takes it, until"
        assert error["message"] == f"{told}: {UNDRAIN}"


async def test_a_symbol_that_leaves_before_its_first_change_is_asked_for(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with drained(world) as alpha:
        answered = alpha.journal.answered

        async def slow(request_id: str) -> str | None:
            await trio.sleep(3)
            return await answered(request_id)

        monkeypatch.setattr(alpha.journal, "answered", slow)
        error = (await alpha.ask("start", wait=False))["error"]
        assert error["kind"] == "timed_out"
        assert error["message"].startswith(f"{NOBODY_HAS}: what was asked is durable")
        await alpha.call("nodes", undrain="alpha")
        await alpha.until(lambda: alpha.supervisor.symbols and alpha.state() == "trading", 20)


async def test_a_stop_does_not_overtake_a_start_that_waits_for_a_node(world: World, clock: MockClock) -> None:
    """Found by a simulated seed: nothing is stored of the symbol yet, and a stop found it off already."""
    async with drained(world) as alpha:
        cluster, mailbox = alpha.service.keeper.cluster, alpha.service.mailbox
        await cluster.claim(1, {"ETHUSDT"})  # by a start that was not stored
        await cluster.release({"ETHUSDT"})
        params = json.dumps({"symbols": ["ETHUSDT"], "chunks": 3, "wait": False, "request_id": "first"})
        await mailbox.ask(Errand("first", "ETHUSDT", "start", params, "alpha", True))
        stopped = await alpha.ask("stop")
        assert (stopped["error"]["kind"], stopped["changed"]) == ("timed_out", False)
        await alpha.call("nodes", undrain="alpha")
        await alpha.until(lambda: alpha.supervisor.symbols and alpha.symbol().desired.settings.chunks == 3, 20)
        await alpha.until(lambda: alpha.symbol().desired.status == "off", 20)
        await alpha.trade("2000")
        assert world.exchange.wire == []


async def test_that_nothing_had_to_be_changed_is_said_by_the_node_that_has_it(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that stood still finds its symbol off, and another one may have started it."""
    async with world.naived(node="alpha") as alpha:
        await alpha.start()
        await alpha.ask("stop")
        asked: list[str] = []
        mailbox, ask = alpha.service.mailbox, alpha.service.mailbox.ask

        async def note(errand: Errand) -> None:
            asked.append(errand.verb)
            await ask(errand)

        monkeypatch.setattr(mailbox, "ask", note)
        again = await alpha.ask("stop")
        assert (again["error"], again["changed"], asked) == (None, False, [])
        alpha.service.keeper.trust._until = -math.inf  # the time of its lease has passed
        alpha.service.keeper.trust._renewal = math.inf  # and it is renewed later
        again = await alpha.ask("stop")  # its row shows that it has the symbol still
        assert (again["error"], again["changed"], asked) == (None, False, ["stop"])


async def test_what_was_asked_while_no_node_had_a_symbol_is_done_before_it_trades(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by a simulated seed: it bought in the moment between."""
    async with world.naived(node="alpha") as alpha:
        await alpha.start(chunks=1)
        await alpha.call("nodes", drain="alpha")
        await alpha.until(lambda: not alpha.supervisor.symbols, 20)
        assert (await alpha.ask("stop"))["error"]["kind"] == "timed_out"
        monkeypatch.setattr(errands, "_EVERY", 5.0)  # seconds until it looks for what is asked
        await trio.sleep(1)
        await alpha.call("nodes", undrain="alpha")
        await alpha.until(lambda: "ETHUSDT" in alpha.supervisor.symbols, 20)
        await alpha.until(lambda: alpha.reason() == "what was asked of it before is carried out first", 20)
        assert alpha.state() == "degraded"
        while alpha.symbol().desired.status == "on":
            await alpha.trade("2000")
            await trio.sleep(0.1)
        assert alpha.state() == "off"
        await trio.sleep(5)
        assert world.exchange.wire == []
