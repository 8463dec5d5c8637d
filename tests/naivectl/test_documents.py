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
