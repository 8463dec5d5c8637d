"""The front door, with a Python that only notes what it is asked to do."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHONS = ("python3", *(f"python3.{minor}" for minor in range(11, 16)))
TOOLS = ("cat", "cksum", "cp", "dirname", "mkdir", "sh")

# What the interpreter outside the environment does: $PIP and $ENSUREPIP say what it has.
OUTER = """#!/bin/sh
printf '%s\\n' "outer $*" >>"$LOG"
case "$*" in
"-c "*) exit "$OLD" ;;
"-m pip --python python3 --version") exit "$PIP" ;;
"-m ensurepip --version") exit "$ENSUREPIP" ;;
"-m venv"*) mkdir -p .venv/bin && cp "$INNER" .venv/bin/python ;;
esac
exit 0
"""
UV = """#!/bin/sh
printf '%s\\n' "uv $*" >>"$LOG"
case "$1" in venv) mkdir -p .venv/bin && cp "$INNER" .venv/bin/python ;; esac
"""
INNER = """#!/bin/sh
printf '%s\\n' "inner $*" >>"$LOG"
exit "$INNER_EXIT"
"""


class Door:
    """A copy of the project's front door, in a directory whose name has a space."""

    def __init__(self, place: Path) -> None:
        self.project = place / "a clone"
        self.project.mkdir()
        for name in ("dev", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.project)
        (place / "bin").mkdir()
        for name in PYTHONS:
            _script(place / "bin" / name, OUTER)
        for name in TOOLS:
            (place / "bin" / name).symlink_to(str(shutil.which(name)))
        self.log = place / "log"
        self._environ = {
            "PATH": str(place / "bin"),
            "HOME": str(place),
            "LOG": str(self.log),
            "INNER": str(_script(place / "inner", INNER)),
        }

    def open(
        self, *arguments: str, old: int = 0, pip: int = 0, ensurepip: int = 0, inner_exit: int = 0
    ) -> tuple[int, str, Sequence[str]]:
        """Run ``./dev`` from elsewhere: its exit code, what it said, and what it asked Python to do."""
        self.log.write_text("")
        says = {"OLD": old, "PIP": pip, "ENSUREPIP": ensurepip, "INNER_EXIT": inner_exit}
        done = subprocess.run(
            [self.project / "dev", *arguments],
            env={**self._environ, **{name: str(value) for name, value in says.items()}},
            cwd="/",
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stderr, self.log.read_text().splitlines()


def _script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def door(tmp_path: Path) -> Door:
    if not os.access("/bin/sh", os.X_OK):
        pytest.skip("needs a POSIX shell")
    return Door(tmp_path)


def test_the_first_use_makes_the_environment_from_the_tested_versions(door: Door) -> None:
    code, said, asked = door.open("test", "-k", "one two")
    assert code == 0
    assert said == "setting up .venv for ./dev test ...\n"
    assert asked[-3:] == [
        "outer -m venv --without-pip .venv",
        "outer -m pip --python .venv/bin/python install --quiet -c constraints.txt -e .[test,backtest]",
        "inner -m pytest -n auto -k one two",
    ]


def test_the_next_use_starts_at_once(door: Door) -> None:
    door.open("test")
    assert door.open("test") == (0, "", ["inner -m pytest -n auto"])


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_other_versions_make_the_environment_anew(door: Door, name: str) -> None:
    door.open("test")
    with (door.project / name).open("a") as file:
        file.write("# changed\n")
    _, said, asked = door.open("test")
    assert said.startswith("setting up")
    assert any("install" in line for line in asked)


def test_a_demo_needs_nothing_of_the_tests(door: Door) -> None:
    _, _, asked = door.open("demo", "--seconds", "5")
    assert asked[-2:] == [
        "outer -m pip --python .venv/bin/python install --quiet -c constraints.txt -e .",
        "inner -m naived.demo --seconds 5",
    ]


def test_a_set_up_that_failed_is_tried_again(door: Door) -> None:
    code, _, _ = door.open("test", pip=1, inner_exit=1)
    assert code == 1
    _, said, _ = door.open("test")
    assert said.startswith("setting up")


def test_without_pip_the_one_that_comes_with_python_is_used(door: Door) -> None:
    code, _, asked = door.open("test", pip=1)
    assert code == 0
    assert asked[-3:] == [
        "outer -m venv .venv",
        "inner -m pip install --quiet -c constraints.txt -e .[test,backtest]",
        "inner -m pytest -n auto",
    ]


def test_without_pip_uv_is_used_where_it_is(door: Door, tmp_path: Path) -> None:
    _script(tmp_path / "bin" / "uv", UV)
    code, _, asked = door.open("demo", pip=1)
    assert code == 0
    assert asked[-3:] == [
        "uv venv --quiet --python python3 .venv",
        "uv pip install --quiet --python .venv/bin/python -c constraints.txt -e .",
        "inner -m naived.demo",
    ]


def test_without_any_pip_it_says_what_to_install(door: Door) -> None:
    code, said, _ = door.open("demo", pip=1, ensurepip=1)
    assert code == 1
    assert "python3 has no pip. Install it, for example: apt install python3-pip" in said


def test_an_old_python_alone_is_refused(door: Door) -> None:
    code, said, _ = door.open("demo", old=1)
    assert code == 1
    assert "needs Python 3.11 or newer" in said


def test_the_exit_code_of_what_was_started_is_its_own(door: Door) -> None:
    door.open("test")
    assert door.open("test", inner_exit=5)[0] == 5


@pytest.mark.parametrize("arguments", [(), ("nonsense",)])
def test_anything_else_shows_the_usage(door: Door, arguments: tuple[str, ...]) -> None:
    code, said, asked = door.open(*arguments)
    assert (code, asked) == (2, [])
    assert said.startswith("usage: ./dev demo")
