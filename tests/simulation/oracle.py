"""What must hold at the moment in which the exchange accepts an order, judged with the exchange's own eyes.

The journal is read over a connection of our own, so only what is committed counts. The numbers are those of
docs/RELIABILITY.md.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from naived.core.amount import (
    SCALE,
    Price,
    Quantity,
    parse_amount,
    parse_price,
    parse_quantity,
    parse_rate,
    value_up,
)
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill
from naived.simulator.account import cost
from naived.simulator.exchange import Exchange
from naived.simulator.order import Event, Executed, NewOrder, Order, PublicTrade
from naived.simulator.step import Done, Market, Step
from tests.simulation.coins import Coins

_STALE = 5_000  # ms, the age of the trade that a buy was decided on, when it is signed
# Living traders but those that only sell lots: these count in no chunk.
_BUYERS = (
    "SELECT number, phase FROM traders WHERE symbol = ? AND phase != 'finished' "
    "AND (buys > 0 OR phase = 'waiting' OR bought != '0')"
)
_LIVE_BUYS = (
    "SELECT client_order_id, price, quantity FROM orders WHERE symbol = ? AND side = 'buy'"
    " AND state IN ('intended', 'unknown', 'open', 'partially_filled')"
)
# Traders whose coins are lots by now, or were adopted by another trader.
_ENDED = (
    "SELECT number FROM traders WHERE symbol = ?1 AND phase = 'finished' "
    "UNION SELECT trader FROM orders WHERE symbol = ?1 AND adopted"
)
_STATUS = "SELECT status FROM settings WHERE symbol = ?"
_TERMS = "SELECT profit_interval, sell_fee FROM traders WHERE symbol = ? AND number = ?"
# An abandoned one that turned up is watched, and being cancelled.
_NEVER_OPEN = ("filled", "cancelled", "expired", "rejected", "not_placed")


@dataclass
class Standing:
    """What is known of one symbol at the exchange, of our orders alone."""

    coins: Coins
    bought: int = 0  # after the fees that were taken in base
    sold: int = 0
    epoch: int = 0  # the newest that was accepted, and since when (ms)
    epoch_since: int = 0
    silent: frozenset[str] | None = None  # nothing is accepted but these; None: it trades
    no_buys: frozenset[str] | None = None  # no buy is accepted but these
    unwanted: int = 0  # how many ask now for something that takes buys back
    unwanted_at: int = 0  # ms, when the last of them was answered
    prices: list[tuple[int, int]] = field(default_factory=list)  # public trades: ms, price
    stop_loss: int = 0  # the least that was ever asked for, a rate; 0: none
    limits: list[tuple[int, int, int]] = field(default_factory=list)  # (from ms, budget, chunks)


class Oracle:
    """``violations`` are sentences; an empty list is what we want. ``lied_to``: is naived told of wild prices?"""

    def __init__(self, tag: str, now: Callable[[], int], *, lied_to: bool = False) -> None:
        self.prefix = f"n1{tag}-"
        self.violations: list[str] = []
        self.accepted: dict[str, Order] = {}
        self.traders: dict[str, tuple[str, int]] = {}
        self._standings: dict[str, Standing] = {}
        self._spent: dict[tuple[str, int], int] = {}
        self.several = False  # several nodes share the journal
        self.cap: int | None = None  # of the whole account, in force since (ms)
        self.cap_since = 0
        self.owned = False  # the account may be halted by a limit, which takes buys back as well
        self._halted: frozenset[str] | None = None  # no buy is accepted but these
        self._sent: set[tuple[str, int]] = set()
        self._fills: list[tuple[Order, Fill]] = []
        self.losses = 0  # how often the database lost its last commits, the last time at (ms)
        self._lost_at: int | None = None
        self._unmapped = False  # whose orders were is to be read again
        self._server: str | None = None  # and this one has taken its server's place
        self._withdrawn: list[tuple[int, str, int]] = []  # ms, asset, amount
        self._now = now
        self._lied_to = lied_to
        self._journal: sqlite3.Connection | None = None

    def read(self, path: Path) -> None:
        """Judge by this journal from now on."""
        self.close()
        self._journal = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        self._journal.row_factory = sqlite3.Row

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """What is committed."""
        assert self._journal is not None
        return [dict(row) for row in self._journal.execute(query, values)]

    def standing(self, symbol: str) -> Standing:
        if symbol not in self._standings:
            self._standings[symbol] = Standing(Coins(partial(self._terms, symbol)))
        return self._standings[symbol]

    def _terms(self, symbol: str, trader: int) -> tuple[int, int]:
        (row,) = self.rows(_TERMS, symbol, trader)
        return parse_rate(row["profit_interval"]), parse_rate(row["sell_fee"])

    def _ended(self, symbol: str) -> set[int]:
        return {row["number"] for row in self.rows(_ENDED, symbol)}

    def blame(self, number: int, what: str) -> None:
        self.violations.append(f"invariant {number}: {what}")

    # What naived asks, and what the exchange did

    def asked(self, params: dict[str, Any]) -> None:
        """An order was sent: it is signed for exactly the moment that is durable."""
        cid = params["newClientOrderId"]
        frame = cid, params["timestamp"]
        if frame in self._sent:
            self.blame(28, f"{cid} was sent twice as signed at {frame[1]}")
        self._sent.add(frame)
        if self.several and self._now() > params["timestamp"] + params["recvWindow"]:
            return  # of a node that was stopped: it is refused, and its row may have gone on
        if self._was_sent_before_the_loss(cid):
            return
        if self._server is not None and self.rows("SELECT server FROM deployment") != [{"server": self._server}]:
            self.blame(33, f"{cid} was signed at {frame[1]}, after a failover and before all was compared")
        rows = self.rows("SELECT signed_at, recv_window_ms FROM orders WHERE client_order_id = ?", cid)
        durable = [(_milliseconds(row["signed_at"]), row["recv_window_ms"]) for row in rows if row["signed_at"]]
        if durable != [(params["timestamp"], params["recvWindow"])]:
            self.blame(1, f"{cid} was signed for {params['timestamp']}, durable is {durable}")

    def placed(self, done: Done, exchange: Exchange) -> None:
        """An order was accepted, and perhaps executed at once."""
        order = done.order
        cid = order.client_order_id
        if not self.is_ours(order):
            return
        if cid in self.accepted:
            self.blame(2, f"{cid} was placed twice, as {self.accepted[cid].id} and as {order.id}")
        self.accepted[cid] = order
        if self._was_sent_before_the_loss(cid):
            self.saw(done.events)
            return
        if self._unmapped:
            self._map()
        rows = self.rows("SELECT * FROM orders WHERE client_order_id = ?", cid)
        if not rows:
            self.blame(1, f"{cid} was accepted and is not in the journal")
            self.saw(done.events)
            return
        (row,) = rows
        wanted = (row["symbol"], row["side"], parse_amount(row["price"]), parse_amount(row["quantity"]))
        if wanted != (order.symbol, order.side, order.price, order.quantity):
            self.blame(1, f"{cid} is {order.side} {order.quantity} at {order.price}, but was intended as {wanted}")
        if row["state"] not in ("intended", "unknown"):
            self.blame(1, f"{cid} was accepted while it was {row['state']}")
        standing = self.standing(order.symbol)
        self.traders[cid] = (order.symbol, row["trader"])
        market_open = list(exchange.markets[order.symbol].open.values())
        if order.side is Side.SELL:
            self._check_price(order, market_open)
        self.saw(done.events)
        # What a process sent before it died may arrive behind the first of the next one.
        if row["epoch"] < standing.epoch and _milliseconds(row["signed_at"]) >= standing.epoch_since:
            self.blame(15, f"{cid} is of epoch {row['epoch']}, signed after an order of {standing.epoch} was there")
        if row["epoch"] > standing.epoch:
            standing.epoch, standing.epoch_since = row["epoch"], self._now()
        self._check_wishes(order, standing)
        if order.side is Side.SELL:
            resting = sum(o.remaining for o in market_open if o.side is Side.SELL and self.is_ours(o))
            if standing.sold + resting > standing.bought:
                self.blame(5, f"{cid} sells what was never bought: {standing.sold + resting} of {standing.bought}")
        else:
            self._check_limits(order, row, standing)
            self._check_owners(order, row, exchange)

    def lost_commits(self, server: str) -> None:
        """This ``server`` of the database lacks the last commits: what it says binds, not what was told.

        Whose an order was that it lost is decided again until all symbols are compared.
        """
        self.losses += 1
        self._lost_at, self._server, self._unmapped = self._now(), server, True
        self._halted = None
        for standing in self._standings.values():
            standing.silent = standing.no_buys = None
            standing.epoch = standing.epoch_since = 0
        limits = self.rows("SELECT max_exposure FROM limits WHERE max_exposure IS NOT NULL")
        if not limits:
            self.cap = None

    def _was_sent_before_the_loss(self, cid: str) -> bool:
        return self._lost_at is not None and any(
            sent == cid and signed <= self._lost_at for sent, signed in self._sent
        )

    def _map(self) -> None:
        """Read again which trader each order is of, and count all fills anew."""
        self._unmapped = False
        for row in self.rows("SELECT client_order_id, symbol, trader FROM orders"):
            self.traders[row["client_order_id"]] = row["symbol"], row["trader"]
        self._spent.clear()
        for symbol, standing in self._standings.items():
            standing.coins = Coins(partial(self._terms, symbol))
        for order, fill in self._fills:
            self._count(order, fill)

    def _check_price(self, order: Order, market_open: list[Order]) -> None:
        resting = [
            (self._trader(each), each)
            for each in market_open
            if each.side is Side.SELL and self.is_ours(each) and each.id != order.id
        ]
        standing = self.standing(order.symbol)
        cheap = standing.coins.too_cheap(
            self._trader(order), order, resting, self._ended(order.symbol), standing.stop_loss
        )
        if cheap is not None:
            self.blame(24, f"{order.client_order_id}: {cheap}")

    def _check_owners(self, order: Order, row: dict[str, Any], exchange: Exchange) -> None:
        """What this buy spends is not what another symbol bought and has not sold.

        What was withdrawn since it was decided was there: it may have been on its way for a while.
        """
        asset = exchange.markets[order.symbol].listing.info.quote
        holders = [market for market in exchange.markets.values() if market.listing.info.base == asset]
        held = sum(self.standing(market.listing.info.symbol).coins.total for market in holders)
        if not held:
            return
        offered = sum(o.remaining for m in holders for o in m.open.values() if o.side is Side.SELL)
        decided = _milliseconds(row["created_at"])
        withdrawn = sum(amount for at, of, amount in self._withdrawn if of == asset and at >= decided)
        there = exchange.account.balance(asset).free + offered + withdrawn
        if there < held <= there + cost(order.side, order.price, order.quantity):
            self.blame(25, f"{order.client_order_id} spends {asset} of another symbol: {there} left of {held}")

    def withdrew(self, asset: str, amount: int) -> None:
        """The owner of the account took so much of an asset away."""
        self._withdrawn.append((self._now(), asset, amount))

    def _trader(self, order: Order) -> int:
        return self.traders.get(order.client_order_id, (order.symbol, 0))[1]

    def is_ours(self, order: Order) -> bool:
        return order.client_order_id.startswith(self.prefix)

    def _check_wishes(self, order: Order, standing: Standing) -> None:
        cid = order.client_order_id
        if standing.silent is not None and cid not in standing.silent:
            self.blame(10, f"{cid} was accepted after {order.symbol} was stopped")
        if order.side is Side.BUY and self._halted is not None and cid not in self._halted:
            self.blame(31, f"{cid} buys after the account was halted")
        if order.side is Side.BUY and standing.no_buys is not None and cid not in standing.no_buys:
            self.blame(12, f"{cid} buys after {order.symbol} was told to shut down")

    def _check_limits(self, order: Order, row: dict[str, Any], standing: Standing) -> None:
        cid, symbol = order.client_order_id, order.symbol
        age = _milliseconds(row["signed_at"]) - _milliseconds(row["decided_at"])
        if age > _STALE:
            self.blame(18, f"{cid} was decided on a trade {age} ms before it was signed")
        living = {trader["number"]: trader["phase"] for trader in self.rows(_BUYERS, symbol)}
        spent = sum(self._spent.get((symbol, number), 0) for number in living)
        lots = {number: batch for number, batch in standing.coins.unsold.items() if number not in living}
        spent += sum(batch.cost * batch.rest // batch.net for batch in lots.values())
        live = sum(self._reserved(row) for row in self.rows(_LIVE_BUYS, symbol))
        self._sample(symbol)
        # In force when it was decided, or since; of the last two before nobody knows which was.
        decided = bisect_left(standing.limits, (_milliseconds(row["created_at"]), 0, 0))
        recent = [limit for _, *limit in standing.limits[max(0, decided - 2) :]]
        budget, chunks = max(b for b, _ in recent), max(c for _, c in recent)
        if spent + live > budget:
            self.blame(6, f"{cid} commits {spent + live} of a budget of {budget}")
        busy = {number for number, phase in living.items() if phase != "waiting"}
        if len(busy) > chunks:
            self.blame(7, f"{cid} makes {len(busy)} traders of {chunks} chunks")
        exposed = sum(map(self._exposed, self._standings))
        if self.cap is not None and exposed > self.cap and _milliseconds(row["created_at"]) > self.cap_since:
            self.blame(29, f"{cid} makes the account's exposure {exposed} of {self.cap}")

    def _exposed(self, symbol: str) -> int:
        """What the coins of a symbol have cost, and what its buys at the exchange may still spend."""
        held = self.standing(symbol).coins.unsold.values()
        buys = (each for each in self.accepted.values() if each.symbol == symbol and each.side is Side.BUY)
        open_ = (value_up(each.price, each.remaining) for each in buys if not each.status.ended)
        return sum(batch.cost * batch.rest // batch.net for batch in held) + sum(open_)

    def _reserved(self, row: dict[str, Any]) -> int:
        """What a buy may still spend: by the exchange's knowledge of it, or all of it where that has none."""
        order = self.accepted.get(row["client_order_id"])
        if order is None:
            return value_up(parse_price(row["price"]), parse_quantity(row["quantity"]))
        return 0 if order.status.ended else value_up(order.price, order.remaining)

    def saw(self, events: tuple[Event, ...]) -> None:
        """What happened to orders: fills are counted."""
        for event in events:
            if not isinstance(event, Executed) or not self.is_ours(event.order):
                continue
            if event.fill is not None:
                self._filled(event.order, event.fill)

    def changed(self, order: Order) -> None:
        """An order of ours is as this from now on."""
        if order.client_order_id in self.accepted:
            self.accepted[order.client_order_id] = order

    def _filled(self, order: Order, fill: Fill) -> None:
        standing = self.standing(order.symbol)
        if order.side is Side.BUY:
            standing.bought += _net(order, fill)
        else:
            standing.sold += fill.quantity
        self._fills.append((order, fill))
        self._count(order, fill)

    def _count(self, order: Order, fill: Fill) -> None:
        """For its trader."""
        coins, trader = self.standing(order.symbol).coins, self._trader(order)
        if order.side is Side.BUY:
            coins.bought(trader, _net(order, fill), fill.quote)
            key = order.symbol, trader
            self._spent[key] = self._spent.get(key, 0) + fill.quote
        else:
            coins.sold(trader, fill.quantity, order.price, self._ended(order.symbol))

    def cancelled(self, order: Order, cancel_id: str) -> None:
        ours = cancel_id.startswith(self.prefix)
        if ours and not self.is_ours(order):
            self.blame(3, f"order {order.id} of somebody else was cancelled")
        if ours and order.side is Side.BUY:
            self._check_reason(order)

    def _check_reason(self, order: Order) -> None:
        """Nobody asked for it to be taken back: then the price has left the trade that it was decided on."""
        standing = self.standing(order.symbol)
        query = (
            "SELECT decided_at, orders.created_at, state, reprice_interval AS reprice FROM orders "
            "JOIN traders ON traders.symbol = orders.symbol AND number = trader WHERE client_order_id = ? "
            "AND orders.symbol NOT IN (SELECT scope FROM halts)"  # by its stop-loss
        )
        for row in self.rows(query, order.client_order_id):
            asked_for = standing.unwanted or _milliseconds(row["created_at"]) <= standing.unwanted_at
            # What another node was asked for it may do when nobody waits for the answer any more.
            asked_for = asked_for or self.rows(_STATUS, order.symbol) != [{"status": "on"}]
            if self._lied_to or self.owned or asked_for:
                continue
            if row["state"] not in ("open", "partially_filled"):
                continue  # one that was given up and turned up
            at = _milliseconds(row["decided_at"])
            since = [price for time, price in standing.prices if time >= at]
            lowest = min((price for time, price in standing.prices if time == at), default=0)
            limit = lowest + lowest * parse_rate(row["reprice"]) // SCALE
            if since and max(since) <= limit:
                self.blame(27, f"{order.client_order_id} was repriced at {max(since)}, its limit is {limit}")

    def traded(self, trade: PublicTrade) -> None:
        self.standing(trade.symbol).prices.append((trade.time, trade.price))

    def check_orphans(self, exchange: Exchange) -> None:
        """Once naived knows the fate of all its orders: each that is open is kept by a living row."""
        for market in exchange.markets.values():
            for order in filter(self.is_ours, market.open.values()):
                rows = self.rows("SELECT state FROM orders WHERE client_order_id = ?", order.client_order_id)
                states = [row["state"] for row in rows]
                if not states or states[0] in _NEVER_OPEN:
                    self.blame(3, f"{order.client_order_id} is open and its row is {states or 'missing'}")

    # What the person was told

    def stopped(self, symbol: str, unknown: Set[str]) -> None:
        self.standing(symbol).silent = frozenset(unknown)

    def shutting_down(self, symbol: str) -> None:
        """No buy from now on, but what is under way."""
        self.standing(symbol).no_buys = self.under_way(symbol)

    def under_way(self, symbol: str) -> frozenset[str]:
        """Orders that may have been sent, and whose answer is not known."""
        query = "SELECT client_order_id FROM orders WHERE symbol = ? AND state IN ('intended', 'unknown')"
        return frozenset(row["client_order_id"] for row in self.rows(query, symbol))

    def account_halted(self) -> None:
        """The halt of the account was answered: no buy of any symbol from now on, but what is under way."""
        query = "SELECT client_order_id FROM orders WHERE side = 'buy' AND state IN ('intended', 'unknown')"
        self._halted = frozenset(row["client_order_id"] for row in self.rows(query))

    def account_resumed(self) -> None:
        """Somebody asks for the end of the halt."""
        self._halted = None

    @contextmanager
    def unwanted(self, *symbols: str) -> Iterator[None]:
        """Meanwhile somebody asks for something that takes buys back."""
        standings = [self.standing(symbol) for symbol in symbols]
        for standing in standings:
            standing.unwanted += 1
        try:
            yield
        finally:
            for standing in standings:
                standing.unwanted -= 1
                standing.unwanted_at = self._now()

    def resumed(self, symbol: str) -> None:
        """Somebody asks for what a stop left behind to be sold."""
        standing = self.standing(symbol)
        if standing.silent is not None:
            standing.silent, standing.no_buys = None, standing.silent

    def started(self, symbol: str) -> None:
        """Somebody asks for a start: from now on anything goes."""
        standing = self.standing(symbol)
        standing.silent = standing.no_buys = None

    def limited(self, symbol: str, budget: int | None, chunks: int | None) -> None:
        """Somebody asks for other limits; whether they come into force or not, from now on they may be."""
        self._sample(symbol)
        at, in_force, allowed = self.standing(symbol).limits[-1]
        self.standing(symbol).limits.append((at, budget or in_force, chunks or allowed))

    def _sample(self, symbol: str) -> None:
        """Remember the limits that are in force now."""
        rows = self.rows("SELECT budget, chunks FROM settings WHERE symbol = ?", symbol)
        budget = parse_amount(rows[0]["budget"] or "0") if rows else 0
        self.standing(symbol).limits.append((self._now(), budget, rows[0]["chunks"] if rows else 0))


class WatchedExchange(Exchange):
    """The simulator's engine, with the oracle inside."""

    def __init__(self, *args: Any, oracle: Oracle, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._oracle = oracle

    @contextmanager
    def step(self, market: Market) -> Iterator[Step]:
        """Whoever changes an order, by a request or by hand, does it in a step."""
        with super().step(market) as step:
            yield step
        for order in step._change.orders.values():
            self._oracle.changed(order)

    def place(self, new: NewOrder) -> Done:
        done = super().place(new)
        self._oracle.placed(done, self)
        return done

    def cancel(self, symbol: str, order_id: int, cancel_id: str) -> Done:
        done = super().cancel(symbol, order_id, cancel_id)
        self._oracle.cancelled(done.order, cancel_id)
        self._oracle.saw(done.events)
        return done

    def trade(
        self, symbol: str, price: Price, quantity: Quantity, *, buyer_is_maker: bool = False
    ) -> tuple[PublicTrade, tuple[Event, ...]]:
        trade, events = super().trade(symbol, price, quantity, buyer_is_maker=buyer_is_maker)
        self._oracle.traded(trade)
        self._oracle.saw(events)
        return trade, events


def _net(order: Order, fill: Fill) -> int:
    """The coins of a buy, without the fee that was taken from them."""
    return fill.quantity - (fill.fee if order.symbol.startswith(fill.fee_asset) else 0)


def _milliseconds(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
