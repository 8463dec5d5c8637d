import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from naived.process import reload as reload_module
from naived.process.config import Config, ConfigError, Venue
from naived.process.reload import Reload
from tests.support.daemon import configured

Change = Callable[[Config], Config]


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """How logging was configured."""
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(reload_module.logs, "configure", lambda *arguments: calls.append(arguments))
    return calls


async def reloaded(before: Config, read: Callable[[], Config]) -> tuple[Config, list[Config], list[str]]:
    """What is in force afterwards, what was given to the daemon, and what was logged."""
    applied: list[Config] = []
    reload = Reload(before, read)
    reload.apply = applied.append
    with structlog.testing.capture_logs() as records:
        await reload()
    return reload.config, applied, [f"{each['log_level']}: {each}" for each in records]


async def test_what_may_change_while_it_runs_is_taken(tmp_path: Path, logs: list[tuple[Any, ...]]) -> None:
    before = configured(tmp_path)
    after = replace(before, log_level="debug", log_format="console", recv_window=3_000, grace=70_000)
    after = replace(after, metrics_listen=("127.0.0.1", 9464))
    assert (await reloaded(before, lambda: after))[:2] == (after, [after])
    assert [call[:2] for call in logs] == [("console", "debug")]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda config: replace(config, home=Path("/h")), "home"),
        (lambda config: replace(config, socket=Path("/s")), "socket"),
        (lambda config: replace(config, database="sqlite:////d"), "database"),
        (lambda config: replace(config, exchange_url="ws://127.0.0.1:1"), "exchange-url"),
    ],
)
async def test_what_needs_a_restart_is_named_and_the_rest_is_taken(
    tmp_path: Path, logs: list[tuple[Any, ...]], change: Change, name: str
) -> None:
    before = configured(tmp_path)
    config, applied, said = await reloaded(before, lambda: replace(change(before), grace=70_000))
    assert config == replace(before, grace=70_000)
    assert applied == [config]
    assert any("error" in line and "need a restart" in line and f"'{name}'" in line for line in said)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda config: replace(config, recv_window=26_001, lease=30_001), ["recv-window", "lease"]),
        (lambda config: replace(config, exchange=Venue.TESTNET, grace=59_999), ["exchange", "grace"]),
    ],
)
async def test_what_is_not_safe_with_what_stays_needs_a_restart_too(
    tmp_path: Path, logs: list[tuple[Any, ...]], change: Change, names: list[str]
) -> None:
    shared = "postgresql:///naived"
    before = replace(configured(tmp_path), exchange=Venue.BINANCE, database=shared)
    config, applied, said = await reloaded(before, lambda: replace(change(before), log_level="debug"))
    assert config == replace(before, log_level="debug")
    assert applied == [config]
    assert ["need a restart" in line and str(names) in line for line in said] == [False, True]


@pytest.mark.parametrize("kind", [ConfigError, FileNotFoundError, ValueError])
async def test_a_bad_configuration_changes_nothing(
    tmp_path: Path, logs: list[tuple[Any, ...]], kind: type[Exception]
) -> None:
    def bad() -> Config:
        raise kind("grace in naived.toml: 'soon' is not a duration")

    before = configured(tmp_path)
    config, applied, said = await reloaded(before, bad)
    assert (config, applied, logs) == (before, [], [])
    assert ["'soon' is not a duration" in line for line in said] == [True]


async def test_a_file_that_hangs_keeps_nothing_waiting(
    tmp_path: Path, logs: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload_module, "_PATIENCE", 0.01)
    answered = threading.Event()
    config = configured(tmp_path)
    reload = Reload(config, lambda: answered.wait(10) and replace(config, grace=70_000))
    with structlog.testing.capture_logs() as records:
        for _ in range(2):  # the second one waits for the first
            await reload()
    assert [each["log_level"] for each in records] == ["error"] * 2
    assert "cannot be read within" in records[0]["error"]
    answered.set()
    monkeypatch.setattr(reload_module, "_PATIENCE", 10)
    await reload()
    assert reload.config.grace == 70_000
