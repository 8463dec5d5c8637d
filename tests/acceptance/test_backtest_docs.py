"""Every command that docs/BACKTEST.md shows is run over made files, and answers as it says."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.test_docs import ROOT, blocks
from tests.support.tape import walk
from tests.support.tapes import Row, written

DOCUMENT = ROOT / "docs" / "BACKTEST.md"
PATIENCE = 120  # seconds for one program
DAY = 1_735_689_600_000  # 2025-01-01, ms
TRADES = 40_000  # of a day

Run = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the exchange would have for download."""
    folder = tmp_path_factory.mktemp("published")
    prices, _ = walk(7, 2 * TRADES, step=40)
    step = 86_400_000 // TRADES
    for day in range(2):
        numbers = range(day * TRADES, (day + 1) * TRADES)
        rows = [Row(n + 1, prices[n], time=DAY + n * step) for n in numbers]
        written(folder / f"ETHUSDT-trades-2025-01-0{day + 1}.zip", rows)
    return folder


@pytest.fixture
def run(tmp_path: Path, files: Path) -> Run:
    """A shell in a new home, with the naived of this checkout; nothing is fetched from anywhere."""
    programs = tmp_path / ".local/bin"
    programs.mkdir(parents=True)
    (programs / "naived").symlink_to(Path(sys.executable).parent / "naived")
    (programs / "curl").write_text(f'#!/bin/sh\ncp "{files}/${{2##*/}}" .\n')
    (programs / "pipx").write_text("#!/bin/sh\ntest \"$*\" = 'install .[backtest]'\n")
    for program in ("curl", "pipx"):
        (programs / program).chmod(0o755)
    environment = {"HOME": str(tmp_path), "PATH": f"{programs}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}

    def shell(script: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-e", "-c", script],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    return shell


def timeless(answer: str) -> str:
    """The answer without how fast this machine is."""
    return re.sub(r"^(trades +[0-9,]+).*$", r"\1  ...", answer, flags=re.MULTILINE)


def test_every_command_runs_and_every_answer_is_a_real_one(run: Run, tmp_path: Path) -> None:
    first, *rest = blocks(DOCUMENT, "sh")
    done = run(first)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    (shown,) = blocks(DOCUMENT, "console")
    command = shown.splitlines()[0].removeprefix("$ ")
    assert timeless(shown) == f"$ {command}\n{timeless(run(command).stdout)}"
    for block in rest:
        again = run(block)
        assert (again.returncode, again.stderr) == (0, ""), again
    assert {path.name for path in tmp_path.iterdir()} >= {"result.json", "cycles.csv", "orders.json", "summary.txt"}
    assert (tmp_path / ".cache/naived/tapes").is_dir()


def test_the_page_of_options_is_complete() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from naived.cli.main import main; main()", "backtest", "--help"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    offered = set(re.findall(r"--[a-z][a-z-]+", done.stdout))
    text = DOCUMENT.read_text()
    for flag in (
        "--tape",
        "--html",
        "--csv",
        "--orders",
        "--json",
        "--no-cache",
        "--latency",
        "--exchange-info",
        "--fee",
    ):
        assert flag in offered
        assert flag in text
