"""The program over files, as a person and a script run it."""

import contextlib
import csv
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from naivectl.documents import schemas
from naived.backtest import documents
from tests.support import forks
from tests.support.tape import walk
from tests.support.tapes import Row, written

PATIENCE = 60  # seconds for one program
SCHEMA = json.loads(Path(documents.__file__).with_name("backtest.schema.json").read_text())
FILES = ("--rebuy", "0.001", "--profit", "0.0002", "--fee", "0.0001", "--no-cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    prices, times = walk(5, 6_000, step=25)
    rows = [Row(n, price, time=time) for n, (price, time) in enumerate(zip(prices, times, strict=True), 1)]
    written(tmp_path / "ETHUSDT-trades-2023-11-14.csv", rows)
    return tmp_path


def naived(folder: Path, *arguments: str, files: tuple[str, ...] = FILES) -> "subprocess.CompletedProcess[str]":
    """``naived backtest ETHUSDT`` there, without a terminal."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NAIVED_")}
    words = ("backtest", "ETHUSDT", "--tape", "ETHUSDT-trades-2023-11-14.csv", *files, *arguments)
    with contextlib.chdir(folder):
        return forks.run("naived", *words, timeout=PATIENCE, env=environment | {"HOME": str(folder)})


def test_the_document_has_the_form_of_its_schema_and_nothing_else(folder: Path) -> None:
    done = naived(folder, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(document)
    assert set(document) == set(SCHEMA["properties"])
    assert set(document["settings"]) == set(SCHEMA["properties"]["settings"]["properties"])
    assert document["cycles"] > 5
    assert document["idle"] is None


def test_the_schema_refuses_what_the_document_never_is(folder: Path) -> None:
    document = json.loads(naived(folder, "--json", "--budget", "9").stdout)
    validator = Draft202012Validator(SCHEMA)
    assert document["idle"]
    assert validator.is_valid(document)
    for wrong in ({"v": 2}, {"profit": "1.50"}, {"profit": 1.5}, {"first_trade_at": "yesterday"}, {"orders": -1}):
        assert not validator.is_valid(document | wrong)


def test_limits_of_the_account_hold_in_the_document_and_for_people(folder: Path) -> None:
    limits = ("--max-exposure", "450", "--reserve", "none", "--max-drawdown", "0.2")
    document = json.loads(naived(folder, "--json", *limits).stdout)
    Draft202012Validator(SCHEMA).validate(document)
    assert document["limits"] == {
        **{"max_exposure": "450", "reserve": None, "max_daily_loss": None, "max_drawdown": "0.2"},
    }
    assert Decimal(document["max_tied_up"]) <= 450
    (halt,) = document["halts"]
    assert "(max-drawdown)" in halt["reason"]
    assert "halts" in naived(folder, *limits).stdout
    refused = naived(folder, "--max-exposure", "0")
    assert (refused.returncode, "is not an amount above 0, or none" in refused.stderr) == (2, True)


def test_all_files_are_written_and_say_the_same(folder: Path) -> None:
    done = naived(folder, "--json", "--csv", "cycles.csv", "--orders", "orders.json", "--html", "page.html")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    rows = list(csv.DictReader((folder / "cycles.csv").read_text().splitlines()))
    assert len(rows) == document["cycles"]
    assert sum(Decimal(row["profit"]) for row in rows) == Decimal(document["profit"])
    orders = json.loads((folder / "orders.json").read_text())
    Draft202012Validator(schemas()["orders"]).validate(orders)
    assert len(orders["orders"]) == document["orders"]
    assert "<title>ETHUSDT, 2023-11-14" in (folder / "page.html").read_text()


@pytest.mark.parametrize("flag", ["--csv", "--orders"])
def test_a_dash_is_standard_output_and_the_summary_goes_to_people(folder: Path, flag: str) -> None:
    done = naived(folder, flag, "-")
    assert done.returncode == 0
    if flag == "--csv":
        assert done.stdout.startswith("symbol,trader,bought,")
    else:
        assert json.loads(done.stdout)["v"] == 1
    assert "\nprofit after fees  " in done.stderr


def test_two_things_never_share_standard_output(folder: Path) -> None:
    for arguments in (("--json", "--csv", "-"), ("--csv", "-", "--orders", "-"), ("--html", "-")):
        done = naived(folder, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "standard output" in done.stderr


def test_no_tape_and_no_other_file_is_overwritten_by_mistake(folder: Path) -> None:
    tape = folder / "ETHUSDT-trades-2023-11-14.csv"
    before = tape.read_bytes()
    (folder / "link.csv").symlink_to(tape)
    for arguments in (("--csv", tape.name), ("--orders", "link.csv"), ("--csv", "one", "--orders", "./one")):
        done = naived(folder, *arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert "would overwrite" in done.stderr
    assert tape.read_bytes() == before
    assert not (folder / "one").exists()


def test_a_missing_directory_is_told_before_the_tape_is_read(folder: Path) -> None:
    (folder / "ETHUSDT-trades-2023-11-14.csv").unlink()
    done = naived(folder, "--html", "away/page.html")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"naived: cannot write away/page.html: there is no directory {folder}/away; make it first\n"
    )


def test_a_full_disk_loses_one_file_and_not_the_rest(folder: Path) -> None:
    done = naived(folder, "--csv", "/dev/full", "--orders", "orders.json")
    assert done.returncode == 1
    assert done.stderr == "naived: cannot write /dev/full: No space left on device\n"
    assert "profit after fees  " in done.stdout
    assert json.loads((folder / "orders.json").read_text())["v"] == 1


def test_warnings_of_the_tape_are_in_the_summary_and_beside_the_document(folder: Path) -> None:
    twice = ("--tape", "./ETHUSDT-trades-2023-11-14.csv")
    done = naived(folder, *twice)
    assert (done.returncode, done.stderr) == (0, "")
    [line] = [line for line in done.stdout.splitlines() if line.startswith("warning: ")]
    machine = naived(folder, *twice, "--json")
    assert machine.stderr == f"naived: {line}\n"
    assert json.loads(machine.stdout)["warnings"] == [line.removeprefix("warning: ")]


def test_plotly_is_imported_for_a_page_only(folder: Path) -> None:
    program = (
        "import sys; from naived.cli.backtest import perform; "
        "code = perform('ethusdt', {'tape': ['ETHUSDT-trades-2023-11-14.csv'], 'no_cache': True}, {}); "
        "slow = {'plotly', 'sqlalchemy'}; sys.exit(code or bool(slow & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done
