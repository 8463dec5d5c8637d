import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from naived.check.rows import Row, failed, ok
from naived.cli import check
from naived.cli.check import perform, show
from tests.support import forks

PATIENCE = 60  # seconds for one program


def naived_check(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The program, without a terminal."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("NAIVED_")} | environment
    return forks.run("naived", "check", "--home", str(home), *arguments, timeout=PATIENCE, env=env)


@pytest.mark.executed
def test_without_a_home_nothing_is_made_and_all_is_told(tmp_path: Path) -> None:
    done = naived_check(tmp_path / "h", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["v"] == 1
    for row in document["checks"]:
        assert list(row) == ["name", "status", "found", "todo"]
        assert row["status"] in ("ok", "warned", "failed", "skipped")
    assert not list(tmp_path.iterdir())


def test_a_home_that_is_open_is_78_and_a_disk_without_room_would_be_1(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    done = naived_check(tmp_path)
    assert done.returncode == 78
    [line] = [line for line in done.stdout.splitlines() if line.startswith("home ")]
    assert "failed" in line
    assert line.endswith(f"chmod 700 {tmp_path}")


def test_a_key_file_that_others_can_read_is_one_row_of_many(tmp_path: Path) -> None:
    for name in ("key", "secret"):
        (tmp_path / name).write_text("abcdefgh")
        (tmp_path / name).chmod(0o644)
    files = {"NAIVED_API_KEY_FILE": str(tmp_path / "key"), "NAIVED_API_SECRET_FILE": str(tmp_path / "secret")}
    done = naived_check(tmp_path / "h", "--json", "--exchange", "testnet", **files)
    assert done.returncode == 78
    rows = {row["name"]: row for row in json.loads(done.stdout)["checks"]}
    assert rows["key files"]["status"] == "failed"
    assert rows["key files"]["todo"] == f"chmod 600 {tmp_path / 'key'}"
    assert {"home", "database", "memory"} <= rows.keys()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--exchange", "nowhere"), 2, "--exchange"),
        (("--exchange", "binance", "--json"), 78, "--live"),
        (("--config", "/absent.toml"), 78, "cannot read the configuration /absent.toml"),
    ],
)
def test_what_run_refuses_is_refused_with_the_same_code(
    tmp_path: Path, arguments: tuple[str, ...], code: int, text: str
) -> None:
    (tmp_path / "k").write_text("abcdefgh")
    (tmp_path / "k").chmod(0o600)
    keys = {"NAIVED_API_KEY_FILE": str(tmp_path / "k"), "NAIVED_API_SECRET_FILE": str(tmp_path / "k")}
    done = naived_check(tmp_path, *arguments, **keys if "binance" in arguments else {})
    assert done.returncode == code
    assert text in done.stdout + done.stderr


def test_a_wrong_configuration_is_a_row_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAIVED_RECV_WINDOW", "soon")
    assert perform({}, machine=True) == 78
    [row] = json.loads(capsys.readouterr().out)["checks"]
    assert (row["name"], row["status"]) == ("configuration", "failed")
    assert "NAIVED_RECV_WINDOW" in row["found"]


def test_plain_columns_hold_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    show([ok("a", "x\x1b[2J"), failed("longer", "y", "do")], machine=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "check   status  found     what to do",
        "a       ok      x\\x1b[2J",
        "longer  failed  y         do",
    ]


@pytest.mark.parametrize(
    ("password", "shown"),
    [("pa55word", "***"), ("", ""), ("db", "db"), ("naived", "naived"), ("postgres", "postgres")],
)
def test_a_secret_is_not_shown_and_hides_nothing_else(
    password: str, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def examine(*_: object) -> list[Row]:
        return [failed("database", f"naived asks db: not {password}", f"naived, not {password}")]

    monkeypatch.setattr(check, "examine", examine)
    monkeypatch.setattr(check.logs, "configure", lambda *_: None)
    perform({"home": str(tmp_path), "database": f"postgresql://me:{password}@db/naived"}, machine=True)
    [row] = json.loads(capsys.readouterr().out)["checks"]
    assert (row["found"], row["todo"]) == (f"naived asks db: not {shown}".strip(), f"naived, not {shown}".strip())


def test_on_a_terminal_it_is_a_table(tmp_path: Path) -> None:
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 100, 0, 0))
    env = {name: value for name, value in os.environ.items() if not name.startswith("NAIVED_")} | {"TERM": "xterm"}
    with forks.start("naived", "check", "--home", str(tmp_path), stdout=terminal, env=env) as running:
        os.close(terminal)
        seen = b""
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        assert running.wait(PATIENCE) == 0
    os.close(main)
    assert b"\x1b[32mok" in seen
    assert b"what to do" in seen
