"""A backtest's result as a JSON document; scripts depend on its names, ``backtest.schema.json`` is its form."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import asdict

from naived.backtest.result import Result
from naived.control.orders import order
from naived.control.protocol import format_time
from naived.core.amount import format_amount
from naived.core.price_guards import FallGuard
from naived.core.strategy.settings import Settings

Document = dict[str, Any]  # JSON-able; decimals are texts


def summary(result: Result) -> Document:
    """The document of ``naived backtest --json``; seconds are floats, amounts texts, times RFC 3339."""
    setup = result.setup
    info = setup.rules.info
    return {
        "v": 1,
        "symbol": info.symbol,
        "base": info.base,
        "quote": info.quote,
        "settings": settings(setup.settings),
        "limits": setting_texts(asdict(setup.limits)),
        "fee": format_amount(setup.fee),
        "latency_ms": setup.latency,
        "first_trade_at": format_time(result.began),
        "last_trade_at": format_time(result.ended),
        "first_price": format_amount(result.first_price),
        "last_price": format_amount(result.last_price),
        "trades_scanned": result.trades_scanned,
        "events": result.events,
        "load_seconds": round(result.load_seconds, 6),
        "scan_seconds": round(result.scan_seconds, 6),
        "cycles": len(result.cycles),
        "profit": format_amount(result.profit),
        "unrealized_profit": format_amount(result.unrealized),
        "fees": format_amount(result.fees),
        "held": format_amount(result.held),
        "held_cost": format_amount(result.held_cost),
        "max_tied_up": format_amount(result.max_tied_up),
        "max_drawdown": format_amount(result.max_drawdown),
        "buy_and_hold": format_amount(result.buy_and_hold),
        "in_market_s": result.in_market // 1000,
        "duration_s": (result.ended - result.began) // 1000,
        "orders": len(result.orders),
        "halts": [{"at": format_time(halt.since), "reason": halt.reason} for halt in result.halts],
        "idle": result.idle,
        "warnings": list(result.warnings),
    }


def settings(values: Settings) -> Document:
    """Each setting by its name."""
    return setting_texts(asdict(values))


def setting_texts(values: Mapping[str, Any]) -> Document:
    """Chunks are a number, the others texts; null where a setting is off."""
    return {name: _text(name, value) for name, value in values.items()}


def _text(name: str, value: Any) -> Any:
    if name == "chunks" or value is None:
        return value
    return str(value) if isinstance(value, FallGuard) else format_amount(value)


def orders(result: Result) -> Document:
    """Every order that was decided, as in ``naivectl --json orders``, oldest first."""
    return {"v": 1, "orders": [order(each) for each in result.orders]}
