"""The verbs that change something, for one symbol each: a wish becomes durable, then its fact is awaited.

A wait that ends early undoes nothing. What is already so is a success that changed nothing.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from typing import Any
from weakref import WeakValueDictionary

import trio
from msgspec.structs import replace

from naived.control.caller import Caller
from naived.control.protocol import SETTINGS, Code, ControlError
from naived.control.requests import MAX_SYMBOL, is_symbol
from naived.core.amount import Money, Price, Quantity
from naived.core.engine import BlockedBy, CoinsWrittenOff, is_blocked_by
from naived.core.orders.intent import Side
from naived.core.orders.state import Resolved
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.trader import Hold, Holding, Released
from naived.ports import Exchange, ExchangeError, Journal, JournalError
from naived.proposal import check_size, proposed
from naived.replies import (
    Outcome,
    away,
    draining,
    never_started,
    no_budget,
    no_such_order,
    overruled,
    started,
    still_stopping,
    stopped,
    timed_out,
    unheard,
    unknown,
    unreached,
)
from naived.runtime.account_view import AccountView
from naived.runtime.actual_state import ActualState, actual_state
from naived.runtime.listing import Listing, UnknownNamesError
from naived.runtime.reconciler import Reconciler
from naived.runtime.session import Session
from naived.runtime.supervisor import Supervisor
from naived.runtime.symbol_task import Symbol, blank

Params = dict[str, Any]

# Seconds a verb without a timeout of its own waits for the exchange, and any for a name or the database.
_PATIENCE = 15.0
_MOMENT = 1.0  # seconds the database gets in any case: what is durable must not look as if it were not
_GLANCE = 1.0  # seconds between two looks at what is waited for: a database that hangs makes no news

_TRUE, _FALSE = "true", "false"  # JSON: did a request change anything?
_CANCEL = {"none": frozenset[Side](), "buys": frozenset({Side.BUY}), "all": frozenset(Side)}


class Verbs:
    """What a person may ask of one symbol. ``budget`` is the default one, None where money is real."""

    def __init__(
        self,
        supervisor: Supervisor,
        session: Session,
        view: AccountView,
        reconciler: Reconciler,
        exchange: Exchange,
        journal: Journal,
        budget: Money | None,
    ) -> None:
        self._supervisor = supervisor
        self._session = session
        self._view = view
        self._reconciler = reconciler
        self._listing = Listing(exchange)
        self._journal = journal
        self._budget = budget
        self._turns: WeakValueDictionary[str, trio.Lock] = WeakValueDictionary()

    @property
    def defaults(self) -> Settings:
        """What a symbol is set to that was never configured."""
        return Settings(budget=self._budget)

    async def find(self, name: str, params: Params) -> Symbol | None:
        """The configured symbol; None if it is listed and was never configured. Raises ControlError."""
        symbol = self._supervisor.symbols.get(name)
        if symbol is not None:
            return symbol
        if not is_symbol(name):
            raise unknown(name, f"{name[:MAX_SYMBOL]!a} is not a symbol")
        if self._session.away is None:
            with trio.move_on_at(_deadline(params)):
                await self._session.usable()
        try:
            with trio.fail_after(_PATIENCE):  # the request weight may be used up
                listed = await self._listing.info(name)
        except UnknownNamesError as error:
            raise ControlError(
                Code.BUSY, f"not looked for: {error}", symbol=name, hint="correct the names, or wait a minute"
            ) from error
        except trio.TooSlowError as error:
            why = "the exchange did not say in time whether it lists this symbol"
            raise unreached(name, why, "try again in a minute") from error
        except ExchangeError as error:
            raise unreached(name, f"the exchange did not say whether it lists this symbol: {error}") from error
        if listed is None:
            raise unknown(name, "the exchange does not list this symbol")
        return self._supervisor.symbols.get(name)

    async def start(self, name: str, params: Params, caller: Caller) -> Outcome:
        symbol = await self.find(name, params)
        change = proposed(name, params, self._budget)
        before = (symbol or blank(name)).desired
        settings = change(before.settings)
        if settings.budget is None:
            raise no_budget(name)
        if settings != before.settings or before.status is Status.OFF:
            await check_size(name, settings, self._listing, self._last(name))
        symbol = self._supervisor.configure(name)
        changed = await self._wish(
            symbol, lambda wish: DesiredState(change(wish.settings), Status.ON, keep_buys=False), params
        )
        self._supervisor.follow(symbol)
        failure = await self._started(symbol, _deadline(params), caller) if params["wait"] else None
        return Outcome(changed, str(actual_state(symbol)[0]), failure)

    async def _started(self, symbol: Symbol, deadline: float, caller: Caller) -> ControlError | None:
        """Wait until it trades; why not, if it cannot, or not in time."""
        settled = (ActualState.TRADING, ActualState.FAULTED, ActualState.QUARANTINED)

        def done() -> bool:
            state = actual_state(symbol)[0]
            stale = state is ActualState.QUARANTINED and not self._supervisor.measured(symbol)
            return (state in settled and not stale) or symbol.desired.status is not Status.ON

        await _until(symbol, done, deadline, caller)
        return started(symbol)

    async def stop(self, name: str, params: Params, caller: Caller) -> Outcome:
        symbol = await self.find(name, params)
        if symbol is None:
            return Outcome(False, "off")
        cancel = _CANCEL[params["cancel"]]
        changed = await self._wish(
            symbol, lambda wish: DesiredState(wish.settings, Status.OFF, keep_buys=False), params, cancel=cancel
        )
        failure = await self._stopped(symbol, _deadline(params), caller) if params["wait"] else None
        return Outcome(changed, stopped(symbol), failure)

    async def _stopped(self, symbol: Symbol, deadline: float, caller: Caller) -> ControlError | None:
        """Wait until its task has ended and every order's fate is known; why not, if not in time."""

        def done() -> bool:
            return symbol.desired.status is not Status.OFF or not (symbol.tended or symbol.engine.unsettled)

        if not await _until(symbol, done, deadline, caller):
            return still_stopping(symbol)
        if symbol.desired.status is not Status.OFF:
            return overruled(symbol, "started")
        return None if await self._look(symbol, deadline, caller) else unheard(symbol)

    async def _look(self, symbol: Symbol, deadline: float, caller: Caller) -> bool:
        """Ask for every order that rests, until the exchange answers; False if the deadline (trio time) came first.

        What was heard is durable afterwards, fills included: whoever reads the journal next finds what we answer.
        """
        heard = not symbol.engine.numbered
        with caller.waiting(deadline):
            while not heard:
                await self._session.usable()
                try:
                    await self._reconciler.look(symbol, symbol.engine.numbered)
                    heard = True
                except ExchangeError:
                    await trio.sleep(_GLANCE)
        await _until(symbol, lambda: not (symbol.behind or symbol.engine.unread), deadline, caller)
        return heard and not symbol.engine.unread

    async def shutdown(self, name: str, params: Params, caller: Caller) -> Outcome:
        symbol = await self.find(name, params)
        if symbol is None:
            return Outcome(False, "off")
        if symbol.desired.status is Status.OFF and not symbol.engine.leader.traders:
            # Perhaps this very request had it drained, and its answer was lost.
            with _answered(name, symbol, params):
                if symbol.failed is not None:  # the wish may be one that was not written
                    raise away(name, symbol.failed)
                return Outcome(bool(await self._stored(symbol, params)), "off")
        changed = await self._wish(
            symbol, lambda wish: DesiredState(wish.settings, Status.SHUTDOWN, params["keep_buys"]), params
        )
        self._supervisor.follow(symbol)
        ended = not params["wait"] or await _until(
            symbol, lambda: actual_state(symbol)[0] is ActualState.OFF, _deadline(params), caller
        )
        return Outcome(changed, draining(symbol), None if ended else timed_out(symbol, draining(symbol)))

    async def settings(self, name: str, params: Params, caller: Caller) -> Outcome:
        symbol = await self.find(name, params)
        if not any(key in params for key in SETTINGS):
            return Outcome(False, "off" if symbol is None else str(symbol.desired.status))
        change = proposed(name, params, self._budget)
        settings = change((symbol or blank(name)).desired.settings)
        await check_size(name, settings, self._listing, self._last(name))
        symbol = self._supervisor.configure(name)
        changed = await self._wish(symbol, lambda wish: replace(wish, settings=change(wish.settings)), params)
        return Outcome(changed, "changed; running traders keep theirs" if changed else "as it was")

    async def wait(self, name: str, params: Params, caller: Caller) -> Outcome:
        symbol = await self.find(name, params)
        goal, deadline = params["for"], _deadline(params)
        if symbol is None and goal != "trading":
            return Outcome(False, "off")
        if symbol is None:
            with caller.waiting(deadline):
                symbol = await self._supervisor.configured(name)
        if symbol is None:
            raise never_started(name)

        def reached() -> bool:
            state = actual_state(symbol)[0]
            if goal == "trading":
                return state is ActualState.TRADING
            return state is ActualState.OFF and (goal == "off" or not symbol.engine.resting)

        if not await _until(symbol, reached, deadline, caller):
            raise timed_out(symbol, f"not {goal} yet, still {actual_state(symbol)[0]}")
        return Outcome(False, goal)

    async def resolve(self, name: str, params: Params, caller: Caller) -> Outcome:
        symbol = await self.find(name, params)
        adopt = params["action"] == "adopt"
        wanted = params["client_order_id"]
        lost = Quantity(0)
        if symbol is not None and wanted is None and not adopt:
            lost = await self._missing(symbol, params)
        with _answered(name, symbol, params):
            if symbol is None:
                await self._check_known(name, wanted)
                return Outcome(False, "nothing to resolve")
            await self._supervisor.restored(symbol)
            if symbol.failed is not None:
                raise away(name, symbol.failed)
            async with self._turn(symbol, params):
                if (stored := await self._stored(symbol, params)) is not None:
                    return Outcome(stored, "resolved")
                ended = await self._resolved(symbol, params, adopt, wanted, lost)
        if adopt:
            await self._look(symbol, _deadline(params), caller)
        return Outcome(ended > 0, f"{ended} resolved" if ended else "nothing to resolve")

    async def _missing(self, symbol: Symbol, params: Params) -> Quantity:
        """Coins that are missing now of those that a symbol is quarantined for; raises ControlError."""
        if not is_blocked_by(symbol.engine, BlockedBy.COINS):
            return Quantity(0)
        try:
            with trio.fail_at(min(_deadline(params), trio.current_time() + _PATIENCE)):
                held, there = await self._reconciler.cover(symbol)
        except (ExchangeError, trio.TooSlowError) as error:
            why = "the exchange did not say in time which coins are missing; nothing was changed"
            raise unreached(symbol.name, why) from error
        return Quantity(max(0, held - there))

    async def _resolved(
        self, symbol: Symbol, params: Params, adopt: bool, wanted: str | None, lost: Quantity
    ) -> int:
        """End what waits for a person's word, or one order, where ``lost`` coins were missing; how much it was."""
        before = self._view.held(symbol)
        works = [
            symbol.offer(Resolved(order.client_order_id, adopt))
            for order in symbol.engine.quarantined
            if wanted in (None, order.client_order_id)
        ]
        for trader in symbol.engine.leader.traders:
            sell = symbol.engine.order(trader.number, Side.SELL, trader.sells)
            held = isinstance(trader.phase, Holding) and trader.phase.hold is Hold.BY_HAND
            if held and (wanted is None or (sell is not None and sell.client_order_id == wanted)):
                works.append(symbol.offer(Released(trader.number, adopt)))
        if not works:
            await self._check_known(symbol.name, wanted)
        lifted = wanted is None and is_blocked_by(symbol.engine, BlockedBy.COINS)
        if lifted:
            # What a hold gave up just now is not missed any more; what was adopted just now was not counted.
            rest = Quantity(min(lost, lost - before + self._view.held(symbol)))
            works.append(symbol.offer(CoinsWrittenOff(rest, "adopted" if adopt else "written off")))
        ended = len(works)
        request = _request(symbol, params, changed=ended > 0)
        if request is not None:
            works.append(symbol.direct(symbol.desired, request=request))
        if symbol.failed is not None:
            raise away(symbol.name, symbol.failed)
        for work in works:
            if work is not None:
                await work.durable()
        return ended

    async def _check_known(self, name: str, client_order_id: str | None) -> None:
        """What is resolved already is fine; raises ControlError for an order that never was, JournalError."""
        if client_order_id is not None and not await self._journal.knows(name, client_order_id):
            raise no_such_order(name, client_order_id)

    def _last(self, name: str) -> Price | None:
        known = self._supervisor.symbols.get(name)
        return None if known is None else known.gate.price

    async def _wish(
        self,
        symbol: Symbol,
        change: Callable[[DesiredState], DesiredState],
        params: Params,
        *,
        cancel: frozenset[Side] = frozenset(),
    ) -> bool:
        """Make a wish durable; says whether it changed anything, and says the same to a repeated request."""
        with _answered(symbol.name, symbol, params):
            await self._supervisor.restored(symbol)
            async with self._turn(symbol, params):
                stored = await self._stored(symbol, params)
                if stored is not None:
                    return stored
                return await self._wished(symbol, change, params, cancel)

    async def _wished(
        self,
        symbol: Symbol,
        change: Callable[[DesiredState], DesiredState],
        params: Params,
        cancel: frozenset[Side],
    ) -> bool:
        # No wait between looking at the last wish and making the next: two requests at once both count.
        known = symbol.desired
        wish = change(known)
        resting = any(order.intent.side in cancel and not order.cancelling for order in symbol.engine.resting)
        changed = wish != known or resting
        request = _request(symbol, params, changed=changed)
        # What is so may not be durable yet, or never become so; a fault is tried again.
        if not (changed or request or symbol.behind or symbol.failed or symbol.fault):
            return False
        note = "settings changed" if wish == replace(known, settings=wish.settings) != known else str(wish.status)
        work = symbol.direct(wish, cancel=cancel, request=request, note=note if changed else None)
        # Before the wait: whoever asked may be gone by then, and the wish stands all the same.
        self._supervisor.follow(symbol)
        if work is None:
            raise away(symbol.name, symbol.failed)
        await work.durable()
        return changed

    def _turn(self, symbol: Symbol, params: Params) -> AbstractAsyncContextManager[object]:
        """Whoever repeats a request while it is under way waits for its answer: it is stored once."""
        request = _request(symbol, params, changed=False)
        return nullcontext() if request is None else self._turns.setdefault(request[0], trio.Lock())

    async def _stored(self, symbol: Symbol, params: Params) -> bool | None:
        """What a request with this id was answered for this symbol: did it change anything? Raises JournalError."""
        request = _request(symbol, params, changed=False)
        if request is None:
            return None
        stored = await self._journal.answered(request[0])
        return None if stored is None else stored == _TRUE


def _request(symbol: Symbol, params: Params, *, changed: bool) -> tuple[str, str] | None:
    """Under which key an answer is stored with its change, and the answer; None for a request without an id."""
    request_id = params.get("request_id")
    return None if request_id is None else (f"{request_id}/{symbol.name}", _TRUE if changed else _FALSE)


@contextmanager
def _answered(name: str, symbol: Symbol | None, params: Params) -> Iterator[None]:
    """What the database does not answer in time in here stands, and it is away: raises ControlError."""
    now = trio.current_time()
    try:
        with trio.fail_at(min(max(_deadline(params), now + _MOMENT), now + _PATIENCE)):
            yield
    except JournalError as error:
        failed = None if symbol is None else symbol.failed  # it knows more than whoever waited for it
        raise away(name, failed or error) from error
    except trio.TooSlowError as error:
        raise away(name) from error


def _deadline(params: Params) -> float:
    """When (trio time) whoever asked stops waiting."""
    timeout = params.get("timeout", _PATIENCE)
    return math.inf if timeout is None else trio.current_time() + float(timeout)


async def _until(symbol: Symbol, done: Callable[[], bool], deadline: float, caller: Caller) -> bool:
    """Wait until ``done``; False if the deadline (trio time) came first, or nobody waits any more."""
    with caller.waiting(deadline):
        while not done():
            with trio.move_on_after(_GLANCE):
                await symbol.news.wait()
    return done()
