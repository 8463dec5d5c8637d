"""Every command that docs/SETTINGS.md, SCRIPTS.md and GOING-LIVE.md show is run, and answers as they say."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from naived.core.amount import format_amount
from naived.core.strategy.settings import DEFAULT_BUDGET, MAX_CHUNKS, Settings
from tests.acceptance.harness import PATIENCE, SYMBOL, Daemon, Exchange, until

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "docs" / "SETTINGS.md"
SCRIPTS = ROOT / "docs" / "SCRIPTS.md"
GOING_LIVE = ROOT / "docs" / "GOING-LIVE.md"


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.DOTALL | re.MULTILINE)
    return found


class Account:
    """A user's home with the programs where pipx puts them, and the environment that cron gives."""

    def __init__(self, home: Path, exchange: Exchange, naived: Callable[..., Daemon]) -> None:
        self.home = home
        state = home / ".local/state/naived"
        state.mkdir(parents=True, mode=0o700)
        programs = home / ".local/bin"
        programs.mkdir()
        (programs / "naivectl").symlink_to(Path(sys.executable).parent / "naivectl")
        if shutil.which("python3", path="/usr/bin:/bin") is None:
            (programs / "python3").symlink_to(sys.executable)
        self.daemon = naived("--exchange-url", exchange.url)
        self.daemon.home = state
        self.daemon.start()
        exchange.trade("2000")

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            "HOME": str(self.home),
            "LOGNAME": "somebody",
            "SHELL": "/bin/sh",
            "PATH": "/usr/bin:/bin",
        }
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=environment,
            cwd=self.home,
        )


@pytest.fixture
def account(home: Path, simulate: Callable[..., Exchange], naived: Callable[..., Daemon]) -> Account:
    return Account(home, simulate(), naived)


def told(account: Account, command: str) -> str:
    done = account.run("sh", "-c", f"PATH=$HOME/.local/bin:$PATH; {command}")
    return "".join(f"{line}\n" for line in (done.stdout + done.stderr).splitlines())


def answered(account: Account, block: str) -> str:
    """The block with what its commands answer now."""
    commands = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
    return "".join(f"$ {command}\n{told(account, command)}" for command in commands)


def test_every_answer_in_the_settings_is_a_real_one(account: Account) -> None:
    until(lambda: "at 1999.8 " in told(account, f"naivectl start {SYMBOL} --dry-run"))
    shown = blocks(SETTINGS, "console")
    assert shown
    for block in shown:
        assert block == answered(account, block)


def test_the_settings_are_those_that_there_are() -> None:
    defaults, text = Settings(), SETTINGS.read_text()
    rows = dict(re.findall(r"^\| `--([a-z-]+)` \| ([0-9.]+)", text, re.MULTILINE))
    assert rows.pop("budget") == format_amount(DEFAULT_BUDGET)
    assert rows.pop("chunks") == str(defaults.chunks)
    assert rows == {
        name.replace("_", "-"): format_amount(getattr(defaults, name))
        for name in Settings.__struct_fields__
        if name not in ("chunks", "budget") and isinstance(getattr(defaults, name), int)
    }
    assert f"1 to {MAX_CHUNKS} " in text


def test_every_step_to_real_money_works_on_the_simulator(account: Account) -> None:
    until(lambda: "at 1999.8 " in told(account, f"naivectl start {SYMBOL} --dry-run"))
    commands = [line.removeprefix("$ ") for block in blocks(GOING_LIVE, "console") for line in block.splitlines()]
    assert len(commands) > 15
    for command in commands:
        done = account.run("sh", "-c", f"PATH=$HOME/.local/bin:$PATH; {command}")
        assert (done.returncode, done.stderr) == (0, ""), (command, done)
    assert "off" in told(account, f"naivectl status {SYMBOL}")


def test_every_option_on_the_way_to_real_money_exists() -> None:
    known = "".join(_help("naived", verb) for verb in ("run", "check"))
    lines = [line for block in blocks(GOING_LIVE, "text") for line in block.splitlines() if "naived" in line]
    assert len(lines) >= 5
    for option in re.findall(r"--[a-z-]+", " ".join(lines)):
        assert option in known


def _help(program: str, *verb: str) -> str:
    command = [Path(sys.executable).parent / program, *verb, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_each_trade_is_in_the_file_of_its_day_and_a_failure_leaves_the_files_as_they_are(tmp_path: Path) -> None:
    (script,) = (each for each in blocks(SCRIPTS, "sh") if "# ~/bin/save-trades" in each)
    programs = tmp_path / ".local/bin"
    programs.mkdir(parents=True)
    stub = programs / "naivectl"
    days = [f"{datetime.now(UTC).date() - timedelta(days=ago)}" for ago in (2, 1, 0)]
    ends = [f"{day}T{time}Z" for day in days for time in ("00:00:00.000", "23:59:59.999")]

    def run(rows: list[str], code: int = 0) -> int:
        stub.write_text(f"#!/bin/sh\ncat <<END\n{chr(10).join(rows)}\nEND\nexit {code}\n")
        stub.chmod(0o755)
        environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TZ": "America/New_York"}
        return subprocess.run(["/bin/sh", "-c", script], env=environment, check=False).returncode

    assert run(["symbol,fees,finished_at", *(f"ETHUSDT,1 ETH,{end}" for end in ends)]) == 0
    for day in days[:2]:
        lines = (tmp_path / f"trades-{day}.csv").read_text().splitlines()
        assert lines == [
            "symbol,fees,finished_at",
            *(f"ETHUSDT,1 ETH,{end}" for end in ends if end.startswith(day)),
        ]
    assert not (tmp_path / f"trades-{days[2]}.csv").exists()
    before = {each.name: each.read_text() for each in tmp_path.glob("trades-*.csv")}
    assert run([], 7) == 7
    assert {each.name: each.read_text() for each in tmp_path.glob("trades-*.csv")} == before


def test_every_script_runs_as_cron_would_run_it(account: Account) -> None:
    said: dict[str, str] = {}
    (account.home / "bin").mkdir()
    for script in blocks(SCRIPTS, "sh"):
        name = script.splitlines()[1].removeprefix("# ~/bin/").partition(":")[0]
        path = account.home / "bin" / name
        path.write_text(script)
        path.chmod(0o755)
        done = account.run("sh", "-e", str(path))
        assert (done.returncode, done.stderr) == (0, ""), (name, done)
        again = account.run(str(path))
        assert again.returncode == 0, (name, again)
        said[name] = done.stdout
    assert said["keep-trading"] == ""
    assert said["say-trading"] == "ETHUSDT trades\n"
    assert re.search(r"^ETHUSDT trading 0 USDT", said["report"], re.MULTILINE)
    assert Decimal(said["report"].split()[-1]) >= 0
    assert said["start-these"] == "NOSUCHUSDT unknown_symbol\nexit code 5\n"
    saved = sorted(account.home.glob("trades-*"))
    assert [each.suffix for each in saved] == [".csv"] * 7
    assert saved[-1].read_text().startswith("symbol,trader,bought,")
    assert said["drain"].endswith("nothing is open\n")
    for line in "".join(blocks(SCRIPTS, "crontab")).splitlines():
        command = line.split(maxsplit=5)[5]
        assert "%" not in command  # cron makes it a new line
        done = account.run("/bin/sh", "-c", command)
        assert done.returncode == 0, (line, done)
    account.daemon.suspend()
    away = account.run(str(account.home / "bin/keep-trading"))
    assert (away.returncode, away.stdout) == (7, "naived does not run\n")
