"""The verb ``resolve``: a person ends a quarantine or a hold, of one order or of all of a symbol."""

import trio

from naived.control import messages
from naived.control.call import PATIENCE, Call, Outcome
from naived.control.desired import answer_to_store, answered_in_time, stored_answer, turn
from naived.control.lookup import find
from naived.control.service import Service
from naived.control.verbs import ask_for_orders
from naived.core.amount import Quantity
from naived.core.engine import BlockedBy, CoinsWrittenOff, is_blocked_by
from naived.core.orders.intent import Side
from naived.core.orders.state import Resolved
from naived.core.strategy.trader import Hold, Holding, Released
from naived.ports import ExchangeError
from naived.runtime.commit import Commit
from naived.runtime.symbol_task import Symbol

ACTIONS = ("adopt", "ignore")


async def resolve(service: Service, call: Call) -> Outcome:
    symbol = await find(service, call)
    adopt = call.params["action"] == "adopt"
    wanted = call.params["client_order_id"]
    lost = Quantity(0)
    if symbol is not None and wanted is None and not adopt:
        lost = await _missing(service, call, symbol)
    with answered_in_time(call, symbol):
        if symbol is None:
            await _check_known(service, call)
            return Outcome(False, messages.resolved(0))
        await service.supervisor.restored(symbol)
        if symbol.failed is not None:
            raise messages.away(call.name, symbol.failed)
        async with turn(service, call):
            if (stored := await stored_answer(service, call)) is not None:
                return Outcome(stored, messages.RESOLVED)
            ended = await _end(service, call, symbol, lost)
    if adopt:
        await ask_for_orders(service, symbol, call.patience)
    return Outcome(ended > 0, messages.resolved(ended))


async def _missing(service: Service, call: Call, symbol: Symbol) -> Quantity:
    """Coins that are missing now, if the symbol is blocked for missing coins, else 0; raises ControlError."""
    if not is_blocked_by(symbol.engine, BlockedBy.COINS):
        return Quantity(0)
    try:
        with trio.fail_at(min(call.patience.deadline, trio.current_time() + PATIENCE)):
            held, there = await service.reconciler.cover(symbol)
    except (ExchangeError, trio.TooSlowError) as error:
        raise messages.coins_not_told(call.name) from error
    return Quantity(max(0, held - there))


async def _end(service: Service, call: Call, symbol: Symbol, lost: Quantity) -> int:
    """End all that waits for a person, or one order; returns how many. ``lost`` coins were missing before.

    Raises ControlError, JournalError.
    """
    adopt, wanted = call.params["action"] == "adopt", call.params["client_order_id"]
    before = service.view.held(symbol)
    commits = [*_released_orders(symbol, wanted, adopt), *_released_traders(symbol, wanted, adopt)]
    if not commits:
        await _check_known(service, call)
    if wanted is None and is_blocked_by(symbol.engine, BlockedBy.COINS):
        # Coins that a hold wrote off just now are not missing any more; those adopted just now were not counted.
        rest = Quantity(min(lost, lost - before + service.view.held(symbol)))
        commits.append(symbol.offer(CoinsWrittenOff(rest, "adopted" if adopt else "written off")))
    ended = len(commits)
    if wanted is None and not adopt and service.reconciler.strangers.ignore(symbol.name):
        service.reconciler.block_lineage()
        ended += 1
    request = answer_to_store(call, changed=ended > 0)
    if request is not None:
        commits.append(symbol.direct(symbol.desired, request=request))
    if symbol.failed is not None:
        raise messages.away(call.name, symbol.failed)
    for commit in commits:
        if commit is not None:
            await commit.durable()
    return ended


def _released_orders(symbol: Symbol, wanted: str | None, adopt: bool) -> list[Commit | None]:
    return [
        symbol.offer(Resolved(order.client_order_id, adopt))
        for order in symbol.engine.quarantined
        if wanted in (None, order.client_order_id)
    ]


def _released_traders(symbol: Symbol, wanted: str | None, adopt: bool) -> list[Commit | None]:
    commits = []
    for trader in symbol.engine.leader.traders:
        sell = symbol.engine.order(trader.number, Side.SELL, trader.sells)
        held = isinstance(trader.phase, Holding) and trader.phase.hold is Hold.BY_HAND
        if held and (wanted is None or (sell is not None and sell.client_order_id == wanted)):
            commits.append(symbol.offer(Released(trader.number, adopt)))
    return commits


async def _check_known(service: Service, call: Call) -> None:
    """Raises ControlError for an order that never existed, JournalError. One that is resolved already is fine."""
    client_order_id = call.params["client_order_id"]
    if client_order_id is not None and not await service.journal.knows(call.name, client_order_id):
        raise messages.no_such_order(call.name, client_order_id)
