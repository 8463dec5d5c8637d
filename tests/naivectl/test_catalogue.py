"""The catalogue tells what the command tree, the protocol and the client have, and nothing else."""

import ast
import json
from pathlib import Path

import pytest
import typer
from jsonschema import Draft202012Validator

from naivectl import catalogue, documents
from naivectl.app import app
from naived.control.protocol import Code

HERE = Path(catalogue.__file__).parent
PROMISED = {0, 1, 2, 3, 4, 5, 6, 7, 8, 75, 76, 77, 124, 130, 143}


@pytest.fixture(scope="module")
def told():
    return json.loads((HERE / "catalogue.json").read_text())


@pytest.fixture(scope="module")
def tree():
    return typer.main.get_command(app)


def test_the_committed_catalogue_is_what_the_module_makes(tmp_path):
    catalogue.main(str(tmp_path / "made.json"))
    assert (HERE / "catalogue.json").read_text() == (tmp_path / "made.json").read_text(), (
        "stale: python -m naivectl.catalogue naivectl/catalogue.json"
    )


def flat(options):
    return {name for option in options for name in (*option["names"], *option["negative"])}


def named(command):
    """The options of a command, as its parser takes them."""
    return {
        name
        for parameter in command.params
        if parameter.param_type_name == "option"
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


def test_verbs_and_options_are_those_of_the_tree(told, tree):
    verbs = {verb["name"]: verb for verb in told["verbs"]}
    assert set(verbs) == {name for name, command in tree.commands.items() if not command.hidden}
    assert flat(told["options"]) == named(tree)
    for name, verb in verbs.items():
        assert flat(verb["options"]) == named(tree.commands[name]), name


def test_an_option_is_described_by_what_it_takes(told):
    verbs = {verb["name"]: verb for verb in told["verbs"]}
    options = {option["names"][0]: option for option in verbs["stop"]["options"]}
    assert options["--cancel"]["choices"] == ["none", "buys", "all"]
    assert options["--cancel"]["default"] == "none"
    assert (options["--wait"]["negative"], options["--wait"]["default"]) == (["--no-wait"], True)
    assert options["--timeout"]["takes"] == "DUR|none"
    assert verbs["stop"]["arguments"] == [{"name": "SYMBOL", "required": False, "repeatable": True}]
    assert next(option for option in verbs["wait"]["options"] if option["names"] == ["--for"])["required"] is True


def test_every_promised_exit_code_is_in_it_and_no_other(told):
    assert {each["code"] for each in told["exit_codes"]} == PROMISED
    assert {kind["exit"] for kind in told["error_kinds"]} <= PROMISED


def test_every_kind_of_error_is_in_it(told):
    kinds = {kind["kind"]: kind for kind in told["error_kinds"]}
    assert len(kinds) == len(told["error_kinds"])
    for code in Code:
        assert kinds[code.kind] == {
            "kind": code.kind,
            "exit": code.exit,
            "retryable": code.retryable,
            "code": int(code),
        }
    assert own_kinds() == {kind: exit for kind, (exit, _) in catalogue.OWN_KINDS.items()}
    assert set(kinds) == {code.kind for code in Code} | set(catalogue.OWN_KINDS)


def own_kinds():
    """Kind and exit code of each Failure that naivectl makes, read from its source."""
    found = {}
    for path in HERE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Name("Failure") | ast.Attribute(attr="__init__"),
                    args=[ast.Constant(str(kind)), _, _, ast.Constant(int(exit))],
                ):
                    found[kind] = exit
    return found


def test_each_document_that_it_names_has_a_schema(told):
    names = {name for verb in told["verbs"] for name in verb["documents"]}
    assert names == set(documents.schemas()) - {"error"}


def test_it_has_the_form_of_its_own_schema(told):
    assert Draft202012Validator(documents.schemas()["catalogue"]).is_valid(told)


def test_it_is_printed_without_a_daemon(naivectl, told):
    done = naivectl("catalogue")
    assert done.code == 0
    assert json.loads(done.out) == told
