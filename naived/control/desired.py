"""Makes what a person asks for durable, once for each request id, before the request is answered."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext

import trio
from msgspec.structs import replace

from naived.control import messages
from naived.control.call import Call
from naived.control.service import Service
from naived.core.orders.intent import Side
from naived.core.strategy.settings import DesiredState
from naived.core.strategy.trader_state import Note
from naived.ports import ConflictError, JournalError
from naived.runtime.account import ToStore
from naived.runtime.symbol_task import Symbol

_TRUE, _FALSE = "true", "false"  # JSON: did a request change anything?


async def desire(
    service: Service,
    call: Call,
    symbol: Symbol,
    change: Callable[[DesiredState], DesiredState],
    *,
    cancel: frozenset[Side] = frozenset(),
) -> bool:
    """Make a change durable; returns whether it changed anything, and the same to a repeated request.

    Raises ControlError.
    """
    with answered_in_time(call, symbol):
        await service.supervisor.restored(symbol)
        async with turn(service, call):
            if (stored := await stored_answer(service, call)) is not None:
                return stored
            return await _change(service, call, symbol, change, cancel)


async def _change(
    service: Service,
    call: Call,
    symbol: Symbol,
    change: Callable[[DesiredState], DesiredState],
    cancel: frozenset[Side],
) -> bool:
    # There is no await between reading the last state and making the next, so two concurrent requests both count.
    before = symbol.desired
    wanted = change(before)
    resting = any(order.intent.side in cancel and not order.cancelling for order in symbol.engine.resting)
    changed = wanted != before or resting
    request = answer_to_store(call, changed=changed)
    # The same state in memory may not be durable yet, or its commit may have failed; a fault is tried again.
    faulted = symbol.fault is not None or symbol.engine.leader.barred is not None
    if not (changed or request or symbol.behind or symbol.failed or faulted):
        return False
    only_settings = wanted == replace(before, settings=wanted.settings) != before
    word = "settings changed" if only_settings else "forgotten" if wanted.forgotten else str(wanted.status)
    note = Note("desired", word) if changed else None
    commit = symbol.direct(wanted, cancel=cancel, request=request, note=note)
    # Before the wait, because the client may leave during it, and its request must still take effect.
    service.supervisor.follow(symbol)
    if commit is None:
        raise messages.away(symbol.name, symbol.failed) from symbol.failed
    await commit.durable()
    return changed


async def change_account(service: Service, call: Call, change: Callable[[ToStore], Awaitable[bool]]) -> bool:
    """The same for the account: ``change`` is of its keeper."""
    with answered_in_time(call, None):
        async with turn(service, call):
            stored = await stored_answer(service, call)
            if stored is None:
                try:
                    return await change(lambda changed: answer_to_store(call, changed=changed))
                except ConflictError:
                    # Another node may have carried out the same request at the same moment.
                    stored = await stored_answer(service, call)
                    if stored is None:
                        raise
            await service.account.catch_up()
            return stored


def turn(service: Service, call: Call) -> AbstractAsyncContextManager[object]:
    """Lock the request's id: a repeated request waits for the first one, and the answer is stored once."""
    return nullcontext() if call.key is None else service.turns.setdefault(call.key, trio.Lock())


async def stored_answer(service: Service, call: Call) -> bool | None:
    """If the request was performed before: did it change anything? None if it was not. Raises JournalError."""
    if call.key is None:
        return None
    stored = await service.journal.answered(call.key)
    return None if stored is None else stored == _TRUE


def answer_to_store(call: Call, *, changed: bool) -> tuple[str, str] | None:
    """The key and the answer that are stored with the change; None for a request without an id."""
    return None if call.key is None else (call.key, _TRUE if changed else _FALSE)


@contextmanager
def answered_in_time(call: Call, symbol: Symbol | None) -> Iterator[None]:
    """Raise ControlError if the database does not answer the block in time; a commit may still be written."""
    try:
        with trio.fail_at(call.until_stored):
            yield
    except JournalError as error:
        failed = None if symbol is None else symbol.failed  # has the cause, which the error has not
        raise messages.away(call.name, failed or error) from (failed or error)
    except trio.TooSlowError as error:
        raise messages.away(call.name) from error


@contextmanager
def read_in_time(call: Call) -> Iterator[None]:
    """The same for a block that only reads."""
    try:
        with trio.fail_at(call.until_stored):
            yield
    except JournalError as error:
        raise messages.unread(error) from error
    except trio.TooSlowError as error:
        raise messages.unread(JournalError(messages.SILENT)) from error
