"""Answers in words: what remains, how far it is, and the next step of every failure."""

import pytest
from trio.testing import MockClock

from naived.control import answers, messages
from naived.core.engine import Blocked, BlockedBy
from naived.core.orders.intent import Side
from naived.core.orders.state import State
from naived.ports import ConflictError, JournalError, UnwrittenError
from tests.support.database import intent, order
from tests.support.runtime import Naived, World


def keep(naived: Naived, *orders: tuple[Side, State]) -> None:
    for number, (side, state) in enumerate(orders, 1):
        name = f"order-{number}"
        kept = order(intent(number, side), client_order_id=name, state=state, order_id=number)
        naived.symbol().engine.orders[name] = kept


@pytest.mark.parametrize(
    ("orders", "words"),
    [
        ([], "nothing remains open at the exchange"),
        ([Side.SELL], "1 sell remains open at the exchange"),
        ([Side.BUY], "1 buy remains open at the exchange"),
        ([Side.SELL, Side.SELL], "2 sells remain open at the exchange"),
        ([Side.SELL, Side.BUY, Side.BUY], "1 sell and 2 buys remain open at the exchange"),
    ],
)
async def test_a_stop_counts_what_remains(world: World, clock: MockClock, orders: list[Side], words: str) -> None:
    async with world.naived() as naived:
        naived.supervisor.configure("ETHUSDT")
        keep(naived, *((side, State.OPEN) for side in orders))
        assert messages.stopped(naived.symbol()) == f"stopped; {words}"
        naived.symbol().engine.orders.clear()


async def test_a_stop_says_that_it_leaves_a_quarantine_alone(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        naived.supervisor.configure("ETHUSDT")
        keep(naived, (Side.SELL, State.OPEN), (Side.SELL, State.QUARANTINED))
        words = messages.stopped(naived.symbol())
        orders = answers.open_orders(naived.symbol())
        naived.symbol().engine.orders.clear()
        assert words == "stopped; 1 sell remains open at the exchange; 1 order in quarantine is not touched"
        assert [order["state"] for order in orders] == ["open", "quarantined"]


async def test_what_is_still_stopping_names_unknown_orders_and_their_fence(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        naived.supervisor.configure("ETHUSDT")
        assert messages.still_stopping(naived.symbol()).message == "still stopping"
        keep(naived, (Side.BUY, State.UNKNOWN), (Side.SELL, State.OPEN))
        error = messages.still_stopping(naived.symbol())
        naived.symbol().engine.orders.clear()
        assert error.message == "off, but the state of order-1 (fence 2026-11-22T07:00:05.000Z) is not known yet"
        assert error.data == {"state": "stopping", "reason": "the state of 1 order is not known yet"}
        assert error.hint == "the request stays in effect; see: naivectl status ETHUSDT"
        assert messages.not_reached(naived.symbol(), "drained").hint == "see: naivectl status ETHUSDT"


async def test_a_start_fails_for_the_reason_that_its_symbol_has(world: World, clock: MockClock) -> None:
    async with world.naived() as naived:
        await naived.start()
        symbol = naived.symbol()
        assert messages.not_started(symbol) is None
        symbol.offer(Blocked(BlockedBy.EXCHANGE, "no route"))
        error = messages.not_started(symbol)
        assert error is not None
        assert (error.code.kind, error.message) == ("timed_out", "not trading yet, still degraded: no route")
        symbol.fault = "delisted"
        error = messages.not_started(symbol)
        assert error is not None
        assert (error.code.kind, error.message) == ("invalid_transition", "faulted: delisted")
        symbol.offer(Blocked(BlockedBy.COINS, "coins are missing"))
        error = messages.not_started(symbol)
        assert error is not None
        assert (error.code.kind, error.message) == ("quarantined", "quarantined: coins are missing")
        symbol.fault = None


@pytest.mark.parametrize(
    ("bar", "hint"),
    [
        (
            BlockedBy.QUARANTINE,
            "look at it with `naivectl orders ETHUSDT`, then `naivectl resolve ETHUSDT --all --adopt` "
            "(ours again) or `--ignore` (written off)",
        ),
        (
            BlockedBy.LINEAGE,
            "end the other naived and its orders, then `naivectl start ETHUSDT`; or do what the reason says",
        ),
        (
            BlockedBy.COINS,
            "transfer the coins back to the account, then `naivectl start ETHUSDT`; or "
            "`naivectl resolve ETHUSDT --all --adopt` "
            "(ours again) or `--ignore` (written off)",
        ),
    ],
)
async def test_a_quarantine_names_the_way_out_of_its_own_kind(
    world: World, clock: MockClock, bar: BlockedBy, hint: str
) -> None:
    async with world.naived() as naived:
        symbol = naived.supervisor.configure("ETHUSDT")
        symbol.offer(Blocked(bar, "why"))
        error = messages.not_started(symbol)
        assert error is not None
        assert (error.code.exit, error.message, error.hint) == (8, "quarantined: why", hint)


async def test_a_journal_that_is_away_can_be_asked_again() -> None:
    error = messages.away("ETHUSDT")
    assert (error.code.exit, error.code.retryable, error.symbol) == (75, True, "ETHUSDT")
    assert error.message == "the database did not answer in time: it is not certain that anything was changed"
    assert error.hint == "try again; repeating it is safe"


@pytest.mark.parametrize("kind", [ConflictError, UnwrittenError])
async def test_a_change_that_was_never_committed_leaves_no_doubt(kind: type[JournalError]) -> None:
    error = messages.away("ETHUSDT", kind("the disk is full. Make room"))
    assert (error.message, error.hint) == ("the disk is full. Make room", "the change is not made")


async def test_why_a_journal_does_not_take_anything_is_said_where_it_is_known() -> None:
    error = messages.away("ETHUSDT", JournalError("the disk is full. Make room"))
    assert (error.code.exit, error.symbol, error.message) == (75, "ETHUSDT", "the disk is full. Make room")
    assert error.hint == "it is not certain that anything was changed; repeating it is safe"
