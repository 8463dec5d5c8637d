"""The account's limits in a backtest, applied to its one symbol: the same arithmetic as in the daemon.

The account begins with the budget and nothing else, so the reserve is taken out of that; what cycles earn is free
money. A loss is looked at on every believed trade that could reach a limit, where the daemon looks once a second.
A drawdown's halt lasts to the end of the tape: nobody resumes.
"""

from msgspec.structs import replace

from naived.backtest.market import Market
from naived.core.amount import SCALE, Money, Price, Quantity, Rate, money_down
from naived.core.losses import begun, measured, reached, with_limit
from naived.core.risk import Halt, Limits, too_exposed
from naived.core.strategy.day import DAY
from naived.core.strategy.leader_state import Leader
from naived.core.strategy.summary import exposure, tied_up
from naived.core.strategy.view import Funds

_SQUARE = SCALE * SCALE
_NONE = (-1, 1 << 62)


class AccountLimits:
    """``halt`` is the account's now, ``halts`` are all that there were."""

    def __init__(self, limits: Limits, budget: Money, quote: str, fee: Rate, now: int) -> None:
        self.halt: Halt | None = None
        self.halts: list[Halt] = []
        self._limits = limits
        self._budget = budget
        self._quote = quote
        self._left = SCALE - fee  # of what is sold
        self._worth = begun(Money(0), now, quote)

    @property
    def due(self) -> int | None:
        """When (ms) a day begins, if that matters."""
        return (self._worth.day + 1) * DAY if self._limits.max_daily_loss is not None else None

    def bounds(self, market: Market) -> tuple[int, int]:
        """The open interval of prices at which no limit is reached and the peak stays what it is."""
        limits, worth, coins = self._limits, self._worth, market.coins * self._left
        trips = []
        if limits.max_drawdown is not None and (self.halt is None or self.halt.until is not None):
            trips.append(worth.peak - limits.max_drawdown)
        if limits.max_daily_loss is not None and self.halt is None:
            trips.append(worth.start - limits.max_daily_loss)
        if not trips or coins <= 0:
            return _NONE
        # The highest price whose value is at most the higher of them, and the lowest whose value is above the peak.
        low = -(-(max(trips) - market.cash + 1) * _SQUARE // coins) - 1
        high = -(-(worth.peak - market.cash + 1) * _SQUARE // coins)
        return low, high if limits.max_drawdown is not None else _NONE[1]

    def look(self, market: Market, price: Price, now: int) -> bool:
        """Take in what the trading is worth at this price; does that change the halt?"""
        value = Money(market.cash + money_down(market.coins * price * self._left, _SQUARE))
        worth = self._worth
        if now // DAY > worth.day:
            worth = replace(worth, value=value)  # nobody looked at the last price of the day before until now
        self._worth = measured(worth, value, now)
        before = halt = self.halt
        if halt is not None and halt.until is not None and halt.until <= now:
            halt = None
        limit = reached(self._limits, self._worth, now)
        self.halt = halt if limit is None else with_limit(halt, limit)
        if self.halt is not None and self.halt != before:
            self.halts.append(self.halt)
        return self.halt != before

    def funds(self, leader: Leader, market: Market, position: Quantity | None) -> Funds:
        """What a buy may take."""
        limits, tied = self._limits, exposure(leader).money
        room = None if limits.max_exposure is None else Money(limits.max_exposure - tied)
        words = "" if limits.max_exposure is None else too_exposed(tied, limits.max_exposure, self._quote)
        reserve = limits.reserve or Money(0)
        free = self._budget + market.cash - tied_up(leader) - reserve
        return Funds(Money(free) if reserve else None, position, room, words, reserve)
