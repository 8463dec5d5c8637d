"""Bugs that naived does not have. The harness alone puts one in, to see that the seeds catch it.

A mutant is a list of (owner, attribute, what stands there instead), made anew for each run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import trio

from naived import documents, verbs
from naived.binance.exchange import BinanceExchange
from naived.binance.limits import Limits
from naived.core import leader, leading, placing, trader
from naived.core.amount import Amount, value_up
from naived.core.order import CancelRefused, Fill, OrderStatus, Refused, Report, Side, Unknown
from naived.core.phase import Bought, Buying
from naived.core.placement import Need, Placement, Reported, Send, State
from naived.core.settings import Status
from naived.database.store import Store
from naived.runtime import attendant
from naived.runtime.account import Account
from naived.runtime.supervisor import Supervisor
from naived.runtime.symbol import Symbol
from naived.runtime.work import Work

Change = tuple[Any, str, Any]

_FAR = 1 << 60  # ms, later than any fence


def _place_then_record() -> Sequence[Change]:
    perform = Symbol._perform

    async def hasty(self: Symbol, work: Work) -> None:
        for client_order_id in work.sends:
            self._desk.errands.send(self, client_order_id)
        if work.sends:
            await trio.sleep(0.05)
        work.sends = ()
        await perform(self, work)

    return [(Symbol, "_perform", hasty)]


def _resend_on_timeout() -> Sequence[Change]:
    place = BinanceExchange.place

    async def impatient(self: BinanceExchange, request: Any) -> Any:
        answer = await place(self, request)
        return await place(self, request) if isinstance(answer, Unknown) else answer

    return [(BinanceExchange, "place", impatient)]


def _resend_under_a_new_id() -> Sequence[Change]:
    place = BinanceExchange.place

    async def forgetful(self: BinanceExchange, request: Any) -> Any:
        answer = await place(self, request)
        if not isinstance(answer, Unknown):
            return answer
        renamed = request.client_order_id[:-1] + ("a" if request.client_order_id[-1] != "a" else "b")
        return await place(self, replace(request, client_order_id=renamed))

    return [(BinanceExchange, "place", forgetful)]


def _resend_after_restart() -> Sequence[Change]:
    step = placing.step

    def forgetful(placement: Placement, event: Any, now: int) -> Any:
        if isinstance(event, placing.Restarted) and placement.state is State.INTENDED:
            return replace(placement, reason="sent again"), (Send(),)
        return step(placement, event, now)

    return [(placing, "step", forgetful)]


def _one_look_is_enough() -> Sequence[Change]:
    missing = placing._missing

    def credulous(placement: Placement, event: Any) -> Any:
        return missing(replace(placement, looks=placing.LOOKS), replace(event, server_time=_FAR))

    return [(placing, "_missing", credulous)]


def _no_fence() -> Sequence[Change]:
    missing = placing._missing

    def hasty(placement: Placement, event: Any) -> Any:
        return missing(placement, replace(event, server_time=_FAR))

    return [(placing, "_missing", hasty)]


def _no_grace() -> Sequence[Change]:
    missing = placing._missing
    return [(placing, "_missing", lambda placement, event: missing(placement, replace(event, grace=0)))]


def _fence_by_the_local_clock() -> Sequence[Change]:
    server_time = BinanceExchange.server_time

    async def local(self: BinanceExchange) -> int:
        await server_time(self)
        return int(self._link.clock._wall() * 1000)

    return [(BinanceExchange, "server_time", local)]


def _fresh_signature() -> Sequence[Change]:
    place = BinanceExchange.place

    async def resigned(self: BinanceExchange, request: Any) -> Any:
        return await place(self, replace(request, timestamp=self.now() - 1))

    return [(BinanceExchange, "place", resigned)]


def _no_dedupe() -> Sequence[Change]:
    executed = placing._executed

    def twice(placement: Placement, *args: Any, **kwargs: Any) -> Any:
        return executed(replace(placement, fills=()), *args, **kwargs)

    return [(placing, "_executed", twice)]


def _two_transactions() -> Sequence[Change]:
    perform = Symbol._perform

    async def halved(self: Symbol, work: Work) -> None:
        unit = work.unit
        if unit.fills:
            known = tuple(placement for placement in unit.placements if placement.fills)
            await self._desk.journal.commit(replace(unit, traders=(), placements=known, events=()))
            rest = tuple(placement for placement in unit.placements if not placement.fills)
            work.unit = replace(unit, placements=rest, fills=(), leftover=None, next_trader=None)
        await perform(self, work)

    return [(Symbol, "_perform", halved)]


def _ended_before_its_fills() -> Sequence[Change]:
    reported = placing._reported

    def trusting(placement: Placement, report: Report) -> Any:
        known = {fill.trade_id: fill.quantity for fill in (*placement.fills, *report.fills)}
        return reported(placement, replace(report, executed=sum(known.values())))

    return [(placing, "_reported", trusting)]


def _cancelled(placement: Placement, now: int) -> Reported:
    intent = placement.intent
    assert placement.order_id is not None
    return Reported(
        Report(
            intent.symbol,
            placement.order_id,
            placement.client_order_id,
            intent.side,
            intent.price,
            intent.quantity,
            OrderStatus.CANCELED,
            placement.executed,
            placement.created_at,
            now,
        )
    )


def _cancel_is_assumed(*, only_when_refused: bool) -> Sequence[Change]:
    ask = attendant._ask

    async def assuming(symbol: Any, placement: Placement, needed: Need, exchange: Any, grace: int) -> Any:
        if needed is not Need.CANCEL:
            return await ask(symbol, placement, needed, exchange, grace)
        cancel_id = f"{placement.client_order_id}-x"
        answer = await exchange.cancel(symbol.name, placement.order_id, cancel_id)
        if isinstance(answer, CancelRefused) or not only_when_refused:
            return _cancelled(placement, exchange.now())
        return None

    return [(attendant, "_ask", assuming)]


def _fee_forgotten() -> Sequence[Change]:
    return [(Bought, "net", property(lambda self: self.quantity))]


def _drain_starts_a_successor() -> Sequence[Change]:
    def start(self: Any, after: int) -> Any:
        return self.add(leading.Waiting(after)) if leading.has_room(self.leader) else None

    def decide(trader_: Any, waiting: Any, trade: Any, scene: Any) -> Any:
        return original(trader_, waiting, trade, replace(scene, status=Status.ON))

    def traded(draft: Any, trade: Any) -> None:
        status = draft.leader.status
        draft.leader = replace(draft.leader, status=Status.ON if status is Status.SHUTDOWN else status)
        walk(draft, trade)
        draft.leader = replace(draft.leader, status=status)

    original, walk = trader._decide, leading._traded
    band = property(lambda self: leader.EVERY if self.status is not Status.OFF else leader.NONE)
    return [
        (leading._Draft, "start", start),
        (trader, "_decide", decide),
        (leading, "_traded", traded),
        (leader.Leader, "band", band),
    ]


def _shutdown_is_forgotten() -> Sequence[Change]:
    load = Supervisor.load

    def forgetful(self: Supervisor, records: Any) -> None:
        load(
            self,
            [
                replace(record, wish=replace(record.wish, status=Status.OFF))
                if record.wish.status is Status.SHUTDOWN
                else record
                for record in records
            ],
        )

    return [(Supervisor, "load", forgetful)]


def _failed_commit_counts() -> Sequence[Change]:
    apply = Store.apply

    def hopeful(self: Store, works: Any) -> Any:
        apply(self, works)
        return [None for _ in works]

    return [(Store, "apply", hopeful)]


def _unknown_costs_nothing() -> Sequence[Change]:
    commitment = leader.commitment

    def generous(trader_: Any) -> int:
        phase = trader_.phase
        return 0 if isinstance(phase, Buying) and not phase.accepted else commitment(trader_)

    return [(leader, "commitment", generous), (leading, "commitment", generous)]


def _placed_after_a_stop() -> Sequence[Change]:
    return [
        (Symbol, "may_place", property(lambda self: self.active or bool(self.book.placements))),
        (placing, "_abandon", lambda placement, reason: (placement, ())),
    ]


def _stop_answers_at_once() -> Sequence[Change]:
    async def at_once(self: verbs.Verbs, symbol: Symbol, deadline: float) -> None:
        await trio.lowlevel.checkpoint()

    def known(symbol: Symbol) -> list[Any]:
        return [order for order in open_orders(symbol) if order["order_id"] is not None]

    open_orders = documents.open_orders
    return [(verbs.Verbs, "_stopped", at_once), (documents, "open_orders", known)]


def _trades_count_as_fills() -> Sequence[Change]:
    trade = Account.trade

    def presuming(self: Account, name: str, trade_id: int, price: Any, quantity: str, time: int) -> None:
        trade(self, name, trade_id, price, quantity, time)
        symbol = self.symbols.get(name)
        for placement in [] if symbol is None else list(symbol.book.numbered):
            if placement.intent.side is Side.BUY and price < placement.intent.price:
                self.report(_filled(placement, trade_id, time))

    return [(Account, "trade", presuming)]


def _filled(placement: Placement, trade_id: int, now: int) -> Report:
    intent, report = placement.intent, _cancelled(placement, now).report
    quote = value_up(intent.price, intent.quantity)
    fill = Fill(
        intent.symbol, report.order_id, trade_id, intent.price, intent.quantity, quote, Amount(0), "USDT", True, now
    )
    return replace(report, status=OrderStatus.FILLED, executed=intent.quantity, fills=(fill,))


def _more_traders_than_chunks() -> Sequence[Change]:
    def roomy(leader_: leader.Leader) -> bool:
        return leader_.committed + leader_.settings.allocation <= (leader_.settings.budget or 0)

    def nothing(leader_: leader.Leader) -> None:
        return None

    return [(leader, "has_room", roomy), (leading, "has_room", roomy), (leading, "surplus", nothing)]


def _orders_of_others_are_cancelled() -> Sequence[Change]:
    reconcile = Account.reconcile

    async def sweeping(self: Account, symbols: Any) -> Any:
        refusals = await reconcile(self, symbols)
        for symbol in symbols:
            for report in await self.exchange.open_orders(symbol.name):
                if report.client_order_id not in symbol.book.placements:
                    await self.exchange.cancel(symbol.name, report.order_id, f"{self._prefix}sweep")
        return refusals

    return [(Account, "reconcile", sweeping)]


def _filters_ignored() -> Sequence[Change]:
    quantity = trader.buy_quantity
    return [(trader, "buy_quantity", lambda *args: quantity(*args) + 1)]


def _ban_unheeded() -> Sequence[Change]:
    return [(Limits, "halt", lambda self, until: None)]


def _stale_trades() -> Sequence[Change]:
    return [(module, "STALE", 600_000) for module in (trader, leading, placing)]


def _answered_before_durable() -> Sequence[Change]:
    async def at_once(self: Work) -> None:
        await trio.lowlevel.checkpoint()

    return [(Work, "durable", at_once)]


def _no_reconciliation() -> Sequence[Change]:
    async def nothing(self: Account, symbols: Any) -> dict[str, str]:
        await trio.lowlevel.checkpoint()
        for symbol in symbols:
            symbol.attend()
        return {}

    return [(Account, "reconcile", nothing)]


def _unknown_means_refused() -> Sequence[Change]:
    place = BinanceExchange.place

    async def sure(self: BinanceExchange, request: Any) -> Any:
        answer = await place(self, request)
        if isinstance(answer, Unknown):
            return Refused(placing.Refusal.TOO_MANY, -1003, answer.reason)
        return answer

    return [(BinanceExchange, "place", sure)]


MUTANTS: Mapping[str, Callable[[], Sequence[Change]]] = {
    "place-then-record": _place_then_record,
    "resend-on-timeout": _resend_on_timeout,
    "resend-under-a-new-id": _resend_under_a_new_id,
    "resend-after-restart": _resend_after_restart,
    "unknown-means-refused": _unknown_means_refused,
    "one-look-is-enough": _one_look_is_enough,
    "no-fence": _no_fence,
    "no-grace": _no_grace,
    "fence-by-the-local-clock": _fence_by_the_local_clock,
    "fresh-signature": _fresh_signature,
    "no-dedupe": _no_dedupe,
    "two-transactions": _two_transactions,
    "ended-before-its-fills": _ended_before_its_fills,
    "cancel-assumed-done": lambda: _cancel_is_assumed(only_when_refused=False),
    "refused-cancel-means-cancelled": lambda: _cancel_is_assumed(only_when_refused=True),
    "fee-forgotten": _fee_forgotten,
    "drain-starts-a-successor": _drain_starts_a_successor,
    "shutdown-is-forgotten": _shutdown_is_forgotten,
    "failed-commit-counts": _failed_commit_counts,
    "unknown-costs-nothing": _unknown_costs_nothing,
    "placed-after-a-stop": _placed_after_a_stop,
    "stop-answers-at-once": _stop_answers_at_once,
    "trades-count-as-fills": _trades_count_as_fills,
    "more-traders-than-chunks": _more_traders_than_chunks,
    "orders-of-others-are-cancelled": _orders_of_others_are_cancelled,
    "filters-ignored": _filters_ignored,
    "ban-unheeded": _ban_unheeded,
    "stale-trades": _stale_trades,
    "answered-before-durable": _answered_before_durable,
    "no-reconciliation": _no_reconciliation,
}


@contextmanager
def mutated(name: str | None) -> Iterator[None]:
    """Put one bug in, for as long as the block; None puts none in."""
    with ExitStack() as changes:
        for owner, attribute, replacement in () if name is None else MUTANTS[name]():
            changes.enter_context(patch.object(owner, attribute, replacement))
        yield
