"""Wires engine, orders, journal, exchange and control together, and runs them; this happens nowhere else.

The daemon, the simulation, the benches and the tests call it. It opens no file and no socket and reads no clock:
the caller passes the journal, the exchange and the source of random bytes.
"""

from collections import ChainMap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
import trio
from msgspec.structs import replace

from naived.control.answers import Identity
from naived.control.bulletin import Bulletin
from naived.control.errands import is_carried_out, perform_errands
from naived.control.events import EventLog
from naived.control.methods import understood
from naived.control.nodes import unfollowed
from naived.control.relay import Relay
from naived.control.service import Service
from naived.core.amount import Money
from naived.core.engine import Changes
from naived.core.orders import client_id
from naived.core.risk import Account, Limits
from naived.nodes import Cluster, Mailbox
from naived.ports import DeploymentError, Event, Exchange, Journal
from naived.runtime.account import AccountKeeper
from naived.runtime.account_view import AccountView
from naived.runtime.elsewhere import Elsewhere, shadow
from naived.runtime.fee_losses import FeeLosses
from naived.runtime.fee_prices import FeePrices
from naived.runtime.foreign_orders import ForeignOrders
from naived.runtime.funds import AccountFunds
from naived.runtime.hearing import Hearing
from naived.runtime.keeper import Keeper
from naived.runtime.listing import Listing
from naived.runtime.lost_commits import LostCommits
from naived.runtime.orders import Orders
from naived.runtime.price_gate import PriceGates
from naived.runtime.reconciler import Reconciler
from naived.runtime.session import Session
from naived.runtime.state_events import StateEvents
from naived.runtime.supervisor import Supervisor
from naived.runtime.symbol_task import Context, Symbol
from naived.runtime.valuation import Valuation
from naived.runtime.value_watch import ValueWatch

ANSWERS = 3.5  # seconds that a suspend waits for answers in flight
LEAVING = 0.5  # seconds to give the symbols to other nodes
_KNOWN = 5.0  # seconds that requests wait at most for what the database says of nodes

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Signing:
    """Parameters of one naived.

    ``tag`` and ``epoch`` come from the journal; ``recv_window`` and ``grace`` are ms. ``budget`` is the default of
    a symbol (None where money is real). ``random_bytes`` returns as many random bytes as its argument. Limits of
    the account are amounts in ``currency``.
    """

    tag: str
    epoch: int
    recv_window: int
    grace: int
    budget: Money | None
    random_bytes: Callable[[int], bytes]
    currency: str = Account().currency


@dataclass(frozen=True, slots=True)
class App:
    """One naived, wired; ``running`` runs it."""

    exchange: Exchange
    session: Session
    view: AccountView
    prices: FeePrices
    value: ValueWatch
    orders: Orders
    reconciler: Reconciler
    supervisor: Supervisor
    service: Service
    events: EventLog
    context: Context
    states: StateEvents
    keeper: Keeper | None
    elsewhere: Elsewhere | None

    def retime(self, recv_window: int, grace: int) -> None:
        """Use these (ms) for orders that are sent, and for questions that are asked, from now on."""
        self.context.recv_window = recv_window
        self.orders.grace = grace
        self.reconciler.grace = grace


async def assemble(
    exchange: Exchange,
    journal: Journal,
    identity: Identity,
    signing: Signing,
    cluster: Cluster | None = None,
    mailbox: Mailbox | None = None,
    clock: Callable[[], float] = trio.current_time,
) -> App:
    """Wire one naived and load its symbols from the journal; raises JournalError.

    With other nodes (``cluster``, ``mailbox``) it has no symbols before it claims some; ``clock`` (s) runs through
    a suspend of the machine.
    Raises DeploymentError if the journal has limits in another currency.
    """
    events = EventLog(identity.started_at)

    def publish(event: Event) -> None:
        log.info(event.kind, symbol=event.symbol, message=event.message)
        events.publish(event.at, event.symbol, event.kind, event.message)

    def new_id() -> str:
        return client_id.make(signing.tag, signing.random_bytes(16))

    symbols: dict[str, Symbol] = {}
    elsewhere = (
        None
        if cluster is None
        else Elsewhere(cluster, symbols, lambda record: shadow(record, context), lambda: funds.gathered.recount())
    )
    everyone = symbols if elsewhere is None else ChainMap(symbols, elsewhere.symbols)
    gates = PriceGates()
    prices = FeePrices(exchange, gates)
    if elsewhere is None:
        funds = AccountFunds(everyone, prices)
        session = Session(symbols, gates, funds, client_id.prefix(signing.tag))
    else:
        funds = AccountFunds(everyone, prices, elsewhere.coming)
        session = Session(symbols, gates, funds, client_id.prefix(signing.tag), elsewhere.heard)
    losses = FeeLosses(journal, everyone)
    read = trio.lowlevel.checkpoint if elsewhere is None else elsewhere.read
    view = AccountView(exchange, everyone, funds, prices, losses, read)
    orders = Orders(exchange, view, signing.grace)

    def know(name: str) -> None:
        if cluster is None:  # else it is known to the node that has it, and blocked where it is started
            supervisor.configure(name)

    foreign_orders = ForeignOrders(signing.tag, journal, publish, know, exchange.now, symbols)
    reconciler = Reconciler(
        exchange, journal, session, view, symbols, identity.exchange, signing.grace, foreign_orders
    )

    def booked(symbol: Symbol, changes: Changes) -> None:
        info = symbol.engine.leader.info
        funds.balances.spend(info.base, info.quote, changes.orders.values(), changes.fills)
        value.booked()

    context = Context(
        exchange,
        journal,
        orders,
        publish,
        funds.of,
        funds.limited_prices,
        prices.value,
        new_id,
        signing.epoch,
        signing.recv_window,
        lambda: funds.account,
        lambda: keeper is None or keeper.trust.certain,
        booked,
        funds.gathered.recount,
        prices.follows,
        gates.is_quiet,
        lambda: service.away,
    )
    funds.account = _in_currency(await journal.account(), signing.currency)
    funds.counting = cluster is not None
    account = AccountKeeper(context, symbols, funds, shared=cluster is not None)
    value = ValueWatch(
        context,
        session,
        funds,
        Valuation(symbols, funds, prices, lambda name: unfollowed(service, name)),
        account,
        shared=cluster is not None,
    )
    supervisor = Supervisor(symbols, session, view, reconciler, gates, context)
    keeper: Keeper | None = None
    if cluster is None or elsewhere is None:
        supervisor.load(await journal.load())
    else:
        lost = LostCommits(
            cluster,
            exchange,
            journal,
            session,
            view,
            reconciler,
            supervisor,
            elsewhere,
            lambda: context.recv_window + reconciler.grace,
        )
        keeper = Keeper(
            cluster,
            journal,
            supervisor,
            exchange,
            clock,
            session.pause.end,
            lost.compare,
            elsewhere.keep,
            lambda: session.unreached,
        )
    account.tell()
    service = Service(
        identity,
        supervisor,
        account,
        value,
        funds,
        session,
        view,
        reconciler,
        Listing(exchange),
        journal,
        exchange,
        signing.budget,
        events,
        keeper,
        mailbox,
    )
    if keeper is not None and mailbox is not None:
        context.carried_out = lambda name: is_carried_out(mailbox, name)
        service.bulletin = Bulletin(mailbox, keeper, symbols, service.statuses)
    states = StateEvents(exchange, journal, session, symbols, context.away, publish)
    return App(
        exchange,
        session,
        view,
        prices,
        value,
        orders,
        reconciler,
        supervisor,
        service,
        events,
        context,
        states,
        keeper,
        elsewhere,
    )


def _in_currency(account: Account, currency: str) -> Account:
    """With limits of this currency; raises DeploymentError for limits that were set in another one."""
    if account.limits != Limits() and account.currency != currency:
        raise DeploymentError(
            f"the limits of this database are amounts in {account.currency}, not in {currency}. Start with "
            f"--currency {account.currency}; naivectl limits takes them away"
        )
    return replace(account, currency=currency)


@dataclass(slots=True)
class Suspension:
    """How a run ended. ``answered``: everything that was sent was answered, and the answers are durable."""

    answered: bool = True


async def _serve(app: App, serve: Callable[[Service], Awaitable[None]]) -> None:
    """Answer requests, where nodes share the database as soon as it is known who has which symbol.

    Until then a symbol of ours would be taken for one that was never configured.
    """
    if app.keeper is not None and app.service.bulletin is not None:
        with trio.move_on_after(_KNOWN):
            await app.keeper.began.wait()
            await app.service.bulletin.began.wait()
    await serve(app.service)


@asynccontextmanager
async def running(app: App, serve: Callable[[Service], Awaitable[None]] | None = None) -> AsyncIterator[Suspension]:
    """Run until the block ends, then suspend: statuses stay, orders rest, answers in flight are awaited briefly.

    ``serve`` answers control requests until it is cancelled. The innermost nursery stops first. The yielded value
    is valid after the end.
    """
    suspension = Suspension()
    async with trio.open_nursery() as account:
        account.start_soon(app.exchange.run, app.session)
        account.start_soon(app.view.run)
        account.start_soon(Hearing(app.exchange, app.supervisor.symbols, app.view).run)
        account.start_soon(app.prices.run)
        account.start_soon(app.value.run)
        account.start_soon(app.orders.run)
        account.start_soon(app.reconciler.run)
        async with trio.open_nursery() as symbols:
            symbols.start_soon(app.supervisor.run)
            if app.keeper is not None:
                symbols.start_soon(app.keeper.run)
            if app.elsewhere is not None:
                symbols.start_soon(app.elsewhere.run)
            async with trio.open_nursery() as control:
                control.start_soon(app.states.run)
                if app.service.bulletin is not None:
                    control.start_soon(app.service.bulletin.run)
                    control.start_soon(perform_errands, app.service, understood)
                    control.start_soon(app.service.account.follow)
                if app.service.mailbox is not None:
                    control.start_soon(Relay(app.service.mailbox, app.events).run)
                if serve is not None:
                    control.start_soon(_serve, app, serve)
                yield suspension
                last_answer = trio.current_time() + ANSWERS
                app.service.suspending = True
                control.cancel_scope.cancel()
            symbols.cancel_scope.cancel()
        # The last commits of the control server and the symbols have already used part of that time.
        with trio.move_on_at(last_answer) as scope:
            # The reconciler, which still runs, may add one.
            await app.orders.drain_in_flight(list(app.supervisor.symbols.values()))
        suspension.answered = not scope.cancelled_caught
        if app.keeper is not None:
            with trio.move_on_after(LEAVING):
                await app.keeper.leave()
        account.cancel_scope.cancel()
