"""The balances of the account, and what has left it since each of them was told.

A fill and the balance behind it are two events, and either may be late or lost. Both have the exchange's time of
the change, so it is known what a balance lacks. Of several changes in one millisecond a balance may lack the last
ones: it has as many as it went down by since the one before.
"""

from collections.abc import Iterable, Mapping, Sequence

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
        self._spent: dict[str, list[tuple[int, int]]] = {}  # times and amounts that a balance may lack, by asset
        # Time and sum of the newest balance of an earlier millisecond, less what is known to have left since.
        self._before: dict[str, tuple[int, int]] = {}

    def of(self, asset: str) -> Balance | None:
        """None if it is nothing, or not known."""
        return self._known.get(asset)

    def learn(self, balances: Mapping[str, Balance], time: int, *, all_assets: bool = False) -> None:
        """Of these assets the account had this at ``time``; with ``all_assets`` nothing of any other.

        What is known of a later time stays: an answer may be overtaken by an event.
        """
        for asset in {*balances, *self._known} if all_assets else balances:
            told = self._times.get(asset, 0)
            if time < told:
                continue
            spent = self._spent.pop(asset, [])
            if time > told and told:
                left = sum(amount for at, amount in spent if told <= at < time) - self._seen(asset, spent)
                self._before[asset] = told, _sum(self._known[asset]) - left
            self._times[asset] = time
            self._known[asset] = balances.get(asset, _NOTHING)
            self._spent[asset] = [each for each in spent if each[0] >= time]

    def spend(self, base: str, quote: str, orders: Iterable[OrderState], fills: Iterable[Fill]) -> None:
        """Take in fills that were booked, each once; ``orders`` are those they are of."""
        buys = {order.order_id for order in orders if order.intent.side is Side.BUY}
        for fill in fills:
            asset, amount = (quote, fill.quote) if fill.order_id in buys else (base, fill.quantity)
            self._leaves(asset, amount, fill.time)
            self._leaves(fill.fee_asset, fill.fee, fill.time)

    def unseen(self, asset: str) -> int:
        """What has left the account since its balance of this asset was told."""
        spent = self._spent.get(asset, [])
        return sum(amount for _, amount in spent) - self._seen(asset, spent)

    def _seen(self, asset: str, spent: Sequence[tuple[int, int]]) -> int:
        """What the balance has of the changes of its own millisecond."""
        told = self._times.get(asset, 0)
        left = sum(amount for at, amount in spent if at == told)
        if not left or asset not in self._before:
            return 0
        return max(0, min(left, self._before[asset][1] - _sum(self._known[asset])))

    def _leaves(self, asset: str, amount: int, time: int) -> None:
        if not amount:
            return
        if time >= self._times.get(asset, 0):
            self._spent.setdefault(asset, []).append((time, amount))
        elif asset in self._before and time >= self._before[asset][0]:
            before, whole = self._before[asset]
            self._before[asset] = before, whole - amount


def _sum(balance: Balance) -> int:
    return balance.free + balance.locked
