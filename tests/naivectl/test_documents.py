"""The committed schemas: fresh, valid, complete, and in the daemon's own words."""

from pathlib import Path

import pytest
import typer
from jsonschema import Draft202012Validator

from naivectl import documents, forms
from naivectl.app import app
from naived.control.protocol import SETTINGS
from naived.core.orders.intent import Side
from naived.core.orders.state import State
from naived.core.strategy.settings import Status
from naived.runtime.actual_state import ActualState

COMMITTED = Path(documents.__file__).parent / "schemas"
WITHOUT = {"is-trading", "schema", "completion"}  # they print nothing, a schema, a script


def test_the_committed_schemas_are_those_the_module_makes(tmp_path):
    documents.main(str(tmp_path))
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text() for path in COMMITTED.iterdir()}
    assert committed == made, "stale: python -m naivectl.documents naivectl/schemas"


def test_every_verb_that_prints_a_document_has_a_schema():
    verbs = {name for name, command in typer.main.get_command(app).commands.items() if not command.hidden}
    assert set(documents.schemas()) == verbs - WITHOUT | set(documents.STREAMS) | {"error"}


@pytest.mark.parametrize("name", documents.schemas())
def test_a_schema_is_one_and_is_complete_in_itself(name):
    schema = documents.schemas()[name]
    Draft202012Validator.check_schema(schema)
    assert not Draft202012Validator(schema).is_valid({})  # resolves its references


def test_the_words_are_those_of_the_daemon():
    assert tuple(map(str, Status)) == forms.STATUSES
    assert set(forms.STATES) == set(map(str, ActualState))
    assert set(forms.ORDER_STATES) == set(map(str, State))
    assert set(forms.SIDES) == set(map(str, Side))
    settings = documents.schemas()["settings"]["$defs"]["settings"]["properties"]
    assert tuple(settings) == SETTINGS


def test_a_schema_allows_what_a_later_version_adds():
    validator = Draft202012Validator(documents.schemas()["error"])
    error = {"kind": "busy", "message": "m", "hint": None, "new": 1}
    assert validator.is_valid({"v": 1, "error": error, "new": 2})
    assert not validator.is_valid({"v": 2, "error": error})


def test_schema_prints_the_committed_file_or_the_names(naivectl):
    done = naivectl("schema", "trades")
    assert (done.code, done.out) == (0, (COMMITTED / "trades.json").read_text())
    assert naivectl("--json", "schema", "trades") == done
    assert naivectl("schema").out.split() == sorted(documents.schemas())


def test_a_name_without_a_schema_is_a_usage_error_that_names_them(naivectl):
    done = naivectl("schema", "../schemas/trades")
    assert (done.code, done.out) == (2, "")
    assert "trades, version, wait" in done.err


LEG = {"client_order_id": "n1abcd-a", "order_id": 1, "price": "2683.53", "quantity": "0.0745", "executed": "0"}
TIME = "2026-11-22T07:00:00.000Z"
ORDER = {
    **{"symbol": "ETHUSDT", "trader": "ETHUSDT-17", "side": "buy", **LEG, "state": "open"},
    **dict.fromkeys(("fence_at", "created_at", "updated_at"), TIME),
}
ERROR = {"kind": "busy", "message": "m", "hint": "h"}
# What the contract promises, written down once more: a schema that requires less would not be noticed otherwise.
PROMISED = {
    "status": {
        "v": 1,
        "daemon": {
            **{"version": "0.1.0", "pid": 4711, "started_at": TIME, "exchange": "simulator"},
            **{"exchange_url": "ws://127.0.0.1:41234", "database": "sqlite", "state": "degraded", "reason": "r"},
            **{
                "exchange_state": "down",
                "uptime_s": 3,
                "node": "n",
                "halt": {"reason": "r", "by": "limit", "since": TIME},
            },
        },
        "symbols": [
            {
                **{
                    "symbol": "ETHUSDT",
                    "status": "on",
                    "state": "trading",
                    "reason": "r",
                    "next_step": "n",
                    "halt": None,
                },
                **{"chunks": 5, "budget": "1000", "last_price": "2683.8", "last_trade_at": TIME, "cycles": 12},
                **{"realized_profit": "1.23456789", "unrealized_profit": "-0.01", "profit_today": "0"},
                **{"held": "0", "held_cost": "0", "tied_up": "0", "base": "ETH", "quote": "USDT", "tick": "0.01"},
                **{"node": "alpha", "as_of": TIME},
                "leftover": [{"quantity": "0.1", "cost": "1", "price": "2", "reason": "r"}],
                "traders": [
                    {
                        **{"id": "ETHUSDT-17", "phase": "buying", "reason": "r", "since": TIME},
                        **{"rebuy_notified": False, "buy": {**LEG, "state": "filled"}, "sell": None},
                    }
                ],
            }
        ],
    },
    "start": {
        "v": 1,
        "results": [
            {
                **{"symbol": "ETHUSDT", "status": "on", "state": "trading", "changed": True},
                **{"open_orders": [ORDER], "message": "m", "error": ERROR},
            }
        ],
    },
    "orders": {"v": 1, "orders": [ORDER]},
    "trades": {
        "v": 1,
        "trades": [
            {
                **{"symbol": "ETHUSDT", "trader": "ETHUSDT-17", "bought": "0.1", "buy_price": "2", "sold": "0.1"},
                **{"sell_price": "3", "fees": {"ETH": "0.0000745"}, "fees_valued": "0", "profit": "0.1"},
                **{"started_at": TIME, "finished_at": TIME},
            }
        ],
    },
    "events": {"v": 1, "events": [{"at": TIME, "symbol": "ETHUSDT", "kind": "filled", "message": "m"}]},
    "error": {"v": 1, "error": ERROR},
}


def spoiled(value):
    """The value without one of its keys, or with a number for one of its texts, in every way."""
    if isinstance(value, str):
        yield 1
    elif isinstance(value, list):
        for index, each in enumerate(value):
            for wrong in spoiled(each):
                yield [*value[:index], wrong, *value[index + 1 :]]
    elif isinstance(value, dict):
        for key, each in value.items():
            if key != "ETH":  # no asset has to be among the fees
                yield {name: other for name, other in value.items() if name != key}
            for wrong in spoiled(each):
                yield {**value, key: wrong}


@pytest.mark.parametrize("name", PROMISED)
def test_a_schema_requires_all_that_is_promised(name):
    validator = Draft202012Validator(documents.schemas()[name])
    assert not list(validator.iter_errors(PROMISED[name]))
    for wrong in spoiled(PROMISED[name]):
        assert not validator.is_valid(wrong), wrong
