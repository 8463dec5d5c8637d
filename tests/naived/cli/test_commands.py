import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog
import trio

import naived
from naivectl.grammar import grammar
from naived.cli import commands, launch, options
from naived.control.endpoint import Endpoint
from naived.process import logs
from naived.process.config import Config, Venue

Run = Callable[..., tuple[int, list[Config]]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """``naived`` with a daemon that notes its configuration and returns or raises ``outcome``."""
    for name in list(os.environ):
        if name.startswith("NAIVED_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(launch, "_protect", lambda: None)
    monkeypatch.setattr(logs, "configure", lambda *_: None)

    def naived_command(*arguments: str, outcome: int | Exception = 0) -> tuple[int, list[Config]]:
        seen: list[Config] = []

        async def daemon(config: Config, endpoint: Endpoint, reread: Callable[[], Config] | None) -> int:
            await trio.lowlevel.checkpoint()
            assert config.socket.is_socket()
            assert reread is None or reread() == config
            seen.append(config)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(naived, "daemon", SimpleNamespace(run=daemon), raising=False)
        monkeypatch.setattr(sys, "argv", ["naived", *arguments])
        with pytest.raises(SystemExit) as left:
            commands.main()
        assert isinstance(left.value.code, int)
        return left.value.code, seen

    return naived_command


@pytest.mark.parametrize("arguments", [(), ("run",)])
def test_naived_alone_runs_the_daemon(run: Run, arguments: tuple[str, ...], tmp_path: Path) -> None:
    code, [config] = run(*arguments)
    assert code == 0
    assert config.exchange is Venue.SIMULATOR
    assert config.home == tmp_path / ".local/state/naived"
    assert config.home.stat().st_mode & 0o777 == 0o700


def test_every_option_of_run_reaches_the_configuration(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("k")
    secret.chmod(0o600)
    options = {
        "--home": str(tmp_path / "h"),
        "--socket": str(tmp_path / "s"),
        "--database": "postgresql://db/naived",
        "--exchange": "paper",
        "--exchange-url": "ws://127.0.0.1:9443",
        "--api-key-file": str(secret),
        "--api-secret-file": str(secret),
        "--recv-window": "1s",
        "--grace": "2s",
        "--log-format": "json",
        "--log-level": "error",
    }
    _, [config] = run(*(word for option in options.items() for word in option))
    assert (config.home, config.socket) == (tmp_path / "h", tmp_path / "s")
    assert (config.database, config.exchange, config.exchange_url) == (
        "postgresql://db/naived",
        Venue.PAPER,
        "ws://127.0.0.1:9443",
    )
    assert config.api_keys is not None
    assert (config.recv_window, config.grace, config.log_format, config.log_level) == (
        1_000,
        2_000,
        "json",
        "error",
    )


def test_live_and_the_configuration_file_are_options_too(run: Run, tmp_path: Path) -> None:
    for name in ("binance.key", "binance.secret"):
        (tmp_path / name).write_text("k")
        (tmp_path / name).chmod(0o600)
    file = tmp_path / "naived.toml"
    file.write_text(
        'exchange = "binance"\n'
        f'api_key_file = "{tmp_path}/binance.key"\n'
        f'api_secret_file = "{tmp_path}/binance.secret"\n'
    )
    assert run("--config", str(file)) == (78, [])
    assert run("--config", str(file), "--live")[0] == 0


@pytest.mark.parametrize(
    "line",
    [
        "",
        "run",
        "--live",
        "--home /a --exchange=paper",
        "run --socket=/a=b --config naived.toml --live --log-level debug",
        "run --recv-window 5s --grace=1m --database sqlite:////x",
        "--home=",
    ],
)
def test_a_plain_command_line_is_read_as_typer_reads_it(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    seen: list[Mapping[str, object]] = []

    def noted(flags: Mapping[str, object]) -> int:
        seen.append({name: value for name, value in flags.items() if value not in (None, False)})
        return 0

    monkeypatch.setattr(commands, "launch", noted)
    monkeypatch.setattr(sys, "argv", ["naived", *line.split()])
    with pytest.raises(SystemExit):
        commands.main()
    assert seen == [launch.plain_flags(line.split())]


@pytest.mark.parametrize(
    "line",
    [
        *(
            "--help",
            "run --help",
            "--version",
            "simulate",
            "run x",
            "--nosuch",
            "--home",
            "--home -x",
            "--live=yes",
        ),
        *("--home a --home b", "--log_level info", "-h", "run --", "x --home a"),
    ],
)
def test_typer_explains_what_is_not_plain(line: str) -> None:
    assert launch.plain_flags(line.split()) is None


@pytest.mark.parametrize("code", [0, 1, 69, 75, 78])
def test_the_daemons_exit_code_is_the_programs(run: Run, code: int) -> None:
    assert run(outcome=code)[0] == code


def test_a_crash_is_logged_and_exits_1(run: Run) -> None:
    with structlog.testing.capture_logs() as records:
        code, _ = run(outcome=RuntimeError("boom"))
    assert code == 1
    assert [record["log_level"] for record in records] == ["critical"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--no-such-option",), 2, "No such option"),
        (("no-such-command",), 2, "No such command"),
        (("run", "surplus"), 2, "unexpected extra argument"),
        (("--grace", "soon"), 2, "naived: --grace: 'soon' is not a duration"),
        (("--exchange", "kraken"), 2, "naived: --exchange: 'kraken' is not one of"),
        (("--exchange", "testnet"), 78, "naived: the exchange testnet needs API keys"),
        (("--config", "/absent.toml"), 78, "naived: cannot read the configuration /absent.toml"),
        (("--home", "/dev/null/x"), 78, "naived: cannot make the home /dev/null/x"),
    ],
)
def test_what_cannot_run_says_why_on_stderr_and_starts_nothing(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, message: str
) -> None:
    assert run(*arguments) == (code, [])
    output = capsys.readouterr()
    assert message in output.err
    assert output.out == ""


def test_the_version_is_printed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == (0, [])
    assert capsys.readouterr().out == "naived 0.1.0\n"


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_names_both_programs(run: Run, capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert run(word) == (0, [])
    output = capsys.readouterr().out
    assert "run" in output
    assert "simulate" in output


def test_files_are_ours_alone_and_a_crash_leaves_no_core() -> None:
    program = (
        "import os, resource; from naived.cli import launch; launch._protect(); "
        "print(oct(os.umask(0)), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0o77 (0, 0)\n"


def test_every_option_is_read_from_the_environment_but_those_that_the_help_excepts() -> None:
    read = {
        **{"run": options.RUN, "check": options.RUN, "simulate": options.SIMULATE, "backtest": options.BACKTEST},
        **{"sweep": options.SWEEP, "record": options.RECORD, "replay": options.REPLAY},
    }
    tree = grammar(commands.app)
    offered = {name for verb in tree.verbs for option in verb.options for name in option.names}
    known = {f"--{name.replace('_', '-')}" for names in read.values() for name in names} | {"--config"}
    excepted = {"--json", "--diff", "--help", "--version"}
    assert offered - known == excepted - {"--help", "--version"}
    told, _, _ = commands._EPILOG.partition(" is also an environment variable")
    assert {word for word in re.findall(r"--[a-z]+", told)} == excepted
    for verb in tree.verbs:
        names = {name.lstrip("-").replace("-", "_") for option in verb.options for name in option.names}
        assert names - {"json", "diff", "config"} <= set(read[verb.name]), verb.name
