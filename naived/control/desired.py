"""Make what a person asks for durable, once for each request, before it is answered."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext

import trio
from msgspec.structs import replace

from naived.control import messages
from naived.control.call import PATIENCE, Call
from naived.control.service import Service
from naived.core.orders.intent import Side
from naived.core.strategy.settings import DesiredState
from naived.ports import JournalError
from naived.runtime.symbol_task import Symbol

_MOMENT = 1.0  # seconds that the database gets in any case: what it does write should not be told as doubtful

_TRUE, _FALSE = "true", "false"  # JSON: did a request change anything?


async def desire(
    service: Service,
    call: Call,
    symbol: Symbol,
    change: Callable[[DesiredState], DesiredState],
    *,
    cancel: frozenset[Side] = frozenset(),
) -> bool:
    """Make a change durable; says whether it changed anything, and says the same to a repeated request."""
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
    # Nothing is awaited between looking at the last state and making the next: two requests at once both count.
    before = symbol.desired
    wanted = change(before)
    resting = any(order.intent.side in cancel and not order.cancelling for order in symbol.engine.resting)
    changed = wanted != before or resting
    request = answer_to_store(call, changed=changed)
    # What is so in memory may not be durable yet, or may have failed to become so; a fault is tried again.
    if not (changed or request or symbol.behind or symbol.failed or symbol.fault):
        return False
    only_settings = wanted == replace(before, settings=wanted.settings) != before
    note = "settings changed" if only_settings else str(wanted.status)
    commit = symbol.direct(wanted, cancel=cancel, request=request, note=note if changed else None)
    # Before the wait: the client may leave during it, and what it asked for stands all the same.
    service.supervisor.follow(symbol)
    if commit is None:
        raise messages.away(symbol.name, symbol.failed)
    await commit.durable()
    return changed


def turn(service: Service, call: Call) -> AbstractAsyncContextManager[object]:
    """A request that is repeated while the first is under way waits for it: the answer is stored once."""
    request = answer_to_store(call, changed=False)
    return nullcontext() if request is None else service.turns.setdefault(request[0], trio.Lock())


async def stored_answer(service: Service, call: Call) -> bool | None:
    """Did this very request, when it came before, change anything? None if it did not. Raises JournalError."""
    request = answer_to_store(call, changed=False)
    if request is None:
        return None
    stored = await service.journal.answered(request[0])
    return None if stored is None else stored == _TRUE


def answer_to_store(call: Call, *, changed: bool) -> tuple[str, str] | None:
    """Under which key an answer is stored with its change, and the answer; None for a request without an id."""
    request_id = call.params.get("request_id")
    return None if request_id is None else (f"{request_id}/{call.name}", _TRUE if changed else _FALSE)


@contextmanager
def answered_in_time(call: Call, symbol: Symbol | None) -> Iterator[None]:
    """Raise ControlError if the database does not answer the block in time; what was handed in stands."""
    now = trio.current_time()
    try:
        with trio.fail_at(min(max(call.patience.deadline, now + _MOMENT), now + PATIENCE)):
            yield
    except JournalError as error:
        failed = None if symbol is None else symbol.failed  # it knows the cause, the error only that there is one
        raise messages.away(call.name, failed or error) from error
    except trio.TooSlowError as error:
        raise messages.away(call.name) from error
