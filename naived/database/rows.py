"""Converts values of the core to rows of the schema, and back; ``trader_rows.py`` does so for traders."""

from typing import Any

from sqlalchemy import RowMapping as Row

from naived.core.orders.intent import OrderIntent, Side
from naived.core.orders.report import Fill, OrderStatus
from naived.core.orders.state import OrderState, State
from naived.core.price_guards import FallGuard
from naived.core.risk import Gain, Halt, HaltedBy, Limits, Worth
from naived.core.strategy.formulas import Coins
from naived.core.strategy.lots import Lot, Lots
from naived.core.strategy.settings import DesiredState, Settings, Status
from naived.ports import Event


def desired_row(desired: DesiredState) -> dict[str, Any]:
    settings = desired.settings
    return {
        "status": desired.status.value,
        "keep_buys": desired.keep_buys,
        "forgotten": desired.forgotten,
        "chunks": settings.chunks,
        "budget": settings.budget,
        "buy_down_interval": settings.buy_down,
        "profit_interval": settings.profit,
        "rebuy_interval": settings.rebuy,
        "reprice_interval": settings.reprice,
        "max_deviation": settings.max_deviation,
        "spacing": settings.spacing,
        "floor": settings.floor,
        "ceiling": settings.ceiling,
        "fall_guard": None if settings.fall_guard is None else settings.fall_guard.rate,
        "fall_guard_ms": None if settings.fall_guard is None else settings.fall_guard.span,
        "stop_loss": settings.stop_loss,
        "stop_slippage": settings.stop_slippage,
    }


def desired_of(row: Row) -> DesiredState:
    settings = Settings(
        chunks=row["chunks"],
        budget=row["budget"],
        buy_down=row["buy_down_interval"],
        profit=row["profit_interval"],
        rebuy=row["rebuy_interval"],
        reprice=row["reprice_interval"],
        max_deviation=row["max_deviation"],
        spacing=row["spacing"],
        floor=row["floor"],
        ceiling=row["ceiling"],
        fall_guard=None if row["fall_guard"] is None else FallGuard(row["fall_guard"], row["fall_guard_ms"]),
        stop_loss=row["stop_loss"],
        stop_slippage=row["stop_slippage"],
    )
    return DesiredState(settings, Status(row["status"]), row["keep_buys"], row["forgotten"])


def halt_row(scope: str, halt: Halt) -> dict[str, Any]:
    return {
        "scope": scope,
        "reason": halt.reason,
        "by": halt.by.value,
        "since": halt.since,
        "keep_buys": halt.keep_buys,
        "until": halt.until,
    }


def halt_of(row: Row) -> Halt:
    return Halt(row["reason"], HaltedBy(row["by"]), row["since"], row["keep_buys"], row["until"])


_LIMITS = Limits.__struct_fields__


def limits_of(row: Row) -> Limits:
    return Limits(**{name: row[name] for name in _LIMITS})


def worth_row(worth: Worth) -> dict[str, Any]:
    return {
        "currency": worth.currency,
        "value": worth.value,
        "day": worth.day,
        "day_start": worth.start,
        "peak": worth.peak,
        "round": worth.round,
    }


def worth_of(row: Row) -> Worth:
    return Worth(row["currency"], row["value"], row["day"], row["day_start"], row["peak"], row["round"])


def gain_row(symbol: str, gain: Gain) -> dict[str, Any]:
    return {"symbol": symbol, "quote": gain.quote, "gain": gain.money, "price": gain.price}


def gain_of(row: Row) -> Gain:
    return Gain(row["quote"], row["gain"], row["price"])


def owed_row(owed: Coins) -> dict[str, Any]:
    return {"owed_quantity": owed.quantity, "owed_cost": owed.cost}


def owed_of(row: Row) -> Coins:
    return Coins(row["owed_quantity"], row["owed_cost"])


def lot_rows(symbol: str, lots: Lots) -> list[dict[str, Any]]:
    return [{"symbol": symbol, "price": lot.price, "quantity": lot.quantity, "cost": lot.cost} for lot in lots]


def lot_of(row: Row) -> Lot:
    return Lot(row["quantity"], row["cost"], row["price"])


def order_row(order: OrderState) -> dict[str, Any]:
    """An order without its fills, which are rows of their own."""
    intent = order.intent
    return {
        "symbol": intent.symbol,
        "trader": intent.trader,
        "side": intent.side.value,
        "seq": intent.seq,
        "price": intent.price,
        "quantity": intent.quantity,
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "executed": order.executed,
        "reported": order.reported,
        "state": order.state.value,
        "final": order.final and order.final.value,
        "cancelling": order.cancelling,
        "attempt": order.attempt,
        "signed_at": order.timestamp,
        "recv_window_ms": order.recv_window,
        "stp_mode": order.stp_mode,
        "reason": order.reason,
        "code": order.code,
        "decided_at": order.decided_at,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "epoch": order.epoch,
        "amended": order.amended,
        "adopted": order.adopted,
        "by_exchange": order.by_exchange,
        "ioc": intent.ioc,
    }


def order_of(row: Row, fills: tuple[Fill, ...]) -> OrderState:
    intent = OrderIntent(
        symbol=row["symbol"],
        trader=row["trader"],
        side=Side(row["side"]),
        seq=row["seq"],
        price=row["price"],
        quantity=row["quantity"],
        ioc=row["ioc"],
    )
    return OrderState(
        intent=intent,
        client_order_id=row["client_order_id"],
        stp_mode=row["stp_mode"],
        epoch=row["epoch"],
        decided_at=row["decided_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        state=State(row["state"]),
        attempt=row["attempt"],
        timestamp=row["signed_at"],
        recv_window=row["recv_window_ms"],
        order_id=row["order_id"],
        executed=row["executed"],
        reported=row["reported"],
        final=row["final"] and OrderStatus(row["final"]),
        cancelling=row["cancelling"],
        reason=row["reason"],
        code=row["code"],
        amended=row["amended"],
        adopted=row["adopted"],
        by_exchange=row["by_exchange"],
        fills=fills,
    )


_FILL_COLUMNS = tuple(Fill.__struct_fields__)


def fill_row(fill: Fill) -> dict[str, Any]:
    return {name: getattr(fill, name) for name in _FILL_COLUMNS}


def fill_of(row: Row) -> Fill:
    return Fill(**{name: row[name] for name in _FILL_COLUMNS})


def event_row(event: Event) -> dict[str, Any]:
    return {"at": event.at, "symbol": event.symbol, "kind": event.kind, "message": event.message}


def event_of(row: Row) -> Event:
    return Event(at=row["at"], symbol=row["symbol"], kind=row["kind"], message=row["message"])
