"""What was asked for at a moment of the past, and later: status, settings, halts. Rows and events tell it."""

from collections.abc import Iterator, Sequence

from msgspec import structs

from naived.backtest.past import over
from naived.core.orders.intent import Side
from naived.core.orders.state import LIVE, State
from naived.core.risk import NO_HALTS, Halt, HaltedBy, Halts
from naived.core.strategy.leader_events import Halted
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.core.strategy.sizing import Terms
from naived.core.strategy.trader_state import Directed
from naived.database.history import History
from naived.ports import Event

_NEVER = 1 << 62  # ms, after every time
_OFF = ("drained: off", "forgotten")


def pruned(history: History, at: int) -> bool:
    """Are the events of before ``at`` not kept any more?"""
    lived = any(life.trader.started_at < at for life in history.lives)
    return lived and (not history.events or history.events[0].at > at)


def asked(history: History, began: int) -> list[tuple[int, Directed]]:
    """What a person asked for, and when (ms): first what was in force at ``began``.

    The journal has each status with its time, and earlier settings only in its traders: new ones count from the
    first buy that was decided with them. What a stop or a shutdown cancelled is in the orders.
    """
    found = _asked(history, began)
    ends = [*(at for at, _, _ in found[1:]), _NEVER]
    told = []
    for (at, settings, status), end in zip(found, ends, strict=True):
        sides = frozenset[Side]() if status is Status.ON else _taken_back(history, at, end)
        keep = status is Status.SHUTDOWN and Side.BUY not in sides
        told.append(
            (at, Directed(DesiredState(settings, status, keep), sides if status is Status.OFF else frozenset()))
        )
    return told


def _asked(history: History, began: int) -> list[tuple[int, Settings, Status]]:
    settings = _settings(history, began)
    status = Status.ON if pruned(history, began) else Status.OFF
    changes: list[tuple[int, Status | Settings]] = [
        (event.at, Status.OFF if event.message in _OFF else Status(event.message))
        for event in history.events
        if event.kind == "desired" and event.message != "settings changed"
    ]
    changes += settings[1:]
    now = settings[0][1]
    found = [(began, now, status)]
    for at, change in sorted(changes, key=lambda change: change[0]):
        status, now = (change, now) if isinstance(change, Status) else (status, change)
        if at <= began:
            found[0] = began, now, status
        else:
            found.append((at, now, status))
    return found


def _taken_back(history: History, at: int, until: int) -> frozenset[Side]:
    """The sides whose orders a stop or a shutdown at ``at`` cancelled: all that were live, or none.

    Nothing else was asked for before ``until`` (ms).
    """
    live = [
        order
        for order in history.orders
        if order.decided_at < at and not over(order, at) and order.state in (State.CANCELLED, State.FILLED, *LIVE)
    ]
    kept = {order.intent.side for order in live if not (order.cancelling and over(order, until))}
    return frozenset(order.intent.side for order in live) - kept


def _settings(history: History, began: int) -> list[tuple[int, Settings]]:
    """The settings by what traders were made with, the first ones those in force at ``began``.

    Those of now are in force since they were asked for; where nothing was asked for since ``began``, all the time.
    """
    known = history.desired.settings
    if not history.asked and not pruned(history, began):
        return [(began, known)]
    found: list[tuple[int, Settings]] = []
    before = began
    for at, terms in sorted(_terms(history), key=lambda each: each[0]):
        made = structs.replace(
            known,
            budget=terms.budget,
            chunks=terms.chunks,
            buy_down=terms.buy_down,
            profit=terms.profit,
            rebuy=terms.rebuy,
            reprice=terms.reprice,
        )
        if at <= began:
            found = [(began, made)]
        elif not found or found[-1][1] != made:
            found.append((_changed(history.events, before, at), made))
        before = at
    found = found or [(began, known)]
    last = max((event.at for event in history.events if event.kind == "desired"), default=began)
    if history.asked is not None and history.asked <= last and found[-1][1] != known:
        found.append((_changed(history.events, before, history.asked), known))
    return found


def _terms(history: History) -> Iterator[tuple[int, Terms]]:
    """The terms of each trader that decided, with the time (ms) of its first buy: until then it takes new ones."""
    first: dict[int, int] = {}
    for order in history.orders:
        if order.intent.side is Side.BUY:
            first.setdefault(order.intent.trader, order.created_at)
    for life in history.lives:
        if life.trader.number in first:
            yield first[life.trader.number], life.trader.terms
        elif life.bought is not None and not life.trader.buys:
            yield life.trader.started_at, life.trader.terms


def _changed(events: Sequence[Event], after: int, until: int) -> int:
    """When (ms) a person changed settings that a trader of ``until`` had, and one of ``after`` had not."""
    told = [event for event in events if event.kind == "desired" and after < event.at <= until]
    for message in ("settings changed", Status.ON):  # a start may change them, a stop does not
        times = [event.at for event in told if event.message == message]
        if times:
            return times[-1]
    return after + 1


def halted_at(events: Sequence[Event], began: int) -> tuple[Halts, list[tuple[int, Halted]]]:
    """What halted it at ``began``, and how that changed later; it comes to a stop-loss by itself.

    The journal does not say whether buys might rest. Those that rest at the beginning may. The account's halt is in
    force once it is durable, so after the fill of its millisecond that may have caused it.
    """
    halts, later = NO_HALTS, list[tuple[int, Halted]]()
    for event in events:
        before, account = event.at <= began, event.symbol is None
        if event.kind not in ("halted", "resumed", "stop-loss") or (event.kind == "stop-loss" and not before):
            continue
        by = HaltedBy.LIMIT if event.kind == "stop-loss" else HaltedBy.PERSON
        halt = None if event.kind == "resumed" else Halt(event.message, by, event.at, keep_buys=before)
        if not before:
            later.append((event.at + account, Halted(halt, account)))
        elif account:
            halts = Halts(halts.own, halt)
        else:
            halts = Halts(halt, halts.account)
    return halts, later
