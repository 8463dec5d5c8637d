"""What must hold of the journal between any two of its commits; only what is committed is seen."""

from collections.abc import Callable
from typing import Any

from naived.core.amount import Amount, parse_amount
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

    def look(self, unit: Unit) -> None:
        """After a commit of this unit was tried, whatever came of it."""
        for order in unit.orders:
            self._look_at_order(order.client_order_id)
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

    def _look_at_traders(self, symbol: str) -> None:
        """A fill, the phase it leads to and the intent that follows are one transaction."""
        for row in self._rows(_UNPAIRED, symbol):
            if row["state"] is None or row["state"] in TERMINAL:
                self._blame(23, f"{symbol}-{row['number']} is {row['phase']} while its order is {row['state']}")
