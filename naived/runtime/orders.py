"""Sends orders to the exchange, then queries and cancels each until it needs nothing more.

A symbol calls `symbol_task.Commands`; the call returns at once, and a task here does the work, also while the
symbol is off. The work depends only on the order's state, so it may restart at any time. An unexpected exception
fails that symbol.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import assert_never

import structlog
import trio
from msgspec.structs import replace

from naived.core.engine import Question
from naived.core.orders.client_id import cancel_id, is_naived
from naived.core.orders.intent import OrderIntent
from naived.core.orders.report import CancelAccepted, CancelRefused, OrderStatus, Report, Unsent
from naived.core.orders.state import (
    LOOKS,
    SKEW,
    Answered,
    FillsFound,
    Missing,
    Need,
    OrderEvent,
    OrderState,
    Reported,
    State,
    need,
)
from naived.ports import Exchange, ExchangeError, JournalError, OrderRequest, Page
from naived.runtime.account_view import AccountView
from naived.runtime.attempts import backoff, is_late, next_attempt, unsendable
from naived.runtime.symbol_task import Symbol

_FIRST_PAUSE = 1.0  # seconds between two queries, doubled each time
_LONGEST_PAUSE = 5.0  # seconds; with a long grace also the time between queries that prove absence
_WAITING = 100_000  # jobs that may wait for their task; far more than all orders of an account
_NEWEST = 1_000  # orders: usually those of days, in the worst case those of an hour

log = structlog.get_logger()


class Orders:
    """Implements `symbol_task.Commands`. ``grace`` is in ms."""

    def __init__(self, exchange: Exchange, view: AccountView, grace: int) -> None:
        self._exchange = exchange
        self._view = view
        self.grace = grace
        self._inbox, self._jobs = trio.open_memory_channel[Callable[[], Awaitable[None]]](_WAITING)
        self._resolving: set[tuple[Symbol, str]] = set()  # a symbol that comes back to this node is another one
        self._unanswered = 0  # orders sent, or about to be sent, without an answer
        self._answered = trio.Event()

    async def run(self) -> None:
        """Run until cancelled."""
        async with trio.open_nursery() as nursery:
            async for job in self._jobs:
                nursery.start_soon(job)

    async def drain_in_flight(self, symbols: Collection[Symbol]) -> None:
        """Wait until what was sent is answered and the answers are durable."""
        while True:
            answered = self._answered
            for symbol in symbols:
                await symbol.settle()
            if answered is self._answered and not self._unanswered:
                return
            await answered.wait()

    # What a symbol asks for (symbol_task.Commands)

    def send(self, symbol: Symbol, client_order_id: str) -> None:
        if self._begin(symbol, partial(self._send, symbol, client_order_id)):
            self._unanswered += 1

    def resolve_order(self, symbol: Symbol, client_order_id: str) -> None:
        # Without the symbol's assets the fee of a fill cannot be booked.
        key = symbol, client_order_id
        if not symbol.engine.informed or key in self._resolving:
            return
        if self._begin(symbol, partial(self._resolve_contained, symbol, client_order_id)):
            self._resolving.add(key)

    def inquire(self, symbol: Symbol, question: Question) -> None:
        self._begin(symbol, partial(self._view.answer, symbol, question))

    def _begin(self, symbol: Symbol, job: Callable[[], Awaitable[None]]) -> bool:
        """Queue the job for a task. If the queue is full the symbol fails, and restarts from the journal."""
        try:
            self._inbox.send_nowait(job)
        except trio.WouldBlock:
            with symbol.contained():
                raise OverflowError(f"{_WAITING} requests wait for their tasks") from None
            return False
        return True

    # Sending

    async def _send(self, symbol: Symbol, client_order_id: str) -> None:
        try:
            with symbol.contained():
                await self._place(symbol, client_order_id)
        finally:
            self._unanswered -= 1
            self._answered.set()
            self._answered = trio.Event()

    async def _place(self, symbol: Symbol, client_order_id: str) -> None:
        """Send one durable order, unless it is not wanted any more, or its fence is too near."""
        order = symbol.engine.orders.get(client_order_id)
        if order is None or order.state is not State.INTENDED or symbol.gone:
            return
        timestamp, window = order.timestamp, order.recv_window
        if timestamp is None or window is None:
            raise ValueError(f"{client_order_id} was never admitted")
        obstacle = None
        if order.cancelling:
            obstacle = "its cancel is wanted"
        elif not symbol.engine.may_place:
            obstacle = "the symbol does not place orders now"
        elif not symbol.context.trusted():
            obstacle = "another node may have the symbol"
        elif is_late(self._exchange, timestamp, window):
            obstacle = "too late to send"
        if obstacle is not None:
            symbol.offer(Answered(client_order_id, Unsent(obstacle)))
            return
        intent = order.intent
        request = OrderRequest(
            intent.symbol,
            intent.side,
            intent.price,
            intent.quantity,
            client_order_id,
            order.stp_mode,
            timestamp,
            window,
            intent.ioc,
        )
        symbol.offer(Answered(client_order_id, await self._exchange.place(request)))

    # Resolving

    async def _resolve_contained(self, symbol: Symbol, client_order_id: str) -> None:
        try:
            with symbol.contained():
                await self._resolve(symbol, client_order_id)
        finally:
            self._resolving.discard((symbol, client_order_id))
            symbol.unresolved.pop(client_order_id, None)

    async def _resolve(self, symbol: Symbol, client_order_id: str) -> None:
        """Do what this order needs, again and again, until it needs nothing."""
        longest = min(_LONGEST_PAUSE, self.grace / 4000)
        pause = min(_FIRST_PAUSE, longest)
        while True:
            order = symbol.engine.orders.get(client_order_id)
            needed = None if order is None else need(order)
            if order is None or needed is None or symbol.gone:
                return
            if needed is Need.ADMIT:
                if not symbol.engine.may_place:
                    return  # the symbol calls again when it may
                await self._admit(symbol, order, longest)
                continue
            if needed is Need.FILLS:
                await trio.sleep(pause)  # the user stream nearly always brings them in this time
            try:
                learned = await _ask(symbol, order, needed, self._exchange, self.grace)
            except (ExchangeError, JournalError) as error:
                learned = None
                _note(symbol, client_order_id, str(error))
            else:
                symbol.unresolved.pop(client_order_id, None)
            if learned is not None:
                symbol.offer(learned)
            if needed is not Need.FILLS:
                await trio.sleep(longest if order.looks else pause)
            pause = min(pause * 2, longest)

    async def _admit(self, symbol: Symbol, order: OrderState, longest: float) -> None:
        """Wait for a slot, about a second at most, and start the next attempt if there is one."""
        exchange, context, client_order_id = self._exchange, symbol.context, order.client_order_id
        pause = backoff(order, exchange.now(), longest)
        if pause:
            await trio.sleep(pause)
        if not await exchange.admission(order.intent.side):
            symbol.unresolved.pop(client_order_id, None)
            return
        if not context.trusted():
            await trio.sleep(_FIRST_PAUSE)
            return
        now = symbol.engine.orders.get(client_order_id)
        if now is None or need(now) is not Need.ADMIT or symbol.gone or not symbol.engine.may_place:
            return
        attempt = next_attempt(exchange, now, context.recv_window, symbol.epoch)
        if attempt is not None:
            symbol.offer(attempt)
            return
        why = unsendable(exchange, context.recv_window)
        if why is not None:
            _note(symbol, client_order_id, why)
            await trio.sleep(_FIRST_PAUSE)


async def _ask(
    symbol: Symbol, order: OrderState, needed: Need, exchange: Exchange, grace: int
) -> OrderEvent | None:
    """Query the order (or cancel, then query it) and return the result as an event; None: try again.

    Raises ExchangeError, JournalError.
    """
    name, order_id, client_order_id = symbol.name, order.order_id, order.client_order_id
    match needed:
        case Need.ASK if order_id is not None:
            if order.looks >= LOOKS - 1:
                return await _search_numbered(symbol, order, order_id, exchange, grace)
            return _as_event(order, await exchange.order(name, order_id=order_id), exchange, grace)
        case Need.ASK:
            server_time = await exchange.server_time()
            report = await exchange.order(name, client_order_id=client_order_id)
            if report is None and order.looks == LOOKS - 1:
                report = await _search(symbol, order, exchange)
            if report is None:
                return Missing(client_order_id, server_time, grace)
            return Reported(client_order_id, report)
        case Need.FILLS if order_id is not None:
            return FillsFound(client_order_id, tuple(await exchange.fills(name, order_id=order_id)))
        case Need.CANCEL if order_id is not None:
            # The cancel must be durable first: after a crash it would look like one by a person.
            while symbol.behind and symbol.failed is None:
                await symbol.news.wait()
            if symbol.failed is not None or not symbol.context.trusted():
                return None

            def wanted() -> bool:
                return not symbol.gone and symbol.context.trusted()

            answer = await exchange.cancel(name, order_id, cancel_id(client_order_id), wanted)
            report = await exchange.order(name, order_id=order_id)
            if report is not None and not (report.status.ended or isinstance(answer, CancelAccepted)):
                symbol.offer(Reported(client_order_id, report))
                why = answer.message if isinstance(answer, CancelRefused) else answer.reason
                raise ExchangeError(f"not cancelled: {why}")
            return _as_event(order, report, exchange, grace)
        case Need.FILLS | Need.CANCEL | Need.ADMIT:
            raise ValueError(f"{client_order_id} needs {needed.name} and has no order id")
        case _:
            assert_never(needed)


def _note(symbol: Symbol, client_order_id: str, reason: str) -> None:
    """Store why an order cannot be resolved now; log it if it changed."""
    if symbol.unresolved.get(client_order_id) != reason:
        symbol.unresolved[client_order_id] = reason
        log.warning("order not resolved", symbol=symbol.name, order=client_order_id, reason=reason)
        symbol.news.notify()


def _as_event(order: OrderState, report: Report | None, exchange: Exchange, grace: int) -> OrderEvent:
    if report is None:
        return Missing(order.client_order_id, exchange.now(), grace)
    return Reported(order.client_order_id, report)


async def _search_numbered(
    symbol: Symbol, order: OrderState, order_id: int, exchange: Exchange, grace: int
) -> OrderEvent:
    """Search everywhere for an order that existed: by its order id, in every list, and for its fills."""
    report = await exchange.order(symbol.name, order_id=order_id)
    if report is None:
        name, since = symbol.name, order.since
        listed = [*await exchange.open_orders(name), *await exchange.orders_since(name, since)]
        report = next((each for each in listed if each.order_id == order_id), None)
    if report is not None:
        return Reported(order.client_order_id, report)
    fills = tuple(await exchange.fills(symbol.name, order_id=order_id))
    if sum(fill.quantity for fill in fills) > order.executed:
        return FillsFound(order.client_order_id, fills)
    return Missing(order.client_order_id, exchange.now(), grace, everywhere=True)


async def _search(symbol: Symbol, order: OrderState, exchange: Exchange) -> Report | None:
    """The last query before absence is proven: search all orders since the intent, and the orders of all fills.

    Raises ExchangeError, also for a fill whose order is not found: it might be this order's. Raises JournalError.
    """
    name, since = symbol.name, order.since
    seen = [*await exchange.open_orders(name), *await exchange.orders_since(name, since)]
    kept = {each.order_id for each in symbol.engine.orders.values()}
    owned = {report.order_id for report in seen} | kept
    for order_id in sorted({fill.order_id for fill in await exchange.fills(name, since=since)} - owned):
        owner = await exchange.order(name, order_id=order_id)
        if owner is None:
            raise ExchangeError(f"{name}: nobody knows order {order_id}, and yet it was executed")
        seen.append(owner)
    named = next((report for report in seen if report.client_order_id == order.client_order_id), None)
    return named or await _renamed(symbol, order, [each for each in seen if each.order_id not in kept], exchange)


async def _renamed(symbol: Symbol, order: OrderState, seen: Sequence[Report], exchange: Exchange) -> Report | None:
    """The order if a person cancelled or amended it: the exchange then reports it under another id.

    It equals the intent in side and price, was created when this one can have been accepted, and is no other order
    of ours. If cancelled its quantity is the intent's; if amended it is less, and the exchange knows the id that it
    had. Raises ExchangeError, also if more than one order fits, JournalError.
    """
    intent, fence = order.intent, order.fence or 0
    twins = [
        report
        for report in seen
        if not is_naived(report.client_order_id)
        and (report.side, report.price) == (intent.side, intent.price)
        and (report.quantity < intent.quantity or _is_cancelled_whole(report, intent))
        and order.since <= report.created <= fence + SKEW
    ]
    if twins:
        owned = await _journal_order_ids(symbol)
        twins = [report for report in twins if report.order_id not in owned]
    for report in [twin for twin in twins if twin.quantity < intent.quantity]:
        if order.client_order_id in await exchange.earlier_ids(intent.symbol, report.order_id):
            return replace(report, client_order_id=order.client_order_id, amended=True)
        twins.remove(report)
    if len(twins) > 1:
        raise ExchangeError(f"{intent.symbol}: {len(twins)} cancelled orders equal {order.client_order_id}")
    return replace(twins[0], client_order_id=order.client_order_id) if twins else None


def _is_cancelled_whole(report: Report, intent: OrderIntent) -> bool:
    return report.status is OrderStatus.CANCELED and report.quantity == intent.quantity


async def _journal_order_ids(symbol: Symbol) -> set[int | None]:
    """The order ids of the newest orders of this symbol, living or ended; raises JournalError."""
    await symbol.settle()  # rows that are not written yet would be missing
    rows = await symbol.context.journal.orders(Page((symbol.name,), limit=_NEWEST))
    return {row.order.order_id for row in rows}
