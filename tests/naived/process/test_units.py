"""The units and the files of variables in contrib/ say what naived does, and systemd reads them."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from naived.cli.config import load
from naived.daemon import PATIENCE

CONTRIB = Path(__file__).parents[3] / "contrib"
UNITS = ("naived.service", "naived-user.service")
WORST = 2.5  # of `systemd-analyze security`: 0 is closed, 10 is open


def read(name: str) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
    unit.optionxform = str  # type: ignore[method-assign, assignment]
    unit.read(CONTRIB / name)
    return unit


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_knows_exit_codes_signals_and_times_of_naived(name: str) -> None:
    service = read(name)["Service"]
    assert service["Type"] == "notify"
    assert service["RestartPreventExitStatus"].split() == ["2", "69", "78"]
    assert int(service["TimeoutStopSec"]) > 2 * PATIENCE
    assert int(service["WatchdogSec"]) > PATIENCE
    assert service["ExecStart"].endswith("/bin/naived run")
    assert service["ExecReload"].endswith("kill -HUP $MAINPID")


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_begun_again_however_long_the_database_is_away(name: str) -> None:
    unit = read(name)
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert "75" not in unit["Service"]["RestartPreventExitStatus"].split()


@pytest.mark.parametrize(
    ("name", "exchange"),
    [("simulator", "simulator"), ("paper", "paper"), ("binance", "binance"), ("node", "binance")],
)
def test_a_file_of_variables_is_a_configuration(tmp_path: Path, name: str, exchange: str) -> None:
    lines = (CONTRIB / "env" / f"{name}.env").read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    for name in ("binance.key", "binance.secret"):  # as contrib/keys.conf has systemd make them
        (tmp_path / name).write_text("abcdefgh")
        (tmp_path / name).chmod(0o440)
    assert f"LoadCredential={name}:" in (CONTRIB / "keys.conf").read_text()
    environ = {"NAIVED_HOME": str(tmp_path), "CREDENTIALS_DIRECTORY": str(tmp_path), **variables}
    config = load({}, environ, terminal=False)
    assert config.exchange == exchange
    assert (config.api_keys is not None) == (exchange == "binance")
    if name == "node":
        assert (config.node, config.lease) == ("alpha", 30_000)
        assert config.database.startswith("postgresql://")


def test_a_nodes_unit_goes_on_while_the_database_is_away_and_systemd_knows_every_setting(tmp_path: Path) -> None:
    added = read("node.conf")
    assert added["Unit"]["StartLimitIntervalSec"] == "0"
    assert "75" not in read("naived.service")["Service"]["RestartPreventExitStatus"].split()
    (tmp_path / "naived.service.d").mkdir()
    shutil.copy(CONTRIB / "naived.service", tmp_path)
    shutil.copy(CONTRIB / "node.conf", tmp_path / "naived.service.d")
    said = analyze("verify", str(tmp_path / "naived.service"))
    assert "Unknown" not in said
    assert "Failed to parse" not in said


def analyze(*arguments: str) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_the_systems_unit_is_closed(tmp_path: Path) -> None:
    shutil.copy(CONTRIB / "naived.service", tmp_path)
    said = analyze("security", "--offline=true", str(tmp_path / "naived.service"))
    match = re.search(r"Overall exposure level for naived\.service: ([0-9.]+)", said)
    if match is None:
        pytest.skip(f"systemd-analyze cannot judge a unit without a system here: {said[:200]}")
    assert float(match[1]) <= WORST


@pytest.mark.parametrize("name", UNITS)
def test_systemd_knows_every_setting(tmp_path: Path, name: str) -> None:
    shutil.copy(CONTRIB / name, tmp_path / "naived.service")
    said = analyze("verify", str(tmp_path / "naived.service"))
    assert "Unknown" not in said
    assert "Failed to parse" not in said
