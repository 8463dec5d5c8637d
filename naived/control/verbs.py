"""What each verb does for one symbol: make a desired state durable, then wait for the actual state.

A wait that ends early undoes nothing. If the state is already as wanted, that is a success without a change. All
verbs raise ControlError if nothing was done. ``methods.py`` calls them.
"""

from contextlib import suppress
from typing import Any

import trio
from msgspec.structs import replace

from naived.control import answers, holdings, listing_messages, messages, node_messages
from naived.control.call import Call, Outcome, Patience
from naived.control.desired import desire
from naived.control.held_up import held_up
from naived.control.lookup import find
from naived.control.node_messages import ElsewhereError
from naived.control.plan import begin, plan, warnings
from naived.control.proposal import Rules, check_size, given_settings, proposed
from naived.control.protocol import ControlError
from naived.control.service import Service
from naived.control.worst import worst
from naived.core.orders.intent import Side
from naived.core.strategy.formulas import NO_COINS, Coins
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.view import Funds
from naived.ports import ExchangeError, RefusedError
from naived.runtime.actual_state import ActualState, state_of
from naived.runtime.symbol_task import Symbol, UnlistedError, blank

_RULES_PATIENCE = 3.0  # seconds that an answer waits for the rules of a symbol, which it only needs for its words
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
    dry_run, rules = call.params["dry_run"], None
    if settings != before.settings or before.status is Status.OFF or dry_run:
        rules = await _check_size(service, call.name, settings)
    more: dict[str, Any] = {"warnings": [] if rules is None else warnings(settings, *rules)}
    sells = NO_COINS if symbol is None else await _would_sell(service, symbol, settings)
    more["sells"] = None if symbol is None else holdings.document(symbol, sells)
    if dry_run:
        message = messages.PLANNED
        if symbol is not None and more["sells"] is not None:
            message = messages.would_sell(symbol, sells)
        elif rules is None:
            raise listing_messages.not_planned(call.name)
        if rules is not None:
            together = {**await _proposals(service, call), call.name: (settings, rules)}
            leader = None if symbol is None else symbol.engine.leader
            begun = begin(leader, settings, rules, service.exchange.now())
            funds = await _funds(service, symbol, rules)
            planned = plan(begun, rules.price, funds, held_up(service, symbol, begun.leader, rules.price))
            more["plan"] = {**planned, "worst": await worst(service, together)}
        return Outcome(False, message, more=more)
    symbol = await service.configure(call)
    changed = await desire(
        service, call, symbol, lambda before: DesiredState(change(before.settings), Status.ON, keep_buys=False)
    )
    service.supervisor.follow(symbol)
    if symbol.leaving and service.drained is not None:
        more["warnings"].append(node_messages.nobody(service.drained))
    failure = await _trading(service, symbol, call.patience) if call.params["wait"] else None
    return Outcome(changed, messages.state(symbol), failure, more)


async def _funds(service: Service, symbol: Symbol | None, rules: Rules) -> Funds:
    """What the account allows a buy, of a symbol that may not be known or read yet."""
    if service.funds.account.limits.reserve and service.session.away is None:
        with trio.move_on_after(_RULES_PATIENCE), suppress(ExchangeError):
            await service.view.account()
    return service.funds.with_quote(rules.info.quote, symbol)


async def _proposals(service: Service, call: Call) -> dict[str, tuple[Settings, Rules]]:
    """What the other symbols of the request would be set to, but those that it would be refused for."""
    found = {}
    for name in call.params["symbols"]:
        with suppress(ControlError):
            settings = proposed(name, call.params, service.default_budget)(service.settings(name))
            if name != call.name and (rules := await _check_size(service, name, settings)) is not None:
                found[name] = settings, rules
    return found


async def _trading(service: Service, symbol: Symbol, patience: Patience) -> ControlError | None:
    """Wait until it trades; returns why it does not, or not in time."""
    settled = (ActualState.TRADING, ActualState.FAULTED, ActualState.QUARANTINED)

    def done() -> bool:
        is_settled = state_of(symbol) in settled and service.supervisor.measured(symbol)
        return is_settled or symbol.desired.status is not Status.ON

    await patience.until(symbol, done)
    return messages.not_started(symbol)


async def stop(service: Service, call: Call) -> Outcome:
    symbol = await find(service, call)
    if symbol is None:
        return Outcome(False, messages.OFF)
    cancel = CANCEL[call.params["cancel"]]
    if call.params["dry_run"]:
        return await _would_stop(service, symbol, cancel)
    changed = await desire(
        service,
        call,
        symbol,
        lambda before: DesiredState(before.settings, Status.OFF, keep_buys=False),
        cancel=cancel,
    )
    failure = await _stopped(service, symbol, call.patience) if call.params["wait"] else None
    await try_to_learn_rules(service, symbol)
    unsold = holdings.document(symbol, holdings.unsold(symbol.engine))
    return Outcome(changed, messages.stopped(symbol), failure, {"unsold": unsold})


async def _would_stop(service: Service, symbol: Symbol, cancel: frozenset[Side]) -> Outcome:
    """Which coins of traders would stay unsold, if a stop that cancels these sides changed anything."""
    engine = symbol.engine
    changes = symbol.desired.status is not Status.OFF or any(each.intent.side in cancel for each in engine.resting)
    await try_to_learn_rules(service, symbol)
    staying = holdings.everything(engine) if Side.SELL in cancel else holdings.unsold(engine)
    unsold = holdings.document(symbol, staying) if changes else None
    message = messages.would_stop(symbol, staying if changes else NO_COINS)
    return Outcome(False, message, more={"unsold": unsold})


async def _stopped(service: Service, symbol: Symbol, patience: Patience) -> ControlError | None:
    """Wait until its task has ended and every order's state is known; returns why not, or not in time."""

    def done() -> bool:
        return symbol.desired.status is not Status.OFF or not (symbol.tended or symbol.engine.unsettled)

    if not await patience.until(symbol, done):
        return messages.still_stopping(symbol)
    if symbol.desired.status is not Status.OFF:
        return messages.overruled(symbol, "started")
    return await ask_for_orders(service, symbol, patience)


async def ask_for_orders(service: Service, symbol: Symbol, patience: Patience) -> ControlError | None:
    """Query every live order, until the exchange answers and the result is durable, fills included.

    So the journal agrees with our answer. Returns what was not reached, if the caller does not wait so long.
    """
    told = not symbol.engine.numbered
    with patience.waiting():
        while not (told or symbol.gone):
            with trio.move_on_after(_RETRY) as scope:
                await service.session.usable()
            if scope.cancelled_caught:
                continue
            try:
                await service.reconciler.look(symbol, symbol.engine.numbered)
                told = True
            except ExchangeError:
                await trio.sleep(_RETRY)
    stored = await patience.until(symbol, lambda: not (symbol.behind or symbol.engine.unread))
    if not told or symbol.engine.unread:
        return messages.orders_not_told(symbol)
    return None if stored and symbol.failed is None else messages.orders_not_stored(symbol)


async def learn_rules(service: Service, symbol: Symbol) -> None:
    """Read the symbol's rules if they are not known, or it was not listed when they were last asked for.

    They are not known of one that is off since naived started. Without them the names of its
    assets and what can be sold are not known. Raises ExchangeError.
    """
    if not (symbol.engine.informed and symbol.listed):
        try:
            await service.view.inform(symbol)
        except UnlistedError as error:
            raise RefusedError(str(error)) from error


async def try_to_learn_rules(service: Service, symbol: Symbol) -> None:
    """The same for an answer that names coins; without an answer of the exchange the symbol stays as it is."""
    leader = symbol.engine.leader
    if leader.traders or leader.lots:
        with trio.move_on_after(_RULES_PATIENCE), suppress(ExchangeError):
            await learn_rules(service, symbol)


async def shutdown(service: Service, call: Call) -> Outcome:
    symbol = await find(service, call)
    if symbol is None:
        return Outcome(False, messages.OFF)
    await try_to_learn_rules(service, symbol)
    sells, stands = NO_COINS, not symbol.engine.may_place or symbol.fault is not None
    if _to_drain(symbol) if symbol.desired.status is Status.OFF else stands:
        sells = await _would_sell(service, symbol, symbol.desired.settings)
    more = {"sells": holdings.document(symbol, sells)}
    if call.params["dry_run"]:
        text = messages.PLANNED if more["sells"] is None else messages.would_sell(symbol, sells)
        return Outcome(False, text, more=more)

    def change(before: DesiredState) -> DesiredState:
        if before.status is Status.OFF and not _to_drain(symbol):
            return before
        return DesiredState(before.settings, Status.SHUTDOWN, call.params["keep_buys"])

    changed = await desire(service, call, symbol, change)
    service.supervisor.follow(symbol)
    drained = not call.params["wait"] or await call.patience.until(
        symbol, lambda: state_of(symbol) is ActualState.OFF
    )
    # The same request may have been carried out before somebody started the symbol again.
    started = symbol.desired.status is Status.ON
    message = messages.state(symbol) if started else messages.draining(symbol)
    return Outcome(changed, message, None if drained else messages.timed_out(symbol, message), more)


def _to_drain(symbol: Symbol) -> bool:
    """Has an ``off`` symbol anything that a drain would sell or end?"""
    leader = symbol.engine.leader
    return bool(leader.traders or holdings.kept(leader, sellable=True, listed=symbol.listed))


async def settings(service: Service, call: Call) -> Outcome:
    symbol = await find(service, call)
    if not given_settings(call.params):
        message = messages.OFF if symbol is None else str(symbol.desired.status)
        return Outcome(False, message, more={"settings": answers.settings(service.settings(call.name))})
    change = proposed(call.name, call.params, service.default_budget)
    known = service.settings(call.name)
    wanted = change(known)
    coins = NO_COINS if symbol is None else _stopped_by(symbol, wanted)
    sells = None if symbol is None else holdings.document(symbol, coins)
    if call.params["dry_run"]:
        text = messages.PLANNED if symbol is None or sells is None else messages.would_sell(symbol, coins)
        return Outcome(False, text, more={"settings": answers.settings(wanted), "warnings": [], "sells": sells})
    rules = await _check_size(service, call.name, wanted)
    symbol = await service.configure(call)
    changed = await desire(
        service, call, symbol, lambda before: replace(before, settings=change(before.settings), forgotten=False)
    )
    found = [] if rules is None else warnings(wanted, *rules)
    more = {"settings": answers.settings(symbol.desired.settings), "warnings": found, "sells": sells}
    return Outcome(changed, messages.settings_changed(known, wanted, changed=changed), more=more)


def _stopped_by(symbol: Symbol, wanted: Settings) -> Coins:
    """The coins that another stop-loss would sell at the last price."""
    if symbol.desired.status is Status.OFF or wanted.stop_loss == symbol.desired.settings.stop_loss:
        return NO_COINS
    return holdings.stopped(symbol.engine, wanted, symbol.gate.price)


async def _would_sell(service: Service, symbol: Symbol, wanted: Settings) -> Coins:
    """The same where sells go on: by any stop-loss, as it does not act while a symbol is off or in quarantine.

    Where it acts, what it sells is no news. Of a symbol that is off the price is asked for.
    """
    if not (wanted.stop_loss and symbol.engine.leader.traders):
        return NO_COINS
    if symbol.desired.status is Status.OFF:
        await try_to_learn_rules(service, symbol)
        with trio.move_on_after(_RULES_PATIENCE), suppress(ExchangeError):
            last = await service.view.last_price(symbol)
            if last is not None and not symbol.tended:
                symbol.gate.check.told(last)
    return holdings.stopped(symbol.engine, wanted, symbol.gate.price)


async def wait(service: Service, call: Call) -> Outcome:
    symbol = await find(service, call)
    goal, patience = call.params["for"], call.patience
    if symbol is None and goal != "trading":
        return Outcome(False, messages.OFF)
    if symbol is None:
        symbol = await _configured(service, call)
    if symbol is None:
        raise messages.never_started(call.name)
    await try_to_learn_rules(service, symbol)
    await patience.until(symbol, lambda: _reached(symbol, goal) or _hopeless(service, symbol, goal) is not None)
    if _reached(symbol, goal):
        return Outcome(False, messages.reached(symbol, goal))
    raise _hopeless(service, symbol, goal) or messages.not_reached(symbol, goal)


async def _configured(service: Service, call: Call) -> Symbol | None:
    """Wait until it is; None if its caller does not wait so long. Raises ElsewhereError if another node has it."""
    bulletin = service.bulletin
    with call.patience.waiting():
        while bulletin is None or not bulletin.knows(call.name):
            with trio.move_on_after(_RETRY):
                return await service.supervisor.configured(call.name)
        raise ElsewhereError(call.name)
    return None


def _reached(symbol: Symbol, goal: str) -> bool:
    if goal == "trading":
        return state_of(symbol) is ActualState.TRADING
    if not _is_off(symbol):
        return False
    engine = symbol.engine
    return goal == "off" or not (engine.resting or engine.quarantined or _to_drain(symbol))


def _is_off(symbol: Symbol) -> bool:
    """Is a stop or a drain complete? A fault or a quarantine changes nothing of that."""
    return symbol.desired.status is Status.OFF and not (symbol.tended or symbol.engine.unsettled)


def _hopeless(service: Service, symbol: Symbol, goal: str) -> ControlError | None:
    """Why the goal is not reached before a person acts; None if it may be."""
    state, status = state_of(symbol), symbol.desired.status
    if goal == "trading":
        measured = status is Status.OFF or service.supervisor.measured(symbol)
        if state is ActualState.QUARANTINED and measured:
            return messages.not_started(symbol)
        return messages.not_started(symbol) if state is ActualState.FAULTED and status is not Status.OFF else None
    if status is not Status.OFF or symbol.tended:
        return None
    if symbol.fault is not None and symbol.engine.resting:
        return messages.faulted(symbol)  # it failed again and again, and may not learn what becomes of its orders
    if goal == "drained" and symbol.engine.quarantined:
        return messages.not_started(symbol)
    if goal == "drained" and not symbol.engine.unsettled and _sellable(symbol):
        return messages.not_drained(symbol)
    return None


def _sellable(symbol: Symbol) -> bool:
    """Has an ``off`` symbol coins that only a start or a shutdown sells?"""
    engine = symbol.engine
    return bool(
        holdings.unsold(engine).quantity > 0 or holdings.kept(engine.leader, sellable=True, listed=symbol.listed)
    )


async def _check_size(service: Service, name: str, wanted: Settings) -> Rules | None:
    """Raises ControlError if a chunk is too small to trade at the last price; that of an old stop is asked for."""
    symbol = service.supervisor.symbols.get(name)
    last = symbol.gate.price if symbol is not None and symbol.tended else None
    known = symbol.engine.leader.fees if symbol is not None and symbol.engine.informed else None
    return await check_size(name, wanted, service.listing, last, known)
