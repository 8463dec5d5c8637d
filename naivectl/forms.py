"""The parts of documents as JSON Schema: decimals, times, orders, traders. `documents` puts them together.

A field of the contract is required; one that only some answers have is not. None is forbidden: later versions may
add fields.
"""

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

STATUSES = ("on", "off", "shutdown")
STATES = ("off", "starting", "trading", "draining", "stopping", "degraded", "faulted", "quarantined")
PHASES = ("waiting", "buying", "holding", "selling", "finished")
SIDES = ("buy", "sell")
ORDER_STATES = (
    *("intended", "unknown", "open", "partially_filled", "filled", "cancelled", "expired", "rejected"),
    *("not_placed", "abandoned", "quarantined"),
)
DAEMON_STATES = ("starting", "ready", "degraded", "suspending")
EXCHANGES = ("simulator", "paper", "testnet", "demo", "binance")

TEXT: Schema = {"type": "string"}
FALL_GUARD: Schema = {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?/[0-9]+(ms|s|m|h)$"}
COUNT: Schema = {"type": "integer", "minimum": 0}
BOOLEAN: Schema = {"type": "boolean"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


AMOUNT, SIGNED, TIME, SYMBOL = ref("amount"), ref("signed_amount"), ref("time"), ref("symbol_name")
ORDER_ID = ref("client_order_id")


def one_of(names: tuple[str, ...]) -> Schema:
    return {"type": "string", "enum": list(names)}


def maybe(schema: Schema) -> Schema:
    """This or null; null where there is nothing to tell."""
    return {"anyOf": [schema, {"type": "null"}]}


def array(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def record(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, **more: Any) -> Schema:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": True,
        **more,
    }


_LEG = {
    "client_order_id": ORDER_ID,
    "order_id": maybe(COUNT),
    "price": AMOUNT,
    "quantity": AMOUNT,
    "executed": AMOUNT,
    "state": one_of(ORDER_STATES),
}
_COINS = {"asset": maybe(TEXT), "quantity": AMOUNT, "cost": AMOUNT, "value": maybe(AMOUNT)}
_PROBLEM = {"kind": ref("word"), "message": TEXT, "hint": maybe(TEXT)}

DEFINITIONS: dict[str, Schema] = {
    "amount": {
        "description": "A decimal of at least 0, without exponent and trailing zeros.",
        "type": "string",
        "pattern": r"^(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$",
    },
    "signed_amount": {
        "description": "A decimal without exponent and trailing zeros; 0 has no sign.",
        "type": "string",
        "pattern": r"^(0|-?([1-9][0-9]*(\.[0-9]*[1-9])?|0\.[0-9]*[1-9]))$",
    },
    "time": {
        "description": "RFC 3339 in UTC with milliseconds.",
        "type": "string",
        "pattern": r"^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{3}Z$",
    },
    "symbol_name": {
        "description": "A symbol, in capitals; in an error, what was typed for one.",
        "type": "string",
        "minLength": 1,
    },
    "trader_name": {"type": "string", "pattern": "-[0-9]+$"},
    "client_order_id": {"type": "string", "minLength": 1, "maxLength": 64},
    "word": {"type": "string", "pattern": "^[a-z][a-z_-]*$"},
    "event_kind": {"description": "One word or two.", "type": "string", "pattern": "^[a-z][a-z_ -]*$"},
    "problem": record(_PROBLEM, {"code": {"type": "integer"}}),
    "halt": record({"reason": TEXT, "by": one_of(("person", "limit")), "since": TIME}),
    "leg": record(_LEG),
    "order": record(
        {
            "symbol": SYMBOL,
            "trader": ref("trader_name"),
            "side": one_of(SIDES),
            **_LEG,
            "fence_at": maybe(TIME),
            "created_at": TIME,
            "updated_at": TIME,
        },
        {"reason": maybe(TEXT)},
    ),
    "trader": record(
        {
            "id": ref("trader_name"),
            "phase": one_of(PHASES),
            "reason": maybe(TEXT),
            "since": TIME,
            "rebuy_notified": BOOLEAN,
            "buy": maybe(ref("leg")),
            "sell": maybe(ref("leg")),
        }
    ),
    "node": record(
        {
            "name": TEXT,
            "state": one_of(("live", "draining", "drained", "away")),
            "symbols": COUNT,
            "heartbeat": TIME,
            "version": TEXT,
            "exchange_away": maybe(TEXT),
        }
    ),
    "lot": record({"quantity": AMOUNT, "cost": AMOUNT, "price": AMOUNT, "reason": TEXT}),
    "coins": record(_COINS),
    "loss": record(_COINS, {"trader": maybe(ref("trader_name")), "client_order_id": maybe(ORDER_ID)}),
    "settings": record(
        {
            "chunks": {"type": "integer", "minimum": 1},
            "budget": maybe(AMOUNT),
            **dict.fromkeys(("buy_down", "profit", "rebuy", "reprice", "max_deviation", "spacing"), AMOUNT),
            **dict.fromkeys(("floor", "ceiling"), maybe(AMOUNT)),
            "fall_guard": maybe(FALL_GUARD),
            **dict.fromkeys(("stop_loss", "stop_slippage"), AMOUNT),
        }
    ),
    "plan": record(
        {
            **dict.fromkeys(("last_price", "price", "quantity", "value", "share"), AMOUNT),
            **dict.fromkeys(("most_tied_up", "lowest_price", "cycle_fees"), AMOUNT),
            "cycle_profit": SIGNED,
            "base": TEXT,
            "quote": TEXT,
            "side": one_of(SIDES),
            **dict.fromkeys(("chunks", "chunks_taken", "sells_first"), COUNT),
            **dict.fromkeys(("held", "held_cost"), AMOUNT),
            "first_buy": maybe(record(dict.fromkeys(("at", "price", "quantity", "value"), AMOUNT))),
            "kept_back": array(record({"reason": TEXT, "ends": maybe(TEXT)})),
            "stopped_by": array(TEXT),
            "worst": ref("worst"),
        },
        description="`side` to `value` are the first order, with the quantity 0 if there is none. "
        "`kept_back`: why nothing is bought at the price of now; `ends` is until when. `stopped_by`: the guards "
        "and limits but for which `most_tied_up` would be more.",
    ),
    "worst": record(
        {
            "currency": TEXT,
            "falls": array(
                record({**dict.fromkeys(("fall", "tied_up", "loss"), AMOUNT), "stopped_by": array(TEXT)})
            ),
            "unpriced": array(SYMBOL),
        },
        description="What is tied up and lost at the market when all prices fall by a fraction.",
    ),
    "daemon": record(
        {
            "version": TEXT,
            "pid": {"type": "integer", "minimum": 1},
            "started_at": TIME,
            "exchange": one_of(EXCHANGES),
            "exchange_url": TEXT,
            "database": one_of(("sqlite", "postgresql")),
            "state": one_of(DAEMON_STATES),
            "reason": maybe(TEXT),
            "exchange_state": one_of(("up", "down", "limited")),
            "uptime_s": COUNT,
            "node": TEXT,
            "halt": maybe(ref("halt")),
        },
        # Of a daemon that is not ready there is always a reason.
        **{
            "if": {"properties": {"state": {"const": "ready"}}},
            "else": {"properties": {"reason": {"type": "string"}}},
        },
    ),
    "symbol": record(
        {
            "symbol": SYMBOL,
            "status": one_of(STATUSES),
            "state": one_of(STATES),
            "reason": maybe(TEXT),
            "next_step": maybe(TEXT),
            "halt": maybe(ref("halt")),
            "chunks": {"type": "integer", "minimum": 1},
            "budget": maybe(AMOUNT),
            "last_price": maybe(AMOUNT),
            "last_trade_at": maybe(TIME),
            "cycles": COUNT,
            "realized_profit": SIGNED,
            "unrealized_profit": maybe(SIGNED),
            "profit_today": SIGNED,
            "base": maybe(TEXT),
            "quote": maybe(TEXT),
            "tick": maybe(AMOUNT),
            "held": AMOUNT,
            "held_cost": AMOUNT,
            "tied_up": AMOUNT,
            "leftover": array(ref("lot")),
            "traders": array(ref("trader")),
            "node": maybe(TEXT),
            "as_of": TIME,
        },
    ),
    "trade": record(
        {
            "symbol": SYMBOL,
            "trader": ref("trader_name"),
            "bought": AMOUNT,
            "buy_price": AMOUNT,
            "sold": AMOUNT,
            "sell_price": AMOUNT,
            "fees": {"type": "object", "additionalProperties": AMOUNT},
            "fees_valued": maybe(AMOUNT),
            "profit": SIGNED,
            "started_at": TIME,
            "finished_at": TIME,
        }
    ),
    "option": record(
        {
            "names": array(TEXT),
            "negative": array(TEXT),
            "help": TEXT,
            "takes": maybe(TEXT),
            "choices": array(TEXT),
            "default": {"type": ["string", "boolean", "null"]},
            "required": BOOLEAN,
            "repeatable": BOOLEAN,
        }
    ),
    "event": record({"at": TIME, "symbol": maybe(SYMBOL), "kind": ref("event_kind"), "message": TEXT}),
}
