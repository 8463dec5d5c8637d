"""What a trader is: its terms, and the one phase of its cycle it is in.

A phase holds only what is true in it: ``Waiting`` has no order, ``Buying`` and ``Selling`` have exactly one.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias, assert_never

from naived.core.amount import Money, Price, Quantity, Rate
from naived.core.order import Fill, Intent
from naived.core.strategy import NO_LEFTOVER, Fees, Leftover, dust_cost


@dataclass(frozen=True, slots=True)
class Terms:
    """What a trader was made with and keeps: its share of the budget, its intervals, the fees it reckons with."""

    budget: Money
    chunks: int
    buy_down: Rate
    profit: Rate
    rebuy: Rate
    reprice: Rate
    fees: Fees


@dataclass(frozen=True, slots=True)
class Bought:
    """What a buy left us: gross quantity, what was paid in quote, fees that were taken in the base asset."""

    limit: Price
    quantity: Quantity = Quantity(0)
    cost: Money = Money(0)
    base_fees: Quantity = Quantity(0)

    @property
    def net(self) -> Quantity:
        return Quantity(self.quantity - self.base_fees)

    def part(self, quantity: Quantity) -> "Bought":
        """The share of ``quantity`` (> 0), fees and all where that is everything."""
        return (
            self if quantity >= self.net else Bought(self.limit, quantity, dust_cost(self.cost, quantity, self.net))
        )

    def without(self, part: "Bought") -> "Bought":
        return Bought(
            self.limit,
            Quantity(self.quantity - part.quantity),
            Money(self.cost - part.cost),
            Quantity(self.base_fees - part.base_fees),
        )

    def book(self, fill: Fill, base: str, quote: str) -> "Bought":
        """With one more fill of the buy; a fee in a third asset changes neither side."""
        return replace(
            self,
            quantity=Quantity(self.quantity + fill.quantity),
            cost=Money(self.cost + fill.quote + (fill.fee if fill.fee_asset == quote else 0)),
            base_fees=Quantity(self.base_fees + (fill.fee if fill.fee_asset == base else 0)),
        )


@dataclass(frozen=True, slots=True)
class Sold:
    """What the sells of one trader brought so far: base sold, quote received, fees in quote (and in base)."""

    quantity: Quantity = Quantity(0)
    received: Money = Money(0)
    quote_fees: Money = Money(0)
    base_fees: Quantity = Quantity(0)

    def book(self, fill: Fill, base: str, quote: str) -> "Sold":
        """With one more fill of a sell; a fee in a third asset changes neither side."""
        return Sold(
            Quantity(self.quantity + fill.quantity),
            Money(self.received + fill.quote),
            Money(self.quote_fees + (fill.fee if fill.fee_asset == quote else 0)),
            Quantity(self.base_fees + (fill.fee if fill.fee_asset == base else 0)),
        )


class Hold(StrEnum):
    """Why bought coins are not offered for sale right now."""

    STOPPED = "stopped"
    BY_HAND = "cancelled by hand"
    EXPIRED = "expired"
    BALANCE = "balance"
    FILTER = "filter"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Waiting:
    """For a trade later than ``after`` (exchange ms). ``reason``: why it did not buy on the last one."""

    after: int = 0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Buying:
    intent: Intent
    bought: Bought
    accepted: bool = False  # does the exchange have it? Only then is the rebuy measured
    cancelling: bool = False


@dataclass(frozen=True, slots=True)
class Holding:
    """Coins without a live sell; sold again at ``retry_at`` (exchange ms), or when a person says so (None)."""

    bought: Bought
    hold: Hold
    reason: str
    retry_at: int | None
    carried: Leftover = NO_LEFTOVER
    sold: Sold = Sold()
    failures: int = 0  # of the sell, in a row: the back-off


@dataclass(frozen=True, slots=True)
class Selling:
    bought: Bought
    intent: Intent
    carried: Leftover = NO_LEFTOVER
    sold: Sold = Sold()
    failures: int = 0
    cancelling: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """``profit`` is None for a trader that neither sold nor wrote off anything."""

    bought: Bought | None
    sold: Sold
    carried: Leftover
    dust: Leftover
    profit: Money | None
    reason: str | None = None


Phase: TypeAlias = Waiting | Buying | Holding | Selling | Finished


@dataclass(frozen=True, slots=True)
class Trader:
    """``buys`` and ``sells`` count the intents of each side; ``since``: when the phase began (exchange ms)."""

    symbol: str
    number: int
    terms: Terms
    phase: Phase
    started_at: int
    since: int
    rebuy_notified: bool = False
    buys: int = 0
    sells: int = 0

    @property
    def id(self) -> str:
        return f"{self.symbol}-{self.number}"


def position(trader: Trader) -> Leftover:
    """The coins a trader owns right now, and what they cost."""
    match trader.phase:
        case Buying(bought=bought):
            return Leftover(bought.net, bought.cost)
        case Holding(bought, carried=carried, sold=sold) | Selling(bought, carried=carried, sold=sold):
            have = Quantity(bought.net + carried.quantity)
            rest = Quantity(have - sold.quantity - sold.base_fees)
            return Leftover(rest, dust_cost(Money(bought.cost + carried.cost), rest, have))
        case Waiting() | Finished():
            return NO_LEFTOVER
        case _:
            assert_never(trader.phase)
