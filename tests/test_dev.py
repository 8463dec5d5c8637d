"""The front door, with a Python that only notes what it is asked, and with a real one that has pip and no more."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pip
import pytest

ROOT = Path(__file__).parent.parent
PYTHONS = ("python3", *(f"python3.{minor}" for minor in range(11, 16)))
TOOLS = ("cat", "cksum", "cp", "dirname", "mkdir", "rm", "sh")

# What the interpreter outside the environment does; the variables say what it has and how it fails. Like the real
# ones, its pip wants a file that is there, and it makes an environment without ensurepip by --without-pip only.
OUTER = """#!/bin/sh
case "$*" in
"-c "*version_info*) printf '%s\\n' "$0" && exit "$OLD" ;;
-V) echo "Python 3.$((11 - OLD)).2" && exit ;;
"-c "*) exit ;;
esac
printf '%s\\n' "outer $*" >>"$LOG"
case "$*" in
"-m pip --python "*) [ "$PIP" = 0 ] && [ -f "$4" ] || exit 1 ;;
"-m ensurepip "*) exit "$ENSUREPIP" ;;
"-m venv --without-pip --clear .venv")
    rm -f .venv/unfinished
    [ "$CUT_SHORT" != venv ] || { kill -KILL "$PPID" && exit; }
    rm -rf .venv && mkdir -p .venv/bin && cp "$INNER" .venv/bin/python
    exit "$VENV" ;;
esac
case "$5" in
install)
    [ "$CUT_SHORT" != install ] || kill -KILL "$PPID"
    exit "$INSTALL" ;;
esac
"""
UV = """#!/bin/sh
printf '%s\\n' "uv $*" >>"$LOG"
"""
INNER = """#!/bin/sh
case "$*" in -V) echo "Python $INNER_VERSION" && exit ;; esac
printf '%s\\n' "inner $*" >>"$LOG"
[ -n "${HOME-unset}" ] && exit "$INNER_EXIT"
"""


class Door:
    """A copy of the project's front door, in a directory whose name has a space."""

    def __init__(self, place: Path) -> None:
        self.project = place / "a clone"
        self.project.mkdir()
        for name in ("dev", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.project)
        self.venv = self.project / ".venv"
        self.bin = place / "bin"
        self.bin.mkdir()
        for name in PYTHONS:
            _script(self.bin / name, OUTER)
        for name in TOOLS:
            (self.bin / name).symlink_to(str(shutil.which(name)))
        self.python = self.bin / "python3"
        self.inner = _script(place / "inner", INNER)
        self.log = place / "log"
        self.environ = {
            "PATH": str(self.bin),
            "HOME": str(place),
            "LOG": str(self.log),
            "INNER": str(self.inner),
            "INNER_VERSION": "3.11.2",
            **dict.fromkeys(("OLD", "PIP", "ENSUREPIP", "VENV", "INSTALL", "CUT_SHORT", "INNER_EXIT"), "0"),
        }

    def open(self, *arguments: str, **environ: str) -> tuple[int, str, Sequence[str]]:
        """Run ``./dev`` from elsewhere: its exit code, what it said, and what it asked Python to do."""
        self.log.write_text("")
        done = self.run(*arguments, **environ)
        assert not done.stdout
        return done.returncode, done.stderr, self.log.read_text().splitlines()

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.project / "dev", *arguments],
            env={**self.environ, **environ},
            cwd="/",
            capture_output=True,
            text=True,
        )


def _script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def door(tmp_path: Path) -> Door:
    if not os.access("/bin/sh", os.X_OK):
        pytest.skip("needs a POSIX shell")
    return Door(tmp_path)


def makes_anew(asked: Sequence[str]) -> bool:
    return "outer -m venv --without-pip --clear .venv" in asked


def test_the_first_use_makes_the_environment_from_the_tested_versions(door: Door) -> None:
    code, said, asked = door.open("test", "-k", "one two")
    assert code == 0
    assert said.splitlines() == [
        f"./dev: making .venv with {door.python} (Python 3.11.2) ...",
        "./dev: fetching and installing what ./dev test needs, by pip: this takes about a minute ...",
        "./dev: .venv is ready",
    ]
    assert asked == [
        f"outer -m pip --python {door.python} --version",
        "outer -m venv --without-pip --clear .venv",
        "outer -m pip --python .venv/bin/python install --quiet -c constraints.txt -e .[test,backtest]",
        "inner -m pytest -n auto -k one two",
    ]


def test_the_next_use_starts_at_once(door: Door) -> None:
    door.open("test")
    assert door.open("test") == (0, "", ["inner -m pytest -n auto"])


def test_a_demo_needs_nothing_of_the_tests(door: Door) -> None:
    _, _, asked = door.open("demo", "--seconds", "5")
    assert asked[-2:] == [
        "outer -m pip --python .venv/bin/python install --quiet -c constraints.txt -e .",
        "inner contrib/demo.py --seconds 5",
    ]


def test_what_the_tests_have_is_enough_for_a_demo(door: Door) -> None:
    door.open("test")
    assert door.open("demo") == (0, "", ["inner contrib/demo.py"])


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_other_versions_fill_the_environment_again(door: Door, name: str) -> None:
    door.open("test")
    with (door.project / name).open("a") as file:
        file.write("# changed\n")
    _, said, asked = door.open("test")
    assert said.startswith("./dev: fetching and installing")
    assert any("install" in line for line in asked)
    assert not makes_anew(asked)


def test_a_set_up_that_failed_says_what_to_do_and_is_tried_again(door: Door) -> None:
    code, said, asked = door.open("test", INSTALL="2")
    assert code == 1
    assert "It needs the network, or pip set up for your proxy or mirror. Then run ./dev test again." in said
    assert not any(line.startswith("inner") for line in asked)
    assert door.open("test")[2][-2:] == [
        "outer -m pip --python .venv/bin/python install --quiet -c constraints.txt -e .[test,backtest]",
        "inner -m pytest -n auto",
    ]


def test_a_demo_still_starts_after_the_set_up_of_the_tests_failed(door: Door) -> None:
    door.open("demo")
    assert door.open("test", INSTALL="1")[0] == 1
    assert door.open("demo") == (0, "", ["inner contrib/demo.py"])


@pytest.mark.parametrize("before", [(), ("demo",)])
@pytest.mark.parametrize("how", [{"CUT_SHORT": "install"}, {"INSTALL": "137"}])
def test_a_set_up_that_was_cut_short_is_made_anew(door: Door, before: tuple[str, ...], how: dict[str, str]) -> None:
    for verb in before:
        door.open(verb)
    assert door.open("test", **how)[0] != 0
    half_made = door.venv / "half made"
    half_made.touch()
    code, said, asked = door.open("demo")
    assert code == 0
    assert "making it anew" in said
    assert makes_anew(asked)
    assert not half_made.exists()
    assert door.open("demo")[1] == ""


def test_a_removal_that_was_cut_short_leaves_nothing_that_is_used(door: Door) -> None:
    door.open("demo")
    assert door.open("demo", INNER_VERSION="3.12.2", CUT_SHORT="venv")[0] != 0
    code, _, asked = door.open("demo")
    assert (code, makes_anew(asked)) == (0, True)


def test_a_python_that_makes_no_environment_is_told_of(door: Door) -> None:
    code, said, asked = door.open("demo", VENV="1")
    assert code == 1
    assert "could not make .venv, the lines above say why" in said
    assert not any("install" in line for line in asked)


def test_a_copied_checkout_gets_an_environment_of_its_own(door: Door, tmp_path: Path) -> None:
    door.open("demo")
    shutil.copytree(door.project, tmp_path / "a copy")
    door.project = tmp_path / "a copy"
    code, said, asked = door.open("demo")
    assert (code, makes_anew(asked)) == (0, True)
    assert "was made elsewhere" in said


def test_a_python_that_is_gone_is_replaced(door: Door) -> None:
    door.open("demo")
    (door.venv / "bin/python").unlink()
    (door.venv / "bin/python").symlink_to("/usr/bin/python-that-is-gone")
    code, said, asked = door.open("demo")
    assert (code, makes_anew(asked)) == (0, True)
    assert "has lost its Python" in said


@pytest.mark.parametrize(("version", "anew"), [("3.11.9", False), ("3.12.2", True)])
def test_packages_of_another_python_are_replaced(door: Door, version: str, anew: bool) -> None:
    door.open("demo")
    code, _, asked = door.open("demo", INNER_VERSION=version)
    assert (code, makes_anew(asked)) == (0, anew)


def test_an_environment_that_somebody_else_made_is_filled_and_kept(door: Door) -> None:
    (door.venv / "bin").mkdir(parents=True)
    shutil.copy(door.inner, door.venv / "bin/python")
    code, said, asked = door.open("demo")
    assert (code, makes_anew(asked)) == (0, False)
    assert said.startswith("./dev: fetching and installing")


def test_without_pip_the_one_that_comes_with_python_is_used(door: Door) -> None:
    code, _, asked = door.open("test", PIP="1")
    assert code == 0
    assert asked[-4:] == [
        "outer -m venv --without-pip --clear .venv",
        "inner -m ensurepip",
        "inner -m pip install --quiet -c constraints.txt -e .[test,backtest]",
        "inner -m pytest -n auto",
    ]


def test_without_pip_uv_is_used_where_it_is(door: Door) -> None:
    _script(door.bin / "uv", UV)
    code, _, asked = door.open("demo", PIP="1")
    assert code == 0
    assert asked[-3:] == [
        "outer -m venv --without-pip --clear .venv",
        "uv pip install --quiet --python .venv/bin/python -c constraints.txt -e .",
        "inner contrib/demo.py",
    ]


def test_without_any_pip_it_says_what_to_install(door: Door) -> None:
    code, said, _ = door.open("demo", PIP="1", ENSUREPIP="1")
    assert code == 1
    assert "has no pip. Install them, for example: apt install python3 python3-pip" in said
    assert not door.venv.exists()


def test_an_old_python_alone_is_refused(door: Door) -> None:
    code, said, _ = door.open("demo", OLD="1")
    assert code == 1
    assert "needs Python 3.11 or newer with pip 22.3 or newer, but python3 is Python 3.10.2." in said


def test_without_python_it_says_what_to_install(door: Door) -> None:
    for name in PYTHONS:
        (door.bin / name).unlink()
    code, said, _ = door.open("demo")
    assert code == 1
    assert "but there is no python3. Install them, for example: apt install python3 python3-pip" in said


def test_a_checkout_that_cannot_be_written_to_says_where_to_go(door: Door) -> None:
    door.venv.symlink_to("/nowhere/to/write")  # stops root too, which a mode does not
    code, said, asked = door.open("demo")
    assert code == 1
    assert f"cannot write to {door.venv}. Clone naived into a directory that you may write to" in said
    assert not makes_anew(asked)


def test_another_directory_of_the_same_name_is_not_taken_for_the_checkout(door: Door, tmp_path: Path) -> None:
    (tmp_path / "elsewhere/a clone").mkdir(parents=True)
    door.environ["CDPATH"] = str(tmp_path / "elsewhere")
    done = subprocess.run(["a clone/dev", "demo"], cwd=tmp_path, env=door.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_empty_home_is_no_home(door: Door) -> None:
    assert door.open("demo", HOME="")[0] == 0


def test_the_exit_code_of_what_was_started_is_its_own(door: Door) -> None:
    door.open("test")
    assert door.open("test", INNER_EXIT="5")[0] == 5


@pytest.mark.parametrize("arguments", [(), ("nonsense",)])
def test_anything_else_shows_the_usage(door: Door, arguments: tuple[str, ...]) -> None:
    code, said, asked = door.open(*arguments)
    assert (code, asked) == (2, [])
    assert said.startswith("usage: ./dev demo")


# From here on Python, venv and pip are real. The project is not: it has no dependencies, and builds itself.
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = """
import pathlib, zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(pathlib.Path(wheel_directory, "naived-0-py3-none-any.whl"), "w") as wheel:
        wheel.writestr("naived.pth", str(pathlib.Path.cwd()))
        wheel.writestr("naived-0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: naived\\nVersion: 0\\n")
        wheel.writestr("naived-0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n")
        wheel.writestr("naived-0.dist-info/RECORD", "")
    return "naived-0-py3-none-any.whl"
"""
DEMO = """
import fcntl, importlib.metadata, sys

fcntl.flock(open("pyproject.toml"), fcntl.LOCK_EX | fcntl.LOCK_NB)  # what runs does not keep others from a set-up
print(importlib.metadata.distribution("naived").locate_file(""), sys.argv[1:])
"""


@pytest.fixture
def bare(door: Door) -> Door:
    """A machine with Python and pip: no ensurepip, so no pip inside an environment either, no uv and no network."""
    for name in PYTHONS:
        (door.bin / name).unlink()
    _script(door.python, f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    site = door.bin / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import sys\nsys.modules['ensurepip'] = None\n")
    door.environ |= {"PYTHONPATH": str(site), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    (door.project / "pyproject.toml").write_text(PYPROJECT)
    (door.project / "constraints.txt").write_text("")
    (door.project / "backend.py").write_text(BACKEND)
    (door.project / "contrib").mkdir()
    (door.project / "contrib/demo.py").write_text(DEMO)
    refused = subprocess.run([door.python, "-m", "ensurepip", "--version"], env=door.environ, capture_output=True)
    assert refused.returncode
    return door


def test_a_python_that_has_pip_and_no_more_is_enough(bare: Door) -> None:
    done = bare.run("demo", "--seconds", "5", PIP_USER="1")
    assert done.returncode == 0, done.stderr
    where, arguments = done.stdout.rstrip().split(" [")
    assert Path(where).is_relative_to(bare.venv)
    assert arguments == "'--seconds', '5']"
    assert (bare.run("demo").returncode, bare.run("demo").stderr) == (0, "")


def test_an_activated_environment_is_made_anew(bare: Door) -> None:
    (bare.bin / "site/pip").symlink_to(Path(pip.__file__).parent)  # for the Python that ours was made by, too
    assert bare.run("demo").returncode == 0
    (bare.venv / "unfinished").touch()
    done = bare.run("demo", PATH=f"{bare.venv}/bin:{bare.bin}")
    assert done.returncode == 0, done.stderr
    assert "making it anew" in done.stderr


def test_without_a_network_pip_says_what_it_misses(bare: Door) -> None:
    pyproject = PYPROJECT.replace("requires = []", 'requires = ["hatchling"]')
    (bare.project / "pyproject.toml").write_text(pyproject)
    done = bare.run("demo")
    assert (done.returncode, done.stdout) == (1, "")
    assert "No matching distribution found for hatchling" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("./dev: the installation failed, the lines above say why.")


def test_two_set_ups_take_turns(bare: Door) -> None:
    with (bare.project / "pyproject.toml").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = subprocess.Popen(
            [bare.project / "dev", "demo"],
            env=bare.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert waiting.stderr is not None
        assert "waiting for it" in waiting.stderr.readline()
        assert not bare.venv.exists()
    _, said = waiting.communicate()
    assert waiting.returncode == 0
    assert said.endswith("./dev: .venv is ready\n")
