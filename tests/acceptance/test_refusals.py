"""What `naived` refuses to start with: one clear line, and the exit code that tells scripts what to do."""

from pathlib import Path

import pytest

from tests.acceptance.harness import Program


def refused(home: Path, *arguments: str) -> tuple[int, str]:
    """The exit code, and what was said to a person."""
    program = Program(home / "log", *arguments)
    return program.ended(), program.log.read_text().strip()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--database", "mysql://localhost/naived"], 2, "sqlite:///PATH or postgresql://USER@HOST/NAME"),
        (["--exchange", "nasdaq"], 2, "'nasdaq' is not one of simulator, paper, testnet, demo, binance"),
        (["--exchange", "testnet"], 78, "needs API keys"),
        (["--exchange-url", "ws://example.com:80"], 2, "is not this machine"),
        (["--grace", "soon"], 2, "is not a duration"),
        (["--no-such-option"], 2, "--no-such-option"),
        (["--config", "/nonexistent.toml"], 78, "cannot read the configuration"),
    ],
)
def test_a_wrong_option_is_named_with_what_would_be_right(
    home: Path, options: list[str], code: int, said: str
) -> None:
    ended, message = refused(home, "run", "--home", str(home), *options)
    assert ended == code
    assert said in message


def test_a_wrong_value_in_the_configuration_file_is_not_called_usage(home: Path) -> None:
    (home / "naived.toml").write_text('database = "mysql://localhost/naived"\n')
    ended, message = refused(home, "run", "--home", str(home), "--config", str(home / "naived.toml"))
    assert ended == 78
    assert "database in" in message


def test_a_key_file_that_others_can_read_is_refused_unread(home: Path) -> None:
    for name in ("key", "secret"):
        (home / name).write_text("abcdefabcdef\n")
        (home / name).chmod(0o600)
    (home / "secret").chmod(0o644)
    keys = ("--api-key-file", str(home / "key"), "--api-secret-file", str(home / "secret"))
    ended, message = refused(home, "run", "--home", str(home), "--exchange", "testnet", *keys)
    assert ended == 78
    assert f"chmod 600 {home}/secret" in message
    assert "abcdef" not in message


def test_real_money_needs_a_word_more(home: Path) -> None:
    for name in ("key", "secret"):
        (home / name).write_text("abcdefabcdef\n")
        (home / name).chmod(0o600)
    keys = ("--api-key-file", str(home / "key"), "--api-secret-file", str(home / "secret"))
    ended, message = refused(home, "run", "--home", str(home), "--exchange", "binance", *keys)
    assert ended == 78
    assert "--live" in message


def test_a_database_server_that_is_away_is_worth_another_try(home: Path) -> None:
    ended, message = refused(home, "run", "--home", str(home), "--database", f"postgresql:///naived?host={home}")
    assert ended == 75
    assert "start naived again" in message


def test_a_file_that_is_no_database_is_for_a_person_to_look_at(home: Path) -> None:
    (home / "notes.txt").write_text("not a database at all\n" * 100)
    ended, message = refused(home, "run", "--home", str(home), "--database", f"sqlite:///{home}/notes.txt")
    assert ended == 78
    assert "file is not a database" in message
    assert (home / "notes.txt").read_text().startswith("not a database at all\n")


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--speed", "0"], 2, "is not above 0"),
        (["--listen", "nowhere"], 2, "is not HOST:PORT"),
        (["--fee", "2"], 2, "a fee must be below 1"),
        (["--tape", "ETHUSDT=/nonexistent.csv"], 78, "/nonexistent.csv"),
        (["--tape", "NOSUCH=/nonexistent.csv"], 78, "NOSUCH is not a symbol of this exchange"),
        (["--exchange-info", "/nonexistent.json"], 78, "cannot read /nonexistent.json"),
        (["--no-such-option"], 2, "--no-such-option"),
    ],
)
def test_a_simulator_that_cannot_be_is_refused(home: Path, options: list[str], code: int, said: str) -> None:
    ended, message = refused(home, "simulate", *options)
    assert ended == code
    assert said in message
