"""The figures of a daemon as text for Prometheus. Money is a float here, and nowhere else.

They are collected on the event loop, 32 symbols at a time, as plain numbers; the text is made of those in a thread,
which makes the loop of 500 symbols 6 ms late; in pieces on the loop itself it would be 16 ms.
The library is an extra: it is imported, in a thread, when somebody asks for metrics first.
"""

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import trio

from naived.control.pulse import BOUNDS
from naived.control.service import Service
from naived.control.tally import states
from naived.core.amount import SCALE
from naived.core.orders.state import State
from naived.core.strategy.summary import owned, tied_up
from naived.runtime.actual_state import ActualState
from naived.runtime.symbol_task import Symbol, assets

_AT_ONCE = 32  # symbols before other tasks run
_STATES = ("starting", "ready", "degraded", "suspending")
_EXCHANGE_STATES = ("up", "limited", "down")

Kind = Literal["gauge", "counter"]


class MissingLibraryError(Exception):
    """The extra is not installed; the message says so."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name, what it means with its unit, and its samples by the values of ``labels``."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: Kind = "gauge"
    samples: list[tuple[tuple[str, ...], float]] = field(default_factory=list)

    def add(self, value: float, *labels: str) -> None:
        self.samples.append((labels, value))


async def exposition(service: Service) -> bytes:
    """The text; raises MissingLibraryError."""
    library = await load()
    families = await collect(service)
    counts, late = tuple(service.pulse.counts), service.pulse.late
    return await trio.to_thread.run_sync(_render, library, families, counts, late)


async def load() -> Any:
    """The library; raises MissingLibraryError."""
    try:
        return await trio.to_thread.run_sync(importlib.import_module, "prometheus_client")
    except ImportError as error:
        raise MissingLibraryError("metrics need the library prometheus_client, which is not installed") from error


async def collect(service: Service) -> list[Family]:
    """All figures but the histogram, as they are now."""
    families = _daemon(service)
    of_symbols = _Symbols()
    for number, symbol in enumerate(list(service.supervisor.symbols.values()), 1):
        if not symbol.desired.forgotten:
            of_symbols.add(symbol)
        if number % _AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    return [*families, *of_symbols.families]


def _daemon(service: Service) -> list[Family]:
    who, counted = service.identity, states(service)
    used, limit = service.exchange.remarks.weight
    committed_at = service.journal.committed_at
    info = Family("naived_info", "1, with what runs.", ("version", "exchange", "database", "node"))
    info.add(1, who.version, who.exchange, who.database, who.node)
    state = _one_of("naived_state", "1 for the state of the daemon.", _STATES, service.state)
    exchange = _one_of(
        "naived_exchange_state", "1 for how the exchange is.", _EXCHANGE_STATES, service.exchange_state
    )
    symbols = Family("naived_symbols", "Symbols by their state.", ("state",))
    for each in ActualState:
        symbols.add(counted[each], str(each))
    commit_age = Family("naived_last_commit_age_seconds", "Seconds since the last commit to the journal.")
    if committed_at is not None:
        commit_age.add(trio.current_time() - committed_at)
    events = Family("naived_events_total", "Events since the start.", ("kind",), "counter")
    for kind, count in sorted(service.events.counted.items()):
        events.add(count, kind)
    return [
        info,
        _single("naived_start_time_seconds", "When it was started, in seconds since 1970.", who.started_at / 1000),
        state,
        exchange,
        _single("naived_database_up", "0 while nothing can become durable.", service.away is None),
        commit_age,
        _single(
            "naived_degraded_seconds_total", "Seconds degraded since the start.", service.pulse.degraded, "counter"
        ),
        _single("naived_request_weight_used", "Request weight used in the present interval.", used),
        _single("naived_request_weight_limit", "Request weight allowed in an interval.", limit),
        symbols,
        _single(
            "naived_account_halted",
            "1 while the account is halted: nothing is bought.",
            service.account.halt is not None,
        ),
        _single("naived_quarantined", "Symbols that wait for a person.", counted[ActualState.QUARANTINED]),
        events,
    ]


def _single(name: str, help: str, value: float, kind: Kind = "gauge") -> Family:
    return Family(name, help, (), kind, [((), float(value))])


def _one_of(name: str, help: str, values: Sequence[str], now: str) -> Family:
    return Family(name, help, ("state",), samples=[((value,), float(value == now)) for value in values])


class _Symbols:
    """The families that have samples of symbols."""

    def __init__(self) -> None:
        by_symbol, money = ("symbol",), ("symbol", "quote")
        self.unknown = Family("naived_orders_unknown", "Orders whose fate at the exchange is not known.", by_symbol)
        self.open = Family("naived_orders_open", "Orders that rest at the exchange.", by_symbol)
        self.age = Family(
            "naived_last_trade_age_seconds",
            "Seconds since the last public trade, or since they are asked for.",
            by_symbol,
        )
        self.cycles = Family("naived_cycles_total", "Finished cycles, ever.", by_symbol, "counter")
        self.profit = Family(
            "naived_realized_profit", "Profit of all finished cycles, after fees, in quote.", money
        )
        self.cost = Family("naived_held_cost", "What the coins that are held have cost, in quote.", money)
        self.halted = Family("naived_halted", "1 while the symbol is halted by itself.", by_symbol)
        self.tied_up = Family("naived_tied_up", "Quote money in live buys.", money)

    @property
    def families(self) -> list[Family]:
        return [self.unknown, self.open, self.age, self.cycles, self.profit, self.cost, self.tied_up, self.halted]

    def add(self, symbol: Symbol) -> None:
        engine, name = symbol.engine, symbol.name
        leader = engine.leader
        _, quote = assets(symbol)
        unknown = sum(order.state is State.UNKNOWN for order in engine.orders.values())
        self.unknown.add(unknown, name)
        self.open.add(sum(1 for _ in engine.resting), name)
        if symbol.watched_at is not None:
            self.age.add(_age(symbol, symbol.watched_at), name)
        self.cycles.add(leader.cycles, name)
        self.halted.add(leader.halts.own is not None, name)
        if not quote:  # it never bought anything
            return
        self.profit.add(leader.profit / SCALE, name, quote)
        self.cost.add(owned(leader).cost / SCALE, name, quote)
        self.tied_up.add(tied_up(leader) / SCALE, name, quote)


def _age(symbol: Symbol, watched_at: float) -> float:
    """Seconds since its last trade, at most since its trades are asked for: before nobody heard of any."""
    watched = trio.current_time() - watched_at
    if symbol.gate.time is None:
        return watched
    return min(watched, max(0.0, (symbol.context.exchange.now() - symbol.gate.time) / 1000))


def _render(library: Any, families: Sequence[Family], counts: Sequence[int], late: float) -> bytes:
    """Runs in a thread; all that it gets is its own."""
    core = importlib.import_module("prometheus_client.core")
    makers: dict[Kind, Callable[..., Any]] = {
        "gauge": core.GaugeMetricFamily,
        "counter": core.CounterMetricFamily,
    }

    class Collected:
        def collect(self) -> Iterator[Any]:
            for family in families:
                made = makers[family.kind](family.name, family.help, labels=family.labels)
                for labels, value in family.samples:
                    made.add_metric(labels, value)
                yield made
            reached, buckets = 0, []
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
                reached += count
                buckets.append((bound, float(reached)))
            text = "How late the event loop was, in seconds, looked at twice a second."
            yield core.HistogramMetricFamily("naived_loop_lag_seconds", text, buckets=buckets, sum_value=late)

    registry = library.CollectorRegistry(auto_describe=False)
    registry.register(Collected())
    made: bytes = library.generate_latest(registry)
    return made
