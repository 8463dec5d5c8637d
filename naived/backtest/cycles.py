"""The finished cycles of a backtest as ``naivectl trades`` has them, as documents and as CSV."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, TextIO

from naived.backtest.result import Result
from naived.control.answers import cycle
from naived.core.amount import Amount, Money, Quantity
from naived.core.strategy.formulas import Bought
from naived.core.strategy.trader_state import Finished
from naived.ports import CycleRow
from naived.process.complaint import printable

COLUMNS = (
    *("symbol", "trader", "bought", "buy_price", "sold", "sell_price", "fees", "fees_valued", "profit"),
    *("started_at", "finished_at"),
)


def documents(result: Result) -> Iterator[dict[str, Any]]:
    """Each cycle as an entry of ``naivectl trades --json``, in the order in which they finished."""
    fees = _fees(result)
    nothing = Bought(result.first_price)
    for number, trader in enumerate(result.cycles, 1):
        phase = trader.phase
        assert isinstance(phase, Finished)
        bought, sold = phase.bought or nothing, phase.sold
        yield cycle(
            CycleRow(
                row=number,
                symbol=trader.symbol,
                number=trader.number,
                bought=bought.quantity,
                cost=bought.cost,
                sold=Quantity(sold.quantity),
                received=Money(sold.received),
                profit=phase.profit or Money(0),
                buy_fees_valued=bought.fees_valued,
                sell_fees_valued=sold.fees_valued,
                started_at=trader.started_at,
                finished_at=trader.since,
                fees=fees[trader.number],
            )
        )


def _fees(result: Result) -> defaultdict[int, dict[str, Amount]]:
    """What each trader paid, by its number and the asset."""
    owners = {order.order_id: order.intent.trader for order in result.orders}
    fees: defaultdict[int, dict[str, Amount]] = defaultdict(dict)
    for fill in result.fills:
        paid = fees[owners[fill.order_id]]
        paid[fill.fee_asset] = Amount(paid.get(fill.fee_asset, 0) + fill.fee)
    return fees


def write_csv(result: Result, file: TextIO) -> None:
    """The cycles with a heading; ``fees`` is ``AMOUNT ASSET`` of each."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for document in documents(result):
        paid = " ".join(f"{amount} {printable(asset)}" for asset, amount in document["fees"].items())
        writer.writerow([paid if name == "fees" else document[name] for name in COLUMNS])
