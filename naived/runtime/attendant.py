"""What is done for one order at the exchange: send it once, and see to what it needs until it needs nothing.

Everything here is driven by the placement's own state and may be begun again at any time.
"""

from typing import assert_never

import trio

from naived.core.order import Unsent
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
from naived.ports import Exchange, ExchangeError, OrderRequest
from naived.runtime.symbol import Symbol

_FIRST_PAUSE = 1.0  # seconds between two looks, doubled each time
_LONGEST_PAUSE = 5.0  # seconds; also what looks after the fence are spaced by, where the grace is long
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
            learned = await _ask(placement, needed, exchange, grace)
        except ExchangeError:
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


async def _ask(placement: Placement, needed: Need, exchange: Exchange, grace: int) -> PlacementEvent | None:
    """Ask (or cancel, then ask) and return what was learned; raises ExchangeError."""
    symbol, order_id, client_order_id = placement.intent.symbol, placement.order_id, placement.client_order_id
    match needed:
        case Need.ASK:
            server_time = await exchange.server_time()
            report = await exchange.order(symbol, client_order_id=client_order_id)
            return Missing(server_time, grace) if report is None else Reported(report)
        case Need.FILLS if order_id is not None:
            return FillsFound(tuple(await exchange.fills(symbol, order_id=order_id)))
        case Need.CANCEL if order_id is not None:
            await exchange.cancel(symbol, order_id, f"{client_order_id}-x")
            report = await exchange.order(symbol, order_id=order_id)
            return None if report is None else Reported(report)
        case Need.FILLS | Need.CANCEL | Need.ADMIT:
            raise ValueError(f"{client_order_id} needs {needed.name} and has no order id")
        case _:
            assert_never(needed)
