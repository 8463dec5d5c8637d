"""Converts a trader to a row of the schema, and back. The columns of other phases are NULL."""

from typing import Any, assert_never

from sqlalchemy import RowMapping as Row

from naived.core.amount import Money, Price
from naived.core.orders.intent import OrderIntent, Side
from naived.core.strategy.formulas import Bought, Fees, Sold
from naived.core.strategy.lots import NO_LOT, Lot
from naived.core.strategy.sizing import Terms
from naived.core.strategy.trader_state import Buying, Finished, Hold, Holding, Phase, Selling, Trader, Waiting

_SIDE_OF_PHASE = {"buying": Side.BUY, "selling": Side.SELL}
_OF_BOUGHT = ("limit_price", "bought", "cost", "base_fees")
_OF_SOLD = ("carried_quantity", "carried_cost", "sold", "received", "quote_fees", "sold_base_fees")
_NEEDED = {  # columns that are NULL in other phases alone
    "buying": (*_OF_BOUGHT, "accepted", "cancelling"),
    "holding": (*_OF_BOUGHT, *_OF_SOLD, "hold", "reason", "failures"),
    "selling": (*_OF_BOUGHT, *_OF_SOLD, "cancelling", "failures"),
}
_NOT_IN_EVERY_PHASE = (
    *(
        "reason",
        "wait_after",
        "wait_behind",
        "decided_on",
        "seq",
        "accepted",
        "cancelling",
        "hold",
        "retry_at",
        "failures",
    ),
    *("limit_price", "bought", "cost", "base_fees", "carried_quantity", "carried_cost"),
    *("carried_price", "buy_fees_valued", "sell_fees_valued", "dust_price"),
    *("sold", "received", "quote_fees", "sold_base_fees", "dust_quantity", "dust_cost", "profit"),
)


class RowError(ValueError):
    """A row that cannot be converted to a trader."""


def cycle_profit(trader: Trader) -> Money | None:
    """What the trader's finished cycle made; None if it finished none."""
    return trader.phase.profit if isinstance(trader.phase, Finished) else None


def trader_row(trader: Trader) -> dict[str, Any]:
    """Every column but ``cycle``, which the INSERT computes."""
    terms = trader.terms
    return {
        "symbol": trader.symbol,
        "number": trader.number,
        "started_at": trader.started_at,
        "since": trader.since,
        "rebuy_notified": trader.rebuy_notified,
        "buys": trader.buys,
        "sells": trader.sells,
        "origin": trader.origin,
        "rebuy_spent": trader.rebuy_spent,
        "stop": trader.stop,
        "budget": terms.budget,
        "chunks": terms.chunks,
        "buy_down_interval": terms.buy_down,
        "profit_interval": terms.profit,
        "rebuy_interval": terms.rebuy,
        "reprice_interval": terms.reprice,
        "buy_fee": terms.fees.buy,
        "sell_fee": terms.fees.sell,
        **dict.fromkeys(_NOT_IN_EVERY_PHASE),
        **_phase_row(trader.phase),
    }


def _phase_row(phase: Phase) -> dict[str, Any]:
    match phase:
        case Waiting(after, reason, behind, failures):
            return {
                "phase": "waiting",
                "wait_after": after,
                "reason": reason,
                "wait_behind": behind,
                "failures": failures,
            }
        case Buying(intent, bought, decided_on, accepted, cancelling, failures):
            return {
                "phase": "buying",
                "seq": intent.seq,
                "decided_on": decided_on,
                "accepted": accepted,
                "cancelling": cancelling,
                "failures": failures,
                **_bought_row(bought),
            }
        case Holding(bought, hold, reason, retry_at, carried, sold, failures):
            return {
                "phase": "holding",
                "hold": hold.value,
                "reason": reason,
                "retry_at": retry_at,
                "failures": failures,
                **_bought_row(bought),
                **_carried_row(carried),
                **_sold_row(sold),
            }
        case Selling(bought, intent, carried, sold, failures, cancelling):
            return {
                "phase": "selling",
                "seq": intent.seq,
                "failures": failures,
                "cancelling": cancelling,
                **_bought_row(bought),
                **_carried_row(carried),
                **_sold_row(sold),
            }
        case Finished(maybe_bought, sold, carried, dust, profit, reason):
            return {
                "phase": "finished",
                "reason": reason,
                "profit": profit,
                "dust_quantity": dust.quantity,
                "dust_cost": dust.cost,
                "dust_price": dust.price,
                **(_bought_row(maybe_bought) if maybe_bought else {}),
                **_carried_row(carried),
                **_sold_row(sold),
            }
        case _:
            assert_never(phase)


def _bought_row(bought: Bought) -> dict[str, Any]:
    return {
        "limit_price": bought.limit,
        "bought": bought.quantity,
        "cost": bought.cost,
        "base_fees": bought.base_fees,
        "buy_fees_valued": bought.fees_valued,
    }


def _carried_row(carried: Lot) -> dict[str, Any]:
    return {
        "carried_quantity": carried.quantity,
        "carried_cost": carried.cost,
        "carried_price": carried.price,
    }


def _sold_row(sold: Sold) -> dict[str, Any]:
    return {
        "sold": sold.quantity,
        "received": sold.received,
        "quote_fees": sold.quote_fees,
        "sold_base_fees": sold.base_fees,
        "sell_fees_valued": sold.fees_valued,
    }


def trader_of(row: Row) -> Trader:
    """A living trader; its row has price, quantity and ``ioc`` of its order as ``intent_...``. Raises RowError."""
    missing = [name for name in _NEEDED.get(row["phase"], ()) if row[name] is None]
    if missing:
        raise RowError(f"trader {row['symbol']}-{row['number']} is {row['phase']} without {', '.join(missing)}")
    return _trader(row, _phase_of(row))


def begun(row: Row) -> Trader:
    """A trader that lives or has ended, as if it still waited to buy."""
    return _trader(row, Waiting())


def coins_of(row: Row) -> tuple[Bought | None, Lot, Lot]:
    """What a trader of any phase bought, the lots that it carries or carried to its end, the lot that it left."""
    bought = None if row["limit_price"] is None else _bought_of(row)
    carried = NO_LOT if row["carried_quantity"] is None else _carried_of(row)
    if row["dust_quantity"] is None:
        return bought, carried, NO_LOT
    return bought, carried, Lot(row["dust_quantity"], row["dust_cost"], row["dust_price"] or Price(0))


def _trader(row: Row, phase: Phase) -> Trader:
    fees = Fees(row["buy_fee"], row["sell_fee"])
    terms = Terms(
        budget=row["budget"],
        chunks=row["chunks"],
        buy_down=row["buy_down_interval"],
        profit=row["profit_interval"],
        rebuy=row["rebuy_interval"],
        reprice=row["reprice_interval"],
        fees=fees,
    )
    return Trader(
        symbol=row["symbol"],
        number=row["number"],
        terms=terms,
        phase=phase,
        started_at=row["started_at"],
        since=row["since"],
        rebuy_notified=row["rebuy_notified"],
        buys=row["buys"],
        sells=row["sells"],
        origin=row["origin"],
        rebuy_spent=row["rebuy_spent"],
        stop=row["stop"],
    )


def _phase_of(row: Row) -> Phase:
    match row["phase"]:
        case "waiting":
            return Waiting(row["wait_after"] or 0, row["reason"], row["wait_behind"] or 0, row["failures"] or 0)
        case "buying":
            return Buying(
                intent=_intent_of(row),
                bought=_bought_of(row),
                decided_on=row["decided_on"] or Price(0),
                accepted=row["accepted"],
                cancelling=row["cancelling"],
                failures=row["failures"] or 0,
            )
        case "holding":
            return Holding(
                bought=_bought_of(row),
                hold=Hold(row["hold"]),
                reason=row["reason"],
                retry_at=row["retry_at"],
                carried=_carried_of(row),
                sold=_sold_of(row),
                failures=row["failures"],
            )
        case "selling":
            return Selling(
                bought=_bought_of(row),
                intent=_intent_of(row),
                carried=_carried_of(row),
                sold=_sold_of(row),
                failures=row["failures"],
                cancelling=row["cancelling"],
            )
        case other:
            raise RowError(f"trader {row['symbol']}-{row['number']} has the phase {other!r}")


def _intent_of(row: Row) -> OrderIntent:
    if row["intent_price"] is None:
        raise RowError(f"trader {row['symbol']}-{row['number']} is {row['phase']} without its order's row")
    return OrderIntent(
        symbol=row["symbol"],
        trader=row["number"],
        side=_SIDE_OF_PHASE[row["phase"]],
        seq=row["seq"],
        price=row["intent_price"],
        quantity=row["intent_quantity"],
        ioc=row["intent_ioc"],
    )


def _bought_of(row: Row) -> Bought:
    fees_valued = row["buy_fees_valued"] or Money(0)
    return Bought(row["limit_price"], row["bought"], row["cost"], row["base_fees"], fees_valued)


def _carried_of(row: Row) -> Lot:
    return Lot(row["carried_quantity"], row["carried_cost"], row["carried_price"] or Price(0))


def _sold_of(row: Row) -> Sold:
    fees_valued = row["sell_fees_valued"] or Money(0)
    return Sold(row["sold"], row["received"], row["quote_fees"], row["sold_base_fees"], fees_valued)
