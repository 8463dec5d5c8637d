"""The project itself: what stands where, how large it is, and what must never be in it."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
CODE = ("naived", "naivectl")
ELSEWHERE = (
    "acceptance",
    "audit",
    "bench",
    "conformance",
    "field",
    "fuzz",
    "model",
    "properties",
    "simulation",
)  # tests of the whole, not of one module
DECIDING = (
    ast.If,
    ast.IfExp,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.Match,
    ast.Try,
    ast.BoolOp,
    ast.Compare,
    ast.BinOp,
)
MAX_LINES = 400  # about 300 is the aim
MAX_MACHINE_LINES = 600  # a state machine is one file
MACHINES = ("core/engine.py", "core/orders/state.py", "core/strategy/leader.py", "core/strategy/trader.py")
MAX_METHODS = 12  # about ten is the aim
CORE_MSGSPEC = {"msgspec": {"Struct"}, "msgspec.structs": {"replace"}}  # a value type is no I/O; codecs are
VAGUE = re.compile(r"(^|_)(utils?|helpers?|common|misc|managers?|base|shared)(_|$)")
LEAKS = re.compile(
    r"/(home|Users)/(?!somebody\b)[a-z]\w*/|/root/|/work/"
    r"|\bAKIA[0-9A-Z]{16}\b|\bghp_[0-9A-Za-z]{36}\b|BEGIN (RSA|EC|OPENSSH) PRIVATE KEY-----\n[A-Za-z0-9+/]{40}"
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def modules() -> list[Path]:
    return [path for package in CODE for path in sorted((ROOT / package).rglob("*.py"))]


def behaves(path: Path) -> bool:
    """Does the module decide or calculate anything a test could find wrong, or only give names?"""
    return any(
        isinstance(node, DECIDING)
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in function.body  # an annotation such as `str | None` is no decision
        for node in ast.walk(statement)
    )


def packages() -> list[Path]:
    return sorted({path.parent.relative_to(ROOT) for path in modules() if behaves(path)})


@pytest.mark.parametrize("package", [pytest.param(package, id=str(package)) for package in packages()])
def test_a_package_with_behaviour_has_its_tests_at_the_same_place(package: Path) -> None:
    assert list((ROOT / "tests" / package).glob("test_*.py"))


def test_tests_of_a_package_mirror_one_that_exists() -> None:
    strays = [
        path.relative_to(ROOT)
        for package in CODE
        for path in (ROOT / "tests" / package).rglob("test_*.py")
        if not (ROOT / path.relative_to(ROOT / "tests").parent).is_dir()
    ]
    assert not strays


def test_tests_outside_the_mirror_stand_in_a_known_room() -> None:
    rooms = {path.relative_to(ROOT / "tests").parts[0] for path in (ROOT / "tests").rglob("test_*.py")}
    assert rooms <= {*CODE, *ELSEWHERE, "test_demo.py", "test_dev.py", "test_forks.py", "test_structure.py"}


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in modules()])
def test_a_module_is_small_enough_to_hold_in_mind(path: Path) -> None:
    most = MAX_MACHINE_LINES if str(path).endswith(MACHINES) else MAX_LINES
    assert len(path.read_text().splitlines()) <= most


def test_a_class_has_few_methods() -> None:
    wide = {
        f"{path.relative_to(ROOT)}: {node.name}": methods
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and (methods := sum(isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) for each in node.body))
        > MAX_METHODS
    }
    assert not wide


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, id=str(p.relative_to(ROOT))) for p in modules() if p.is_relative_to(ROOT / "naived" / "core")],
)
def test_the_core_takes_no_more_of_msgspec_than_a_value_type(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not any(name.name.startswith("msgspec") for name in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("msgspec"):
            assert {name.name for name in node.names} <= CORE_MSGSPEC[node.module or ""]


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in modules()])
def test_a_module_is_named_for_what_it_is_about(path: Path) -> None:
    assert not any(VAGUE.search(part) for part in path.relative_to(ROOT).with_suffix("").parts)


def test_no_file_holds_a_secret_or_the_path_of_somebodys_machine() -> None:
    leaks = {}
    for path in tracked():
        try:
            found = LEAKS.search(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            continue
        if found and path != Path(__file__):
            leaks[str(path.relative_to(ROOT))] = found.group()
    assert not leaks


def test_the_tested_versions_satisfy_what_the_project_asks_for() -> None:
    pins = [
        Requirement(line)
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    for line in wanted:
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        tested = [each.version for pin in pins if canonicalize_name(pin.name) == name for each in pin.specifier]
        assert tested, line
        assert all(version in requirement.specifier for version in tested), line
