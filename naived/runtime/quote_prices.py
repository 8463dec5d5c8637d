"""What one of each quote asset is worth in the account's currency; ``valuation.py`` asks.

The last price counts also while the exchange does not tell one, as of a pair that it does not trade any more. So it
is durable, in a row of ``gains`` whose name no symbol can have.
"""

from collections.abc import Collection

from naived.core.amount import SCALE, Money, Price
from naived.core.risk import Gain
from naived.runtime.fee_prices import FeePrices
from naived.runtime.funds import AccountFunds


class QuotePrices:
    def __init__(self, funds: AccountFunds, prices: FeePrices) -> None:
        self._funds = funds
        self._prices = prices
        self._last: dict[str, Price] = {}

    def price(self, quote: str) -> Price | None:
        """The one that is told, else the last one; None if none was ever told."""
        told = self._told(quote)
        if told is not None:
            self._last[quote] = told
        elif quote not in self._last:
            written = self._funds.account.gains.get(self._name(quote))
            return None if written is None else written.price
        return self._last[quote]

    def is_awaited(self, quote: str) -> bool:
        """Did the exchange not answer yet whether there is one?"""
        return bool(quote) and not self._prices.answered(quote, self._funds.account.currency)

    def doubt(self, quote: str) -> str | None:
        """Why what is counted in this asset is in doubt; None if it is not."""
        if self._told(quote) is not None:
            return None
        pair = f"{quote} in {self._funds.account.currency}"
        if self.price(quote) is not None:
            return f"no price of {pair} is told now, the last one counts"
        return f"it is not counted, as no price of {pair} is known"

    def unwritten(self, quotes: Collection[str]) -> dict[str, Gain]:
        """Of these the prices that are told, but for those that were last written."""
        account, found = self._funds.account, {}
        for quote in quotes:
            price, name = self._told(quote), self._name(quote)
            gain = Gain(account.currency, Money(0), price)
            if quote != account.currency and price is not None and account.gains.get(name) != gain:
                found[name] = gain
        return found

    def _told(self, quote: str) -> Price | None:
        currency = self._funds.account.currency
        if quote == currency:
            return Price(SCALE)
        return self._prices.price(quote, currency) if quote else None

    def _name(self, quote: str) -> str:
        return f"{quote}/{self._funds.account.currency}"
