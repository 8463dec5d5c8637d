"""What each verb does for one symbol: make a desired state durable, then wait for the actual state.

A wait that ends early undoes nothing. If the state is already as wanted, that is a success without a change. All
verbs raise ControlError if nothing was done. ``methods.py`` calls them.
"""

import trio
from msgspec.structs import replace

from naived.control import answers, messages
from naived.control.call import Call, Outcome, Patience
from naived.control.desired import answered_in_time, desire, stored_answer
from naived.control.lookup import find
from naived.control.proposal import check_size, given_settings, proposed
from naived.control.protocol import ControlError
from naived.control.service import Service
from naived.core.orders.intent import Side
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.ports import ExchangeError
from naived.runtime.actual_state import ActualState, actual_state
from naived.runtime.symbol_task import Symbol, blank

_RETRY = 1.0  # seconds before a request that the exchange did not answer is repeated

CANCEL = {"none": frozenset[Side](), "buys": frozenset({Side.BUY}), "all": frozenset(Side)}
GOALS = ("off", "trading", "drained")


async def start(service: Service, call: Call) -> Outcome:
    symbol = await find(service, call)
    change = proposed(call.name, call.params, service.default_budget)
    before = (symbol or blank(call.name)).desired
    settings = change(before.settings)
    if settings.budget is None:
        raise messages.no_budget(call.name)
    if settings != before.settings or before.status is Status.OFF:
        await _check_size(service, call.name, settings)
    symbol = service.supervisor.configure(call.name)
    changed = await desire(
        service, call, symbol, lambda before: DesiredState(change(before.settings), Status.ON, keep_buys=False)
    )
    service.supervisor.follow(symbol)
    failure = await _trading(service, symbol, call.patience) if call.params["wait"] else None
    return Outcome(changed, messages.state(symbol), failure)


async def _trading(service: Service, symbol: Symbol, patience: Patience) -> ControlError | None:
    """Wait until it trades; returns why it does not, or not in time."""
    settled = (ActualState.TRADING, ActualState.FAULTED, ActualState.QUARANTINED)

    def done() -> bool:
        is_settled = actual_state(symbol)[0] in settled and service.supervisor.measured(symbol)
        return is_settled or symbol.desired.status is not Status.ON

    await patience.until(symbol, done)
    return messages.not_started(symbol)


async def stop(service: Service, call: Call) -> Outcome:
    symbol = await find(service, call)
    if symbol is None:
        return Outcome(False, messages.OFF)
    changed = await desire(
        service,
        call,
        symbol,
        lambda before: DesiredState(before.settings, Status.OFF, keep_buys=False),
        cancel=CANCEL[call.params["cancel"]],
    )
    failure = await _stopped(service, symbol, call.patience) if call.params["wait"] else None
    return Outcome(changed, messages.stopped(symbol), failure)


async def _stopped(service: Service, symbol: Symbol, patience: Patience) -> ControlError | None:
    """Wait until its task has ended and every order's state is known; returns why not, or not in time."""

    def done() -> bool:
        return symbol.desired.status is not Status.OFF or not (symbol.tended or symbol.engine.unsettled)

    if not await patience.until(symbol, done):
        return messages.still_stopping(symbol)
    if symbol.desired.status is not Status.OFF:
        return messages.overruled(symbol, "started")
    return None if await ask_for_orders(service, symbol, patience) else messages.orders_not_told(symbol)


async def ask_for_orders(service: Service, symbol: Symbol, patience: Patience) -> bool:
    """Query every live order, until the exchange answers; False if the caller does not wait so long.

    The result is durable afterwards, fills included, so that the journal agrees with our answer.
    """
    told = not symbol.engine.numbered
    with patience.waiting():
        while not told:
            await service.session.usable()
            try:
                await service.reconciler.look(symbol, symbol.engine.numbered)
                told = True
            except ExchangeError:
                await trio.sleep(_RETRY)
    await patience.until(symbol, lambda: not (symbol.behind or symbol.engine.unread))
    return told and not symbol.engine.unread


async def shutdown(service: Service, call: Call) -> Outcome:
    symbol = await find(service, call)
    if symbol is None:
        return Outcome(False, messages.OFF)
    if symbol.desired.status is Status.OFF and not symbol.engine.leader.traders:
        # The same request may have drained it before, and its answer was lost.
        with answered_in_time(call, symbol):
            if symbol.failed is not None:  # the desired state may not have been written
                raise messages.away(call.name, symbol.failed)
            return Outcome(bool(await stored_answer(service, call)), messages.OFF)
    changed = await desire(
        service,
        call,
        symbol,
        lambda before: DesiredState(before.settings, Status.SHUTDOWN, call.params["keep_buys"]),
    )
    service.supervisor.follow(symbol)
    drained = not call.params["wait"] or await call.patience.until(
        symbol, lambda: actual_state(symbol)[0] is ActualState.OFF
    )
    message = messages.draining(symbol)
    return Outcome(changed, message, None if drained else messages.timed_out(symbol, message))


async def settings(service: Service, call: Call) -> Outcome:
    symbol = await find(service, call)
    if not given_settings(call.params):
        message = messages.OFF if symbol is None else str(symbol.desired.status)
        return Outcome(False, message, more={"settings": answers.settings(service.settings(call.name))})
    change = proposed(call.name, call.params, service.default_budget)
    await _check_size(service, call.name, change(service.settings(call.name)))
    symbol = service.supervisor.configure(call.name)
    changed = await desire(service, call, symbol, lambda before: replace(before, settings=change(before.settings)))
    more = {"settings": answers.settings(symbol.desired.settings)}
    return Outcome(changed, messages.settings_changed(changed), more=more)


async def wait(service: Service, call: Call) -> Outcome:
    symbol = await find(service, call)
    goal, patience = call.params["for"], call.patience
    if symbol is None and goal != "trading":
        return Outcome(False, messages.OFF)
    if symbol is None:
        with patience.waiting():
            symbol = await service.supervisor.configured(call.name)
    if symbol is None:
        raise messages.never_started(call.name)
    if not await patience.until(symbol, lambda: _reached(symbol, goal)):
        raise messages.not_reached(symbol, goal)
    return Outcome(False, goal)


def _reached(symbol: Symbol, goal: str) -> bool:
    state = actual_state(symbol)[0]
    if goal == "trading":
        return state is ActualState.TRADING
    return state is ActualState.OFF and (goal == "off" or not symbol.engine.resting)


async def _check_size(service: Service, name: str, wanted: Settings) -> None:
    """Raises ControlError if a chunk is too small to trade at the last known price."""
    symbol = service.supervisor.symbols.get(name)
    await check_size(name, wanted, service.listing, None if symbol is None else symbol.gate.price)
