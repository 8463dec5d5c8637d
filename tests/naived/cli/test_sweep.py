"""The program: what it prints and writes, with any number of processes, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from naived.backtest import documents
from naived.cli.options import UsageError, gather
from naived.cli.sweep_options import _share, load_command
from naived.control.protocol import SETTINGS
from naived.process.config import ConfigError
from tests.support import forks
from tests.support.sweeps import file

SCHEMA, BACKTEST = (
    json.loads(Path(documents.__file__).with_name(f"{name}.schema.json").read_text())
    for name in ("sweep", "backtest")
)
PROGRAM = [sys.executable, "-c", "from naived.cli.main import main; main()"]
PATIENCE = 60.0  # seconds, on a busy machine
GRID = ("--profit", "0.001:0.003:0.001", "--rebuy", "0.3%,0.6%", "--split", "0.7")
SLOW = (*("--profit", "0.001:0.1:0.001"), "--max-deviation", "0.0001")  # a hundred points, each of them slow


@dataclass
class Sweeps:
    """`naived sweep` in a home of its own, over one tape."""

    home: Path
    tape: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NAIVED_")}
        return {
            **kept,
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "TMPDIR": str(self.home),
        }

    def run(
        self, *arguments: str, command: Sequence[str] = ("sweep", "ethusdt")
    ) -> "subprocess.CompletedProcess[str]":
        words = (*command, "--tape", str(self.tape), *arguments)
        return forks.run("naived", *words, timeout=PATIENCE, env=self.environment)

    def document(self, *arguments: str) -> Any:
        done = self.run("--json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> Sweeps:
    home = tmp_path_factory.mktemp("home")
    return Sweeps(home, file(home / "trades.csv", 6_000))


def test_the_document_has_the_form_of_its_schema_and_nothing_else(sweeps: Sweeps) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    validator = Draft202012Validator(SCHEMA)
    split = sweeps.document(*GRID, "--fall-guard", "5%/10m", "--jobs", "1")
    whole = sweeps.document("--budget", "5,1000", "--floor", "100,none", "--ceiling", "50", "--jobs", "1")
    for document in (split, whole):
        validator.validate(document)
        assert set(document) == set(SCHEMA["properties"])
    parts = SCHEMA["$defs"]
    assert {point["settings"]["fall_guard"] for point in split["points"]} == {"0.05/10m"}
    for point in split["points"]:
        assert set(point) == set(parts["point"]["properties"])
        assert set(point["in_sample"]) == set(point["out_of_sample"]) == set(parts["figures"]["properties"])
        assert set(point["settings"]) == set(parts["settings"]["properties"])
    reasons = [point["reason"] for point in whole["points"] if point["in_sample"] is None]
    assert len(reasons) == 3
    assert None not in reasons
    for missing in parts["figures"]["required"]:
        figures = {name: value for name, value in split["points"][0]["in_sample"].items() if name != missing}
        assert not validator.is_valid({**split, "points": [{**split["points"][0], "in_sample": figures}]})


def test_a_point_has_the_fields_of_a_backtest_in_the_same_form() -> None:
    figures = SCHEMA["$defs"]["figures"]
    for name, form in figures["properties"].items():
        assert form == BACKTEST["properties"][name], name
    assert SCHEMA["$defs"]["settings"]["properties"] == BACKTEST["properties"]["settings"]["properties"]
    assert {name: SCHEMA["$defs"][name] for name in BACKTEST["$defs"]} == BACKTEST["$defs"]


def test_the_same_points_are_found_with_any_number_of_processes_and_without_a_cache(sweeps: Sweeps) -> None:
    one = sweeps.document(*GRID, "--jobs", "1")
    assert one == sweeps.document(*GRID, "--jobs", "3")
    assert one == sweeps.document(*GRID, "--jobs", "2", "--no-cache")
    assert [point["settings"]["profit"] for point in one["points"]].count("0.001") == 2
    assert (one["symbol"], one["swept"], one["complete"], one["points_run"]) == (
        "ETHUSDT",
        ["profit", "rebuy"],
        True,
        6,
    )
    for point in one["points"]:
        assert set(point) == {"settings", "in_sample", "out_of_sample", "reason"}
        assert point["in_sample"]["trades_scanned"] == one["in_sample"]["trades"]
        assert point["out_of_sample"]["trades_scanned"] == one["out_of_sample"]["trades"]
    assert one["in_sample"]["trades"] + one["out_of_sample"]["trades"] == 6_000
    assert not list(sweeps.home.glob("naived-sweep-*"))


def test_a_point_of_a_sweep_is_what_a_backtest_finds(sweeps: Sweeps) -> None:
    (point,) = sweeps.document("--profit", "0.002", "--split", "none")["points"]
    alone = sweeps.run("--profit", "0.002", "--json", command=("backtest", "ETHUSDT"))
    found = json.loads(alone.stdout)
    assert point["settings"] == found["settings"]
    assert point["in_sample"] == {name: found[name] for name in point["in_sample"]}
    assert point["out_of_sample"] is None


@pytest.mark.skipif(find_spec("optuna") is None, reason="Optuna is not installed: pip install '.[search]'")
def test_a_search_with_the_same_seed_is_the_same_with_any_number_of_processes(sweeps: Sweeps) -> None:
    search = ("--profit", "0.001:0.02:0.001", "--rebuy", "0.001:0.02:0.001", "--search", "20", "--seed", "5")
    one = sweeps.document(*search, "--jobs", "1")
    assert one == sweeps.document(*search, "--jobs", "3")
    assert (one["points_run"], len(one["points"]), one["seed"]) == (20, 20, 5)


def test_points_that_cannot_trade_are_rows_with_their_reason(sweeps: Sweeps) -> None:
    found = sweeps.document("--budget", "10,1000", "--floor", "1,3000", "--ceiling", "2000", "--jobs", "2")
    reasons = {
        (point["settings"]["budget"], point["settings"]["floor"]): point["reason"] for point in found["points"]
    }
    assert reasons[("1000", "1")] is None
    assert reasons[("10", "1")].startswith("too small to trade (NOTIONAL): the least budget is ")
    assert reasons[("10", "3000")] == reasons[("1000", "3000")] == "floor must not be above ceiling"


def test_in_a_pipe_the_best_points_are_plain_columns(sweeps: Sweeps) -> None:
    done = sweeps.run(*GRID, "--top", "2", "--jobs", "1")
    head, *rows = done.stdout.splitlines()
    assert head.split("  ")[0].strip() == "PROFIT"
    assert len(rows) == 2
    notes = done.stderr.splitlines()
    assert notes[0].startswith("naived: in sample 20")
    assert notes[1].startswith("naived: out of sample 20")


def test_a_tape_that_is_not_split_says_so(sweeps: Sweeps) -> None:
    assert "the best point may be luck alone" in sweeps.run("--profit", "0.001", "--jobs", "1").stderr


def test_the_best_settings_are_written_and_naivectl_reads_them(sweeps: Sweeps, tmp_path: Path) -> None:
    written = tmp_path / "best.toml"
    best = sweeps.document(*GRID, "--chunks", "3", "--write", str(written))["points"][0]
    text = written.read_text()
    table = tomllib.loads(text)
    assert table == {
        "symbol": "ETHUSDT",
        "settings": {"chunks": 3, "profit": best["settings"]["profit"], "rebuy": best["settings"]["rebuy"]},
    }
    assert re.search(r"^# tape: trades\.csv, sha256 [0-9a-f]{64}$", text, re.MULTILINE)
    assert f"#   profit {best['in_sample']['profit']} USDT" in text
    assert f"#   profit {best['out_of_sample']['profit']} USDT" in text


@pytest.mark.skipif(find_spec("plotly") is None, reason="plotly is not installed: pip install '.[backtest]'")
def test_the_page_is_written(sweeps: Sweeps, tmp_path: Path) -> None:
    assert sweeps.run(*GRID, "--html", str(tmp_path / "map.html")).returncode == 0
    assert "naived sweep ETHUSDT: 6 points" in (tmp_path / "map.html").read_text()


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"split": "1"}, "--split: a split must be above 0 and below 1"),
        ({"jobs": "0"}, "--jobs: '0' is not a whole number above 0"),
        ({"top": "all"}, "--top: 'all' is not a whole number above 0"),
        ({"search": "9.5"}, "--search: '9.5' is not a whole number above 0"),
        ({"seed": "1"}, "--seed N is for --search N"),
        ({"profit": "0.0001:0.5:0.0001", "rebuy": "0.01:0.5:0.01"}, "more than 100000; search it with --search N"),
        ({"profit": "0.1:0.2"}, "--profit: '0.1:0.2' is not FROM:TO:STEP"),
        ({"write": "trades.csv"}, "--write trades.csv would overwrite trades.csv"),
        ({"write": "-", "json": True}, "--json and --write cannot share standard output"),
        ({"tape": []}, "--tape FILE... is missing"),
    ],
)
def test_a_mistake_in_usage_says_what_to_do(given: dict[str, Any], cause: str) -> None:
    with pytest.raises(UsageError) as refused:
        load_command("ETHUSDT", {"tape": ["trades.csv"], **given}, {})
    assert cause in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "code", "cause"),
    [
        (("--tape", "/nowhere.csv"), 1, "/nowhere.csv: there is no such file"),
        (
            ("--budget", "10", "--write", "unwritten.toml"),
            1,
            "no point could trade, so unwritten.toml was not",
        ),
        (("--write", "/nowhere/best.toml"), 1, "cannot write /nowhere/best.toml: there is no directory /nowhere"),
        (("--split", "5"), 2, "--split: a split must be above 0 and below 1"),
    ],
)
def test_a_failure_is_an_error_without_a_traceback(
    sweeps: Sweeps, arguments: tuple[str, ...], code: int, cause: str
) -> None:
    done = sweeps.run(*arguments, "--jobs", "1")
    assert (done.returncode, cause in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_every_setting_of_a_backtest_can_be_swept() -> None:
    from naived.cli import commands

    taken = {
        name: set(command.__annotations__)
        for name, command in (("backtest", commands.backtest), ("sweep", commands.sweep))
    }
    assert set(SETTINGS) <= taken["sweep"]
    assert set(SETTINGS) <= taken["backtest"]


def children(pid: int) -> list[int]:
    """The processes that it began and that have not ended."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(entry.parent.name))
    return found


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.fixture(scope="module")
def long(sweeps: Sweeps) -> Sweeps:
    return Sweeps(sweeps.home, file(sweeps.home / "long.csv", 30_000))


def begun(sweeps: Sweeps, *arguments: str) -> "tuple[subprocess.Popen[str], list[int]]":
    """A sweep of slow points in two processes, which are at work."""
    process = subprocess.Popen(
        [*PROGRAM, "sweep", "ethusdt", "--tape", str(sweeps.tape), *SLOW, "--jobs", "2", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=sweeps.environment,
        start_new_session=True,
    )
    workers: list[int] = []

    def working() -> bool:
        assert process.poll() is None
        # The resource tracker of multiprocessing is a child too; its command line tells it.
        workers[:] = [
            each for each in children(process.pid) if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()
        ]
        return len(workers) == 2

    until(working)
    return process, workers


def test_ctrl_c_prints_what_is_done_and_leaves_no_process(long: Sweeps) -> None:
    process, workers = begun(long, "--json", "--no-cache")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    document = json.loads(out)
    assert document["complete"] is False
    assert document["points_run"] == len(document["points"]) < 100
    assert err.splitlines()[-1].startswith("naived: interrupted; ")
    assert "Traceback" not in err
    until(lambda: all(map(gone, workers)))
    assert not list(long.home.glob("naived-sweep-*"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)])
def test_workers_end_with_the_sweep(long: Sweeps, number: signal.Signals, code: int) -> None:
    process, workers = begun(long)
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    until(lambda: all(map(gone, workers)))


def test_options_may_come_from_the_environment(sweeps: Sweeps) -> None:
    variables = {"NAIVED_TAPE": str(sweeps.tape), "NAIVED_PROFIT": "0.001,0.002", "NAIVED_SPLIT": "none"}
    command = load_command("ethusdt", {}, variables)
    assert (command.grid.size, command.share, command.share_by_tape) == (2, None, False)
    with pytest.raises(ConfigError, match="NAIVED_SPLITS; did you mean NAIVED_SPLIT"):
        gather(("split",), {}, {"NAIVED_SPLITS": "1"})


def test_a_share_is_a_fraction_or_a_percentage() -> None:
    assert _share("70%") == _share("0.7") == 70_000_000
    assert _share("none") is None


def test_limits_of_the_account_bind_every_point(sweeps: Sweeps) -> None:
    free = sweeps.document(*GRID)["points"]
    document = sweeps.document(*GRID, "--max-exposure", "250")
    assert document["limits"]["max_exposure"] == "250"
    bound = document["points"]
    assert all(float(point["in_sample"]["max_tied_up"]) <= 250 for point in bound)
    assert any(float(point["in_sample"]["max_tied_up"]) > 250 for point in free)
