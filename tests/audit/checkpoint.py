"""An audit: everything is healed, must come true as it was wished, is drained, and then judged from outside.

Nothing trades and nobody asks meanwhile but what is asked here. The numbers are those of
docs/RELIABILITY.md.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from naived.core.amount import format_amount, parse_amount
from naived.core.orders.intent import Side
from naived.simulator.ledger import Ledger
from naived.simulator.order import Order
from tests.acceptance.harness import Daemon, Document, Exchange, until
from tests.audit.figures import FAILOVER, Figures
from tests.audit.market import just_above
from tests.audit.person import Person, Quiet
from tests.audit.storage import Storage
from tests.simulation.audit import Journal, audit, read

INITIAL = {"USDT": parse_amount("100000")}

_PATIENCE = 120.0  # seconds until everything is as it was wished
_DRAINED = 400.0  # seconds until nothing is left: a sell that was refused again and again waits up to 300
_RUNNING = {"on": ("trading",), "shutdown": ("draining",), "off": ("off",)}
_COMMIT = 0.3  # seconds, more than a commit takes
_ALL = -1  # SQLite's LIMIT for no limit


def settled(status: Document) -> bool:
    """Is it ready, and is the fate of each living trader's order known?

    A sell that was not placed before a stop waits for the next start.
    """
    legs = [(s, trader[side]) for s in status["symbols"] for trader in s["traders"] for side in ("buy", "sell")]
    unknown = any(
        leg["state"] in ("intended", "unknown") or (leg["state"] == "not_placed" and symbol["status"] != "off")
        for symbol, leg in legs
        if leg
    )
    return status["daemon"]["state"] == "ready" and not unknown


class Checkpoint:
    """``undergo`` begins with no naived at all and ends with one that runs and has nothing open."""

    def __init__(
        self,
        exchange: Exchange,
        daemon: Daemon,
        storage: Storage,
        person: Person,
        figures: Figures,
        home: Path,
        note: Callable[[str], None],
    ) -> None:
        self._exchange = exchange
        self._daemon = daemon
        self._storage = storage
        self._person = person
        self._figures = figures
        self._home = home
        self._note = note

    def undergo(self) -> None:
        self._exchange.fault("clear")
        self._daemon.start()
        self._within(_PATIENCE, self._as_wished, 14, "every symbol is as it was wished")
        self._reconcile_twice()
        self._drain()
        self._start_again()
        self._within(_PATIENCE, self._as_wished, 14, "every symbol is as it was wished, after a start")
        self._judge()
        self._figures.audits += 1

    def _within(self, seconds: float, done: Callable[[], bool], number: int, what: str) -> None:
        try:
            until(done, seconds)
        except AssertionError:
            self._figures.blame(number, f"not within {seconds:g} s: {what}; {self._described()}")

    def _described(self) -> str:
        symbols = self._daemon.ask("status")["symbols"]
        return f"{symbols}, wished: {self._person.wishes}"

    # As it was wished

    def _as_wished(self) -> bool:
        """What a person alone can mend, a person mends: holds and quarantines."""
        status = self._daemon.ask("status")
        by_name = {entry["symbol"]: entry for entry in status["symbols"]}
        for name, entry in by_name.items():
            self._mend(name, entry)
        return settled(status) and all(
            name in by_name and self._runs(by_name[name]) and by_name[name]["status"] in wishes.status
            for name, wishes in self._person.wishes.items()
            if name in by_name or "off" not in wishes.status
        )

    def _runs(self, entry: Document) -> bool:
        """Is it what its status asks for, and does nobody wait to sell?"""
        return entry["state"] in _RUNNING[entry["status"]] and not (
            entry["status"] != "off" and any(trader["phase"] == "holding" for trader in entry["traders"])
        )

    def _mend(self, name: str, entry: Document) -> None:
        held = any(t["phase"] == "holding" and t["reason"] == "cancelled by hand" for t in entry["traders"])
        if entry["state"] == "quarantined":
            self._figures.blame(21, f"{name} is quarantined: {entry['reason']}")
        if held or entry["state"] == "quarantined":
            self._note(f"resolve {name}: {entry['reason']}")
            self._person.resolve(name)

    def _reconcile_twice(self) -> None:
        """A start finds everything as it was, and a session that is opened anew has nothing to write."""
        self._start_again()
        self._within(_PATIENCE, self._as_wished, 14, "every symbol is as it was wished, after a start")
        self._within(_PATIENCE, self._quiet, 13, "naived knows what rests at the exchange")
        before, began = self._storage.written() - self._storage.told(), time.monotonic()
        self._exchange.end()
        self._within(_PATIENCE, lambda: self._daemon.state == "degraded", 0, "naived misses its exchange")
        self._exchange.start()
        self._within(_PATIENCE, self._as_wished, 14, "every symbol is as it was wished, after an outage")
        # That the exchange was away is an event, as is that it is back; each is at most one group.
        # What the account is worth is kept once a minute.
        kept = 1 + int((time.monotonic() - began) // 60)
        written = self._storage.written() - self._storage.told() - before
        if written > kept:
            self._figures.blame(13, f"{written} groups were written while nothing happened")

    def _quiet(self) -> bool:
        """Is nothing left to be written? What a lagging query told just now may be a person's to mend first."""
        return self._agrees() and self._as_wished() and self._rests()

    def _agrees(self) -> bool:
        """Is each order that naived takes for open as it is in the ledger? Queries may lag behind for a while."""
        known = {
            (entry["symbol"], leg["order_id"], leg["executed"])
            for entry in self._daemon.ask("status")["symbols"]
            for trader in entry["traders"]
            for leg in (trader["buy"], trader["sell"])
            if leg and leg["state"] in ("open", "partially_filled")
        }
        with self._ledger() as ledger:
            resting = {
                (order.symbol, order.id, format_amount(order.executed)) for order in ledger.history.open_orders()
            }
        return known <= resting

    def _rests(self) -> bool:
        """Is the journal written up to date? What naived says may be ahead of it by a commit."""
        before = self._storage.written()
        time.sleep(_COMMIT)
        return self._storage.written() == before

    def _start_again(self) -> None:
        code = self._daemon.suspend()
        if code != 0:
            self._figures.blame(0, f"a suspend ended with {code}")
        self._daemon.start()

    # Until nothing is left

    def _drain(self) -> None:
        for symbol in self._person.wishes:
            self._person.shutdown(symbol)
        self._within(_DRAINED, self._drained, 21, "nothing of ours is left")

    def _drained(self) -> bool:
        """Visit every sell there is; true when all are off and have no trader."""
        entries = self._daemon.ask("status")["symbols"]
        for entry in entries:
            self._mend(entry["symbol"], entry)
        with self._ledger() as ledger:
            resting = ledger.history.open_orders()
        for symbol in {order.symbol for order in resting if order.side is Side.SELL}:
            highest = max(order.price for order in resting if order.symbol == symbol and order.side is Side.SELL)
            self._exchange.trade(just_above(format_amount(highest), symbol), symbol)
        return all(entry["state"] == "off" and not entry["traders"] for entry in entries)

    # The judgement

    @contextmanager
    def _ledger(self) -> Iterator[Ledger]:
        with closing(Ledger(self._home / "exchange.db", 0, {})) as ledger:
            yield ledger

    def _judge(self) -> None:
        figures = self._figures
        with self._ledger() as ledger:
            judge(ledger, self._storage, self._person.quiets, figures)
            figures.faults.clear()
            figures.faults.update(ledger.faults())
        for name in ("naived", "exchange"):
            _read_log(self._home / f"{name}.log", figures)
        for complaint in self._person.complaints:
            figures.blame(0, complaint)


def judge(ledger: Ledger, storage: Storage, quiets: list[Quiet], figures: Figures) -> None:
    """What is durable on both sides, when nothing of ours is left open."""
    journal = read(storage.url)
    audit(ledger, journal, INITIAL, figures.blame, lossy=bool(figures.kills[FAILOVER]))
    storage.sound(figures.blame)
    ours = [o for o in ledger.history.orders(None, limit=_ALL) if o.client_order_id.startswith(journal.prefix)]
    for order in ours:
        if not order.status.ended:
            figures.blame(3, f"order {order.id} ({order.client_order_id}) is open, and everything was drained")
    for trader in journal.traders:
        if trader["phase"] != "finished":
            figures.blame(4, f"{trader['symbol']}-{trader['number']} is {trader['phase']}, and all were drained")
    _kept_quiet(ours, journal, quiets, figures)
    figures.orders = len(ours)
    figures.cycles = sum(trader["cycle"] is not None for trader in journal.traders)


def _kept_quiet(ours: list[Order], journal: Journal, quiets: list[Quiet], figures: Figures) -> None:
    """Was anything accepted after an acknowledged stop, or bought after an acknowledged shutdown or halt?"""
    signed = {row["client_order_id"]: row["signed_at"] for row in journal.orders}
    for quiet in quiets:
        for order in ours:
            if order.symbol != quiet.symbol or not quiet.since < order.created < (quiet.until or order.created + 1):
                continue
            cid = order.client_order_id
            if not quiet.buys_alone and cid not in quiet.unknown:
                figures.blame(10, f"{cid} was accepted after {order.symbol} was stopped: {quiet}")
            if quiet.buys_alone and order.side is Side.BUY and (signed.get(cid) or 0) > quiet.since:
                figures.blame(12, f"{cid} was signed after {order.symbol} was told to buy nothing: {quiet}")


def _read_log(log: Path, figures: Figures) -> None:
    """No exception is expected of either side, and none of our orders may be unknown to naived's journal."""
    for line in log.read_text(errors="replace").splitlines():
        if "Traceback (most recent call last)" in line or "foreign lineage" in line:
            figures.blame(0, f"{log.stem} logged: {line[-1500:]}")
