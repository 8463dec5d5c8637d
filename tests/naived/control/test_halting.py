"""halt and resume of a symbol and of the account: durable, answered after that, and never against a sell."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from naived.control.call import Call
from naived.control.protocol import ControlError
from naived.core.orders.intent import Side
from naived.database.cluster import SqlCluster
from naived.ports import JournalError
from naived.runtime.symbol_task import Symbol
from tests.support.runtime import LEASE, Naived, World

BUY, SELL = Side.BUY, Side.SELL


@pytest.mark.parametrize("symbols", [("ETHUSDT",), ()])
async def test_a_halt_takes_buys_back_says_so_and_outlives_the_process(
    world: World, clock: MockClock, symbols: tuple[str, ...]
) -> None:
    async with world.naived(suspends=False) as naived:
        await naived.start(reprice="0")
        await naived.trade("2000", "1999")  # the first one sells
        await naived.trade("1980")
        assert len(world.exchange.open(side=BUY)) == 1
        (result,) = (await naived.call("halt", *symbols, reason="news"))["results"]
        assert (result["symbol"], result["changed"]) == (symbols[0] if symbols else None, True)
        assert "nothing is bought, sells go on; 1 buy is taken back" in result["message"]
        (again,) = (await naived.call("halt", *symbols))["results"]
        assert (again["changed"], again["message"].partition(":")[0].split()[-2:]) == (False, ["already", "halted"])
        await naived.until(lambda: not world.exchange.open(side=BUY))
        assert naived.state() == "trading"
        assert (naived.reason() or "").endswith("halted by hand: news")
    async with world.naived() as naived:
        (started,) = (await naived.call("start", "ETHUSDT"))["results"]
        assert (started["error"], started["changed"]) == (None, False)
        assert "halted by hand: news, so nothing is bought" in started["message"]
        document = await naived.call("status")
        halts = [document["daemon"]["halt"], document["symbols"][0]["halt"]]
        known = halts[1 if symbols else 0]
        assert halts[0 if symbols else 1] is None
        assert (known["reason"], known["by"]) == ("news", "person")
        assert (await naived.call("explain", "ETHUSDT"))["buys"]["may"] is False
        await naived.trade("1900", "2100")
        assert naived.symbol().engine.leader.cycles == 1, "sells go on"
        assert world.exchange.open(side=BUY) == []
        (result,) = (await naived.call("resume", *symbols))["results"]
        assert result["changed"] is True
        await naived.trade("2000")
        assert len(world.exchange.open(side=BUY)) == 2, "both that waited"
        (result,) = (await naived.call("resume", *symbols))["results"]
        assert result["changed"] is False
        kinds = [event["kind"] for event in (await naived.call("events"))["events"]]
        assert (kinds.count("halted"), kinds.count("resumed")) == (1, 1)


async def test_the_buys_of_a_symbol_that_is_off_are_taken_back_even_after_a_death_in_between(
    world: World, clock: MockClock
) -> None:
    async with world.naived(suspends=False) as naived:
        await naived.start()
        await naived.trade("2000")
        await naived.ask("stop")
        world.exchange.go_away()
        assert (await naived.call("halt"))["results"][0]["changed"]
    world.exchange.come_back()
    assert len(world.exchange.open(side=BUY)) == 1
    async with world.naived() as naived:
        await naived.until(lambda: not world.exchange.open(side=BUY), 120)
        assert naived.state() == "off"


async def test_resume_of_a_symbol_says_that_the_account_stays_halted_and_so_the_reverse(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.ask("halt", reason="mine")
        await naived.call("halt", reason="all")
        resumed = await naived.ask("resume")
        assert resumed["message"].startswith("resumed; the account stays halted by hand: all. To end that")
        await naived.ask("halt", reason="mine")
        (account,) = (await naived.call("resume"))["results"]
        assert account["message"] == "the account is resumed; still halted by themselves: ETHUSDT"
        assert naived.reason() == "halted by hand: mine"
        assert (await naived.call("status"))["symbols"][0]["next_step"] == "naivectl resume ETHUSDT"


async def test_a_halt_is_not_answered_before_it_is_durable(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.away = True
        with pytest.raises(ControlError, match="away"):
            await naived.call("halt")
        naived.journal.away = False
        await naived.until(lambda: naived.service.account.halt is None)


async def test_the_same_request_is_done_once(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        for symbols in ((), ("ETHUSDT",)):
            for _ in range(2):
                (result,) = (await naived.call("halt", *symbols, request_id="one"))["results"]
                assert result["changed"] is True
            (result,) = (await naived.call("resume", *symbols, request_id="two"))["results"]
            (result,) = (await naived.call("halt", *symbols, request_id="one"))["results"]
            assert result["changed"] is True
            assert naived.symbol().engine.leader.halts.why is None


async def test_a_symbol_that_was_never_configured_can_be_halted_beforehand(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        assert (await naived.ask("halt"))["changed"] is True
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        assert world.exchange.open() == []
        assert naived.symbol().desired.settings.budget is not None


async def test_a_halt_keeps_what_another_request_set_meanwhile(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        service = naived.service

        async def configure(call: Call) -> Symbol:
            symbol = naived.supervisor.configure(call.name)
            symbol.direct(replace(symbol.desired, settings=replace(service.defaults, chunks=3)))
            return symbol

        service.configure = configure  # type: ignore[method-assign]
        assert (await naived.ask("halt"))["changed"] is True
        assert naived.symbol().desired.settings.chunks == 3


async def test_a_buy_may_be_left_to_rest(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        await naived.trade("2000")
        result = await naived.ask("halt", keep_buys=True)
        assert result["message"].endswith("; 1 buy is left to rest")
        await naived.trade("1999")
        assert len(world.exchange.open(side=SELL)) == 1


async def test_a_buy_that_is_decided_while_the_halt_of_the_account_is_written_is_never_sent(
    world: World, clock: MockClock
) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.delay = 0.5
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(naived.call, "halt", reason="news"))
            await trio.sleep(0.1)
            assert naived.service.account.halt is None, "it is not durable yet"
            world.exchange.trade("2000")
            await trio.sleep(0.01)
            assert naived.phases() == ["buying"]
        naived.journal.delay = 0
        await naived.until(lambda: naived.phases() == ["waiting"])
        assert world.exchange.wire == []
        (order,) = await naived.orders()
        assert (order["state"], order["reason"]) == ("rejected", "the account is halted by hand: news")
        await naived.call("resume")
        await trio.sleep(60)
        await naived.trade("2000")
        assert len(world.exchange.open(side=BUY)) == 1


@pytest.mark.parametrize("verb", ["halt", "resume"])
async def test_what_may_have_been_written_of_the_account_is_read_again_and_nothing_is_bought_before(
    world: World, clock: MockClock, verb: str
) -> None:
    async with world.naived() as naived:
        await naived.start("ETHUSDT", "BTCUSDT", reprice="0")
        await naived.trade("2000")
        if verb == "resume":
            await naived.call("halt", reason="news", keep_buys=True)
        naived.journal.lies = 1
        with pytest.raises(ControlError, match="nobody knows whether it was written"):
            await naived.call(verb)
        world.exchange.trade("60000", "BTCUSDT")
        naived.journal.away = True
        await naived.trade("2000")
        assert len(world.exchange.open(side=BUY)) == 1, "what rests may rest"
        assert world.exchange.orders("BTCUSDT") == []
        await trio.sleep(30)
        daemon = (await naived.call("status"))["daemon"]
        assert daemon["state"] == "degraded"
        assert "what was asked of the account may or may not be written" in daemon["reason"]
        assert daemon["halt"] is not None
        naived.journal.away = False
        await trio.sleep(3)
        await naived.start("ETHUSDT", "BTCUSDT")
        daemon = (await naived.call("status"))["daemon"]
        assert (daemon["state"], daemon["reason"]) == ("ready", None)
        assert (daemon["halt"] is not None) == (verb == "halt")
        await naived.trade("60000", symbol="BTCUSDT")
        assert len(world.exchange.open(side=BUY)) == (0 if verb == "halt" else 1)
        assert len(world.exchange.open("BTCUSDT")) == (0 if verb == "halt" else 1)
        assert naived.events.counted["halted" if verb == "halt" else "resumed"] == 1
        (result,) = (await naived.call(verb))["results"]
        assert result["changed"] is False


async def test_a_change_of_the_account_first_reads_what_is_in_doubt(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.lies = 1
        with pytest.raises(ControlError, match="nobody knows"):
            await naived.call("halt", reason="news")
        assert (await naived.call("resume"))["results"][0]["changed"] is True
        await naived.trade("2000")
        assert len(world.exchange.open(side=BUY)) == 1
        assert (await naived.journal.account()).halt is None


async def test_what_is_in_doubt_is_read_again_before_the_exchange_ever_answered(
    world: World, clock: MockClock
) -> None:
    world.exchange.go_away()
    async with world.naived() as naived:
        await trio.sleep(5)
        naived.journal.lies = 1
        with pytest.raises(ControlError, match="nobody knows"):
            await naived.call("halt", reason="news")
        assert naived.service.funds.doubt is not None
        await trio.sleep(3)
        halt = naived.service.account.halt
        assert (naived.service.funds.doubt, halt and halt.reason) == (None, "news")


async def test_a_halt_that_was_certainly_not_written_leaves_no_doubt(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        naived.journal.refuses = 1
        with pytest.raises(ControlError, match="refused"):
            await naived.call("halt")
        await naived.trade("2000")
        assert len(world.exchange.open(side=BUY)) == 1


async def two_buys(world: World, nodes: AsyncExitStack) -> tuple[Naived, Naived]:
    """alpha has ETHUSDT, beta BTCUSDT, each with a buy that rests."""
    alpha = await nodes.enter_async_context(world.naived(node="alpha"))
    await alpha.start(reprice="0")
    await alpha.trade("2000")
    beta = await nodes.enter_async_context(world.naived(node="beta"))
    await beta.start("BTCUSDT", reprice="0")
    await beta.trade("60000", symbol="BTCUSDT")
    await trio.sleep(3)
    return alpha, beta


async def of_account(naived: Naived, verb: str, **params: object) -> tuple[str, list[str]]:
    (result,) = (await naived.call(verb, **params))["results"]
    return result["message"], result["warnings"]


@pytest.mark.parametrize("keep_buys", [False, True])
async def test_a_halt_of_the_account_counts_the_buys_of_all_nodes(
    world: World, clock: MockClock, keep_buys: bool
) -> None:
    async with AsyncExitStack() as nodes:
        for each in await two_buys(world, nodes):
            told = "2 buys are left to rest" if keep_buys else "2 buys are taken back"
            message, warnings = await of_account(each, "halt", keep_buys=keep_buys)
            assert (message.partition("; ")[2], warnings) == (told, [])
            if not keep_buys:
                break  # the other node sees it soon, and takes its own back
        await trio.sleep(3)
        assert len(world.exchange.open(side=BUY) + world.exchange.open("BTCUSDT", BUY)) == (2 if keep_buys else 0)


async def test_a_halt_names_the_buys_that_no_node_takes_back_as_all_are_drained(
    world: World, clock: MockClock
) -> None:
    async with AsyncExitStack() as nodes:
        alpha, beta = await two_buys(world, nodes)
        for name in ("alpha", "beta"):
            await alpha.call("nodes", drain=name)
        await alpha.until(lambda: not (alpha.supervisor.symbols or beta.supervisor.symbols), 20)
        message, warnings = await of_account(beta, "halt")
        assert message == "the account is halted: nothing is bought, sells go on"
        assert warnings == [
            "1 buy of BTCUSDT, 1 buy of ETHUSDT rest, and no node has these symbols; "
            "every node that lives is drained: naivectl nodes undrain alpha, or cancel them at the exchange"
        ]
        assert (await of_account(beta, "halt", keep_buys=True))[1] == []
        await alpha.call("nodes", undrain="alpha")
        await alpha.call("halt")
        await alpha.until(lambda: not world.exchange.open(side=BUY) + world.exchange.open("BTCUSDT", BUY), 20)


async def test_a_halt_names_the_buys_whose_node_is_dead(world: World, clock: MockClock) -> None:
    async with world.naived(node="beta") as beta, world.naived(node="alpha", suspends=False) as alpha:
        await alpha.start(reprice="0")
        await alpha.trade("2000")
        await beta.call("nodes", drain="beta")
        alpha.journal.dead = True
        assert alpha.service.keeper is not None
        monkey = alpha.service.keeper.cluster
        assert isinstance(monkey, SqlCluster)

        async def silent(exchange_away: str | None = None) -> Mapping[str, int]:
            raise JournalError("the process is dead")

        monkey.renew = silent  # type: ignore[method-assign]
        await trio.sleep(LEASE / 1000 + 5)
        _, warnings = await of_account(beta, "halt")
        assert warnings[0].startswith("1 buy of ETHUSDT rests, and no node has it; ")


async def test_a_halt_names_the_buys_whose_node_does_not_reach_the_exchange(world: World, clock: MockClock) -> None:
    async with AsyncExitStack() as nodes:
        alpha, beta = await two_buys(world, nodes)
        beta.service.session.closed("no route")
        await trio.sleep(3)
        message, warnings = await of_account(alpha, "halt")
        assert message.endswith("; 1 buy is taken back")
        later = "1 buy of BTCUSDT rests until the exchange is back at the node that takes them back, or cancel them"
        told = f"{later} at the exchange; "
        assert warnings == [f"{told}node beta says: the exchange is away: no route"]
        message, warnings = await of_account(beta, "halt")
        assert warnings == [f"{told}the exchange is away: no route"]


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_halt_is_answered_though_the_buys_of_other_nodes_cannot_be_read(
    world: World, clock: MockClock, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    async with AsyncExitStack() as nodes:
        alpha, _ = await two_buys(world, nodes)

        async def unread() -> Sequence[Any]:
            if hangs:
                await trio.sleep_forever()
            raise JournalError("the database is away")

        for call in ("resting", "halted"):
            monkeypatch.setattr(alpha.service.mailbox, call, unread)
        with trio.fail_after(3):
            message, (warning,) = await of_account(alpha, "halt", reason="news")
        assert message.endswith("sells go on; 1 buy is taken back")
        assert warning.startswith("the database did not tell in time which buys of other nodes' symbols rest")
        assert (await alpha.journal.account()).halt is not None
        with trio.fail_after(3):
            message, (warning,) = await of_account(alpha, "resume")
        assert message == "the account is resumed"
        assert warning.startswith("the database did not tell in time which symbols of other nodes are halted")


async def test_a_resume_of_the_account_names_what_stays_halted_at_every_node(
    world: World, clock: MockClock
) -> None:
    async with AsyncExitStack() as nodes:
        both = await two_buys(world, nodes)
        await both[0].ask("halt", "ETHUSDT")
        await both[1].ask("halt", "BTCUSDT")
        for each in both:
            message, warnings = await of_account(each, "resume")
            assert message == "the account is not halted; still halted by themselves: BTCUSDT, ETHUSDT"
            assert warnings == []
