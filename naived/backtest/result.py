"""What is backtested, and what was found. The runs fill a ``Result``; reports and the command show it.

Amounts are exact integers of 10^-8, times ms since 1970.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import Struct

from naived.core.amount import SCALE, Money, Price, Quantity, Rate, money_down
from naived.core.market import SymbolInfo
from naived.core.orders.report import Fill
from naived.core.orders.state import OrderState
from naived.core.risk import NO_LIMITS, Halt, Limits
from naived.core.strategy.lots import Lots
from naived.core.strategy.settings import Settings
from naived.core.strategy.trader_state import Trader


@dataclass(frozen=True, slots=True)
class Rules:
    """What the exchange's list says of the symbol: its rules as naived reads them, and what only a market needs.

    ``names``: older names of filters, as they appear in refusals. ``average_minutes``: of the average price, 0
    for the last price.
    """

    info: SymbolInfo
    names: Mapping[str, str]
    average_minutes: int


@dataclass(frozen=True, slots=True)
class Setup:
    """What to backtest. ``latency`` (ms) passes between a decision and its arrival at the exchange.

    ``limits`` are those of the account, in the quote asset.
    """

    rules: Rules
    settings: Settings
    fee: Rate
    latency: int = 0
    limits: Limits = NO_LIMITS


class Moment(Struct, frozen=True):
    """The symbol after something happened, until the next moment.

    ``cash`` and ``coins`` are what all fills so far changed of the quote and the base asset, fees included; at a
    price p the profit, realised and not, is cash + coins * p * (1 - fee). ``held_cost`` is what held coins cost,
    ``tied_up`` the quote money in resting buys. ``positions`` counts the traders that hold coins to sell. ``part``
    and ``index`` are the trade in the tape.
    """

    part: int
    index: int
    time: int
    price: Price
    cash: Money
    coins: Quantity
    held_cost: Money
    tied_up: Money
    positions: int


@dataclass(frozen=True, slots=True)
class Result:
    """``profit`` is that of finished cycles, as in ``status``; ``fees`` are valued in the quote asset at each fill.

    ``max_drawdown`` is the largest fall from the peak of realised and unrealised profit, over every trade of the
    tape. ``max_tied_up`` is the most of held cost and resting buys together. ``in_market`` is the time (ms) in
    which a trader held coins. ``buy_and_hold`` is the profit of the budget spent at the first price and sold at the
    last, with both fees. ``events`` are the moments at which anything changed; ``cycles`` are finished traders.
    ``halts`` are those of the account's limits and of the symbol by its stop-loss, oldest first. ``idle`` is why
    nothing was bought, None if something was.
    """

    setup: Setup
    trades_scanned: int
    events: int
    load_seconds: float
    scan_seconds: float
    profit: Money
    fees: Money
    held: Quantity
    held_cost: Money
    lots: Lots
    max_tied_up: Money
    max_drawdown: Money
    buy_and_hold: Money
    first_price: Price
    last_price: Price
    began: int
    ended: int
    in_market: int
    moments: tuple[Moment, ...]
    fills: tuple[Fill, ...]
    cycles: tuple[Trader, ...]
    orders: tuple[OrderState, ...]
    halts: tuple[Halt, ...]
    idle: str | None
    warnings: tuple[str, ...]

    @property
    def ended_by(self) -> Halt | None:
        """The halt after which nothing is bought to the end of the tape, as nobody resumes; None without one."""
        return next((halt for halt in self.halts if halt.until is None), None)

    @property
    def unrealized(self) -> Money:
        """The profit if all coins were sold at the last price, after the fee."""
        scale = SCALE * SCALE
        return Money(money_down(self.held * self.last_price * (SCALE - self.setup.fee), scale) - self.held_cost)
