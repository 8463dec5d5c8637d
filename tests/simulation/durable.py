"""What must hold of the journal between any two of its commits; only what is committed is seen."""

from collections.abc import Callable
from typing import Any

import trio

from naived.core.amount import Amount, parse_amount, parse_money
from naived.core.orders.intent import Side
from naived.core.orders.state import TERMINAL, State
from naived.ports import Unit

Rows = Callable[..., list[dict[str, Any]]]

_EXECUTED = (State.FILLED, State.CANCELLED, State.EXPIRED)  # ends that fills may have led to
_UNPAIRED = """
    SELECT number, phase, orders.state FROM traders
    LEFT JOIN orders ON orders.symbol = traders.symbol AND orders.trader = number AND orders.seq = traders.seq
        AND side = CASE phase WHEN 'buying' THEN 'buy' ELSE 'sell' END
    WHERE traders.symbol = ? AND phase IN ('buying', 'selling')
"""


class Durable:
    """``rows`` reads the journal, ``blame`` takes the number of an invariant and a sentence."""

    def __init__(self, rows: Rows, blame: Callable[[int, str], None]) -> None:
        self._rows = rows
        self._blame = blame
        self._known: dict[str, tuple[State, Amount]] = {}
        self._halted = False
        self._worth: dict[str, Any] | None = None
        self._looked = trio.Event()

    async def more(self, units: int) -> None:
        """Wait until so many more were committed, or refused."""
        for _ in range(units):
            await self._looked.wait()

    def forget(self) -> None:
        """The database lost commits."""
        self._known.clear()
        self._halted = bool(self._rows("SELECT * FROM halts WHERE scope = ''"))
        self._worth = None

    def look(self, unit: Unit) -> None:
        """After a commit of this unit was tried, whatever came of it."""
        self._looked.set()
        self._looked = trio.Event()
        for order in unit.orders:
            before, _ = self._known.get(order.client_order_id, (State.NOT_PLACED, Amount(0)))
            self._look_at_order(order.client_order_id)
            after, _ = self._known.get(order.client_order_id, (before, Amount(0)))
            buys = order.intent.side is Side.BUY and before is State.NOT_PLACED
            if self._halted and buys and after is State.INTENDED:
                self._blame(31, f"{order.client_order_id} is to be sent, and the account was halted before")
        if unit.halt is not None and not unit.symbol:
            self._halted = bool(self._rows("SELECT * FROM halts WHERE scope = ''"))
        if unit.worth is not None:
            self._look_at_worth()
        if unit.traders or unit.orders:
            self._look_at_traders(unit.symbol)

    def _look_at_order(self, cid: str) -> None:
        """Ends are final, what was executed only grows, and an end has all its fills."""
        for row in self._rows("SELECT * FROM orders WHERE client_order_id = ?", cid):
            state, executed = State(row["state"]), parse_amount(row["executed"])
            before, least = self._known.get(cid, (State.NOT_PLACED, Amount(0)))
            self._known[cid] = state, executed
            if before in TERMINAL and state not in (before, State.QUARANTINED):
                self._blame(9, f"{cid} was {before} and is {state}")
            if executed < least:
                self._blame(9, f"{cid} had executed {least} and has {executed}")
            if row["order_id"] is None:
                continue
            key = row["symbol"], row["order_id"]
            fills = self._rows("SELECT quantity FROM fills WHERE symbol = ? AND order_id = ?", *key)
            filled = sum(parse_amount(fill["quantity"]) for fill in fills)
            if filled != executed:
                self._blame(9, f"{cid} has executed {executed}, its fills are {filled}")
            if state in _EXECUTED and parse_amount(row["reported"]) != executed and row["reason"] is None:
                self._blame(9, f"{cid} is {state} with {executed}, the exchange said {row['reported']}")

    def _look_at_worth(self) -> None:
        """Only a resume lowers the peak, and moves the start within a day."""
        (now,) = self._rows("SELECT * FROM worth") or [None]
        before, self._worth = self._worth, now
        if before is None or now is None or now["round"] != before["round"]:
            return
        if parse_money(now["peak"]) < max(parse_money(before["peak"]), parse_money(now["value"])):
            self._blame(32, f"the peak was {before['peak']} and is {now['peak']} at {now['value']}")
        if now["day"] == before["day"] and now["day_start"] != before["day_start"]:
            self._blame(32, f"the day began with {before['day_start']} and now with {now['day_start']}")

    def _look_at_traders(self, symbol: str) -> None:
        """A fill, the phase it leads to and the intent that follows are one transaction."""
        for row in self._rows(_UNPAIRED, symbol):
            if row["state"] is None or row["state"] in TERMINAL:
                self._blame(23, f"{symbol}-{row['number']} is {row['phase']} while its order is {row['state']}")
