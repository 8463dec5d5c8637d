"""What is done for one order at the exchange: send it once, and see to what it needs until it needs nothing.

Everything here is driven by the placement's own state and may be begun again at any time.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

import trio

from naived.core.order import OrderStatus, Report, Unsent
from naived.core.placement import (
    Answered,
    FillsFound,
    Missing,
    Need,
    Placement,
    PlacementEvent,
    Reported,
    State,
    need,
)
from naived.core.placing import LOOKS, SKEW
from naived.ports import Exchange, ExchangeError, JournalError, OrderRequest
from naived.runtime.symbol import Symbol

_FIRST_PAUSE = 1.0  # seconds between two looks, doubled each time
_LONGEST_PAUSE = 5.0  # seconds; also what looks after the fence are spaced by, where the grace is long
_NAIVED = "n1"  # how each order of a naived, and each cancel by one, is named
_SAFETY = 1_000  # ms before the deadline after which nothing is sent; a fifth of a shorter window


async def send(symbol: Symbol, client_order_id: str, exchange: Exchange) -> None:
    """Send one durable intent, unless the symbol was stopped or the deadline is too near."""
    placement = symbol.book.placements.get(client_order_id)
    if placement is None or placement.state is not State.INTENDED:
        return
    timestamp, window = placement.timestamp, placement.recv_window
    if timestamp is None or window is None:
        raise ValueError(f"{client_order_id} was never admitted")
    if not symbol.may_place:
        symbol.tell(client_order_id, Answered(Unsent("the symbol does not place orders now")))
        return
    if exchange.latest() >= timestamp + window - min(_SAFETY, window // 5):
        symbol.tell(client_order_id, Answered(Unsent("too late to send")))
        return
    intent = placement.intent
    request = OrderRequest(
        intent.symbol,
        intent.side,
        intent.price,
        intent.quantity,
        client_order_id,
        placement.stp_mode,
        timestamp,
        window,
    )
    symbol.tell(client_order_id, Answered(await exchange.place(request)))


async def attend(symbol: Symbol, client_order_id: str, exchange: Exchange, grace: int) -> None:
    """Do what this placement needs, look again, and go on until it needs nothing."""
    longest = min(_LONGEST_PAUSE, grace / 4000)
    pause = min(_FIRST_PAUSE, longest)
    while True:
        placement = symbol.book.placements.get(client_order_id)
        needed = None if placement is None else need(placement)
        if placement is None or needed is None:
            return
        if needed is Need.ADMIT:
            if not await _admit(symbol, placement, exchange):
                return
            continue
        if needed is Need.FILLS:
            await trio.sleep(pause)  # the user stream brings them at once, nearly always
        try:
            learned = await _ask(symbol, placement, needed, exchange, grace)
        except (ExchangeError, JournalError):
            learned = None
        if learned is not None:
            symbol.tell(client_order_id, learned)
        if needed is not Need.FILLS:
            await trio.sleep(longest if placement.looks else pause)
        pause = min(pause * 2, longest)


async def _admit(symbol: Symbol, placement: Placement, exchange: Exchange) -> bool:
    """Get a slot and take the next attempt; False while the symbol places nothing (it calls again afterwards)."""
    if not symbol.may_place:
        return False
    await exchange.admission(placement.intent.side)
    symbol.admit(placement.client_order_id, placement.intent.side)
    return True


async def _ask(
    symbol: Symbol, placement: Placement, needed: Need, exchange: Exchange, grace: int
) -> PlacementEvent | None:
    """Ask (or cancel, then ask) and return what was learned; raises ExchangeError."""
    name, order_id, client_order_id = symbol.name, placement.order_id, placement.client_order_id
    match needed:
        case Need.ASK if order_id is not None:
            if placement.looks >= LOOKS - 1:
                return await _search_numbered(symbol, placement, order_id, exchange, grace)
            return _word(await exchange.order(name, order_id=order_id), exchange, grace)
        case Need.ASK:
            server_time = await exchange.server_time()
            report = await exchange.order(name, client_order_id=client_order_id)
            if report is None and placement.looks == LOOKS - 1:
                report = await _search(symbol, placement, exchange)
            return Missing(server_time, grace) if report is None else Reported(report)
        case Need.FILLS if order_id is not None:
            return FillsFound(tuple(await exchange.fills(name, order_id=order_id)))
        case Need.CANCEL if order_id is not None:
            await symbol.settle()  # else a crash would make it look as if a person had cancelled
            if symbol.behind or symbol.failed is not None:
                return None
            await exchange.cancel(name, order_id, f"{client_order_id}-x")
            return _word(await exchange.order(name, order_id=order_id), exchange, grace)
        case Need.FILLS | Need.CANCEL | Need.ADMIT:
            raise ValueError(f"{client_order_id} needs {needed.name} and has no order id")
        case _:
            assert_never(needed)


def _word(report: Report | None, exchange: Exchange, grace: int) -> PlacementEvent:
    return Missing(exchange.now(), grace) if report is None else Reported(report)


async def _search_numbered(
    symbol: Symbol, placement: Placement, order_id: int, exchange: Exchange, grace: int
) -> PlacementEvent:
    """Look everywhere for an order that was there: by its number, in every list, and for what it executed."""
    report = await exchange.order(symbol.name, order_id=order_id)
    if report is None:
        since = placement.created_at - SKEW
        listed = [*await exchange.open_orders(symbol.name), *await exchange.orders_since(symbol.name, since)]
        report = next((each for each in listed if each.order_id == order_id), None)
    if report is not None:
        return Reported(report)
    fills = tuple(await exchange.fills(symbol.name, order_id=order_id))
    if sum(fill.quantity for fill in fills) > placement.executed:
        return FillsFound(fills)
    return Missing(exchange.now(), grace, everywhere=True)


async def _search(symbol: Symbol, placement: Placement, exchange: Exchange) -> Report | None:
    """The last look before an absence counts: among all orders since the intent, and who owns what was executed.

    Raises ExchangeError, also for an execution whose order nobody knows: it might be this one's.
    """
    name, since = symbol.name, placement.created_at - SKEW
    seen = [*await exchange.open_orders(name), *await exchange.orders_since(name, since)]
    kept = {each.order_id for each in symbol.book.placements.values()}
    owned = {report.order_id for report in seen} | kept
    for order_id in sorted({fill.order_id for fill in await exchange.fills(name, since=since)} - owned):
        owner = await exchange.order(name, order_id=order_id)
        if owner is None:
            raise ExchangeError(f"{name}: nobody knows order {order_id}, and yet it was executed")
        seen.append(owner)
    named = next((report for report in seen if report.client_order_id == placement.client_order_id), None)
    return named or await _renamed(symbol, placement, [report for report in seen if report.order_id not in kept])


async def _renamed(symbol: Symbol, placement: Placement, seen: Sequence[Report]) -> Report | None:
    """The order if a person cancelled it: the exchange then knows it by the id of that cancel.

    In all else it equals the intent, down to the seconds in which it can have been accepted, and it is no other
    order of ours. Raises ExchangeError where that cannot be told, JournalError.
    """
    intent, deadline = placement.intent, placement.deadline or 0
    twins = [
        report
        for report in seen
        if report.status is OrderStatus.CANCELED
        and not report.client_order_id.startswith(_NAIVED)
        and (report.side, report.price, report.quantity) == (intent.side, intent.price, intent.quantity)
        and placement.created_at - SKEW <= report.created <= deadline + SKEW
    ]
    if twins:
        owned = await symbol.numbers()
        twins = [report for report in twins if report.order_id not in owned]
    if len(twins) > 1:
        raise ExchangeError(f"{intent.symbol}: {len(twins)} cancelled orders equal {placement.client_order_id}")
    return replace(twins[0], client_order_id=placement.client_order_id) if twins else None
