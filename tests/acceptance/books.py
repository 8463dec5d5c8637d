"""Do the exchange's ledger, `naivectl` and the database tell the same story, to the last digit?"""

from collections import Counter
from decimal import Decimal, localcontext

import sqlalchemy as sa

from naived.control.protocol import format_time
from tests.acceptance.harness import Daemon, Document, Exchange, until

_DIGITS = 50  # more than any sum here has: nothing is rounded
_OURS = "n1"  # how every client order id of naived begins
_STATES = {
    "NEW": "open",
    "PARTIALLY_FILLED": "partially_filled",
    "FILLED": "filled",
    "CANCELED": "cancelled",
    "EXPIRED": "expired",
    "EXPIRED_IN_MATCH": "expired",
}
_NEVER_THERE = {"not_placed", "abandoned", "rejected"}


def agree(exchange: Exchange, daemon: Daemon, database: str, symbol: str, funds: Decimal) -> None:
    """All of it; ``funds`` is the quote money that the account began with, for this symbol alone."""
    with localcontext(prec=_DIGITS):
        _quiet(exchange, daemon, symbol)
        _cycles_have_the_ledgers_fees(exchange, daemon, symbol)
        _money_is_conserved(exchange, daemon, database, symbol, funds)


def _quiet(exchange: Exchange, daemon: Daemon, symbol: str) -> None:
    """Wait until the last trade of a held tape is heard and all that follows from it is booked."""
    price = exchange.call("ticker.price", symbol=symbol)["price"]
    now = format_time(exchange.call("time")["serverTime"])

    def heard() -> bool:
        exchange.trade(price, symbol)  # again each time: one that is published while a stream is renewed is lost
        row = daemon.symbol(symbol)
        return row["state"] == "off" or (row["last_trade_at"] or "") >= now

    until(heard)
    until(lambda: not daemon.unsettled(symbol) and not differing(exchange, daemon, symbol))


def differing(exchange: Exchange, daemon: Daemon, symbol: str) -> list[str]:
    """The client order ids of which the ledger and ``orders`` do not say the same; twice in the ledger counts.

    Orders by hand are none of ours.
    """
    ledger = [order for order in exchange.orders(symbol=symbol) if order["clientOrderId"].startswith(_OURS)]
    listed = {order["client_order_id"]: order for order in daemon.orders(symbol)}
    twice = [number for number, count in Counter(order["clientOrderId"] for order in ledger).items() if count > 1]
    theirs = {order["clientOrderId"]: order for order in ledger}
    return [
        *twice,
        *(number for number in theirs if number not in listed),
        *(number for number, ours in listed.items() if not _same(ours, theirs.get(number))),
    ]


def _same(ours: Document, theirs: Document | None) -> bool:
    if theirs is None:
        return ours["state"] in _NEVER_THERE and ours["order_id"] is None
    return (ours["order_id"], ours["state"], ours["side"].upper()) == (
        theirs["orderId"],
        _STATES[theirs["status"]],
        theirs["side"],
    ) and all(
        Decimal(ours[mine]) == Decimal(theirs[his])
        for mine, his in (("price", "price"), ("quantity", "origQty"), ("executed", "executedQty"))
    )


def _cycles_have_the_ledgers_fees(exchange: Exchange, daemon: Daemon, symbol: str) -> None:
    fills = exchange.call("sim.ledger", symbol=symbol)["fills"]
    trader_of = {order["order_id"]: order["trader"] for order in daemon.orders(symbol)}
    for cycle in daemon.ask("trades", symbols=[symbol])["trades"]:
        own = [fill for fill in fills if trader_of[fill["orderId"]] == cycle["trader"]]
        fees: Counter[str] = Counter()
        for fill in own:
            fees[fill["commissionAsset"]] += Decimal(fill["commission"])  # type: ignore[assignment]
        assert {asset: Decimal(fee) for asset, fee in cycle["fees"].items()} == {a: f for a, f in fees.items() if f}
        for side, quantity in ((True, cycle["bought"]), (False, cycle["sold"])):
            assert Decimal(quantity) == sum(Decimal(fill["qty"]) for fill in own if fill["isBuyer"] is side)


def _money_is_conserved(exchange: Exchange, daemon: Daemon, database: str, symbol: str, funds: Decimal) -> None:
    """Change of the quote balance = profits - cost of what is still held, lots included."""
    profits = sum(Decimal(cycle["profit"]) for cycle in daemon.ask("trades", symbols=[symbol])["trades"])
    assert Decimal(daemon.symbol(symbol)["realized_profit"]) == profits
    held_quantity, held_cost = _held(database, symbol)
    held = (exchange.balance("USDT") - funds, exchange.balance(symbol.removesuffix("USDT")))
    assert held == (profits - held_cost, held_quantity)


def _held(database: str, symbol: str) -> tuple[Decimal, Decimal]:
    """Coins that belong to the symbol, and their cost, as the tables have them."""
    engine = sa.create_engine(database.replace("postgresql://", "postgresql+psycopg://"))
    columns = "bought, base_fees, carried_quantity, sold, sold_base_fees, cost, carried_cost, received, quote_fees"
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text(
                f"SELECT {columns} FROM traders WHERE symbol = :symbol AND phase NOT IN ('waiting', 'finished')"
            ),
            {"symbol": symbol},
        ).all()
        kept = connection.execute(
            sa.text(
                "SELECT owed_quantity, owed_cost FROM settings WHERE symbol = :symbol "
                "UNION ALL SELECT quantity, cost FROM lots WHERE symbol = :symbol"
            ),
            {"symbol": symbol},
        ).all()
    engine.dispose()
    quantity, cost = (sum((Decimal(row[column]) for row in kept), Decimal(0)) for column in (0, 1))
    for row in rows:
        bought, base_fees, carried, sold, sold_fees, paid, carried_cost, received, fees = (
            Decimal(value or 0) for value in row
        )
        quantity += bought - base_fees + carried - sold - sold_fees
        cost += paid + carried_cost - received + fees
    return quantity, cost
