"""The balances of the account, and what has left it since each of them was told.

A fill and the balance behind it are two events, and either may be late or lost. Both have the exchange's time of
the change, so it is known what a balance lacks. One of the same millisecond may be behind another change of it, and
lacks the fill: whatever happens next on the account tells.
"""

from collections.abc import Iterable, Mapping

from naived.core.amount import Amount
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill
from naived.core.orders.state import OrderState
from naived.ports import Balance

_NOTHING = Balance(Amount(0), Amount(0))


class Balances:
    """The newest that is known, by asset. Times are exchange ms."""

    def __init__(self) -> None:
        self._known: dict[str, Balance] = {}
        self._times: dict[str, int] = {}
        self._spent: dict[str, list[tuple[int, int]]] = {}  # times and amounts that a balance lacks, by asset

    def of(self, asset: str) -> Balance | None:
        """None if it is nothing, or not known."""
        return self._known.get(asset)

    def learn(self, balances: Mapping[str, Balance], time: int, *, all_assets: bool = False) -> None:
        """Of these assets the account had this at ``time``; with ``all_assets`` nothing of any other.

        What is known of a later time stays: an answer may be overtaken by an event.
        """
        for asset in {*balances, *self._known} if all_assets else balances:
            if time < self._times.get(asset, 0):
                continue
            self._times[asset] = time
            self._known[asset] = balances.get(asset, _NOTHING)
            spent = [each for each in self._spent.pop(asset, ()) if each[0] >= time]
            if spent:
                self._spent[asset] = spent

    def spend(self, base: str, quote: str, orders: Iterable[OrderState], fills: Iterable[Fill]) -> None:
        """Take in fills that were booked, each once; ``orders`` are those they are of."""
        buys = {order.order_id for order in orders if order.intent.side is Side.BUY}
        for fill in fills:
            asset, amount = (quote, fill.quote) if fill.order_id in buys else (base, fill.quantity)
            self._leaves(asset, amount, fill.time)
            self._leaves(fill.fee_asset, fill.fee, fill.time)

    def unseen(self, asset: str) -> int:
        """What has left the account since its balance of this asset was told."""
        return sum(amount for _, amount in self._spent.get(asset, ()))

    def _leaves(self, asset: str, amount: int, time: int) -> None:
        if amount and time >= self._times.get(asset, 0):
            self._spent.setdefault(asset, []).append((time, amount))
