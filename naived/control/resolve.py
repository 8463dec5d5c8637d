"""The verb ``resolve``: a person ends a quarantine or a hold, of one order or of all of a symbol.

What is to be done is planned on the symbol's engine as a value. So a dry run takes the same steps, and an answer
names exactly what is written off.
"""

from collections.abc import Iterator
from typing import NamedTuple

import trio
from msgspec.structs import replace

from naived.control import holdings, listing_messages, messages
from naived.control.call import PATIENCE, Call, Outcome
from naived.control.desired import answer_to_store, answered_in_time, stored_answer, turn
from naived.control.holdings import Loss
from naived.control.lookup import find
from naived.control.service import Service
from naived.control.verbs import ask_for_orders, learn_rules, try_to_learn_rules
from naived.core import engine as core
from naived.core.amount import Money, Quantity, value_up
from naived.core.engine import Blocked, BlockedBy, CoinsWrittenOff, Engine, Event, is_blocked_by, unoffered
from naived.core.orders.intent import Side
from naived.core.orders.state import OrderState, Resolved
from naived.core.strategy.formulas import NO_COINS, Coins, offered
from naived.core.strategy.leader_events import Lost
from naived.core.strategy.settings import Status
from naived.core.strategy.summary import owned
from naived.core.strategy.trader_state import Hold, Holding, Released, Selling, Trader, position
from naived.ports import ExchangeError
from naived.runtime.actual_state import TROUBLED
from naived.runtime.fee_losses import owned as owned_of_all
from naived.runtime.symbol_task import Symbol, UnlistedError

ACTIONS = ("adopt", "ignore")

_ENDED = (Hold.BY_HAND, *TROUBLED)  # the others end by themselves, or by a start


class _Asked(NamedTuple):
    """``client_order_id``: the one order that is meant, None for all."""

    adopt: bool
    client_order_id: str | None

    def means(self, order: OrderState | None) -> bool:
        return self.client_order_id is None or (order is not None and order.client_order_id == self.client_order_id)

    def adopts_market(self, symbol: Symbol) -> bool:
        """Says the person that its market, which is open again, trades the same coin?"""
        engine = symbol.engine
        is_open = engine.leader.info.trading and is_blocked_by(engine, BlockedBy.MARKET)
        return is_open and self.adopt and self.client_order_id is None

    def exchanged(self, symbol: Symbol) -> bool:
        """Says the person that its coin was exchanged? It is off, so no sell is decided, and that is its reason."""
        shown = symbol.engine.blocks[:1]
        off = symbol.desired.status is Status.OFF and any(block.by is BlockedBy.MARKET for block in shown)
        return off and not self.adopt and self.client_order_id is None


class _Coins(NamedTuple):
    """Base coins that are not on the account, and those that are not there to be offered.

    ``owned`` is what the traders of all symbols with this base asset had when they were counted.
    """

    missing: Quantity = Quantity(0)
    lacking: Quantity = Quantity(0)
    owned: Quantity = Quantity(0)

    def since(self, owned: Quantity) -> "_Coins":
        """The same now that the traders have these: what was written off meanwhile is not missing any more."""
        gone = max(0, self.owned - owned)
        return _Coins(Quantity(max(0, self.missing - gone)), Quantity(max(0, self.lacking - gone)), owned)


async def resolve(service: Service, call: Call) -> Outcome:
    symbol = await find(service, call)
    client_order_id = call.params["client_order_id"]
    if symbol is not None and client_order_id is not None:
        client_order_id = _whole_id(symbol, call)
    asked = _Asked(call.params["action"] == "adopt", client_order_id)
    coins = _Coins() if symbol is None else await _count(service, call, symbol, asked)
    if symbol is not None and asked.adopts_market(symbol):
        await _count_again(service, call, symbol)
    with answered_in_time(call, symbol):
        if symbol is None:
            await _check_known(service, call)
            return Outcome(False, messages.NOTHING_TO_RESOLVE)
        await service.supervisor.restored(symbol)
        if symbol.failed is not None:
            raise messages.away(call.name, symbol.failed)
        if call.params["dry_run"]:
            plan = _Plan(symbol, asked, coins)
            if not plan.events:
                await _check_known(service, call)
            text = messages.would_resolve(symbol, plan.losses)
            if (sells := plan.sells).quantity:
                text = f"{text}; {messages.would_sell(symbol, sells)}"
            return Outcome(False, text, more=_more(symbol, plan))
        async with turn(service, call):
            if (stored := await stored_answer(service, call)) is not None:
                return Outcome(stored, messages.resolved_before(symbol))
            beside = not asked.adopt and client_order_id is None
            ignored = beside and await service.reconciler.foreign_orders.ignore(symbol.name)
            plan = _Plan(symbol, asked, coins.since(owned_of_all(service.supervisor.symbols, symbol)))
            await _perform(service, call, symbol, plan, ignored=ignored)
    unread = await ask_for_orders(service, symbol, call.patience) if asked.adopt and plan.ended else None
    failure = messages.still_quarantined(symbol, asked.client_order_id, plan.ended)
    message = messages.resolved(symbol, plan.ended, plan.losses)
    return Outcome(plan.ended > 0, message, failure or unread, _more(symbol, plan))


def _whole_id(symbol: Symbol, call: Call) -> str:
    """The id that is this, or the only one that begins so behind its tag; raises ControlError if several do."""
    beginning: str = call.params["client_order_id"]
    ids = symbol.engine.orders.keys()
    if beginning in ids:
        return beginning
    found = [each for each in ids if f"-{beginning}" in each]
    if len(found) > 1:
        raise messages.several_orders(symbol.name, beginning, found)
    return found[0] if found else beginning


def _more(symbol: Symbol, plan: "_Plan") -> dict[str, object]:
    return {"lost": holdings.losses(symbol, plan.losses), "sells": holdings.document(symbol, plan.sells)}


async def _count(service: Service, call: Call, symbol: Symbol, asked: _Asked) -> _Coins:
    """Count the coins that a person would write off, if this depends on the account; raises ControlError."""
    if not asked.adopt:
        await _learn_whether_listed(service, call, symbol)
    blocked = asked.client_order_id is None and is_blocked_by(symbol.engine, BlockedBy.COINS)
    short = any(True for _ in _short(symbol.engine, asked))
    if asked.adopt or not (symbol.listed and (blocked or short)):
        return _Coins()
    try:
        with trio.fail_at(min(call.patience.deadline, trio.current_time() + PATIENCE)):
            await learn_rules(service, symbol)
            missing = _less(*await service.reconciler.cover(symbol)) if blocked else Quantity(0)
            lacking = _less(*await service.reconciler.cover(symbol, to_sell=True)) if short else Quantity(0)
    except (ExchangeError, trio.TooSlowError) as error:
        raise listing_messages.coins_not_told(call.name) from error
    return _Coins(missing, lacking, owned_of_all(service.supervisor.symbols, symbol))


async def _count_again(service: Service, call: Call, symbol: Symbol) -> None:
    """Count coins before anything is placed again; raises ControlError if some are missing, or it is not known."""
    known = is_blocked_by(symbol.engine, BlockedBy.COINS)
    try:
        with trio.fail_at(min(call.patience.deadline, trio.current_time() + PATIENCE)):
            await service.reconciler.measure(symbol)
    except (ExchangeError, trio.TooSlowError) as error:
        raise listing_messages.coins_not_told(call.name) from error
    failure = messages.still_quarantined(symbol, None, 0)
    if failure is not None and not known and is_blocked_by(symbol.engine, BlockedBy.COINS):
        raise failure


async def _learn_whether_listed(service: Service, call: Call, symbol: Symbol) -> None:
    """Ask again about a symbol that was not listed: all that it holds would be written off. Raises ControlError."""
    if symbol.listed:
        await try_to_learn_rules(service, symbol)
        return
    try:
        with trio.fail_at(min(call.patience.deadline, trio.current_time() + PATIENCE)):
            await service.view.inform(symbol)
    except UnlistedError:
        return
    except (ExchangeError, trio.TooSlowError) as error:
        raise listing_messages.listing_not_told(call.name) from error


def _less(held: Quantity, there: Quantity) -> Quantity:
    return Quantity(max(0, held - there))


def _short(engine: Engine, asked: _Asked) -> Iterator[tuple[Trader, OrderState | None]]:
    """Traders that have more coins than they could offer, because the account lacks them, and their sells."""
    filters = engine.leader.info.filters
    for trader in engine.leader.traders:
        sell = engine.order(trader.number, Side.SELL, trader.sells)
        if not asked.means(sell):
            continue
        match trader.phase:
            case Holding(hold=Hold.BALANCE):
                yield trader, sell
            case Selling(intent=intent) if sell is not None:
                most = offered(position(trader).quantity, intent.price, filters)
                if most > intent.quantity - sell.executed:
                    yield trader, sell
            case _:
                pass


class _Plan:
    """The ``events`` that end what was asked, how many things they end, and what they write off.

    ``sells`` are the coins that they let the stop-loss sell, if it is reached at the last price.
    """

    def __init__(self, symbol: Symbol, asked: _Asked, coins: _Coins) -> None:
        self.events: list[Event] = []
        self.losses: list[Loss] = []
        self.sells = NO_COINS
        self.ended = 0
        self._counted = 0  # coins of ``losses`` that are among those that are counted as missing
        self._engine = symbol.engine
        self._now = symbol.context.exchange.now()
        self._asked = asked
        all_of_them = asked.client_order_id is None
        exchanged = asked.exchanged(symbol)
        # Nothing of a coin that is not listed, or was exchanged, is sold any more, whatever it is held for.
        self._gone = exchanged or not symbol.listed
        self._holds = tuple(Hold) if self._gone and not asked.adopt else _ENDED
        if all_of_them and is_blocked_by(symbol.engine, BlockedBy.LINEAGE):
            return  # not ended by this verb; whoever wants to end that must not lose held coins by it
        for order in symbol.engine.quarantined:
            if asked.means(order):
                self._end_quarantine(order)
        for trader in self._engine.leader.traders:
            self._end_hold(trader)
        if not asked.adopt:
            self._write_off_lacking(coins.lacking)
        if all_of_them and is_blocked_by(self._engine, BlockedBy.COINS):
            self._end_block(coins.missing)
        if exchanged or asked.adopts_market(symbol):
            self.ended += 1
            self._step(Blocked(BlockedBy.MARKET, None))
        if self._engine.may_place:
            self.sells = holdings.stopped(self._engine, symbol.desired.settings, symbol.gate.price)

    def _step(self, event: Event) -> Coins:
        """Add an event; returns the coins that it writes off."""
        before = owned(self._engine.leader)
        ids = tuple(f"planned-{len(self.events)}-{number}" for number in range(self._engine.ids_needed))
        self._engine, _ = core.step(replace(self._engine, ids=ids), event, self._now)
        self.events.append(event)
        after = owned(self._engine.leader)
        return Coins(Quantity(before.quantity - after.quantity), Money(before.cost - after.cost))

    def _lose(self, trader: Trader | None, order: OrderState | None, coins: Coins) -> None:
        if coins.quantity > 0:
            client_order_id = None if order is None else order.client_order_id
            self.losses.append(Loss(None if trader is None else trader.id, client_order_id, coins))

    def _end_quarantine(self, order: OrderState) -> None:
        """An ignored sell is written off with the coins that it was to sell."""
        self.ended += 1
        intent, adopt = order.intent, self._asked.adopt
        self._step(Resolved(order.client_order_id, adopt))
        if adopt:
            return
        if intent.side is Side.BUY:
            rest = value_up(intent.price, Quantity(intent.quantity - order.executed))
            if rest:
                self.losses.append(Loss(f"{intent.symbol}-{intent.trader}", order.client_order_id, spent=rest))
            return
        if order.has_ended:  # what it did is its trader's
            return
        for trader in self._engine.leader.traders:
            newest = (trader.number, trader.sells) == (intent.trader, intent.seq)
            if newest and isinstance(trader.phase, Holding):
                lost = self._step(Released(trader.number, adopt=False))
                self._lose(trader, order, lost)
                # What a sell in quarantine was to sell is not counted as held, and so not as missing.
                self._counted += max(0, lost.quantity - (order.quantity - order.executed))

    def _end_hold(self, trader: Trader) -> None:
        sell = self._engine.order(trader.number, Side.SELL, trader.sells)
        match trader.phase:
            case Holding(hold=hold) if hold in self._holds and self._asked.means(sell):
                if self._asked.adopt or hold is not Hold.BALANCE or self._gone:
                    self.ended += 1
                    lost = self._step(Released(trader.number, self._asked.adopt))
                    self._lose(trader, sell, lost)
                    self._counted += lost.quantity
            case _:
                pass

    def _write_off_lacking(self, lacking: Quantity) -> None:
        """Of traders that were refused for want of coins: what is lacking is written off, the rest is sold."""
        for trader, sell in list(_short(self._engine, self._asked)):
            held = isinstance(trader.phase, Holding)
            part = min(lacking, unoffered(trader, sell))
            if part > 0:
                self._lose(trader, sell, self._step(Lost(trader.number, part)))
                self._counted += part
                lacking = Quantity(lacking - part)
            if held and part < position(trader).quantity:
                self._step(Released(trader.number, adopt=True))
            self.ended += held or part > 0

    def _end_block(self, missing: Quantity) -> None:
        """Lift the block for missing coins; those that are written off already are not missing any more."""
        self.ended += 1
        rest = Quantity(max(0, missing - self._counted))
        how = "adopted" if self._asked.adopt else "written off"
        self._lose(None, None, self._step(CoinsWrittenOff(rest, how)))


async def _perform(service: Service, call: Call, symbol: Symbol, plan: _Plan, *, ignored: bool) -> None:
    """Do what was planned, and wait until it is durable; raises ControlError, JournalError.

    ``ignored``: the symbol was blocked for orders of another naived, and is not any more.
    """
    commits = [symbol.offer(event) for event in plan.events]
    if not commits:
        await _check_known(service, call)
    if ignored:
        service.reconciler.block_lineage()
        plan.ended += 1
    request = answer_to_store(call, changed=plan.ended > 0)
    if request is not None and commits and commits[-1] is not None:
        commits[-1].answer(request)
    elif request is not None:
        commits.append(symbol.direct(symbol.desired, request=request))
    if symbol.failed is not None:
        raise messages.away(call.name, symbol.failed)
    for commit in commits:
        if commit is not None:
            await commit.durable()


async def _check_known(service: Service, call: Call) -> None:
    """Raises ControlError for an order that never existed, JournalError. One that is resolved already is fine."""
    client_order_id = call.params["client_order_id"]
    if client_order_id is not None and not await service.journal.stories(call.name, client_order_id):
        raise messages.no_such_order(call.name, client_order_id)
