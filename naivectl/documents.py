"""The form of every document that ``--json`` prints, as JSON Schema: ``python -m naivectl.documents DIRECTORY``.

`naivectl schema` prints the files that this writes; nothing imports this module when naivectl runs. Later versions
may add fields to documents, so none is forbidden. A field of the contract is required; one that only some answers
have, such as the plan of a dry run, is not.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

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

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_BOOLEAN: Schema = {"type": "boolean"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


_AMOUNT, _SIGNED, _TIME, _SYMBOL = _ref("amount"), _ref("signed_amount"), _ref("time"), _ref("symbol_name")
_ORDER_ID = _ref("client_order_id")


def _one_of(names: tuple[str, ...]) -> Schema:
    return {"type": "string", "enum": list(names)}


def _maybe(schema: Schema) -> Schema:
    """This or null; null where there is nothing to tell."""
    return {"anyOf": [schema, {"type": "null"}]}


def _list(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _object(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, **more: Any) -> Schema:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": True,
        **more,
    }


_LEG = {
    "client_order_id": _ORDER_ID,
    "order_id": _maybe(_COUNT),
    "price": _AMOUNT,
    "quantity": _AMOUNT,
    "executed": _AMOUNT,
    "state": _one_of(ORDER_STATES),
}
_COINS = {"asset": _maybe(_TEXT), "quantity": _AMOUNT, "cost": _AMOUNT, "value": _maybe(_AMOUNT)}
_PROBLEM = {"kind": _ref("word"), "message": _TEXT, "hint": _maybe(_TEXT)}

_DEFINITIONS: dict[str, Schema] = {
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
    "problem": _object(_PROBLEM, {"code": {"type": "integer"}}),
    "halt": _object({"reason": _TEXT, "by": _one_of(("person", "limit")), "since": _TIME}),
    "leg": _object(_LEG),
    "order": _object(
        {
            "symbol": _SYMBOL,
            "trader": _ref("trader_name"),
            "side": _one_of(SIDES),
            **_LEG,
            "fence_at": _maybe(_TIME),
            "created_at": _TIME,
            "updated_at": _TIME,
        }
    ),
    "trader": _object(
        {
            "id": _ref("trader_name"),
            "phase": _one_of(PHASES),
            "reason": _maybe(_TEXT),
            "since": _TIME,
            "rebuy_notified": _BOOLEAN,
            "buy": _maybe(_ref("leg")),
            "sell": _maybe(_ref("leg")),
        }
    ),
    "lot": _object({"quantity": _AMOUNT, "cost": _AMOUNT, "price": _AMOUNT, "reason": _TEXT}),
    "coins": _object(_COINS),
    "loss": _object(_COINS, {"trader": _maybe(_ref("trader_name")), "client_order_id": _maybe(_ORDER_ID)}),
    "settings": _object(
        {
            "chunks": {"type": "integer", "minimum": 1},
            "budget": _maybe(_AMOUNT),
            **dict.fromkeys(("buy_down", "profit", "rebuy", "reprice", "max_deviation"), _AMOUNT),
        }
    ),
    "plan": _object(
        {
            **dict.fromkeys(("last_price", "price", "quantity", "value", "share"), _AMOUNT),
            **dict.fromkeys(("most_tied_up", "lowest_price", "cycle_fees"), _AMOUNT),
            "cycle_profit": _SIGNED,
            "base": _TEXT,
            "quote": _TEXT,
        }
    ),
    "daemon": _object(
        {
            "version": _TEXT,
            "pid": {"type": "integer", "minimum": 1},
            "started_at": _TIME,
            "exchange": _one_of(EXCHANGES),
            "exchange_url": _TEXT,
            "database": _one_of(("sqlite", "postgresql")),
            "state": _one_of(DAEMON_STATES),
            "reason": _maybe(_TEXT),
            "exchange_state": _one_of(("up", "down", "limited")),
            "uptime_s": _COUNT,
            "node": _TEXT,
            "halt": _maybe(_ref("halt")),
        },
        # Of a daemon that is not ready there is always a reason.
        **{
            "if": {"properties": {"state": {"const": "ready"}}},
            "else": {"properties": {"reason": {"type": "string"}}},
        },
    ),
    "symbol": _object(
        {
            "symbol": _SYMBOL,
            "status": _one_of(STATUSES),
            "state": _one_of(STATES),
            "reason": _maybe(_TEXT),
            "next_step": _maybe(_TEXT),
            "halt": _maybe(_ref("halt")),
            "chunks": {"type": "integer", "minimum": 1},
            "budget": _maybe(_AMOUNT),
            "last_price": _maybe(_AMOUNT),
            "last_trade_at": _maybe(_TIME),
            "cycles": _COUNT,
            "realized_profit": _SIGNED,
            "unrealized_profit": _maybe(_SIGNED),
            "profit_today": _SIGNED,
            "base": _maybe(_TEXT),
            "quote": _maybe(_TEXT),
            "tick": _maybe(_AMOUNT),
            "held": _AMOUNT,
            "held_cost": _AMOUNT,
            "tied_up": _AMOUNT,
            "leftover": _list(_ref("lot")),
            "traders": _list(_ref("trader")),
        },
        {"node": _maybe(_TEXT)},
    ),
    "trade": _object(
        {
            "symbol": _SYMBOL,
            "trader": _ref("trader_name"),
            "bought": _AMOUNT,
            "buy_price": _AMOUNT,
            "sold": _AMOUNT,
            "sell_price": _AMOUNT,
            "fees": {"type": "object", "additionalProperties": _AMOUNT},
            "fees_valued": _maybe(_AMOUNT),
            "profit": _SIGNED,
            "started_at": _TIME,
            "finished_at": _TIME,
        }
    ),
    "event": _object({"at": _TIME, "symbol": _maybe(_SYMBOL), "kind": _ref("event_kind"), "message": _TEXT}),
}


def _document(fields: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    return _object({"v": {"const": 1}, **fields}, optional)


def _results(**optional: Schema) -> Schema:
    """Of a verb that answers for each symbol; ``error`` of the document sums up those of its results."""
    # Nothing is known of a symbol that the exchange does not list: its status and state are null.
    result = _object(
        {
            "symbol": _SYMBOL,
            "status": _maybe(_one_of(STATUSES)),
            "state": _maybe(_one_of(STATES)),
            "changed": _BOOLEAN,
            "open_orders": _list(_ref("order")),
            "message": _maybe(_TEXT),
            "error": _maybe(_ref("problem")),
        },
        optional,
    )
    return _document({"results": _list(result)}, {"error": _ref("problem")})


_STATUS = {"daemon": _ref("daemon"), "symbols": _list(_ref("symbol"))}
_WARNINGS = _list(_TEXT)

# By the name that `naivectl schema` takes, with what the document is.
_DOCUMENTS: dict[str, tuple[str, Schema]] = {
    "status": ("every configured symbol, or those that were named", _document(_STATUS)),
    "status-live": (
        "a line of `naivectl --jsonl status --live`: the first has every symbol, each later one those that changed",
        _document({**_STATUS, "rev": _COUNT}, {"gone": _list(_SYMBOL)}),
    ),
    "start": ("what a start did for each symbol", _results(warnings=_WARNINGS, plan=_ref("plan"))),
    "stop": ("what a stop did for each symbol", _results(unsold=_maybe(_ref("coins")))),
    "shutdown": ("what a shutdown did for each symbol", _results()),
    "settings": ("the settings of each symbol", _results(settings=_ref("settings"), warnings=_WARNINGS)),
    "resolve": ("what was taken back or written off", _results(lost=_list(_ref("loss")))),
    "wait": ("whether each symbol reached the state", _results()),
    "forget": ("what was taken out of status", _results(lost=_list(_ref("coins")))),
    "orders": ("orders and their states, oldest first", _document({"orders": _list(_ref("order"))})),
    "trades": ("finished cycles, oldest first", _document({"trades": _list(_ref("trade"))})),
    "events": ("what happened, oldest first", _document({"events": _list(_ref("event"))})),
    "events-follow": (
        "a line of `naivectl --jsonl events --follow`: an event, or the numbers of events that were missed",
        {
            "anyOf": [
                {"allOf": [_document({"seq": _COUNT}), _ref("event")]},
                _document({"gap": _object({"from": _COUNT, "to": _COUNT})}),
            ]
        },
    ),
    "explain": (
        "why a symbol buys and sells now, or does not",
        _document(
            {
                "symbol": _SYMBOL,
                "status": _one_of(STATUSES),
                "state": _one_of(STATES),
                "reason": _maybe(_TEXT),
                "next_step": _maybe(_TEXT),
                "buys": _object({"may": _BOOLEAN, "text": _TEXT}),
                "traders": _list(_object({"trader": _ref("trader_name"), "text": _TEXT})),
            }
        ),
    ),
    "why": (
        "one order's life",
        _document(
            {
                "symbol": _SYMBOL,
                "order": _ref("order"),
                "life": _list(_object({"at": _TIME, "what": _ref("event_kind"), "text": _TEXT})),
            }
        ),
    ),
    "version": (
        "the versions of client and daemon",
        _document({"client": _TEXT, "daemon": _TEXT, "proto": {"type": "integer", "minimum": 1}}),
    ),
    "ping": (
        "that the daemon answers, and how fast",
        _document(
            {
                "pid": {"type": "integer", "minimum": 1},
                "state": _one_of(DAEMON_STATES),
                "milliseconds": _AMOUNT,
            }
        ),
    ),
    "error": (
        "what any verb prints instead of its document when nothing came of it; the exit code is not 0",
        _document({"error": _ref("problem")}),
    ),
}


def _referenced(schema: object) -> Iterator[str]:
    """The names of the definitions that a schema refers to."""
    match schema:
        case {"$ref": str(where)}:
            yield where.removeprefix("#/$defs/")
        case dict():
            for part in schema.values():
                yield from _referenced(part)
        case list():
            for part in schema:
                yield from _referenced(part)
        case _:
            pass


def _definitions(schema: Schema) -> dict[str, Schema]:
    """All definitions that a schema needs."""
    needed: set[str] = set()
    queue = list(_referenced(schema))
    while queue:
        name = queue.pop()
        if name not in needed:
            needed.add(name)
            queue += _referenced(_DEFINITIONS[name])
    return {name: _DEFINITIONS[name] for name in _DEFINITIONS if name in needed}


def schemas() -> dict[str, Schema]:
    """The schema of each document, by its name; each is complete in itself."""
    return {
        name: {
            "$schema": DIALECT,
            "title": f"naivectl {name}",
            "description": text[:1].upper() + text[1:] + ".",
            **schema,
            "$defs": _definitions(schema),
        }
        for name, (text, schema) in _DOCUMENTS.items()
    }


def main(directory: str) -> None:
    """Write a file for each document."""
    for name, schema in schemas().items():
        Path(directory, f"{name}.json").write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
