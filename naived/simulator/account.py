"""The account: free and locked balances. Orders, fills, deposits and withdrawals change them.

An open order locks what it may still spend: a sell its remaining quantity, a buy the remaining quantity at its
own price, rounded up. A fill is paid from the locked amount; what a better price saves returns to ``free``. The fee
is taken from what is received or from a third asset while that lasts, rounded up at 8 decimals.
"""

from collections.abc import Mapping

from naived.core.amount import SCALE, Amount, Money, Price, Quantity, Rate, amount_up, value_up
from naived.core.market import SymbolInfo
from naived.core.orders.intent import Side
from naived.core.orders.report import Fill
from naived.simulator.errors import rejected
from naived.simulator.order import Balance, FeeAsset, Order, OrderType

NOTHING = Balance(Amount(0), Amount(0))


def cost(side: Side, price: Price, quantity: Quantity) -> Amount:
    """What an order of this quantity spends at most: quote money for a buy, the base asset for a sell."""
    return Amount(value_up(price, quantity) if side is Side.BUY else quantity)


def held(order: Order | None) -> Amount:
    """What an order locks now. A MARKET order never rests, so it locks nothing."""
    if order is None or order.status.ended or order.type is OrderType.MARKET:
        return Amount(0)
    return cost(order.side, order.price, order.remaining)


def fee(rate: Rate, side: Side, quantity: Quantity, quote: Money) -> Amount:
    """The commission on one fill, in the received asset."""
    return amount_up((quantity if side is Side.BUY else quote) * rate, SCALE)


def fee_elsewhere(rate: Rate, quote: Money, fees: FeeAsset) -> Amount:
    """The commission on one fill worth ``quote``, in a third asset: less its discount, at its price."""
    return amount_up(quote * rate * (SCALE - fees.discount), SCALE * fees.price)


class Account:
    """Balances by asset, changed only by ``move``."""

    def __init__(self, balances: Mapping[str, Balance]) -> None:
        self._balances = dict(balances)

    def balance(self, asset: str) -> Balance:
        return self._balances.get(asset, NOTHING)

    def balances(self) -> dict[str, Balance]:
        return dict(self._balances)

    def require(self, asset: str, amount: Amount) -> None:
        """Raises ApiError -2010 if less than ``amount`` is free."""
        if self.balance(asset).free < amount:
            raise rejected("Account has insufficient balance for requested action.")

    def move(self, info: SymbolInfo, before: Order | None, after: Order, fill: Fill | None) -> None:
        """Book one change of an order: the change of its locked amount, and its fill."""
        spent_asset, received_asset = (info.quote, info.base) if after.side is Side.BUY else (info.base, info.quote)
        unlocked = held(before) - held(after)
        spent = received = 0
        if fill is not None:
            spent, received = (fill.quote, fill.quantity) if after.side is Side.BUY else (fill.quantity, fill.quote)
        self._add(spent_asset, free=unlocked - spent, locked=-unlocked)
        self._add(received_asset, free=received, locked=0)
        if fill is not None:
            self._add(fill.fee_asset, free=-fill.fee, locked=0)

    def set_free(self, asset: str, free: Amount) -> int:
        """A deposit or withdrawal, after which ``free`` is free; returns the change."""
        change = free - self.balance(asset).free
        self._add(asset, free=change, locked=0)
        return change

    def restore(self, balances: Mapping[str, Balance]) -> None:
        """Go back to earlier balances: the step that changed them failed."""
        self._balances = dict(balances)

    def _add(self, asset: str, *, free: int, locked: int) -> None:
        old = self.balance(asset)
        new = Balance(Amount(old.free + free), Amount(old.locked + locked))
        assert new.free >= 0, f"{asset} overspent"
        assert new.locked >= 0, f"{asset} unlocked twice"
        self._balances[asset] = new
