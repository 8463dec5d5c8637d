"""The form of every document that ``--json`` prints, as JSON Schema: ``python -m naivectl.documents DIRECTORY``.

`naivectl schema` prints the files that this writes; nothing imports this module when naivectl runs.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from naivectl.forms import (
    AMOUNT,
    BOOLEAN,
    COUNT,
    DAEMON_STATES,
    DEFINITIONS,
    SIGNED,
    STATES,
    STATUSES,
    SYMBOL,
    TEXT,
    TIME,
    Schema,
    array,
    maybe,
    one_of,
    record,
    ref,
)
from naived.control.protocol import LIMITS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _document(fields: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    return record({"v": {"const": 1}, **fields}, optional)


def _results(*, account: bool = False, **optional: Schema) -> Schema:
    """Of a verb that answers for each symbol; ``error`` of the document sums up those of its results.

    ``account``: it may be asked of the whole account, and then has one result whose symbol and status are null.
    """
    states = (*STATES, *DAEMON_STATES) if account else STATES
    # Nothing is known of a symbol that the exchange does not list: its status and state are null.
    result = record(
        {
            "symbol": maybe(SYMBOL) if account else SYMBOL,
            "status": maybe(one_of(STATUSES)),
            "state": maybe(one_of(tuple(dict.fromkeys(states)))),
            "changed": BOOLEAN,
            "open_orders": array(ref("order")),
            "message": maybe(TEXT),
            "error": maybe(ref("problem")),
        },
        optional,
    )
    return _document({"results": array(result)}, {"error": ref("problem")})


STREAMS = ("status-live", "events-follow")  # these are one document a line

_STATUS = {"daemon": ref("daemon"), "symbols": array(ref("symbol"))}
_WARNINGS = array(TEXT)

# By the name that `naivectl schema` takes, with what the document is.
_DOCUMENTS: dict[str, tuple[str, Schema]] = {
    "status": ("every configured symbol, or those that were named", _document(_STATUS)),
    "status-live": (
        "a line of `naivectl --jsonl status --live`: the first has every symbol, each later one those that changed",
        _document({**_STATUS, "rev": COUNT}, {"gone": array(SYMBOL)}),
    ),
    "start": (
        "what a start did for each symbol",
        _results(warnings=_WARNINGS, plan=ref("plan"), sells=maybe(ref("coins"))),
    ),
    "stop": ("what a stop did for each symbol", _results(unsold=maybe(ref("coins")))),
    "shutdown": ("what a shutdown did for each symbol", _results(sells=maybe(ref("coins")))),
    "settings": (
        "the settings of each symbol",
        _results(settings=ref("settings"), warnings=_WARNINGS, sells=maybe(ref("coins"))),
    ),
    "resolve": ("what was taken back or written off", _results(lost=array(ref("loss")), sells=maybe(ref("coins")))),
    "wait": ("whether each symbol reached the state", _results()),
    "halt": ("what was halted: each symbol, or the account", _results(account=True, warnings=_WARNINGS)),
    "resume": ("what goes on buying: each symbol, or the account", _results(account=True, warnings=_WARNINGS)),
    "limits": (
        "the limits of the account, and what is so now, in its currency",
        _document(
            {
                "limits": record(dict.fromkeys(LIMITS, maybe(AMOUNT))),
                "now": record(
                    {
                        "exposure": maybe(SIGNED),
                        **dict.fromkeys(("free_quote", "loss_today", "drawdown"), maybe(AMOUNT)),
                        **dict.fromkeys(("peak", "value"), maybe(SIGNED)),
                        "currency": TEXT,
                        "doubtful": array(record({"symbol": SYMBOL, "reason": TEXT})),
                    }
                ),
                "worst": ref("worst"),
                "halt": maybe(ref("halt")),
                "changed": BOOLEAN,
                "warnings": _WARNINGS,
            }
        ),
    ),
    "nodes": (
        "the nodes that share the database",
        _document({"nodes": array(ref("node")), "changed": BOOLEAN, "warnings": _WARNINGS}),
    ),
    "forget": ("what was taken out of status", _results(lost=array(ref("coins")))),
    "orders": ("orders and their states, oldest first", _document({"orders": array(ref("order"))})),
    "trades": ("finished cycles, oldest first", _document({"trades": array(ref("trade"))})),
    "events": ("what happened, oldest first", _document({"events": array(ref("event"))})),
    "events-follow": (
        "a line of `naivectl --jsonl events --follow`: an event, or the numbers of events that were missed",
        {
            "anyOf": [
                {"allOf": [_document({"seq": COUNT}), ref("event")]},
                _document({"gap": record({"from": COUNT, "to": COUNT})}),
            ]
        },
    ),
    "explain": (
        "why a symbol buys and sells now, or does not",
        _document(
            {
                "symbol": SYMBOL,
                "status": one_of(STATUSES),
                "state": one_of(STATES),
                "reason": maybe(TEXT),
                "next_step": maybe(TEXT),
                "buys": record({"may": BOOLEAN, "text": TEXT}),
                "traders": array(record({"trader": ref("trader_name"), "text": TEXT})),
            }
        ),
    ),
    "why": (
        "one order's life",
        _document(
            {
                "symbol": SYMBOL,
                "order": ref("order"),
                "life": array(record({"at": TIME, "what": ref("event_kind"), "text": TEXT})),
            }
        ),
    ),
    "version": (
        "the versions of client and daemon",
        _document({"client": TEXT, "daemon": TEXT, "proto": {"type": "integer", "minimum": 1}}),
    ),
    "ping": (
        "that the daemon answers, and how fast",
        _document(
            {
                "pid": {"type": "integer", "minimum": 1},
                "state": one_of(DAEMON_STATES),
                "milliseconds": AMOUNT,
            }
        ),
    ),
    "metrics": ("figures as text for Prometheus", _document({"text": TEXT})),
    "catalogue": (
        "all verbs, options, exit codes and kinds of errors",
        _document(
            {
                "program": TEXT,
                "options": array(ref("option")),
                "verbs": array(
                    record(
                        {
                            "name": TEXT,
                            "help": TEXT,
                            "arguments": array(record({"name": TEXT, "required": BOOLEAN, "repeatable": BOOLEAN})),
                            "options": array(ref("option")),
                            "documents": array(TEXT),
                        }
                    )
                ),
                "exit_codes": array(record({"code": COUNT, "meaning": TEXT})),
                "error_kinds": array(
                    record(
                        {
                            "kind": ref("word"),
                            "exit": COUNT,
                            "retryable": BOOLEAN,
                            "code": maybe({"type": "integer"}),
                        }
                    )
                ),
            }
        ),
    ),
    "error": (
        "what any verb prints instead of its document when nothing came of it; the exit code is not 0",
        _document({"error": ref("problem")}),
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
            queue += _referenced(DEFINITIONS[name])
    return {name: DEFINITIONS[name] for name in DEFINITIONS if name in needed}


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
