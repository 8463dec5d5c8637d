"""The naive strategy's arithmetic: each price and quantity as DESIGN's table says, in exact integers."""

from dataclasses import dataclass

from naived.core.amount import Money, Quantity, Rate


@dataclass(frozen=True, slots=True)
class Fees:
    """Commission rates a new trader reckons with: the larger of maker and taker, all parts summed."""

    buy: Rate
    sell: Rate


@dataclass(frozen=True, slots=True)
class Leftover:
    """Coins too few to sell, and what they cost; carried into the symbol's next sell."""

    quantity: Quantity = Quantity(0)
    cost: Money = Money(0)

    def __add__(self, other: "Leftover") -> "Leftover":
        return Leftover(Quantity(self.quantity + other.quantity), Money(self.cost + other.cost))


NO_LEFTOVER = Leftover()
